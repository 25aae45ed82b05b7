from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import extraction_helpers as helpers
import pytest

NOBODY = 65534


@pytest.fixture(scope="session")
def music(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two genres of six short clips each; not to be written to."""
    folder = tmp_path_factory.mktemp("music")
    for genre in ("blues", "metal"):
        for k in range(6):
            helpers.write_clip(folder / genre / f"{genre}.{k:05d}.wav", seed=k)
    return folder


@pytest.fixture(scope="session")
def expected(music: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What an undisturbed extraction of `music` writes."""
    from audio_genre.extraction import extract

    out = tmp_path_factory.mktemp("expected")
    extract(music, out, jobs=1)
    return helpers.outputs(out)


@pytest.fixture(scope="session")
def all_is_imported(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Have an extraction import all that it needs: an ordinary user may not be allowed to read the environment."""
    from audio_genre.extraction import extract

    folder = tmp_path_factory.mktemp("imports")
    helpers.write_clip(folder / "audio" / "x.wav", sr=44100)
    extract(folder / "audio", folder / "out", jobs=1)


@pytest.fixture
def ordinary_user(all_is_imported: None) -> Iterator[Path]:
    """A folder of its own for a user whom permissions apply to, who is the one running the test."""
    is_root = hasattr(os, "geteuid") and os.geteuid() == 0
    folder = Path(tempfile.mkdtemp(prefix="audio-genre-test-"))
    if is_root:
        shutil.chown(folder, NOBODY)
        os.seteuid(NOBODY)
    try:
        yield folder
    finally:
        if is_root:
            os.seteuid(0)
        shutil.rmtree(folder)
