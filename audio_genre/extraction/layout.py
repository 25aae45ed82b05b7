"""How a data set is laid out: where the label of a clip stands, and which subset of a split it is in.

One folder per genre is the rule. Two others are known: folders for the subsets of a split above the genre folders,
and a table of labels beside audio files in any folders.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

from audio_genre.errors import ExtractionError
from audio_genre.files.walk import Clip, list_folder

SUBSETS = ("train", "validation", "test")
"""Subsets of a split, and names of the lists that tell which clips are in them."""

_SIDE_OF = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "dev"), "validation"),
    **dict.fromkeys(("test", "testing", "eval", "evaluation"), "test"),
}
_DIGEST_LETTERS = 8


@dataclass(frozen=True)
class Layout:
    """Tells label and names of a clip from its path.

    Attributes
    ----------
    subsets : mapping of str to str
        For each folder that stands for a subset of a split, which one; empty where there are none.
    labels : mapping of str to str or None
        Labels by path, from a table; None takes the names of folders.
    """

    subsets: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] | None = None

    def place(self, clip: Clip) -> Clip:
        """Name a clip, and its picture, by this layout.

        Examples
        --------
        >>> clip = Clip("test/jazz/x.wav", "test", "jazz/x.wav", "test/jazz/x", 1, 0)
        >>> placed = Layout({"test": "test"}).place(clip)
        >>> placed.label, placed.filename, placed.picture
        ('jazz', 'test/x.wav', 'jazz/test/x')
        """
        folders = PurePosixPath(clip.path).parts[:-1]
        if self.labels is not None:
            label, kept = self.labels.get(clip.path, ""), folders
        elif folders and folders[0] in self.subsets:
            label, kept = (folders[1], folders[:1] + folders[2:]) if len(folders) > 1 else ("", folders)
        else:
            return clip
        picture = PurePosixPath(clip.picture).name
        if label:
            picture = "/".join((label, *kept, picture))
        elif kept:
            # A folder would pass for a genre.
            picture = f"{picture}-{_digest(clip.path)}"
        return replace(clip, label=label, filename="/".join((*kept, PurePosixPath(clip.path).name)), picture=picture)

    def subset(self, path: str) -> str | None:
        """Tell which subset of the split a clip is in."""
        return self.subsets.get(path.partition("/")[0])


def plain_picture(path: str, picture: str) -> str:
    """Take back what a `Layout` made of the name of a picture.

    Examples
    --------
    >>> plain_picture("test/jazz/x.wav", "jazz/test/x")
    'test/jazz/x'
    """
    name = PurePosixPath(picture).name.removesuffix(f"-{_digest(path)}")
    return str(PurePosixPath(path).with_name(name))


def _digest(path: str) -> str:
    return hashlib.sha256(path.encode("utf-8", "surrogateescape")).hexdigest()[:_DIGEST_LETTERS]


def find_subsets(audio_dir: Path, leave_out: Path, *, are_labels: bool = True) -> dict[str, str]:
    """Recognise folders that stand for the subsets of a split.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> for name in ("Train", "test"):
    ...     (folder / name).mkdir()
    >>> find_subsets(folder, folder / "out")
    {'Train': 'train', 'test': 'test'}
    """
    try:
        _, folders = list_folder(audio_dir, ())
        folders = [name for name in folders if audio_dir / name != leave_out]
        subsets = subsets_of(folders)
        named = [name for name in folders if name.casefold() in _SIDE_OF]
        above_genres = [name for name in named if list_folder(audio_dir / name, ())[1]]
    except OSError:  # which is told when clips are looked for
        return {}
    if subsets or not above_genres or not are_labels:
        return subsets
    others = [name for name in folders if name not in above_genres]
    if others and len(above_genres) == 1:
        return {}  # an artist called Train, perhaps
    if others:
        raise ExtractionError(
            f"{audio_dir} has folders named after subsets of a split, with folders in them, such as "
            f"{above_genres[0]!r}, beside others, such as {others[0]!r}, so it cannot be told which are genres; move "
            "the others away, or give labels with --labels."
        )
    return {name: _SIDE_OF[name.casefold()] for name in above_genres}


def subsets_of(folders: Iterable[str]) -> dict[str, str]:
    """Tell the subsets that the names of folders stand for.

    Examples
    --------
    >>> subsets_of(["train", "jazz"])
    {}
    """
    found = {name: _SIDE_OF.get(name.casefold(), "") for name in folders}
    subsets = set(found.values())
    return found if "" not in subsets and "train" in subsets and len(subsets) > 1 else {}
