"""The command ``audio-genre``, also as ``python -m audio_genre``."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line, and end quietly if it is stopped while it still loads."""
    try:
        from audio_genre.cli import main as run

        run()
    except KeyboardInterrupt:
        sys.stderr.write("audio-genre: stopped.\n")
        sys.exit(130)


if __name__ == "__main__":
    main()
