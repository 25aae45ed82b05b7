"""Votes of several models: a row is what each of them answers, and audio is heard by all of them."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from audio_genre.bundles import Bundle
from audio_genre.bundles.bundle import MEMBERS
from audio_genre.bundles.calibration import NoveltyDetector
from audio_genre.bundles.card import CARD, Card
from audio_genre.errors import BundleError, ParameterError
from audio_genre.inputs.kind import AudioReader, CardPart, InputKind
from audio_genre.inputs.loading import check_audio, load_bundle, open_reader

if TYPE_CHECKING:
    from numpy.typing import NDArray

FUSION = "fusion"
"""Name of this kind of input, and of the kind of model."""

_FEWEST = 2
# A folder in the bundle, whatever the card says.
_NAME = re.compile(r"[\w][\w.+=,\[\]-]*")
_VOTE = (
    "each model votes on each window of 30 s as it does by itself; the weighted product of the votes, then the mean "
    "over the windows; then the temperature"
)


@dataclass(frozen=True, eq=False)
class MemberVotes:
    """What several models answer to the same tracks.

    Attributes
    ----------
    members : mapping of str to Bundle
        The models by their names.
    X : np.ndarray, shape (n, members * classes), float32
        Probabilities of the first model, then those of the next.
    distances : np.ndarray, shape (n, members), float64
        How novel each track is to each model.
    """

    members: dict[str, Bundle]
    X: NDArray[np.float32]
    distances: NDArray[np.float64]


class FusionInput(InputKind):
    """Votes of several models."""

    name = FUSION
    title = "a vote of several models"
    from_files = False

    def recognises(self, path: Path) -> bool:  # noqa: ARG002
        """Tell that no path is this: votes are found in the folders of models."""
        return False

    def load(self, path: Path, **options: Any) -> Any:  # noqa: ARG002
        """Refuse: what models voted is read with the models."""
        raise ParameterError(f"{path} holds no votes; run `audio-genre train fusion {path} --members A,B`.")

    def describe(self, dataset: MemberVotes, rows: NDArray[np.intp]) -> NDArray[np.float64]:
        """Return how novel rows are to each model."""
        return dataset.distances[rows]

    def card(self, dataset: MemberVotes) -> CardPart:
        """Return what is fused."""
        members = [
            {"name": name, "kind": bundle.kind, "input": bundle.card.input, "card_sha256": _sha256(bundle.path)}
            for name, bundle in dataset.members.items()
        ]
        return CardPart(recipe=None, window=None, facts={"members": members, "vote": _VOTE})

    def check(self, folder: Path, card: Card) -> None:
        """Refuse a card that does not name the models of a fusion."""
        card.require(
            folder,
            "members",
            _are_members,
            "a list of two or more objects with a name that a folder can have, each once, and a card_sha256",
        )

    def check_audio(self, folder: Path, card: Card) -> None:
        """Refuse models of which one cannot hear audio."""
        for fact in card.facts["members"]:
            check_audio(folder / MEMBERS / fact["name"])

    def reader(self, bundle: Bundle) -> AudioReader:
        """Return what lets all models hear audio."""
        members = {}
        for fact in bundle.card.facts["members"]:
            folder = bundle.path / MEMBERS / fact["name"]
            members[fact["name"]] = load_member(folder)
            if _sha256(folder) != fact["card_sha256"]:
                raise BundleError(
                    f"{folder} is not the model that {bundle.path} was made with: its card has another SHA-256; make "
                    "the fusion again."
                )
        return FusionReader(bundle, members)


class FusionReader(AudioReader):
    """Every model hears each clip-long window in its own way."""

    def __init__(self, bundle: Bundle, members: dict[str, Bundle]) -> None:
        readers = [open_reader(member) for member in members.values()]
        first, recipe = readers[0], next(iter(members.values())).recipe
        if recipe is None or any(reader.window_of != first.window_of for reader in readers):
            raise BundleError(
                f"{bundle.path} cannot classify audio: its members take windows of other lengths or sampling rates; "
                "fuse models of one."
            )
        for name, member in members.items():
            if member.classes != bundle.classes:
                raise BundleError(
                    f"{bundle.path} contradicts itself: its member {name} has other classes; make the fusion again."
                )
        if bundle.input_shape != (len(members) * len(bundle.classes),):
            raise BundleError(
                f"{bundle.path} contradicts itself: {len(members)} members give {len(members) * len(bundle.classes)} "
                f"probabilities, and its model takes inputs of shape {bundle.input_shape}; make the fusion again."
            )
        self.unit, self.described = f"{recipe.clip_seconds:g}s", len(members)
        self._heard = list(zip(members.values(), readers, strict=True))
        super().__init__(recipe, max(reader.needed for reader in readers), recipe.clip_seconds, whole=True)

    def inputs(self, signals: NDArray[np.float32]) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return the votes of all models on each signal, and how novel it is to each."""
        votes, distances = zip(*(self._ask(signal) for signal in signals), strict=True)
        return np.stack(votes), np.stack(distances)

    def _ask(self, signal: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        votes, distances = [], []
        for member, reader in self._heard:
            parts = reader.signals(signal)
            heard = parts[parts.any(axis=1)]
            if not len(heard):
                # All that is to be heard is behind the last whole segment, of which this model says nothing.
                votes.append(np.full(len(member.classes), 1 / len(member.classes)))
                distances.append(0.0)
                continue
            X, descriptions = reader.inputs(heard)
            if not np.isfinite(X).all():
                votes.append(np.full(len(member.classes), np.nan))
                distances.append(0.0)
                continue
            voted = reader.votes(member.predict(X).astype(np.float64)).mean(axis=0)
            votes.append(voted / voted.sum())
            distances.append(0.0 if member.novelty is None else float(member.novelty.distances(descriptions).mean()))
        return np.concatenate(votes), np.array(distances)


_SMALLEST = 1e-6


def fused_novelty(members: dict[str, Bundle]) -> NoveltyDetector:
    """Return what makes one distance of those of the models, each as a share of its own limit.

    A model that hears nothing but tags is left out where there is another: it hears music in everything.
    """
    own = np.array([bundle.novelty is not None and not _hears_tags_alone(bundle) for bundle in members.values()])
    if not own.any():
        own[:] = True
    limits = np.array([bundle.calibration.max_distance for bundle in members.values()])
    zeros = np.zeros(len(members))
    return NoveltyDetector(zeros, np.where(own, np.maximum(limits, _SMALLEST), np.inf), zeros[np.newaxis])


def load_member(folder: Path) -> Bundle:
    """Open a model that is to be a member of a fusion."""
    if not folder.is_dir():
        raise BundleError(f"{folder} is missing; a fusion needs each of its members.")
    bundle = load_bundle(folder)
    if bundle.card.input == FUSION:
        raise BundleError(f"{folder} is a fusion itself; name its members in its place.")
    return bundle


def _hears_tags_alone(bundle: Bundle) -> bool:
    recipe = bundle.recipe
    return recipe is not None and set(recipe.feature_names) == {name for tag in recipe.tags.values() for name in tag}


def _sha256(folder: Path) -> str:
    try:
        return hashlib.sha256((folder / CARD).read_bytes()).hexdigest()
    except OSError as error:
        raise BundleError(f"{folder / CARD} cannot be read: {error.strerror}; make the fusion again.") from None


def _are_members(value: Any) -> bool:
    if not isinstance(value, list) or len(value) < _FEWEST or not all(isinstance(each, dict) for each in value):
        return False
    names = [each.get("name") for each in value]
    return (
        all(isinstance(name, str) and _NAME.fullmatch(name) for name in names)
        and len(set(names)) == len(names)
        and all(isinstance(each.get("card_sha256"), str) for each in value)
    )
