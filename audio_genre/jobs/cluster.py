"""The engine of a Dask cluster: the same function on many machines, results streamed back."""

from __future__ import annotations

import importlib.util
import logging
import re
import threading
import time
import uuid
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from audio_genre._version import __version__
from audio_genre.errors import ExtractionError, ParameterError
from audio_genre.extras import install_command
from audio_genre.jobs.engines import Lost, Result, Task, thread_pools

if TYPE_CHECKING:
    import distributed

# Without a scheme, Dask takes tcp.
_ADDRESS = re.compile(r"(?:[a-z][a-z0-9+.-]*://)?(?:[^\s/:]+|\[[0-9a-fA-F:.%\w]+\]):[0-9]{1,5}/?", re.ASCII)
_CONNECT_SECONDS = 5
_CLOSE_SECONDS = 1
_COUNT_EVERY_SECONDS = 2.0
_TASKS_PER_THREAD = 2
_LIMIT_LOCK = threading.Lock()


def refuse_bad_address(address: str) -> None:
    """Refuse what cannot be the address of a scheduler."""
    if _ADDRESS.fullmatch(address) is None:
        raise ParameterError(
            f"The Dask address must be scheme://host:port, such as tcp://10.0.0.1:8786, got {address!r}."
        )


class DaskCluster:
    """Runs tasks on the workers of an existing Dask cluster.

    The workers need this package in the same version, and see the folders under the same paths. A worker that is lost
    has its tasks done by another one. A worker's numerical libraries are held to one thread from its first task on.
    """

    def __init__(self, address: str, folders: tuple[Path, ...] = ()) -> None:
        self._address = address
        self._folders = folders

    def run(
        self, tasks: Iterator[Task], work: Callable[[Task], Result]
    ) -> Generator[tuple[Task, Result | Lost], None, None]:
        """Run `work` over `tasks`."""
        with self._connected() as client:
            self._refuse_unfit(client)
            yield from self._stream(client, tasks, work)

    def _stream(
        self, client: distributed.Client, tasks: Iterator[Task], work: Callable[[Task], Result]
    ) -> Generator[tuple[Task, Result | Lost], None, None]:
        from distributed import as_completed

        run = uuid.uuid4().hex
        under_way: dict[str, Task] = {}
        completed = as_completed(loop=client.loop)
        window = _Window(client)
        number = 0
        while True:
            while len(under_way) < window.size:
                task = next(tasks, None)
                if task is None:
                    break
                future = client.submit(_alone, work, task, key=f"audio-genre-{run}-{number}", pure=False)
                number += 1
                under_way[future.key] = task
                completed.add(future)
            if not under_way:
                return
            batch = completed.next_batch()
            finished = [future for future in batch if future.status == "finished"]
            for future, result in zip(finished, client.gather(finished), strict=True):
                yield under_way.pop(future.key), result
            for future in batch:
                if future.key in under_way:
                    yield under_way.pop(future.key), self._lost(future)

    def _lost(self, future: distributed.Future) -> Lost:
        from distributed import KilledWorker

        if future.status != "error":
            raise self._broken("the connection was lost")
        error = future.exception()
        if isinstance(error, KilledWorker):
            return Lost("as did every Dask worker that tried it after that")
        raise error

    def _refuse_unfit(self, client: distributed.Client) -> None:
        try:
            found = client.run(_examine, self._folders)
        except ModuleNotFoundError as error:
            raise ExtractionError(
                f"The Dask workers of {self._address} cannot load audio_genre ({error}); install audio_genre "
                f"{__version__} on each of them."
            ) from None
        if not found:
            raise ExtractionError(
                f"The Dask scheduler {self._address} has no workers; start some with: dask worker {self._address}"
            )
        for worker, (version, unseen) in sorted(found.items()):
            if version != __version__:
                raise ExtractionError(
                    f"The Dask worker {worker} has audio_genre {version} and this machine {__version__}; install the "
                    "same version on both, for the numbers to be the same."
                )
            if unseen is not None:
                raise ExtractionError(
                    f"The Dask worker {worker} does not see the folder {unseen}; put it where all machines find it "
                    "under this path."
                )

    @contextmanager
    def _connected(self) -> Iterator[distributed.Client]:
        if importlib.util.find_spec("distributed") is None:
            raise ExtractionError(f"Dask is not installed; install it with: {install_command('dask')}")
        from distributed import CancelledError, Client

        with _quiet_log():
            # Begun in two steps, so that a client that cannot connect is at hand to be closed.
            client = Client.__new__(Client)
            try:
                try:
                    client.__init__(self._address, timeout=_CONNECT_SECONDS, set_as_default=False)
                except (OSError, ValueError) as error:
                    raise self._broken(str(error).rstrip(".")) from None
                try:
                    yield client
                except (OSError, CancelledError) as error:
                    raise self._broken(f"the connection was lost: {error}") from None
            finally:
                _close(client)

    def _broken(self, what: str) -> ExtractionError:
        return ExtractionError(
            f"The Dask scheduler {self._address} cannot be used ({what}); check that it runs and that this machine "
            "reaches it, and run the same command again: what is done is kept."
        )


def _close(client: distributed.Client) -> None:
    """Close a client in whatever state it is; what goes wrong in that is of no interest to anyone."""
    with suppress(Exception):
        client.close(timeout=_CLOSE_SECONDS)
    # Or it would try again, and print how that fails, when it is collected.
    client.status = "closed"


@contextmanager
def _quiet_log() -> Iterator[None]:
    """Keep tracebacks of lost connections from a user who is told of them in a sentence."""
    loggers = [logging.getLogger(name) for name in ("distributed", "distributed.client")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


class _Window:
    """How many tasks may be under way, while workers join and leave."""

    def __init__(self, client: distributed.Client) -> None:
        self._client = client
        self._size = 0
        self._counted_at = float("-inf")

    @property
    def size(self) -> int:
        now = time.monotonic()
        if now - self._counted_at > _COUNT_EVERY_SECONDS:
            self._counted_at = now
            self._size = _TASKS_PER_THREAD * max(1, sum(self._client.nthreads().values()))
        return self._size


def _alone(work: Callable[[Task], Result], task: Task) -> Result:
    """Run a task in one of several threads of a worker, in which numerical libraries use no threads of their own."""
    # For good: the threads of a process share this limit, and whoever lifts it does so for tasks still under way.
    with _LIMIT_LOCK:
        thread_pools().limit(limits=1)
    return work(task)


def _examine(folders: tuple[Path, ...]) -> tuple[str, str | None]:
    """Return a worker's version of this package, and the first folder that it does not see."""
    return __version__, next((str(folder) for folder in folders if not folder.is_dir()), None)
