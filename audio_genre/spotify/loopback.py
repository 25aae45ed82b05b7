"""A server on this machine for one answer: where the browser comes back to after a login."""

from __future__ import annotations

import errno
import http.server
import time
from types import TracebackType
from urllib.parse import urlsplit

from audio_genre.errors import AccountError, LoginNeededError
from audio_genre.spotify.authorization import CALLBACK

HOST = "127.0.0.1"
"""Where the server is; Spotify accepts no name here."""

_PAGE = (
    '<!doctype html><html lang="en"><meta charset="utf-8"><title>audio-genre</title>'
    "<p>{}</p><p>You can close this page and go back to the terminal.</p></html>"
)
_LONGEST_REQUEST_SECONDS = 5.0


class Loopback:
    """Waits for the way back of a login; nothing else is answered."""

    def __init__(self, port: int = 0) -> None:
        self.callback: str | None = None
        loopback = self

        class Handler(http.server.BaseHTTPRequestHandler):
            timeout = _LONGEST_REQUEST_SECONDS

            def do_GET(self) -> None:
                is_callback = urlsplit(self.path).path == CALLBACK and loopback.callback is None
                if is_callback:
                    loopback.callback = self.path
                text = "The answer was received." if is_callback else "There is nothing here."
                body = _PAGE.format(text).encode()
                self.send_response(200 if is_callback else 404)
                self.send_header("Content-Type", "text/html; charset=utf-8")
                self.send_header("Content-Length", str(len(body)))
                self.send_header("Content-Security-Policy", "default-src 'none'")
                self.send_header("Referrer-Policy", "no-referrer")
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Say nothing: the address holds the code."""

        class Server(http.server.HTTPServer):
            # Another program that listens on the port must be noticed.
            allow_reuse_address = False

            def handle_error(self, *_: object) -> None:
                """Leave a browser that hangs up alone."""

        try:
            self._server = Server((HOST, port), Handler)
        except OSError as error:
            if error.errno in (errno.EADDRINUSE, errno.EACCES):
                why = "is taken by another program" if error.errno == errno.EADDRINUSE else "may not be used"
                raise AccountError(
                    f"The port {port} {why}; choose another --port, or leave it out to take any that is free."
                ) from None
            raise
        self._server.timeout = 0.2

    @property
    def redirect_uri(self) -> str:
        """The address that the browser comes back to."""
        return f"http://{HOST}:{self._server.server_address[1]}{CALLBACK}"

    def wait(self, seconds: float) -> str:
        """Return the address that the browser came back with."""
        until = time.monotonic() + seconds
        while self.callback is None:
            if time.monotonic() > until:
                raise LoginNeededError(
                    f"No answer came from the browser in {seconds / 60:.0f} minutes; if it showed INVALID_CLIENT, "
                    "check the client id and that the app's redirect URI is http://127.0.0.1/callback, then try again."
                )
            self._server.handle_request()
        return self.callback

    def __enter__(self) -> Loopback:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.server_close()
