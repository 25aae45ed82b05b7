"""``audio-genre audit`` as a user types it: what it prints, and how it ends."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import typer
from typer.testing import CliRunner, Result

from audio_genre.audit import Audit, Finding
from audio_genre.cli.audit import audit, audit_lines
from audio_genre.datasets import GTZAN57_TABLE

app = typer.Typer()
app.command()(audit)


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def table(path: Path, copies: int = 0, **cells: object) -> Path:
    rng = np.random.default_rng(0)
    rows = []
    for k in range(60):
        values = rng.standard_normal(57).tolist()
        if k >= 60 - copies:
            values = [rows[k - 30][name] for name in GTZAN57_TABLE.features]
        label = ("fado", "rai")[k // 30]
        features = dict(zip(GTZAN57_TABLE.features, values, strict=True))
        rows.append({"filename": f"x{k}.wav", **features, **cells, "label": label})
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def test_a_clean_table_ends_well(tmp_path: Path) -> None:
    result = run(table(tmp_path / "t.csv"))
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines()[0].endswith("t.csv: 60 rows, 2 classes.")
    assert result.stdout.splitlines()[-1] == "Nothing found."


def test_warnings_alone_end_well(tmp_path: Path) -> None:
    result = run(table(tmp_path / "t.csv", tempo=120))
    assert result.exit_code == 0
    assert "Warnings: this may" in result.stdout
    assert "0 serious, 1 warning, 0 notes." in result.stdout


def test_serious_findings_come_first_with_long_lists_cut_short(tmp_path: Path) -> None:
    result = run(table(tmp_path / "t.csv", copies=20, tempo=120))
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    assert lines.index("Serious: this makes results wrong") < lines.index("Warnings: this may make results wrong")
    assert "    and 12 more" in lines
    assert sum(line.startswith("    x") for line in lines) == 8
    assert lines[-1] == "1 serious, 1 warning, 0 notes."


def test_json_is_complete(tmp_path: Path) -> None:
    result = run(table(tmp_path / "t.csv", copies=20), "--json")
    assert result.exit_code == 1
    found = json.loads(result.stdout)
    assert found["counts"] == {"serious": 1, "warning": 0, "note": 0}
    assert found["classes"] == {"fado": 30, "rai": 30}
    (finding,) = found["findings"]
    assert finding["kind"] == "duplicate_across_classes"
    assert len(finding["items"]) == len(finding["details"]["groups"]) == 20


@pytest.mark.parametrize("name", ["absent.csv", "empty.csv", "."])
def test_what_cannot_be_examined_ends_with_2_and_a_sentence(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty.csv").touch()
    result = run(tmp_path / name)
    assert result.exit_code == 2
    assert result.stderr.startswith("audio-genre: ")
    assert result.stdout == ""


def test_a_list_is_not_cut_for_one_line_more() -> None:
    items = tuple(f"item {k}" for k in range(9))
    lines = audit_lines(Audit(Path("x"), "table", 9, {"a": 9}, (Finding("constant", "note", "A.", items),)))
    assert [line.strip() for line in lines if "item" in line] == list(items)


def test_hostile_names_do_not_steer_the_terminal() -> None:
    finding = Finding("constant", "note", "Look at \x1b[31m\n.", ("\x1b[2J", "x" * 10_000))
    text = "\n".join(audit_lines(Audit(Path("a\nb"), "table", 1, {"<b>": 1}, (finding,))))
    assert "\x1b" not in text
    assert max(map(len, text.splitlines())) < 300
    assert "a\\nb" in text
