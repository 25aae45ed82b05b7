from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio_genre.files.walk import Clip, find_clips, numbered, picture_files, picture_names


def touch(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")


def planned(folder: Path, **options: Path) -> list[Clip]:
    def unreadable(name: str, error: OSError) -> None:
        raise AssertionError((name, error))

    return list(find_clips(folder, unreadable=unreadable, **options))


def paths(folder: Path, **options: Path) -> list[str]:
    return [clip.path for clip in planned(folder, **options)]


def test_label_and_filename(tmp_path: Path) -> None:
    touch(tmp_path, "blues/blues.00000.wav", "rock/album/01.MP3", "loose.ogg")
    found = [(clip.label, clip.filename, clip.path, clip.picture) for clip in planned(tmp_path)]
    assert found == [
        ("", "loose.ogg", "loose.ogg", "loose"),
        ("blues", "blues.00000.wav", "blues/blues.00000.wav", "blues/blues00000"),
        ("rock", "album/01.MP3", "rock/album/01.MP3", "rock/album/01"),
    ]


def test_size_and_time(tmp_path: Path) -> None:
    touch(tmp_path, "a.wav")
    os.utime(tmp_path / "a.wav", ns=(1, 12345678901))
    (clip,) = planned(tmp_path)
    assert (clip.size, clip.mtime_ns) == (1, 12345678901)


def test_order_is_by_label_then_path(tmp_path: Path) -> None:
    names = ["b/x.wav", "b-2/x.wav", "b/a/z.wav", "b/a.b/z.wav", "b/a-/z.wav", "b/a.wav", "z.wav", "é/x.wav", "B/x.wav"]
    touch(tmp_path, *names)

    def key(path: str) -> tuple[str, str]:
        label, slash, rest = path.partition("/")
        return (label, rest) if slash else ("", path)

    assert paths(tmp_path) == sorted(names, key=key)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems change or refuse some of these names")
@given(
    st.sets(st.lists(st.sampled_from(["a", "b-", "b", "B.", "é", "日"]), min_size=1, max_size=4).map(tuple), max_size=8)
)
def test_order_is_that_of_sorted_paths(folders: set[tuple[str, ...]]) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        touch(root, *(f"{'/'.join(parts)}/x.wav" for parts in folders))
        found = paths(root)
    assert found == sorted(found, key=lambda path: path.split("/", 1))
    assert len(found) == len(folders)


def test_skipped_names(tmp_path: Path) -> None:
    touch(tmp_path, "a/._x.wav", "a/.hidden.wav", ".git/x.wav", "a/.b/x.wav", "a/notes.txt", "a/wav", "a/x.wav")
    assert paths(tmp_path) == ["a/x.wav"]


def test_formats_that_are_not_read_are_planned_and_in_no_ones_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("audio_genre.decoding.has_extra", lambda: False)
    touch(tmp_path, "a/song.M4A", "a/song.wav", "a/song.0.wma", "a/cover.jpg", "a/._x.m4a")
    assert {clip.path: clip.picture for clip in planned(tmp_path)} == {
        "a/song.0.wma": "a/song.0.wma",
        "a/song.M4A": "a/song.M4A",
        "a/song.wav": "a/song",
    }


def test_folder_named_like_a_file(tmp_path: Path) -> None:
    touch(tmp_path, "a/x.wav/inner.flac")
    assert paths(tmp_path) == ["a/x.wav/inner.flac"]


def test_folder_links(tmp_path: Path) -> None:
    touch(tmp_path, "in/a/x.wav", "elsewhere/y.wav")
    (tmp_path / "in/a/up").symlink_to(tmp_path / "in")
    (tmp_path / "in/a/self").symlink_to("self")
    (tmp_path / "in/a/there").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere/back").symlink_to(tmp_path / "in/a")
    assert paths(tmp_path / "in") == ["a/there/y.wav", "a/x.wav"]


def test_broken_links_are_planned_so_that_their_failure_is_told(tmp_path: Path) -> None:
    (tmp_path / "loop.wav").symlink_to("loop.wav")
    (tmp_path / "gone.wav").symlink_to("nowhere.wav")
    assert [(clip.path, clip.size) for clip in planned(tmp_path)] == [("gone.wav", -1), ("loop.wav", -1)]


def test_output_folder_inside_is_left_out(tmp_path: Path) -> None:
    touch(tmp_path, "a/x.wav", "out/y.wav")
    assert paths(tmp_path, leave_out=tmp_path / "out") == ["a/x.wav"]
    assert paths(tmp_path, leave_out=tmp_path) == ["a/x.wav", "out/y.wav"]


def test_folder_that_cannot_be_listed(ordinary_user: Path) -> None:
    touch(ordinary_user, "a/x.wav", "b/y.wav")
    (ordinary_user / "a").chmod(0)
    told: list[str] = []
    found = list(find_clips(ordinary_user, unreadable=lambda name, error: told.append(f"{name} {error.strerror}")))
    (ordinary_user / "a").chmod(0o700)
    assert [clip.path for clip in found] == ["b/y.wav"]
    assert told == ["a/ Permission denied"]


def test_planning_opens_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path, "a/x.wav")

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a file was opened")

    monkeypatch.setattr("io.open", refuse)
    monkeypatch.setattr("builtins.open", refuse)
    assert paths(tmp_path) == ["a/x.wav"]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["blues.00000.wav"], ["blues00000"]),
        (["song.mp3"], ["song"]),
        (["a.b.00000.wav"], ["a.b.00000"]),
        (["song.mp3", "song.wav"], ["song.mp3", "song.wav"]),
        (["Song.mp3", "song.wav"], ["Song.mp3", "song.wav"]),
        (["blues.00000.wav", "blues00000.wav"], ["blues.00000.wav", "blues00000.wav"]),
        (["song.wav", "song.1.wav"], ["song.wav", "song.1.wav"]),
        (["song.mp3", "song.wav", "song.mp3.au"], ["song.mp3", "song.wav", "song.mp3.au"]),
        (["song.01.wav", "song.wav"], ["song.01", "song"]),
    ],
)
def test_picture_names(names: list[str], expected: list[str]) -> None:
    assert list(picture_names(names).values()) == expected


_word = st.text(alphabet="aAb.01_\n é", min_size=1, max_size=9).filter(lambda s: not s.startswith("."))
_names = st.builds(
    lambda stem, suffix: stem + suffix, _word, st.sampled_from([".wav", ".mp3", ".WAV", ".1.wav", ".00000.au"])
)


@given(st.sets(_names, max_size=12))
def test_no_two_files_share_a_picture(names: set[str]) -> None:
    # Only one of a pair can exist where case is ignored; there the other one cannot take its picture.
    owners: dict[str, str] = {}
    for name, picture in picture_names(names).items():
        for count in (1, 3):
            for file in picture_files(picture, count):
                assert owners.setdefault(file, name) == name


@given(st.sets(_names, max_size=12), st.randoms())
def test_picture_names_do_not_depend_on_order(names: set[str], random: object) -> None:
    shuffled = sorted(names)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert picture_names(shuffled) == {**picture_names(sorted(names))}


def test_numbered() -> None:
    assert numbered("album/01.mp3", 12) == "album/01.12.mp3"
