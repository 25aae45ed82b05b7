"""A cache of numba's for each process that runs tests.

librosa's compiled functions are cached on disk, and two processes that compile them at once can spoil that cache for
good: later imports of librosa then end in a segmentation fault (numba issue 10128). So every process has a folder of
its own, which begins as a copy of one that an earlier process has left complete.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import os
import shutil
import sys
import tempfile
from pathlib import Path

from platformdirs import user_cache_path


def shared_cache() -> Path:
    """Return where caches are kept from one run to the next: never written into, only replaced as a whole."""
    versions = [importlib.metadata.version(package) for package in ("numba", "librosa")]
    # The files of one environment name the sources of that one.
    environment = hashlib.sha256(sys.prefix.encode()).hexdigest()[:8]
    return user_cache_path("audio-genre-tests") / "-".join(
        ["numba", *versions, sys.implementation.cache_tag, environment]
    )


def own_cache(shared: Path) -> Path:
    """Give this process, and those that it starts, a cache of its own; call it before numba is imported."""
    own = Path(tempfile.mkdtemp(prefix="audio-genre-numba-"))
    # Another process may replace it meanwhile; what is missing is compiled again.
    with contextlib.suppress(OSError, shutil.Error):
        shutil.copytree(shared, own, dirs_exist_ok=True)
    os.environ["NUMBA_CACHE_DIR"] = str(own)
    return own


def leave_cache(own: Path, shared: Path) -> None:
    """Keep a cache for later processes if it holds more than the one that is kept, and remove it otherwise."""
    with contextlib.suppress(OSError):
        if _files(own) > _files(shared):
            shared.parent.mkdir(parents=True, exist_ok=True)
            # Beside it, so that it takes its place at once.
            new = Path(tempfile.mkdtemp(prefix=f".{shared.name}-", dir=shared.parent))
            shutil.copytree(own, new, dirs_exist_ok=True)
            old = new.with_name(f"{new.name}-old")
            with contextlib.suppress(FileNotFoundError):
                shared.rename(old)
            with contextlib.suppress(OSError):
                new.rename(shared)
            for rest in (old, new):
                shutil.rmtree(rest, ignore_errors=True)
    shutil.rmtree(own, ignore_errors=True)


def _files(folder: Path) -> int:
    return sum(path.is_file() for path in folder.rglob("*"))
