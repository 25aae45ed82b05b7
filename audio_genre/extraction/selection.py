"""What of a plan needs to be done: a clip as it is now against what the journal says of it."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import NamedTuple

from audio_genre.extraction.journal import MOST_LOSSES, Entry, Identity, Trouble
from audio_genre.files.storage import is_there
from audio_genre.files.walk import Clip, picture_files


class Why(Enum):
    """Why a clip of an earlier run is done again."""

    FILE = "the file changed"
    RECIPE = "another recipe was requested"
    PICTURES = "the pictures are missing or were made with other settings"
    UNFINISHED = "it could not be read or finished the last time"
    RETRY = "it failed and a retry was requested"
    DECODER = "it failed, and the decoder has another version now"


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
    rename : bool
        Whether its pictures have other names now.
    is_settled : bool
        Whether what was in the way the last time is not any more.
    """

    todo: bool
    why: Why | None = None
    known_hash: str | None = None
    forget: bool = False
    rename: bool = False
    is_settled: bool = False


def judge(
    clip: Clip,
    entry: Entry | None,
    trouble: Trouble | None,
    identity: Identity,
    pictures_dir: Path,
    retry: Why | None = None,
) -> Verdict:
    """Decide whether a clip must be worked on."""
    verdict = _judge_entry(clip, entry, identity, pictures_dir, retry)
    if trouble is None:
        return verdict
    if not verdict.todo:
        return verdict._replace(is_settled=True)
    is_same = (trouble.size, trouble.mtime_ns) == (clip.size, clip.mtime_ns)
    if is_same and trouble.losses >= MOST_LOSSES and retry is None:
        return verdict._replace(todo=False, why=None, known_hash=None)
    return verdict._replace(why=retry or Why.UNFINISHED)


def is_renamed(clip: Clip, entry: Entry) -> bool:
    """Tell whether a clip's pictures have other names now.

    Another file of the folder has come or gone, or the label is another.
    """
    return bool(entry.pictures) and entry.pictures != picture_files(clip.picture, len(entry.pictures))


def _judge_entry(clip: Clip, entry: Entry | None, identity: Identity, pictures_dir: Path, retry: Why | None) -> Verdict:
    if entry is None:
        return Verdict(todo=True)
    if entry.content_hash is None:
        return Verdict(todo=True, why=Why.UNFINISHED)
    if entry.is_failure and retry is not None:
        return Verdict(todo=True, why=retry)
    has_pictures = all(is_there(pictures_dir / name) for name in entry.pictures)
    rename = is_renamed(clip, entry)
    if rename and not has_pictures:
        return Verdict(todo=True, why=Why.PICTURES, forget=True)
    if entry.identity.recipe != identity.recipe:
        return Verdict(todo=True, why=Why.RECIPE, rename=rename)
    if clip.size < 0:
        # It cannot be examined; whoever opens it will tell why.
        return Verdict(todo=True, rename=rename)
    if entry.size != clip.size:
        return Verdict(todo=True, why=Why.FILE, rename=rename)
    as_asked = has_pictures and entry.identity.pictures == identity.pictures
    if identity.pictures is not None and not entry.is_failure and not as_asked:
        return Verdict(todo=True, why=Why.PICTURES, rename=rename)
    if entry.mtime_ns != clip.mtime_ns:
        return Verdict(todo=True, why=Why.FILE, known_hash=entry.content_hash, rename=rename)
    return Verdict(todo=False, rename=rename)
