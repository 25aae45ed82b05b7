"""A real scheduler and two workers on the loopback interface."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import engine_work
import extraction_helpers as helpers
import process_helpers
import pytest

from audio_genre.errors import ExtractionError, ParameterError
from audio_genre.extraction import extract
from audio_genre.jobs import cluster as cluster_module
from audio_genre.jobs.cluster import DaskCluster, refuse_bad_address
from audio_genre.jobs.engines import Lost

pytest.importorskip("distributed", reason="needs the extra dask")


@dataclass
class Cluster:
    address: str
    scheduler: subprocess.Popen[bytes]
    workers: list[subprocess.Popen[bytes]]


def start(module: str, *arguments: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", f"distributed.cli.{module}", *arguments, "--no-dashboard"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )


def address_in(path: Path) -> str:
    end = time.monotonic() + 30
    while time.monotonic() < end:
        try:
            return str(json.loads(path.read_text())["address"])
        except (OSError, ValueError):
            time.sleep(0.05)
    raise AssertionError("the scheduler does not start")


@contextmanager
def running_cluster(folder: Path, nthreads: list[int]) -> Iterator[Cluster]:
    from distributed import Client

    file = folder / "scheduler.json"
    scheduler = start("dask_scheduler", "--host", "127.0.0.1", "--port", "0", "--scheduler-file", str(file))
    address = address_in(file)
    options = ("--no-nanny", "--host", "127.0.0.1", "--nthreads")
    workers = [start("dask_worker", address, *options, str(number)) for number in nthreads]
    try:
        if workers:
            with Client(address, set_as_default=False) as client:
                client.wait_for_workers(len(workers), timeout=60)
        yield Cluster(address, scheduler, workers)
    finally:
        for process in (scheduler, *workers):
            process.kill()
            process.wait()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A cluster for tests that leave it as it is."""
    with running_cluster(tmp_path_factory.mktemp("dask"), [1, 2]) as running:
        yield running


def test_output_is_the_same(cluster: Cluster, music: Path, expected: dict[str, bytes], tmp_path: Path) -> None:
    report = extract(music, tmp_path, dask=cluster.address)
    assert report.extracted == 12
    assert helpers.outputs(tmp_path) == expected


def test_a_lost_worker_is_survived(music: Path, expected: dict[str, bytes], tmp_path: Path) -> None:
    with running_cluster(tmp_path, [1, 1]) as cluster:

        class Killer(helpers.Recorder):
            def done(self, path: str) -> None:
                super().done(path)
                if len(self.paths) == 2:
                    cluster.workers[1].kill()

        killer = Killer()
        report = extract(music, tmp_path / "out", dask=cluster.address, progress=killer)
    assert (report.extracted, report.failed) == (12, 0)
    assert sorted(killer.paths) == sorted(set(killer.paths))
    assert helpers.outputs(tmp_path / "out") == expected


def test_ctrl_c(cluster: Cluster, music: Path, expected: dict[str, bytes], tmp_path: Path) -> None:
    code = helpers.REPORTER.replace("jobs=int(sys.argv[3])", "dask=sys.argv[3]")
    with process_helpers.start(code, music, tmp_path, cluster.address) as process:
        helpers.read_lines(process, 2)
        started = time.monotonic()
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(timeout=10) == 130
        assert time.monotonic() - started < 2
        assert process.stderr is not None
        assert process.stderr.read() == ""
    assert extract(music, tmp_path, dask=cluster.address).already_done >= 2
    assert helpers.outputs(tmp_path) == expected


def test_a_task_that_kills_its_workers_is_lost(tmp_path: Path) -> None:
    with running_cluster(tmp_path, [1] * 5) as cluster:
        results = dict(DaskCluster(cluster.address).run(iter([1, 3, 5]), engine_work.die_on_three))
    assert isinstance(results[3], Lost)
    assert (results[1], results[5]) == (1, 5)


def test_a_scheduler_that_dies(
    music: Path, expected: dict[str, bytes], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with running_cluster(tmp_path, [1]) as cluster:

        class Killer(helpers.Recorder):
            def done(self, path: str) -> None:
                super().done(path)
                cluster.scheduler.kill()

        killer = Killer()
        with pytest.raises(ExtractionError, match=r"The Dask scheduler .* cannot be used .*what is done is kept"):
            extract(music, tmp_path / "out", dask=cluster.address, progress=killer)
    assert capfd.readouterr() == ("", "")
    assert extract(music, tmp_path / "out", jobs=1).already_done == len(killer.paths)
    assert helpers.outputs(tmp_path / "out") == expected


def test_an_exception_ends_the_run(cluster: Cluster) -> None:
    with pytest.raises(ExtractionError, match=r"No space is left"):
        list(DaskCluster(cluster.address).run(iter(range(3)), engine_work.refuse))


def test_libraries_are_held_to_one_thread(cluster: Cluster) -> None:
    results = DaskCluster(cluster.address).run(iter(range(12)), engine_work.threads)
    assert {frozenset(found) for _, found in results} == {frozenset({1})}


def test_few_tasks_are_under_way(cluster: Cluster) -> None:
    taken: list[int] = []

    def tasks() -> Iterator[int]:
        for task in range(60):
            taken.append(task)
            yield task

    given = 0
    for _ in DaskCluster(cluster.address).run(tasks(), engine_work.square):
        given += 1
        assert len(taken) - given <= 6
    assert given == 60


def test_a_folder_that_workers_do_not_see(cluster: Cluster) -> None:
    engine = DaskCluster(cluster.address, (Path("/"), Path("/nowhere/music")))
    with pytest.raises(ExtractionError, match=r"worker tcp://.* does not see the folder /nowhere/music; put it where"):
        list(engine.run(iter([1]), engine_work.square))


def test_another_version(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster_module, "__version__", "9.9")
    with pytest.raises(ExtractionError, match=r"has audio_genre \d.* and this machine 9\.9; install the same version"):
        list(DaskCluster(cluster.address).run(iter([1]), engine_work.square))


def test_no_workers(tmp_path: Path) -> None:
    with (
        running_cluster(tmp_path, []) as cluster,
        pytest.raises(ExtractionError, match=r"has no workers; start some with: dask worker tcp://127"),
    ):
        list(DaskCluster(cluster.address).run(iter([1]), engine_work.square))


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:{port}", "nonsense://x:{port}", "127.0.0.1:{port}"])
def test_no_scheduler(address: str, music: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    started = time.monotonic()
    with pytest.raises(ExtractionError, match=r"The Dask scheduler .* cannot be used .*; check that it runs") as error:
        extract(music, tmp_path, dask=address.format(port=port))
    assert time.monotonic() - started < 10
    assert len(str(error.value).splitlines()) == 1
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("address", ["garbage", "tcp://host", "tcp://:8786", "host:port", "tcp://a b:1", ""])
def test_no_address(address: str, tmp_path: Path) -> None:
    sentence = rf"The Dask address must be scheme://host:port, such as tcp://10\.0\.0\.1:8786, got '{address}'\."
    helpers.write_clip(tmp_path / "audio/x.wav")
    with pytest.raises(ParameterError, match=sentence):
        extract(tmp_path / "audio", tmp_path / "out", dask=address)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("address", ["tcp://10.0.0.1:8786", "tls://[::1]:8786", "head-node:8786", "ws://a.b:80/"])
def test_addresses(address: str) -> None:
    refuse_bad_address(address)


@pytest.mark.parametrize("address", ["garbage", "nonsense://x:1", "tcp://127.0.0.1:9"])
def test_a_client_that_cannot_connect_is_closed(address: str) -> None:
    code = """
import sys
from audio_genre.errors import ExtractionError
from audio_genre.jobs.cluster import DaskCluster
try:
    list(DaskCluster(sys.argv[1]).run(iter([1]), abs))
except ExtractionError as error:
    kept = error  # with its traceback, until the interpreter ends
    print(error)
"""
    started = time.monotonic()
    with process_helpers.start(code, address) as process:
        output, errors = process.communicate(timeout=60)
    assert errors == ""
    assert len(output.splitlines()) == 1
    assert time.monotonic() - started < 10


def test_without_dask(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ExtractionError, match=r"Dask is not installed; install it with: pip install .dask"):
        list(DaskCluster("tcp://127.0.0.1:1").run(iter([1]), engine_work.square))
