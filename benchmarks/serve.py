"""Times and memory of `audio-genre serve`: page, clip of 30 s, a hundred clips at once, table of ten thousand tracks.

Run it from the root of a checkout with the extra ``web``, on Linux; the table is scrolled where there are playwright
and chromium::

    python benchmarks/serve.py
"""

from __future__ import annotations

import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

from audio_genre.bundles.card import read_card
from audio_genre.files.walk import find_clips
from audio_genre.inference.default import default_model
from audio_genre.library import default_database
from audio_genre.library.classify import model_identity
from audio_genre.library.database import Database
from audio_genre.library.records import Answer
from audio_genre.synthetic import music as synthesis

REPEATS = 15
AT_ONCE = 100
# Later than workers that are idle end, and the last one gives memory back.
IDLE_SECONDS = 75
TRACKS = 10_000
CHROMIUM = "/usr/bin/chromium"
# Scrolls by some rows in each frame, down and up again, and returns how long the frames took.
SCROLL = """async (box) => {
    const times = [];
    let former = performance.now();
    for (let k = 0; k < 400; k += 1) {
        box.scrollTop += (k < 200 ? 1 : -1) * (k % 20 === 19 ? 40000 : 300);
        await new Promise((resolve) => requestAnimationFrame(resolve));
        const now = performance.now();
        times.push(now - former);
        former = now;
    }
    return times;
}"""


def memory(pid: int) -> int:
    """Return the resident memory of a process and its children in MB."""
    total = 0
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            lines = (folder / "status").read_text().splitlines()
        except OSError:
            continue
        if pid in (int(folder.name), parent):
            total += next((int(line.split()[1]) for line in lines if line.startswith("VmRSS")), 0)
    return total // 1024


def write_library(music: Path) -> None:
    """Make a library of files that are answered for already."""
    for k in range(TRACKS):
        file = music / f"Artist {k % 100}" / f"{k}.mp3"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"x")
    card = read_card(default_model())
    model = model_identity(card)
    default_database(music).parent.mkdir(parents=True)
    with Database(default_database(music)) as database, database.at_once():
        for k, clip in enumerate(find_clips(music, unreadable=print)):
            genre, sure = card.classes[k % len(card.classes)], (k % 1000) / 1000
            texts = (f"Track {k}", clip.label, f"Album {k % 10}")
            answer = Answer(clip.size, clip.mtime_ns, genre, sure, {genre: sure}, None, 200.0, *texts)
            database.record(clip.path, model, answer)


def scroll(address: str) -> None:
    """Open the library in a browser, and scroll its table."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        began = time.perf_counter()
        page.goto(f"{address}#library?folder=")
        page.get_by_text(f"{TRACKS} tracks", exact=True).wait_for(timeout=60000)
        print(f"table of {TRACKS} tracks shown     {time.perf_counter() - began:6.2f} s after the address was opened")
        devtools = page.context.new_cdp_session(page)
        devtools.send("Performance.enable")

        def spent() -> dict[str, float]:
            metrics = devtools.send("Performance.getMetrics")["metrics"]
            return {each["name"]: each["value"] for each in metrics}

        before = spent()
        times = sorted(page.locator("#library .viewport").evaluate(SCROLL))
        parts = {
            name: 1000 * (spent()[f"{name}Duration"] - before[f"{name}Duration"]) / len(times)
            for name in ("Task", "Script", "Layout", "RecalcStyle")
        }
        print(f"main thread for a frame         {parts.pop('Task'):6.1f} ms, of which {parts}")
        late = sum(duration > 25 for duration in times)
        print(
            f"frame while it scrolls          {statistics.median(times):6.1f} ms median, "
            f"{times[int(0.95 * len(times))]:.1f} ms for 95 %, {times[-1]:.1f} ms longest; {late} of {len(times)} late"
        )
        work = page.locator("#library .viewport").evaluate(
            """(box) => new Promise((resolve) => {
                const began = performance.now();
                for (const button of document.querySelectorAll(".sort")) button.click();
                resolve((performance.now() - began) / document.querySelectorAll(".sort").length);
            })"""
        )
        print(f"sorting by a column             {work:6.0f} ms")
        browser.close()


def main() -> None:
    """Start a server, ask it, and print what was measured."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["XDG_DATA_HOME"] = f"{folder}/data"
        write_library(Path(folder) / "music")
        measure(Path(folder))


def measure(folder: Path) -> None:
    """Ask a server for everything."""
    (clip,) = synthesis.write_dataset(folder / "raw", tracks_per_style=1, seconds=30, styles=synthesis.STYLES[:1])
    content = clip.read_bytes()
    began = time.perf_counter()
    server = subprocess.Popen(
        [sys.executable, "-u", "-m", "audio_genre", "serve", "--port", "0", "--music", str(folder / "music")],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert server.stdout is not None
    address = server.stdout.readline().split()[2]
    token = ""

    def ask(path: str, content: bytes | None = None) -> tuple[float, bytes]:
        headers = {"x-audio-genre-token": token, "content-type": "application/octet-stream"}
        asked = time.perf_counter()
        with urllib.request.urlopen(urllib.request.Request(address + path, content, headers)) as answer:
            body = answer.read()
        return time.perf_counter() - asked, body

    try:
        up = time.perf_counter()
        print(f"server up after                 {up - began:6.2f} s")
        for path in ("", "static/style.css", "static/main.js", "api/session"):
            _, body = ask(path)
        token = json.loads(body)["token"]
        print(f"page usable after that          {time.perf_counter() - up:6.2f} s")
        ask("api/model")
        print(f"model loaded after that         {time.perf_counter() - up:6.2f} s")
        ask("api/clips?picture=true", content)
        times = [ask("api/clips?picture=true", content)[0] for _ in range(REPEATS)]
        print(f"30-s clip, warm, median         {statistics.median(times):6.3f} s (to {max(times):.3f} s)")
        began, waits = time.perf_counter(), []
        with ThreadPoolExecutor(AT_ONCE) as threads:
            answers = [threads.submit(ask, "api/clips?picture=true", content) for _ in range(AT_ONCE)]
            while not all(answer.done() for answer in answers):
                waits.append(ask("api/session")[0])
                time.sleep(0.05)
        print(f"{AT_ONCE} clips at once              {time.perf_counter() - began:6.1f} s")
        print(f"page meanwhile, median, longest {statistics.median(waits):6.3f} s, {max(waits):.3f} s")
        print(f"memory at work                  {memory(server.pid):6d} MB, with workers")
        seconds, body = ask("api/library/tracks")
        print(f"API, table of {TRACKS} tracks      {seconds:6.2f} s, {len(body) / 2**20:.1f} MB")
        if Path(CHROMIUM).exists() and find_spec("playwright"):
            scroll(address)
        time.sleep(IDLE_SECONDS)
        print(f"memory idle                     {memory(server.pid):6d} MB, with the worker that waits")
    finally:
        server.send_signal(signal.SIGINT)
        began = time.perf_counter()
        server.wait()
        print(f"stopped after                   {time.perf_counter() - began:6.2f} s")


if __name__ == "__main__":
    main()
