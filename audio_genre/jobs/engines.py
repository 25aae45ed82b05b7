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
        """Run `work` over `tasks`; few of them are under way at a time."""
        ...


class InProcess:
    """Runs tasks one after the other in this process."""

    def run(
        self, tasks: Iterator[Task], work: Callable[[Task], Result]
    ) -> Generator[tuple[Task, Result | Lost], None, None]:
        """Run `work` over `tasks`."""
        for task in tasks:
            with thread_pools().limit(limits=1):
                result = work(task)
            yield task, result


@lru_cache(maxsize=1)
def thread_pools() -> threadpoolctl.ThreadpoolController:
    """Return what controls the threads of numerical libraries in this process."""
    import numpy  # noqa: F401
    import threadpoolctl

    return threadpoolctl.ThreadpoolController()
