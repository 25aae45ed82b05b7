from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio_genre.datasets import get_protocol, load_table, read_splits
from audio_genre.errors import ParameterError, ProtocolError

GENRES = ("jazz", "rock")


def make_rows(names: Sequence[tuple[str, str]], groups: Sequence[str] | None = None) -> Any:
    """Rows of the given labels and items."""
    labels, items = (np.array(column) for column in zip(*names, strict=True))
    return SimpleNamespace(labels=labels, items=items, groups=items if groups is None else np.array(groups))


SIX = make_rows([(genre, f"{genre}.0000{k}.wav") for genre in GENRES for k in range(3)])


def write(folder: Path, **lists: str) -> Path:
    folder.mkdir(exist_ok=True)
    for name, text in lists.items():
        (folder / f"{name}.txt").write_text(text, encoding="utf-8")
    return folder


def lines(spelling: str, k: int) -> str:
    return "".join(spelling.format(genre=genre, k=k) + "\n" for genre in GENRES)


@pytest.mark.parametrize(
    "spelling",
    [
        "{genre}/{genre}.0000{k}.wav",
        "{genre}.0000{k}.wav",
        "{genre}.0000{k}",
        "{genre}/{genre}.0000{k}",
        "{genre}/{genre}.0000{k}.au",
        "data/genres/{genre}/{genre}.0000{k}.wav",
        r".\{genre}\{genre}.0000{k}.WAV",
        "{genre}_0000{k}.wav",
        "# names\n\n  {genre}/{genre}.0000{k}.wav  ",
    ],
)
def test_names_are_known_in_whatever_way_they_are_written(tmp_path: Path, spelling: str) -> None:
    folder = write(
        tmp_path / "mine", train=lines(spelling, 0), valid_filtered=lines(spelling, 1), test=lines(spelling, 2)
    )
    protocol = read_splits(folder)
    assert protocol.name == "splits:mine"
    (split,) = protocol.splits(SIX)
    assert [rows.tolist() for rows in split.subsets().values()] == [[0, 3], [1, 4], [2, 5]]
    assert protocol.notes(SIX) == ()


def test_rows_in_no_list_are_left_out_and_names_without_rows_are_counted(tmp_path: Path) -> None:
    rows = make_rows([(genre, f"{k}.wav") for genre in GENRES for k in "abcd"], [f"{n}" for n in range(8)])
    where = "{genre}/{k}.wav"
    folder = write(
        tmp_path / "mine", train=lines(where, "a") + "jazz/z.wav\n", val=lines(where, "b"), test=lines(where, "c")
    )
    protocol = read_splits(folder)
    (split,) = protocol.splits(rows)
    assert split.left_out.tolist() == [3, 7]
    assert protocol.facts(rows) == {"sha256": protocol.sha256, "unmatched": 1}
    assert protocol.notes(rows) == ("No row is named like 1 of the 7 names in the lists.",)


def test_a_folder_of_another_genre_is_not_overlooked(tmp_path: Path) -> None:
    rows = make_rows([("jazz", "a.wav"), ("jazz", "b.wav"), ("jazz", "c.wav"), ("rock", "a.wav")], list("0123"))
    folder = write(tmp_path / "mine", train="jazz/a.wav\n", validation="jazz/b.wav\n", test="jazz/c.wav\n")
    with pytest.raises(ProtocolError, match=r"lists no row of the class 'rock' for training; add some to its train"):
        read_splits(folder).splits(rows)


@given(st.permutations(range(12)), st.sampled_from(["{t}.{k}.wav", "rock/{t}.{k}.wav"]))
def test_a_list_of_tracks_deals_all_segments_and_order_does_not_matter(order: list[int], spelling: str) -> None:
    from audio_genre.datasets import ListedProtocol

    names = [("rock", spelling.format(t=t, k=k)) for t in "abcd" for k in range(3)]
    rows = make_rows([names[row] for row in order], [names[row][1][:-6] for row in order])
    protocol = ListedProtocol("splits:x", {"train": ["a.wav"], "validation": ["b"], "test": ["rock/c.wav"]})
    (split,) = protocol.splits(rows)
    found = {subset: sorted(rows.items[found].tolist()) for subset, found in split.subsets().items()}
    assert found == {
        subset: sorted(spelling.format(t=t, k=k) for k in range(3))
        for subset, t in (("train", "a"), ("validation", "b"), ("test", "c"))
    }


def test_a_track_on_two_subsets_is_refused_unless_it_is_called_leaky(tmp_path: Path) -> None:
    items = [f"a.{k}.wav" for k in range(6)]
    rows = make_rows([("rock", item) for item in items], ["a.wav"] * 6)
    subsets = ["".join(f"{item}\n" for item in items[k::3]) for k in range(3)]
    folder = write(tmp_path / "mine", train=subsets[0], val=subsets[1], test=subsets[2])
    with pytest.raises(
        ProtocolError, match=r"rows of 1 track in two subsets, such as 'a.wav'; correct them, or .* --leaky"
    ):
        read_splits(folder).splits(rows)
    protocol = read_splits(folder, leaky=True)
    assert protocol.leaky
    assert protocol.description.startswith("LEAKY")
    (split,) = protocol.splits(rows)
    assert split.train.tolist() == [0, 3]


GOOD = {"train": "a\n", "val": "b\n", "test": "c\n"}


@pytest.mark.parametrize(
    ("lists", "message"),
    [
        ({"train": "a\n", "val": "c\n"}, "has no list for test, such as test.txt"),
        ({**GOOD, "valid": "d\n"}, "has several lists for validation: val.txt, valid.txt"),
        ({**GOOD, "test": "# nothing\n"}, r"test.txt lists no name; write one file name on each line"),
        ({**GOOD, "test": "a\n"}, "have 'a' for train and for test; a name belongs in one"),
        (GOOD, r"names none of the 6 rows; its lists have names such as 'a', and the rows such as 'jazz.00000.wav'"),
    ],
)
def test_what_is_no_split_is_refused_in_one_sentence(tmp_path: Path, lists: dict[str, str], message: str) -> None:
    with pytest.raises(ProtocolError, match=message):
        read_splits(write(tmp_path / "mine", **lists)).splits(SIX)


def test_what_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ProtocolError, match=r"No such file or directory; name a folder with train.txt"):
        read_splits(tmp_path / "none")
    folder = write(tmp_path / "mine", **GOOD)
    (folder / "val.txt").write_bytes(b"\xff\xfe\xfa")
    with pytest.raises(ProtocolError, match=r"val.txt cannot be read: it is not UTF-8 text"):
        read_splits(folder)


def test_a_name_that_fits_two_tracks_is_refused(tmp_path: Path) -> None:
    rows = make_rows([(genre, f"{k}.wav") for genre in GENRES for k in "abc"], [f"{n}" for n in range(6)])
    with pytest.raises(
        ProtocolError, match=r"have 'a', which matches several rows equally well, such as 'a.wav' of 'rock'"
    ):
        read_splits(write(tmp_path / "mine", **GOOD)).splits(rows)


def test_without_a_list_for_validation_tracks_are_drawn_from_train(tmp_path: Path) -> None:
    names = [(genre, f"{genre}.{k:05d}.{part}.wav") for genre in GENRES for k in range(12) for part in range(3)]
    rows = make_rows(names, [name.rsplit(".", 2)[0] for _, name in names])
    subsets = {"train": range(10), "test": range(10, 12)}
    lists = {subset: "".join(lines("{genre}.{k:05d}.wav", k) for k in numbers) for subset, numbers in subsets.items()}
    protocol = read_splits(write(tmp_path, **lists))
    (split,) = protocol.splits(rows, seed=0)
    assert (len(split.train), len(split.validation), len(split.test)) == (48, 12, 12)
    assert not set(rows.groups[split.train]) & set(rows.groups[split.validation])
    (again,), (other,) = protocol.splits(rows, seed=0), protocol.splits(rows, seed=1)
    assert np.array_equal(split.validation, again.validation)
    assert not np.array_equal(split.validation, other.validation)
    assert "about 20 % of the first for validation" in protocol.description


def test_there_are_no_folds(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="one split and no folds; got 3 folds"):
        read_splits(write(tmp_path / "mine", **GOOD)).splits(SIX, folds=3)


def test_other_names_are_another_protocol(tmp_path: Path) -> None:
    one = read_splits(write(tmp_path / "mine", **GOOD))
    other = read_splits(write(tmp_path / "mine", **{**GOOD, "test": "d\n"}))
    assert one.name == other.name
    assert one.identity != other.identity


@pytest.mark.parametrize("seconds", [30, 10])
def test_the_published_lists_give_the_published_split(shared_data: Path, seconds: int) -> None:
    table = load_table(shared_data / "gtzan" / f"features_{seconds}_sec.csv")
    protocol = read_splits(shared_data / "gtzan" / "splits")
    (ours,), (theirs,) = protocol.splits(table), get_protocol("fault-filtered").splits(table)
    assert ours.left_out.tolist() == theirs.left_out.tolist()
    for subset, rows in ours.subsets().items():
        assert rows.tolist() == theirs.subsets()[subset].tolist()
    assert protocol.facts(table)["unmatched"] == 0
