"""Cells that spreadsheet programs would take for formulas, made harmless on request."""

from __future__ import annotations

import re
from typing import Any

_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)(e[+-]?\d+)?|[+-]?(inf|nan)", re.IGNORECASE)
# An apostrophe before such a sign is doubled, so that `plain_cell` knows which one was put there.
_FORMULA = re.compile(r"'*[=+\-@\t\r]")


def safe_cell(value: Any) -> Any:
    """Put an apostrophe before a text that a spreadsheet program would take for a formula.

    Examples
    --------
    >>> safe_cell("=cmd|' /C calc'!A0.wav"), safe_cell("-1.5"), safe_cell(-1.5), safe_cell("a=b")
    ("'=cmd|' /C calc'!A0.wav", '-1.5', -1.5, 'a=b')
    """
    is_formula = isinstance(value, str) and _FORMULA.match(value) and not _NUMBER.fullmatch(value)
    return f"'{value}" if is_formula else value


def plain_cell(value: Any) -> Any:
    """Take `safe_cell` back.

    Examples
    --------
    >>> [plain_cell(safe_cell(text)) for text in ("=a", "'=a", "'a", "-1")]
    ['=a', "'=a", "'a", '-1']
    """
    is_escaped = isinstance(value, str) and value.startswith("'") and _FORMULA.match(value)
    return value[1:] if is_escaped else value
