"""``audio-genre encoder``."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from audio_genre.cli.console import guarded, print_json, printable, shown

if TYPE_CHECKING:
    from audio_genre.encoders import Encoder


@guarded("stopped; nothing was installed.")
def encoder(
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="The network to install, such as musicnn.")
    ] = None,
    list_all: Annotated[bool, typer.Option("--list", help="Show what there is, and what is installed.")] = False,
    package: Annotated[
        Path | None,
        typer.Option("--from", metavar="FILE", help="The package's file, where it was fetched before; no network."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print what there is as one JSON object.")] = False,
) -> None:
    """Install a pretrained network that recipes such as musicnn50-v1 need, or list what there is.

    The weights are fetched from PyPI once, verified by SHA-256, and kept in your data folder.
    """
    from audio_genre.encoders import ENCODERS, install
    from audio_genre.errors import ParameterError

    if name is None and package is not None:
        raise ParameterError(f"--from needs the name of the network; there are {', '.join(ENCODERS)}.")
    if name is not None:
        if name not in ENCODERS:
            raise ParameterError(f"There is no pretrained network {name!r}; there are {', '.join(ENCODERS)}.")
        path = install(ENCODERS[name], package)
        if not (list_all or as_json):
            found = ENCODERS[name]
            typer.echo(
                f"{found.title}: installed as {printable(str(shown(path)))}, {path.stat().st_size / 1e6:.1f} MB."
            )
            typer.echo(f"Licence: {found.licence}. Trained on {found.trained_on}.")
            return
    if as_json:
        print_json({each.name: _as_json(each) for each in ENCODERS.values()})
        return
    for each in ENCODERS.values():
        for line in _lines(each):
            typer.echo(line)


def _as_json(encoder: Encoder) -> dict[str, Any]:
    from audio_genre.encoders import path_of

    return {
        "title": encoder.title,
        "state": _state(encoder),
        "path": str(path_of(encoder)),
        "licence": encoder.licence,
        "trained_on": encoder.trained_on,
        "citation": encoder.citation,
        "package": f"{encoder.package}=={encoder.version}",
        "sha256": encoder.file_sha256,
        "tags": list(encoder.tags),
    }


def _state(encoder: Encoder) -> str:
    """Return "installed", or the sentence that says why it cannot be used."""
    from audio_genre.encoders import load
    from audio_genre.errors import EncoderError

    try:
        load(encoder)
    except EncoderError as error:
        return str(error)
    return "installed"


def _lines(encoder: Encoder) -> list[str]:
    facts = (
        ("state", _state(encoder)),
        ("from", f"{encoder.package} {encoder.version} of PyPI, {encoder.file_bytes / 1e6:.0f} MB"),
        ("licence", encoder.licence),
        ("trained on", encoder.trained_on),
        ("citation", encoder.citation),
        ("tags", ", ".join(encoder.tags)),
    )
    lines = [f"{encoder.name}: {encoder.title}"]
    for fact, text in facts:
        lines += textwrap.wrap(text, 96, initial_indent=f"  {fact:<11}", subsequent_indent=" " * 13)
    return lines
