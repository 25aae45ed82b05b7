"""Splits that others have published or made: a folder with a list of names for each subset."""

from __future__ import annotations

import hashlib
import os
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from audio_genre.datasets.groups import part_of
from audio_genre.datasets.gtzan import find_clip
from audio_genre.datasets.protocols import Rows, Split, SplitProtocol
from audio_genre.errors import ParameterError, ProtocolError

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SUBSETS = ("train", "validation", "test")
_PURPOSES = ("for training", "for validation", "for testing")
# train.txt, valid_filtered.txt, val-1.txt, testing.txt
_LIST = re.compile(r"(?P<subset>train|val|test)(?:ing|id|idation)?(?:[^a-z].*)?\.(?:txt|lst|list)", re.IGNORECASE)
_SUFFIX = re.compile(r"\.(?=\w*[A-Za-z])\w+$")
_LEFT_OUT = -1
_HELD_OUT_SHARE = 0.2


class ListedProtocol(SplitProtocol):
    """A split by lists of names; `read_splits` makes one of a folder.

    Parameters
    ----------
    name : str
        Name of the protocol.
    lists : mapping of str to sequence of str
        Names for each of train, validation and test: files, tracks or rows, with or without folders and suffix. Without
        names for validation, about 20 % of the tracks of each class are drawn from train, with the seed.
    leaky : bool
        Whether rows of one track may be in two subsets.
    source : str
        Where the lists come from, for the command that makes a model again.
    """

    def __init__(self, name: str, lists: Mapping[str, Sequence[str]], *, leaky: bool = False, source: str = "") -> None:
        self.name = name
        self.leaky = leaky
        self._source = source
        self._lists = {subset: tuple(dict.fromkeys(map(_plain, lists[subset]))) for subset in _SUBSETS}
        sizes = ", ".join(
            f"{len(names)} names {why}" if names else f"about 20 % of the first {why}"
            for names, why in zip(self._lists.values(), _PURPOSES, strict=True)
        )
        self.description = f"{'LEAKY: ' if leaky else ''}the lists of {name.partition(':')[2] or name}: {sizes}"
        seen: dict[str, str] = {}
        for subset, names in self._lists.items():
            for line in names:
                if seen.setdefault(line, subset) != subset:
                    raise ProtocolError(
                        f"The lists of {name!r} have {line!r} for {seen[line]} and for {subset}; a name belongs in one."
                    )

    @property
    def sha256(self) -> str:
        """Hash of the names of all lists, in hexadecimal digits."""
        text = "\n\n".join("\n".join(names) for names in self._lists.values())
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()

    @property
    def identity(self) -> str:
        """Name and hash, because two folders can have one name."""
        return f"{self.name} {self.sha256}"

    @property
    def options(self) -> tuple[str, ...]:
        """Options of the command line that choose it."""
        return ("--splits", self._source, *(("--leaky",) if self.leaky else ()))

    @property
    def leaves_out(self) -> bool:
        """Whether it may leave out rows: those in no list."""
        return True

    def facts(self, rows: Rows) -> dict[str, Any]:
        """Return what a model card says of it beyond other protocols.

        Parameters
        ----------
        rows : Rows
            The rows that were split.

        Returns
        -------
        dict
            The hash, and the number of names in the lists that no row has.
        """
        return {"sha256": self.sha256, "unmatched": self._match(rows)[1]}

    def notes(self, rows: Rows) -> tuple[str, ...]:
        """Tell how many names of the lists no row has.

        Parameters
        ----------
        rows : Rows
            The rows that were split.

        Returns
        -------
        tuple of str
            One sentence, or none.
        """
        unmatched, total = self._match(rows)[1], sum(map(len, self._lists.values()))
        return (f"No row is named like {unmatched} of the {total} names in the lists.",) if unmatched else ()

    def _deal(self, rows: Rows, seed: int, folds: int | None) -> tuple[Split, ...]:
        if folds is not None:
            raise ParameterError(f"The protocol {self.name!r} has one split and no folds; got {folds} folds.")
        subset, _ = self._match(rows)
        if not self._lists["validation"]:
            _draw_validation(rows, subset, seed)
        subsets_of: dict[str, set[int]] = defaultdict(set)
        for group, number in zip(rows.groups.tolist(), subset.tolist(), strict=True):
            if number != _LEFT_OUT:
                subsets_of[group].add(number)
        torn = sorted(group for group, numbers in subsets_of.items() if len(numbers) > 1)
        if torn and not self.leaky:
            raise ProtocolError(
                f"The lists of {self.name!r} have rows of {len(torn)} track{'' if len(torn) == 1 else 's'} in two "
                f"subsets, such as {torn[0]!r}; correct them, or add --leaky, which marks the split as leaky, and its "
                "scores."
            )
        train, validation, test, left_out = (np.flatnonzero(subset == number) for number in (0, 1, 2, _LEFT_OUT))
        return (Split(train, validation, test, left_out=left_out),)

    def _lacks(self, label: str, subset: str, fold: str) -> ProtocolError:  # noqa: ARG002
        why = dict(zip(_SUBSETS, _PURPOSES, strict=True))[subset]
        return ProtocolError(
            f"The protocol {self.name!r} lists no row of the class {label!r} {why}; add some to its {subset} list, or "
            "leave the class out of the table."
        )

    def _match(self, rows: Rows) -> tuple[NDArray[np.intp], int]:
        """Return the subset of each row, and the number of names that no row has."""
        classes = {label.casefold() for label in rows.labels.tolist()}
        lines = [(number, line) for number, names in enumerate(self._lists.values()) for line in names]
        meant: dict[str, set[int]] = defaultdict(set)
        for line_number, (_, line) in enumerate(lines):
            for key in _keys_of_line(line, classes):
                meant[key].add(line_number)
        subset = np.full(len(rows.items), _LEFT_OUT, dtype=np.intp)
        tracks: dict[int, str] = {}
        for row, (item, label) in enumerate(zip(rows.items.tolist(), rows.labels.tolist(), strict=True)):
            found = next((meant[key] for key in _keys_of_row(item, label) if key in meant), None)
            if found is None:
                continue
            numbers = {lines[line][0] for line in found}
            track = f"{label}/{part_of(item)[0]}"
            if len(numbers) > 1 or any(tracks.setdefault(line, track) != track for line in found):
                text = lines[min(found)][1]
                raise ProtocolError(
                    f"The lists of {self.name!r} have {text!r}, which matches several rows equally well, such as "
                    f"{item!r} of {label!r}; write it with the folder of its genre and its suffix."
                )
            subset[row] = numbers.pop()
        if lines and not tracks:
            raise ProtocolError(
                f"The protocol {self.name!r} names none of the {len(subset)} rows; its lists have names such as "
                f"{lines[0][1]!r}, and the rows such as {str(rows.items[0])!r}."
            )
        return subset, len(lines) - len(tracks)


def _draw_validation(rows: Rows, subset: NDArray[np.intp], seed: int) -> None:
    """Move about 20 % of the tracks of each class from train to validation, at least one where there are two."""
    rng = np.random.default_rng(seed)
    for label in np.unique(rows.labels[subset == 0]):
        tracks = np.unique(rows.groups[(subset == 0) & (rows.labels == label)])
        count = max(1, round(_HELD_OUT_SHARE * len(tracks))) if len(tracks) > 1 else 0
        drawn = rng.permutation(tracks)[:count]
        subset[(subset == 0) & np.isin(rows.groups, drawn)] = 1


def _plain(line: str) -> str:
    return line.strip().replace("\\", "/").removeprefix("./")


def _keys_of_line(line: str, classes: set[str]) -> Iterator[str]:
    """Yield what a row may be called to be meant: a folder may be missing there unless it is that of a genre."""
    parts = line.casefold().split("/")
    for start in range(len(parts)):
        tail = "/".join(parts[start:])
        yield tail
        yield _SUFFIX.sub("", tail)
        if start < len(parts) - 1 and parts[start] in classes:
            break
    if clip := find_clip(line):
        yield f"GTZAN {clip.name}"


def _keys_of_row(item: str, label: str) -> Iterator[str]:
    """Yield what may stand in a list for a row, the surest first."""
    names = [name.removeprefix(f"{label}/") for name in dict.fromkeys((item, part_of(item)[0]))]
    for key in (str.casefold, lambda name: _SUFFIX.sub("", name.casefold())):
        for name in names:
            yield key(f"{label}/{name}")
            yield key(name)
    if clip := find_clip(item):
        yield f"GTZAN {clip.name}"


def read_splits(folder: str | os.PathLike[str], *, leaky: bool = False) -> ListedProtocol:
    r"""Read a split from a folder with one list of names for each subset.

    Parameters
    ----------
    folder : str or os.PathLike
        Folder with text files called ``train``, ``validation`` (or ``valid``, ``val``) and ``test``, followed by
        anything that is no letter, such as ``train_filtered.txt``; without a list for validation, about 20 % of the
        tracks in train are drawn for it. A line is the name of a file, with or without the
        folder of its genre and its suffix, or that of a row; blank lines and those that begin with # do not count.
    leaky : bool
        Whether rows of one track may be in two subsets, which makes scores too high.

    Returns
    -------
    ListedProtocol
        The protocol, named ``splits:`` and the folder's name.

    Raises
    ------
    ProtocolError
        If a list is missing, doubled, empty or no text, or a name is in two of them.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> for subset, name in (("train", "a"), ("val", "b"), ("test", "c")):
    ...     _ = (folder / f"{subset}.txt").write_text(f"# rock\nrock/{name}.wav\n")
    >>> read_splits(folder).name.startswith("splits:")
    True
    """
    path = Path(folder)
    try:
        names = sorted(entry.name for entry in path.iterdir() if entry.is_file())
    except OSError as error:
        raise ProtocolError(
            f"{path} cannot be read: {error.strerror}; name a folder with train.txt, validation.txt and test.txt."
        ) from None
    files: dict[str, list[str]] = {subset: [] for subset in _SUBSETS}
    for name in names:
        if match := _LIST.fullmatch(name):
            files["validation" if match["subset"].lower() == "val" else match["subset"].lower()].append(name)
    lists: dict[str, list[str]] = {}
    for subset, found in files.items():
        if not found and subset == "validation":
            lists[subset] = []
            continue
        if len(found) != 1:
            what = (
                f"has no list for {subset}, such as {subset}.txt" if not found else f"has several lists for {subset}: "
            )
            raise ProtocolError(
                f"{path} {what}{', '.join(found)}; a split needs one for train, one for test, and one or none for "
                "validation."
            )
        try:
            text = (path / found[0]).read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
            raise ProtocolError(f"{path / found[0]} cannot be read: {reason}.") from None
        lines = [line.strip() for line in text.splitlines()]
        lists[subset] = [line for line in lines if line and not line.startswith("#")]
        if not lists[subset]:
            raise ProtocolError(f"{path / found[0]} lists no name; write one file name on each line.")
    name = path.resolve().name
    return ListedProtocol(f"splits:{name}", lists, leaky=leaky, source=name)
