from __future__ import annotations

import os
from pathlib import Path

import hypothesis
import pytest
from numba_cache import leave_cache, own_cache, shared_cache

_SHARED_CACHE = shared_cache()
# Before any test imports librosa, and in every worker of pytest-xdist anew.
_OWN_CACHE = own_cache(_SHARED_CACHE)

SHARED_DATA = Path(os.environ.get("AUDIO_GENRE_SHARED_DATA", Path(__file__).parents[2] / "shared" / "data"))

# The same examples in every run; a property test is no lottery.
hypothesis.settings.register_profile("repeatable", derandomize=True, deadline=None, database=None)
hypothesis.settings.load_profile("repeatable")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder with real data for measurements, which is never part of the project."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"no real data at {SHARED_DATA}; set AUDIO_GENRE_SHARED_DATA to a folder that has them")
    return SHARED_DATA


def pytest_sessionfinish() -> None:
    leave_cache(_OWN_CACHE, _SHARED_CACHE)
