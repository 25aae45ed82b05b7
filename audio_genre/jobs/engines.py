"""Ways to run one function over many tasks: the interface, and the engine of this process.

Every engine holds numerical libraries to one thread: several tasks are worked on at a time instead, and sums taken by
several threads end in other bits.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    import threadpoolctl

Task = TypeVar("Task")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Lost:
    """What an engine gives for a task whose process died.

    Attributes
    ----------
    how : str
        How it died: "signal 9 (SIGKILL)".
    """

    how: str


class Engine(Protocol):
    """Runs a function over tasks and gives back each result as it comes."""

    def run(
        self, tasks: Iterator[Task], work: Callable[[Task], Result]
    ) -> Generator[tuple[Task, Result | Lost], None, None]:  # numpydoc ignore=PR01
        """Run `work` over `tasks`; few of them are under way at a time.

        Parameters
        ----------
        tasks : iterator
            The tasks, taken in the caller's thread and only as fast as results are taken.
        work : callable
            A picklable function of one task. An exception that it raises ends the run and is raised here.

        Yields
        ------
        tuple
            A task and its result, in the order in which they are finished. Closing the iterator ends the run.
        """
        ...


class InProcess:
    """Runs tasks one after the other in this process."""

    def run(
        self, tasks: Iterator[Task], work: Callable[[Task], Result]
    ) -> Generator[tuple[Task, Result | Lost], None, None]:
        """Run `work` over `tasks`.

        Parameters
        ----------
        tasks : iterator
            The tasks.
        work : callable
            A function of one task.

        Yields
        ------
        tuple
            A task and its result.
        """
        for task in tasks:
            with thread_pools().limit(limits=1):
                result = work(task)
            yield task, result


@lru_cache(maxsize=1)
def thread_pools() -> threadpoolctl.ThreadpoolController:
    """Return what controls the threads of numerical libraries in this process.

    Returns
    -------
    threadpoolctl.ThreadpoolController
        The controller; it knows the libraries that numpy loaded.
    """
    import numpy  # noqa: F401
    import threadpoolctl

    return threadpoolctl.ThreadpoolController()
