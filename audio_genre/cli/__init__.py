"""The command line: arguments, progress, printing; no logic."""

from __future__ import annotations

from typing import Annotated

import typer

from audio_genre._version import __version__
from audio_genre.cli import (
    audit,
    classify,
    compare,
    demo,
    encoder,
    explore,
    extract,
    organize,
    serve,
    spotify,
    tracks,
    train,
    verify,
)

app = typer.Typer(
    name="audio-genre",
    help="Extract audio features, train and evaluate genre models, classify your own music.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(extract.extract)
app.command()(audit.audit)
app.command()(explore.explore)
app.add_typer(train.train)
app.add_typer(tracks.tracks)
app.command()(compare.compare)
app.command()(classify.classify)
app.command()(organize.organize)
app.add_typer(spotify.spotify)
app.command()(serve.serve)
app.command()(verify.verify)
app.command()(demo.demo)
app.command()(encoder.encoder)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"audio-genre {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    _version: Annotated[
        bool,
        typer.Option("--version", "-V", callback=_print_version, is_eager=True, help="Print the version and exit."),
    ] = False,
) -> None:
    """Extract audio features, train and evaluate genre models, classify your own music."""


def main() -> None:
    """Run the command line.

    Exit status: 0 all done, 1 some inputs failed, 2 nothing could be done, 130 stopped with Ctrl-C.
    """
    app()
