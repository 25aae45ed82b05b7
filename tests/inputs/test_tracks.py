"""Models of tables of tracks: what they learn from, what they may not, and bundles that lie."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from feature_tables import write_table
from track_tables import tracks_frame, write_tracks

from audio_genre.bundles.arrays import write_arrays
from audio_genre.errors import BundleError, ParameterError, TableError
from audio_genre.inference.rows import classify_table
from audio_genre.inputs import load_bundle, load_dataset, open_reader
from audio_genre.training import BASELINES, TrainedModel, train_baseline, train_tabular

WITHOUT = """
import json, sys
for name in ("tensorflow", "keras", "xgboost", "sklearn", "imblearn"):
    sys.modules[name] = None
from audio_genre.inference.rows import classify_table
answers = classify_table(sys.argv[1], sys.argv[2], unknown=False)
print(json.dumps({answer.path: [answer.genre, answer.probabilities] for answer in answers}))
"""


def baseline(table: Path, models: Path, variant: str = "logistic-regression", **options: Any) -> TrainedModel:
    (model,) = train_baseline(table, models, variant=variant, **options)
    return model


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, TrainedModel]:
    """A model with context and what stands beside the music; not to be written to."""
    folder = tmp_path_factory.mktemp("trained")
    table = write_tracks(folder / "t.csv", count=240, apart=1.2)
    return table, baseline(table, folder / "models", context=["artist"], use=["popularity"])


def assert_scores_of_the_card(table: Path, bundle: Path) -> None:
    """Let another process without the libraries of the training answer for the table's rows."""
    words = [sys.executable, "-c", WITHOUT, str(table), str(bundle)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    answers = json.loads(done.stdout)
    written = pd.read_csv(bundle / "predictions.csv", dtype={"label": str, "predicted": str})
    frame = pd.read_csv(table, dtype=str, keep_default_na=False).set_index("track_id")
    right = [answers[item][0] == frame["track_genre"][item] for item in written["item"]]
    card = json.loads((bundle / "card.json").read_text())
    assert len(right) == card["protocol"]["sizes"]["test"]["rows"] > 0
    assert np.mean(right) == pytest.approx(card["metrics"]["test"]["rows"]["accuracy"]["value"], abs=1e-9)
    for item, predicted in zip(written["item"], written["predicted"], strict=True):
        assert answers[item][0] == predicted


@pytest.mark.parametrize("balance", ["none", "smote"])
def test_a_bundle_answers_as_its_card_says(tmp_path: Path, balance: str) -> None:
    table = write_tracks(tmp_path / "t.csv", count=240, apart=0.8)
    variant = "xgboost" if BASELINES["xgboost"].available else "gradient-boosting"
    model = baseline(table, tmp_path / "models", variant, context=["artist", "album"], balance=balance)
    assert_scores_of_the_card(table, model.path)


def test_a_network_answers_as_its_card_says(tmp_path: Path) -> None:
    pytest.importorskip("tensorflow")
    table = write_tracks(tmp_path / "t.csv", count=240, apart=0.8)
    options: dict[str, Any] = {"variant": "mlp-256-128", "epochs": 2, "balance": "class-weight", "context": ["artist"]}
    (model,) = train_tabular(table, tmp_path / "models", **options)
    assert model.name == "mlp-256-128-class-weight-with-artist"
    assert_scores_of_the_card(table, model.path)


@pytest.mark.parametrize("variant", ["logistic-regression", "random-forest"])
def test_a_column_that_numbers_the_rows_changes_no_bit_of_the_model(tmp_path: Path, variant: str) -> None:
    frame = tracks_frame(150).sort_values("track_genre").reset_index(drop=True)
    for name in ("", "Unnamed: 0"):
        frame.insert(0, name, range(150))
    models = []
    for number, table in enumerate((frame[frame.columns[2:]], frame[frame.columns[1:]], frame)):
        path = write_tracks(tmp_path / f"{number}.csv", table)
        models.append((baseline(path, tmp_path / f"models{number}", variant).path / "model.npz").read_bytes())
    assert models[0] == models[1] == models[2]


def test_what_only_the_artist_tells(tmp_path: Path) -> None:
    table = write_tracks(tmp_path / "t.csv", count=900, artists=20)
    options: dict[str, Any] = {"context": ["artist"], "variant": "gradient-boosting"}
    track = baseline(table, tmp_path / "models", **options)
    artist = baseline(table, tmp_path / "models", protocol="artist", **options)
    assert track.test.tracks.accuracy.value > 0.9
    assert abs(artist.test.tracks.accuracy.value - 1 / 3) < 0.12
    assert (
        abs(baseline(table, tmp_path / "models", variant="gradient-boosting").test.tracks.accuracy.value - 1 / 3) < 0.12
    )


def test_what_stands_beside_the_music_is_used_when_it_is_named(trained: tuple[Path, TrainedModel]) -> None:
    table, model = trained
    card = json.loads((model.path / "card.json").read_text())
    assert model.name == "logistic-regression-with-popularity-with-artist"
    assert card["beside"] == ["popularity", "artist"]
    assert "popularity" in card["features"]
    assert "Spotify" in card["content"]
    assert "--with popularity --context artist" in card["command"]
    plain = baseline(table, model.path.parent)
    assert "popularity" not in json.loads((plain.path / "card.json").read_text())["features"]


def test_a_model_of_a_prepared_folder_is_that_of_its_table(tmp_path: Path) -> None:
    from audio_genre.datasets.tracks.preparing import prepare, write_preparation

    table = write_tracks(tmp_path / "t.csv", count=150)
    write_preparation(prepare(table, mapping="none"), tmp_path / "out")
    one, other = (baseline(path, tmp_path / f"models-{path.name}") for path in (table, tmp_path / "out"))
    assert (one.path / "model.npz").read_bytes() == (other.path / "model.npz").read_bytes()


class TestOtherTables:
    def test_a_table_without_genres_of_another_layout(self, trained: tuple[Path, TrainedModel], tmp_path: Path) -> None:
        table, model = trained
        names = {
            "artists": "Artist Name(s)",
            "popularity": "Popularity",
            "duration_ms": "Duration (ms)",
            "tempo": "BPM",
        }
        frame = pd.read_csv(table).drop(columns=["track_genre"]).rename(columns=names)
        other = write_tracks(tmp_path / "u.csv", frame[frame.columns[::-1]])
        one, two = (classify_table(path, model.path, unknown=False) for path in (table, other))
        assert [answer.probabilities for answer in one] == [answer.probabilities for answer in two]

    @pytest.mark.parametrize("column", ["tempo", "popularity", "artists"])
    def test_a_table_that_lacks_a_column(self, trained: tuple[Path, TrainedModel], tmp_path: Path, column: str) -> None:
        table, model = trained
        other = write_tracks(tmp_path / "u.csv", pd.read_csv(table).drop(columns=[column]))
        words = f"has no column of {column.removesuffix('s')}, which .* takes; choose a model trained without it"
        with pytest.raises(BundleError, match=words):
            classify_table(other, model.path)

    def test_no_table_of_tracks(self, trained: tuple[Path, TrainedModel], tmp_path: Path) -> None:
        (tmp_path / "u.csv").write_text("a,b\n1,2\n")
        with pytest.raises(TableError, match="is no table of tracks"):
            classify_table(tmp_path / "u.csv", trained[1].path)
        with pytest.raises(
            BundleError, match="are not computed from audio; give a table to `audio-genre tracks classify`"
        ):
            open_reader(load_bundle(trained[1].path))

    def test_every_row_has_an_answer(self, trained: tuple[Path, TrainedModel], tmp_path: Path) -> None:
        frame = pd.read_csv(trained[0]).astype(object)
        frame.loc[0, :] = None
        frame.loc[0, "track_id"] = "nothing is known"
        frame.loc[1, "tempo"] = "fast"
        frame = pd.concat([frame, frame[2:4]])
        answers = classify_table(write_tracks(tmp_path / "u.csv", frame), trained[1].path)
        assert [answer.path for answer in answers] == frame["track_id"].tolist()
        assert answers[2].probabilities == answers[-2].probabilities


class TestOptions:
    def test_a_schema_makes_a_table_of_tracks(self, tmp_path: Path) -> None:
        frame = tracks_frame(60).rename(columns={"track_genre": "Stil", "danceability": "Tanz", "energy": "Kraft"})
        table = write_tracks(tmp_path / "t.csv", frame[["track_id", "Tanz", "Kraft", "Stil"]])
        (tmp_path / "s.toml").write_text("[columns]\nlabel = 'Stil'\ndanceability = 'Tanz'\nenergy = 'Kraft'\n")
        assert load_dataset(table, schema=tmp_path / "s.toml").input == "tracks"
        model = baseline(table, tmp_path / "models", "majority", schema=tmp_path / "s.toml")
        assert model.test.tracks.count == 12

    def test_a_group_is_named_by_the_protocol(self, tmp_path: Path) -> None:
        table = write_tracks(tmp_path / "t.csv", count=60)
        with pytest.raises(ParameterError, match=r"--group-column says nothing of .*write --protocol group:album_name"):
            load_dataset(table, group_column="album_name")
        assert "group" in load_dataset(table, protocol="group:album_name").together  # type: ignore[attr-defined]

    def test_options_of_other_models(self, tmp_path: Path) -> None:
        table = write_table(tmp_path / "t.csv")
        model = baseline(table, tmp_path / "models", "majority")
        with pytest.raises(ParameterError, match="--encoding is not for a feature table"):
            classify_table(table, model.path, encoding="cp1252")

    def test_options_of_other_inputs(self, tmp_path: Path) -> None:
        table = write_tracks(tmp_path / "t.csv", count=60)
        with pytest.raises(ParameterError, match="--conflicts is not for a table of tracks"):
            load_dataset(table, conflicts="drop")


def lie(card: Any, where: str, value: Any) -> None:
    *path, last = where.split("/")
    for name in path:
        card = card[name]
    if value is None:
        del card[last]
    else:
        card[0 if last == "0" else last] = value


class TestDamage:
    @pytest.fixture
    def copy(self, trained: tuple[Path, TrainedModel], tmp_path: Path) -> Path:
        return Path(shutil.copytree(trained[1].path, tmp_path / "copy"))

    @pytest.mark.parametrize(
        ("where", "value"),
        [
            ("encoding", None),
            ("encoding", 3),
            ("encoding/columns", ["tempo"]),
            ("encoding/columns", [{}] * 16),
            ("encoding/kinds", None),
            ("encoding/kinds/0", "word"),
            ("encoding/missing/0", float("nan")),
            ("encoding/missing/0", "much"),
            ("encoding/categories/key", ["a"]),
            ("encoding/categories/key", list(range(9999))),
            ("encoding/categories/tempo", [1]),
            ("encoding/indicators", ["nothing"]),
            ("encoding/contexts", ["label"]),
            ("encoding/contexts", None),
            ("encoding/contexts", []),
            ("encoding/missing/0", 1e300),
            ("features", ["a"]),
            ("features/0", "energy and more"),
            ("other_class", "polka"),
            ("other_class", {}),
            ("arrays_sha256", None),
            ("arrays_sha256", "0" * 64),
            ("arrays_sha256", 7),
        ],
    )
    def test_a_card_that_lies(self, copy: Path, trained: tuple[Path, TrainedModel], where: str, value: Any) -> None:
        card = json.loads((copy / "card.json").read_text())
        lie(card, where, value)
        (copy / "card.json").write_text(json.dumps(card))
        with pytest.raises(BundleError) as raised:
            classify_table(trained[0], copy)
        assert str(copy) in str(raised.value)

    def test_arrays_that_are_damaged(self, copy: Path, trained: tuple[Path, TrainedModel]) -> None:
        whole = (copy / "input.npz").read_bytes()
        for data in (whole[:-20], b"", whole[:100] + b"x" + whole[101:]):
            (copy / "input.npz").write_bytes(data)
            with pytest.raises(BundleError, match=r"input\.npz is damaged"):
                classify_table(trained[0], copy)
        (copy / "input.npz").unlink()
        with pytest.raises(BundleError, match=r"input\.npz cannot be read"):
            classify_table(trained[0], copy)

    @pytest.mark.parametrize("name", ["artist_table", "artist_prior", "artist_counts", "artist_names"])
    @pytest.mark.parametrize("how", ["missing", "short", "wild", "of another type", "without a shape"])
    def test_arrays_that_someone_else_wrote(
        self, copy: Path, trained: tuple[Path, TrainedModel], name: str, how: str
    ) -> None:
        import hashlib

        arrays = dict(load_bundle(copy).arrays)
        found = arrays.pop(name)
        changed = {
            "missing": None,
            "short": found[:-1],
            "wild": np.full_like(found, np.nan if found.dtype.kind == "f" else -1 if found.dtype.kind == "i" else 255),
            "of another type": found.astype(np.float64),
            "without a shape": found.reshape(-1)[0],
        }[how]
        if changed is not None:
            arrays[name] = np.asarray(changed)
        data = write_arrays(arrays)
        (copy / "input.npz").write_bytes(data)
        card = json.loads((copy / "card.json").read_text())
        card["arrays_sha256"] = hashlib.sha256(data).hexdigest()
        (copy / "card.json").write_text(json.dumps(card))
        with pytest.raises(BundleError):
            classify_table(trained[0], copy)
