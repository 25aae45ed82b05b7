"""Serving the application on this machine until it is stopped."""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable
from dataclasses import replace

import uvicorn

from audio_genre.errors import AudioGenreError
from audio_genre.web.app import create_app
from audio_genre.web.settings import HOST, Settings


class ServeError(AudioGenreError):
    """The server cannot be started."""


def serve(settings: Settings, *, ready: Callable[[str], None]) -> None:
    """Serve until Ctrl-C; `ready` is told the address once requests are answered."""
    with _listening(settings.port) as listener:
        port = listener.getsockname()[1]
        config = uvicorn.Config(
            create_app(replace(settings, port=port)),
            log_level="error",
            access_log=False,
            server_header=False,
            # What Ctrl-C leaves is not waited for: workers are ended anyway.
            timeout_graceful_shutdown=1,
        )
        _Server(config, lambda: ready(f"http://{HOST}:{port}/")).run(sockets=[listener])


class _Server(uvicorn.Server):
    """A server that tells when it answers."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._ready()


def _listening(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        # Else the port of a server that was just stopped could not be had for a minute.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((HOST, port))
        listener.listen(128)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise ServeError(f"The port {port} is taken; choose another with --port, or 0 for any.") from None
        raise ServeError(f"The port {port} cannot be used: {error.strerror}; choose another with --port.") from None
    return listener
