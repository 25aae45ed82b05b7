"""Several trained models in one: their answers to the validation tracks decide how much each of them counts."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from audio_genre.bundles import Bundle, Card
from audio_genre.bundles.arrays import MAX_WEIGHT, FusionModel, pool
from audio_genre.bundles.bundle import PREDICTIONS, VALIDATION, write_bundle
from audio_genre.bundles.calibration import Calibration, smoothed
from audio_genre.errors import BundleError, ParameterError
from audio_genre.evaluation.results import Votes, read_votes
from audio_genre.inputs.fusion import FUSION, FusionInput, MemberVotes, fused_novelty, load_member
from audio_genre.metrics import score, softmax, votes
from audio_genre.training.run import TrainedModel, folder_for, prediction_lines

if TYPE_CHECKING:
    from numpy.typing import NDArray

_FEWEST = 2
_INPUT = FusionInput()


def train_fusion(
    models_dir: str | os.PathLike[str], members: Sequence[str], out_dir: str | os.PathLike[str] | None = None
) -> TrainedModel:
    """Make one model of several, which hears audio with all of them.

    Parameters
    ----------
    models_dir : str or os.PathLike
        Folder of the trained models.
    members : sequence of str
        Names of two or more of them, of the same classes, protocol and tracks: such as a dense network on a table and
        a network on pictures of the same clips.
    out_dir : str or os.PathLike, optional
        Folder that receives the fusion, in a folder of its own that holds copies of its members; by default that of
        the models.

    Returns
    -------
    TrainedModel
        The fusion; the scores of its training rows are those of the validation tracks, which it learned from.

    Raises
    ------
    ParameterError
        If fewer than two members are named, or one twice.
    BundleError
        If a member is missing or malformed, or was trained on other classes, under another protocol or with other
        tracks than the first; or if the fusion cannot be written.

    Notes
    -----
    The probability of a genre is the product of those that the members give, each raised to the weight of its member,
    normalised. The weights are those of least log loss over the validation tracks, none below 0. Temperature and limits
    are fitted to the same tracks; with two or three weights that does not flatter them much, and the test tracks take
    no part. How novel a clip is says the mean over the members, each in shares of its own limit.
    """
    models, chosen = Path(models_dir), list(members)
    if len(chosen) < _FEWEST:
        raise ParameterError(f"A fusion needs two members or more; got {len(chosen)}, {', '.join(chosen) or 'none'}.")
    if len(set(chosen)) < len(chosen):
        raise ParameterError(f"A fusion takes each member once; got {', '.join(chosen)}.")
    bundles = {name: load_member(models / name) for name in chosen}
    first, *others = bundles.values()
    for other in others:
        _require_alike(first, other)
    validation, test = (_joined(bundles, name) for name in (VALIDATION, PREDICTIONS))
    y, y_test = (np.searchsorted(first.classes, found.labels) for found in (validation[0], test[0]))
    rows = MemberVotes(bundles, _side_by_side(validation), np.stack([found.distances for found in validation], axis=1))
    weights = fit_weights(rows.X, y, len(bundles))
    model = FusionModel(weights, len(first.classes))
    novelty = fused_novelty(bundles)
    predicted, X_test = model(rows.X), _side_by_side(test)
    distances = novelty.distances(rows.distances)
    calibration = Calibration.fit(predicted, y, distances)
    scores = {
        subset: score(model(X), truth, found.tracks, seed=first.card.seed or 0)
        for subset, X, truth, found in (
            ("validation", rows.X, y, validation[0]),
            ("test", X_test, y_test, test[0]),
        )
    }
    part = _INPUT.card(rows)
    facts = [{**fact, "weight": float(weight)} for fact, weight in zip(part.facts["members"], weights, strict=True)]
    identity = {"fusion": {fact["name"]: fact["card_sha256"] for fact in facts}}
    out = models if out_dir is None else Path(out_dir)
    folder = folder_for(out, "-".join([FUSION, *chosen]), identity)
    data = list(dict.fromkeys(str(bundle.card.training_data.get("file", "")) for bundle in bundles.values()))
    hashes = sorted({str(bundle.card.training_data.get("sha256", "")) for bundle in bundles.values()})
    card = Card(
        name=folder.name,
        kind=FUSION,
        input=FUSION,
        classes=first.classes,
        recipe=part.recipe,
        window=part.window,
        input_shape=(rows.X.shape[1],),
        calibration=calibration,
        seed=first.card.seed,
        variant={"name": "-".join([FUSION, *(_variant(bundle) for bundle in bundles.values())])},
        protocol=first.card.protocol,
        training_data={
            "file": " and ".join(data),
            "sha256": hashlib.sha256(" ".join(hashes).encode()).hexdigest(),
            "tracks": first.card.training_data.get("tracks"),
        },
        metrics={subset: measured.as_json() for subset, measured in scores.items()},
        training={"epochs": 0, "best_epoch": 0, "seconds": 0.0, "interrupted": False},
        facts={
            **part.facts,
            "members": facts,
            "limits": _limits(bundles, calibration),
            "command": f"audio-genre train fusion models --members {','.join(chosen)}",
            "identity": identity,
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
        },
    )
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BundleError(f"{out} cannot be used as a models folder: {error.strerror}; choose another.") from None
    write_bundle(
        folder,
        model,
        card,
        check=(rows.X, softmax(pool(rows.X, weights))),
        novelty=novelty,
        history=(),
        predictions=_lines(first.classes, test[0], model(X_test)),
        validation=_lines(first.classes, validation[0], predicted, distances),
        members={name: models / name for name in chosen},
    )
    tracks, right = votes(model(X_test), y_test, test[0].tracks)
    return TrainedModel(
        name=folder.name,
        path=folder,
        variant=str(card.variant["name"]),
        protocol=str(card.protocol.get("name", "")),
        leaky=card.protocol.get("leaky") is True,
        fold=str(card.protocol.get("fold") or ""),
        seed=first.card.seed or 0,
        train=scores["validation"],
        validation=scores["validation"],
        test=scores["test"],
        tracks=tracks,
        right=right,
        epochs=0,
        best_epoch=0,
        seconds=0.0,
        interrupted=False,
        remark=calibration.remark,
    )


def fit_weights(X: NDArray[Any], y: NDArray[np.intp], members: int) -> NDArray[np.float64]:
    """Return how much each member counts: the weights of least log loss, none below 0.

    Examples
    --------
    >>> right, wrong = np.array([[0.9, 0.1], [0.1, 0.9]] * 20), np.array([[0.4, 0.6], [0.4, 0.6]] * 20)
    >>> weights = fit_weights(np.hstack([right, wrong]), np.array([0, 1] * 20), 2)
    >>> bool(weights[0] > 1), bool(weights[1] < 0.5)
    (True, True)
    """
    from scipy.optimize import minimize

    targets = smoothed(y, X.shape[1] // members)

    def loss(weights: NDArray[np.float64]) -> float:
        z = pool(X, weights)
        peak = z.max(axis=1, keepdims=True)
        logs = z - peak - np.log(np.exp(z - peak).sum(axis=1, keepdims=True))
        return float(-(targets * logs).sum(axis=1).mean())

    start = np.full(members, 1 / members)
    found = minimize(loss, start, bounds=[(0, MAX_WEIGHT)] * members, method="L-BFGS-B")
    weights: NDArray[np.float64] = np.clip(found.x, 0, MAX_WEIGHT)
    return weights if weights.any() else start


def _require_alike(first: Bundle, other: Bundle) -> None:
    """Refuse a model that was not trained for the same."""
    if first.classes != other.classes:
        raise BundleError(
            f"{other.path} has the classes {', '.join(other.classes)} and {first.path} has {', '.join(first.classes)}; "
            "a fusion needs members of the same classes."
        )
    for fact in ("name", "fold", "leaky", "sha256"):
        pair = [bundle.card.protocol.get(fact) or "" for bundle in (first, other)]
        if pair[0] != pair[1]:
            raise BundleError(
                f"{other.path} was trained under another protocol than {first.path} ({fact} {pair[1]!r} and "
                f"{pair[0]!r}); a fusion needs members of the same protocol."
            )


def _joined(bundles: dict[str, Bundle], name: str) -> list[Votes]:
    """Return the votes of all members, which must be on the same tracks."""
    found = []
    for bundle in bundles.values():
        if name == VALIDATION and not (bundle.path / VALIDATION).is_file():
            raise BundleError(
                f"{bundle.path} has no {VALIDATION}, as models of earlier versions; a fusion is fitted to it, so train "
                "the model again."
            )
        found.append(read_votes(bundle.path, bundle.classes, name))
    what = "validated" if name == VALIDATION else "tested"
    for bundle, votes_of in zip(bundles.values(), found, strict=True):
        if not np.array_equal(votes_of.keys, found[0].keys) or not np.array_equal(votes_of.labels, found[0].labels):
            other = np.setxor1d(votes_of.keys, found[0].keys)
            such = f", such as {str(other[0])!r}" if len(other) else ""
            first = next(iter(bundles.values()))
            raise BundleError(
                f"{bundle.path} was {what} on {len(votes_of.tracks)} tracks that are not the {len(found[0].tracks)} of "
                f"{first.path}{such}; a fusion needs members of the same tracks, so train them with one seed on tables "
                "and pictures of the same clips."
            )
    return found


def _side_by_side(found: Sequence[Votes]) -> NDArray[np.float32]:
    return np.hstack([votes_of.probabilities for votes_of in found]).astype(np.float32)


def _variant(bundle: Bundle) -> str:
    return str(bundle.card.variant.get("name") or bundle.kind)


def _limits(bundles: dict[str, Bundle], calibration: Calibration) -> list[str]:
    inherited = [
        str(sentence)
        for bundle in bundles.values()
        for sentence in bundle.card.facts.get("limits", ())
        if "Temperature and limits" not in str(sentence)
    ]
    fitted = calibration.remark or (
        "Weights, temperature and limits were fitted on the validation tracks, and hold for tracks like those."
    )
    return [*dict.fromkeys(inherited), fitted]


def _lines(
    classes: Sequence[str],
    found: Votes,
    probabilities: NDArray[np.float32],
    distances: NDArray[np.float64] | None = None,
) -> list[list[Any]]:
    return prediction_lines(classes, found.tracks, found.tracks, found.labels, probabilities, distances)
