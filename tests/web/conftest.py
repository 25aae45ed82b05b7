from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from web_page import CHROMIUM


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A browser; while it is there, an event loop runs in this thread, in which other tests want none."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    # Machines may be busy.
    playwright.expect.set_options(timeout=20000)
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        yield browser
        browser.close()
