from __future__ import annotations

import errno
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import engine_work
import extraction_helpers as helpers
import numpy as np
import process_helpers
import pytest
import threadpoolctl

from audio_genre.errors import ExtractionError
from audio_genre.jobs.engines import Engine, InProcess, Lost
from audio_genre.jobs.processes import WorkerProcesses

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")


@pytest.mark.parametrize("engine", [InProcess(), WorkerProcesses(2)])
def test_every_task_gives_its_result(engine: Engine) -> None:
    results = dict(engine.run(iter(range(20)), engine_work.square))
    assert results == {k: k * k for k in range(20)}


@pytest.mark.parametrize("engine", [InProcess(), WorkerProcesses(2)])
def test_no_tasks(engine: Engine) -> None:
    assert list(engine.run(iter([]), engine_work.square)) == []


@pytest.mark.parametrize("engine", [InProcess(), WorkerProcesses(2)])
def test_an_exception_ends_the_run(engine: Engine) -> None:
    with pytest.raises(ExtractionError, match=r"No space is left"):
        list(engine.run(iter(range(3)), engine_work.refuse))


def test_few_tasks_are_under_way() -> None:
    taken: list[int] = []

    def tasks() -> Iterator[int]:
        for task in range(100):
            taken.append(task)
            yield task

    given = 0
    for _ in WorkerProcesses(2).run(tasks(), engine_work.square):
        given += 1
        assert len(taken) - given < 4
    assert given == 100


def test_a_dead_worker_costs_its_task() -> None:
    results = dict(WorkerProcesses(2).run(iter(range(1, 8)), engine_work.die_on_three))
    assert results.pop(3) == Lost("signal 9, SIGKILL")
    assert results == {k: k for k in (1, 2, 4, 5, 6, 7)}


@pytest.mark.parametrize("work", [engine_work.short_of_memory, engine_work.too_large])
def test_a_worker_out_of_memory_costs_its_task(work: Callable[[int], object]) -> None:
    results = dict(WorkerProcesses(2).run(iter(range(1, 6)), work))
    assert results.pop(3) == Lost("exit status 12")
    assert results == {k: k for k in (1, 2, 4, 5)}


def test_a_worker_that_cannot_start_at_the_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    start = subprocess.Popen
    faults = [OSError(errno.EMFILE, "Too many open files"), OSError(errno.ENOMEM, "Cannot allocate memory")]

    def popen(*arguments: object, **options: object) -> subprocess.Popen[bytes]:
        if faults:
            raise faults.pop()
        return start(*arguments, **options)

    monkeypatch.setattr("audio_genre.jobs.processes._PAUSE_SECONDS", 0)
    monkeypatch.setattr(subprocess, "Popen", popen)
    assert dict(WorkerProcesses(1).run(iter([1, 2]), engine_work.square)) == {1: 1, 2: 4}
    faults += [OSError(errno.EMFILE, "Too many open files")] * 9
    with pytest.raises(ExtractionError, match=r"No worker process can be started \(Too many open files\)"):
        list(WorkerProcesses(1).run(iter([1]), engine_work.square))


def test_workers_that_all_die_end_the_run() -> None:
    lost = []
    with pytest.raises(
        ExtractionError, match=r"The last 10 worker processes died one after the other \(exit status 7\)"
    ):
        lost.extend(WorkerProcesses(1).run(iter(range(100)), engine_work.exit_always))


def test_workers_that_cannot_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    # No advice on --jobs: organize has worker processes whatever their number.
    with pytest.raises(ExtractionError, match=r"can be started \(exit status 1\); fix what it printed, or free memory"):
        list(WorkerProcesses(1).run(iter(range(3)), engine_work.square))


def test_what_work_prints_does_not_disturb(capfd: pytest.CaptureFixture[str]) -> None:
    assert dict(WorkerProcesses(1).run(iter([1, 2]), engine_work.shout)) == {1: 1, 2: 2}
    assert capfd.readouterr().out == ""


@pytest.mark.parametrize("engine", [InProcess(), WorkerProcesses(2)])
def test_libraries_are_held_to_one_thread(engine: Engine) -> None:
    before = threadpoolctl.threadpool_info()
    assert {frozenset(found) for _, found in engine.run(iter(range(4)), engine_work.threads)} == {frozenset({1})}
    assert threadpoolctl.threadpool_info() == before


def test_large_results() -> None:
    results = dict(WorkerProcesses(2).run(iter(range(6)), engine_work.large))
    assert all(np.array_equal(value, np.full(300_000, k)) for k, value in results.items())


def test_a_result_that_cannot_be_pickled_is_told() -> None:
    with pytest.raises(RuntimeError, match=r"cannot be pickled"):
        list(WorkerProcesses(1).run(iter([1]), engine_work.unpicklable))


@linux_only
def test_closing_ends_the_workers_at_once() -> None:
    results = WorkerProcesses(2).run(iter([0.0, 0.0, 60.0, 60.0]), engine_work.sleep_for)
    next(results)
    workers = process_helpers.workers_of(os.getpid())
    assert len(workers) == 2
    started = time.monotonic()
    results.close()  # type: ignore[attr-defined]
    assert time.monotonic() - started < 1.5
    assert process_helpers.workers_of(os.getpid()) == []


@linux_only
def test_workers_end_with_a_killed_parent() -> None:
    code = """
import sys, engine_work
from audio_genre.jobs.processes import WorkerProcesses
for task, _ in WorkerProcesses(2).run(iter([0.0, 0.0, 60.0, 60.0]), engine_work.sleep_for):
    print(task, flush=True)
"""
    with process_helpers.start(code) as process:
        helpers.read_lines(process, 2)
        workers = process_helpers.workers_of(process.pid)
        assert len(workers) == 2
        process.kill()
    process_helpers.wait_until_gone(workers, seconds=2)


def test_a_script_without_main_guard(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import engine_work\n"
        "from audio_genre.jobs.processes import WorkerProcesses\n"
        "print(sorted(WorkerProcesses(2).run(iter(range(3)), engine_work.square)))\n"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, script], capture_output=True, text=True, timeout=60, env=environment, check=True
    )
    assert done.stdout == "[(0, 0), (1, 1), (2, 4)]\n"
    assert done.stderr == ""
