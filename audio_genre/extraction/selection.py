"""What of a plan needs to be done: a clip as it is now against what the journal says of it."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import NamedTuple

from audio_genre.extraction.journal import Entry, Identity
from audio_genre.extraction.plan import Clip, picture_files
from audio_genre.extraction.storage import is_there


class Why(Enum):
    """Why a clip of an earlier run is done again."""

    FILE = "the file changed"
    RECIPE = "another recipe is asked for"
    PICTURES = "the pictures are missing or were made with other settings"
    UNFINISHED = "it could not be read or finished the last time"


class Verdict(NamedTuple):
    """What is to be done with a clip.

    Attributes
    ----------
    todo : bool
        Whether it must be worked on.
    why : Why or None
        Why it is done again, if it is.
    known_hash : str or None
        Content for which the clip need not be done again.
    forget : bool
        Whether what is kept of it, pictures included, is of no more use.
    """

    todo: bool
    why: Why | None = None
    known_hash: str | None = None
    forget: bool = False


def judge(clip: Clip, entry: Entry | None, identity: Identity, pictures_dir: Path) -> Verdict:
    """Decide whether a clip must be worked on.

    Parameters
    ----------
    clip : Clip
        The clip as it is now.
    entry : Entry or None
        What the journal says of it.
    identity : Identity
        What its results are to depend on besides its file.
    pictures_dir : Path
        Folder of the pictures.

    Returns
    -------
    Verdict
        The decision.
    """
    if entry is None:
        return Verdict(todo=True)
    if entry.content_hash is None:
        return Verdict(todo=True, why=Why.UNFINISHED)
    if entry.pictures and entry.pictures != picture_files(clip.picture, len(entry.pictures)):
        # Another file of the folder has come or gone, and with it the names of their pictures.
        return Verdict(todo=True, why=Why.PICTURES, forget=True)
    if entry.identity.recipe != identity.recipe:
        return Verdict(todo=True, why=Why.RECIPE)
    if entry.size != clip.size:
        return Verdict(todo=True, why=Why.FILE)
    if identity.pictures is not None and not entry.is_failure:
        has_pictures = all(is_there(pictures_dir / name) for name in entry.pictures)
        if entry.identity.pictures != identity.pictures or not has_pictures:
            return Verdict(todo=True, why=Why.PICTURES)
    if entry.mtime_ns != clip.mtime_ns:
        return Verdict(todo=True, why=Why.FILE, known_hash=entry.content_hash)
    return Verdict(todo=False)
