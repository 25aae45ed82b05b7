"""Ways to make rare classes count for more: always among the training rows of a split, which are all it sees."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from audio_genre.errors import ParameterError
from audio_genre.extras import install_command

if TYPE_CHECKING:
    from numpy.typing import NDArray

_NEIGHBOURS = 5


@dataclass(frozen=True, eq=False)
class Learned:
    """What a model learns from.

    Attributes
    ----------
    X : np.ndarray, shape (n, d), float32
        Rows.
    y : np.ndarray of int, shape (n,)
        Their class numbers.
    weights : np.ndarray, shape (n,), float32, or None
        What each row counts for; None where all count the same.
    """

    X: NDArray[np.float32]
    y: NDArray[np.intp]
    weights: NDArray[np.float32] | None = None


Balancer = Callable[["Learned", tuple[tuple[slice, ...], tuple[int, ...]], int], "Learned"]
"""Balances training rows, of which some columns are categories or say yes and no, with a seed."""


def _none(rows: Learned, columns: Any, seed: int) -> Learned:  # noqa: ARG001
    return rows


def _weigh(power: float) -> Balancer:
    def weigh(rows: Learned, columns: Any, seed: int) -> Learned:  # noqa: ARG001
        counts = np.bincount(rows.y).astype(np.float64)
        weights = np.where(counts > 0, np.maximum(counts, 1) ** -power, 0.0)[rows.y]
        return Learned(rows.X, rows.y, (weights / weights.mean()).astype(np.float32))

    return weigh


def _oversample(rows: Learned, columns: Any, seed: int) -> Learned:  # noqa: ARG001
    from imblearn.over_sampling import RandomOverSampler

    sampler = RandomOverSampler(random_state=seed)
    sampler.fit_resample(np.arange(len(rows.y))[:, np.newaxis], rows.y)
    drawn = sampler.sample_indices_
    return Learned(rows.X[drawn], rows.y[drawn])


def _smote(rows: Learned, columns: tuple[tuple[slice, ...], tuple[int, ...]], seed: int) -> Learned:
    """Make new rows between neighbours of a class; a category takes the most frequent value among them."""
    from imblearn.over_sampling import SMOTE, SMOTENC

    one_hot, flags = columns
    least = int(np.bincount(rows.y)[np.bincount(rows.y) > 0].min())
    if least < 2:
        raise ParameterError(
            "SMOTE makes rows between neighbours of a class, and a class has one training row; use --balance "
            "oversample or class-weight."
        )
    neighbours = min(_NEIGHBOURS, least - 1)
    # A category is one column here, not one for each value.
    hot = [place for group in one_hot for place in range(group.start, group.stop)]
    plain = [place for place in range(rows.X.shape[1]) if place not in hot]
    codes = [np.where(rows.X[:, group].any(axis=1), rows.X[:, group].argmax(axis=1), -1) for group in one_hot]
    X = np.column_stack([rows.X[:, plain], *codes]).astype(np.float64)
    # Distances are taken on columns of one scale.
    scale = X[:, : len(plain)].std(axis=0)
    scale[scale == 0] = 1.0
    X[:, : len(plain)] /= scale
    categorical = [plain.index(flag) for flag in flags] + list(range(len(plain), X.shape[1]))
    if len(categorical) == X.shape[1]:
        raise ParameterError(
            "SMOTE makes rows between numbers, and the table has categories alone; use --balance oversample or "
            "class-weight."
        )
    sampler = (
        SMOTENC(categorical, random_state=seed, k_neighbors=neighbours)
        if categorical
        else SMOTE(random_state=seed, k_neighbors=neighbours)
    )
    found, y = sampler.fit_resample(X, rows.y)
    made = np.zeros((len(found), rows.X.shape[1]), dtype=np.float32)
    made[:, plain] = found[:, : len(plain)] * scale
    for number, group in enumerate(one_hot):
        code = found[:, len(plain) + number].astype(np.intp)
        made[code >= 0, group.start + code[code >= 0]] = 1
    # The rows that were there stay as they were, to the last bit.
    made[: len(rows.X)] = rows.X
    return Learned(made, y.astype(np.intp))


BALANCES: Mapping[str, Balancer] = MappingProxyType(
    {
        "none": _none,
        "class-weight": _weigh(1.0),
        "class-weight-sqrt": _weigh(0.5),
        "smote": _smote,
        "oversample": _oversample,
    }
)
"""Every way to balance by its name."""

_NEED_IMBLEARN = ("smote", "oversample")


def require_balance(name: str) -> None:
    """Refuse a way to balance that is unknown, or whose package is missing."""
    if name not in BALANCES:
        raise ParameterError(f"The balance must be one of {', '.join(BALANCES)}; got {name!r}.")
    if name in _NEED_IMBLEARN and importlib.util.find_spec("imblearn") is None:
        raise ParameterError(
            f"The balance {name} needs the package imbalanced-learn, which is not installed; run "
            f"`{install_command('tracks')}`."
        )


def balanced(name: str, rows: Learned, columns: tuple[tuple[slice, ...], tuple[int, ...]], seed: int) -> Learned:
    """Balance the training rows of a split."""
    return BALANCES[name](rows, columns, seed)
