"""The command ``audio-genre``, also as ``python -m audio_genre``."""

from __future__ import annotations

import contextlib
import os
import sys


def main() -> None:
    """Run the command line, and leave with a true status also where nothing can be printed, or it is stopped."""
    if not _open_streams():
        _say("the standard output is closed, so there is nowhere to print to; redirect it to a file, or to /dev/null.")
        sys.exit(2)
    status: int | str | None
    try:
        status = _run()
        # Here, and not when Python ends: then a failure would be a traceback and a status of its own.
        sys.stdout.flush()
    except KeyboardInterrupt:
        _say("stopped.")
        status = 130
    except BrokenPipeError:
        # The reader, such as head, has seen enough.
        status = 1
    except OSError as error:
        _say(f"the output cannot be written: {error.strerror}; redirect it to another file.")
        status = 2
    _drop_unwritten()
    sys.exit(status)


def _run() -> int | str | None:
    """Run the command line and return its status."""
    from audio_genre.cli import main as run

    try:
        run()
    except SystemExit as ended:
        return ended.code
    return 0


def _open_streams() -> bool:
    """Open what was closed, lest files get its number and be written into; tell whether there was an output."""
    there = sys.stdout is not None
    for number, mode in ((0, os.O_RDONLY), (1, os.O_WRONLY), (2, os.O_WRONLY)):
        try:
            os.fstat(number)
        except OSError:
            # The lowest number that is free, which is this one.
            os.open(os.devnull, mode)
    if sys.stderr is None:
        sys.stderr = open(2, "w", encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115
    return there


def _say(sentence: str) -> None:
    with contextlib.suppress(OSError):
        sys.stderr.write(f"audio-genre: {sentence}\n")
        sys.stderr.flush()


def _drop_unwritten() -> None:
    """Let what cannot be written go nowhere, so that Python does not try once more when it ends."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            with contextlib.suppress(OSError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


if __name__ == "__main__":
    main()
