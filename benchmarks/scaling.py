"""How extraction scales: worker processes, a killed run, a long file, a cluster.

    python benchmarks/scaling.py [--clips 64] [--hours 2]

Works on synthetic clips in a temporary folder and prints one line a measurement. The cluster is a real Dask scheduler
with two worker processes on this machine (extra: dask); it is left out where Dask is missing.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import importlib.util
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile

from audio_genre.extraction import extract
from audio_genre.synthetic.music import STYLES, write_dataset


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=64, help="30-s clips to extract")
    parser.add_argument("--hours", type=float, default=2.0, help="length of the long file; 0 leaves it out")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        styles = STYLES[:8]
        write_dataset(work / "audio", tracks_per_style=-(-arguments.clips // len(styles)), styles=styles)
        bytes_of_one = jobs(work)
        killed(work, bytes_of_one)
        if importlib.util.find_spec("distributed"):
            cluster(work, bytes_of_one)
        if arguments.hours:
            long_file(work, arguments.hours)


def jobs(work: Path) -> str:
    """Compare one worker with two, and the bytes that they wrote."""
    seconds, digests = {}, {}
    for count in (1, 2):
        out = work / f"jobs{count}"
        report = extract(work / "audio", out, jobs=count)
        seconds[count], digests[count] = report.seconds, digest(out)
        print(f"{count} jobs: {report.extracted} clips in {report.seconds:.2f} s, pictures and start-up included")
    same = "identical" if digests[1] == digests[2] else "DIFFERENT"
    print(f"2 jobs are {seconds[1] / seconds[2]:.2f} times as fast; outputs are {same}")
    return digests[1]


def killed(work: Path, expected: str) -> None:
    """Kill a run's whole process group with SIGKILL in the middle, resume, and compare bytes."""
    out = work / "killed"
    code = f"from audio_genre.extraction import extract; extract({str(work / 'audio')!r}, {str(out)!r}, jobs=2)"
    run = subprocess.Popen([sys.executable, "-c", code], start_new_session=True)
    pictures = out / "images_original"
    while run.poll() is None and len(list(pictures.glob("*/*.png"))) < 10:
        time.sleep(0.02)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(run.pid, signal.SIGKILL)
    run.wait()
    report = extract(work / "audio", out, jobs=2)
    same = "identical" if digest(out) == expected else "DIFFERENT"
    print(f"SIGKILL and resume: {report.already_done} clips kept, {report.extracted} done after; outputs are {same}")


def cluster(work: Path, expected: str) -> None:
    """Extract on two Dask workers, and measure what the cluster costs a clip that takes no time."""
    with running_cluster() as address:
        out = work / "dask"
        report = extract(work / "audio", out, dask=address)
        same = "identical" if digest(out) == expected else "DIFFERENT"
        print(f"Dask, two workers: {report.extracted} clips in {report.seconds:.2f} s; outputs are {same}")
        from audio_genre.jobs.cluster import DaskCluster

        results = DaskCluster(address).run(iter(range(1000)), abs)
        next(results)
        started = time.perf_counter()
        count = sum(1 for _ in results)
        print(f"Dask overhead: {1000 * (time.perf_counter() - started) / count:.1f} ms a clip that takes no time")


@contextlib.contextmanager
def running_cluster() -> Iterator[str]:
    """Run a scheduler and two workers of one thread on loopback."""
    from distributed import LocalCluster

    with LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, host="127.0.0.1", silence_logs=40
    ) as local:
        yield local.scheduler_address


def long_file(work: Path, hours: float) -> None:
    """Extract one long stereo file in a process of its own and print its peak memory."""
    folder = work / "long"
    folder.mkdir()
    rng = np.random.default_rng(0)
    with soundfile.SoundFile(folder / "mix.wav", "w", 44100, 2, subtype="PCM_16") as file:
        for _ in range(round(60 * hours)):
            file.write(0.1 * rng.standard_normal((60 * 44100, 2)))
    code = (
        "import resource; from audio_genre.extraction import extract; "
        f"report = extract({str(folder)!r}, {str(work / 'long-out')!r}, jobs=1); "
        "peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024; "
        "print(f'{dict(report.rows)} in {report.seconds:.0f} s, peak memory {peak:.0f} MiB')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    print(f"{hours:g}-hour stereo wav: {done.stdout.strip()}")


def digest(out: Path) -> str:
    """Hash every output file with its name."""
    result = hashlib.sha256()
    for path in sorted(out.rglob("*")):
        if path.is_file() and ".audio-genre" not in path.parts:
            result.update(path.relative_to(out).as_posix().encode())
            result.update(path.read_bytes())
    return result.hexdigest()


if __name__ == "__main__":
    main()
