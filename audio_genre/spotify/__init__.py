"""A Spotify account as a target of playlists: liked songs, their genres from elsewhere, writes that can be undone."""

from audio_genre.spotify.account import Account, PlaylistChange, Preview, Sources, Status, Undo
from audio_genre.spotify.target import Naming

__all__ = ["Account", "Naming", "PlaylistChange", "Preview", "Sources", "Status", "Undo"]
