from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from model_folders import tracks_of, write_model
from PIL import Image

from audio_genre.errors import BundleError, ReportError
from audio_genre.evaluation.charts import plotly_json, rendered
from audio_genre.evaluation.plots import (
    accuracy_chart,
    accuracy_sketch,
    confusion_charts,
    confusion_matrix,
    confusion_sketch,
    curve_charts,
    curves_sketch,
    reliability_chart,
    reliability_sketch,
    write_learning_curves,
)
from audio_genre.evaluation.results import read_result


def png(drawn) -> bytes:
    return rendered(drawn, ("png",))["png"]


def curve_of(bundle: Path, name: str = ""):
    model = read_result(bundle)
    return name or model.name, model.history, model.best_epoch


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    # The rows of track b disagree; most of them say jazz.
    answers = {
        "blues/a": ("blues", "blues"),
        "blues/b": ("blues", "blues", "jazz", "jazz"),
        "jazz/c": ("jazz", "jazz"),
    }
    return write_model(tmp_path / "adam-4", answers, classes=("blues", "jazz"))


def test_curves_show_training_and_validation_and_the_kept_epoch(bundle: Path) -> None:
    loss, accuracy = curve_charts([curve_of(bundle)])
    series = {each.name: each for each in loss.series}
    assert series["validation"].y == pytest.approx([2.1, 1.05, 0.7])
    assert series["training"].y == pytest.approx([2.0, 1.0, 2 / 3])
    assert (series["kept"].x, series["kept"].y) == ([2], pytest.approx([1.05]))
    assert (loss.y.title, accuracy.y.title, loss.x.title) == ("loss", "accuracy", "epoch")


def test_many_curves_differ_in_colour_or_line(bundle: Path) -> None:
    chart, _ = curve_charts([curve_of(bundle, str(k)) for k in range(25)])
    lines = [trace["line"] for trace in plotly_json(chart)["data"] if trace["name"]]
    assert len({(line["color"], line["dash"]) for line in lines}) == 25
    assert "dot" not in {line["dash"] for line in lines}


def test_the_page_works_offline_and_appears_whole(bundle: Path) -> None:
    page = bundle.parent / "curves.html"
    write_learning_curves([bundle, bundle], page)
    html = page.read_text(encoding="utf-8")
    assert '<script src="plotly.min.js"></script>' in html
    assert 'src="data:image/png;base64,' in html
    assert html.rstrip().endswith("</html>")
    assert sorted(path.name for path in bundle.parent.iterdir()) == ["adam-4", "curves.html", "plotly.min.js"]


def test_models_that_are_not_trained_in_epochs_have_no_curve(tmp_path: Path) -> None:
    forest = write_model(tmp_path / "forest", kind="baseline", epochs=1)
    assert curves_sketch(read_result(forest)) is None
    write_learning_curves([forest], tmp_path / "curves.html")
    assert "No learning curves" in (tmp_path / "curves.html").read_text(encoding="utf-8")


def test_confusion_counts_votes_of_tracks(bundle: Path) -> None:
    drawn = confusion_matrix(bundle)
    assert drawn.get_suptitle() == "adam-4: accuracy 0.667, 2 of 3 test tracks\nprotocol: track"
    counts, shares = ([text.get_text() for text in axes.texts] for axes in drawn.axes)
    assert (counts, shares) == (["1", "1", "0", "1"], ["50", "50", "0", "100"])
    for chart, expected in zip(
        confusion_charts(read_result(bundle)), ([[1, 1], [0, 1]], [[50, 50], [0, 100]]), strict=True
    ):
        assert plotly_json(chart)["data"][0]["z"] == expected


def test_a_class_without_test_tracks_has_no_per_cent(tmp_path: Path) -> None:
    model = read_result(write_model(tmp_path / "m", {"1": ("blues", "blues"), "2": ("jazz", "blues")}))
    _, shares = confusion_charts(model)
    heatmap, words = plotly_json(shares)["data"]
    assert heatmap["z"][2] == [None] * 3
    assert words["text"] == ["100", "0", "0", "100", "0", "0"]
    png(confusion_sketch(model)())


@pytest.mark.parametrize(
    ("missing", "draw"),
    [
        ("card.json", confusion_matrix),
        ("predictions.csv", confusion_matrix),
        ("history.csv", lambda folder: write_learning_curves([folder], folder.parent / "curves.html")),
    ],
)
def test_what_is_missing_is_named(bundle: Path, missing: str, draw) -> None:
    (bundle / missing).unlink()
    with pytest.raises(BundleError, match=rf"adam-4.* {missing}"):
        draw(bundle)


@pytest.mark.parametrize(
    "classes", [["NA", "rock"], ["1980", "1990"], ["None", "nan"], ["$a$b", "$_{"], ["音楽", "🎵"]]
)
def test_genres_may_have_any_name(tmp_path: Path, classes: list[str]) -> None:
    first, second = classes
    model = read_result(write_model(tmp_path / "$m_{", {"1": (first, first), "2": (second, second)}, classes=classes))
    for draw in (
        confusion_sketch,
        curves_sketch,
        reliability_sketch,
        lambda model: accuracy_sketch([model], "$title_{"),
    ):
        assert png(draw(model)()).startswith(b"\x89PNG")
    assert [tick.get_text() for tick in confusion_sketch(model)().axes[0].get_xticklabels()] == [
        name.replace("$", r"\$") for name in classes
    ]


def test_genres_that_are_alike_when_shortened_stay_apart(tmp_path: Path) -> None:
    classes = ["a" * 40 + "x" + "b" * 40, "a" * 40 + "y" + "b" * 40]
    model = read_result(write_model(tmp_path / "m", {"1": (classes[0],) * 2, "2": (classes[1],) * 2}, classes=classes))
    heatmap = plotly_json(confusion_charts(model)[0])["data"][0]
    assert heatmap["z"] == [[1, 0], [0, 1]]
    assert len(set(heatmap["x"])) == 2


def test_a_hundred_genres_fit(tmp_path: Path) -> None:
    classes = [f"genre {k}" for k in range(100)]
    answers = {str(k): (name, name) for k, name in enumerate(classes)}
    model = read_result(write_model(tmp_path / "m", answers, classes=classes))
    drawn = confusion_sketch(model)()
    assert len(drawn.axes[0].texts) == 0
    assert max(drawn.get_size_inches()) <= 23
    assert png(drawn).startswith(b"\x89PNG")


def test_labels_are_not_cut_off(tmp_path: Path) -> None:
    classes = [f"{letter}{'m' * 30}" for letter in "abcdefghij"]
    answers = {str(k): (name, name) for k, name in enumerate(classes)}
    model = read_result(write_model(tmp_path / ("n" * 80), answers, classes=classes))
    draw_all = (
        confusion_sketch,
        curves_sketch,
        reliability_sketch,
        lambda model: accuracy_sketch([model], "t" * 70),
    )
    for drawn in (draw(model)() for draw in draw_all):
        pixels = np.asarray(Image.open(io.BytesIO(png(drawn))).convert("L"))
        # What is cut off reaches the border.
        assert min(edge.min() for edge in (pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1])) == 255
        assert pixels.min() < 100


def test_accuracies_stand_with_their_intervals_a_kind_a_colour(tmp_path: Path) -> None:
    models = [
        read_result(write_model(tmp_path / kind, tracks_of("bbjjrb", labels="bbjjrr"), kind=kind))
        for kind in ("tabular", "cnn", "baseline", "else")
    ]
    chart = accuracy_chart(models, "title", 1 / 3)
    traces = plotly_json(chart)["data"]
    assert len({trace["marker"]["color"] for trace in traces}) == 4
    assert len({trace["marker"]["symbol"] for trace in traces}) == 4
    accuracy = models[0].scores.tracks.accuracy
    assert traces[0]["x"][0] + traces[0]["error_x"]["array"][0] == pytest.approx(accuracy.high)
    assert traces[0]["x"][0] - traces[0]["error_x"]["arrayminus"][0] == pytest.approx(accuracy.low)
    (line,) = plotly_json(chart)["layout"]["shapes"]
    assert (line["x0"], line["x1"], line["name"]) == (1 / 3, 1 / 3, "majority baseline (0.333)")
    drawn = accuracy_sketch(models, "title", 1 / 3)().axes[0]
    assert any(list(line.get_xdata()) == [1 / 3, 1 / 3] for line in drawn.lines)


def test_reliability_stands_at_confidence_and_accuracy_with_the_number_of_tracks(tmp_path: Path) -> None:
    # The three confidences in turn: the first third of a tenth is right once in four, the others always.
    answers = tracks_of("jbbjbbjbbbbb", labels="b" * 12)
    model = read_result(write_model(tmp_path / "m", answers, confidence=(0.55, 0.72, 0.78)))
    points, counts = reliability_chart(model).series
    below, above = points.arms
    assert points.x == pytest.approx([0.55, 0.75])
    assert points.y == pytest.approx([0.25, 1.0])
    assert list(zip(counts.x, counts.texts, strict=True)) == [(pytest.approx(0.55), "4"), (pytest.approx(0.75), "8")]
    # Intervals of Wilson for 1 of 4 and 8 of 8, by the formula.
    assert points.y[0] - below[0] == pytest.approx(0.0456, abs=1e-4)
    assert points.y[0] + above[0] == pytest.approx(0.6994, abs=1e-4)
    assert points.y[1] - below[1] == pytest.approx(8 / (8 + 1.959964**2), abs=1e-4)
    assert above[1] == 0

    axes = reliability_sketch(model)().axes[0]
    drawn = {text.get_text(): text.xy[0] for text in axes.texts}
    assert drawn["4"] == pytest.approx(0.55)
    assert drawn["8"] == pytest.approx(0.75)
    # (4 |0.25 - 0.55| + 8 |1 - 0.75|) / 12
    assert axes.get_title().startswith("m\ncalibration error 0.267 [")
    assert "(not calibrated)" in axes.get_title()


@pytest.mark.parametrize(("name", "text"), [("card.json", "{}"), ("card.json", "[]"), ("history.csv", "a,b\n1,2\n")])
def test_what_is_malformed_is_named(bundle: Path, name: str, text: str) -> None:
    (bundle / name).write_text(text)
    with pytest.raises(BundleError, match=name):
        write_learning_curves([bundle], bundle.parent / "curves.html")


def test_a_page_that_cannot_be_written_is_one_sentence_and_leaves_nothing(bundle: Path) -> None:
    page = bundle.parent / "curves.html"
    page.mkdir()
    with pytest.raises(ReportError, match=r"curves\.html cannot be written: Is a directory"):
        write_learning_curves([bundle], page)
    assert sorted(path.name for path in bundle.parent.iterdir()) == ["adam-4", "curves.html"]
