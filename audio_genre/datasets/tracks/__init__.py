"""Tables of Spotify-style tracks: layouts, cleaning, genre mapping, songs and artists."""

from audio_genre.datasets.tracks.mapping import GenreMapping, default_mapping, read_mapping
from audio_genre.datasets.tracks.rows import Tracks
from audio_genre.datasets.tracks.table import load_tracks

__all__ = ["GenreMapping", "Tracks", "default_mapping", "load_tracks", "read_mapping"]
