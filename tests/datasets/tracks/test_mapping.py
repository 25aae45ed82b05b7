"""Mapping files: every way to write one that is wrong, and what a right one means."""

from __future__ import annotations

from pathlib import Path

import pytest
from track_tables import tracks_frame, write_tracks

from audio_genre.datasets.tracks import default_mapping, load_tracks, read_mapping
from audio_genre.datasets.tracks.mapping import mapping_text
from audio_genre.datasets.tracks.reading import UnknownGenresError
from audio_genre.errors import ParameterError, TableError


def write(path: Path, text: str) -> Path:
    path.write_bytes(text.encode())
    return path


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "first line must be genre,broad_genre,aliases.*got nothing"),
        ("name,group\njazz,a\n", "first line must be genre,broad_genre,aliases.*got name,group"),
        ("genre,broad_genre,notes\njazz,a,b\n", "first line must be"),
        ("genre,broad_genre\n", "has a header and no genres"),
        ("genre,broad_genre\njazz,a\n\nJazz,b\n", "names the genre 'Jazz' in line 4 and in line 2; keep one"),
        ("genre,broad_genre\nr&b,soul\nR-n-B,soul\n", "names the genre 'R-n-B' in line 3 and in line 2"),
        ("genre,broad_genre\njazz,\n", "has no broad genre for 'jazz' in line 2; write one, or - to leave it out"),
        ("genre,broad_genre\njazz\n", "has no broad genre for 'jazz' in line 2"),
        ("genre,broad_genre\n,a\n", "has no genre in line 2"),
        ("genre,broad_genre\nrock,pop,a,b\n", "has 4 cells in line 2 where the header has 2"),
        ("genre,broad_genre,aliases\nrock,pop,a,b\n", "has 4 cells in line 2 where the header has 3"),
        ("genre,broad_genre,aliases\nrock,a,x\njazz,b,X\n", "gives the alias 'X' to 'rock' and in line 3 to 'jazz'"),
        ("genre,broad_genre,aliases\nrock,a,jazz\njazz,b,\n", "'jazz' as an alias of 'rock' and as a genre of its own"),
        ('genre,broad_genre\n"jazz' + "a" * 140_000 + '",b\n', "is no CSV file: line 2"),
    ],
)
def test_a_mapping_that_is_wrong(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(TableError, match=words):
        read_mapping(write(tmp_path / "m.csv", text))


def test_a_mapping_that_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_bytes("genre,broad_genre\ncafé,a\n".encode("cp1252"))
    for path, words in (
        (tmp_path / "m.csv", "not UTF-8"),
        (tmp_path, "directory"),
        (tmp_path / "none", "No such file"),
    ):
        with pytest.raises(TableError, match=f"cannot be read: .*{words}"):
            read_mapping(path)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", [",", ";"])
def test_line_ends_marks_and_old_names(tmp_path: Path, end: str, mark: str) -> None:
    text = end.join(["\ufeffgenre,broad", "r-n-b,soul", '"jazz",-', ""]).replace(",", mark)
    found = read_mapping(write(tmp_path / "m.csv", text))
    assert dict(found.broad) == {"r-n-b": "soul", "jazz": ""}
    assert found.of(["R&B", "rnb", "Jazz", "ska"]) == ({"R&B": "soul", "rnb": "soul", "Jazz": ""}, ["ska"])


def test_a_written_mapping_reads_back(tmp_path: Path) -> None:
    rows = [("a,b", 'say "x"', "p;q"), ("c", "d", "")]
    found = read_mapping(write(tmp_path / "m.csv", mapping_text(rows)))
    assert dict(found.broad) == {"a,b": 'say "x"', "c": "d"}
    assert dict(found.aliases) == {"p": "a,b", "q": "a,b"}


def test_the_mapping_that_ships_knows_the_known_tables() -> None:
    mapping = default_mapping()
    assert len(set(mapping.broad.values())) == 13
    spellings = [
        "Hip-Hop",
        "hip hop",
        "R&B",
        "r-n-b",
        "RnB",
        "Drum & Bass",
        "Children's Music",
        "edm",
        "k-pop",
        "Alt Rock",
    ]
    found, unknown = mapping.of(spellings)
    assert not unknown
    assert found["R&B"] == found["r-n-b"] == found["RnB"]


def test_unknown_genres_are_listed_with_counts_and_nothing_is_dropped(tmp_path: Path) -> None:
    table = write_tracks(tmp_path / "t.csv", count=30)
    mapping = write(tmp_path / "m.csv", "genre,broad_genre\njazz,a\n")
    with pytest.raises(
        UnknownGenresError, match=r"m.csv does not know 2 genres: 'metal' \(10 rows\), 'pop' \(10 rows\)"
    ):
        load_tracks(table, mapping=mapping)


def test_what_is_mapped_to_a_dash_is_left_out_and_counted(tmp_path: Path) -> None:
    table = write_tracks(tmp_path / "t.csv", count=30)
    mapping = write(tmp_path / "m.csv", "genre,broad_genre\njazz,loud\nmetal,loud\npop,-\n")
    tracks = load_tracks(table, mapping=mapping)
    assert tracks.classes == ("loud",)
    assert tracks.report["genres_left_out"] == {"pop": 10}
    assert tracks.report["rows"] == {"read": 30, "genre not asked for": 10, "left": 20}
    with pytest.raises(TableError, match="has only the genre 'loud'"):
        tracks.require_labels()


class TestChoice:
    def test_spelling_and_other(self, tmp_path: Path) -> None:
        frame = tracks_frame(40, ("r-n-b", "hip-hop", "ska", "dub"))
        table = write_tracks(tmp_path / "t.csv", frame)
        tracks = load_tracks(table, genres=["R&B", "Hip Hop"])
        assert tracks.classes == ("Hip Hop", "R&B")
        assert tracks.report["genres_outside"] == {"dub": 10, "ska": 10}
        tracks = load_tracks(table, genres=["R&B"], other=True)
        assert tracks.classes == ("R&B", "other")
        # As many rows as of the chosen genres, of others than the one that is kept to measure with.
        assert (tracks.labels == "other").sum() == 10
        assert tracks.unseen is not None
        assert len(tracks.unseen) == 10
        assert not set(tracks.unseen.genres) & set(tracks.genres)

    def test_what_cannot_be_chosen(self, tmp_path: Path) -> None:
        table = write_tracks(tmp_path / "t.csv", count=30)
        for genres, other, words in (
            (["polka"], False, "has no genre 'polka'; it has jazz, metal, pop"),
            (["pop", "Pop"], False, "'pop' and 'Pop' are one"),
            (["jazz", "metal", "pop"], True, "no genre outside the choice"),
            (["pop", "Other"], True, "called 'other' itself"),
            ([], True, "needs a choice of genres"),
        ):
            with pytest.raises(ParameterError, match=words):
                load_tracks(table, genres=genres, other=other)
