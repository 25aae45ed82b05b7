"""What can go wrong when files are written, in a user's words, and the one way to write a file."""

from __future__ import annotations

import errno
import os
import stat
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from audio_genre.errors import ExtractionError

NO_SPACE_CODES = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""Error numbers of a full disk, an exhausted quota, a file size limit."""

PASSING_CODES = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN, errno.EINTR, errno.EBUSY})
"""Error numbers of what this machine lacks at the moment, whichever file it is about to open."""

_PROBE_BYTES = 65536

CLIP_CODES = frozenset(
    {errno.ENAMETOOLONG, errno.EISDIR, errno.ENOTDIR, errno.EEXIST, errno.ENOTEMPTY, errno.EINVAL, errno.EILSEQ}
)
"""Error numbers that one file's name brings about, and not the folder it is written to."""


class NoSpaceError(ExtractionError):
    """There is no space left to write to."""

    def __init__(self, path: Path, code: int = errno.ENOSPC) -> None:
        super().__init__(path, code)
        self.path = path
        self.code = code

    def __str__(self) -> str:
        return f"No space is left to write {self.path}{self.detail}; {self.remedy}, and run the same command again."

    @property
    def detail(self) -> str:
        """What else than the disk is full, in brackets, or nothing."""
        return "" if self.code == errno.ENOSPC else f" ({os.strerror(self.code)})"

    @property
    def remedy(self) -> str:
        """What the user may do."""
        if self.code == errno.EFBIG:
            return "raise the limit on the size of a file"
        return "free some space"


def storage_error(error: OSError, path: Path) -> ExtractionError:
    """Put an error of the operating system, met when a file was written, into a sentence."""
    if error.errno in NO_SPACE_CODES:
        return NoSpaceError(path, error.errno)
    return ExtractionError(
        f"{path} cannot be written: {error.strerror or error}; allow writing there, or choose another output folder."
    )


def why_no_space(folder: Path, size: int) -> int | None:
    """Find out whether a file of a folder can still grow, by writing one."""
    probe = folder / f"{uuid.uuid4().hex}.probe"
    try:
        try:
            with probe.open("wb", buffering=0) as file:
                file.seek(size)
                # Less than all may be written without an error, and what is missing tells why in the next call.
                left = _PROBE_BYTES
                while left:
                    left -= file.write(bytes(left))
                os.fsync(file.fileno())
        finally:
            probe.unlink(missing_ok=True)
    except OSError as error:
        return error.errno if error.errno in NO_SPACE_CODES else None
    return None


def is_there(path: Path) -> bool:
    """Tell whether there is something under a path, as far as this user can see."""
    try:
        path.stat()
    except OSError:
        return False
    return True


def why_foreign(path: Path, heads: tuple[bytes, ...], what: str) -> str | None:
    """Say why a file is not to be written over, unless it is empty, or begins as `what` does; None where it may be."""
    try:
        if not stat.S_ISREG(path.lstat().st_mode):
            return "is not a regular file"
        with path.open("rb") as file:
            head = file.read(max(map(len, heads)))
    except FileNotFoundError:
        return None
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    return None if not head or head.startswith(heads) else f"is not {what} and would be replaced"


@contextmanager
def atomic_file(path: Path, staging: Path) -> Iterator[IO[bytes]]:
    """Write a file that appears under its name complete or not at all."""
    try:
        with whole_file(path, staging / f"{uuid.uuid4().hex}.part") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise storage_error(error, path) from None


@contextmanager
def whole_file(path: Path, part: Path | None = None) -> Iterator[IO[bytes]]:
    """Do the same without waiting for the disk, in a part beside the file by default; errors are the system's."""
    # Names of files are limited, and so the part is not named after the file.
    part = part or path.with_name(f".{uuid.uuid4().hex}.part")
    try:
        with part.open("wb") as file:
            yield file
        part.replace(path)
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)
