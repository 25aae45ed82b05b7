"""``audio-genre classify``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from audio_genre.cli.console import SOME_FAILED, complain, guarded, print_json, printable


@guarded()
def classify(
    clips: Annotated[list[str], typer.Argument(metavar="CLIP", help="Audio files: wav, flac, ogg, mp3, au, aiff.")],
    model: Annotated[Path, typer.Option("--model", "-m", help="Folder of a trained model, such as models/adam-4.")],
    top: Annotated[int, typer.Option(min=1, help="How many genres to show.")] = 3,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object a clip, each on its own line.")
    ] = False,
) -> None:
    """Tell the genre of audio files with a trained model."""
    from audio_genre.errors import AudioError
    from audio_genre.inference.classifier import Classifier

    classifier = Classifier(model)
    failed = False
    for clip in clips:
        try:
            answer = classifier.classify(clip)
        except AudioError as error:
            failed = True
            if as_json:
                print_json({"path": clip, "error": str(error)})
            else:
                complain(str(error))
            continue
        if as_json:
            print_json(
                {
                    "path": clip,
                    "genre": answer.genre,
                    "confidence": answer.confidence,
                    "probabilities": answer.probabilities,
                    "model": answer.model,
                }
            )
        else:
            typer.echo(f"{printable(clip)}: {describe(answer.top(top))}")
    if failed:
        raise typer.Exit(SOME_FAILED)


def describe(best: list[tuple[str, float]]) -> str:
    """Put the most probable genres into words.

    Parameters
    ----------
    best : list of tuple of str and float
        Genres with their probabilities, the best first.

    Returns
    -------
    str
        Genre, confidence, runners-up.

    Examples
    --------
    >>> describe([("jazz", 0.71), ("blues", 0.2)])
    'jazz 71 % (blues 20 %)'
    """
    words = [f"{genre} {100 * p:.0f} %" for genre, p in best]
    return words[0] if len(words) == 1 else f"{words[0]} ({', '.join(words[1:])})"
