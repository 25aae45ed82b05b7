"""Make the README's pictures of the page of ``audio-genre serve``, from synthetic music.

    python imgs/screenshots.py           # imgs/page.png and imgs/library.png
    python imgs/screenshots.py FOLDER    # every view at three widths, light and dark, to look at

It needs the extra ``test``, and chromium at /usr/bin/chromium.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import soundfile
from PIL import Image
from playwright.sync_api import Page, sync_playwright

from audio_genre import extract, train_baseline
from audio_genre.inference.default import PLAIN, shipped_model
from audio_genre.synthetic import music

HERE = Path(__file__).parent
CHROMIUM = "/usr/bin/chromium"
WIDTHS = (360, 768, 1280)
COLOURS = 128
# Made up, as the music is.
ARTISTS = ("The Sine Waves", "Noise Floor", "Anna Additive", "Granular Quartet", "Harmonic Union")
ALBUMS = ("First Partial", "Envelope", "Low Pass", "Phase", "Detune")
WORDS = ("Morning", "Slow", "Blue", "Paper", "Northern", "Quiet", "Glass", "Second", "Open", "Late")
NOUNS = ("Train", "Harbour", "Letter", "River", "Signal", "Garden", "Winter", "Mirror", "Street", "Machine")


def main(folder: Path | None) -> None:
    """Write the pictures."""
    with tempfile.TemporaryDirectory() as place:
        library, models = Path(place) / "Music", Path(place) / "models"
        write_library(library)
        model = write_models(Path(place), models)
        arguments = ["--music", library, "--models", models, "--model", model, "--port", "0"]
        with served(Path(place), arguments) as address, sync_playwright() as started:
            browser = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
            if folder is None:
                take_for_readme(browser, address, library)
            else:
                folder.mkdir(parents=True, exist_ok=True)
                for width in WIDTHS:
                    for scheme in ("light", "dark"):
                        take_all(browser, address, library, folder, width, scheme)
            browser.close()


def write_models(place: Path, models: Path) -> Path:
    """Fit models of the synthetic styles, and return one; the one that comes with the package lies beside them."""
    music.write_dataset(place / "learned", tracks_per_style=12, seconds=12, seed=1)
    table = extract(place / "learned", place / "features", images=False).tables[0]
    for variant in ("random-forest", "logistic-regression"):
        (found,) = train_baseline(table, models, variant=variant)
    shutil.copytree(shipped_model(PLAIN), models / PLAIN)
    return Path(found.path)


def write_library(library: Path) -> None:
    """Make a library of forty short tracks with titles, artists and albums."""
    for k, path in enumerate(music.write_dataset(library / "raw", tracks_per_style=4, seconds=12, seed=2)):
        artist, album = ARTISTS[k % 5], ALBUMS[k // 2 % 5]
        title = f"{WORDS[k % 10]} {NOUNS[(3 * k + k // 10) % 10]}"
        samples, sr = soundfile.read(path)
        target = library / artist / album / f"{k:02d} {title}.flac"
        target.parent.mkdir(parents=True, exist_ok=True)
        with soundfile.SoundFile(target, "w", sr, 1) as file:
            file.title, file.artist, file.album = title, artist, album
            file.write(samples)
    shutil.rmtree(library / "raw")


@contextmanager
def served(place: Path, arguments: list[Any]) -> Iterator[str]:
    """Serve as long as the block lasts, with folders of its own for what it keeps."""
    server = subprocess.Popen(
        [sys.executable, "-u", "-m", "audio_genre", "serve", *map(str, arguments)],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"XDG_DATA_HOME": str(place / "data"), "XDG_STATE_HOME": str(place / "state")},
    )
    assert server.stdout is not None
    try:
        yield server.stdout.readline().split()[2]
    finally:
        server.send_signal(signal.SIGINT)
        server.wait()


def opened(browser: Any, address: str, width: int, scheme: str) -> Page:
    """Open the page."""
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page = context.new_page()
    page.goto(address)
    return page


def show_classified(page: Page, library: Path) -> None:
    """Have three files answered."""
    page.set_input_files("#files", [str(path) for path in sorted(library.rglob("*.flac"))[:3]])
    page.get_by_text("3 of 3 done").wait_for(timeout=60000)


def show_library(page: Page, address: str) -> None:
    """Have the library classified, and two of its tracks moved."""
    page.goto(f"{address}#library?folder=")
    page.locator("#summary").filter(has_text="audio files").wait_for()
    if page.locator("#classify-new").is_visible():
        page.click("#classify-new")
        page.get_by_text(re.compile("classified, 0 failed")).wait_for(timeout=120000)
        for row, place in ((1, 2), (4, 5)):
            page.locator("#library .rows .genre-button").nth(row).click()
            page.select_option("#mover-genre", index=place)
            page.get_by_role("button", name="Move", exact=True).click()
    page.get_by_role("button", name="Preview").click()
    page.get_by_text("Preview: nothing is written yet").wait_for()


def take_for_readme(browser: Any, address: str, library: Path) -> None:
    """Write the two pictures of the README."""
    page = opened(browser, address, 1100, "light")
    show_classified(page, library)
    save(page, HERE / "page.png")
    show_library(page, address)
    page.evaluate("window.scrollTo(0, 0)")
    save(page, HERE / "library.png")


def take_all(browser: Any, address: str, library: Path, folder: Path, width: int, scheme: str) -> None:
    """Write a picture of every view."""

    def take(name: str) -> None:
        page.screenshot(path=folder / f"{name}-{width}-{scheme}.png", full_page=True)

    page = opened(browser, address, width, scheme)
    show_classified(page, library)
    take("classify")
    page.goto(f"{address}#library")
    page.locator("#use-folder", has_text="Sort “Music”").wait_for()
    take("picker")
    show_library(page, address)
    take("library")
    page.locator("#library .rows .genre-button").first.click()
    take("mover")
    page.keyboard.press("Escape")
    page.locator("#library .rows .icon").first.click()
    page.evaluate("window.scrollTo(0, 0)")
    page.screenshot(path=folder / f"player-{width}-{scheme}.png")
    page.goto(f"{address}#models")
    page.locator("#models summary").first.click()
    page.locator(".picture").first.evaluate("(image) => image.decode()")
    take("models")
    page.goto(f"{address}#spotify")
    page.locator("#redirect-uri", has_text="127.0.0.1").wait_for()
    take("spotify")
    page.context.close()


def save(page: Page, path: Path) -> None:
    """Write what is to be seen as a small PNG."""
    page.screenshot(path=path)
    with Image.open(path) as image:
        image.convert("RGB").quantize(COLOURS).save(path, optimize=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
