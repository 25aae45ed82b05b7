"""Comparison reports that were made for the page, and how they are shown without a way back to it."""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import dataclass, field
from pathlib import Path

HEADERS = {
    # A report runs scripts of its own. In a sandbox it has no origin, so it can neither ask the API nor read the token;
    # it may load nothing but its own files.
    "content-security-policy": "sandbox allow-scripts allow-downloads; default-src 'none'; "
    "script-src 'self' 'unsafe-inline'; style-src 'unsafe-inline'; img-src 'self' data: blob:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
    # To a page without an origin its own files are another's; the address cannot be guessed.
    "cross-origin-resource-policy": "cross-origin",
}
"""What a report is sent with in place of the page's own rules."""


@dataclass
class Reports:
    """The report that was made last, and of which models."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    of: object = None
    folder: Path | None = None
    secret: str = ""

    def begin(self, above: Path) -> Path:
        """Return a folder for a report; its address is new, so that no browser shows an earlier one."""
        self.of, self.secret = None, secrets.token_urlsafe(16)
        self.folder = above / f"report-{self.secret}"
        return self.folder

    def file(self, secret: str, name: str) -> Path | None:
        """Return a file of the report, where there is such a one."""
        if self.folder is None or not secrets.compare_digest(secret.encode(), self.secret.encode()):
            return None
        file = (self.folder / name).resolve()
        return file if file.is_relative_to(self.folder.resolve()) and file.is_file() else None
