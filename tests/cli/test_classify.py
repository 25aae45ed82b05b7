"""``audio-genre classify`` as a user types it: answers, timelines, strips, what is wrong with a command."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from PIL import Image
from typer.testing import CliRunner, Result

from audio_genre.cli import app
from audio_genre.cli.classify import answer_words, timeline_lines
from audio_genre.datasets import GTZAN57_TABLE
from audio_genre.dsp.matrix import feature_matrix
from audio_genre.inference import Classification, Classifier, Timeline, TimelinePoint
from audio_genre.training import train_baseline

SR = 22050
STYLES = ("hiss", "hum")
FIELDS = ["path", "genre", "confidence", "probabilities", "model", "reason", "distance", "tags"]


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["classify", *map(str, arguments)])


def make(style: str, seconds: float, seed: int = 0) -> np.ndarray:
    """A hum of two partials, or a hiss of noise."""
    rng = np.random.default_rng(seed)
    if style == "hiss":
        return (0.1 * rng.normal(size=round(seconds * SR))).astype(np.float32)
    t = 2 * np.pi * rng.uniform(80, 120) * np.arange(round(seconds * SR)) / SR
    return (0.2 * np.sin(t) + 0.1 * np.sin(2 * t)).astype(np.float32)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model for 3-s segments."""
    folder = tmp_path_factory.mktemp("models")
    lines = [",".join(["filename", "length", *GTZAN57_TABLE.features, "label"])]
    for style in STYLES:
        rows = feature_matrix(np.stack([make(style, 3, seed)[:-1] for seed in range(6)]))
        for k, row in enumerate(rows.tolist()):
            lines.append(",".join([f"{style}.{k:05d}.0.wav", "66149", *map(repr, row), style]))
    (folder / "segment.csv").write_text("\n".join(lines), encoding="utf-8")
    (trained,) = train_baseline(folder / "segment.csv", folder, variant="logistic-regression")
    return trained.path


@pytest.fixture(scope="module")
def strict(model: Path) -> Path:
    """The same model, to which everything is unlike what it was trained on."""
    folder = Path(shutil.copytree(model, model.parent / "strict"))
    card = json.loads((folder / "card.json").read_text(encoding="utf-8"))
    card["calibration"]["max_distance"] = 1e-6
    (folder / "card.json").write_text(json.dumps(card), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A hum, a pause, a hiss."""
    path = tmp_path_factory.mktemp("clips") / "a b.wav"
    soundfile.write(path, np.concatenate([make("hum", 6), np.zeros(3 * SR), make("hiss", 6)]), SR)
    return path


def objects(result: Result) -> list[dict]:
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    return [json.loads(line, parse_constant=refuse) for line in result.stdout.splitlines()]


def test_an_unknown_answer_is_an_answer(strict: Path, clip: Path) -> None:
    result = run(clip, "--model", strict, "--top", 1)
    assert result.exit_code == 0
    assert result.stdout.startswith(f"{clip}: unknown, unlike anything that the model was trained on (distance ")
    assert ", limit 0.000); most probable: h" in result.stdout
    assert result.stdout.count("\n") == 1
    assert result.stdout.endswith(" %\n")
    assert result.stderr == ""
    (found,) = objects(run(clip, "-m", strict, "--json"))
    assert list(found) == FIELDS
    assert found["genre"] == "unknown"
    assert found["reason"].startswith("unlike anything")
    assert found["distance"] > 0


def test_no_unknown_always_answers(strict: Path, clip: Path) -> None:
    assert "unknown" not in run(clip, "--model", strict, "--no-unknown").stdout
    (found,) = objects(run(clip, "--model", strict, "--no-unknown", "--json"))
    assert found["genre"] == max(STYLES, key=found["probabilities"].__getitem__)
    assert found["reason"] is None


def test_a_silent_clip(model: Path, tmp_path: Path) -> None:
    path = tmp_path / "silent.wav"
    soundfile.write(path, np.zeros(4 * SR), SR)
    result = run(path, "--model", model, "--timeline")
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        f"{path}: unknown, is silent: every sample is zero",
        "  time         genre  confidence  runner-up",
        "  0:00-0:04  unknown           -          -",
        "  unknown, 1 of 1: is silent",
    ]
    (found,) = objects(run(path, "--model", model, "--json", "--timeline"))
    assert (found["genre"], found["reason"], found["distance"]) == ("unknown", "is silent: every sample is zero", None)
    # There is no genre to be forced on it.
    result = run(path, "--model", model, "--no-unknown")
    assert (result.exit_code, result.stdout) == (0, f"{path}: unknown, is silent: every sample is zero\n")


def test_timeline_is_a_table_below_the_answer(model: Path, clip: Path) -> None:
    result = run(clip, "--model", model, "--no-unknown", "--timeline")
    assert result.exit_code == 0, result.output
    first, header, *rows, last = result.stdout.splitlines()
    assert first == run(clip, "--model", model, "--no-unknown").stdout.strip()
    assert header.split() == ["time", "genre", "confidence", "runner-up"]
    assert [row.split()[:2] for row in rows] == [
        ["0:00-0:03", "hum"], ["0:03-0:06", "hum"], ["0:06-0:09", "unknown"], ["0:09-0:12", "hiss"],
        ["0:12-0:15", "hiss"],
    ]  # fmt: skip
    assert [len(row) for row in rows] == [len(header)] * 5
    assert last == "  unknown, 1 of 5: is silent"
    assert result.stderr == ""


def test_timeline_as_json(model: Path, clip: Path) -> None:
    (plain,) = objects(run(clip, "--model", model, "--json"))
    (found,) = objects(run(clip, "--model", model, "--json", "--timeline", "--hop", 1.5))
    points = found.pop("timeline")
    assert found == plain
    assert [(point["start"], point["end"]) for point in points] == [(1.5 * k, 1.5 * k + 3) for k in range(9)]
    for point in points:
        assert list(point) == ["start", "end", "genre", "confidence", "probabilities", "reason", "distance", "tags"]
        assert sum(point["probabilities"].values()) == pytest.approx(1)
        assert point["confidence"] == max(point["probabilities"].values())
    assert (points[4]["genre"], points[4]["reason"], points[4]["distance"]) == ("unknown", "is silent", None)


def test_several_clips_load_the_model_once(
    model: Path, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from audio_genre.inference import classifier

    loaded = []
    load = classifier.load_bundle
    monkeypatch.setattr(classifier, "load_bundle", lambda path: loaded.append(path) or load(path))
    result = run(clip, tmp_path / "absent.wav", clip, "--model", model, "--timeline", "--json")
    assert loaded == [model]
    assert result.exit_code == 1
    assert [list(found)[-1] for found in objects(result)] == ["timeline", "error", "timeline"]


def test_without_a_model_it_is_the_one_of_the_package(model: Path, clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("audio_genre.inference.classifier.default_model", lambda: model)
    (found,) = objects(run(clip, "--json"))
    assert found["model"] == model.name
    assert "comes with the package" in " ".join(run("--help").stdout.replace("│", " ").split())


def test_strip_is_a_picture_of_the_timeline(model: Path, clip: Path, tmp_path: Path) -> None:
    path = tmp_path / "strip.png"
    result = run(clip, "--model", model, "--strip", path)
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines()[1:] == [f"strip: {path}"]
    with Image.open(path) as image:
        first = np.asarray(image.convert("RGB"))
    assert "timeline" not in objects(run(clip, "--model", model, "--strip", path, "--json"))[0]
    both = run(clip, "--model", model, "--strip", path, "--json", "--timeline", "--hop", 1)
    assert len(objects(both)[0]["timeline"]) == 13
    with Image.open(path) as image:
        assert not np.array_equal(first, np.asarray(image.convert("RGB")))


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "Missing argument 'CLIP'"),
        (["x.wav", "--hop", "1"], "add --timeline or --strip"),
        (["x.wav", "y.wav", "--strip", "x.png"], "give one CLIP"),
        (["x.wav", "--timeline", "--hop", "long"], "--hop"),
        (["x.wav", "--top", "0"], "--top"),
    ],
)
def test_wrong_arguments(arguments: list[str], sentence: str) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert "Usage:" in result.stderr
    assert sentence in result.stderr


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["{clip}", "--model", "{tmp}/nothing"], "{tmp}/nothing is no model bundle: there is no such folder;"),
        (["{clip}", "--model", "{clip}"], "is no model bundle: there is no such folder;"),
        (["{clip}", "--model", "{tmp}"], "card.json"),
        (["{clip}", "--timeline", "--hop", "0"], "must be from 0.05 s to 3 s, "),
        (["{clip}", "--timeline", "--hop", "nan"], "got nan s."),
        (["{clip}", "--strip", "{tmp}/strip.svg"], "choose a name that ends in .png."),
        (["{clip}", "--strip", "{tmp}/nowhere/strip.png"], "there is no folder {tmp}/nowhere;"),
        (["{clip}", "--strip", "{tmp}/song.png"], "exists and is not a PNG picture, so it is not overwritten;"),
    ],
)
def test_nothing_done_is_one_sentence(
    model: Path, clip: Path, tmp_path: Path, arguments: list[str], sentence: str
) -> None:
    shutil.copy(clip, tmp_path / "song.png")
    arguments = [argument.format(clip=clip, tmp=tmp_path) for argument in arguments]
    if "--model" not in arguments:
        arguments += ["--model", str(model)]
    result = run(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert sentence.format(tmp=tmp_path) in result.stderr
    assert result.stderr.startswith("audio-genre: ")
    assert result.stderr.count("\n") == 1
    assert (tmp_path / "song.png").read_bytes() == clip.read_bytes()


def test_a_folder_is_for_organize(model: Path, clip: Path, tmp_path: Path) -> None:
    folder = tmp_path / "my music"
    folder.mkdir()
    result = run(folder, clip, "--model", model)
    assert result.exit_code == 1
    assert result.stdout.startswith(f"{clip}: ")
    assert result.stderr == (
        f"audio-genre: {folder} is a folder; to classify all of it, use `audio-genre organize '{folder}'`.\n"
    )


def test_no_strip_of_what_cannot_be_classified(model: Path, tmp_path: Path) -> None:
    result = run(tmp_path / ("x" * 300), "--model", model, "--strip", tmp_path / "strip.png")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "cannot be read: File name too long." in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_stopped_timeline_ends_quietly(
    model: Path, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Classifier, "_point", stop)
    result = run(clip, "--model", model, "--strip", tmp_path / "strip.png")
    assert (result.exit_code, result.stdout, result.stderr) == (130, "", "audio-genre: stopped.\n")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("terminal", [True, False])
def test_progress_is_for_terminals_and_long_files(
    model: Path, clip: Path, monkeypatch: pytest.MonkeyPatch, terminal: bool
) -> None:
    shown = []

    class Line:
        def __init__(self, what: str, unit: str) -> None:
            shown.append(f"{what} {unit}")

        def __enter__(self) -> Line:
            return self

        def __exit__(self, *_: object) -> None:
            shown.append("end")

        def update(self, done: int, total: int) -> None:
            shown.append(f"{done}/{total}")

    clock = iter(range(0, 100))
    monkeypatch.setattr("audio_genre.cli.classify.ProgressLine", Line)
    monkeypatch.setattr("audio_genre.cli.classify.time.monotonic", lambda: next(clock))
    monkeypatch.setattr("audio_genre.cli.classify._on_terminal", lambda: terminal)
    assert run(clip, "--model", model, "--timeline").exit_code == 0
    assert shown == (["listening seconds", "6/15", "9/15", "12/15", "15/15", "end"] if terminal else [])


def test_an_answer_needs_nothing_heavy(model: Path, clip: Path) -> None:
    heavy = {"matplotlib", "pandas", "sklearn", "tensorflow", "keras", "plotly", "PIL", "librosa", "rich.progress"}
    code = (
        "import sys; from audio_genre.cli import main\n"
        f"sys.argv = ['audio-genre', 'classify', {str(clip)!r}, '--model', {str(model)!r}, '--timeline']\n"
        "try: main()\nexcept SystemExit as end: assert not end.code\n"
        f"print(sorted({heavy!r} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def point(start: float, genre: str, reason: str | None = None) -> TimelinePoint:
    return TimelinePoint(start, start + 30, genre, 0.6, {"blues": 0.4, "jazz": 0.6}, reason, 0.5)


def test_lines_of_a_timeline() -> None:
    points = (
        point(0, "jazz"),
        point(3570.5, "unknown", "unlike anything (distance 1, limit 0.5)"),
        point(3600, "unknown", "unlike anything (distance 2, limit 0.5)"),
    )
    line = Timeline(Classification("x.wav", "jazz", 0.6, {"blues": 0.4, "jazz": 0.6}, "adam-5"), points, 30, 0.5)
    assert timeline_lines(line) == [
        "time                   genre  confidence   runner-up",
        "0:00.0-0:30.0           jazz        60 %  blues 40 %",
        "59:30.5-1:00:00.5    unknown           -   jazz 60 %",
        "1:00:00.0-1:00:30.0  unknown           -   jazz 60 %",
        "unknown, 2 of 3: unlike anything",
    ]


def test_words_of_an_answer() -> None:
    answer = Classification("x.wav", "unknown", 0.5, {"a": 0.5, "b": 0.5}, "adam-5", "is silent", None)
    assert answer_words(answer, 2) == "unknown, is silent"


@pytest.mark.parametrize("name", ["x.raw", "html.mp3"])
def test_one_bad_clip_does_not_stop_the_next(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"<html>" + bytes(4000) if name == "html.mp3" else bytes(range(256)) * 99)
    rng = np.random.default_rng(0)
    soundfile.write(tmp_path / "good.wav", 0.1 * rng.standard_normal(70000), 22050)
    soundfile.write(tmp_path / "gsm.wav", 0.1 * rng.standard_normal(32000), 8000, subtype="GSM610")
    soundfile.write(tmp_path / "short.wav", 0.1 * rng.standard_normal(50000), 22050)
    clips = [str(tmp_path / clip) for clip in (name, "good.wav", "gsm.wav", "short.wav")]
    result = run("--timeline", *clips)
    assert result.exit_code == 1
    assert result.stderr.count("\n") == 1
    assert all(f"{clip}: " in result.stdout for clip in clips[1:])
    # The timeline ends where the file ends.
    assert "0:00-0:02" in result.stdout.partition("short.wav")[2]
