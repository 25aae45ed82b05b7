"""Times and memory of `audio-genre serve`: until the page is there, for a clip of 30 s, for a hundred clips at once.

Run it from the root of a checkout with the extra ``web``, on Linux::

    python benchmarks/serve.py
"""

from __future__ import annotations

import json
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from audio_genre.synthetic import music as synthesis

REPEATS = 15
AT_ONCE = 100
# Later than workers that are idle end, and the last one gives memory back.
IDLE_SECONDS = 75


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


def main() -> None:
    """Start a server, ask it, and print what was measured."""
    with tempfile.TemporaryDirectory() as folder:
        (clip,) = synthesis.write_dataset(folder, tracks_per_style=1, seconds=30, styles=synthesis.STYLES[:1])
        content = clip.read_bytes()
    began = time.perf_counter()
    server = subprocess.Popen(
        [sys.executable, "-u", "-m", "audio_genre", "serve", "--port", "0"], stdout=subprocess.PIPE, text=True
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
        ask("api/clips", content)
        times = [ask("api/clips", content)[0] for _ in range(REPEATS)]
        print(f"30-s clip, warm, median         {statistics.median(times):6.3f} s (to {max(times):.3f} s)")
        began, waits = time.perf_counter(), []
        with ThreadPoolExecutor(AT_ONCE) as threads:
            answers = [threads.submit(ask, "api/clips", content) for _ in range(AT_ONCE)]
            while not all(answer.done() for answer in answers):
                waits.append(ask("api/session")[0])
                time.sleep(0.05)
        print(f"{AT_ONCE} clips at once              {time.perf_counter() - began:6.1f} s")
        print(f"page meanwhile, median, longest {statistics.median(waits):6.3f} s, {max(waits):.3f} s")
        print(f"memory at work                  {memory(server.pid):6d} MB, with workers")
        time.sleep(IDLE_SECONDS)
        print(f"memory idle                     {memory(server.pid):6d} MB, with the worker that waits")
    finally:
        server.send_signal(signal.SIGINT)
        began = time.perf_counter()
        server.wait()
        print(f"stopped after                   {time.perf_counter() - began:6.2f} s")


if __name__ == "__main__":
    main()
