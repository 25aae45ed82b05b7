"""From cleaned columns to what a model takes: imputed, one-hot encoded, with context; fitted on training rows alone."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from audio_genre.errors import ParameterError

if TYPE_CHECKING:
    from numpy.typing import NDArray

HIDDEN = 0.3
"""Share of the training rows whose context is hidden, so that a model learns to answer without it."""

_FOLDS = 5
_SHARE_FOR_INDICATOR = 0.01


@dataclass(frozen=True, eq=False)
class Context:
    """What the genres of training rows say of the names in a column.

    Attributes
    ----------
    names : np.ndarray of object, shape (m,)
        The names, sorted.
    table : np.ndarray, shape (m, k), float32
        Smoothed share of each class among the training rows of a name; of two classes the second one's alone.
    prior : np.ndarray, shape (k,), float32
        The same of all training rows, which stands for unknown names.
    counts : np.ndarray of int, shape (m,)
        Number of training rows of each name.
    """

    names: NDArray[np.object_]
    table: NDArray[np.float32]
    prior: NDArray[np.float32]
    counts: NDArray[np.int32]

    @classmethod
    def fit(
        cls, texts: NDArray[Any], y: NDArray[np.intp], classes: int, seed: int
    ) -> tuple[Context, NDArray[np.float32]]:
        """Fit on training rows; return it with their own encoding, which was fitted without each row's fold."""
        most = int(np.bincount(y).max())
        if most < 2:
            raise ParameterError(
                "A context is learned from genres with two training rows or more, and each has one; leave it out of "
                "--context."
            )
        found = _target_encoder(classes, min(_FOLDS, most), seed)
        column = np.asarray(texts, dtype=object).reshape(-1, 1)
        with warnings.catch_warnings():
            # A genre with fewer rows than folds is in some of them only.
            warnings.filterwarnings("ignore", message="The least populated class", category=UserWarning)
            crossed = found.fit_transform(column, y).astype(np.float32)
        names = np.asarray(found.categories_[0], dtype=object)
        places = np.searchsorted(names, column[:, 0])
        counts = np.bincount(places, minlength=len(names))
        context = cls(
            names,
            np.column_stack(found.encodings_).astype(np.float32),
            np.atleast_1d(found.target_mean_).astype(np.float32),
            counts.astype(np.int32),
        )
        # A row does not count itself, as a new row would not.
        others = np.log1p(counts[places] - 1).astype(np.float32)
        encoded = np.column_stack([crossed, others])
        empty = column[:, 0] == ""
        hidden = (np.random.default_rng(seed).random(len(y)) < HIDDEN) | empty
        encoded[hidden] = context._unknown()
        return context, encoded

    def _unknown(self) -> NDArray[np.float32]:
        return np.append(self.prior, np.float32(0))

    def transform(self, texts: NDArray[Any]) -> NDArray[np.float32]:
        """Return the encoding of names, and how often they were seen."""
        values, codes = np.unique(np.asarray(texts, dtype=object), return_inverse=True)
        place = np.searchsorted(self.names, values)
        place[place == len(self.names)] = 0
        known = (self.names[place] == values) & (values != "")
        rows = np.where(
            known[:, np.newaxis],
            np.column_stack([self.table[place], np.log1p(self.counts[place]).astype(np.float32)]),
            self._unknown(),
        )
        return np.asarray(rows[codes], dtype=np.float32)


def _target_encoder(classes: int, folds: int, seed: int) -> Any:
    import sklearn
    from sklearn.model_selection import StratifiedKFold
    from sklearn.preprocessing import TargetEncoder

    kind = "binary" if classes == 2 else "multiclass"
    if tuple(map(int, sklearn.__version__.split(".")[:2])) >= (1, 9):
        return TargetEncoder(target_type=kind, cv=StratifiedKFold(folds, shuffle=True, random_state=seed))
    return TargetEncoder(target_type=kind, cv=folds, shuffle=True, random_state=seed)


@dataclass(frozen=True, eq=False)
class Encoder:
    """How cleaned columns become the inputs of a model.

    Attributes
    ----------
    columns : tuple of str
        The columns.
    kinds : tuple of str
        Kind of each: number, category or flag.
    medians : tuple of float
        What stands for a missing value: the median of the training rows; the most frequent value of a category.
    categories : mapping of str to tuple of float
        Values of each category among the training rows.
    indicators : tuple of str
        Columns with a column beside them that says where the value is missing.
    contexts : mapping of str to Context
        What was learned of names.
    """

    columns: tuple[str, ...]
    kinds: tuple[str, ...]
    medians: tuple[float, ...]
    categories: Mapping[str, tuple[float, ...]]
    indicators: tuple[str, ...] = ()
    contexts: Mapping[str, Context] = field(default_factory=lambda: MappingProxyType({}))

    @classmethod
    def fit(
        cls,
        columns: Sequence[str],
        kinds: Sequence[str],
        raw: NDArray[np.float32],
        texts: Mapping[str, NDArray[Any]],
        y: NDArray[np.intp],
        classes: int,
        *,
        seed: int = 0,
    ) -> tuple[Encoder, NDArray[np.float32]]:
        """Fit on training rows; return the encoder, and these rows as they are learned from."""
        medians: list[float] = []
        categories: dict[str, tuple[float, ...]] = {}
        for name, kind, values in zip(columns, kinds, raw.T, strict=True):
            present = values[np.isfinite(values)]
            if kind == "number":
                medians.append(float(np.median(present)) if len(present) else 0.0)
                continue
            distinct, counts = np.unique(present, return_counts=True)
            medians.append(float(distinct[counts.argmax()]) if len(distinct) else 0.0)
            if kind == "category":
                categories[name] = tuple(map(float, distinct))
        missing = np.isnan(raw).mean(axis=0)
        indicators = tuple(
            name for name, share in zip(columns, missing.tolist(), strict=True) if _SHARE_FOR_INDICATOR <= share < 1
        )
        contexts, learned = {}, []
        for name, values in texts.items():
            contexts[name], encoded = Context.fit(values, y, classes, seed)
            learned.append(encoded)
        encoder = cls(
            tuple(columns),
            tuple(kinds),
            tuple(medians),
            MappingProxyType(categories),
            indicators,
            MappingProxyType(contexts),
        )
        return encoder, np.column_stack([encoder._plain(raw), *learned])

    @cached_property
    def music(self) -> tuple[str, ...]:
        """Names of the encoded columns without the context, which come first."""
        found: list[str] = []
        for name in self.columns:
            values = self.categories.get(name)
            found += [name] if values is None else [f"{name}={value:g}" for value in values]
        return (*found, *(f"{name} missing" for name in self.indicators))

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names of the encoded columns."""
        found = list(self.music)
        for name, context in self.contexts.items():
            found += [f"{name} genre {number}" for number in range(len(context.prior))] + [f"{name} seen"]
        return tuple(found)

    @cached_property
    def one_hot(self) -> tuple[slice, ...]:
        """Where among the encoded columns each category stands."""
        found, start = [], 0
        for name in self.columns:
            width = len(self.categories[name]) if name in self.categories else 1
            if width and name in self.categories:
                found.append(slice(start, start + width))
            start += width
        return tuple(found)

    @cached_property
    def flags(self) -> tuple[int, ...]:
        """Where among the encoded columns those stand that say yes or no."""
        names = [name for name, kind in zip(self.columns, self.kinds, strict=True) if kind == "flag"]
        return tuple(self.names.index(name) for name in (*names, *(f"{name} missing" for name in self.indicators)))

    def _plain(self, raw: NDArray[np.float32]) -> NDArray[np.float32]:
        """Encode everything but the context."""
        parts: list[NDArray[np.float32]] = []
        for name, median, values in zip(self.columns, self.medians, raw.T, strict=True):
            filled = np.where(np.isnan(values), np.float32(median), values)
            known = self.categories.get(name)
            if known is None:
                parts.append(filled[:, np.newaxis])
            else:
                parts.append((filled[:, np.newaxis] == np.array(known, dtype=np.float32)).astype(np.float32))
        if self.indicators:
            places = [self.columns.index(name) for name in self.indicators]
            parts.append(np.isnan(raw[:, places]).astype(np.float32))
        return np.concatenate(parts, axis=1, dtype=np.float32)

    def transform(self, raw: NDArray[np.float32], texts: Mapping[str, NDArray[Any]]) -> NDArray[np.float32]:
        """Return rows as a model takes them, shape (n, d)."""
        context = [self.contexts[name].transform(texts[name]) for name in self.contexts]
        return np.column_stack([self._plain(raw), *context]) if context else self._plain(raw)

    def as_json(self) -> dict[str, Any]:
        """Return what a card says of it; the names of contexts are in `arrays`."""
        return {
            "columns": list(self.columns),
            "kinds": list(self.kinds),
            "missing": list(self.medians),
            "categories": {name: list(values) for name, values in self.categories.items()},
            "indicators": list(self.indicators),
            "contexts": list(self.contexts),
        }

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return what a card cannot hold."""
        found: dict[str, NDArray[Any]] = {}
        for name, context in self.contexts.items():
            encoded = "\n".join(context.names.tolist()).encode("utf-8", "surrogatepass")
            found[f"{name}_names"] = np.frombuffer(encoded, np.uint8)
            found |= {f"{name}_table": context.table, f"{name}_prior": context.prior, f"{name}_counts": context.counts}
        return found

    @classmethod
    def from_parts(cls, data: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Encoder:
        """Put together what `as_json` and `arrays` gave, or anyone wrote; ValueError if it does not fit together."""
        contexts = {}
        for name in data["contexts"]:
            try:
                table, prior = arrays[f"{name}_table"], arrays[f"{name}_prior"]
                counts, encoded = arrays[f"{name}_counts"], arrays[f"{name}_names"]
            except KeyError:
                raise ValueError(f"what it learned of the {name} is missing") from None
            names = np.array(encoded.tobytes().decode("utf-8", "replace").split("\n"), dtype=object)
            fits = table.shape == (len(names), prior.size) and prior.ndim == 1 and counts.shape == (len(names),)
            if not fits or table.dtype != np.float32 or prior.dtype != np.float32 or counts.dtype != np.int32:
                raise ValueError(f"what it learned of the {name} does not fit together")
            shares = (table >= 0).all() and (table <= 1).all() and (prior >= 0).all() and (prior <= 1).all()
            if not (shares and (counts >= 0).all() and (names[:-1] < names[1:]).all()):
                raise ValueError(f"what it learned of the {name} is out of range or out of order")
            contexts[name] = Context(names, table, prior, counts)
        return cls(
            tuple(data["columns"]),
            tuple(data["kinds"]),
            tuple(map(float, data["missing"])),
            MappingProxyType({name: tuple(map(float, values)) for name, values in data["categories"].items()}),
            tuple(data["indicators"]),
            MappingProxyType(contexts),
        )
