"""``audio-genre organize`` as a user types it: what it prints, what it writes, how it ends."""

from __future__ import annotations

import importlib.util
import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import typer
from typer.testing import CliRunner, Result

from audio_genre.cli.organize import organize
from audio_genre.datasets import GTZAN57_TABLE
from audio_genre.dsp.matrix import feature_matrix
from audio_genre.library import organize as library_organize
from audio_genre.library import run as library_run
from audio_genre.training import train_baseline

SR = 22050
STYLES = ("drum, bass", "hum")


def run(*arguments: object) -> Result:
    app = typer.Typer(pretty_exceptions_enable=False)
    app.command()(organize)
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def make(style: str, seed: int, seconds: float) -> np.ndarray:
    rng = np.random.default_rng([STYLES.index(style), seed])
    t = np.arange(round(seconds * SR)) / SR
    if style == STYLES[0]:
        return (0.1 * rng.normal(size=len(t))).astype(np.float32)
    f = rng.uniform(80, 120)
    return (0.2 * sum(np.sin(2 * np.pi * f * k * t) / k for k in range(1, 5))).astype(np.float32)


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model with a genre whose name has a comma."""
    folder = tmp_path_factory.mktemp("model")
    lines = [",".join(["filename", "length", *GTZAN57_TABLE.features, "label"])]
    for number, style in enumerate(STYLES):
        X = feature_matrix(np.stack([make(style, seed, 3)[:-1] for seed in range(6)]))
        for k, row in enumerate(X):
            lines.append(",".join([f"s{number}.{k:05d}.wav", "661500", *map(repr, row.tolist()), f'"{style}"']))
    table = folder / "table.csv"
    table.write_text("\n".join(lines), encoding="utf-8")
    (trained,) = train_baseline(table, folder, variant="logistic-regression")
    return Path(trained.path)


@pytest.fixture(scope="session")
def known(model: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A library that was listened to, and its database; neither is to be written to but with what is written before."""
    music = tmp_path_factory.mktemp("music")
    for k in range(2):
        soundfile.write(music / f"a {k}.flac", make(STYLES[0], 70 + k, 3.2), SR)
    soundfile.write(music / "b.wav", make(STYLES[1], 70, 3.2), SR)
    (music / "empty.wav").touch()
    database = music.parent / "known.sqlite"
    library_organize(music, model=model, database=database, jobs=2)
    return music, database


def test_shows_what_it_found_and_what_it_would_write(known: tuple[Path, Path], model: Path) -> None:
    music, database = known
    result = run(music, "--model", model, "--database", database, "--csv", music / "table.csv")
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    assert lines[0].startswith("4 audio files: 0 classified by logistic-regression in ")
    assert lines[0].endswith(" s, 4 known before.")
    assert [line.split() for line in lines[1:4]] == [
        ["genre", "tracks", "share", "time"],
        ["drum,", "bass", "2", "66.7", "%", "0:00:06"],
        ["hum", "1", "33.3", "%", "0:00:03"],
    ]
    assert lines[4].startswith("Accuracy of logistic-regression: ")
    assert lines[4].endswith(" test tracks of table.csv, protocol track; expect less on other music.")
    assert lines[5] == "1 file could not be used."
    assert lines[6] == f"  {music}/playlists/drum, bass.m3u8: would be written, 2 tracks"
    assert lines[8:] == [
        f"Would write the table: {music}/table.csv",
        "Nothing was written into the library; run with --apply to do it.",
    ]
    assert sorted(path.name for path in music.iterdir()) == ["a 0.flac", "a 1.flac", "b.wav", "empty.wav"]


def test_json(known: tuple[Path, Path], model: Path, tmp_path: Path) -> None:
    music, database = known
    options = ("--csv", tmp_path / "table.csv", "--playlists", tmp_path / "lists", "--apply", "--json")
    result = run(music, "--model", model, "--database", database, *options)
    done = json.loads(result.stdout)
    assert (done["found"], done["classified"], done["kept"], done["failed"]) == (4, 0, 4, 1)
    assert [(line["genre"], line["tracks"]) for line in done["genres"]] == [(STYLES[0], 2), (STYLES[1], 1)]
    assert {Path(playlist["path"]).name for playlist in done["playlists"]} == {"drum, bass.m3u8", "hum.m3u8"}
    assert all(Path(playlist["path"]).exists() for playlist in done["playlists"])
    assert done["csv"] == {"path": str(tmp_path / "table.csv"), "written": True}
    assert done["applied"] is True
    assert done["tags"] is None
    assert done["trust"].startswith("Accuracy of logistic-regression")
    files = {file["path"]: file for file in done["files"]}
    assert list(files) == ["a 0.flac", "a 1.flac", "b.wav", "empty.wav"]
    assert (files["b.wav"]["genre"], files["b.wav"]["confidence"] > 0.5) == ("hum", True)
    assert (files["empty.wav"]["confidence"], files["empty.wav"]["reason"]) == (None, "is empty (0 bytes)")


def test_list_names_the_genre_of_every_file(known: tuple[Path, Path], model: Path) -> None:
    lines = run(known[0], "--model", model, "--database", known[1], "--list", "--no-playlists").stdout.splitlines()[1:6]
    assert lines[0].split() == ["genre", "confidence", "file"]
    assert [line.split()[0] for line in lines[1:]] == ["drum,", "drum,", "hum", "-"]
    assert lines[1].endswith("a 0.flac")
    assert lines[4].split(maxsplit=2) == ["-", "-", "empty.wav (is empty (0 bytes))"]


@pytest.mark.parametrize(
    ("genres", "names"),
    [("drum, bass", ["drum, bass.m3u8"]), ("hum,unknown", ["hum.m3u8"]), (" hum ,", ["hum.m3u8"])],
)
def test_genres_are_split_at_commas_unless_one_has_a_comma(
    known: tuple[Path, Path], model: Path, genres: str, names: list[str]
) -> None:
    music, database = known
    result = run(music, "--model", model, "--database", database, "--genres", genres, "--json")
    assert [Path(playlist["path"]).name for playlist in json.loads(result.stdout)["playlists"]] == names


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--model", "absent"), "absent is no model bundle"),
        (("--model", "MODEL", "--genres", "polka"), "'polka' is none of the model's genres"),
        (("--model", "MODEL", "--min-confidence", "2"), "--min-confidence"),
        (("--model", "MODEL", "--playlists", "x", "--no-playlists"), "exclude each other"),
        (("--model", "MODEL", "--overwrite"), "add --write-tags"),
        (("--undo", "--no-playlists"), "there is nothing to undo"),
        (("--undo", "--csv", "x.csv"), "--undo only reverts what was written; leave out --csv."),
        (("--undo", "--no-unknown"), "--undo only reverts what was written; leave out --no-unknown."),
    ],
)
def test_what_cannot_be_done_is_told(known: tuple[Path, Path], model: Path, options, message: str) -> None:
    arguments = [str(model) if option == "MODEL" else option for option in options]
    result = run(known[0], "--database", known[1], *arguments)
    assert result.exit_code == 2
    assert message in " ".join(result.stderr.replace("│", " ").split())


def test_nothing_could_be_classified(model: Path, tmp_path: Path) -> None:
    music = tmp_path / "music"
    music.mkdir()
    (music / "empty.wav").touch()
    result = run(music, "--model", model, "--database", tmp_path / "x.sqlite")
    assert result.exit_code == 2
    assert "empty.wav is empty (0 bytes)." in result.stderr
    assert "1 file could not be used; --csv FILE lists them." in result.stdout


def test_many_failures_are_counted(model: Path, tmp_path: Path) -> None:
    music = tmp_path / "music"
    music.mkdir()
    for k in range(30):
        (music / f"{k:02d}.m4a").write_text("no audio")
    result = run(music, "--model", model, "--database", tmp_path / "x.sqlite")
    assert result.stderr.count("holds no audio of the format that its name says") == 20
    assert "More files failed; the rest is only counted." in result.stderr
    assert "30 files could not be used" in result.stdout


def test_stopped(known: tuple[Path, Path], model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*arguments: object, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(library_run._Run, "listen", stop)
    result = run(known[0], "--model", model, "--database", known[1])
    assert result.exit_code == 130
    assert result.stderr == "audio-genre: stopped; what was done is kept, run the same command again to continue.\n"


def test_tags_and_undo(model: Path, tmp_path: Path) -> None:
    pytest.importorskip("mutagen", reason="mutagen is not installed; the extra is called tags")
    music, database = tmp_path / "music", tmp_path / "x.sqlite"
    music.mkdir()
    soundfile.write(music / "x.flac", make("hum", 70, 3.2), SR)
    before = (music / "x.flac").read_bytes()
    tag = (music, "--model", model, "--database", database, "--write-tags", "--no-playlists")
    result = run(*tag)
    assert result.exit_code == 0
    sentence = "into 1 file; 0 have this genre, 0 another one, 0 cannot be tagged."
    assert f"Would write the genre {sentence}" in result.stdout
    assert (music / "x.flac").read_bytes() == before
    assert f"Genre written {sentence}" in run(*tag, "--apply").stdout
    assert (music / "x.flac").read_bytes() != before
    back = (music, "--database", database, "--undo")
    assert "Would restore 1 file; 0 left unchanged." in run(*back).stdout
    assert json.loads(run(*back, "--apply", "--json").stdout)["restored"] == 1
    assert (music / "x.flac").read_bytes() == before


def test_playlists_and_undo(known: tuple[Path, Path], model: Path, tmp_path: Path) -> None:
    lists = tmp_path / "lists"
    database = Path(shutil.copy(known[1], tmp_path / "x.sqlite"))
    assert run(known[0], "--model", model, "--database", database, "--playlists", lists, "--apply").exit_code == 1
    (lists / "hum.m3u8").write_text("mine")
    result = run(known[0], "--database", database, "--undo")
    assert f"  {lists / 'drum, bass.m3u8'}: would be removed" in result.stdout
    assert "run with --apply to do it" in result.stdout
    result = run(known[0], "--database", database, "--undo", "--apply")
    assert result.exit_code == 1
    assert f"  {lists / 'drum, bass.m3u8'}: removed\n" in result.stdout
    assert f"  {lists / 'hum.m3u8'}: left as it is\n" in result.stdout
    assert [path.name for path in lists.iterdir()] == ["hum.m3u8"]
    assert run(known[0], "--database", database, "--undo", "--apply").exit_code == 2


@pytest.mark.skipif(importlib.util.find_spec("mutagen") is not None, reason="mutagen is installed")
def test_without_mutagen(known: tuple[Path, Path], model: Path) -> None:
    result = run(known[0], "--model", model, "--database", known[1], "--write-tags")
    assert result.exit_code == 2
    assert 'install it with: pip install "mutagen>=1.47"' in result.stderr


def test_help_loads_nothing_heavy() -> None:
    import subprocess

    code = (
        "import sys, audio_genre.cli.organize; "
        "print(sorted({'numpy', 'audio_genre.library', 'mutagen', 'platformdirs', 'sqlite3'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
