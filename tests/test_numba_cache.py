from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from numba_cache import leave_cache, own_cache


def test_no_process_compiles_into_the_cache_of_another(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import numba

    here = Path(os.environ["NUMBA_CACHE_DIR"])
    assert here.name.startswith("audio-genre-numba-")
    assert Path(numba.config.CACHE_DIR) == here
    monkeypatch.setenv("NUMBA_CACHE_DIR", "inherited from another worker")
    first, second = own_cache(tmp_path / "shared"), own_cache(tmp_path / "shared")
    assert len({here, first, second}) == 3
    assert os.environ["NUMBA_CACHE_DIR"] == str(second)
    for own in (first, second):
        leave_cache(own, tmp_path / "shared")
        assert not own.exists()


def test_what_was_compiled_is_there_the_next_time(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("NUMBA_CACHE_DIR", "")
    shared = tmp_path / "caches" / "shared"
    for names in (["a"], ["a", "b"], ["c"], []):
        own = own_cache(shared)
        for name in names:
            (own / "librosa").mkdir(exist_ok=True)
            (own / "librosa" / name).write_text(name)
        leave_cache(own, shared)
    # Each begins with what the others had; nothing else is left behind.
    assert sorted(path.name for path in (shared / "librosa").iterdir()) == ["a", "b", "c"]
    assert [path.name for path in shared.parent.iterdir()] == ["shared"]


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="root may write anywhere")
def test_without_a_place_for_caches_tests_run_all_the_same(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("NUMBA_CACHE_DIR", "")
    tmp_path.chmod(0o500)
    own = own_cache(tmp_path / "shared")
    (own / "a").touch()
    leave_cache(own, tmp_path / "shared")
    assert not own.exists()
