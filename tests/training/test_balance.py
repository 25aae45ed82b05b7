"""Balanced training rows: what they are, and that nothing of the test rows is in them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from imblearn.over_sampling import SMOTE
from sklearn.metrics import balanced_accuracy_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.utils.class_weight import compute_class_weight
from track_tables import float32_rows, tracks_frame, write_tracks

from audio_genre.datasets import Split, get_protocol
from audio_genre.datasets.tracks import Tracks, load_tracks
from audio_genre.errors import ParameterError
from audio_genre.training import BASELINES
from audio_genre.training.balance import BALANCES, Learned, balanced
from audio_genre.training.baselines import BaselineLearner, Task

NOTHING: tuple[tuple[slice, ...], tuple[int, ...]] = ((), ())


def uneven(path: Path, *, shuffled: bool = False, count: int = 700, **options: Any) -> Tracks:
    """Read a table with half of the rows in one genre, and a sixth in another."""
    frame = tracks_frame(count, apart=1.5, artists=60, **options)
    frame["artists"] = [f"Artist {k}" for k in np.random.default_rng(1).integers(0, 150, count)]
    frame = frame[(frame["track_genre"] != "jazz") | (np.arange(count) % 2 == 0)].reset_index(drop=True)
    if shuffled:
        frame["track_genre"] = frame["track_genre"].sample(frac=1, random_state=5).to_numpy()
    return load_tracks(write_tracks(path, frame), group_column="album_name", context=["artist"])


def learned(tracks: Tracks, split: Split, balance: str) -> tuple[Tracks, Learned, np.ndarray]:
    y = np.searchsorted(tracks.classes, tracks.labels)
    learner = BaselineLearner(tracks, BASELINES["majority"], balance).prepared(split.train, y, 0)
    assert isinstance(learner, BaselineLearner)
    return learner.dataset, learner.learned(split, y, 0), y  # type: ignore[return-value]


@pytest.mark.parametrize("protocol", ["track", "artist", "segment", "group:album_name"])
def test_shuffled_labels_stay_at_chance(tmp_path: Path, protocol: str) -> None:
    tracks = uneven(tmp_path / "t.csv", shuffled=True)
    (split,) = get_protocol(protocol).splits(tracks)
    for balance in BALANCES:
        encoded, rows, y = learned(tracks, split, balance)
        scale = rows.X.std(axis=0) + 1e-9
        model = KNeighborsClassifier(1).fit(rows.X / scale, rows.y)
        found = balanced_accuracy_score(y[split.test], model.predict(encoded.X[split.test] / scale))
        assert abs(found - 1 / 3) < 0.13, balance


def test_what_that_test_would_find(tmp_path: Path) -> None:
    # The mistake itself: made before the split, copies of the test rows are learned from.
    tracks = uneven(tmp_path / "t.csv", shuffled=True)
    y = np.searchsorted(tracks.classes, tracks.labels)
    X, y = SMOTE(random_state=0).fit_resample(tracks.raw / tracks.raw.std(axis=0), y)
    test = np.random.default_rng(0).random(len(y)) < 0.2
    model = KNeighborsClassifier(1).fit(X[~test], y[~test])
    assert balanced_accuracy_score(y[test], model.predict(X[test])) > 1 / 3 + 0.13


@pytest.mark.parametrize("balance", BALANCES)
def test_rows_that_were_there_are_not_touched(tmp_path: Path, balance: str) -> None:
    tracks = uneven(tmp_path / "t.csv")
    (split,) = get_protocol("artist").splits(tracks)
    encoded, rows, y = learned(tracks, split, balance)
    assert rows.X[: len(split.train)].tobytes() == encoded.learning.tobytes()
    assert np.array_equal(rows.y[: len(split.train)], y[split.train])
    counts = np.bincount(rows.y)
    assert (len(set(counts.tolist())) == 1) == (balance in ("smote", "oversample"))
    # Rows that are tested on are those of the file.
    assert encoded.encoder is not None
    numbers = tuple(name for name in encoded.columns if name in encoded.encoder.names)
    written = float32_rows(tracks_frame(700, apart=1.5, artists=60), numbers)
    places = [encoded.encoder.names.index(name) for name in numbers]
    for row in np.concatenate([split.validation, split.test]).tolist():
        assert encoded.X[row, places].tobytes() == written[str(tracks.items[row])]
        assert (
            tracks.raw[row, [tracks.columns.index(name) for name in numbers]].tobytes()
            == written[str(tracks.items[row])]
        )


def test_smote_makes_rows_that_can_be(tmp_path: Path) -> None:
    tracks = uneven(tmp_path / "t.csv")
    (split,) = get_protocol("track").splits(tracks)
    encoded, rows, _ = learned(tracks, split, "smote")
    assert encoded.encoder is not None
    made = rows.X[len(split.train) :]
    assert len(made) > 50
    assert len(encoded.encoder.one_hot) == 2
    for group in encoded.encoder.one_hot:
        assert np.isin(made[:, group], (0, 1)).all()
        assert (made[:, group].sum(axis=1) == 1).all()
    assert np.isin(made[:, list(encoded.encoder.flags)], (0, 1)).all()
    # Between the rows of their class, and no copies.
    for number in range(3):
        mine = rows.X[: len(split.train)][rows.y[: len(split.train)] == number]
        new = made[rows.y[len(split.train) :] == number]
        tolerance = 1e-4 * np.abs(mine).max(axis=0)
        assert (new >= mine.min(axis=0) - tolerance).all()
        assert (new <= mine.max(axis=0) + tolerance).all()
    assert len(np.unique(made, axis=0)) == len(made)


def test_oversampling_makes_copies() -> None:
    rng = np.random.default_rng(0)
    rows = Learned(rng.normal(size=(50, 3)).astype(np.float32), (np.arange(50) < 10).astype(np.intp))
    found = balanced("oversample", rows, NOTHING, 0)
    assert np.bincount(found.y).tolist() == [40, 40]
    known = {row.tobytes(): y for row, y in zip(rows.X, rows.y.tolist(), strict=True)}
    assert all(known[row.tobytes()] == y for row, y in zip(found.X, found.y.tolist(), strict=True))


@pytest.mark.parametrize(("name", "power"), [("class-weight", 1), ("class-weight-sqrt", 0.5)])
def test_weights_are_those_of_scikit_learn(name: str, power: float) -> None:
    y = np.random.default_rng(0).choice(5, 400, p=[0.5, 0.3, 0.1, 0.07, 0.03])
    found = balanced(name, Learned(np.zeros((400, 1), np.float32), y), NOTHING, 0).weights
    assert found is not None
    expected = compute_class_weight("balanced", classes=np.arange(5), y=y)[y] ** power
    np.testing.assert_allclose(found, expected / expected.mean(), rtol=1e-6)


@pytest.mark.parametrize("name", BASELINES)
def test_weights_reach_every_model(name: str) -> None:
    if not BASELINES[name].available:
        pytest.skip(f"{BASELINES[name].package} is not installed")
    rng = np.random.default_rng(0)
    y = (rng.random(300) < 0.15).astype(np.intp)
    X = (rng.normal(size=(300, 4)) + 0.5 * y[:, np.newaxis]).astype(np.float32)
    small = {"n_estimators": 20, "max_iter": 20, "num_boost_round": 10, "max_depth": 3}
    parameters = {key: small.get(key, value) for key, value in BASELINES[name].parameters.items()}
    weights = balanced("class-weight", Learned(X, y), NOTHING, 0).weights
    plain, weighed = (
        BASELINES[name].fit(Learned(X, y, each), Task(2, parameters)).exported(X) for each in (None, weights)
    )
    assert weighed[:, 1].mean() > plain[:, 1].mean() + 0.1


class TestFewRows:
    def test_smote_with_one_row_of_a_class(self) -> None:
        rows = Learned(np.zeros((5, 2), np.float32), np.array([0, 0, 0, 0, 1]))
        with pytest.raises(ParameterError, match="a class has one training row; use --balance oversample"):
            balanced("smote", rows, NOTHING, 0)

    def test_smote_with_two_rows_of_a_class(self) -> None:
        X = np.random.default_rng(0).normal(size=(12, 2)).astype(np.float32)
        found = balanced("smote", Learned(X, np.array([0] * 10 + [1] * 2)), NOTHING, 0)
        assert np.bincount(found.y).tolist() == [10, 10]

    def test_smote_where_a_category_has_no_value(self, tmp_path: Path) -> None:
        frame = tracks_frame(90).assign(time_signature=0)[:-17]
        tracks = load_tracks(write_tracks(tmp_path / "t.csv", frame[frame["track_id"] != "id0x00000"]))
        (split,) = get_protocol("track").splits(tracks)
        _, rows, _ = learned(tracks, split, "smote")
        assert len(set(np.bincount(rows.y).tolist())) == 1

    def test_smote_with_categories_alone(self) -> None:
        X = np.eye(4, dtype=np.float32)[np.arange(30) % 4]
        with pytest.raises(ParameterError, match="between numbers, and the table has categories alone"):
            balanced("smote", Learned(X, (np.arange(30) < 8).astype(np.intp)), ((slice(0, 4),), ()), 0)

    def test_a_balance_that_nobody_knows(self, tmp_path: Path) -> None:
        with pytest.raises(ParameterError, match=r"balance must be one of none, class-weight.*got 'adasyn'"):
            BaselineLearner(uneven(tmp_path / "t.csv"), BASELINES["majority"], "adasyn")  # type: ignore[arg-type]
