"""The addresses that are asked; only code can change them, for tests."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Addresses of the services.

    Attributes
    ----------
    api : str
        Spotify's Web API; ends with a slash.
    authorize, token : str
        Where a user agrees, and where tokens come from.
    reccobeats : str
        The third party's API of track features; ends with a slash.
    """

    api: str = "https://api.spotify.com/v1/"
    authorize: str = "https://accounts.spotify.com/authorize"
    token: str = "https://accounts.spotify.com/api/token"
    reccobeats: str = "https://api.reccobeats.com/v1/"


SPOTIFY = Endpoints()
"""The addresses in use."""
