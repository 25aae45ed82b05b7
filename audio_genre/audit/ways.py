"""Train one quick model the honest ways, and the ways that people evaluate by mistake, which exist only here."""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from audio_genre.audit.panel import Mistake, Panel, Way
from audio_genre.datasets import Tracks, get_protocol
from audio_genre.datasets.grouped import deal_together
from audio_genre.datasets.tracks.linking import coded_plain
from audio_genre.errors import ProtocolError
from audio_genre.extras import install_command
from audio_genre.metrics import repeated

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAX_ROWS = 20_000
"""Rows of a larger table that are used."""

TREES = 20
"""Trees of the quick model."""

_SHUFFLED_ROWS = 6_000
_TEST_SHARE = 0.2
_FEWEST_UNITS = 5
# A very small class is not raised to the size of a very large one where that makes too many rows.
_MAX_BALANCED = 40_000
_NEIGHBOURS = 5
_BY_ARTIST, _BY_SONG, _RANDOM = "by artist", "by song", "random rows"
_PROTOCOLS = MappingProxyType({_BY_ARTIST: "artist", _BY_SONG: "track"})
_FOREST, _NEAREST = "random forest", "1-NN"

Step = Callable[[str], None]


def leak_panel(tracks: Tracks, index: NDArray[np.float64], *, seed: int, jobs: int, step: Step) -> Panel | None:
    """Train every way on a sample of a table, with its labels and with labels shuffled; None with under two classes.

    `index` is the row number of each row, as people left it among the features.
    """
    names, y = np.unique(tracks.labels, return_inverse=True)
    units = _units(tracks)
    rows = _sample(units, y, MAX_ROWS, seed)
    rows, left_out = _splittable(rows, units, y, names)
    if len(np.unique(y[rows])) < 2:
        return None
    used, shown = tracks.take(rows), index[rows]
    bench = _Bench(used, shown, seed, jobs, step)
    ways = bench.ways()
    few = rows if len(rows) <= _SHUFFLED_ROWS else rows[_sample(units[rows], y[rows], _SHUFFLED_ROWS, seed)]
    few, _ = _splittable(few, units, y, names)
    chance = _Bench(_shuffled(tracks.take(few), seed), index[few], seed, jobs, step)
    nothing = chance.ways()
    found = {
        name: replace(way, shuffled=nothing[name].accuracy, shuffled_chance=nothing[name].chance)
        if name in nothing
        else way
        for name, way in ways.items()
    }
    mistakes = [
        Mistake(
            plan.kind, plan.title, plan.advice, found[plan.wrong], found[other], plan.shared, found.get(plan.includes)
        )
        for plan in _PLANS
        for other in [bench.base if plan.honest == _BASE else plan.honest]
        if plan.wrong in found and other in found
    ]
    honest = {bench.base, *(plan.honest for plan in _PLANS)}
    honest_ways = [way for name, way in found.items() if name in honest]
    notes = [*bench.notes, *(note for note in chance.notes if note not in bench.notes)]
    return Panel(
        rows=len(rows),
        of_rows=len(tracks),
        shuffled_rows=len(few),
        classes=len(np.unique(y[rows])),
        left_out=tuple(names[left_out].tolist()),
        trees=TREES,
        seed=seed,
        mistakes=tuple(mistakes),
        honest=tuple(honest_ways),
        notes=tuple(notes),
    )


def _units(tracks: Tracks) -> NDArray[np.intp]:
    """Return what is kept together in the strictest honest way: artists, or songs."""
    return tracks.together.get("artist", tracks.together["track"])


def _sample(units: NDArray[np.intp], y: NDArray[np.intp], most: int, seed: int) -> NDArray[np.intp]:
    """Draw about `most` rows, artist by artist: rows drawn one by one would tear songs and artists apart."""
    count = len(y)
    if count <= most:
        return np.arange(count)
    share = most / count
    rng = np.random.default_rng([seed, 1])
    codes = np.unique(units, return_inverse=True)[1].astype(np.intp)
    rows = np.flatnonzero(deal_together(codes, y, (share, 1 - share), rng, large=None) == 0)
    # One set of linked artists may be larger than the sample.
    return np.sort(rng.choice(rows, most, replace=False)) if len(rows) > 1.1 * most else rows


def _splittable(
    rows: NDArray[np.intp], units: NDArray[np.intp], y: NDArray[np.intp], names: NDArray[np.str_]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Leave out classes with too few artists, or songs, to be in training and test; return also which."""
    few = [k for k in range(len(names)) if len(np.unique(units[rows[y[rows] == k]])) < _FEWEST_UNITS]
    return rows[~np.isin(y[rows], few)], np.array(few, dtype=np.intp)


def _shuffled(tracks: Tracks, seed: int) -> Tracks:
    """Return the table with the labels dealt anew among the songs."""
    _, first, song = np.unique(tracks.groups, return_index=True, return_inverse=True)
    dealt = np.random.default_rng([seed, 2]).permutation(tracks.labels[first])
    return replace(tracks, labels=dealt[song])


@dataclass(frozen=True)
class _Plan:
    kind: str
    title: str
    advice: str
    wrong: str
    honest: str
    shared: str = ""
    includes: str = "-"


_BASE = ""
_INDEX, _INDEX_ALONE = "row number as a feature", "row number alone"
_COPIES = "repeated rows left in"
_ARTIST_BY_SONG, _ARTIST_BY_ARTIST = "artist as context, by song", "artist as context, by artist"
_BEFORE, _WITHIN = "{}, before the split", "{}, training rows only"
_OVERSAMPLING, _SMOTE, _SMOTE_NEAREST = "oversampling", "SMOTE", "SMOTE and 1-NN"
_RESAMPLING = MappingProxyType({_OVERSAMPLING: _FOREST, _SMOTE: _FOREST, _SMOTE_NEAREST: _NEAREST})

_PLANS = (
    _Plan("index", "row number as a feature", "never train on a row number", _INDEX, _BASE),
    _Plan("index", "row number as the only feature", "never train on a row number", _INDEX_ALONE, _BASE),
    *(
        _Plan(
            "balanced_before_split",
            f"{name} before the split",
            "split first, and balance the training rows alone (--balance)",
            _BEFORE.format(name),
            _WITHIN.format(name),
            "a copy",
            _RANDOM,
        )
        for name in _RESAMPLING
    ),
    _Plan(
        "shared_songs", "one song in two subsets", "split by song (--protocol track)", _RANDOM, _BY_SONG, "their song"
    ),
    _Plan(
        "shared_artists",
        "artists in two subsets",
        "split by artist (--protocol artist)",
        _BY_SONG,
        _BY_ARTIST,
        "their artist",
    ),
    _Plan(
        "shared_artists",
        "artist as context, split by song",
        "split by artist (--protocol artist)",
        _ARTIST_BY_SONG,
        _ARTIST_BY_ARTIST,
        "their artist",
    ),
    _Plan("shared_copies", "repeated rows in two subsets", "keep one row of each track", _COPIES, _BY_SONG, "a copy"),
)


class _Bench:
    """A table on which the ways are trained one after another."""

    def __init__(self, tracks: Tracks, index: NDArray[np.float64], seed: int, jobs: int, step: Step) -> None:
        self.tracks, self.index, self.seed, self.jobs, self._step = tracks, index, seed, jobs, step
        self.classes, y = np.unique(tracks.labels, return_inverse=True)
        self.y = y.astype(np.intp)
        self.songs = np.unique(tracks.groups, return_inverse=True)[1].astype(np.intp)
        first = [cell.split(";")[0] for cell in tracks.frame["artists"].tolist()]
        self.artists = coded_plain(first)
        self.notes: list[str] = []
        self.splits = self._splits()
        self.base = _BY_ARTIST if _BY_ARTIST in self.splits else _BY_SONG

    def _splits(self) -> dict[str, tuple[NDArray[np.intp], NDArray[np.intp]]]:
        found = {}
        for name, protocol in _PROTOCOLS.items():
            if name == _BY_ARTIST and "artist" not in self.tracks.together:
                self.notes.append("The table tells no artists, so nothing is split by artist.")
                continue
            try:
                (split,) = get_protocol(protocol).splits(self.tracks, seed=self.seed)
            except ProtocolError as error:
                self.notes.append(f"Nothing is split {name}: {error}")
                continue
            # Nothing is tuned here, so what others tune on is learned from.
            found[name] = np.sort(np.concatenate([split.train, split.validation])), split.test
        return found

    def ways(self) -> dict[str, Way]:
        """Train and test every way that the table allows."""
        if _BY_SONG not in self.splits:
            return {}
        found: dict[str, Way] = {}
        for name in self.splits:
            found[name] = self._honest(name)
        encoded = self.tracks.encoded(np.arange(len(self.y)), self.y, self.seed).X
        found[_RANDOM] = self._wrong_songs(encoded)
        found |= self._wrong_index()
        if (self.tracks.copies > 1).any():
            found[_COPIES] = self._wrong_copies(encoded)
        if _BY_ARTIST in self.splits:
            found[_ARTIST_BY_ARTIST] = self._with_artist(_ARTIST_BY_ARTIST, _BY_ARTIST)
            found[_ARTIST_BY_SONG] = self._with_artist(_ARTIST_BY_SONG, _BY_SONG)
        if len(np.unique(np.bincount(self.y))) == 1:
            self.notes.append("All classes have equally many rows, so there is nothing to balance.")
            return found
        if importlib.util.find_spec("imblearn") is None:
            self.notes.append(
                "SMOTE needs the package imbalanced-learn, which is not installed, and is left out; run "
                f"`{install_command('tracks')}`."
            )
        for name, model in _RESAMPLING.items():
            if name != _OVERSAMPLING and importlib.util.find_spec("imblearn") is None:
                continue
            found[_WITHIN.format(name)] = self._balanced_within(name, model)
            found[_BEFORE.format(name)] = self._wrong_balance(name, model, encoded)
        return found

    # --- The honest ways ---------------------------------------------------------------------------------------------

    def _honest(self, name: str) -> Way:
        train, test = self.splits[name]
        encoded = self.tracks.encoded(train, self.y, self.seed)
        keys = self.artists if name == _BY_SONG else None
        return self._measure(
            name, name, encoded.learning, self.y[train], encoded.X[test], self.y[test], self.songs[test],
            seen=None if keys is None else _known(keys[test], keys[train]),
        )  # fmt: skip

    def _with_artist(self, name: str, subsets: str) -> Way:
        """Train with the artist encoded on the training rows, as `--context artist` does."""
        first = np.array([cell.split(";")[0] for cell in self.tracks.frame["artists"].tolist()], dtype=object)
        tracks = replace(self.tracks, context=MappingProxyType({"artist": first}))
        train, test = self.splits[subsets]
        encoded = tracks.encoded(train, self.y, self.seed)
        return self._measure(
            name, subsets, encoded.learning, self.y[train], encoded.X[test], self.y[test], self.songs[test],
            seen=_known(self.artists[test], self.artists[train]),
        )  # fmt: skip

    def _balanced_within(self, name: str, model: str) -> Way:
        train, test = self.splits[self.base]
        encoded = self.tracks.encoded(train, self.y, self.seed)
        X, y, _ = self._resampled(name, encoded.learning, self.y[train])
        return self._measure(
            _WITHIN.format(name), self.base, X, y, encoded.X[test], self.y[test], self.songs[test], model=model
        )

    # --- The ways that people take by mistake ------------------------------------------------------------------------

    def _wrong_songs(self, encoded: NDArray[np.float32]) -> Way:
        train, test = self._random(self.y)
        return self._measure(
            _RANDOM, _RANDOM, encoded[train], self.y[train], encoded[test], self.y[test], self.songs[test],
            seen=_known(self.songs[test], self.songs[train]),
        )  # fmt: skip

    def _wrong_index(self) -> dict[str, Way]:
        train, test = self.splits[self.base]
        encoded = self.tracks.encoded(train, self.y, self.seed)
        # Ranks, because trees take float32, and long row numbers differ beyond it.
        number = np.unique(self.index, return_inverse=True)[1].astype(np.float32)[:, np.newaxis]
        y, songs = self.y, self.songs
        both = np.hstack([encoded.learning, number[train]]), np.hstack([encoded.X[test], number[test]])
        return {
            _INDEX: self._measure(_INDEX, self.base, both[0], y[train], both[1], y[test], songs[test]),
            _INDEX_ALONE: self._measure(
                _INDEX_ALONE, self.base, number[train], y[train], number[test], y[test], songs[test]
            ),
        }

    def _wrong_copies(self, encoded: NDArray[np.float32]) -> Way:
        # Songs are apart but for the copies, which are dealt at random.
        copies = np.repeat(np.arange(len(self.y)), self.tracks.copies - 1)
        tested = np.random.default_rng([self.seed, 4]).random(len(copies)) < _TEST_SHARE
        train, test = self.splits[_BY_SONG]
        train, test = np.concatenate([train, copies[~tested]]), np.concatenate([test, copies[tested]])
        return self._measure(
            _COPIES, "by song, copies at random", encoded[train], self.y[train], encoded[test], self.y[test],
            self.songs[test], seen=_known(test, train),
        )  # fmt: skip

    def _wrong_balance(self, name: str, model: str, encoded: NDArray[np.float32]) -> Way:
        X, y, origin = self._resampled(name, encoded, self.y)
        train, test = self._random(y)
        seen = None if name != _OVERSAMPLING else _known(origin[test], origin[train])
        groups = np.where(origin >= 0, self.songs[origin], len(self.songs) + np.arange(len(y)))
        return self._measure(
            _BEFORE.format(name), _RANDOM, X[train], y[train], X[test], y[test], groups[test], seen=seen, model=model
        )

    # --- What they share ---------------------------------------------------------------------------------------------

    def _random(self, y: NDArray[np.intp]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        from sklearn.model_selection import train_test_split

        train, test = train_test_split(np.arange(len(y)), test_size=_TEST_SHARE, stratify=y, random_state=self.seed)
        return train, test

    def _resampled(
        self, name: str, X: NDArray[np.float32], y: NDArray[np.intp]
    ) -> tuple[NDArray[np.float32], NDArray[np.intp], NDArray[np.intp]]:
        """Raise small classes to the size of the largest; return also the row that each is a copy of, -1 for none."""
        counts = np.bincount(y, minlength=len(self.classes))
        target = min(int(counts.max()), max(_MAX_BALANCED // len(self.classes), 1))
        rng = np.random.default_rng([self.seed, 3])
        if name == _OVERSAMPLING:
            more = [
                rng.choice(np.flatnonzero(y == k), target - count)
                for k, count in enumerate(counts.tolist())
                if 0 < count < target
            ]
            rows = np.concatenate([np.arange(len(y)), *more])
            return X[rows], y[rows], rows
        from imblearn.over_sampling import SMOTE

        # Neighbours are sought on columns of one scale, as people do after a StandardScaler.
        scale = X.std(axis=0)
        scale[scale == 0] = 1
        least = int(counts[counts > 0].min())
        wanted: Mapping[int, int] = {k: target for k, count in enumerate(counts.tolist()) if 0 < count < target}
        sampler = SMOTE(
            sampling_strategy=dict(wanted), k_neighbors=max(1, min(_NEIGHBOURS, least - 1)), random_state=self.seed
        )
        made, labels = sampler.fit_resample(X / scale, y)
        origin = np.concatenate([np.arange(len(y)), np.full(len(labels) - len(y), -1)])
        return np.asarray(made * scale, dtype=np.float32), np.asarray(labels, dtype=np.intp), origin.astype(np.intp)

    def _model(self, name: str) -> Any:
        from sklearn.ensemble import RandomForestClassifier
        from sklearn.neighbors import KNeighborsClassifier
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        if name == _NEAREST:
            return make_pipeline(StandardScaler(), KNeighborsClassifier(1, n_jobs=self.jobs))
        return RandomForestClassifier(TREES, random_state=self.seed, n_jobs=self.jobs)

    def _measure(
        self,
        name: str,
        subsets: str,
        X: NDArray[np.float32],
        y: NDArray[np.intp],
        asked: NDArray[np.float32],
        truth: NDArray[np.intp],
        songs: NDArray[np.intp],
        *,
        seen: NDArray[np.bool_] | None = None,
        model: str = _FOREST,
    ) -> Way:
        from sklearn.metrics import f1_score

        self._step(name)
        probabilities = np.zeros((len(truth), len(self.classes)))
        # Threads of a forest may lose the filters of warnings.
        with warnings.catch_warnings():
            fitted = self._model(model).fit(X, y)
        with warnings.catch_warnings():
            probabilities[:, fitted.classes_] = fitted.predict_proba(asked)
        predicted = probabilities.argmax(axis=1)
        right = predicted == truth
        return Way(
            name=name,
            model=model,
            subsets=subsets,
            train_rows=len(y),
            test_rows=len(truth),
            chance=float(np.bincount(truth).max() / len(truth)),
            accuracy=repeated([songs.astype(np.str_)], [right], seed=self.seed).accuracy,
            macro_f1=float(f1_score(truth, predicted, average="macro", zero_division=0)),
            seen=None if seen is None else float(seen.mean()),
            accuracy_seen=None if seen is None or not seen.any() else float(right[seen].mean()),
            accuracy_unseen=None if seen is None or seen.all() else float(right[~seen].mean()),
        )


def _known(asked: NDArray[np.intp], learned: NDArray[np.intp]) -> NDArray[np.bool_]:
    return np.isin(asked, learned[learned >= 0])
