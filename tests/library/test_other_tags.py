"""Genres in tags beside the main one, formats with other tags, and files whose headers are sloppy."""

from __future__ import annotations

import shutil
import struct
from pathlib import Path

import library_helpers as helpers
import pytest
import soundfile

from audio_genre.library import run, tagging, tags
from audio_genre.library.spelling import same_genre, usual_spelling
from audio_genre.library.tags import TagError, read_genres, write_genre

mutagen = pytest.importorskip("mutagen", reason="mutagen is not installed; the extra is called tags")


def write_wav(path: Path) -> Path:
    soundfile.write(path, helpers.make("hum", 0, 0.2), helpers.SR)
    return path


def with_info(path: Path, genre: bytes = b"Polka\0") -> Path:
    """Write a wav whose RIFF INFO chunk holds a genre, as Windows Explorer writes it."""
    inner = b"INFO" + b"IGNR" + struct.pack("<I", len(genre)) + genre + b"\0" * (len(genre) % 2)
    data = bytearray(write_wav(path).read_bytes()) + b"LIST" + struct.pack("<I", len(inner)) + inner
    data[4:8] = struct.pack("<I", len(data) - 8)
    path.write_bytes(data)
    return path


def v1(genre: int) -> bytes:
    return b"TAG" + bytes(124) + bytes([genre])


def write_mp3(path: Path) -> Path:
    if "MP3" not in soundfile.available_formats():
        pytest.skip("this libsndfile does not write mp3")
    soundfile.write(path, helpers.make("hum", 0, 0.5), helpers.SR)
    return path


def write_stream(path: Path) -> Path:
    """Write the least that mutagen takes for a file of the format; none of it is sound."""
    content = {
        ".wv": b"wvpk" + struct.pack("<IHBBIIIIII", 24 + 2000, 0x403, 0, 0, 100, 0, 100, 0x04800000, 0, 0),
        ".ape": b"MAC "
        + struct.pack("<HH", 3990, 0)
        + bytes(44)
        + struct.pack("<HHIIIHHI", 2000, 0, 9, 9, 1, 16, 2, 44100),
        ".mpc": b"MPCKSH\x0c" + bytes(4) + b"\x08\x64\x00\x00\x10" + b"RG\x0c\x01" + bytes(8) + b"AP\x03",
        ".wma": asf(),
    }[path.suffix]
    path.write_bytes(content + bytes(range(256)) * 8)
    return path


def asf() -> bytes:
    """Return an ASF header with file properties alone."""
    properties = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365") + struct.pack("<Q", 104) + bytes(80)
    head = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
    return head + struct.pack("<QI", 30 + len(properties), 1) + b"\x01\x02" + properties


def polka(path: Path) -> Path:
    """Write a file whose genre stands where the suffix says, in a case of its own."""
    kind = path.stem
    if kind == "info":
        return with_info(path)
    if kind == "v1":
        write_mp3(path).write_bytes(path.read_bytes() + v1(75))
    elif kind == "ape":
        tag = mutagen.apev2.APEv2()
        tag["GENRE"] = "Polka"
        tag.save(write_mp3(path))
    elif kind == "id3":
        soundfile.write(path, helpers.make("hum", 0, 0.2), helpers.SR)
        tag = mutagen.id3.ID3()
        tag.add(mutagen.id3.TCON(encoding=3, text=["Polka"]))
        tag.save(path)
    elif kind == "vorbis":
        soundfile.write(path, helpers.make("hum", 0, 0.2), helpers.SR)
        audio = mutagen.File(path)
        if audio.tags is None:
            audio.add_tags()
        audio.tags["gEnRe"] = ["Polka"]
        audio.save()
    return path


PLACES = ["info.wav", "v1.mp3", "ape.mp3", "id3.flac", "vorbis.flac", "vorbis.ogg"]


@pytest.fixture
def tag(organize):
    return lambda **options: organize(**{"write_tags": True, "apply": True, "playlists": False} | options)


def undo(library: Path, **options):
    return run.undo_tags(library, **{"database": library.parent / "library.sqlite", "apply": True} | options)


def test_a_genre_in_any_place_is_seen_and_left(tag, faked, music: Path) -> None:
    for name in PLACES:
        assert read_genres(polka(music / name)) == ["Polka"], name
    before = {name: (music / name).read_bytes() for name in PLACES}
    report = tag()
    assert (report.tags.has_genre, report.tags.written, report.tags.refused) == (len(PLACES), 0, 0)
    assert {name: (music / name).read_bytes() for name in PLACES} == before


def test_written_over_all_places_agree_and_come_back(tag, faked, music: Path) -> None:
    for name in PLACES:
        polka(music / name)
    before = {name: (music / name).read_bytes() for name in PLACES}
    recorder = helpers.Recorder()
    report = tag(overwrite=True, overwrite_confidence=0, progress=recorder)
    assert list(recorder.failures) == ["id3.flac"]
    assert "'Polka' in its ID3 tag too" in recorder.failures["id3.flac"]
    assert (report.tags.written, report.tags.refused) == (len(PLACES) - 1, 1)
    for name in set(PLACES) - {"id3.flac"}:
        (genre,) = read_genres(music / name)
        assert genre in ("Hum", "Hiss")
    assert undo(music).restored == len(PLACES) - 1
    assert {name: (music / name).read_bytes() for name in PLACES} == before


def test_no_room_in_an_info_chunk(tmp_path: Path) -> None:
    with pytest.raises(TagError, match="no room for 'Progressive Rock'"):
        write_genre(with_info(tmp_path / "x.wav"), "Progressive Rock")


@pytest.mark.parametrize("suffix", [".wv", ".ape", ".mpc", ".wma"])
def test_formats_with_other_tags(tag, faked, music: Path, suffix: str) -> None:
    path = write_stream(music / f"x{suffix}")
    before = path.read_bytes()
    assert read_genres(path) == []
    assert tag().tags.written == 1
    assert read_genres(path)[0] in ("Hum", "Hiss")
    assert tag().tags.unchanged == 1
    write_genre(path, "Polka")
    assert read_genres(path) == ["Polka"]
    path.write_bytes(before)
    assert tag().tags.written == 1
    undo(music)
    assert path.read_bytes() == before


def sloppy(path: Path, kind: str) -> Path:
    data = bytearray(write_wav(path).read_bytes())
    at = data.index(b"data") + 4
    if kind == "pipe":
        data[4:8] = data[at : at + 4] = b"\xff" * 4
    elif kind == "rf64":
        data[:4], data[4:8] = b"RF64", b"\xff" * 4
    elif kind == "long":
        data[at : at + 4] = struct.pack("<I", len(data))
    elif kind == "riff":
        data[4:8] = struct.pack("<I", len(data) + 1000)
    elif kind == "short":
        data[4:8] = struct.pack("<I", 20)
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    ("kind", "sentence"),
    [
        ("pipe", "has a header without its length, as programs write into a pipe"),
        ("rf64", "is a wav of the kind RF64, which cannot be tagged here; convert it to flac"),
        ("long", "has a header that says "),
        ("riff", "has a header that says "),
        ("short", "has a header whose sizes do not fit its content"),
    ],
)
def test_a_sloppy_header_is_its_file_s_error(tag, faked, music: Path, kind: str, sentence: str) -> None:
    for name in ("a.wav", "c.wav"):
        write_wav(music / name)
    before = sloppy(music / "b.wav", kind).read_bytes()
    recorder = helpers.Recorder()
    report = tag(progress=recorder)
    assert (report.tags.written, report.tags.refused) == (2, 1)
    assert list(recorder.failures) == ["b.wav"]
    assert recorder.failures["b.wav"].startswith(sentence)
    assert (music / "b.wav").read_bytes() == before
    assert sorted(path.name for path in music.iterdir()) == ["a.wav", "b.wav", "c.wav"]


def test_a_genre_in_a_sloppy_file_is_seen(tmp_path: Path) -> None:
    path = with_info(tmp_path / "x.wav")
    data = bytearray(path.read_bytes())
    data[4:8] = b"\xff" * 4
    path.write_bytes(data)
    assert read_genres(path) == ["Polka"]


@pytest.mark.parametrize("error", [struct.error("x"), IndexError("x"), MemoryError(), KeyError("x"), RecursionError()])
@pytest.mark.parametrize("where", ["_genres", "_write_main", "make_delta"])
def test_whatever_is_raised_is_one_file_s(tag, faked, music: Path, monkeypatch, error: Exception, where: str) -> None:
    for name in ("a.wav", "b.wav"):
        write_wav(music / name)
    owner = tagging if where == "make_delta" else tags
    real = getattr(owner, where)
    calls = []

    def once(*arguments, **options):
        calls.append(arguments)
        if len(calls) == 1:
            raise error
        return real(*arguments, **options)

    monkeypatch.setattr(owner, where, once)
    recorder = helpers.Recorder()
    report = tag(progress=recorder)
    assert (report.tags.written, report.tags.refused) == (1, 1)
    ((_, sentence),) = recorder.failures.items()
    assert "cannot" in sentence or "more memory" in sentence
    assert len(list(music.iterdir())) == 2
    assert undo(music).restored == 1


@pytest.mark.parametrize("name", ["tags-ffmpeg-pipe-wav", "genre-in-other-tags"])
def test_cases(tag, faked, music: Path, name: str) -> None:
    folder = Path(__file__).parents[2].parent / "shared" / "cases" / name
    if not folder.is_dir():
        pytest.skip("the cases are not here")
    for file in folder.glob("*.wav"):
        shutil.copyfile(file, music / file.name)
    tags = tag().tags
    expected = (2, 0, 1) if name == "tags-ffmpeg-pipe-wav" else (0, 1, 0)
    assert (tags.written, tags.has_genre, tags.refused) == expected


def test_spellings_are_one_genre(tag, faked, music: Path) -> None:
    write_genre(write_wav(music / "x.wav"), "hUm")
    write_genre(write_wav(music / "y.wav"), "h-i ss")
    report = tag()
    assert report.tags.unchanged + report.tags.has_genre == 2
    for spelling in ("hip hop", "Hip-Hop", "hiphop", "HIP_HOP", "Hip & Hop"):
        assert same_genre(spelling, "hiphop")
        assert usual_spelling(spelling) == "Hip-Hop"
    assert not same_genre("!!!", "???")
    assert same_genre("drum'n'bass", "Drum & Bass")
    for genre in ("jazz", "JAZZ", "new wave", "R&B", "ジャズ", "", "a/b"):
        assert usual_spelling(usual_spelling(genre)) == usual_spelling(genre)
        assert same_genre(genre, usual_spelling(genre))


def test_a_genre_is_written_over_with_confidence_only(tag, faked, music: Path) -> None:
    for k in range(8):
        write_genre(write_wav(music / f"{k}.wav"), "Polka")
    listed = {file.path: file.confidence for file in tag(apply=False, list_files=True).files}
    sure = sum(confidence >= 0.75 for confidence in listed.values())
    assert 0 < sure < 8
    report = tag(overwrite=True, overwrite_confidence=0.75)
    assert (report.tags.written, report.tags.held_back, report.tags.has_genre) == (sure, 8 - sure, 0)
    for name, confidence in listed.items():
        assert (read_genres(music / name) == ["Polka"]) == (confidence < 0.75)
