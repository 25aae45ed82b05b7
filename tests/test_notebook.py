"""The notebooks run from top to bottom in a fresh kernel, and what is stored of them is fit to be read."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parents[1] / "notebooks"
FEWEST_PICTURES = {"music_genre_classification": 10, "tracks": 3}
MOST_BYTES = 600_000
CELL_SECONDS = 300

# A path from the root: /home/..., C:\..., but not a closing tag, a fraction or a relative path.
ABSOLUTE_PATH = re.compile(r"""(?:^|[\s"'(\[=>:])(?:/[\w.~-]+/|[A-Za-z]:\\)""", re.MULTILINE)


def as_text(value: str | list[str]) -> str:
    return value if isinstance(value, str) else "".join(value)


def code_cells(notebook: dict[str, Any]) -> list[dict[str, Any]]:
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def output_kinds(notebook: dict[str, Any]) -> dict[str, list[str]]:
    """Return the kinds of output of each code cell by its id."""
    return {
        cell["id"]: [kind for output in cell["outputs"] for kind in sorted(output.get("data", {output["output_type"]}))]
        for cell in code_cells(notebook)
    }


def blemishes(notebook: dict[str, Any]) -> list[str]:
    """Tell what in the outputs a reader should not see."""
    found = []
    for cell in code_cells(notebook):
        for output in cell["outputs"]:
            if output["output_type"] == "error" or output.get("name") == "stderr":
                found.append(f"{cell['id']}: {output}")
            texts = [output.get("text", "")]
            texts += [value for kind, value in output.get("data", {}).items() if kind.startswith("text/")]
            found += [f"{cell['id']}: {text}" for text in map(as_text, texts) if ABSOLUTE_PATH.search(text)]
    return found


@pytest.fixture(scope="module", params=FEWEST_PICTURES)
def path(request: pytest.FixtureRequest) -> Path:
    return FOLDER / f"{request.param}.ipynb"


@pytest.fixture
def stored(path: Path) -> dict[str, Any]:
    notebook: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return notebook


def test_every_notebook_is_tested() -> None:
    assert {path.stem for path in FOLDER.glob("*.ipynb")} == set(FEWEST_PICTURES)


def test_stored_notebook_is_valid(path: Path) -> None:
    nbformat = pytest.importorskip("nbformat", reason="nbformat, of the extra test, is not installed")
    notebook = nbformat.read(path, as_version=nbformat.NO_CONVERT)
    nbformat.validate(notebook)
    assert (notebook.nbformat, notebook.nbformat_minor) == (4, 5)


def test_stored_notebook_is_small(path: Path) -> None:
    assert path.stat().st_size < MOST_BYTES


def test_stored_outputs_are_those_of_one_run_from_top_to_bottom(stored: dict[str, Any], path: Path) -> None:
    cells = code_cells(stored)
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))
    assert sum("image/png" in kinds for kinds in output_kinds(stored).values()) >= FEWEST_PICTURES[path.stem]


def test_stored_outputs_show_no_path_error_or_warning(stored: dict[str, Any]) -> None:
    assert blemishes(stored) == []


@pytest.mark.parametrize("text", ["/home/me/x.wav", "in '/tmp/abc/features'", "C:\\Users\\me", "<td>/work/main/a</td>"])
def test_absolute_paths_are_recognised(text: str) -> None:
    assert ABSOLUTE_PATH.search(text)


@pytest.mark.parametrize("text", ["audio/hum/hum.00000.wav", "<td>1</td></tr>", "26 / 30", "text/plain", "a: b"])
def test_other_text_is_no_absolute_path(text: str) -> None:
    assert not ABSOLUTE_PATH.search(text)


def test_it_runs_in_a_fresh_kernel(
    stored: dict[str, Any], path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for package in ("nbformat", "nbclient", "ipykernel"):
        pytest.importorskip(package, reason=f"{package}, of the extra test, is not installed")
    import nbformat
    from nbclient import NotebookClient

    folders = {name: tmp_path / name for name in ("cwd", "temporary", "jupyter", "ipython")}
    for folder in folders.values():
        folder.mkdir()
    for variable in ("TMPDIR", "TEMP", "TMP"):
        monkeypatch.setenv(variable, str(folders["temporary"]))
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(folders["jupyter"]))
    monkeypatch.setenv("IPYTHONDIR", str(folders["ipython"]))
    beside = {file: file.stat().st_mtime_ns for file in FOLDER.rglob("*")}

    fresh = nbformat.read(path, as_version=4)
    for cell in code_cells(fresh):
        cell["outputs"], cell["execution_count"] = [], None
    resources = {"metadata": {"path": str(folders["cwd"])}}
    NotebookClient(fresh, timeout=CELL_SECONDS, kernel_name="python3", resources=resources).execute()

    assert blemishes(fresh) == []
    assert output_kinds(fresh) == output_kinds(stored)
    assert list(folders["cwd"].iterdir()) == []
    assert list(folders["temporary"].iterdir()) == [], "the notebook leaves its temporary files behind"
    assert {file: file.stat().st_mtime_ns for file in FOLDER.rglob("*")} == beside
