from __future__ import annotations

import json
from pathlib import Path

import pytest

from audio_genre.errors import BundleError
from audio_genre.evaluation.plots import confusion_matrix, learning_curves, write_learning_curves


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    folder = tmp_path / "adam-4"
    folder.mkdir()
    card = {
        "name": "adam-4",
        "classes": ["blues", "jazz"],
        "protocol": {"name": "track", "leaky": False},
        "training": {"best_epoch": 2},
    }
    (folder / "card.json").write_text(json.dumps(card))
    (folder / "history.csv").write_text(
        "epoch,loss,accuracy,val_loss,val_accuracy,seconds\n1,2.0,0.5,2.1,0.4,0.1\n2,1.0,0.7,1.5,0.6,0.1\n"
    )
    # The two rows of track b disagree; their mean says jazz.
    (folder / "predictions.csv").write_text(
        "item,track,label,predicted,p(blues),p(jazz)\n"
        "a.0.wav,blues/a,blues,blues,0.9,0.1\n"
        "b.0.wav,blues/b,blues,blues,0.6,0.4\nb.1.wav,blues/b,blues,jazz,0.1,0.9\n"
        "c.0.wav,jazz/c,jazz,jazz,0.2,0.8\n"
    )
    return folder


def test_curves_show_training_and_validation_and_the_kept_epoch(bundle: Path) -> None:
    figure = learning_curves([bundle])
    by_name = {trace.name: trace for trace in figure.data[:3]}
    assert list(by_name["adam-4, validation"].y) == [2.1, 1.5]
    assert list(by_name["adam-4, training"].y) == [2.0, 1.0]
    assert list(by_name["adam-4, kept"].x) == [2]


def test_the_page_works_offline_and_appears_whole(bundle: Path) -> None:
    page = bundle.parent / "curves.html"
    write_learning_curves([bundle, bundle], page)
    html = page.read_text(encoding="utf-8")
    assert "<script src=" not in html
    assert html.rstrip().endswith("</html>")
    assert [path.name for path in bundle.parent.iterdir() if path.name.startswith(".")] == []


def test_confusion_counts_votes_of_tracks(bundle: Path) -> None:
    axes = confusion_matrix(bundle).axes[0]
    assert axes.get_title() == "adam-4: 2 of 3 test tracks right (0.67)\nprotocol: track"
    assert [text.get_text() for text in axes.texts] == ["1", "1", "0", "1"]


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
    with pytest.raises(BundleError, match=rf"adam-4 has no readable {missing}"):
        draw(bundle)


@pytest.mark.parametrize("classes", [["NA", "rock"], ["1980", "1990"], ["None", "nan"]])
def test_genres_may_have_any_name(bundle: Path, classes: list[str]) -> None:
    card = json.loads((bundle / "card.json").read_text())
    (bundle / "card.json").write_text(json.dumps(card | {"classes": classes}))
    first, second = classes
    (bundle / "predictions.csv").write_text(
        f"item,track,label,predicted,p({first}),p({second})\n"
        f"a.wav,1,{first},{first},0.9,0.1\nb.wav,2,{second},{second},0.2,0.8\n"
    )
    assert confusion_matrix(bundle).axes[0].get_title().startswith("adam-4: 2 of 2")


@pytest.mark.parametrize(("name", "text"), [("card.json", "{}"), ("card.json", "[]"), ("history.csv", "a,b\n1,2\n")])
def test_what_is_malformed_is_named(bundle: Path, name: str, text: str) -> None:
    (bundle / name).write_text(text)
    with pytest.raises(BundleError, match=f"no readable {name}"):
        learning_curves([bundle])


def test_a_page_that_cannot_be_written_is_one_sentence_and_leaves_nothing(bundle: Path) -> None:
    page = bundle.parent / "curves.html"
    page.mkdir()
    with pytest.raises(BundleError, match=r"curves\.html cannot be written: Is a directory"):
        write_learning_curves([bundle], page)
    assert sorted(path.name for path in bundle.parent.iterdir()) == ["adam-4", "curves.html"]
