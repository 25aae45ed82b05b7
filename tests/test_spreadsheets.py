from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio_genre.spreadsheets import plain_cell, safe_cell


@given(st.text(st.sampled_from("'=+-@\t\ra1.")) | st.text())
def test_no_cell_begins_a_formula_and_each_comes_back(text: str) -> None:
    safe = safe_cell(text)
    if safe[:1] in tuple("=+-@\t\r"):
        float(safe)
    assert plain_cell(safe) == text


@pytest.mark.parametrize("value", [-1.5, 3, None, "-1.5", "+2e-7", "-inf", "a=b", "", "'a"])
def test_numbers_and_other_texts_stay(value: object) -> None:
    assert safe_cell(value) == value
