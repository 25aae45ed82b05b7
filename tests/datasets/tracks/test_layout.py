"""Layouts: recognised by header, and written by users."""

from __future__ import annotations

from pathlib import Path

import pytest
from track_tables import HEADER, tracks_frame, write_tracks

from audio_genre.datasets.tracks import load_tracks
from audio_genre.datasets.tracks.layout import GENERIC, find_layout, layouts, read_layout
from audio_genre.errors import ParameterError, TableError


def test_every_layout_recognises_its_own_header_and_no_other() -> None:
    assert len(layouts()) >= 7
    for name, layout in layouts().items():
        assert find_layout(layout.header).name == name
    assert find_layout(HEADER).name == "kaggle"
    assert find_layout(["danceability", "energy"]) is GENERIC


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("columns = 3", "must say under"),
        ("[columns\n", "is no TOML file"),
        ("colums = {}\n", "has the key 'colums'"),
        ("[columns]\ngenre = 'a'\n", "names the column of 'genre', and a schema knows only id"),
        ("[columns]\nlabel = 3\n", "must say under"),
        ("[columns]\nlabel = 'a'\nkey = 'a'\n", "names the column 'a' for two things"),
        ("[columns]\nlabel = ''\n", "names the column '' for two things or for none"),
        ("separators = ';'\n", "must have a list of texts as 'separators'"),
        ("separators = ['']\n", "must have a list of texts as 'separators'"),
        ("header = [1]\n", "must have a list of texts as 'header'"),
    ],
)
def test_a_schema_that_is_wrong(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "s.toml").write_text(text)
    with pytest.raises(ParameterError, match=words):
        read_layout(tmp_path / "s.toml")


def test_a_schema_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "s.toml").write_bytes(b"title = '\xb0'")
    for path, words in (
        (tmp_path, "directory"),
        (tmp_path / "none.toml", "No such file"),
        (tmp_path / "s.toml", "UTF-8"),
    ):
        with pytest.raises(ParameterError, match=f"cannot be read: .*{words}"):
            read_layout(path)


def test_a_schema_names_what_a_table_calls_otherwise(tmp_path: Path) -> None:
    renamed = {"track_id": "Nr", "artists": "Wer", "danceability": "Tanz", "tempo": "Schläge", "track_genre": "Stil"}
    frame = tracks_frame(30)[list(renamed)].rename(columns=renamed)
    table = write_tracks(tmp_path / "t.csv", frame)
    # Its name is that of a layout of ours, which it is not.
    schema = tmp_path / "prepared.toml"
    schema.write_text(
        "separators = ['/']\n[columns]\nid = 'Nr'\nartists = 'Wer'\nlabel = 'Stil'\n"
        "danceability = 'Tanz'\ntempo = 'Schläge'\n"
    )
    tracks = load_tracks(table, schema=schema)
    assert tracks.columns == ("danceability", "tempo")
    assert tracks.items.tolist() == frame["Nr"].tolist()
    assert tracks.classes == ("jazz", "metal", "pop")
    with pytest.raises(TableError, match=r"fewer than three of the columns danceability.*--schema"):
        load_tracks(table)
    schema.write_text("[columns]\nlabel = 'Genre'\ntempo = 'Schläge'\n")
    with pytest.raises(TableError, match="has no column 'Genre', which prepared names as its label; it has Nr, Wer"):
        load_tracks(table, schema=schema)
    schema.write_text("[columns]\nlabel = 'Stil'\n")
    with pytest.raises(TableError, match="has none of the columns danceability"):
        load_tracks(table, schema=schema)


@pytest.mark.parametrize("column", ["key", "mode", "time_signature"])
@pytest.mark.parametrize("by_schema", [True, False])
def test_the_label_is_never_a_feature(tmp_path: Path, column: str, by_schema: bool) -> None:
    table = write_tracks(tmp_path / "t.csv", count=30)
    (tmp_path / "s.toml").write_text(f"[columns]\nlabel = '{column}'\n")
    options = {"schema": tmp_path / "s.toml"} if by_schema else {"label_column": column}
    tracks = load_tracks(table, **options)  # type: ignore[arg-type]
    assert column not in tracks.columns
    assert set(tracks.classes) <= {str(k) for k in range(12)}


def test_a_label_column_that_is_not_there(tmp_path: Path) -> None:
    table = write_tracks(tmp_path / "t.csv", count=30)
    with pytest.raises(ParameterError, match="has no column 'style' for the genre; its columns are track_id, artists"):
        load_tracks(table, label_column="style")
    table = write_tracks(tmp_path / "u.csv", tracks_frame(30).drop(columns="track_genre"))
    with pytest.raises(TableError, match=r"has no column of genres that is recognised among .*--label-column"):
        load_tracks(table)
