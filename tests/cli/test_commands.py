"""The commands as a user types them: what they print, what they write, how they end."""

from __future__ import annotations

import csv
import importlib.util
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from small_networks import small_networks
from typer.testing import CliRunner, Result

from audio_genre.cli import app
from audio_genre.cli.console import ProgressLine
from audio_genre.synthetic import music as synthesis
from audio_genre.training import variants

STYLES = synthesis.STYLES[:3]


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def rows_of(path: Path) -> list[list[str]]:
    with path.open(newline="") as file:
        return list(csv.reader(file))


@pytest.fixture(scope="module", autouse=True)
def _small() -> Iterator[None]:
    with small_networks():
        yield


@pytest.fixture(scope="module")
def music(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("music")
    synthesis.write_dataset(folder, tracks_per_style=5, seconds=6.5, styles=STYLES)
    return folder


@pytest.fixture(scope="module")
def extracted(music: Path) -> tuple[Path, Result]:
    out = music.parent / "features"
    return out, run("extract", music, out, "--jobs", 1, "--picture-size", "432x288")


@pytest.fixture(scope="module")
def trained(extracted: tuple[Path, Result]) -> tuple[Path, Result]:
    models = extracted[0].parent / "models"
    table = extracted[0] / "features_3_sec.csv"
    return models, run("train", "tabular", table, models, "--variant", "adam-4", "--epochs", 8)


def test_extract_writes_what_it_says(extracted: tuple[Path, Result]) -> None:
    out, result = extracted
    assert result.exit_code == 0, result.output
    assert "15 clips extracted" in result.stdout
    assert len(rows_of(out / "features_30_sec.csv")) == 1 + 15
    assert len(rows_of(out / "features_3_sec.csv")) == 1 + 30
    assert len(list((out / "images_original").glob("*/*.png"))) == 15


def test_extract_again_has_nothing_to_do(music: Path, extracted: tuple[Path, Result]) -> None:
    before = (extracted[0] / "features_3_sec.csv").stat()
    result = run("extract", music, extracted[0], "--picture-size", "432x288", "--json")
    done = json.loads(result.stdout)
    assert (done["todo"], done["already_done"], done["failed"]) == (0, 15, 0)
    assert (extracted[0] / "features_3_sec.csv").stat().st_mtime_ns == before.st_mtime_ns


def test_extract_dry_run_writes_nothing(music: Path, tmp_path: Path) -> None:
    result = run("extract", music, tmp_path / "out", "--dry-run", "--limit", 4)
    assert result.exit_code == 0
    assert "4 of 4 clips would be extracted" in result.stdout
    assert not (tmp_path / "out").exists()


def test_one_bad_file_costs_a_line_and_exit_status_1(music: Path, tmp_path: Path) -> None:
    folder = tmp_path / "audio"
    synthesis.write_dataset(folder, tracks_per_style=1, seconds=4, styles=STYLES[:2])
    (folder / STYLES[0] / "empty.wav").touch()
    result = run("extract", folder, tmp_path / "out", "--jobs", 1, "--no-images")
    assert result.exit_code == 1
    assert "2 clips extracted" in result.stdout
    assert "empty.wav is empty (0 bytes)." in result.stderr
    failures = rows_of(tmp_path / "out" / "failures.csv")
    assert failures == [["path", "reason"], [f"{STYLES[0]}/empty.wav", "is empty (0 bytes)"]]
    assert not (tmp_path / "out" / "images_original").exists()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["extract", "{tmp}/nowhere", "{tmp}/out"], "does not exist; check the path."),
        (["extract", "{tmp}", "{tmp}/out"], "No audio files were found"),
        (["train", "tabular", "{tmp}/nowhere.csv", "{tmp}/models"], "nowhere.csv"),
        (["classify", "{tmp}/x.wav", "--model", "{tmp}/nothing"], "nothing"),
    ],
)
def test_nothing_done_is_one_sentence_and_exit_status_2(arguments: list[str], sentence: str, tmp_path: Path) -> None:
    result = run(*(argument.format(tmp=tmp_path) for argument in arguments))
    assert result.exit_code == 2
    assert result.stdout == ""
    assert sentence in result.stderr
    assert result.stderr.startswith("audio-genre: ")
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ["extract", "."],
        ["extract", ".", "out", "--jobs", "0"],
        ["extract", ".", "out", "--picture-size", "large"],
        ["classify"],
        ["classify", "x.wav", "--model", "m", "--top", "0"],
        ["train", "forest", "t.csv", "m"],
        ["sing"],
    ],
)
def test_wrong_arguments_end_with_2_and_say_how_it_goes(arguments: list[str]) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert "Usage:" in result.stderr


def test_train_prints_the_protocol_and_an_interval(trained: tuple[Path, Result]) -> None:
    models, result = trained
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("protocol: track\n")
    assert "95 % interval" in result.stdout
    assert "leaky" not in result.stdout
    assert (models / "adam-4-3s" / "card.json").exists()
    assert "plotly" in (models / "learning_curves.html").read_text(encoding="utf-8")


def test_a_leaky_protocol_is_called_leaky(extracted: tuple[Path, Result], tmp_path: Path) -> None:
    table = extracted[0] / "features_3_sec.csv"
    result = run("train", "baseline", table, tmp_path, "--variant", "majority", "--protocol", "segment")
    assert result.stdout.startswith("protocol: segment (leaky")


def test_train_json_is_one_card_a_line(extracted: tuple[Path, Result], tmp_path: Path) -> None:
    options = ["--variant", "majority", "--json"]
    result = run("train", "baseline", extracted[0] / "features_30_sec.csv", tmp_path, *options)
    (card,) = [json.loads(line) for line in result.stdout.splitlines()]
    assert card["classes"] == sorted(STYLES)


def test_an_unknown_variant_is_named(extracted: tuple[Path, Result], tmp_path: Path) -> None:
    result = run("train", "tabular", extracted[0] / "features_30_sec.csv", tmp_path, "--variant", "lstm")
    assert result.exit_code == 2
    assert "lstm" in result.stderr
    assert "adam-4" in result.stderr


def test_classify_names_genre_and_runners_up(music: Path, trained: tuple[Path, Result]) -> None:
    clip = music / STYLES[1] / f"{STYLES[1]}.00000.wav"
    result = run("classify", clip, "--model", trained[0] / "adam-4-3s", "--top", 2)
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith(f"{clip}: ")
    assert result.stdout.count(" %") == 2


def test_classify_json_has_one_object_a_clip_and_ends_with_1_if_one_failed(
    music: Path, trained: tuple[Path, Result], tmp_path: Path
) -> None:
    good = music / STYLES[0] / f"{STYLES[0]}.00001.wav"
    bad = tmp_path / "song.wav"
    bad.write_text("not audio")
    result = run("classify", bad, good, "--model", trained[0] / "adam-4-3s", "--json")
    first, second = (json.loads(line) for line in result.stdout.splitlines())
    assert result.exit_code == 1
    assert set(first) == {"path", "error"}
    assert first["path"] == str(bad)
    assert set(second) == {"path", "genre", "confidence", "probabilities", "model", "reason", "distance", "tags"}
    assert second["confidence"] == max(second["probabilities"].values())
    assert sum(second["probabilities"].values()) == pytest.approx(1)


def test_output_can_be_piped_into_a_reader_that_stops(music: Path, trained: tuple[Path, Result]) -> None:
    clip = music / STYLES[0] / f"{STYLES[0]}.00000.wav"
    command = [sys.executable, "-c", "from audio_genre.cli import main; main()", "classify", *[str(clip)] * 3]
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [*command, "--model", str(trained[0] / "adam-4-3s"), "--json"],
        stdout=writer,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(writer)
    assert done.stderr == ""


def test_demo_goes_all_the_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("audio_genre.cli.demo._TRACKS_PER_STYLE", 3)
    monkeypatch.setattr("audio_genre.cli.demo._SECONDS", 4.0)
    monkeypatch.setattr("audio_genre.cli.demo._EPOCHS", 1)
    monkeypatch.setattr("audio_genre.cli.demo._CNN_EPOCHS", 1)
    monkeypatch.setattr("audio_genre.cli.demo._UNSEEN_STYLE", 1)
    monkeypatch.setattr(synthesis, "STYLES", STYLES)
    monkeypatch.setattr(variants, "VARIANTS", {name: variants.VARIANTS[name] for name in ("adam-4", "sgd-5")})
    result = run("demo", tmp_path / "demo")
    assert result.exit_code == 0, result.output
    for command in ("extract", "train tabular", "train pictures", "classify"):
        assert f"$ audio-genre {command}" in result.stdout
    assert "it is " in result.stdout


def test_a_stopped_training_says_what_is_missing(
    extracted: tuple[Path, Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from audio_genre.cli import train

    update = train.ProgressLine.update

    def stop(self: ProgressLine, done: int, total: int | None, remark: str = "") -> None:
        update(self, done, total, remark)
        if "adam-5 loss" in remark and done == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(train.ProgressLine, "update", stop)
    result = run("train", "tabular", extracted[0] / "features_30_sec.csv", tmp_path, "--epochs", 2)
    assert result.exit_code == 130
    assert "stopped; adam-5 has its best weights so far; sgd-5, rmsprop-6 not trained; " in result.stderr
    assert "the same command with --resume continues." in result.stderr
    assert "adam-4 " in result.stdout
    assert json.loads((tmp_path / "adam-5" / "card.json").read_text())["training"]["interrupted"] is True


def test_the_old_name_trains_a_network_on_pictures_with_its_own_curves_and_without_broken_ones(
    extracted: tuple[Path, Result], tmp_path: Path
) -> None:
    models = tmp_path / "models"
    shutil.copytree(extracted[0] / "images_original", tmp_path / "images")
    bad = next((tmp_path / "images").glob("*/*.png"))
    bad.write_bytes(bad.read_bytes()[:1000])
    result = run("train", "cnn", tmp_path / "images", models, "--epochs", 2)
    assert result.exit_code == 0, result.output
    assert bad.name in result.stderr
    assert result.stdout.startswith("protocol: track\n")
    assert "95 % interval" in result.stdout
    assert sorted(path.name for path in models.iterdir()) == ["cnn", "learning_curves_cnn.html", "plotly.min.js"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--network", "rnn"], "The network 'rnn' is unknown; choose one of cnn, transformer or all."),
        (["--network", "transformer", "--filters", "4,8"], "--filters is not for the network transformer"),
        (["--network", "all", "--dropout", "0.1"], "--dropout changes one network"),
        (["--network", "transformer", "--patch-size", "48,4"], "a height that divides 128"),
        (["--network", "transformer", "--patch-size", "4,4,4"], "such as 16,16; got 4,4,4"),
        (["--network", "transformer", "--patch-size", "4x4"], "--patch-size must be whole numbers with commas"),
        (["--leaky"], "--leaky is for lists"),
        (["--start-from", "nothing"], "nothing is no model bundle"),
    ],
)
def test_options_that_no_network_has_are_sentences(
    extracted: tuple[Path, Result], tmp_path: Path, options: list[str], message: str
) -> None:
    result = run("train", "pictures", extracted[0] / "images_original", tmp_path / "models", *options)
    assert result.exit_code == 2
    assert message in result.stderr
    assert result.stderr.count("\n") == 1
    assert not (tmp_path / "models").exists()


def test_seeds_are_summed_up(extracted: tuple[Path, Result], tmp_path: Path) -> None:
    options = ["--variant", "majority", "--seeds", 2, "--folds", 3]
    result = run("train", "baseline", extracted[0] / "features_30_sec.csv", tmp_path, *options)
    assert result.exit_code == 0, result.output
    assert "majority, mean of 6 runs: 0." in result.stdout
    assert "and 0 more" not in result.stdout
    assert len(list(tmp_path.glob("majority-fold-*"))) == 6


def test_every_protocol_that_applies_has_a_heading(extracted: tuple[Path, Result], tmp_path: Path) -> None:
    options = ["--variant", "majority", "--protocol", "all"]
    result = run("train", "baseline", extracted[0] / "features_3_sec.csv", tmp_path, *options)
    headings = [line for line in result.stdout.splitlines() if line.startswith("protocol: ")]
    assert [heading.split()[1] for heading in headings] == ["track", "segment"]


def test_an_interrupted_network_is_resumed(
    extracted: tuple[Path, Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from audio_genre.cli import train

    update = train.ProgressLine.update

    def stop(self: ProgressLine, done: int, total: int | None, remark: str = "") -> None:
        update(self, done, total, remark)
        if "loss" in remark and done == 1:
            raise KeyboardInterrupt

    command = ["train", "pictures", extracted[0] / "images_original", tmp_path, "--epochs", 2]
    with monkeypatch.context() as patch:
        patch.setattr(train.ProgressLine, "update", stop)
        result = run(*command)
    assert result.exit_code == 130
    assert "stopped; cnn has its best weights so far; the same command with --resume continues." in result.stderr
    result = run(*command, "--resume")
    assert result.exit_code == 0, result.output
    assert "cnn: continuing after 1 epoch." in result.stderr
    card = json.loads((tmp_path / "cnn" / "card.json").read_text())
    assert (card["training"]["epochs"], card["training"]["interrupted"]) == (2, False)


def test_tensorboard_is_asked_for_by_name(
    extracted: tuple[Path, Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    find_spec = importlib.util.find_spec
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "tensorboard" else find_spec(name))
    options = ["--tensorboard", tmp_path / "log"]
    result = run("train", "pictures", extracted[0] / "images_original", tmp_path / "models", *options)
    assert result.exit_code == 2
    assert '"tensorboard>=2.18"' in result.stderr
    assert list((tmp_path / "models").iterdir()) == []


def test_curves_that_cannot_be_written_do_not_cost_the_results(extracted: tuple[Path, Result], tmp_path: Path) -> None:
    (tmp_path / "learning_curves.html").mkdir()
    table = extracted[0] / "features_30_sec.csv"
    result = run("train", "tabular", table, tmp_path, "--variant", "adam-4", "--epochs", 1)
    assert result.exit_code == 0
    assert "learning_curves.html cannot be written: Is a directory" in result.stderr
    assert result.stdout.startswith("protocol: track")


def test_names_cannot_steer_the_terminal_or_break_the_json(trained: tuple[Path, Result]) -> None:
    for name in ("\x1b[31mred.wav", "two\nlines.wav", "bad\udcff.wav"):
        result = run("classify", name, "--model", trained[0] / "adam-4-3s")
        assert result.exit_code == 2
        assert result.stderr.count("\n") == 1
        assert "\x1b" not in result.stderr
        as_json = run("classify", name, "--model", trained[0] / "adam-4-3s", "--json")
        assert json.loads(as_json.stdout_bytes.decode("utf-8"))["path"] == name


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
def test_output_that_cannot_be_written_is_one_sentence(music: Path, trained: tuple[Path, Result]) -> None:
    clip = music / STYLES[0] / f"{STYLES[0]}.00000.wav"
    command = [sys.executable, "-m", "audio_genre", "classify", str(clip), "--model", str(trained[0] / "adam-4-3s")]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == "audio-genre: the output cannot be written or read: No space left on device.\n"


def test_stopped_while_it_loads_it_ends_quietly() -> None:
    code = "import audio_genre.cli as cli\ndef stop(): raise KeyboardInterrupt\ncli.main = stop\n"
    code += "from audio_genre.__main__ import main; main()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (130, "audio-genre: stopped.\n")


def test_demo_in_an_impossible_folder_says_so_first(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    result = run("demo", tmp_path / "file")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "cannot be made: File exists; choose another." in result.stderr


class TestProgressLine:
    def test_off_a_terminal_it_is_quiet_at_first(self, capsys: pytest.CaptureFixture[str]) -> None:
        with ProgressLine("extracting", "clips") as line:
            line.update(1, 10)
        assert capsys.readouterr() == ("", "")

    def test_off_a_terminal_it_is_plain_lines_with_an_estimate(
        self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        clock = iter([0.0, 5.0, 20.0, 21.0])
        monkeypatch.setattr("audio_genre.cli.console.time.monotonic", lambda: next(clock))
        with ProgressLine("extracting", "clips") as line:
            line.update(1, 10)
            line.update(4, 10, "1 failed")
            line.update(5, 10)
        assert capsys.readouterr().err == "extracting: 4/10 clips, about 0:30 left, 1 failed\n"
