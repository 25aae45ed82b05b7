"""Large buffers that are kept from signal to signal: fresh ones cost more in page faults than the work in them."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Workspace:
    """Named buffers, each as large as the largest array asked for so far."""

    def __init__(self) -> None:
        self._buffers: dict[str, NDArray[Any]] = {}

    def floats(self, name: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
        """Return a float32 array of a shape, its contents undefined, sharing memory with the last of that name."""
        return self._view(name, shape, np.float32)

    def complexes(self, name: str, shape: tuple[int, ...]) -> NDArray[np.complex64]:
        """Return a complex64 array as `floats` does."""
        return self._view(name, shape, np.complex64)

    def _view(self, name: str, shape: tuple[int, ...], dtype: type[Any]) -> NDArray[Any]:
        size = int(np.prod(shape))
        buffer = self._buffers.get(name)
        if buffer is None or buffer.size < size:
            buffer = np.empty(size, dtype=dtype)
            self._buffers[name] = buffer
        return buffer[:size].reshape(shape)


class _PerThread(threading.local):
    def __init__(self) -> None:
        self.workspace = Workspace()


_per_thread = _PerThread()


def thread_workspace() -> Workspace:
    """Return the workspace of the running thread."""
    return _per_thread.workspace
