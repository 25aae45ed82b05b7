"""Explore a table of features or of tracks: balance, what separates the genres, correlations, projections.

`examine` computes everything into an `Exploration`; pictures and page are made from that.
"""

from __future__ import annotations

import importlib
import math
import warnings
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from audio_genre._version import __version__
from audio_genre.datasets import DEFAULT_PROTOCOL, Split, get_protocol
from audio_genre.datasets.grouped import together_of
from audio_genre.errors import ParameterError, ProtocolError, TableError
from audio_genre.evaluation.permutation import bits_lost
from audio_genre.inputs import Dataset
from audio_genre.metrics import Interval, score, squash

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

Progress = Callable[[int, int, str], None]
"""Called with the steps done, the steps in all, and what is being done."""

_TEMPO = "tempo"
_MEAN = "_mean"
_SEEDS = 2**32 - 1

_TREES, _LEAF_ROWS = 200, 2
_TRAIN_ROWS = 10_000
_SHUFFLED_ROWS = 1_000
# So many predictions are made at most for a table of up to 300 features, and two a feature beyond.
_PREDICTIONS, _MAX_REPEATS, _MIN_REPEATS = 600, 5, 2
_MUTUAL_INFORMATION_ROWS = 5_000
_NEIGHBOURS = 3
_DRAWN_ROWS = 4_000
_HEADLINE_FEATURES = 3
_MIN_UMAP_ROWS = 10
_UMAP_NEIGHBOURS = 15
_MAX_ROWS = 50_000
_FEWEST_FOLDS = 3
_SET_FOLDS, _SET_TREES, _SET_ROWS = 5, 30, 3_000
_SET_REPEATS = 3
# Of more features than this not every number is tried.
_SET_SIZES = 20


class Explorable(Dataset, Protocol):
    """Rows with features that a person can look at."""

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Names of the columns of `matrix`."""

    @property
    def matrix(self) -> NDArray[np.float32]:
        """Values of the features, shape (n, d); NaN where there is none."""

    @property
    def description(self) -> dict[str, Any]:
        """What a report says of how they were read."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What a user should know of how they were read."""

    def take(self, rows: NDArray[np.intp]) -> Any:
        """Return some of the rows."""


@dataclass(frozen=True)
class FeatureScore:
    """A feature's place in a ranking.

    Attributes
    ----------
    feature : str
        Its column.
    bits : float
        Its score in bits, the higher the better.
    deviation : float
        Standard deviation of the score over the repetitions; 0 where there are none.
    """

    feature: str
    bits: float
    deviation: float = 0.0


@dataclass(frozen=True)
class Importance:
    """Permutation importance of features for a forest on tracks that it did not learn from.

    Attributes
    ----------
    ranking : tuple of FeatureScore
        Every feature, the best first: how many bits the forest loses of the log-probability that it gives to the right
        genre of a row, when the feature's values are shuffled among the rows.
    accuracy : Interval
        Share of validation tracks that the forest classifies right, each by the mean over its rows.
    majority_baseline : float
        Accuracy of always predicting the most frequent genre.
    protocol : str
        Name of the protocol that split the rows.
    trees : int
        Number of trees in the forest.
    train_tracks, validation_tracks : int
        Tracks in the two subsets.
    train_rows, shuffled_rows : int
        Rows that the forest learned from, and rows whose values were shuffled.
    repeats : int
        How often each feature was shuffled.
    """

    ranking: tuple[FeatureScore, ...]
    accuracy: Interval
    majority_baseline: float
    protocol: str
    trees: int
    train_tracks: int
    validation_tracks: int
    train_rows: int
    shuffled_rows: int
    repeats: int


@dataclass(frozen=True)
class MutualInformation:
    """Mutual information of each feature, alone, with the genre.

    Attributes
    ----------
    ranking : tuple of FeatureScore
        Every feature, the best first.
    genre_bits : float
        Entropy of the genre over the same rows: what a feature that tells every genre would have.
    rows : int
        Rows that it was estimated from.
    classes : int
        Classes that they are of; a class with too few rows is left out.
    one_row_a_track : bool
        Whether they are one row of each track. Rows of a track resemble each other, and so would promise too much.
    """

    ranking: tuple[FeatureScore, ...]
    genre_bits: float
    rows: int
    classes: int
    one_row_a_track: bool


@dataclass(frozen=True)
class MinimalSet:
    """Accuracy against the number of features, and the smallest set that is as good as the best.

    Attributes
    ----------
    order : tuple of str
        Features by the mean of their ranks over the folds, the best first.
    sizes : tuple of int
        Numbers of features that were tried, rising.
    accuracy, error : tuple of float
        Mean accuracy over the folds for each size, and its standard error.
    best_size, size : int
        The size with the highest accuracy, and the smallest one within one standard error of it.
    majority_baseline : float
        Share of the most frequent genre among the rows.
    folds, rows, trees : int
        Folds of the cross-validation, rows of the training subset that were used, trees of each forest.
    protocol : str
        Name of the protocol whose groups no fold tears apart.
    """

    order: tuple[str, ...]
    sizes: tuple[int, ...]
    accuracy: tuple[float, ...]
    error: tuple[float, ...]
    best_size: int
    size: int
    majority_baseline: float
    folds: int
    rows: int
    trees: int
    protocol: str

    @property
    def features(self) -> tuple[str, ...]:
        """The smallest set."""
        return self.order[: self.size]

    def at(self, size: int) -> float:
        """Return the accuracy of a size."""
        return self.accuracy[self.sizes.index(size)]

    def as_json(self) -> dict[str, Any]:
        """Return it as plain data."""
        plain = {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}
        return {**plain, "features": list(self.features)}

    @property
    def threshold(self) -> float:
        """The accuracy one standard error below the best."""
        return self.at(self.best_size) - self.error[self.sizes.index(self.best_size)]


@dataclass(frozen=True, eq=False)
class Projection:
    """Rows laid out in a plane.

    Attributes
    ----------
    method : str
        ``"PCA"`` or ``"UMAP"``.
    points : np.ndarray, shape (drawn rows, 2)
        Place of each drawn row.
    explained : tuple of float or None
        Share of the variance along each axis; None for a method that has no such thing.
    """

    method: str
    points: NDArray[np.float64]
    explained: tuple[float, float] | None


@dataclass(frozen=True, eq=False)
class Exploration:
    """What was found in a table.

    Attributes
    ----------
    table : Explorable
        The table; of a large one a sample, with whole tracks.
    seed : int
        Seed of the split and of every random choice.
    rows_of, tracks_of : tuple of int
        Rows and tracks of each class, in the order of ``table.classes``.
    constant : tuple of str
        Features with the same value in every row: they tell nothing.
    correlated : tuple of str
        Features of the correlation matrix.
    correlation : np.ndarray, shape (len(correlated), len(correlated))
        Pearson's correlation over all rows; NaN for a constant feature.
    tempo : str or None
        Column of the tempo in beats per minute, where the table has one.
    importance : Importance or None
        Permutation importance; None where the table does not allow it.
    mutual_information : MutualInformation or None
        Mutual information; None where the table does not allow it.
    projections : tuple of Projection
        Layouts of the drawn rows, PCA first.
    drawn : np.ndarray of int
        Row numbers, sorted, of the rows that are drawn one by one; all rows of a table that is not large.
    missing : tuple of str
        A sentence for each thing that could not be computed.
    minimal : MinimalSet or None
        Accuracy against the number of features; None where the table does not allow it.
    empty : mapping of str to int
        Features with empty cells, and how many.
    """

    table: Explorable
    seed: int
    rows_of: tuple[int, ...]
    tracks_of: tuple[int, ...]
    constant: tuple[str, ...]
    correlated: tuple[str, ...]
    correlation: NDArray[np.float64]
    tempo: str | None
    importance: Importance | None
    mutual_information: MutualInformation | None
    projections: tuple[Projection, ...]
    drawn: NDArray[np.intp]
    missing: tuple[str, ...]
    minimal: MinimalSet | None
    empty: Mapping[str, int]

    @property
    def size(self) -> int:
        """Rows of the whole table."""
        return sum(self.rows_of)

    def best(self, count: int) -> tuple[str, ...]:
        """Return the features that separate genres best, by the mean of their ranks in both rankings."""
        ranks = dict.fromkeys(self.table.feature_names, 0)
        for found in (self.importance, self.mutual_information):
            for rank, each in enumerate(found.ranking if found else ()):
                ranks[each.feature] += rank
        varying = [feature for feature in ranks if feature not in self.constant]
        return tuple(sorted(varying, key=ranks.__getitem__)[:count])

    def strongest_pairs(self, count: int) -> list[tuple[str, str, float]]:
        """Return the pairs of features that correlate most."""
        rows, columns = np.triu_indices(len(self.correlated), k=1)
        values = self.correlation[rows, columns]
        known = np.flatnonzero(np.isfinite(values))
        order = known[np.argsort(-np.abs(values[known]), kind="stable")][:count]
        return [(self.correlated[rows[k]], self.correlated[columns[k]], float(values[k])) for k in order]

    def headline(self) -> str:
        """Return the result in a sentence."""
        best = self.best(_HEADLINE_FEATURES)
        if not best or not (self.importance or self.mutual_information):
            return f"The features of {self.table.path.name} cannot be ranked."
        ranked = f"Features that separate the genres best: {', '.join(best)}"
        if self.importance is None:
            return f"{ranked}."
        found = self.importance
        return (
            f"{ranked}; accuracy with all features {found.accuracy} on {found.validation_tracks} validation tracks, "
            f"majority baseline {found.majority_baseline:.3f}."
        )

    def to_frame(self) -> pd.DataFrame:
        """Return a table of the features."""
        import pandas as pd

        features = self.table.feature_names
        importance, information = (
            {each.feature: each for each in found.ranking} if found else {}
            for found in (self.importance, self.mutual_information)
        )
        unknown = FeatureScore("", math.nan, math.nan)
        rows = [
            {
                "feature": feature,
                "rank": rank,
                "importance": importance.get(feature, unknown).bits,
                "importance_deviation": importance.get(feature, unknown).deviation,
                "mutual_information": information.get(feature, unknown).bits,
                "constant": feature in self.constant,
            }
            for rank, feature in enumerate((*self.best(len(features)), *self.constant), start=1)
        ]
        return pd.DataFrame(rows)

    def as_json(self) -> dict[str, Any]:
        """Return what was found as plain data."""
        table = self.table
        return {
            "table": {
                "path": str(table.path),
                "sha256": table.sha256,
                **table.description,
            },
            "headline": self.headline(),
            "seed": self.seed,
            "rows": self.size,
            "sampled_rows": len(table),
            "tracks": sum(self.tracks_of),
            "classes": [
                {"label": label, "rows": rows, "tracks": tracks}
                for label, rows, tracks in zip(table.classes, self.rows_of, self.tracks_of, strict=True)
            ],
            "best_features": list(self.best(len(table.feature_names))),
            "importance": _plain(self.importance),
            "mutual_information": _plain(self.mutual_information),
            "minimal_set": None if self.minimal is None else self.minimal.as_json(),
            "empty_cells": dict(self.empty),
            "constant_features": list(self.constant),
            "correlation": {
                "features": list(self.correlated),
                "matrix": [
                    [value if np.isfinite(value) else None for value in row] for row in self.correlation.tolist()
                ],
            },
            "tempo": self._tempo_json(),
            "projections": [
                {"method": each.method, "explained_variance_ratio": list(each.explained) if each.explained else None}
                for each in self.projections
            ],
            "drawn_rows": len(self.drawn),
            "missing": list(self.missing),
            "versions": {"audio_genre": __version__, "scikit-learn": version("scikit-learn")},
        }

    def _tempo_json(self) -> list[dict[str, Any]] | None:
        if self.tempo is None:
            return None
        values = self.table.matrix[:, self.table.feature_names.index(self.tempo)].astype(np.float64)
        known = np.isfinite(values)
        quartiles = [
            np.quantile(values[known & (self.table.labels == label)], (0.25, 0.5, 0.75))
            if (known & (self.table.labels == label)).any()
            else np.full(3, np.nan)
            for label in self.table.classes
        ]
        return [
            {"label": label, "lower_quartile": low, "median": median, "upper_quartile": high}
            for label, (low, median, high) in zip(
                self.table.classes,
                ([value if math.isfinite(value) else None for value in each.tolist()] for each in quartiles),
                strict=True,
            )
        ]


def _plain(found: Importance | MutualInformation | None) -> dict[str, Any] | None:
    return {**asdict(found), "ranking": [asdict(each) for each in found.ranking]} if found else None


def examine(table: Explorable, *, seed: int = 0, progress: Progress | None = None) -> Exploration:
    r"""Compute how the genres of a table differ, without drawing anything.

    Notes
    -----
    Permutation importance (Breiman, "Random forests", Machine Learning 45, 2001) is that of scikit-learn's
    `permutation_importance` on the validation rows of the ``track`` protocol, for `ExtraTreesClassifier` fitted on the
    training rows; the test rows are not looked at. It is counted in bits of log-probability, because accuracy moves in
    steps of a whole row and ranks features differently with every split. Mutual information is the nearest-neighbour
    estimate of Ross ("Mutual information between discrete and continuous data sets", PLoS ONE 9(2), 2014) in
    scikit-learn's `mutual_info_classif`.

    The minimal set is cross-validated on the training rows, with folds that keep tracks, or artists where the table
    tells them, in one part. Within each fold features are ranked by permutation importance on rows other than those
    that test it.

    All of it sees at most some thousand rows of a large table, chosen at random; PCA is fitted to all, or to 50,000.
    An empty cell is filled with the median of its column.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from audio_genre.datasets import TableSchema, load_table
    >>> schema = TableSchema("toy", recipe=None, features=("loud", "noise"), label="label", item="filename")
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "toy.csv"
    >>> rows = [f"{genre}{k}.wav,{level + k / 100},{k * k % 7},{genre}" for genre, level in (("jazz", 0), ("rock", 1))
    ...         for k in range(20)]
    >>> _ = path.write_text("\n".join(["filename,loud,noise,label", *rows]))
    >>> found = examine(load_table(path, schema))
    >>> found.best(1), found.rows_of
    (('loud',), (20, 20))
    """
    refuse(table, seed)
    return _examine(table, seed, _Steps(progress, _examination_steps(table)))


class _Steps:
    """Counts steps for a progress line."""

    def __init__(self, progress: Progress | None, total: int) -> None:
        self._progress, self._total, self._count = progress, total, 0

    def done(self, next_one: str, steps: int = 1) -> None:
        self._count += steps
        if self._progress is not None:
            self._progress(self._count, self._total, next_one)


def _examination_steps(table: Explorable) -> int:
    # Correlation, mutual information, the forest, each feature shuffled, minimal set, projections.
    return 5 + len(table.feature_names)


def refuse(table: Explorable, seed: int) -> None:
    """Raise an error if a table cannot be explored."""
    if not hasattr(table, "feature_names"):
        raise TableError(f"{table.path} has no features to explore; give a feature table or a table of tracks.")
    if not 0 <= seed < _SEEDS:
        raise ParameterError(f"The seed must be in the range 0 to {_SEEDS - 1}; got {seed}.")
    unlabelled = np.flatnonzero(table.labels == "")
    if len(unlabelled):
        raise TableError(
            f"{table.path} has no label in {len(unlabelled)} of {len(table)} rows, the first being "
            f"{str(table.items[unlabelled[0]])!r}; exploring compares genres and needs one in every row, so fill in "
            "the labels or leave these rows out."
        )
    if len(table.classes) < 2:
        raise TableError(
            f"{table.path} has only the class {table.classes[0]!r}; exploring compares genres and needs at least two."
        )


def _examine(whole: Explorable, seed: int, steps: _Steps) -> Exploration:
    features = whole.feature_names
    of_row = np.searchsorted(whole.classes, whole.labels)
    tracks = np.unique(whole.groups, return_index=True)[1]
    table = _sampled(whole, seed)
    y = np.searchsorted(table.classes, table.labels)
    X, empty = _filled(table.matrix)
    varies = np.ptp(X.astype(np.float64), axis=0) > 0
    constant = tuple(name for name, flag in zip(features, varies, strict=True) if not flag)
    correlated = _correlated(features)
    drawn = _at_most(y, np.arange(len(y)), _DRAWN_ROWS, _rng(seed, "drawn"))
    squashed = _squash(X, varies)

    correlation = _correlate(X[:, [features.index(name) for name in correlated]])
    steps.done("mutual information")
    mutual_information, missing = _mutual_information(table, squashed, y, varies, seed)
    steps.done("trees")
    split, protocol, why = _split(table, seed)
    missing += why
    importance, minimal = None, None
    if split is None:
        steps.done("projection", 1 + len(features))
    else:
        importance = _importance(table, X, y, split, protocol, seed, steps)
        steps.done("minimal set of features")
        minimal, why = _minimal(table, X, y, varies, split.train, protocol, seed)
        missing += why
    steps.done("projection")
    projections, why = _project(squashed[:, varies], drawn, seed)
    missing += why
    steps.done("drawing")
    return Exploration(
        table=table,
        seed=seed,
        rows_of=tuple(np.bincount(of_row).tolist()),
        tracks_of=tuple(np.bincount(of_row[tracks]).tolist()),
        constant=constant,
        correlated=correlated,
        correlation=correlation,
        tempo=_TEMPO if _TEMPO in features else None,
        importance=importance,
        mutual_information=mutual_information,
        projections=projections,
        drawn=drawn,
        missing=tuple(missing),
        minimal=minimal,
        empty={name: int(count) for name, count in zip(features, empty, strict=True) if count},
    )


def _sampled(table: Explorable, seed: int) -> Explorable:
    """Return a sample of a large table, with whole tracks."""
    if len(table) <= _MAX_ROWS:
        return table
    names, first, track = np.unique(table.groups, return_index=True, return_inverse=True)
    y = np.searchsorted(table.classes, table.labels)[first]
    kept = np.zeros(len(names), dtype=bool)
    kept[_at_most(y, np.arange(len(names)), int(_MAX_ROWS * len(names) / len(table)), _rng(seed, "sample"))] = True
    sample: Explorable = table.take(np.flatnonzero(kept[track]))
    return sample


def _filled(matrix: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.intp]]:
    """Put the median of a column into its empty cells; return also how many there are."""
    empty = np.isnan(matrix)
    if not empty.any():
        return matrix, empty.sum(axis=0)
    medians = np.array(
        [np.median(column[~hole]) if not hole.all() else 0 for column, hole in zip(matrix.T, empty.T, strict=True)]
    )
    return np.where(empty, medians.astype(np.float32), matrix), empty.sum(axis=0)


def _split(table: Explorable, seed: int) -> tuple[Split | None, str, list[str]]:
    """Split by artist where the table tells them, else by track."""
    names = [*(["artist"] if together_of(table, "artist") is not None else []), DEFAULT_PROTOCOL]
    sentences = []
    for name in names:
        try:
            (split,) = get_protocol(name).splits(table, seed=seed)
        except ProtocolError as error:
            sentences.append(str(error))
        else:
            return split, name, sentences
    why = " ".join(sentences)
    return None, "", [f"Permutation importance needs tracks that the forest did not learn from. {why}"]


def _rng(seed: int, purpose: str) -> np.random.Generator:
    """Return a generator of its own for each purpose, so that none changes another's choice."""
    return np.random.default_rng([seed, *purpose.encode()])


def _at_most(y: NDArray[np.intp], rows: NDArray[np.intp], most: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """Choose rows at random, sorted: all of small classes and equally many of the others, until there are `most`."""
    if len(rows) <= most:
        return np.sort(rows)
    counts = np.sort(np.bincount(y[rows]))
    counts = counts[counts > 0]
    # Each class in turn may use its share of what the smaller ones left.
    quota, left = 1, most
    for k, count in enumerate(counts):
        quota = max(1, left // (len(counts) - k))
        left -= min(int(count), quota)
    shuffled = rng.permutation(rows)
    chosen = [shuffled[y[shuffled] == label][:quota] for label in np.unique(y[rows])]
    return np.sort(np.concatenate(chosen))


def _correlated(features: tuple[str, ...]) -> tuple[str, ...]:
    """Return the means and the tempo, or every feature of a table that has no means."""
    means = [name for name in features if name.endswith(_MEAN)]
    return tuple(name for name in features if name in means or name == _TEMPO) if means else features


def _squash(X: NDArray[np.float32], varies: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Standardise and squash, sign(z) log(1 + |z|), as the networks do; a constant column becomes 0."""
    exact = X.astype(np.float64)
    deviation = np.where(varies, exact.std(axis=0), 1.0)
    z = (exact - exact.mean(axis=0)) / np.where(deviation > 0, deviation, 1.0)
    return np.where(varies, squash(z), 0.0)


def _correlate(X: NDArray[np.float32]) -> NDArray[np.float64]:
    exact = X.astype(np.float64)
    varying = np.flatnonzero(np.ptp(exact, axis=0) > 0)
    matrix = np.full((X.shape[1], X.shape[1]), np.nan)
    if len(varying):
        within = np.atleast_2d(np.corrcoef(exact[:, varying], rowvar=False))
        matrix[np.ix_(varying, varying)] = np.clip(within, -1, 1)
    return matrix


def _mutual_information(
    table: Explorable, squashed: NDArray[np.float64], y: NDArray[np.intp], varies: NDArray[np.bool_], seed: int
) -> tuple[MutualInformation | None, list[str]]:
    """Estimate mutual information, from one row of each track if there are enough of them."""
    from sklearn.feature_selection import mutual_info_classif

    order = _rng(seed, "information").permutation(len(y))
    rows = order[np.unique(table.groups[order], return_index=True)[1]]
    by_track = bool(np.bincount(y[rows]).min() > _NEIGHBOURS)
    if not by_track:
        rows = order
    # A row's neighbours are sought in its own class.
    rows = rows[np.bincount(y[rows])[y[rows]] > _NEIGHBOURS]
    classes = len(np.unique(y[rows]))
    if classes < 2:
        return None, [
            f"Mutual information needs at least {_NEIGHBOURS + 1} rows in each of two genres, and so it is left out."
        ]
    rows = _at_most(y, rows, _MUTUAL_INFORMATION_ROWS, _rng(seed, "information"))
    bits = np.zeros(squashed.shape[1])
    if varies.any():
        nats = mutual_info_classif(
            squashed[np.ix_(rows, varies)],
            y[rows],
            discrete_features=False,
            n_neighbors=_NEIGHBOURS,
            random_state=seed,
        )
        bits[varies] = nats / np.log(2)
    share = np.bincount(y[rows]) / len(rows)
    share = share[share > 0]
    return MutualInformation(
        ranking=_ranking(table.feature_names, bits, np.zeros(len(bits))),
        genre_bits=float(-(share * np.log2(share)).sum()),
        rows=len(rows),
        classes=classes,
        one_row_a_track=by_track or len(np.unique(table.groups)) == len(table),
    ), []


def _importance(
    table: Explorable,
    X: NDArray[np.float32],
    y: NDArray[np.intp],
    split: Split,
    protocol: str,
    seed: int,
    steps: _Steps,
) -> Importance:
    """Fit a forest on the training rows and shuffle each feature of validation rows."""
    from sklearn.ensemble import ExtraTreesClassifier

    train = _at_most(y, split.train, _TRAIN_ROWS, _rng(seed, "train"))
    shuffled = _at_most(y, split.validation, _SHUFFLED_ROWS, _rng(seed, "shuffled"))
    forest = ExtraTreesClassifier(_TREES, min_samples_leaf=_LEAF_ROWS, random_state=seed).fit(X[train], y[train])
    scores = score(forest.predict_proba(X[split.validation]), y[split.validation], table.groups[split.validation])
    validation_tracks = np.unique(table.groups[split.validation], return_index=True)[1]
    majority_baseline = np.bincount(y[split.validation][validation_tracks]).max() / len(validation_tracks)

    repeats = min(_MAX_REPEATS, max(_MIN_REPEATS, _PREDICTIONS // X.shape[1]))
    lost = bits_lost(
        forest,
        X[shuffled],
        y[shuffled],
        repeats=repeats,
        seed=seed,
        done=lambda: steps.done("permutation importance"),
    )
    return Importance(
        ranking=_ranking(table.feature_names, lost.mean(axis=1), lost.std(axis=1)),
        accuracy=scores.tracks.accuracy,
        majority_baseline=float(majority_baseline),
        protocol=protocol,
        trees=_TREES,
        train_tracks=len(np.unique(table.groups[train])),
        validation_tracks=len(validation_tracks),
        train_rows=len(train),
        shuffled_rows=len(shuffled),
        repeats=repeats,
    )


def _minimal(
    table: Explorable,
    X: NDArray[np.float32],
    y: NDArray[np.intp],
    varies: NDArray[np.bool_],
    train: NDArray[np.intp],
    protocol: str,
    seed: int,
) -> tuple[MinimalSet | None, list[str]]:
    """Rank the features within each fold, and test the best one, two, three ... on rows that took no part in it."""
    from sklearn.ensemble import ExtraTreesClassifier
    from sklearn.model_selection import StratifiedGroupKFold

    rows = _at_most(y, train, _SET_ROWS, _rng(seed, "set"))
    units = together_of(table, protocol)
    notes: list[str] = []
    if units is not None:
        # By song instead, their artists would be recognised, and all other genres' too.
        few = [k for k in np.unique(y[rows]) if len(np.unique(units[rows][y[rows] == k])) < _FEWEST_FOLDS]
        if few and len(np.unique(y[rows])) - len(few) >= 2:
            rows = rows[~np.isin(y[rows], few)]
            left_out = ", ".join(table.classes[k] for k in few)
            notes = [f"The minimal set is found without {left_out}, with fewer than three sets of artists in training."]
    groups, folds = _folds_of(y[rows], (table.groups if units is None else units)[rows])
    if folds < _FEWEST_FOLDS and units is not None:
        # Artists who are linked into one set may be all of a genre.
        protocol, (groups, folds) = DEFAULT_PROTOCOL, _folds_of(y[rows], table.groups[rows])
    names = [name for name, flag in zip(table.feature_names, varies, strict=True) if flag]
    if folds < _FEWEST_FOLDS or len(names) < 2:
        return None, [
            "The minimal set needs two features that vary and three tracks of each genre, and so it is left out."
        ]
    values, truth = X[np.ix_(rows, varies)], y[rows]
    sizes = np.unique(np.linspace(1, len(names), min(len(names), _SET_SIZES)).round().astype(int)).tolist()
    with warnings.catch_warnings():
        # Hundreds of genres with a few rows each are no regression.
        warnings.filterwarnings("ignore", message="The number of unique classes is greater", category=UserWarning)
        splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
        parts = [test for _, test in splitter.split(values, truth, groups)]
        every = np.arange(len(truth))

        def forest(rows: NDArray[np.intp], columns: NDArray[np.intp]) -> Any:
            model = ExtraTreesClassifier(_SET_TREES, min_samples_leaf=_LEAF_ROWS, random_state=seed)
            return model.fit(values[np.ix_(rows, columns)], truth[rows])

        scores, ranks = np.empty((folds, len(sizes))), np.empty((folds, len(names)))
        for fold, tested in enumerate(parts):
            # Features are ranked on the part after the one that is tested, by trees that have seen neither.
            ranking = parts[(fold + 1) % folds]
            learned = np.setdiff1d(every, tested)
            model = forest(np.setdiff1d(learned, ranking), np.arange(len(names)))
            lost = bits_lost(model, values[ranking], truth[ranking], repeats=_SET_REPEATS, seed=seed)
            order = np.argsort(-lost.mean(axis=1), kind="stable")
            ranks[fold, order] = np.arange(len(names))
            for place, size in enumerate(sizes):
                chosen = order[:size]
                answers = forest(learned, chosen).predict(values[np.ix_(tested, chosen)])
                scores[fold, place] = (answers == truth[tested]).mean()
    means, errors = scores.mean(axis=0), scores.std(axis=0, ddof=1) / np.sqrt(folds)
    best = int(means.argmax())
    smallest = int(np.flatnonzero(means >= means[best] - errors[best])[0])
    return MinimalSet(
        order=tuple(names[k] for k in np.argsort(ranks.mean(axis=0), kind="stable")),
        sizes=tuple(sizes),
        accuracy=tuple(means.tolist()),
        error=tuple(errors.tolist()),
        best_size=sizes[best],
        size=sizes[smallest],
        majority_baseline=float(np.bincount(truth).max() / len(truth)),
        folds=folds,
        rows=len(rows),
        trees=_SET_TREES,
        protocol=protocol,
    ), notes


def _folds_of(y: NDArray[np.intp], units: NDArray[Any]) -> tuple[NDArray[np.intp], int]:
    """Return numbers of what no fold tears apart, and how many folds the genre with the fewest of them allows."""
    groups = np.unique(units, return_inverse=True)[1].astype(np.intp)
    return groups, min([_SET_FOLDS, *(len(np.unique(groups[y == label])) for label in np.unique(y))])


def _ranking(
    features: tuple[str, ...], values: NDArray[np.float64], deviations: NDArray[np.float64]
) -> tuple[FeatureScore, ...]:
    order = np.argsort(-values, kind="stable")
    return tuple(FeatureScore(features[k], float(values[k]), float(deviations[k])) for k in order)


def _project(
    squashed: NDArray[np.float64], drawn: NDArray[np.intp], seed: int
) -> tuple[tuple[Projection, ...], list[str]]:
    from sklearn.decomposition import PCA

    if squashed.shape[1] < 2:
        return (), ["A projection to a plane needs at least two features that are not constant, and so it is left out."]
    pca = PCA(n_components=2, svd_solver="full").fit(squashed)
    first, second = pca.explained_variance_ratio_.tolist()
    projections = [Projection("PCA", pca.transform(squashed[drawn]), (first, second))]
    if len(drawn) < _MIN_UMAP_ROWS:
        return tuple(projections), []
    # The package warns of what its own dependencies changed; none of it is the reader's.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            umap = importlib.import_module("umap")
        except ModuleNotFoundError as error:
            if error.name == "umap":
                return tuple(projections), []
            return tuple(projections), [f"UMAP is left out, because umap-learn lacks the package {error.name}."]
        layout = umap.UMAP(
            n_components=2, n_neighbors=min(_UMAP_NEIGHBOURS, len(drawn) - 1), random_state=seed, n_jobs=1
        )
        points = np.asarray(layout.fit_transform(squashed[drawn]), dtype=np.float64)
    return (*projections, Projection("UMAP", points, None)), []
