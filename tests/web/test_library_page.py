"""The library in a real browser: as a person sorts one, with the files on the disk to show for it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import soundfile
from web_page import CHROMIUM, Visit, served

from audio_genre.library import organize, run
from audio_genre.synthetic import music as synthesis
from audio_genre.web.places import id_of

pytest.importorskip("uvicorn", reason="the extra web is not installed")
playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
expect = playwright.expect

pytestmark = pytest.mark.skipif(not CHROMIUM.exists(), reason=f"there is no browser at {CHROMIUM}")

MANY = 10_000


@pytest.fixture(scope="module")
def music(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A library of four tracks, one of which names itself, and of one file that is no audio."""
    place = tmp_path_factory.mktemp("library")
    folder = place / "My Music"
    raw = synthesis.write_dataset(place / "raw", tracks_per_style=1, seconds=3, styles=synthesis.STYLES[:4])
    for k, path in enumerate(raw):
        samples, sr = soundfile.read(path)
        target = folder / "Ä <b>" / f"{k} song.wav"
        target.parent.mkdir(parents=True, exist_ok=True)
        with soundfile.SoundFile(target, "w", sr, 1) as file:
            if k == 2:
                file.title, file.artist, file.album = "So <i>what", "Somebody", "Blue"
            file.write(samples)
    (folder / "Ä <b>" / "notes.mp3").write_bytes(b"no audio" * 99)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_DATA_HOME", str(place / "data"))
        yield folder


@pytest.fixture(scope="module")
def address(music: Path) -> Iterator[str]:
    with served("--music", music) as address:
        yield address


@pytest.fixture
def visit(browser: Any, address: str) -> Iterator[Visit]:
    visit = Visit(browser, address, 1280)
    yield visit
    visit.context.close()


def row(page: Any, text: str) -> Any:
    return page.get_by_role("row").filter(has_text=text)


def move(page: Any, text: str, genre: str) -> None:
    row(page, text).get_by_role("button", name="move").click()
    if page.locator(f"#mover-genre option[value='{genre}']").count():
        page.select_option("#mover-genre", genre)
    else:
        page.select_option("#mover-genre", label="another genre…")
        page.fill("#mover-own", genre)
    page.get_by_role("button", name="Move", exact=True).click()
    expect(row(page, text)).to_contain_text(f"✎ {genre}")


def listed(playlist: Path) -> list[str]:
    return [line for line in playlist.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]


def test_a_library_is_sorted_from_beginning_to_end(visit: Visit, music: Path, browser: Any) -> None:
    page = visit.page
    page.get_by_role("link", name="Library").click()
    page.get_by_role("button", name="Ä <b>").click()
    page.get_by_role("link", name="Sort “Ä <b>”").click()
    expect(page.locator("#summary")).to_have_text("5 audio files, 0 with an answer, 5 not classified yet.")
    page.get_by_role("button", name="Classify 5 files").click()
    expect(page.locator("#library .task [role=status]")).to_have_text("4 classified, 1 failed.", timeout=60000)
    assert page.get_by_role("table", name="Tracks").get_attribute("aria-rowcount") == "6"

    # What is shown is what the command line says.
    report = organize(music / "Ä <b>", known_only=True, list_files=True)
    for file in report.files:
        name = file.title or Path(file.path).name
        told = "no answer" if not file.genre else file.genre
        expect(row(page, name)).to_contain_text(told)
        if file.confidence is not None:
            expect(row(page, name)).to_contain_text(f"{100 * file.confidence:.1f} %")
    assert row(page, "So <i>what").get_by_role("cell").all_inner_texts()[2:4] == ["Somebody", "Blue"]
    page.get_by_text("Files without an answer").click()
    expect(page.locator("#failure-list")).to_contain_text("notes.mp3 holds no MPEG audio.")

    # Search, filter, sort.
    page.fill("#search", "some BLUE")
    expect(page.locator("#count")).to_have_text("1 of 5 tracks")
    page.fill("#search", "")
    page.select_option("#genre-filter", "failed")
    expect(page.locator("#count")).to_have_text("1 of 5 tracks")
    page.select_option("#genre-filter", "")
    titles = page.locator("#library .rows .title")
    page.get_by_role("button", name="Title").click()
    assert titles.all_inner_texts() == ["0 song.wav", "1 song.wav", "3 song.wav", "notes.mp3", "So <i>what"]
    page.get_by_role("button", name="Title").click()
    assert titles.all_inner_texts()[0] == "So <i>what"
    expect(page.get_by_role("columnheader", name="Title")).to_have_attribute("aria-sort", "descending")

    # Play.
    page.evaluate("document.querySelector('.player audio').muted = true")
    row(page, "0 song.wav").get_by_role("button", name="Play").click()
    expect(row(page, "0 song.wav").get_by_role("button", name="Pause 0 song.wav")).to_be_visible()
    # The rules of the page forbid Playwright's own way of waiting for a value.
    for _ in range(100):
        if page.evaluate("document.querySelector('.player audio').currentTime") > 0.1:
            break
        page.wait_for_timeout(50)
    else:
        pytest.fail("it does not play")
    row(page, "0 song.wav").get_by_role("button", name="Pause").click()

    # Move two by hand, and write.
    move(page, "0 song.wav", "jazz")
    move(page, "So <i>what", "field recording")
    expect(page.locator("#genre-filter")).to_contain_text("moved by hand (2)")
    expect(page.locator("#summary")).to_have_text("5 audio files, 4 with an answer, 2 moved by hand, 1 failed.")
    page.get_by_role("button", name="None").click()
    for genre in ("jazz", "field recording"):
        page.locator("#library .ticks").get_by_label(genre).check()
    page.get_by_role("button", name="Preview").click()
    told = "playlists/field recording.m3u8: 1 track, would be written"
    expect(page.locator("#library .preview")).to_contain_text(told)
    page.locator("#library .preview summary").first.click()
    expect(page.locator("#library .preview ol")).to_have_text("Somebody - So <i>what")
    folder = music / "Ä <b>" / "playlists"
    assert not folder.exists()
    page.get_by_role("button", name="Write this").click()
    expect(page.locator("#library .preview h3")).to_have_text("Written")
    assert {path.name: listed(path) for path in folder.iterdir()} == {
        "jazz.m3u8": ["../0 song.wav"],
        "field recording.m3u8": ["../2 song.wav"],
    }

    # All is there again after a reload, and in another browser window.
    for again in (visit, other := Visit(browser, page.url, 1280)):
        again.page.reload()
        expect(row(again.page, "So <i>what")).to_contain_text("✎ field recording")
        expect(again.page.locator("#summary")).to_contain_text("5 audio files, 4 with an answer, 2 moved by hand")
    # What one tab does is soon seen in the other.
    move(page, "1 song.wav", "pop")
    expect(row(other.page, "1 song.wav")).to_contain_text("✎ pop", timeout=15000)
    other.context.close()

    # Back to what the model says.
    was = next(file for file in report.files if file.path == "1 song.wav")
    row(page, "1 song.wav").get_by_role("button", name="move").click()
    page.get_by_role("button", name="Take back").click()
    expect(row(page, "1 song.wav")).to_contain_text(f"{was.genre}")
    expect(row(page, "1 song.wav")).not_to_contain_text("✎")

    page.get_by_role("button", name="Undo…").click()
    expect(page.locator("#library .preview")).to_contain_text("playlists/jazz.m3u8: would be removed")
    page.get_by_role("button", name="Take this back").click()
    expect(page.locator("#library .preview h3")).to_have_text("Taken back")
    assert not folder.exists()
    visit.check()


def many_rows(changes: int) -> dict[str, Any]:
    genres = ("blues", "jazz", "unknown")
    rows = [
        {
            "id": f"{k}.mp3", "path": f"{k}.mp3", "title": f"Track {k}", "artist": f"Artist {k % 97}", "album": None,
            "seconds": 200.0, "genre": genres[k % 3], "confidence": k % 1000 / 1000, "reason": None, "by_hand": False,
            "model_genre": "jazz", "model_confidence": k % 1000 / 1000,
        }
        for k in range(MANY)
    ]  # fmt: skip
    facts = {"model": "m", "trust": "", "found": MANY, "classified": 0, "pending": 0, "failed": 0, "by_hand": 0}
    return {**facts, "genres": [], "choices": list(genres), "notes": [], "changes": changes, "rows": rows}


def with_many_rows(page: Any, address: str) -> None:
    # That is no number of changes by the server's own count, so that all is loaded again every time it is looked at.
    rows = many_rows(changes=10**6)
    page.route("**/api/library/tracks*", lambda route: route.fulfill(json=rows))
    page.goto(f"{address}#library?folder=")
    expect(page.locator("#count")).to_have_text(f"{MANY} tracks")


def test_ten_thousand_rows_are_few_elements(visit: Visit) -> None:
    page = visit.page
    with_many_rows(page, visit.address)
    viewport = page.locator("#library .viewport")
    assert page.locator("#library .rows .row").count() < 60
    viewport.evaluate("(box) => { box.scrollTop = box.scrollHeight; }")
    expect(row(page, "Track 9999")).to_be_visible()
    assert page.locator("#library .rows .row").count() < 60
    # The order in the document is that of the rows, also after scrolling to and fro.
    viewport.evaluate("(box) => { box.scrollTop -= 300; }")
    page.wait_for_timeout(100)
    in_sight = page.locator("#library .rows .row")
    places = in_sight.evaluate_all("(rows) => rows.map((row) => Number(row.dataset.index))")
    assert places == list(range(places[0], 10000))
    page.get_by_role("button", name="Confidence").click()
    viewport.evaluate("(box) => { box.scrollTop = 0; }")
    expect(page.locator("#library .rows .title").first).to_have_text("Track 0")
    visit.check()


def test_the_keyboard_alone_leads_through_the_table(visit: Visit) -> None:
    page = visit.page
    with_many_rows(page, visit.address)
    page.locator("#genre-filter").focus()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "viewport"

    def name() -> str:
        return page.evaluate("document.activeElement.getAttribute('aria-label')")

    page.keyboard.press("ArrowDown")
    assert name() == "Genre of Track 0: blues; move"
    for _ in range(30):
        page.keyboard.press("ArrowDown")
    assert name() == "Genre of Track 30: blues; move"
    page.keyboard.press("Shift+Tab")
    assert name() == "Play Track 30"
    page.keyboard.press("End")
    assert name() == "Play Track 9999"
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog", name="Move Artist 8 - Track 9999")).to_be_visible()
    # The rows are loaded again meanwhile.
    with page.expect_request("**/api/library/tracks*"):
        pass
    page.keyboard.press("Escape")
    assert name() == "Genre of Track 9999: blues; move"
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.closest('.viewport')") is None
    visit.check()


@pytest.mark.parametrize(("width", "scheme"), [(360, "light"), (768, "dark"), (1280, "light")])
def test_nothing_is_hard_to_reach(visit: Visit, width: int, scheme: str) -> None:
    """By axe-core's rules, among them contrast, labels and roles."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")
    page, found = visit.page, []
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 800})
    page.goto(f"{visit.address}#library")
    page.get_by_role("link", name="Sort “My Music”").wait_for()
    found += axe.Axe().run(page).response["violations"]
    with_many_rows(page, visit.address)
    visit.check()
    page.locator("#library .rows .genre-button").first.click()
    found += axe.Axe().run(page).response["violations"]
    page.keyboard.press("Escape")
    found += axe.Axe().run(page).response["violations"]
    assert [(each["id"], each["nodes"][0]["html"]) for each in found] == []


def test_what_is_wrong_is_told(visit: Visit, music: Path) -> None:
    page = visit.page
    (music / "empty").mkdir()
    page.goto(f"{visit.address}#library?folder=empty")
    expect(page.locator("#library .task .error")).to_contain_text("No audio files were found in")
    page.goto(f"{visit.address}#library?folder=..%2F..%2Fetc")
    expect(page.locator("#library .task .error")).to_contain_text("is no path below the music folder")
    # A server that answers with an error puts a line into the console; there is nothing else in it.
    assert all(re.match(r"Failed to load resource: .* status of 4\d\d", line) for line in visit.said)
    with run._opened(music / "Ä <b>", run.default_database(music / "Ä <b>")):
        page.goto(f"{visit.address}#library?folder={quote(id_of('Ä <b>'))}")
        expect(page.locator("#library .task .error")).to_contain_text("Another run is organizing this library")
