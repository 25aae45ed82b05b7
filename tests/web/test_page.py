"""The page in a real browser, as a person uses it."""

from __future__ import annotations

import csv
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from model_folders import write_model
from web_page import CHROMIUM, Visit, drop, served

from audio_genre import Classifier
from audio_genre.dsp.overview import mel_overview
from audio_genre.inference.default import default_model
from audio_genre.synthetic import music as synthesis

pytest.importorskip("uvicorn", reason="the extra web is not installed")
playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

pytestmark = pytest.mark.skipif(not CHROMIUM.exists(), reason=f"there is no browser at {CHROMIUM}")

WIDTHS = (360, 768, 1280)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clips")
    (path,) = synthesis.write_dataset(folder, tracks_per_style=1, seconds=45, styles=synthesis.STYLES[:1])
    # Shown as it is, and no element.
    return path.rename(folder / "a <b>song.wav")


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    models = tmp_path_factory.mktemp("models")
    write_model(models / "leaky-one", protocol="segment", leaky=True)
    shutil.copytree(default_model(), models / "mine")
    with served("--models", models, "--max-mb", 8) as address:
        yield address


@pytest.fixture
def visit(browser: Any, address: str, request: pytest.FixtureRequest) -> Iterator[Visit]:
    visit = Visit(browser, address, getattr(request, "param", 1280))
    yield visit
    visit.context.close()


@pytest.mark.parametrize("visit", WIDTHS, indirect=True)
def test_a_dropped_file_is_answered(visit: Visit, clip: Path) -> None:
    page, line = visit.page, Classifier().timeline(clip)
    drop(page, clip)
    card = page.locator(".card[aria-busy=false]")
    card.wait_for()
    assert card.locator("h2").inner_text() == "a <b>song.wav"
    answer = line.answer
    told = "unknown" if answer.reason else f"{answer.genre} {100 * answer.confidence:.1f} %"
    assert card.locator(".answer").inner_text() == told
    rows = [row.locator("th, td.number").all_inner_texts() for row in card.locator(".bars tbody tr").all()]
    assert rows == [[genre, f"{100 * p:.1f} %"] for genre, p in answer.top(len(answer.probabilities))]
    assert "accuracy 0.740 [0.675, 0.800] of 200 test tracks, protocol track" in card.inner_text()
    card.locator("summary").click()
    assert card.locator("details tbody tr").count() == len(line.points)
    # The spectrogram is as wide as the strip, and the marker spans both.
    levels = mel_overview(clip, 45)
    drawing, strip = card.locator("canvas"), card.locator(".strip ol")
    assert [drawing.get_attribute(name) for name in ("height", "width")] == [str(size) for size in levels.shape]
    boxes = [each.bounding_box() for each in (drawing, strip, card.locator(".head"))]
    assert boxes[0]["width"] == pytest.approx(boxes[1]["width"], abs=1)
    assert boxes[2]["y"] <= boxes[0]["y"] + 1
    assert boxes[2]["y"] + boxes[2]["height"] >= boxes[1]["y"] + 36
    pixel = "(c) => [...c.getContext('2d').getImageData(0, c.height - 1, 1, 1).data]"
    assert drawing.evaluate(pixel)[3] == 255
    visit.check()


def test_the_position_moves_along_the_strip(visit: Visit, clip: Path) -> None:
    page = visit.page
    page.set_input_files("#files", str(clip))
    page.locator(".card[aria-busy=false]").wait_for()
    assert page.locator(".now").inner_text().startswith("At 0:00 of 0:45: ")
    page.evaluate("document.querySelector('audio').muted = true")
    page.evaluate("document.querySelector('audio').play()")
    playwright.expect(page.locator(".now")).to_have_text(re.compile("^At 0:01 of"))
    page.evaluate("document.querySelector('audio').pause()")
    page.locator(".strip").click(position={"x": page.locator(".strip").bounding_box()["width"] * 2 / 3, "y": 12})
    playwright.expect(page.locator(".now")).to_have_text(re.compile("^At 0:(29|30) of"))
    left = page.evaluate("parseFloat(document.querySelector('.head').style.left)")
    assert left == pytest.approx(66.7, abs=1)
    visit.check()


def test_several_files_of_which_some_fail(visit: Visit, clip: Path, tmp_path: Path) -> None:
    page = visit.page
    notes, large = tmp_path / "notes.mp3", tmp_path / "large.wav"
    notes.write_bytes(b"no audio" * 99)
    large.write_bytes(bytes(9 * 2**20))
    page.set_input_files("#files", [str(notes), str(clip), str(large)])
    playwright.expect(page.locator("#progress")).to_have_text("3 of 3 done, 2 failed", timeout=20000)
    assert page.locator(".error").all_inner_texts() == [
        "Failed: notes.mp3 holds no MPEG audio.",
        "Failed: large.wav is larger than the 8 MB that this server takes; start it with --max-mb.",
    ]
    with page.expect_download() as saved:
        page.click("#csv")
    rows = list(csv.DictReader(Path(saved.value.path()).read_text().splitlines()))
    assert [row["path"] for row in rows] == ["notes.mp3", "a <b>song.wav", "large.wav"]
    answer = Classifier().classify(clip)
    assert float(rows[1]["confidence"]) == pytest.approx(answer.confidence)
    assert float(rows[1][f"p({answer.top(1)[0][0]})"]) == pytest.approx(answer.confidence)
    visit.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.click("#copy")
    playwright.expect(page.locator("#progress")).to_have_text("3 of 3 done, 2 failed; copied")
    copied = json.loads(page.evaluate("navigator.clipboard.readText()"))
    assert [each["path"] for each in copied] == [row["path"] for row in rows]
    page.click("#clear")
    assert page.locator(".card").count() == 0


@pytest.mark.parametrize("visit", WIDTHS, indirect=True)
def test_models_by_protocol_with_their_confusion_matrix(visit: Visit) -> None:
    page = visit.page
    page.click("nav a[href='#models']")
    page.get_by_role("heading", name="Protocol segment (leaky: expect less for new tracks)").wait_for()
    row = page.get_by_role("row").filter(has_text="comes with the package")
    assert "0.740 [0.675, 0.800]" in row.inner_text()
    page.locator("summary", has_text="mine").click()
    page.get_by_text("scored anew from its predictions").wait_for()
    # Every epoch that the network was trained for.
    epochs = (default_model() / "history.csv").read_text().splitlines()[1:]
    assert page.locator(".curves").count() == 2
    page.get_by_text("Numbers of the learning curves").click()
    rows = page.locator(".tall tbody tr")
    assert rows.count() == len(epochs)
    loss, accuracy = (float(number) for number in epochs[-1].split(",")[1:3])
    assert rows.last.locator("td").all_inner_texts()[:2] == [f"{loss:.3f}", f"{accuracy:.3f}"]
    picture = page.locator(".picture")
    # It is drawn now, which takes a while.
    assert picture.evaluate("(image) => image.decode().then(() => image.naturalWidth)") > 100
    visit.check()


def test_a_model_is_chosen_by_keyboard_alone(visit: Visit, clip: Path) -> None:
    page = visit.page
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.get_by_role("link", name="Models").focus()
    page.keyboard.press("Enter")
    use = page.get_by_role("button", name="Use mine")
    use.focus()
    page.keyboard.press("Enter")
    playwright.expect(page.locator("#models-status")).to_have_text("mine classifies from now on.")
    playwright.expect(page.get_by_role("row").filter(has_text="mine")).to_contain_text("in use")
    page.get_by_role("button", name="Use adam-5 (comes with the package)").click()
    playwright.expect(page.locator("#models-status")).to_have_text(
        "adam-5 (comes with the package) classifies from now on."
    )
    visit.check()


def test_a_model_that_cannot_classify_says_so(visit: Visit) -> None:
    page = visit.page
    page.goto(f"{visit.address}#models")
    page.get_by_role("button", name="Use leaky-one").click()
    playwright.expect(page.locator("#models-status")).to_contain_text("leaky-one")
    playwright.expect(page.get_by_role("row").filter(has_text="comes with the package")).to_contain_text("in use")


def test_the_description_of_the_api(visit: Visit) -> None:
    visit.page.goto(f"{visit.address}api/docs")
    visit.page.get_by_text("POST /api/clips").wait_for()
    visit.check()


@pytest.mark.parametrize(("visit", "scheme"), [(360, "light"), (768, "dark"), (1280, "light")], indirect=["visit"])
def test_nothing_is_hard_to_reach(visit: Visit, clip: Path, tmp_path: Path, scheme: str) -> None:
    """By axe-core's rules, among them contrast, labels and roles."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")
    page, notes = visit.page, tmp_path / "notes.mp3"
    notes.write_bytes(b"no audio" * 99)
    page.emulate_media(color_scheme=scheme)
    page.set_input_files("#files", [str(clip), str(notes)])
    playwright.expect(page.locator("#progress")).to_have_text("2 of 2 done, 1 failed", timeout=20000)
    page.locator(".card summary").click()
    found = axe.Axe().run(page).response["violations"]
    page.click("nav a[href='#models']")
    page.locator("#models summary", has_text="mine").click()
    page.get_by_text("scored anew from its predictions").wait_for()
    found += axe.Axe().run(page).response["violations"]
    page.goto(f"{visit.address}api/docs")
    page.get_by_text("POST /api/clips").wait_for()
    found += axe.Axe().run(page).response["violations"]
    assert [(each["id"], each["nodes"][0]["html"]) for each in found] == []


def test_without_a_library_it_says_how_to_get_one(visit: Visit) -> None:
    visit.page.goto(f"{visit.address}#library")
    playwright.expect(visit.page.locator("#library .task [role=status]")).to_have_text(
        "No library was named; start the server with --music DIR."
    )


def test_the_comparison_report_has_no_way_back_to_the_page(visit: Visit) -> None:
    """It runs its own scripts, in a sandbox: it may ask nothing of the server but its own files."""
    page = visit.page
    page.goto(f"{visit.address}#models")
    page.get_by_role("button", name="Make the comparison report").click()
    link = page.get_by_role("link", name="Open the report")
    link.wait_for(timeout=60000)
    with visit.context.expect_page() as opened:
        link.click()
    report = opened.value
    report.get_by_role("heading", name="Comparison of genre models").wait_for()
    report.locator(".js-plotly-plot").first.wait_for()
    assert report.evaluate("self.origin") == "null"
    asked = "(path) => fetch(path).then((answer) => answer.status, () => 'refused')"
    assert report.evaluate(asked, f"{visit.address}api/session") == "refused"
    assert report.evaluate(asked, "http://example.org/") == "refused"
    # Another report is not made while nothing changed, and its address cannot be guessed.
    address = link.get_attribute("href")
    page.get_by_role("button", name="Make the comparison report").click()
    playwright.expect(link).to_have_attribute("href", address)
    assert page.request.get(f"{visit.address}report/guess/report.html").status == 404
    assert page.request.get(f"{visit.address.rstrip('/')}{address.replace('report.html', '../x')}").status == 404
