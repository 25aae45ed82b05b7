"""Where an account's token and cached items are kept: files that the owner alone can read."""

from __future__ import annotations

import json
import os
import re
import secrets
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from audio_genre.errors import AccountError, LoginNeededError
from audio_genre.files.storage import storage_error

_OWNER_FILE = 0o600
_OWNER_FOLDER = 0o700
_PLAIN = re.compile(r"[!-~]+")
_LATEST = 2**33  # in the year 2242


def default_folder() -> Path:
    """Return the folder of an account in the user's own state folder."""
    import platformdirs

    return platformdirs.user_state_path("audio-genre", appauthor=False) / "spotify"


class StateFolder:
    """The folder of an account: its token, and the database of what is cached."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.token_file = folder / "token.json"
        self.database = folder / "account.sqlite"

    def make(self) -> None:
        """Make the folder, for the owner alone."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self.folder.chmod(_OWNER_FOLDER)
        except OSError as error:
            raise AccountError(
                f"The folder {self.folder} cannot be made: {error.strerror}; check the permissions above it."
            ) from None

    def read_token(self) -> dict[str, Any] | None:
        """Return what is kept with the token; None where nobody is logged in."""
        try:
            text = self.token_file.read_text(encoding="utf-8")
            if self.token_file.stat().st_mode & 0o077:
                self.token_file.chmod(_OWNER_FILE)
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is damaged"
            raise LoginNeededError(f"{self.token_file} cannot be read: {reason}; log in again.") from None
        try:
            token = json.loads(text)
        except (ValueError, RecursionError):
            token = None
        if not isinstance(token, dict) or not _is_sound(token):
            raise LoginNeededError(
                f"{self.token_file} is damaged; log in again with `audio-genre spotify login --client-id ID`."
            )
        return token

    def write_token(self, token: Mapping[str, Any]) -> None:
        """Keep a token; it is in its place, complete and on the disk, before this returns."""
        self.make()
        part = self.folder / f".{secrets.token_hex(16)}.part"
        try:
            # Readable by the owner alone from its first byte on.
            handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _OWNER_FILE)
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                json.dump(token, file)
                file.flush()
                os.fsync(file.fileno())
            part.replace(self.token_file)
        except OSError as error:
            raise storage_error(error, self.token_file) from None
        finally:
            with suppress(OSError):
                part.unlink(missing_ok=True)

    def forget_token(self) -> None:
        """Delete the token."""
        self._delete(self.token_file)

    def forget_items(self) -> None:
        """Delete what is cached, what was written and what can be undone."""
        for name in ("", "-wal", "-shm", "-journal"):
            self._delete(self.database.with_name(self.database.name + name))

    def clear(self) -> None:
        """Delete all of it."""
        self.forget_token()
        self.forget_items()
        with suppress(OSError):
            for part in self.folder.glob(".*.part"):
                part.unlink()
            self.folder.rmdir()

    def _delete(self, file: Path) -> None:
        try:
            file.unlink(missing_ok=True)
        except OSError as error:
            raise AccountError(f"{file} cannot be deleted: {error.strerror}; delete it by hand.") from None


def _is_sound(token: Mapping[str, Any]) -> bool:
    """Tell whether every field of a token has its type and range; all but three may be missing."""
    account = token.get("account", {"account": "", "user": "", "name": ""})
    return (
        all(_is_plain(token.get(name)) for name in ("client_id", "access_token", "refresh_token"))
        and all(_is_time(token.get(name, 0)) for name in ("authorized_at", "expires_at"))
        and isinstance(token.get("scope", ""), str)
        and isinstance(account, dict)
        and all(isinstance(account.get(name), str) for name in ("account", "user", "name"))
    )


def _is_plain(value: object) -> bool:
    """Tell whether a value can go into a header."""
    return isinstance(value, str) and _PLAIN.fullmatch(value) is not None


def _is_time(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= _LATEST
