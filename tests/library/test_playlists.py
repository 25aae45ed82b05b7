from __future__ import annotations

import sys
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio_genre.library.records import Answer, Entry
from audio_genre.library.targets.m3u8 import playlist_names, playlist_text

MUSIC, LISTS = Path("/music"), Path("/music/playlists")


def entry(path: str, *, seconds: float | None = None, title: str | None = None) -> Entry:
    return Entry(path, "jazz", Answer(1, 1, "jazz", 0.9, {"jazz": 0.9}, seconds=seconds, title=title))


HOSTILE = ["<script>", "NA", "1980", "x" * 500, "", ".", "..", "../../etc", "con", "NUL.x", "a\nb", "\ud800", "ü" * 99]


@pytest.mark.parametrize("genre", HOSTILE)
def test_hostile_genres_get_harmless_names(genre: str, tmp_path: Path) -> None:
    (name,) = playlist_names([genre]).values()
    (tmp_path / name).write_text("x")
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert name.isprintable()
    assert not name.startswith(".")
    assert not set(name) & set('<>:"/\\|?*')
    assert name.split(".")[0].lower() not in {"con", "nul"}
    assert len(name.encode()) < 130


@given(st.lists(st.one_of(st.text(max_size=8), st.sampled_from(["Jazz", "jazz", "JAZZ", "R/B", "R:B", "ß", "ss"]))))
def test_no_two_genres_share_a_playlist(genres: list[str]) -> None:
    names = playlist_names(genres)
    assert set(names) == set(genres)
    keys = {unicodedata.normalize("NFC", name).casefold() for name in names.values()}
    assert len(keys) == len(set(genres))


def test_lines() -> None:
    tracks = [
        entry("b/one.mp3", seconds=61.6, title="Artist - Title"),
        entry("b/two.mp3", seconds=0.2, title="line\nbreak"),
        entry("c.wav"),
    ]
    text, count, left_out = playlist_text(tracks, MUSIC, LISTS)
    assert text.splitlines() == [
        "#EXTM3U",
        "#EXTINF:62,Artist - Title",
        "../b/one.mp3",
        "#EXTINF:0,line break",
        "../b/two.mp3",
        "#EXTINF:-1,c",
        "../c.wav",
    ]
    assert (count, left_out) == (3, [])


@pytest.mark.parametrize("path", ["#1 hit.mp3", " blank.mp3", "http:/x.mp3", "C:x.mp3"])
def test_a_path_is_not_taken_for_something_else(path: str) -> None:
    text, _, _ = playlist_text([entry(path)], MUSIC, MUSIC)
    assert text.splitlines()[-1] == f"./{path}"


@pytest.mark.parametrize("path", ["a\nb.mp3", "a\rb.mp3", "\udcff.mp3"])
def test_names_that_cannot_be_a_line_are_left_out(path: str) -> None:
    assert playlist_text([entry(path), entry("x.wav")], MUSIC, LISTS) == (
        "#EXTM3U\n#EXTINF:-1,x\n../x.wav\n",
        1,
        [path],
    )


@pytest.mark.skipif(sys.platform == "win32", reason="makes symbolic links")
def test_paths_lead_to_the_files_also_through_links(tmp_path: Path) -> None:
    (tmp_path / "music" / "a").mkdir(parents=True)
    (tmp_path / "music" / "a" / "x.wav").touch()
    (tmp_path / "far" / "lists").mkdir(parents=True)
    text, _, _ = playlist_text([entry("a/x.wav")], tmp_path / "music", tmp_path / "far" / "lists")
    assert (tmp_path / "far" / "lists" / text.splitlines()[-1]).samefile(tmp_path / "music" / "a" / "x.wav")
