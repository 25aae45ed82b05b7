"""A file on its way in: streamed to a temporary file under a name of our own, up to a limit, and removed afterwards."""

from __future__ import annotations

import re
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path, PurePosixPath

from fastapi import Request

from audio_genre.errors import AudioGenreError
from audio_genre.web.settings import MEGABYTE

BODY = {"content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}, "required": True}
"""How the API's description tells of a request whose body is a file."""

_LONGEST_NAME = 255
_PLAIN_SUFFIX = re.compile(r"\.[a-z0-9]{1,5}")


class TooLargeError(AudioGenreError):
    """A file is larger than the server takes."""


def shown_name(name: str) -> str:
    r"""Return what a file is called on the page: the last part of what the browser says, which is never a path here.

    Examples
    --------
    >>> shown_name("../../etc/passwd"), shown_name("C:\\Music\\a.wav"), shown_name("")
    ('passwd', 'a.wav', 'file')
    """
    last = name.replace("\\", "/").rstrip("/").rpartition("/")[2].strip()
    shown = "".join(letter if letter.isprintable() else "?" for letter in last)[:_LONGEST_NAME]
    return shown if shown.strip(".") else "file"


@asynccontextmanager
async def received(request: Request, folder: Path, name: str, max_bytes: int) -> AsyncIterator[Path]:
    """Write the body of a request to a file, which is gone when the block ends."""
    refusal = f"{name} is larger than the {max_bytes / MEGABYTE:g} MB that this server takes; start it with --max-mb."
    length = request.headers.get("content-length", "")
    if length.isdecimal() and int(length) > max_bytes:
        raise TooLargeError(refusal)
    # Decoders look at it where the content leaves them in doubt.
    suffix = PurePosixPath(name.lower()).suffix
    suffix = suffix if _PLAIN_SUFFIX.fullmatch(suffix) else ""
    path = folder / f"clip-{uuid.uuid4().hex}{suffix}"
    try:
        size = 0
        with path.open("xb") as file:
            async for chunk in request.stream():
                size += len(chunk)
                if size > max_bytes:
                    raise TooLargeError(refusal)
                file.write(chunk)
        yield path
    finally:
        path.unlink(missing_ok=True)
