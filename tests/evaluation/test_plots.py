from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from model_folders import tracks_of, write_model
from PIL import Image

from audio_genre.errors import BundleError, ReportError
from audio_genre.evaluation.plots import (
    accuracy_figure,
    accuracy_picture,
    confusion_figure,
    confusion_matrix,
    confusion_picture,
    curves_picture,
    learning_curves,
    png,
    reliability_figure,
    reliability_picture,
    write_learning_curves,
)
from audio_genre.evaluation.results import read_result


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
    figure = learning_curves([bundle])
    by_name = {trace.name: trace for trace in figure.data[:3]}
    assert list(by_name["adam-4, validation"].y) == pytest.approx([2.1, 1.05, 0.7])
    assert list(by_name["adam-4, training"].y) == pytest.approx([2.0, 1.0, 2 / 3])
    assert list(by_name["adam-4, kept"].x) == [2]


def test_many_curves_differ_in_colour_or_line(bundle: Path) -> None:
    lines = [trace.line for trace in learning_curves([bundle] * 25).data if trace.name.endswith("validation")]
    assert len({(line.color, line.dash) for line in lines}) == 25


def test_the_page_works_offline_and_appears_whole(bundle: Path) -> None:
    page = bundle.parent / "curves.html"
    write_learning_curves([bundle, bundle], page)
    html = page.read_text(encoding="utf-8")
    assert "<script src=" not in html
    assert html.rstrip().endswith("</html>")
    assert [path.name for path in bundle.parent.iterdir() if path.name.startswith(".")] == []


def test_models_that_are_not_trained_in_epochs_have_no_curve(tmp_path: Path) -> None:
    forest = write_model(tmp_path / "forest", kind="baseline", epochs=1)
    assert learning_curves([forest]).data == ()
    assert curves_picture(read_result(forest)) is None
    write_learning_curves([forest], tmp_path / "curves.html")
    assert "Nothing to draw" in (tmp_path / "curves.html").read_text(encoding="utf-8")


def test_confusion_counts_votes_of_tracks(bundle: Path) -> None:
    axes = confusion_matrix(bundle).axes[0]
    assert axes.get_title() == "adam-4: 2 of 3 test tracks right (0.667)\nprotocol: track"
    assert [text.get_text() for text in axes.texts] == ["1", "1", "0", "1"]
    assert [list(row) for row in confusion_figure(read_result(bundle)).data[0].z] == [[1, 1], [0, 1]]


@pytest.mark.parametrize(
    ("missing", "draw"),
    [
        ("card.json", confusion_matrix),
        ("predictions.csv", confusion_matrix),
        ("history.csv", lambda folder: learning_curves([folder])),
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
        confusion_picture,
        curves_picture,
        reliability_picture,
        lambda model: accuracy_picture([model], "$title_{"),
    ):
        assert png(draw(model)).startswith(b"\x89PNG")
    assert [tick.get_text() for tick in confusion_picture(model).axes[0].get_xticklabels()] == [
        name.replace("$", r"\$") for name in classes
    ]


def test_genres_that_are_alike_when_shortened_stay_apart(tmp_path: Path) -> None:
    classes = ["a" * 40 + "x" + "b" * 40, "a" * 40 + "y" + "b" * 40]
    model = read_result(write_model(tmp_path / "m", {"1": (classes[0],) * 2, "2": (classes[1],) * 2}, classes=classes))
    heatmap = confusion_figure(model).data[0]
    assert [list(row) for row in heatmap.z] == [[1, 0], [0, 1]]
    assert len(set(heatmap.x)) == 2


def test_a_hundred_genres_fit(tmp_path: Path) -> None:
    classes = [f"genre {k}" for k in range(100)]
    answers = {str(k): (name, name) for k, name in enumerate(classes)}
    model = read_result(write_model(tmp_path / "m", answers, classes=classes))
    drawn = confusion_picture(model)
    assert len(drawn.axes[0].texts) == 0
    assert max(drawn.get_size_inches()) <= 21
    assert png(drawn).startswith(b"\x89PNG")


def test_labels_are_not_cut_off(tmp_path: Path) -> None:
    classes = [f"{letter}{'m' * 30}" for letter in "abcdefghij"]
    answers = {str(k): (name, name) for k, name in enumerate(classes)}
    model = read_result(write_model(tmp_path / ("n" * 80), answers, classes=classes))
    draw_all = (
        confusion_picture,
        curves_picture,
        reliability_picture,
        lambda model: accuracy_picture([model], "t" * 70),
    )
    for drawn in (draw(model) for draw in draw_all):
        pixels = np.asarray(Image.open(io.BytesIO(png(drawn))).convert("L"))
        # What is cut off reaches the border.
        assert min(edge.min() for edge in (pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1])) == 255
        assert pixels.min() < 100


def test_accuracies_stand_with_their_intervals_a_kind_a_colour(tmp_path: Path) -> None:
    models = [
        read_result(write_model(tmp_path / kind, tracks_of("bbjjrb", labels="bbjjrr"), kind=kind))
        for kind in ("tabular", "cnn", "baseline", "else")
    ]
    traces = accuracy_figure(models).data
    assert len({trace.marker.color for trace in traces}) == len({trace.marker.symbol for trace in traces}) == 4
    accuracy = models[0].scores.tracks.accuracy
    assert traces[0].x[0] + traces[0].error_x.array[0] == pytest.approx(accuracy.high)
    assert traces[0].x[0] - traces[0].error_x.arrayminus[0] == pytest.approx(accuracy.low)


def test_reliability_stands_at_confidence_and_accuracy_with_the_number_of_tracks(tmp_path: Path) -> None:
    # The three confidences in turn: the first third of a tenth is right once in four, the others always.
    answers = tracks_of("jbbjbbjbbbbb", labels="b" * 12)
    model = read_result(write_model(tmp_path / "m", answers, confidence=(0.55, 0.72, 0.78)))
    _, points, counts = reliability_figure(model).data
    assert list(points.x) == pytest.approx([0.55, 0.75])
    assert list(points.y) == pytest.approx([0.25, 1.0])
    assert list(zip(counts.x, counts.text, strict=True)) == [(pytest.approx(0.55), "4"), (pytest.approx(0.75), "8")]
    # Intervals of Wilson for 1 of 4 and 8 of 8, by the formula.
    assert points.y[0] - points.error_y.arrayminus[0] == pytest.approx(0.0456, abs=1e-4)
    assert points.y[0] + points.error_y.array[0] == pytest.approx(0.6994, abs=1e-4)
    assert points.y[1] - points.error_y.arrayminus[1] == pytest.approx(8 / (8 + 1.959964**2), abs=1e-4)
    assert points.error_y.array[1] == 0

    axes = reliability_picture(model).axes[0]
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
        learning_curves([bundle])


def test_a_page_that_cannot_be_written_is_one_sentence_and_leaves_nothing(bundle: Path) -> None:
    page = bundle.parent / "curves.html"
    page.mkdir()
    with pytest.raises(ReportError, match=r"curves\.html cannot be written: Is a directory"):
        write_learning_curves([bundle], page)
    assert sorted(path.name for path in bundle.parent.iterdir()) == ["adam-4", "curves.html"]
