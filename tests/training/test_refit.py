"""Learning from validation rows too: what they are for is done on folds of the training rows."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from feature_tables import write_table
from small_networks import small_variants

from audio_genre.datasets import Table, get_protocol, load_table
from audio_genre.datasets.gtzan.clips import load_clips, same_artist
from audio_genre.errors import ParameterError, ProtocolError
from audio_genre.inputs import load_bundle
from audio_genre.synthetic.tracks import make_tracks
from audio_genre.training import train_baseline, train_tabular
from audio_genre.training.tabular import DenseLearner


def test_all_but_the_test_rows_are_learned_from_and_predicted_without_themselves(clips: Table, tmp_path: Path) -> None:
    (model,) = train_baseline(clips, tmp_path, variant="logistic-regression", refit=True)
    assert model.name == "logistic-regression-refit"
    card = load_bundle(model.path).card
    assert {name: size["tracks"] for name, size in card.protocol["sizes"].items()} == {
        "train": 24, "validation": 0, "test": 6,
    }  # fmt: skip
    assert "5 folds of the training rows" in card.protocol["validation"]
    assert card.facts["command"].endswith("--seed 0 --refit")
    assert card.calibration is not None
    assert card.calibration.tracks == model.validation.tracks.count == 24
    (plain,) = train_baseline(clips, tmp_path, variant="logistic-regression")
    assert plain.name == "logistic-regression"
    assert sorted(plain.tracks) == sorted(model.tracks)
    with (model.path / "validation.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len({row["track"] for row in rows}) == 24
    assert not {row["track"] for row in rows} & set(model.tracks)
    assert all(float(row["distance"]) > 0 for row in rows)


def test_a_network_is_the_mean_of_those_of_the_folds(
    clips: Table, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("audio_genre.training.run.VALIDATION_FOLDS", 2)
    joined: list[list[Any]] = []
    join = DenseLearner.joined

    def note(learner: DenseLearner, models: list[Any], *arguments: Any) -> Any:
        joined.append(models)
        return join(learner, models, *arguments)

    monkeypatch.setattr(DenseLearner, "joined", note)
    with small_variants():
        (model,) = train_tabular(clips, tmp_path, variant="adam-4", refit=True, epochs=3)
    ((first, second),) = joined
    X = clips.X[:9]
    mean = (first.predict(X, verbose=0) + second.predict(X, verbose=0)) / 2
    np.testing.assert_allclose(load_bundle(model.path).predict(X), mean, atol=1e-5)
    assert not np.allclose(first.predict(X, verbose=0), mean, atol=1e-3)


def test_folds_keep_artists_together_and_leave_every_class() -> None:
    names = [clip.name for clip in load_clips().values() if clip.subset == "train"]
    rows = GtzanRows(names)
    protocol = get_protocol("fault-filtered")
    parts = protocol.validation_folds(rows, np.arange(len(names)), 5, seed=3)
    assert np.array_equal(np.sort(np.concatenate(parts)), np.arange(len(names)))
    artist = same_artist()
    of_part = [{artist[names[row]] for row in part} for part in parts]
    assert sum(map(len, of_part)) == len(set.union(*of_part))
    for part in parts:
        assert set(np.delete(rows.labels, part)) == set(rows.labels)


class GtzanRows:
    """Clips of GTZAN by their names."""

    def __init__(self, names: list[str]) -> None:
        self.items = self.groups = np.array([f"{name}.wav" for name in names])
        self.labels = np.array([name.partition(".")[0] for name in names])


def test_a_published_split_without_its_validation_clips_is_refused_and_told_how() -> None:
    rows = GtzanRows([clip.name for clip in load_clips().values() if clip.subset in ("train", "test")])
    protocol = get_protocol("fault-filtered")
    with pytest.raises(ProtocolError, match=r"no clip of the class 'blues' for validation.*\(--refit\)"):
        protocol.splits(rows)
    (split,) = protocol.splits(rows, refit=True)
    assert (len(split.train), len(split.validation), len(split.test)) == (443, 0, 290)


@pytest.mark.parametrize("folds", [2, 5, 20])
def test_classes_of_few_tracks(folds: int) -> None:
    few = GtzanRows(["blues.00000", "blues.00001", "rock.00000", "rock.00001"])
    parts = get_protocol("track").validation_folds(few, np.arange(4), folds)
    assert len(parts) == 2
    one = GtzanRows(["blues.00000", "rock.00000", "rock.00001"])
    with pytest.raises(ProtocolError, match="'blues' has one track to learn from"):
        get_protocol("track").validation_folds(one, np.arange(3), folds)


def test_rows_that_depend_on_those_that_are_learned_from(tmp_path: Path) -> None:
    make_tracks(300).to_csv(tmp_path / "tracks.csv", index=False)
    with pytest.raises(ParameterError, match="leave out --refit"):
        train_baseline(tmp_path / "tracks.csv", tmp_path / "models", variant="majority", refit=True)


def test_segments_of_a_track_stay_in_one_fold(tmp_path: Path) -> None:
    table = load_table(write_table(tmp_path / "features_3_sec.csv", tracks=8, segments=3))
    for part in get_protocol("track").validation_folds(table, np.arange(len(table)), 4):
        assert not set(table.groups[part]) & set(np.delete(table.groups, part))
