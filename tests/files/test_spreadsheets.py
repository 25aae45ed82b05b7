from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio_genre.files.spreadsheets import plain_cell, safe_cell


@given(st.text(st.sampled_from("'=+-@\t\ra1.")) | st.text())
def test_no_cell_begins_a_formula_and_each_comes_back(text: str) -> None:
    safe = safe_cell(text)
    if safe[:1] in tuple("=+-@\t\r"):
        float(safe)
    assert plain_cell(safe) == text


@pytest.mark.parametrize("value", [-1.5, 3, None, "-1.5", "+2e-7", "-inf", "a=b", "", "'a"])
def test_numbers_and_other_texts_stay(value: object) -> None:
    assert safe_cell(value) == value


def test_failures_of_an_extraction(tmp_path: Path) -> None:
    from audio_genre.extraction import extract

    (tmp_path / "audio").mkdir()
    for name in ("=1+1.wav", "@x.wav"):
        (tmp_path / "audio" / name).touch()
    for excel_safe, mark in ((False, ""), (True, "'"), (True, "'"), (False, "")):
        extract(tmp_path / "audio", tmp_path / "out", jobs=1, images=False, excel_safe=excel_safe)
        lines = (tmp_path / "out" / "failures.csv").read_text(encoding="utf-8").splitlines()
        assert lines == [
            "path,reason",
            f"{mark}=1+1.wav,is empty (0 bytes)",
            f"{mark}@x.wav,is empty (0 bytes)",
        ]


def test_tables_of_a_comparison() -> None:
    from audio_genre.evaluation.comparison_report import _csv

    rows = pd.DataFrame({"track": ["=x", "y"], "predicted": ["-a", "jazz"], "confidence": [-0.5, 1.0]})
    assert _csv(rows, excel_safe=False) == b"track,predicted,confidence\n=x,-a,-0.5\ny,jazz,1.0\n"
    assert _csv(rows, excel_safe=True) == b"track,predicted,confidence\n'=x,'-a,-0.5\ny,jazz,1.0\n"
