"""A music library to answers that are kept, and from these to playlists, a table and tags."""

from audio_genre.errors import LibraryError
from audio_genre.library.corrections import correct
from audio_genre.library.report import FileGenre, GenreSummary, LibraryProgress, OrganizeReport, TagReport, UndoReport
from audio_genre.library.run import default_database, organize, undo_tags

__all__ = [
    "FileGenre",
    "GenreSummary",
    "LibraryError",
    "LibraryProgress",
    "OrganizeReport",
    "TagReport",
    "UndoReport",
    "correct",
    "default_database",
    "organize",
    "undo_tags",
]
