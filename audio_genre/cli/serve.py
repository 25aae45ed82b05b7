"""``audio-genre serve``."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from audio_genre.cli.console import guarded
from audio_genre.errors import AudioGenreError, BundleError, LibraryError


@guarded()
def serve(
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port of the page; 0 takes any that is free.")] = 8000,
    model: Annotated[
        Path | None,
        typer.Option(
            "--model", "-m", help="Folder of the model that classifies.", show_default="comes with the package"
        ),
    ] = None,
    models: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Folder of model folders to look at and choose from.", show_default=False),
    ] = None,
    music: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Folder of music that can be sorted on the page.", show_default=False),
    ] = None,
    open_page: Annotated[bool, typer.Option("--open", help="Open the page in the browser.")] = False,
    max_mb: Annotated[int, typer.Option(min=1, max=4096, metavar="N", help="Largest file in MB.")] = 200,
) -> None:
    """Classify audio files, sort a library and look at models in a browser, on this machine only.

    Exit status: 130 stopped with Ctrl-C, 2 it could not be started.
    """
    missing = [name for name in ("fastapi", "uvicorn") if find_spec(name) is None]
    if missing:
        from audio_genre.extras import install_command

        raise AudioGenreError(f"The page needs {' and '.join(missing)}; run: {install_command('web')}")
    if model is not None and not (model / "card.json").is_file():
        raise BundleError(f"{model} is no model folder: it has no card.json; train one with `audio-genre train`.")
    if model is not None:
        from audio_genre.inputs.loading import check_audio

        check_audio(model)
    if models is not None and not models.is_dir():
        raise BundleError(f"{models} is no folder; give the folder that contains the folders of the models.")
    if music is not None and not music.is_dir():
        raise LibraryError(f"{music} is no folder; give the folder that contains the music.")

    from audio_genre.web.server import serve as run
    from audio_genre.web.settings import MEGABYTE, Settings

    def ready(address: str) -> None:
        typer.echo(f"Listening on {address} (stop with Ctrl-C)")
        if open_page:
            import webbrowser

            webbrowser.open(address)

    settings = Settings(
        port=port,
        model=model,
        models=models,
        music=None if music is None else music.resolve(),
        max_bytes=max_mb * MEGABYTE,
    )
    run(settings, ready=ready)
