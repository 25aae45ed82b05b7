"""Tables of tracks: a row is a song as a catalogue describes it, which no audio can be turned into."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from audio_genre.bundles import Bundle
from audio_genre.bundles.card import Card, are_names, is_text
from audio_genre.datasets.frame import read_header
from audio_genre.datasets.tracks import Tracks, load_tracks
from audio_genre.datasets.tracks.columns import COLUMNS
from audio_genre.datasets.tracks.encoder import Encoder
from audio_genre.datasets.tracks.layout import is_tracks_header
from audio_genre.datasets.tracks.mapping import OTHER
from audio_genre.datasets.tracks.reading import AbsentColumnError
from audio_genre.datasets.tracks.table import PREPARATION
from audio_genre.errors import BundleError
from audio_genre.inputs.kind import AudioReader, CardPart, InputKind, TableRows
from audio_genre.metrics import auroc

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MAX_ABSOLUTE = 1e9
# Of the validation rows of known genres, so many at least are answered by a model with a class of other ones.
_ACCEPTED = 0.75
_CONTENT = (
    "The values in its training table come from the user; where these are Spotify content, Spotify's terms forbid to "
    "train models on them for others, so such a model is not to be passed on."
)


class TrackInput(InputKind):
    """Tables of tracks."""

    name = "tracks"
    title = "a table of tracks (danceability, energy, ...; CSV or Parquet)"
    extras = ("tracks",)
    groups_by_protocol = True
    options = frozenset(
        {
            "schema",
            "label_column",
            "group_column",
            "mapping",
            "genres",
            "other",
            "duplicates",
            "use",
            "context",
            "multi_genre",
            "encoding",
        }
    )

    def recognises(self, path: Path) -> bool:
        """Tell whether a path is a table with the columns of tracks, or a prepared folder."""
        try:
            if path.is_dir():
                return (path / PREPARATION).is_file()
            return path.is_file() and is_tracks_header(read_header(path))
        except (OSError, ValueError):  # a name that no file can have
            return False

    def load(self, path: Path, **options: Any) -> Tracks:
        """Read a table, see `load_tracks`."""
        return load_tracks(path, **options)

    def prepared(self, dataset: Tracks, train: NDArray[np.intp], y: NDArray[np.intp], seed: int) -> Tracks:
        """Return the table encoded by what is fitted on the training rows alone."""
        return dataset.encoded(train, y, seed)

    def learned(self, dataset: Tracks, train: NDArray[np.intp]) -> NDArray[np.float32]:
        """Return the training rows with their context as it is learned from."""
        if len(dataset.learning) != len(train):
            raise ValueError("the rows were prepared for another split")
        return dataset.learning

    def categories(self, dataset: Tracks) -> tuple[tuple[slice, ...], tuple[int, ...]]:
        """Return which encoded columns are one category each, and which say yes or no."""
        encoder = _encoder(dataset)
        return encoder.one_hot, encoder.flags

    def arrays(self, dataset: Tracks) -> dict[str, NDArray[Any]]:
        """Return what was learned of artists and albums."""
        return _encoder(dataset).arrays()

    def describe(self, dataset: Tracks, rows: NDArray[np.intp]) -> NDArray[Any]:
        """Return the encoded columns that describe the music."""
        return dataset.X[rows][:, : len(_encoder(dataset).music)]

    def name_suffixes(self, dataset: Tracks) -> tuple[str, ...]:
        """Return what of the reading is not the default."""
        beside = [name for name in dataset.columns if COLUMNS[name].beside]
        return (*(f"with-{name}" for name in (*beside, *dataset.context)), *(("other",) if dataset.other else ()))

    def card(self, dataset: Tracks) -> CardPart:
        """Return columns, encoding, and what was done to the table."""
        encoder = _encoder(dataset)
        return CardPart(
            recipe=None,
            window=None,
            facts={
                "features": list(encoder.names),
                "encoding": encoder.as_json(),
                "beside": [
                    name for name in (*dataset.columns, *dataset.context) if name not in COLUMNS or COLUMNS[name].beside
                ],
                "other_class": OTHER if dataset.other else None,
                "content": _CONTENT,
                "vote": "mean of the probabilities of the versions of a song; then the temperature",
            },
            training_data={"layout": dataset.layout, "preparation": dict(dataset.report), "notes": list(dataset.notes)},
        )

    def measured(
        self,
        dataset: Tracks,
        subsets: Mapping[str, NDArray[np.intp]],
        predicted: Mapping[str, NDArray[np.float64]],
        predict: Callable[[NDArray[np.float32]], NDArray[np.float64]],
    ) -> dict[str, Any]:
        """Return the limit of the class of other genres, and how well it tells genres that no model has seen."""
        if not dataset.other:
            return {"max_other": None}
        place = dataset.classes.index(OTHER)
        known = {name: dataset.labels[rows] != OTHER for name, rows in subsets.items()}
        limit = _limit(predicted["validation"][:, place], known["validation"])
        unseen = dataset.unseen
        if unseen is None:
            return {"max_other": limit}
        # Whoever stands in both is known.
        key = "artist" if "artist" in dataset.together else "track"
        strange = ~np.isin(unseen.together[key], dataset.together[key][subsets["train"]])
        facts: dict[str, Any] = {"max_other": limit, "unseen": {"genres": sorted(set(unseen.genres.tolist()))}}
        if strange.any():
            X = _encoder(dataset).transform(
                unseen.raw[strange], {name: texts[strange] for name, texts in unseen.context.items()}
            )
            found, heard = predict(X)[:, place], predicted["test"][known["test"], place]
            facts["unseen"] |= {
                "rows": int(strange.sum()),
                "auroc": asdict(auroc(heard, found)),
                "rejected": float((found > limit).mean()),
                "known_accepted": float((heard <= limit).mean()),
            }
        return facts

    def check(self, folder: Path, card: Card) -> None:
        """Refuse a card without an encoding that can be used."""
        card.require(folder, "features", lambda value: are_names(value, 1), "a list of one or more texts, each once")
        card.require(
            folder, "encoding", _is_encoding, "an object with columns, kinds, missing, categories and contexts"
        )
        card.require(
            folder, "other_class", lambda value: value is None or value in card.classes, "null or one of the classes"
        )

    def encoder(self, bundle: Bundle) -> Encoder:
        """Return how a bundle's inputs are made.

        Parameters
        ----------
        bundle : Bundle
            A model that was trained on tables of tracks.

        Returns
        -------
        Encoder
            What was fitted on its training rows.

        Raises
        ------
        BundleError
            If card and arrays contradict each other.
        """
        try:
            encoder = Encoder.from_parts(bundle.card.facts["encoding"], bundle.arrays)
        except ValueError as error:
            raise BundleError(f"{bundle.path} contradicts itself: {error}; train it again.") from None
        if encoder.names != bundle.features:
            raise BundleError(
                f"{bundle.path} contradicts itself: the features on its card are not those of its encoding; train it "
                "again."
            )
        if (len(encoder.names),) != bundle.input_shape:
            raise BundleError(
                f"{bundle.path} contradicts itself: its encoding gives {len(encoder.names)} columns, and its model "
                f"takes {bundle.input_shape}; train it again."
            )
        return encoder

    def rows(self, bundle: Bundle, path: Path, **options: Any) -> TableRows:
        """Read a table of tracks that has the columns of the model, whatever its layout."""
        encoder = self.encoder(bundle)
        beside = [name for name in encoder.columns if COLUMNS[name].beside]
        try:
            tracks = load_tracks(path, labelled=False, use=beside, context=tuple(encoder.contexts), **options)
        except AbsentColumnError as error:
            raise _lacks(path, error.column, bundle) from None
        absent = [name for name in encoder.columns if name not in tracks.columns]
        if absent:
            raise _lacks(path, absent[0], bundle)
        raw = tracks.raw[:, [tracks.columns.index(name) for name in encoder.columns]]
        X = encoder.transform(raw, tracks.context)
        facts = tracks.frame
        titles = [" - ".join(filter(None, pair)) for pair in zip(facts["artists"], facts["track_name"], strict=True)]
        items = tuple(map(str, tracks.items.tolist()))
        return TableRows(items, tuple(titles), X, X[:, : len(encoder.music)], tracks.notes)

    def check_audio(self, folder: Path, card: Card) -> None:
        """Refuse audio: it does not tell what a catalogue says of a track."""
        raise _deaf(folder, card)

    def reader(self, bundle: Bundle) -> AudioReader:
        """Refuse audio."""
        raise _deaf(bundle.path, bundle.card)


def _deaf(folder: Path, card: Card) -> BundleError:
    return BundleError(
        f"{folder} was trained on a table of tracks and takes the columns "
        f"{', '.join(card.facts['encoding']['columns'])}, which are not computed from audio; give a table "
        "to `audio-genre tracks classify`, or choose a model that was trained on audio."
    )


def _limit(probability: NDArray[np.float64], known: NDArray[np.bool_]) -> float:
    """Return the probability of the other class from which on a row is none of the known genres.

    The one that tells known and other validation rows apart best (Youden, Cancer 3(1), 1950), among those that keep
    `_ACCEPTED` of the known.
    """
    accepted = np.sort(probability[known])
    limits = accepted[int(np.ceil(_ACCEPTED * len(accepted))) - 1 :]
    kept = np.searchsorted(accepted, limits, "right") / len(accepted)
    others = np.sort(probability[~known])
    told = 1 - np.searchsorted(others, limits, "right") / max(len(others), 1)
    return float(limits[(kept + told).argmax()])


def _lacks(path: Path, column: str, bundle: Bundle) -> BundleError:
    return BundleError(
        f"{path} has no column of {column}, which {bundle.path} takes; choose a model trained without it."
    )


def _encoder(dataset: Tracks) -> Encoder:
    if dataset.encoder is None:
        raise ValueError("the rows were not prepared for a split")
    return dataset.encoder


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= _MAX_ABSOLUTE


def _is_encoding(value: Any) -> bool:
    """Tell whether a value, which may come from anyone, is what `Encoder.as_json` gives."""
    if not isinstance(value, dict):
        return False
    columns: Any
    columns, kinds, missing = (value.get(name) for name in ("columns", "kinds", "missing"))
    if not (are_names(columns, 1) and all(name in COLUMNS for name in columns)):
        return False
    if not (isinstance(kinds, list) and isinstance(missing, list) and len(kinds) == len(missing) == len(columns)):
        return False
    if not all(kind in ("number", "category", "flag") for kind in kinds) or not all(map(_is_number, missing)):
        return False
    categories, indicators, contexts = (value.get(name) for name in ("categories", "indicators", "contexts"))
    if not isinstance(categories, dict) or not isinstance(indicators, list) or not isinstance(contexts, list):
        return False
    named = {name for name, kind in zip(columns, kinds, strict=True) if kind == "category"}
    return (
        set(categories) == named
        and all(
            isinstance(found, list) and len(found) <= 100 and all(map(_is_number, found))
            for found in categories.values()
        )
        and all(name in columns for name in indicators)
        and all(is_text(name) and name in ("artist", "album") for name in contexts)
    )
