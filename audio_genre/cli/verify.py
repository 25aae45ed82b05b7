"""``audio-genre verify``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from audio_genre.cli.console import (
    SOME_FAILED,
    ProgressLine,
    counted,
    guarded,
    print_json,
    printable,
    table_lines,
    tell,
)

if TYPE_CHECKING:
    from audio_genre.extraction.verify import Verification


@guarded()
def verify(
    audio_dir: Annotated[Path, typer.Argument(metavar="AUDIO_DIR", help="Folder of audio files.")],
    clips: Annotated[int, typer.Option(min=1, help="Number of files to compare.")] = 3,
    as_json: Annotated[bool, typer.Option("--json", help="Print the comparison as one JSON object.")] = False,
) -> None:
    """Compare our features with librosa's on your own files.

    Exit status: 0 all features are equal, 1 one is not, 2 no file could be compared.
    """
    from audio_genre.extraction.verify import verify as compare

    with ProgressLine("comparing", "clips") as line:
        found = compare(audio_dir, clips=clips, progress=line.update)
    for sentence in found.failures:
        tell(sentence)
    if as_json:
        print_json(found.as_json())
    else:
        for text in verification_lines(found):
            typer.echo(printable(text))
    if not found.is_equal:
        raise typer.Exit(SOME_FAILED)


def verification_lines(found: Verification) -> list[str]:
    """Put a comparison into a table and a sentence."""
    rows = [
        (
            each.feature,
            f"{each.librosa:.6g}",
            f"{each.ours:.6g}",
            f"{each.relative:.1e}",
            "" if each.is_equal else "differs",
        )
        for each in found.differences
    ]
    different = [each for each in found.differences if not each.is_equal]
    verdict = (
        f"{len(different)} of {len(rows)} features differ from librosa {found.librosa}"
        if different
        else f"All {len(rows)} features equal those of librosa {found.librosa} to 5 digits or to single precision"
    )
    return [
        *table_lines(("feature", "librosa", "audio_genre", "relative difference", ""), rows),
        f"{verdict}, over {counted(len(found.clips), 'clip')} (recipe {found.recipe}).",
    ]
