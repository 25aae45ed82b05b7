"""``audio-genre tracks``, and training on tables of tracks: what is printed, written and refused."""

from __future__ import annotations

import csv
import io
import json
import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from track_tables import float32_rows, tracks_frame, write_tracks
from typer.testing import CliRunner, Result

from audio_genre.cli import app


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def refused(*arguments: object) -> str:
    """Run a command that must fail with one sentence and no traceback."""
    result = run(*arguments)
    assert result.exit_code != 0
    assert result.exception is None or isinstance(result.exception, SystemExit)
    assert "Traceback" not in result.output
    return " ".join(result.output.split())


def test_prepare_writes_a_folder_that_trains(tmp_path: Path) -> None:
    frame = tracks_frame(150, apart=1)
    frame.insert(0, "Unnamed: 0", range(150))
    frame.loc[:1, "tempo"] = 0
    table = write_tracks(tmp_path / "t.csv", frame)
    result = run("tracks", "prepare", table, tmp_path / "out")
    assert result.exit_code == 0, result.output
    words = " ".join(result.output.split())
    assert "t.csv: layout kaggle, 150 rows read, 150 kept" in words
    assert "column tempo: 2 missing, 2 zero, which means unknown" in words
    assert "protocol: track (random songs of each class, 60/20/20; all versions of a song stay in one subset)" in words
    assert "jazz and blues 50 30 10 10" in words
    assert "numbers the rows and is never used" in words
    names = ["genre_mapping.csv", "mapped_dataset.csv", "preparation.json", "test.npz", "train.npz", "validation.npz"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == names
    result = run("train", "baseline", tmp_path / "out", tmp_path / "models", "--variant", "majority", "--json")
    assert result.exit_code == 0, result.output
    with np.load(tmp_path / "out/test.npz") as arrays:
        tested = set(arrays["items"].tolist())
        written = float32_rows(frame.replace({"tempo": {0: np.nan}}), tuple(arrays["columns"].tolist()))
        assert all(row.tobytes() == written[name] for name, row in zip(arrays["items"], arrays["X"], strict=True))
    predicted = pd.read_csv(tmp_path / "models/majority/predictions.csv")
    assert set(predicted["item"]) == tested


def test_prepare_as_json_and_parquet(tmp_path: Path) -> None:
    table = write_tracks(tmp_path / "t.csv", count=90, artists=30)
    options = [
        "--genres",
        "Jazz,pop",
        "--other",
        "--format",
        "parquet",
        "--protocol",
        "artist",
        "--seed",
        "4",
        "--json",
    ]
    result = run("tracks", "prepare", table, tmp_path / "out", *options)
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert report["genres"] == {"Jazz": 30, "other": 30, "pop": 30}
    assert report["protocol"]["seed"] == 4
    assert set(pd.read_parquet(tmp_path / "out/mapped_dataset.parquet")["broad_genre"]) == {"Jazz", "other", "pop"}


def test_an_unknown_genre_is_listed_and_a_mapping_to_fill_in_is_written(tmp_path: Path) -> None:
    table = write_tracks(tmp_path / "t.csv", count=60, genres=("jazz", "zzz"))
    words = refused("tracks", "prepare", table, tmp_path / "out")
    assert "does not know 1 genre: 'zzz' (30 rows)" in words
    assert "Fill in the empty broad genres" in words
    assert (tmp_path / "out/genre_mapping.csv").read_text().endswith("zzz,,\n")
    assert not (tmp_path / "out/preparation.json").exists()
    # What a person has filled in there is read, and stays as it is.
    filled = "genre,broad_genre,aliases\njazz,jazz,\nzzz,new,z;zz\nnot here,jazz,\n"
    (tmp_path / "out/genre_mapping.csv").write_text(filled)
    result = run("tracks", "prepare", table, tmp_path / "out", "--mapping", tmp_path / "out/genre_mapping.csv")
    assert result.exit_code == 0, result.output
    assert (tmp_path / "out/genre_mapping.csv").read_text() == filled


@pytest.mark.parametrize("balance", ["class-weight-sqrt", "oversample", "smote"])
def test_train_and_classify(tmp_path: Path, balance: str) -> None:
    table = write_tracks(tmp_path / "t.csv", count=150, apart=2)
    options = ["--variant", "logistic-regression", "--balance", balance, "--protocol", "artist", "--with", "popularity"]
    result = run("train", "baseline", table, tmp_path / "models", *options)
    assert result.exit_code == 0, result.output
    (model,) = [path for path in (tmp_path / "models").iterdir() if path.is_dir()]
    assert model.name == f"logistic-regression-{balance}-with-popularity-artist"
    result = run("tracks", "classify", table, tmp_path / "out.csv", "--model", model, "--no-unknown")
    assert result.exit_code == 0, result.output
    rows = list(csv.reader(io.StringIO((tmp_path / "out.csv").read_text())))
    assert rows[0] == ["row", "genre", "confidence", "reason"]
    frame = tracks_frame(150, apart=2)
    assert [row[0] for row in rows[1:]] == frame["track_id"].tolist()
    assert np.mean([row[1] == genre for row, genre in zip(rows[1:], frame["track_genre"], strict=True)]) > 0.8
    result = run("tracks", "classify", table, "--model", model, "--json")
    answers = [json.loads(line) for line in result.stdout.splitlines()]
    assert len(answers) == 150
    for answer in answers:
        assert sum(answer["probabilities"].values()) == pytest.approx(1, abs=1e-6)
        assert (answer["reason"] is None) == (answer["genre"] != "unknown")


def test_other_genres_are_unknown(tmp_path: Path) -> None:
    table = write_tracks(tmp_path / "t.csv", count=240, apart=3)
    options = ["--variant", "random-forest", "--genres", "jazz,pop", "--other"]
    assert run("train", "baseline", table, tmp_path / "models", *options).exit_code == 0
    model = tmp_path / "models/random-forest-other"
    assert json.loads((model / "card.json").read_text())["other_class"] == "other"
    result = run("tracks", "classify", table, "--model", model)
    found = pd.read_csv(io.StringIO(result.stdout))
    metal = found[tracks_frame(240, apart=3)["track_genre"] == "metal"]
    assert set(metal["genre"]) <= {"unknown", "jazz", "pop"}
    assert (metal["genre"] == "unknown").mean() > 0.8
    assert metal["reason"].str.contains("genres outside the model's choice").any()


class TestRefusals:
    def test_a_table_that_is_not_utf_8(self, tmp_path: Path) -> None:
        frame = tracks_frame(60)
        frame.loc[30, "track_name"] = "Nº 5°"
        text = frame.to_csv(index=False)
        (tmp_path / "t.csv").write_bytes(text.encode("cp1252"))
        train: list[Any] = ["train", "baseline", tmp_path / "t.csv", tmp_path / "models", "--variant", "majority"]
        for command in (["tracks", "prepare", tmp_path / "t.csv", tmp_path / "out"], train):
            words = refused(*command)
            assert "is not UTF-8: line 32 has the byte 0xba" in words
            assert "--encoding cp1252" in words
            assert run(*command, "--encoding", "cp1252").exit_code == 0
        assert "Nº 5°" in (tmp_path / "out/mapped_dataset.csv").read_text()

    def test_decimal_commas(self, tmp_path: Path) -> None:
        frame = tracks_frame(60)
        frame.to_csv(tmp_path / "t.csv", sep=";", decimal=",", index=False)
        result = run("tracks", "prepare", tmp_path / "t.csv", tmp_path / "out")
        assert "decimal commas" in result.output
        with np.load(tmp_path / "out/train.npz") as arrays:
            written = float32_rows(frame, tuple(arrays["columns"].tolist()))
            assert all(row.tobytes() == written[name] for name, row in zip(arrays["items"], arrays["X"], strict=True))

    @pytest.mark.parametrize(
        ("change", "options", "words"),
        [
            ({"track_genre": "jazz"}, [], "has only the genre 'jazz and blues'; a classifier needs at least two"),
            ({"track_genre": ""}, [], "no genre in any row of the column 'track_genre'"),
            ({}, ["--genres", "polka"], "has no genre 'polka'; it has jazz, metal, pop"),
            (
                {},
                ["--genres", "jazz"],
                "only the genre 'jazz'; a classifier needs at least two to tell apart, so choose more",
            ),
            ({}, ["--other"], "needs a choice of genres"),
            ({}, ["--label-column", "style"], "has no column 'style' for the genre"),
            ({}, ["--protocol", "group:list"], "has no column 'list' to group by; its columns are"),
            ({}, ["--protocol", "artists"], "The protocol 'artists' is unknown"),
            ({"artists": "One"}, ["--protocol", "artist"], "has too few sets of artists who play together (1)"),
            ({}, ["--duplicates", "all"], "must be one of keep-first, drop, majority; got 'all'"),
            ({}, ["--multi-genre", "all"], "must be one of first, explode; got 'all'"),
            ({}, ["--schema", "none.toml"], "none.toml cannot be read"),
            ({}, ["--mapping", "none.csv"], "none.csv cannot be read"),
            ({}, ["--encoding", "klingon"], "The encoding 'klingon' is unknown"),
            ({}, ["--format", "xlsx"], "must be one of csv, parquet; got 'xlsx'"),
        ],
    )
    def test_what_cannot_be_prepared(
        self, tmp_path: Path, change: dict[str, str], options: list[str], words: str
    ) -> None:
        table = write_tracks(tmp_path / "t.csv", tracks_frame(60).assign(**change))
        assert words in refused("tracks", "prepare", table, tmp_path / "out", *options)
        assert not (tmp_path / "out/preparation.json").exists()

    def test_a_file_in_place_of_the_folder(self, tmp_path: Path) -> None:
        table = write_tracks(tmp_path / "t.csv", tracks_frame(60))
        before = table.read_bytes()
        assert f"OUT_DIR is the file {table}; name a folder" in refused("tracks", "prepare", table, table)
        assert table.read_bytes() == before

    @pytest.mark.parametrize(
        ("options", "words"),
        [
            (["--with", "loudness"], "columns beside the music are popularity and year; got 'loudness'"),
            (["--with", "year"], "has no column of year; leave it out of --with"),
            (["--context", "label"], "contexts are artist and album; got 'label'"),
            (["--balance", "more"], "balance must be one of none, class-weight"),
            (["--group-column", "album_name"], "write --protocol group:album_name"),
            (["--conflicts", "drop"], "--conflicts is not for a table of tracks"),
            (["--protocol", "fault-filtered"], "needs the clips of GTZAN"),
        ],
    )
    def test_what_cannot_be_trained(self, tmp_path: Path, options: list[str], words: str) -> None:
        table = write_tracks(tmp_path / "t.csv", count=60)
        assert words in refused("train", "baseline", table, tmp_path / "models", "--variant", "majority", *options)

    def test_what_cannot_be_classified(self, tmp_path: Path) -> None:
        table = write_tracks(tmp_path / "t.csv", count=60)
        assert "No model for tables of tracks comes with audio-genre" in refused("tracks", "classify", table)
        assert "is no model bundle" in refused("tracks", "classify", table, "--model", tmp_path / "none")
        assert run("train", "baseline", table, tmp_path / "models", "--variant", "majority").exit_code == 0
        model = tmp_path / "models/majority"
        words = refused("tracks", "classify", table, "--model", tmp_path / "models")
        assert f"name one of the models in it, such as {model}" in words
        words = refused("tracks", "classify", table, tmp_path / "none/out.csv", "--model", model)
        assert f"none/out.csv cannot be written: there is no folder {tmp_path / 'none'}" in words
        words = refused("tracks", "classify", table, tmp_path, "--model", model)
        assert f"{tmp_path} is not a regular file" in words
        (tmp_path / "u.csv").write_text("track_id,danceability,energy,tempo\na,.1,.2,100\n")
        assert "has no column of key" in refused("tracks", "classify", tmp_path / "u.csv", "--model", model)
        (tmp_path / "u.csv").write_text("a,b\n1,2\n")
        assert "is no table of tracks" in refused("tracks", "classify", tmp_path / "u.csv", "--model", model)
        assert "cannot be read" in refused("tracks", "classify", tmp_path / "none.csv", "--model", model)


def test_a_real_table_with_lists_of_genres(shared_data: Path, tmp_path: Path) -> None:
    path = shared_data / "tracks/vidhip30_list_genres_2400.csv"
    if not path.is_file():
        pytest.skip(f"no {path}")
    assert "line 67 has the byte 0xe9" in refused("tracks", "prepare", path, tmp_path / "out")
    result = run(
        "tracks", "prepare", path, tmp_path / "out", "--encoding", "cp1252", "--genres", "dance pop,pop", "--json"
    )
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert report["lists_of_genres"] > 2000
    assert set(report["genres"]) == {"dance pop", "pop"}


def test_nothing_but_what_these_commands_wrote_is_replaced(tmp_path: Path) -> None:
    table = write_tracks(tmp_path / "tracks.csv", count=150, apart=2)
    run("train", "baseline", table, tmp_path / "models", "--variant", "logistic-regression")
    model = tmp_path / "models" / "logistic-regression"
    before = {path: path.read_bytes() for path in (table, model / "card.json")}
    for path in before:
        assert "is not a file of answers of this command" in refused(
            "tracks", "classify", table, path, "--model", model
        )
    (tmp_path / "link.csv").symlink_to(table)
    assert "is not a regular file" in refused("tracks", "classify", table, tmp_path / "link.csv", "--model", model)
    for form in ((), (), ("--json",), ()):
        assert run("tracks", "classify", table, tmp_path / "out.csv", "--model", model, *form).exit_code == 0

    own = tmp_path / "own"
    own.mkdir()
    (own / "mapped_dataset.csv").write_bytes(before[table])
    assert "is no prepared table" in refused("tracks", "prepare", table, own)
    assert "is the table that is read" in refused("tracks", "prepare", own / "mapped_dataset.csv", own)
    out = tmp_path / "prepared"
    for _ in range(2):
        assert run("tracks", "prepare", table, out).exit_code == 0
    assert "is the table that is read" in refused("tracks", "prepare", out, out)
    mapping = out / "genre_mapping.csv"
    mapping.write_text(mapping.read_text() + "one more,rock,\n")
    edited = mapping.read_bytes()
    assert "was edited, and would be replaced" in refused("tracks", "prepare", table, out)
    assert run("tracks", "prepare", table, out, "--mapping", mapping).exit_code == 0
    assert mapping.read_bytes() == edited
    assert {path: path.read_bytes() for path in before} == before


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes here")
@pytest.mark.parametrize("command", [("tracks", "prepare"), ("train", "baseline"), ("audit",), ("explore",)])
def test_a_pipe_is_not_waited_for(command: tuple[str, ...], tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.csv")
    out = () if command == ("audit",) else (tmp_path / "out",)
    assert re.search("is a pipe or a device|is not a regular file", refused(*command, tmp_path / "pipe.csv", *out))
