"""Prepared folders: rows are those of the input, and what is read back is what was written."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from track_tables import float32_rows, tracks_frame, write_tracks

from audio_genre.datasets import get_protocol
from audio_genre.datasets.tracks import load_tracks
from audio_genre.datasets.tracks.preparing import prepare, write_mapping_to_fill, write_preparation
from audio_genre.datasets.tracks.reading import UnknownGenresError
from audio_genre.errors import ParameterError, ProtocolError, TableError

ODD = ['say "x"', "a\rb", "a\nb", "NA", "?", "Ü;ö", "-", " edge", "1,5"]


def prepared(folder: Path, frame: pd.DataFrame, form: str = "csv", **options: Any) -> Any:
    path = write_tracks(folder / "raw.csv", frame)
    found = prepare(path, **options)
    write_preparation(found, folder / "out", form=form)
    return found


@pytest.mark.parametrize("protocol", ["track", "artist", "segment", "group:album_name"])
def test_every_row_of_a_subset_is_a_row_of_the_input(tmp_path: Path, protocol: str) -> None:
    frame = tracks_frame(300, ("jazz", "metal", "pop"), artists=30)
    found = prepared(tmp_path, frame, protocol=protocol)
    seen: list[str] = []
    for name, rows in found.split.subsets().items():
        with np.load(tmp_path / "out" / f"{name}.npz") as arrays:
            written = float32_rows(frame, tuple(arrays["columns"].tolist()))
            genre = dict(zip(frame["track_id"], frame["track_genre"], strict=True))
            assert arrays["X"].dtype == np.float32
            for item, row, y in zip(arrays["items"].tolist(), arrays["X"], arrays["y"].tolist(), strict=True):
                assert row.tobytes() == written[item]
                assert found.report["mapping"][genre[item]] == arrays["classes"][y]
            seen += arrays["items"].tolist()
            assert arrays["items"].tolist() == found.tracks.items[rows].tolist()
    assert sorted(seen) == sorted(frame["track_id"])


@settings(max_examples=30)
@given(st.integers(0, 10**6), st.sampled_from(["csv", "parquet"]), st.booleans(), st.booleans())
def test_a_prepared_table_reads_back_as_it_was(
    tmp_path_factory: pytest.TempPathFactory, seed: int, form: str, lists: bool, ids: bool
) -> None:
    rng = np.random.default_rng(seed)
    frame = tracks_frame(80, seed=seed)
    frame["artists"] = [";".join(rng.choice([f"A{k}" for k in range(60)], rng.integers(1, 3))) for _ in range(80)]
    frame["track_id"] = [f"id{k}" for k in rng.integers(0, 70, 80)]
    frame["note"] = rng.choice(ODD, 80)
    frame["track_name"] = [f"{word} {k}" for word, k in zip(rng.choice(ODD, 80), rng.integers(0, 60, 80), strict=True)]
    frame["track_genre"] = rng.permutation(frame["track_genre"].to_numpy())
    frame.loc[rng.integers(0, 80, 5), ["tempo", "key"]] = np.nan
    if lists:
        frame["track_genre"] = [f"['{genre}', 'soul']" for genre in frame["track_genre"]]
    if not ids:
        frame = frame.drop(columns="track_id")
    folder = tmp_path_factory.mktemp("prepared")
    try:
        found = prepared(folder, frame, form, multi_genre="explode" if lists else "first", mapping="none")
    except ProtocolError:
        return
    one, other = found.tracks, load_tracks(folder / "out", use=["popularity"])
    assert other.layout == "prepared"
    assert set(one.columns) | {"popularity"} == set(other.columns)
    for k, name in enumerate(other.columns):
        column = one.beside[name] if name in one.beside else one.raw[:, one.columns.index(name)]
        assert np.array_equal(column, other.raw[:, k], equal_nan=True), name
    for name in ("labels", "genres", "items", "groups"):
        assert getattr(one, name).tolist() == getattr(other, name).tolist(), name
    for key, units in one.together.items():
        assert np.array_equal(units, other.together[key]), key
    assert one.frame["note"].tolist() == other.frame["note"].tolist()
    (split,) = get_protocol("track").splits(other)
    for name, rows in split.subsets().items():
        assert np.array_equal(rows, found.split.subsets()[name])
    again = prepare(folder / "out")
    assert again.tracks.labels.tolist() == one.labels.tolist()


def test_without_pyarrow_the_table_is_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    frame = tracks_frame(60)
    frame["note"] = [ODD[k % len(ODD)] for k in range(60)]
    frame.loc[3, ["tempo", "key", "album_name"]] = np.nan
    prepared(tmp_path, frame)
    one = load_tracks(tmp_path / "out")
    # pandas itself may need the rest of it.
    monkeypatch.setitem(sys.modules, "pyarrow.csv", None)
    prepared(tmp_path, frame)
    other = load_tracks(tmp_path / "out")
    assert np.array_equal(one.raw, other.raw, equal_nan=True)
    pd.testing.assert_frame_equal(one.to_frame(), other.to_frame())


def test_rows_that_link_others_may_be_left_out(tmp_path: Path) -> None:
    frame = tracks_frame(30)
    # The second row links the first to the fourth, and is of another genre.
    frame.loc[[0, 1], "track_id"] = "same"
    frame.loc[[1, 3], "track_name"] = "Title"
    frame.loc[[1, 3], "artists"] = "Artist"
    frame.loc[[0, 1, 3], "track_genre"] = ["jazz", "pop", "jazz"]
    frame.loc[1, "artists"] = "Artist;Guest"
    frame.loc[5, "artists"] = "Guest"
    found = prepared(tmp_path, frame, mapping="none").tracks
    assert found.items.tolist().count("same") == 1
    other = load_tracks(tmp_path / "out")
    for tracks in (found, other):
        names = tracks.items.tolist()
        first, fourth, guest = (names.index(name) for name in ("same", frame["track_id"][3], frame["track_id"][5]))
        assert tracks.groups[first] == tracks.groups[fourth]
        assert len({tracks.together["artist"][k] for k in (first, fourth, guest)}) == 1


@pytest.mark.parametrize("protocol", ["track", "artist", "segment"])
def test_a_song_under_two_ids_and_two_genres_is_in_one_subset(tmp_path: Path, protocol: str) -> None:
    frame = tracks_frame(120, artists=40)
    sound = [name for name in frame.columns if name not in ("track_id", "track_genre", "artists", "track_name")]
    for k in range(0, 60, 2):
        frame.loc[k + 1, sound] = frame.loc[k, sound]
    found = prepare(write_tracks(tmp_path / "t.csv", frame), protocol=protocol, mapping="none")
    assert found.report["songs_under_several_genres"] == 30
    assert len(found.tracks) == 90
    twice = frame["track_id"][:60].to_numpy().reshape(-1, 2).tolist()
    for a, b in twice:
        assert len({a, b} & set(found.tracks.items.tolist())) == 1


class TestReport:
    def test_what_was_done_is_said_with_numbers(self, tmp_path: Path) -> None:
        frame = tracks_frame(90)
        frame.loc[:2, "tempo"] = 0
        frame.loc[3, "track_genre"] = ""
        prepared(tmp_path, frame)
        report = json.loads((tmp_path / "out/preparation.json").read_text())
        assert report["rows"] == {"read": 90, "without a genre": 1, "left": 89}
        assert report["columns"]["tempo"] == {"missing": 3, "zero, which means unknown": 3}
        assert sum(subset["rows"] for subset in report["subsets"].values()) == 89
        assert report["genres"] == {"jazz and blues": 29, "metal": 30, "pop": 30}
        assert report["columns_beside"] == ["popularity"]
        written = (tmp_path / "out/genre_mapping.csv").read_text().splitlines()
        assert written == ["genre,broad_genre,aliases", "jazz,jazz and blues,", "metal,metal,", "pop,pop,"]

    def test_genres_that_nobody_knows_stay(self, tmp_path: Path) -> None:
        found = prepare(write_tracks(tmp_path / "t.csv", count=60, genres=("zzz", "yyy")))
        assert found.tracks.classes == ("yyy", "zzz")
        assert "--mapping FILE.csv maps them" in found.report["notes"][-1]

    def test_a_genre_that_is_not_known_gives_a_file_to_fill_in(self, tmp_path: Path) -> None:
        table = write_tracks(tmp_path / "t.csv", count=60, genres=("jazz", "yyy"))
        with pytest.raises(
            UnknownGenresError, match=r"the default mapping does not know 1 genre: 'yyy' \(30 rows\)"
        ) as raised:
            prepare(table)
        path = write_mapping_to_fill(raised.value, tmp_path / "out")
        assert path.read_text() == "genre,broad_genre,aliases\njazz,jazz and blues,\nyyy,,\n"
        with pytest.raises(TableError, match="has no broad genre for 'yyy' in line 3"):
            prepare(table, mapping=path)
        with pytest.raises(TableError, match="exists already and is kept"):
            write_mapping_to_fill(raised.value, tmp_path / "out")
        path.write_text(path.read_text().replace("yyy,,", "yyy,new,"))
        assert prepare(table, mapping=path).tracks.classes == ("jazz and blues", "new")

    def test_what_cannot_be_prepared(self, tmp_path: Path) -> None:
        table = write_tracks(tmp_path / "t.csv", count=60)
        with pytest.raises(ParameterError, match="'random' is unknown"):
            prepare(table, protocol="random")
        with pytest.raises(ParameterError, match="needs a column"):
            prepare(table, protocol="group:")
        with pytest.raises(ParameterError, match="format of the table must be one of csv, parquet; got 'xlsx'"):
            write_preparation(prepare(table), tmp_path / "out", form="xlsx")
        (tmp_path / "file").write_text("")
        with pytest.raises(Exception, match="file") as raised:
            write_preparation(prepare(table), tmp_path / "file/out")
        assert "Error" in type(raised.value).__name__
        with pytest.raises(TableError, match=r"is a folder without mapped_dataset\.csv"):
            load_tracks(tmp_path)
