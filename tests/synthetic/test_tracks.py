"""The made-up table of tracks: equal for equal arguments, plainly synthetic, and with every fault that is named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from audio_genre.datasets.protocols import get_protocol
from audio_genre.datasets.tracks import Tracks, load_tracks
from audio_genre.datasets.tracks.columns import SOUND
from audio_genre.errors import AudioGenreError, ParameterError
from audio_genre.synthetic.tracks import FAULTS, FEW_ARTISTS, GENRES, make_tracks, write_tracks

pd = pytest.importorskip("pandas")
ROWS = 1500


@pytest.fixture(scope="module")
def table() -> Any:
    return make_tracks(ROWS, seed=3)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tracks(tmp_path_factory.mktemp("tracks") / "tracks.csv", ROWS, seed=3)


@pytest.fixture(scope="module")
def read(path: Path) -> Tracks:
    return load_tracks(path, mapping="default")


def copies(table: Any) -> Any:
    """Return the rows whose values of sound stand there more than once."""
    return table[table.duplicated(list(SOUND), keep=False)].groupby(list(SOUND), dropna=False)


SEEN = {
    "index": lambda t: (
        list(t["Unnamed: 0"]) == list(range(ROWS)) and t["track_genre"].replace("R&B", "r-n-b").is_monotonic_increasing
    ),
    "other genre": lambda t: (t.groupby("track_id")[["track_genre", "popularity"]].nunique() > 1).all(axis=1).any(),
    "re-release": lambda t: (copies(t)[["track_id", "track_name"]].nunique() > 1).all(axis=1).any(),
    "remaster": lambda t: (
        (
            t.assign(title=t["track_name"].str.lower())
            .groupby(["artists", "title"])[["track_id", "loudness"]]
            .nunique()
            > 1
        )
        .all(axis=1)
        .any()
    ),
    "duplicate": lambda t: t.drop(columns="Unnamed: 0").duplicated().any(),
    "tempo": lambda t: (t["tempo"] == 0).any(),
    "time_signature": lambda t: (t["time_signature"] == 0).any(),
    "loudness": lambda t: (t["loudness"] > 0).any(),
    "duration": lambda t: (t["duration_ms"] == 0).any(),
    "missing": lambda t: t[["danceability", "valence", "key", "popularity"]].isna().any().all(),
    "nameless": lambda t: (t[["artists", "album_name", "track_name"]] == "").all(axis=1).sum() == 1,
    "artists": lambda t: t["artists"].str.contains(";").any(),
    "few artists": lambda t: t.loc[t["track_genre"] == FEW_ARTISTS, "artists"].str.split(";").str[0].nunique() < 20,
    "spelling": lambda t: {"r-n-b", "R&B"} <= set(t["track_genre"]),
}


def test_every_fault_that_is_named_is_looked_for() -> None:
    assert list(SEEN) == list(FAULTS)


@pytest.mark.parametrize("fault", SEEN)
def test_the_fault_is_there(table: Any, fault: str) -> None:
    assert SEEN[fault](table), FAULTS[fault]


def test_no_fault_is_seen_in_a_clean_table(table: Any) -> None:
    clean = table.drop_duplicates("track_id").drop_duplicates(list(SOUND)).drop_duplicates("loudness")
    clean = clean[(clean["tempo"] > 0) & (clean["time_signature"] > 0) & (clean["loudness"] < 0)].dropna()
    clean = clean[(clean["duration_ms"] > 0) & ~clean["artists"].str.contains(";") & (clean["artists"] != "")]
    clean = clean[~clean["track_genre"].isin(["R&B"])].assign(**{"Unnamed: 0": 0})
    clean = clean[~clean["album_name"].str.contains("remaster")]
    assert [fault for fault, seen in SEEN.items() if fault != "few artists" and seen(clean)] == []


def test_the_table_is_plainly_synthetic(table: Any) -> None:
    assert table["track_id"].str.fullmatch(r"synthetic\d{7}").all()
    for column, word in (("artists", "artist"), ("album_name", "album"), ("track_name", "song")):
        named = table[column][table[column] != ""].str.lower()
        assert named.str.startswith(f"synthetic {word} ").all()


def test_size_genres_and_seed_decide_the_table(table: Any) -> None:
    assert len(table) == ROWS
    assert set(table["track_genre"]) == {*GENRES, "R&B"}
    pd.testing.assert_frame_equal(make_tracks(ROWS, seed=3), table)
    assert not make_tracks(ROWS, seed=4)["energy"].equals(table["energy"])
    assert set(make_tracks(200, genres=["pop", "jazz"])["track_genre"]) == {"jazz", "pop"}


def test_reading_reports_each_fault(read: Tracks, table: Any) -> None:
    report = read.report
    assert report["layout"] == "kaggle"
    assert report["index_columns"] == ["Unnamed: 0"]
    same_genre = table.replace({"track_genre": {"R&B": "r-n-b"}}).duplicated(["track_id", "track_genre"]).sum()
    assert report["rows"]["read"] == ROWS
    # Two genres of one track may be one broad genre.
    assert report["rows"]["repeats of a track in its genre"] >= same_genre > 0
    assert report["songs_under_several_genres"] > 0
    for column in ("tempo", "time_signature"):
        assert report["columns"][column]["zero, which means unknown"] == (table[column] == 0).sum()
    assert report["columns"]["duration_ms"]["zero, which means unknown"] >= 1
    assert all(report["columns"][name]["missing"] for name in ("danceability", "key", "mode", "valence"))
    assert report["faults"]["loudness above 0 dB"] == (table["loudness"] > 0).sum()
    several = table.groupby("track_id")["popularity"].nunique() > 1
    assert report["faults"]["ids with several popularities"] == several.sum() > 0
    assert report["mapping"]["R&B"] == report["mapping"]["r-n-b"]
    assert report["largest_set_of_linked_artists"] > 2 * 5
    assert any("numbers the rows" in note for note in read.notes)
    assert any("under several genres" in note for note in read.notes)


def test_songs_under_other_ids_are_found(read: Tracks) -> None:
    number = np.array([int(item.removeprefix("synthetic")) for item in read.items])
    again = number >= 5_000_000
    assert again.any()
    first = dict(zip(number[~again].tolist(), read.groups[~again].tolist(), strict=True))
    pairs = [
        (first[n - 5_000_000], song)
        for n, song in zip(number[again].tolist(), read.groups[again].tolist(), strict=True)
    ]
    assert all(one == other for one, other in pairs)
    assert read.report["songs"] < len(read)


def test_the_artist_tells_more_than_the_genre(read: Tracks) -> None:
    """Nearest songs of other artists agree in genre less often than nearest songs at all."""
    from sklearn.impute import SimpleImputer
    from sklearn.neighbors import NearestNeighbors
    from sklearn.preprocessing import scale

    (split,) = get_protocol("artist").splits(read)
    sound = [read.columns.index(name) for name in SOUND]
    X = scale(SimpleImputer().fit_transform(read.raw[:, sound].astype(float)))

    def score(train: Any, test: Any) -> float:
        nearest = NearestNeighbors(n_neighbors=1).fit(X[train]).kneighbors(X[test], return_distance=False)[:, 0]
        return float(np.mean(read.labels[train][nearest] == read.labels[test]))

    (by_song,) = get_protocol("track").splits(read)
    assert score(by_song.train, by_song.test) > score(split.train, split.test) + 0.1


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"n_rows": 10}, "number of rows"),
        ({"n_rows": 2.5}, "number of rows"),
        ({"seed": -1}, "seed"),
        ({"genres": ["pop", "noise"]}, "'noise' is unknown"),
        ({"genres": ["pop"]}, "two or more"),
        ({"genres": ["pop", "pop"]}, "named once"),
    ],
)
def test_wrong_arguments_are_refused_in_words(wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(ParameterError, match=words):
        make_tracks(**wrong)


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(AudioGenreError, match="cannot be written"):
        write_tracks(tmp_path / "file" / "tracks.csv", 200)
