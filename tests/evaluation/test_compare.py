"""Comparing models: what is ranked with what, whether the figures are those of scikit-learn, what breaks."""

from __future__ import annotations

import csv
import json
import os
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import typer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from model_folders import tracks_of, write_model
from scipy.stats import binom, bootstrap
from sklearn.calibration import calibration_curve
from sklearn.metrics import accuracy_score, classification_report, confusion_matrix, f1_score
from typer.testing import CliRunner, Result

from audio_genre.bundles.calibration import apply_temperature, calibration_error
from audio_genre.cli.compare import compare as compare_command
from audio_genre.errors import BundleError, ReportError
from audio_genre.evaluation import comparison_report
from audio_genre.evaluation.charts import FORMATS
from audio_genre.evaluation.compare import compare
from audio_genre.evaluation.comparison import Comparison, paired_test
from audio_genre.evaluation.plots import curve_charts, thinned
from audio_genre.evaluation.results import ModelResult, Reliability, measured, read_result, reliability
from audio_genre.jobs.engines import Lost

LABELS = "bbbbjjjjrrrr"
HOSTILE = ["<script>alert(1)</script>", "NA", "1980", "$x_{", "accuracy", "a,b\"c'", "very " * 30 + "long", "日本"]


@pytest.fixture
def models(tmp_path: Path) -> Path:
    return tmp_path / "models"


@pytest.fixture
def real_pictures() -> None:
    """Ask for pictures that are drawn, which takes a while."""


@pytest.fixture(autouse=True)
def _no_pictures(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if "real_pictures" not in request.fixturenames:
        # In this process, which the change of a function is in.
        monkeypatch.setattr("audio_genre.evaluation.comparison_report.usable_cores", lambda: 1)
        monkeypatch.setattr(
            "audio_genre.evaluation.comparison_report.drawn_from", lambda sketch: dict.fromkeys(FORMATS, b"picture")
        )


def compared(models: Path) -> Comparison:
    return compare(models, models.parent / "report")


def metrics_of(found: Comparison) -> dict[str, object]:
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    text = (found.report.parent / "metrics.json").read_text(encoding="utf-8")
    return json.loads(text, parse_constant=refuse)


def run(*arguments: object) -> Result:
    app = typer.Typer()
    app.command()(compare_command)
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_figures_are_those_of_scikit_learn(models: Path) -> None:
    answers = "bbjrjjjbrrrj"
    write_model(models / "adam-4", tracks_of(answers, labels=LABELS))
    (model,) = metrics_of(compared(models))["models"]

    assert (model["n_test"], model["classes"]) == (12, ["blues", "jazz", "rock"])
    assert model["accuracy"] == pytest.approx(accuracy_score(list(LABELS), list(answers)))
    assert model["macro_f1"] == pytest.approx(f1_score(list(LABELS), list(answers), average="macro"))
    assert model["confusion"] == confusion_matrix(list(LABELS), list(answers), labels=list("bjr")).tolist()
    expected = classification_report(list(LABELS), list(answers), output_dict=True)
    for name in model["classes"]:
        mine = model["per_class"][name]
        assert [mine["precision"], mine["recall"], mine["f1"], mine["support"]] == pytest.approx(
            [expected[name[0]][key] for key in ("precision", "recall", "f1-score", "support")]
        )
    low, high = model["accuracy_ci95"]
    assert low < model["accuracy"] < high


def test_tracks_are_voted_on_by_mean_probability(models: Path) -> None:
    answers = {
        "a.wav": ("blues", "blues", "jazz", "blues"),
        "b.wav": ("jazz", "jazz", "rock", "jazz"),
        "c.wav": ("rock", "rock", "rock", "rock"),
    }
    write_model(models / "adam-4-3s", answers)
    (model,) = metrics_of(compared(models))["models"]
    assert (model["n_test"], model["accuracy"]) == (3, 1.0)
    assert (model["rows"]["n_test"], model["rows"]["accuracy"]) == (9, pytest.approx(7 / 9))


def test_only_what_was_tested_alike_is_ranked_together(models: Path) -> None:
    write_model(models / "a", tracks_of(LABELS), validation=0.6)
    write_model(models / "b", tracks_of(LABELS), validation=0.7, variant="adam-5")
    write_model(models / "other-protocol", tracks_of(LABELS), protocol="artist")
    write_model(models / "other-tracks", tracks_of(LABELS, start=5), seed=1)
    write_model(models / "leaky", tracks_of(LABELS), protocol="segment", leaky=True)
    write_model(models / "other-classes", tracks_of(LABELS), classes=("blues", "jazz", "rock", "pop"))
    found = compared(models)
    assert [[model.name for model in section.models] for section in found.sections] == [
        ["other-protocol"],
        ["b", "a"],
        ["other-classes"],
        ["other-tracks"],
        ["leaky"],
    ]
    titles = [section.title for section in found.sections]
    assert len(set(titles)) == len(titles)
    assert titles[-1] == "LEAKY protocol segment, seed 0: 12 test tracks"


def test_under_a_leaky_protocol_the_tested_rows_matter(models: Path) -> None:
    first = tracks_of(LABELS, rows=2)
    write_model(models / "a", first, protocol="segment", leaky=True)
    write_model(models / "b", first, protocol="segment", leaky=True, variant="adam-5")
    table = pd.read_csv(write_model(models / "c", first, protocol="segment", leaky=True) / "predictions.csv")
    table["item"] += ".other"
    table.to_csv(models / "c" / "predictions.csv", index=False)
    assert [[model.name for model in section.models] for section in compared(models).sections] == [["a", "b"], ["c"]]


@pytest.mark.parametrize(
    ("table", "pictures"),
    [("{genre}/{genre}.{k:05d}.wav", "{genre}/{genre}{k:05d}.png"), ("{genre}/song {k}.flac", "{genre}/song {k}.png")],
)
def test_pictures_and_tables_of_the_same_clips_meet(models: Path, table: str, pictures: str) -> None:
    for name, kind, spelling in (("adam-4", "tabular", table), ("mel-cnn", "cnn", pictures)):
        answers = {
            spelling.format(genre=genre, k=k): (genre, genre) for genre in ("blues", "jazz", "rock") for k in range(3)
        }
        write_model(models / name, answers, kind=kind)
    (section,) = compared(models).sections
    assert section.kinds == ("tabular", "cnn")


def test_one_file_read_in_two_ways_is_no_repeat(models: Path) -> None:
    for seed, reading in enumerate(([], ["--rows", "clips"], ["--rows", "clips"])):
        write_model(models / f"m{seed}", seed=seed, card={"identity": {"reading": reading}})
    (repeats,) = compared(models).repeats
    assert repeats.seeds == (1, 2)


@pytest.mark.parametrize("name", ["{genre}.{k:05d}.wav", "song {genre}{k}.flac", "{genre}/{k}{genre}.0.mp3"])
def test_models_from_before_tracks_lost_their_label_meet_those_of_today(models: Path, name: str) -> None:
    for folder, spelling in (("old", "{genre}/" + name), ("new", name)):
        answers = {
            spelling.format(genre=genre, k=k): (genre, genre) for genre in ("blues", "jazz", "rock") for k in range(3)
        }
        write_model(models / folder, answers)
    (section,) = compared(models).sections
    assert {model.name for model in section.models} == {"old", "new"}
    assert len(section.models[0].tracks) == 9


def test_tracks_that_differ_in_their_suffix_alone_stay_two(models: Path) -> None:
    answers = {"blues/a.wav": ("blues", "blues"), "blues/a.mp3": ("blues", "jazz"), "jazz/b.wav": ("jazz", "jazz")}
    (model,) = compare(write_model(models / "a", answers).parent, models.parent / "report").models
    assert model.scores.tracks.count == 3


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=60))
def test_the_exact_test_is_the_binomial_one(pairs: list[tuple[bool, bool]]) -> None:
    class Answered:
        def __init__(self, name: str, right: Sequence[bool]) -> None:
            self.name, self.leaky = name, False
            self.labels, self.answers = np.array(["x"] * len(right)), np.where(right, "x", "y")

    first, second = (Answered(name, [pair[k] for pair in pairs]) for k, name in enumerate("ab"))
    test = paired_test(first, second)
    b, c = pairs.count((True, False)), pairs.count((False, True))
    assert (test.only_first, test.only_second) == (b, c)
    assert test.both + test.neither + b + c == len(pairs)
    # Summed by hand: the probability of min(b, c) or fewer of b + c fair coins, on both sides.
    weights = [1]
    for k in range(b + c):
        weights.append(weights[-1] * (b + c - k) // (k + 1))
    expected = min(1.0, 2 * sum(weights[: min(b, c) + 1]) / 2 ** (b + c))
    assert test.p == pytest.approx(expected)
    assert paired_test(second, first).p == pytest.approx(test.p)
    assert test.better in ({"a"} if b > c else {"b"}) | {None}


def test_validation_chooses_what_is_tested_not_the_test_rows(models: Path) -> None:
    wrong = tracks_of("jjjjrrrrbbbb", labels=LABELS)
    write_model(models / "lucky", tracks_of(LABELS), validation=0.1, variant="sgd-5")
    write_model(models / "a", tracks_of(LABELS), validation=0.8)
    write_model(models / "b", wrong, validation=0.9, variant="adam-5")
    write_model(models / "b-seed1", wrong, validation=0.9, variant="adam-5", seed=1)
    write_model(models / "unknown", tracks_of(LABELS), validation=None, variant="rmsprop-6")
    (section,) = compared(models).sections
    assert [model.name for model in section.models] == ["b", "b-seed1", "a", "lucky", "unknown"]
    (test,) = section.tests
    assert (test.first, test.second) == ("b", "a")
    assert (test.only_first, test.only_second, test.better) == (0, 12, "a")
    assert "only b on 0, only a on 12" in str(test)
    assert str(test).endswith("a is significantly better.")


def test_kinds_are_tested_against_each_other_and_p_is_adjusted(models: Path) -> None:
    for k, (name, kind) in enumerate((("n1", "tabular"), ("n2", "tabular"), ("cnn", "cnn"), ("forest", "baseline"))):
        answers = "bbbbjjjjrrr" + "bjr"[k % 3]
        write_model(models / name, tracks_of(answers, labels=LABELS), kind=kind, variant=name, validation=0.9 - k / 10)
    (section,) = compared(models).sections
    pairs = {(test.first, test.second) for test in section.tests}
    assert pairs == {("n1", "n2"), ("n1", "cnn"), ("n1", "forest"), ("cnn", "forest")}
    assert all(test.tests == 4 and test.p_adjusted == min(1.0, 4 * test.p) for test in section.tests)


def test_what_all_get_wrong_is_complete_in_the_csv(models: Path) -> None:
    labels = "b" * 40 + "jr"
    write_model(models / "a", tracks_of("j" * 40 + "jr", labels=labels))
    write_model(models / "b", tracks_of("r" * 39 + "bjr", labels=labels), variant="adam-5")
    found = compared(models)
    (section,) = found.sections
    assert len(section.wrong_by_all()) == 39
    with (found.report.parent / "wrong_by_all.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2 * 39
    assert {(row["model"], row["predicted"]) for row in rows} == {("a", "jazz"), ("b", "rock")}
    page = found.report.read_text(encoding="utf-8")
    assert "the first 30 of 39" in page
    assert page.count("blues/t038") == 0


def test_folds_are_put_together_and_each_track_counts_once(models: Path) -> None:
    right = [4, 3, 2]
    for fold, count in enumerate(right):
        answers = "bbjjr"[:count] + "rrbbb"[count:]
        write_model(
            models / f"adam-4-artist-fold-{fold + 1}",
            tracks_of(answers, labels="bbjjr", start=10 * fold),
            protocol="artist",
            fold=f"fold-{fold + 1}",
            validation=0.5 + fold / 10,
        )
    found = compared(models)
    pooled = found.sections[0].models[0]
    assert pooled.name == "adam-4-artist (3 folds)"
    assert pooled.scores.tracks.count == 15
    assert pooled.scores.tracks.accuracy.value == pytest.approx(sum(right) / 15)
    assert pooled.validation == pytest.approx(0.6)
    assert pooled.scores.tracks.accuracy.low < sum(right) / 15 < pooled.scores.tracks.accuracy.high
    (repeats,) = found.repeats
    assert repeats.accuracy.runs == 3
    assert repeats.accuracy.spread == pytest.approx(np.std([count / 5 for count in right], ddof=1))
    assert len(found.sections) == 1 + 3
    assert metrics_of(found)["models"][0]["pooled_from"] == [f"adam-4-artist-fold-{k}" for k in (1, 2, 3)]


def test_folds_that_test_a_row_twice_are_not_put_together(models: Path) -> None:
    for fold in ("fold-1", "fold-2"):
        write_model(models / fold, tracks_of(LABELS), fold=fold)
    assert all(not model.pooled for section in compared(models).sections for model in section.models)


def test_seeds_are_summarised_and_copies_count_once(models: Path) -> None:
    for seed, answers in enumerate(("bbbbjjjjrrrb", "bbbbjjjjrrbb", "bbbbjjjjrrrr")):
        write_model(models / f"adam-4-seed{seed}", tracks_of(answers, labels=LABELS), seed=seed)
    write_model(models / "copy", tracks_of("bbbbjjjjrrrb", labels=LABELS), seed=0, interrupted=True)
    write_model(models / "other-table", tracks_of(LABELS), seed=0, data="features_3_sec.csv")
    (repeats,) = compared(models).repeats
    assert repeats.models == ("adam-4-seed0", "adam-4-seed1", "adam-4-seed2")
    assert repeats.accuracy.accuracy.value == pytest.approx(np.mean([11 / 12, 10 / 12, 1]))
    assert repeats.accuracy.spread == pytest.approx(np.std([11 / 12, 10 / 12, 1], ddof=1))


@pytest.mark.parametrize(
    ("rows", "flattered", "honest", "words"),
    [
        (2, "bbbbjjjjrrrr", "bbbbjjjjbbbb", "the difference of 0.333 comes from rows of the same tracks"),
        (2, "bbbbjjjjbbbb", "bbbbjjjjrrrr", "no leak is visible"),
        (1, "bbbbjjjjrrrr", "bbbbjjjjbbbb", "nothing can leak"),
    ],
)
def test_the_leak_stands_beside_the_honest_figure(
    models: Path, rows: int, flattered: str, honest: str, words: str
) -> None:
    write_model(models / "a", tracks_of(honest, labels=LABELS, rows=rows))
    write_model(
        models / "a-segment", tracks_of(flattered, labels=LABELS, rows=rows), protocol="segment", leaky=True, seed=1
    )
    write_model(models / "b-segment", tracks_of(LABELS), protocol="segment", leaky=True, variant="adam-5")
    found = compared(models)
    (leak,) = found.leaks
    assert leak.gap == pytest.approx((8 / 12 - 1) * (-1 if flattered == LABELS else 1))
    assert words in str(leak)
    assert "LEAKY" in str(leak)
    page = found.report.read_text(encoding="utf-8")
    assert "LEAKY and honest accuracy compared" in page


def test_leaky_stands_on_every_heading_and_caption_of_a_leaky_section(models: Path) -> None:
    for name in "ab":
        write_model(models / name, tracks_of(LABELS), protocol="segment", leaky=True, variant=name)
    page = compared(models).report.read_text(encoding="utf-8")
    section = page[page.index('<section id="section-1">') : page.index('<section id="section-2">')]
    for tag in ("h2", "h3", "figcaption"):
        found = section.split(f"<{tag}>")[1:]
        assert found
        assert all(text.split(f"</{tag}>")[0].startswith("LEAKY") for text in found)


def test_hostile_names_change_nothing(models: Path, real_pictures: None) -> None:
    answers = {f"{k}/t{k}": (name, HOSTILE[(k + 1) % len(HOSTILE)]) for k, name in enumerate(HOSTILE)}
    write_model(models / "<b>$x_{ &amp;", answers, classes=HOSTILE)
    write_model(models / "b", answers, classes=HOSTILE, variant="<img src=x onerror=alert(1)>")
    found = compared(models)
    assert metrics_of(found)["models"][0]["classes"] == HOSTILE
    page = found.report.read_text(encoding="utf-8")
    assert "<script>alert" not in page
    assert "<img src=x" not in page
    for form in FORMATS:
        assert len(list((found.report.parent / "figures").glob(f"*.{form}"))) == 1 + 2 * 3
    table = pd.read_csv(found.report.parent / "predictions.csv", dtype=str, keep_default_na=False)
    assert table["label"].tolist() == 2 * HOSTILE


@pytest.mark.parametrize("epochs", [0, 1])
def test_models_without_learning_curves_have_a_report(models: Path, epochs: int) -> None:
    write_model(models / "forest", kind="baseline", epochs=epochs)
    found = compared(models)
    assert "no learning curve" in found.report.read_text(encoding="utf-8")
    assert [path.name for path in (found.report.parent / "figures").glob("learning*")] == []


def test_a_report_is_replaced_and_old_pictures_go(models: Path) -> None:
    write_model(models / "a")
    gone = write_model(models / "gone")
    report = compared(models).report.parent
    own = report / "figures" / "mine.png"
    own.touch()
    for file in gone.iterdir():
        file.unlink()
    gone.rmdir()
    compared(models)
    names = {path.name for path in (report / "figures").iterdir()}
    stems = ("accuracy-track-1", "confusion-a", "learning-a", "reliability-a")
    assert names == {"mine.png", *(f"{stem}.{form}" for stem in stems for form in FORMATS)}
    assert "gone" not in (report / "metrics.json").read_text(encoding="utf-8")
    assert ">gone<" not in (report / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("where", ["models/report", "models", "models/deep/er/report"])
def test_the_report_may_lie_among_the_models(models: Path, where: str) -> None:
    write_model(models / "a")
    for _ in range(2):
        found = compare(models, models.parent / where)
        assert [model.name for model in found.models] == ["a"]
        assert found.skipped == ()


def test_a_report_never_goes_into_a_model(models: Path) -> None:
    before = (write_model(models / "a") / "predictions.csv").read_bytes()
    with pytest.raises(ReportError, match="is the folder of a model"):
        compare(models, models / "a")
    assert (models / "a" / "predictions.csv").read_bytes() == before


def break_predictions(folder: Path, text: str) -> None:
    (folder / "predictions.csv").write_text(text)


HEADER = "item,track,label,predicted,p(blues),p(jazz),p(rock)\n"


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("card.json", "{", "is not JSON"),
        ("card.json", "[]", "must be an object"),
        ("history.csv", "a,b\n1,2\n", "no readable history.csv"),
        ("history.csv", "epoch,loss,accuracy,val_loss,val_accuracy\n1,x,1,1,1\n2,1,1,1,1\n", "no readable history.csv"),
        ("predictions.csv", "", "no readable predictions.csv"),
        ("predictions.csv", "\0\xff", "no readable predictions.csv"),
        ("model.tflite", "another model", "it is not the file that its card was written for"),
        ("predictions.csv", "item,track,label,predicted,p(jazz),p(blues),p(rock)\na,a,blues,blues,0,1,0\n", "order of"),
        ("predictions.csv", HEADER, "it has no row"),
        ("predictions.csv", HEADER + "a,a,blues,blues,x,0,0\n", "no readable predictions.csv"),
        ("predictions.csv", HEADER + "a,a,blues,blues,,0,0\n", "a probability is outside 0 to 1"),
        ("predictions.csv", HEADER + "a,a,blues,blues,1.5,0,0\n", "a probability is outside 0 to 1"),
        ("predictions.csv", HEADER + "a,a,pop,blues,1,0,0\n", "'pop' is none of the model's classes"),
        ("predictions.csv", HEADER + 2 * "a,a,blues,blues,1,0,0\n", "'a' is in it twice"),
        ("predictions.csv", HEADER + "a,t,blues,blues,1,0,0\nb,t,jazz,blues,1,0,0\n", "several labels"),
        ("predictions.csv", HEADER + "".join(f"{k},{k},jazz,blues,1,0,0\n" for k in range(4)), "contradicts itself"),
    ],
)
def test_a_broken_model_is_named_and_left_out(models: Path, name: str, text: str, reason: str) -> None:
    write_model(models / "good")
    (write_model(models / "broken") / name).write_text(text, encoding="latin-1")
    found = compared(models)
    assert [model.name for model in found.models] == ["good"]
    (sentence,) = found.broken
    assert "broken" in sentence
    assert reason in sentence
    assert reason.replace("'", "&#x27;") in found.report.read_text(encoding="utf-8")


def test_tied_votes_contradict_nothing(models: Path) -> None:
    answers = {f"jazz/{k}": ("jazz", "jazz", "blues") for k in range(9)} | tracks_of(LABELS)
    metrics = {"test": {"tracks": {"accuracy": {"value": 1.0}}}}
    result = read_result(write_model(models / "a", answers, card={"metrics": metrics}))
    assert result.scores.tracks.accuracy.value == pytest.approx(12 / 21)
    # Files of the current format have all digits, so that no vote turns.
    other = write_model(models / "b", answers, card={"metrics": metrics, "format_version": 2, "input": "features"})
    with pytest.raises(BundleError, match=r"a test accuracy of 0\.571 and card\.json says 1\.000"):
        read_result(other)


@pytest.mark.parametrize(
    "change",
    [
        {"protocol": {"name": 3, "leaky": False}},
        {"protocol": {"name": "track"}},
        {"seed": "0"},
        {"variant": None},
        {"training": []},
        {"calibration": {"temperature": 0}},
        {"calibration": 1.3},
    ],
)
def test_a_card_that_lacks_what_is_compared_is_named(models: Path, change: dict[str, object]) -> None:
    folder = write_model(models / "odd", card=change)
    with pytest.raises(BundleError, match=r"odd/card\.json is malformed: the field"):
        read_result(folder)


# Every field that a comparison uses.
FIELDS = st.sampled_from(
    [
        ("protocol", "name"), ("protocol", "leaky"), ("protocol", "description"), ("protocol", "fold"), ("protocol",),
        ("variant", "name"), ("variant",), ("seed",), ("training", "best_epoch"), ("training", "interrupted"),
        ("training",), ("training_data", "file"), ("training_data", "sha256"), ("training_data",), ("classes",),
        ("metrics", "test"), ("metrics", "test", "tracks"), ("metrics", "test", "tracks", "accuracy", "value"),
        ("metrics", "validation"), ("metrics",), ("calibration",), ("kind",), ("name",),
    ]
)  # fmt: skip
ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=3)
    | st.sampled_from(["\ud800", 2**70, -1]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["name", "tracks"]), inner, max_size=2),
    max_leaves=4,
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(field=FIELDS, value=ANYTHING)
def test_any_card_is_a_result_or_one_sentence(tmp_path: Path, field: tuple[str, ...], value: object) -> None:
    folder = tmp_path / "odd"
    if not folder.exists():
        write_model(folder, temperature=1.2)
        (folder / "kept").write_bytes((folder / "card.json").read_bytes())
    card = json.loads((folder / "kept").read_text(encoding="utf-8"))
    holder = card
    for name in field[:-1]:
        holder = holder[name]
    holder[field[-1]] = value
    (folder / "card.json").write_text(json.dumps(card), encoding="utf-8")
    sentence = ""
    try:
        result = read_result(folder)
    except BundleError as error:
        sentence = str(error)
    if sentence:
        assert len(sentence.splitlines()) == 1
        return
    names = result.name + result.data + result.description + result.fold + result.protocol
    assert names.encode("utf-8").decode("utf-8") == names
    assert 0 <= result.seed < 2**32


@pytest.mark.parametrize(
    "spoil",
    [
        lambda folder: change_card(folder, seed=-1),
        lambda folder: change_card(folder, seed=2**32),
        lambda folder: change_card(folder, seed=True),
        lambda folder: change_card(folder, metrics={"test": {"tracks": [1]}}),
        lambda folder: change_card(folder, variant={"name": ["x"]}),
        lambda folder: change_card(folder, training={"best_epoch": float("nan")}),
        lambda folder: change_card(folder, classes=[str(k) for k in range(1001)]),
        lambda folder: replace_by(folder / "history.csv", os.mkfifo),
        lambda folder: replace_by(folder / "predictions.csv", os.mkfifo),
        lambda folder: replace_by(folder / "card.json", os.mkdir),
        lambda folder: os.truncate(folder / "history.csv", 2**27 + 1),
        lambda folder: os.truncate(folder / "predictions.csv", 2**27 + 1),
    ],
)
def test_nothing_in_one_model_ends_the_comparison(models: Path, spoil: Callable[[Path], None]) -> None:
    write_model(models / "good")
    spoil(write_model(models / "spoilt"))
    found = compared(models)
    assert [model.name for model in found.models] == ["good"]
    (sentence,) = found.broken
    assert "spoilt" in sentence
    assert len(sentence.splitlines()) == 1


def test_what_nobody_thought_of_is_the_error_of_that_model(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def read(folder: Path) -> ModelResult:
        if folder.name == "odd":
            raise ZeroDivisionError("division by zero")
        return read_result(folder)

    for name in ("good", "odd"):
        write_model(models / name)
    monkeypatch.setattr("audio_genre.evaluation.comparison.read_result", read)
    found = compared(models)
    assert [model.name for model in found.models] == ["good"]
    assert found.broken == (
        f"{models / 'odd'} is left out, because its files cannot be interpreted (ZeroDivisionError); train the "
        "model again, and report this if audio-genre wrote it.",
    )


def test_a_long_learning_curve_is_thinned_and_the_page_says_so(models: Path) -> None:
    write_model(models / "long", epochs=20_000, card={"training": {"best_epoch": 12_345}})
    write_model(models / "short", epochs=1000)
    found = compared(models)
    long, short = (model.history for model in found.models)
    assert len(long) == 20_000
    kept = thinned(long)
    assert len(kept) == 1000
    assert kept["epoch"].iloc[[0, -1]].tolist() == [1, 20_000]
    assert set(np.diff(kept["epoch"])) == {20, 21}
    assert thinned(short) is short
    for chart in curve_charts([("long", long, 12_345)]):
        assert [len(series.x) for series in chart.series] == [1000, 1000, 1]
        assert chart.series[2].x == [12_345]
    page = found.report.read_text(encoding="utf-8")
    assert (
        page.count("Of 20000 epochs, 1000 at equal steps are drawn.") == 3
    )  # shown, read aloud, and under the picture


def change_card(folder: Path, **fields: object) -> None:
    card = json.loads((folder / "card.json").read_text(encoding="utf-8")) | fields
    (folder / "card.json").write_text(json.dumps(card), encoding="utf-8")


def replace_by(file: Path, make: Callable[[Path], None]) -> None:
    file.unlink()
    make(file)


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda models: None, "cannot be read: No such file"),
        (lambda models: models.mkdir(), "holds no model"),
        (lambda models: (models / "x").mkdir(parents=True), "holds no model"),
        (lambda models: models.write_text(""), "cannot be read: Not a directory"),
        (write_model, "is one model"),
        (lambda models: (write_model(models / "a") / "predictions.csv").unlink(), "No model in .* can be read: "),
    ],
)
def test_nothing_to_compare_is_one_sentence_and_exit_status_2(models: Path, make, sentence: str) -> None:
    make(models)
    with pytest.raises(BundleError, match=sentence):
        compared(models)
    result = run(models, models.parent / "report")
    assert result.exit_code == 2
    assert result.stdout == ""
    assert len([line for line in result.stderr.splitlines() if line.startswith("audio-genre: ")]) == 1
    assert not (models.parent / "report").exists()


def test_a_report_that_cannot_be_written_is_one_sentence(models: Path) -> None:
    write_model(models / "a")
    (models.parent / "report").write_text("")
    with pytest.raises(ReportError, match="cannot be made a folder"):
        compared(models)


def test_the_command_prints_tables_and_where_the_report_is(models: Path) -> None:
    write_model(models / "a", tracks_of(LABELS), interrupted=True)
    write_model(models / "b", tracks_of(LABELS), protocol="segment", leaky=True)
    (models / "empty").mkdir()
    result = run(models, models.parent / "report")
    assert result.exit_code == 0, result.output
    assert "Protocol track, seed 0: 12 test tracks" in result.stdout
    assert "LEAKY protocol segment, seed 0: 12 test tracks" in result.stdout
    assert "a (interrupted)" in result.stdout
    assert result.stdout.rstrip().endswith("report.html")
    assert "No model in empty." in result.stderr


def test_one_broken_model_is_exit_status_1_and_json_is_the_file(models: Path) -> None:
    write_model(models / "a")
    (write_model(models / "b") / "card.json").write_text("")
    result = run(models, models.parent / "report", "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout) == json.loads((models.parent / "report" / "metrics.json").read_text())
    assert "b/card.json is malformed" in result.stderr


def test_progress_ends_where_it_says(models: Path) -> None:
    for name in "abc":
        write_model(models / name, variant=name)
    seen: list[tuple[int, int, str]] = []
    compare(models, models.parent / "report", progress=lambda *step: seen.append(step))
    done = [step[0] for step in seen]
    assert done == sorted(done)
    assert seen[-1][0] == seen[-1][1] == 12


def test_ctrl_c_leaves_the_earlier_report_as_it_was(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_model(models / "a")
    report = compared(models).report.parent
    before = {path: path.read_bytes() for path in report.rglob("*") if path.is_file()}
    monkeypatch.setattr(
        "audio_genre.evaluation.comparison_report.drawn_from", lambda sketch: (_ for _ in ()).throw(KeyboardInterrupt)
    )
    result = run(models, report)
    assert result.exit_code == 130
    assert {path: path.read_bytes() for path in report.rglob("*") if path.is_file()} == before


def test_a_report_is_the_same_wherever_its_pictures_are_drawn(
    models: Path, real_pictures: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In this process, in others, and in this one where another one dies."""
    write_model(models / "a")
    found: list[dict[str, bytes]] = []
    pool = comparison_report.WorkerProcesses
    for cores, engine in ((1, pool), (2, pool), (2, Dying)):
        monkeypatch.setattr(comparison_report, "usable_cores", lambda cores=cores: cores)
        monkeypatch.setattr(comparison_report, "_PICTURES_PER_PROCESS", 2)
        monkeypatch.setattr(comparison_report, "WorkerProcesses", engine)
        report = models.parent / f"report{len(found)}"
        compare(models, report)
        found.append({str(path.relative_to(report)): path.read_bytes() for path in report.rglob("*.*")})
    assert sum(name.startswith("figures") for name in found[0]) == 4 * len(FORMATS)
    assert found[0] == found[1] == found[2]


class Dying:
    """An engine whose processes die of every other task."""

    def __init__(self, jobs: int) -> None:
        assert jobs == 2

    def run(self, tasks: Iterator[Any], work: Callable[[Any], Any]) -> Iterator[tuple[Any, Any]]:
        for number, task in enumerate(tasks):
            yield task, Lost("signal 9") if number % 2 else work(task)


# Off the edges of the bins, where rounding decides.
CONFIDENCES = st.integers(1, 999).filter(lambda k: k % 100).map(lambda k: k / 1000)


def of_answers(answers: Sequence[tuple[float, bool]]) -> Reliability:
    confidence, right = (np.array(column) for column in zip(*answers, strict=True))
    return reliability(confidence, right, confidence)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(CONFIDENCES, st.booleans()), min_size=1, max_size=60))
def test_bins_and_calibration_error_are_those_of_scikit_learn(answers: list[tuple[float, bool]]) -> None:
    found = of_answers(answers)
    confidence, right = (np.array(column) for column in zip(*answers, strict=True))
    # One answer more of each sort in an eleventh bin lets it count those that are all right or all wrong.
    shares, means = calibration_curve([*right, True, False], [*confidence, 1.05, 1.05] / np.float64(1.1), n_bins=11)
    counts = np.histogram(confidence, bins=10, range=(0, 1))[0]
    assert [each.count for each in found.bins] == counts[counts > 0].tolist()
    assert [each.accuracy.value for each in found.bins] == pytest.approx(shares[:-1])
    assert [each.confidence for each in found.bins] == pytest.approx(1.1 * means[:-1])
    assert all(each.low <= each.confidence <= each.high for each in found.bins)
    expected = np.sum(counts[counts > 0] * np.abs(shares - 1.1 * means)[:-1]) / len(answers)
    assert found.error.value == pytest.approx(expected)
    assert 0 <= found.error.low <= found.error.value <= found.error.high <= 1
    assert 0 <= found.by_chance.low <= found.by_chance.high <= 1
    assert all(0 <= each.accuracy.low <= each.accuracy.high <= 1 for each in found.bins)


@pytest.mark.parametrize(("count", "confidence"), [(20, 0.55), (200, 0.55), (200, 0.95)])
def test_the_error_by_chance_is_that_of_the_binomial_distribution(count: int, confidence: float) -> None:
    found = of_answers([(confidence, True)] * count)
    right = np.arange(count + 1)
    errors, weights = np.abs(right / count - confidence), binom.pmf(right, count, confidence)
    mean = np.sum(weights * errors)
    deviation = np.sqrt(np.sum(weights * errors**2) - mean**2)
    # Five standard errors of a mean of 1000.
    assert found.by_chance.value == pytest.approx(mean, abs=5 * deviation / np.sqrt(1000))
    assert np.sum(weights[errors > found.by_chance.high + 1e-9]) < 0.05


def test_the_interval_of_the_error_is_the_basic_one_of_scipy() -> None:
    rng = np.random.default_rng(1)
    confidence = rng.uniform(0.3, 1, 300)
    right = rng.random(300) < confidence - 0.2
    found = reliability(confidence, right, confidence)

    def error(confidence: np.ndarray, right: np.ndarray) -> float:
        return calibration_error(confidence, right)

    expected = bootstrap(
        (confidence, right), error, paired=True, vectorized=False, method="basic", n_resamples=1000, rng=rng
    ).confidence_interval
    assert [found.error.low, found.error.high] == pytest.approx([expected.low, expected.high], abs=0.01)


@pytest.mark.parametrize(("says", "is_off"), [(0.75, False), (0.95, True), (0.55, True)])
def test_an_error_beyond_chance_is_told_from_one_within(says: float, is_off: bool) -> None:
    assert of_answers([(says, k % 4 != 0) for k in range(200)]).beyond_chance is is_off


def test_perfect_confidences_are_not_called_off() -> None:
    rng = np.random.default_rng(0)
    off = 0
    for _ in range(40):
        confidence = rng.uniform(0.2, 1, 100)
        off += reliability(confidence, rng.random(100) < confidence, confidence).beyond_chance
    assert off <= 4


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.lists(st.integers(1, 1000), min_size=3, max_size=3), min_size=2, max_size=12),
    st.floats(0.01, 100),
)
def test_a_temperature_changes_confidences_and_no_answer(parts: list[list[int]], temperature: float) -> None:
    p = np.array(parts, dtype=np.float64)
    p /= p.sum(axis=1, keepdims=True)
    labels = [("a", "b", "c")[k // 2 % 3] for k in range(len(p))]
    tracks = [f"{label}/t{k // 2}" for k, label in enumerate(labels)]
    rows = pd.DataFrame({"item": range(len(p)), "track": tracks, "label": labels})
    rows = rows.assign(predicted="a", **{f"p({name})": p[:, k] for k, name in enumerate("abc")})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("audio_genre.evaluation.results.RESAMPLES", 10)
        patch.setattr("audio_genre.metrics.RESAMPLES", 10)
        raw, one, tempered = (
            measured([(rows, value)], classes=("a", "b", "c"), seed=0, **dict.fromkeys(FACTS, ""))
            for value in (None, 1.0, temperature)
        )
    # The results are in the order of the tracks, which are spelled with their label.
    votes = np.stack([p[np.array(tracks) == track].mean(axis=0) for track in sorted(set(tracks))])
    assert raw.confidence == pytest.approx(votes.max(axis=1))
    assert tempered.confidence == pytest.approx(apply_temperature(votes, temperature).max(axis=1))
    assert one.confidence.tolist() == raw.confidence.tolist()
    assert one.reliability == raw.reliability
    assert tempered.answers.tolist() == raw.answers.tolist()
    assert tempered.scores == raw.scores
    assert tempered.reliability.uncalibrated == raw.reliability.error.value == raw.reliability.uncalibrated


FACTS = (
    "name", "kind", "variant", "settings", "data", "data_sha256", "protocol", "description", "leaky", "fold",
    "interrupted", "best_epoch", "validation", "history",
)  # fmt: skip


def test_the_vote_is_tempered_not_its_rows(models: Path) -> None:
    model = read_result(write_model(models / "a", {"1": ("jazz", "jazz", "jazz", "blues")}, temperature=2.0))
    vote = np.sqrt([(0.8 + 0.8 + 0.1) / 3, (0.1 + 0.1 + 0.8) / 3, 0.1])
    assert model.confidence == pytest.approx(vote[0] / vote.sum())


def test_each_fold_has_its_own_temperature(models: Path) -> None:
    for fold, temperature in (("fold-1", 0.5), ("fold-2", None), ("fold-3", 2.0)):
        answers = tracks_of("bjrbjr", labels="bjrbjb", start=10 * int(fold[-1]))
        write_model(models / fold, answers, fold=fold, temperature=temperature, confidence=(0.55,))
    found = compared(models)
    pooled = found.sections[0].models[0]
    assert pooled.temperatures == (0.5, None, 2.0)
    assert not pooled.is_calibrated
    expected = [apply_temperature(np.array([[0.55, 0.225, 0.225]]), T).max() for T in (0.5, 1.0, 2.0)]
    got = {track[-2]: confidence for track, confidence in zip(pooled.tracks, pooled.confidence, strict=True)}
    assert [got[number] for number in "123"] == pytest.approx(expected)
    # Each fold has a bin of its own, and is right five times in six.
    assert pooled.reliability.error.value == pytest.approx(np.mean([abs(5 / 6 - value) for value in expected]))
    calibration = metrics_of(found)["models"][0]["calibration"]
    assert calibration["temperatures"] == [0.5, None, 2.0]
    assert calibration["ece"] == pooled.reliability.error.value
    assert calibration["ece_uncalibrated"] == pytest.approx(5 / 6 - 0.55)
    assert "Temperatures of the folds 0.50, none, 2.00; without them" in found.report.read_text("utf-8")


def test_a_track_in_several_folds_has_a_vote_of_each(models: Path) -> None:
    for fold, temperature in (("fold-1", 0.5), ("fold-2", 2.0)):
        answers = {f"{name}/t": (name, name) for name in ("blues", "jazz")}
        folder = write_model(models / fold, answers, protocol="segment", leaky=True, fold=fold, temperature=temperature)
        table = pd.read_csv(folder / "predictions.csv")
        table.assign(item=table["item"] + fold).to_csv(folder / "predictions.csv", index=False)
    pooled = next(model for section in compared(models).sections for model in section.models if model.pooled)
    expected = np.mean([apply_temperature(np.array([[0.8, 0.1, 0.1]]), T).max() for T in (0.5, 2.0)])
    assert pooled.confidence == pytest.approx([expected, expected])


@pytest.mark.parametrize("card", [None, {"calibration": None}])
def test_cards_without_a_temperature_count_as_not_calibrated(models: Path, card: dict[str, object] | None) -> None:
    write_model(models / "old", tracks_of(LABELS), card=card)
    write_model(models / "new", tracks_of(LABELS), variant="adam-5", validation=0.9, temperature=1.3)
    found = compared(models)
    new, old = metrics_of(found)["models"]
    assert (old["calibration"]["temperatures"], new["calibration"]["temperatures"]) == ([None], [1.3])
    assert old["calibration"]["ece"] == old["calibration"]["ece_uncalibrated"] == pytest.approx(0.2)
    assert new["calibration"]["ece_uncalibrated"] == pytest.approx(0.2)
    assert new["calibration"]["ece"] > 0.2
    page = found.report.read_text(encoding="utf-8")
    assert "† not calibrated" in page
    assert "Not calibrated: there is no temperature on the card." in page
    assert "Temperature 1.30; without it the error would be 0.200." in page


def test_the_page_says_whether_the_model_is_as_right_as_it_says(models: Path) -> None:
    answers = tracks_of("b" * 39 + "j", labels="b" * 40)
    write_model(models / "a", answers, confidence=(0.62, 0.66, 0.72, 0.68), validation=0.9)
    write_model(models / "b", answers, variant="adam-5", validation=0.1)
    found = compared(models)
    page = found.report.read_text(encoding="utf-8")
    assert page.count("<figcaption>Reliability of a, protocol track") == 1
    assert page.count("<figcaption>Reliability of b, protocol track") == 1
    assert (
        "Mean confidence 0.670, accuracy 0.975. In the largest bin, confidence 0.6 to 0.7 with 30 of 40 test tracks, "
        "the mean confidence is 0.653 and the accuracy 0.967. Expected calibration error"
    ) in page
    assert "the confidences are miscalibrated" in page
    bins = metrics_of(found)["models"][0]["calibration"]["bins"]
    assert [(each["from"], each["to"], each["n_test"]) for each in bins] == [(0.6, 0.7, 30), (0.7, 0.8, 10)]
    wrong = pd.read_csv(found.report.parent / "wrong_by_all.csv")
    assert wrong["confidence"].tolist() == [0.68, 0.8]


def test_the_headline_is_chosen_by_validation_among_honest_models(models: Path) -> None:
    write_model(models / "lucky", tracks_of(LABELS), validation=0.1, variant="sgd-5")
    write_model(models / "forest", tracks_of("bbbbjjjjrrbb", labels=LABELS), validation=0.7, kind="baseline")
    write_model(models / "alone", tracks_of(LABELS), validation=0.9, protocol="artist")
    write_model(models / "leaky", tracks_of(LABELS), validation=1.0, protocol="segment", leaky=True)
    found = compared(models)
    section, model = found.best()
    assert (section.models[0].protocol, model.name) == ("track", "forest")
    accuracy = model.scores.tracks.accuracy
    sentence = (
        f"Best honest model: forest, accuracy 0.833 [{accuracy.low:.3f}, {accuracy.high:.3f}] on 12 test tracks; "
    )
    assert found.headline() == f"{sentence}majority baseline 0.333."
    page = found.report.read_text(encoding="utf-8")
    assert found.headline() in page
    assert "<dd>0.833</dd>" in page
    assert metrics_of(found)["headline"] == found.headline()
    assert run(models, models.parent / "report").stdout.startswith(found.headline())


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"protocol": "segment", "leaky": True}, "every model was tested under a LEAKY"),
        ({"validation": None}, "unknown"),
    ],
)
def test_without_an_honest_best_model_the_headline_says_why(models: Path, settings: dict, words: str) -> None:
    write_model(models / "a", tracks_of(LABELS), **settings)
    found = compared(models)
    assert found.best() is None
    assert words in found.headline()
    assert "<dd>" not in found.report.read_text(encoding="utf-8")


def test_the_best_model_is_open_and_no_other(models: Path) -> None:
    write_model(models / "a", tracks_of(LABELS), validation=0.6)
    write_model(models / "b", tracks_of(LABELS), validation=0.7, variant="adam-5")
    page = compared(models).report.read_text(encoding="utf-8")
    opened = page.split("<details open>")[1:]
    assert [text.split("<h3>")[1].split(",")[0] for text in opened] == ["b"]
    assert "Confusion matrix of b" in opened[0]
    assert "per cent of each row" in opened[0]


def test_models_of_one_class_make_no_track_hard(models: Path) -> None:
    write_model(models / "a", tracks_of("jbbbjjjjrrrr", labels=LABELS))
    write_model(models / "b", tracks_of("jbbbjjjjrrrj", labels=LABELS), variant="adam-5")
    # It is right on the only track that the two get wrong.
    write_model(models / "majority", tracks_of("b" * 12, labels=LABELS), kind="baseline", variant="majority")
    found = compared(models)
    (section,) = found.sections
    assert section.majority_baseline == pytest.approx(1 / 3)
    assert section.wrong_by_all().tolist() == [0]
    assert "Test tracks that both models get wrong: 1 of 12" in found.report.read_text(encoding="utf-8")
    assert set(pd.read_csv(found.report.parent / "wrong_by_all.csv")["model"]) == {"a", "b"}


def test_accuracy_is_the_first_column_and_the_frame_has_the_same_figures(models: Path) -> None:
    write_model(models / "a", tracks_of("jbbbjjjjrrrr", labels=LABELS), seed=3)
    for fold in ("fold-1", "fold-2"):
        write_model(models / fold, tracks_of("bjr", start=10 * int(fold[-1])), fold=fold, protocol="artist")
    found = compared(models)
    page = found.report.read_text(encoding="utf-8")
    assert '<th scope="col">model</th><th scope="col">test accuracy, 95 % interval</th>' in page
    frame = found.to_frame().set_index("name")
    assert frame.index.tolist() == [model["name"] for model in metrics_of(found)["models"]]
    row, interval = frame.loc["a"], found.models[0].scores.tracks.accuracy
    assert [row["accuracy"], row["accuracy_low"], row["accuracy_high"]] == [interval.value, interval.low, interval.high]
    assert (row["protocol"], row["leaky"], row["seed"], row["n_test"], row["fold"]) == ("track", False, 3, 12, "")
    assert frame.loc["fold-2", "fold"] == "fold-2"


def test_plotly_lies_once_beside_the_page(models: Path) -> None:
    write_model(models / "a")
    report = compared(models).report
    assert len(report.read_bytes()) < 100_000
    assert report.with_name("plotly.min.js").stat().st_size > 1_000_000
    assert '<script src="plotly.min.js"></script>' in report.read_text(encoding="utf-8")
    stills = re.findall(r'class="still" loading="lazy" src="([^"]+)"', report.read_text(encoding="utf-8"))
    assert len(stills) == 3
    assert all((report.parent / still).is_file() for still in stills)
