"""The error tree: whatever a user can cause is an `AudioGenreError` whose message is one sentence."""

from __future__ import annotations

_MAX_DIGITS = 9


def apart(first: float, second: float, digits: int) -> tuple[str, str]:
    """Write two numbers that differ so that it shows.

    Examples
    --------
    >>> apart(0.25, 0.31, 2), apart(2.9999, 3.0, 2)
    (('0.25', '0.31'), ('2.9999', '3.0000'))
    """
    while digits < _MAX_DIGITS and first != second and f"{first:.{digits}f}" == f"{second:.{digits}f}":
        digits += 1
    return f"{first:.{digits}f}", f"{second:.{digits}f}"


class AudioGenreError(Exception):
    """Base of every error that this package raises on purpose.

    The message is one sentence with the value, the rule and the next step, fit to be shown as it is.
    """


class ParameterError(AudioGenreError, ValueError):
    """An argument is outside its permitted range."""


class AudioError(AudioGenreError):
    """An audio file cannot be decoded, or holds nothing that features can be computed from."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(path, reason)
        self.path = path
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.path} {self.reason}."


class UnreadableError(AudioError):
    """An audio file cannot be read at the moment: the same bytes may well be read at another try."""


class SilentError(AudioError):
    """An audio file holds nothing but zeros."""


class ExtractionError(AudioGenreError):
    """An extraction cannot start or go on: no audio found, no space left, folder not writable."""


class TableError(AudioGenreError):
    """A feature table cannot be read, or lacks what its schema asks for."""


class PictureError(AudioGenreError):
    """A folder of pictures cannot be read, or holds nothing that a network can be trained on."""


class ProtocolError(AudioGenreError):
    """An evaluation protocol does not apply to the data it was given."""


class BundleError(AudioGenreError):
    """A model bundle is incomplete, malformed, or made for another recipe."""


class ReportError(AudioGenreError):
    """A report cannot be made from what it is asked to compare, or cannot be written."""


class LibraryError(AudioGenreError):
    """A library cannot be organized: no audio found, database in use or damaged, a file in the way."""


class EncoderError(AudioGenreError):
    """A pretrained network is not installed, not intact, or cannot be fetched."""


class AccountError(AudioGenreError):
    """A streaming account cannot be read or written: not connected, refused, out of reach, or nothing to be done."""


class LoginNeededError(AccountError):
    """There is no access to the account, or no longer; the user has to log in."""


class TryLaterError(AccountError):
    """The service asks for a pause that is too long to wait for.

    Attributes
    ----------
    seconds : float or None
        How long the pause is, where the service says so.
    """

    def __init__(self, message: str, seconds: float | None = None) -> None:
        super().__init__(message)
        self.seconds = seconds
