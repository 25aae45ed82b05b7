from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import extraction_helpers as helpers
import hypothesis
import loopback_only
import pytest
from feature_tables import write_table
from numba_cache import leave_cache, own_cache, shared_cache

from audio_genre.datasets import Table, load_table

_SHARED_CACHE = shared_cache()
# Before any test imports librosa, and in every worker of pytest-xdist anew.
_OWN_CACHE = own_cache(_SHARED_CACHE)
# Threads that wait must sleep: beside other processes their spinning costs ten times what they compute.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

loopback_only.guard()

SHARED_DATA = Path(os.environ.get("AUDIO_GENRE_SHARED_DATA", Path(__file__).parents[2] / "shared" / "data"))

NOBODY = 65534


# What people keep for themselves (installed networks, choices by hand) takes no part in a test, nor in the processes
# that it starts, and no test adds to it.
_DATA_HOME = os.environ.get("XDG_DATA_HOME")
_TEST_DATA_HOME = tempfile.mkdtemp(prefix="audio-genre-test-data-")
os.environ["XDG_DATA_HOME"] = _TEST_DATA_HOME
atexit.register(shutil.rmtree, _TEST_DATA_HOME, ignore_errors=True)


@pytest.fixture
def installed_encoders(monkeypatch: pytest.MonkeyPatch) -> None:
    """Use the pretrained networks that are installed on this machine."""
    if _DATA_HOME is None:
        monkeypatch.delenv("XDG_DATA_HOME")
    else:
        monkeypatch.setenv("XDG_DATA_HOME", _DATA_HOME)


# The same examples in every run; a property test is no lottery.
hypothesis.settings.register_profile("repeatable", derandomize=True, deadline=None, database=None, max_examples=60)
hypothesis.settings.load_profile("repeatable")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder with real data for measurements, which is never part of the project."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"no real data at {SHARED_DATA}; set AUDIO_GENRE_SHARED_DATA to a folder that has them")
    return SHARED_DATA


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


@pytest.fixture(scope="session")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Table:
    """A table of 30 clips in three classes."""
    return load_table(write_table(tmp_path_factory.mktemp("clips") / "features_30_sec.csv"))


@pytest.fixture(scope="session")
def segments(tmp_path_factory: pytest.TempPathFactory) -> Table:
    """A table of 30 tracks with four 3-s segments each."""
    return load_table(write_table(tmp_path_factory.mktemp("segments") / "features_3_sec.csv", segments=4))


# What takes longest comes first, so that no worker is left with a long file at the end.
LONGEST = (
    "tests/test_notebook.py",
    "tests/test_install.py",
    "tests/training/test_tabular.py",
    "tests/cli/test_commands.py",
    "tests/evaluation",
    "tests/training",
    "tests/library",
    "tests/cli",
    "tests/jobs",
    "tests/inference",
    "tests/extraction",
    "tests/bundles",
    "tests/web",
)


def pytest_configure(config: pytest.Config) -> None:
    # pytest-xdist would begin with the files of the most tests.
    config.option.loadscopereorder = False


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    def place(item: pytest.Item) -> int:
        return next((k for k, start in enumerate(LONGEST) if item.nodeid.startswith(start)), len(LONGEST))

    items.sort(key=place)


def pytest_sessionfinish() -> None:
    leave_cache(_OWN_CACHE, _SHARED_CACHE)


@pytest.fixture
def tiny_encoder(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Have the recipe ``musicnn50-v1`` take an installed network with few random weights; returns their file."""
    from tiny_musicnn import package, use

    from audio_genre.encoders import install

    folder = tmp_path_factory.mktemp("encoder")
    file, entry = package(folder)
    use(monkeypatch, folder / "data", entry)
    return install(entry, file)


@pytest.fixture(scope="session")
def picture_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures of two styles that differ plainly."""
    from picture_folders import write_pictures

    return write_pictures(tmp_path_factory.mktemp("pictures") / "images_original")


@pytest.fixture(scope="session")
def small_transformer(picture_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small transformer that was trained on them."""
    from small_networks import small_networks

    from audio_genre.training import train_pictures

    with small_networks():
        (model,) = train_pictures(picture_folder, tmp_path_factory.mktemp("small"), "transformer", epochs=4)
    return model.path
