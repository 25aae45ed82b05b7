from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio_genre.datasets import PROTOCOLS, Split, SplitProtocol, get_protocol, load_table
from audio_genre.datasets.gtzan import GENRES, excluded_clips, find_clip, load_clips, same_artist
from audio_genre.datasets.protocols import applicable
from audio_genre.errors import ParameterError, ProtocolError

PUBLISHED = [name for name, protocol in PROTOCOLS.items() if protocol.published]
OWN = [name for name, protocol in PROTOCOLS.items() if not protocol.published]


def as_rows(names: Sequence[tuple[str, str, str]]) -> Any:
    """Rows of the given labels, groups and items."""
    labels, groups, items = (np.array(column) for column in zip(*names, strict=True))
    return SimpleNamespace(labels=labels, groups=groups, items=items)


def make_rows(segments: Sequence[Sequence[int]]) -> Any:
    """Rows of classes whose tracks have the given numbers of segments."""
    return as_rows(
        [
            (f"c{c}", f"c{c}/t{t}", f"t{t}.{k}.wav")
            for c, ts in enumerate(segments)
            for t, n in enumerate(ts)
            for k in range(n)
        ]
    )


def gtzan_rows(segments: int = 1, *, without: frozenset[str] = frozenset()) -> Any:
    """Rows that are named like GTZAN's clips, in so many segments each, without some clips."""
    return as_rows(
        [
            (clip.genre, f"{clip.genre}/{name}.wav", f"{name}.{k}.wav")
            for name, clip in load_clips().items()
            if name not in without
            for k in range(segments)
        ]
    )


def shuffled(rows: Any, order: np.ndarray) -> Any:
    return SimpleNamespace(labels=rows.labels[order], groups=rows.groups[order], items=rows.items[order])


TABLES = st.lists(st.lists(st.integers(1, 4), min_size=3, max_size=12), min_size=1, max_size=4).map(make_rows)
# Of GTZAN some classes, with any clips but a few missing.
GTZAN_TABLES = st.builds(
    lambda genres, lost, segments: gtzan_rows(
        segments, without=frozenset(n for n, clip in load_clips().items() if clip.genre not in genres) | lost
    ),
    st.sets(st.sampled_from(GENRES), min_size=1, max_size=3),
    st.frozensets(st.sampled_from(list(load_clips())), max_size=30),
    st.integers(1, 2),
)
SEEDS = st.integers(0, 2**32 - 1)
FOLDS = st.none() | st.integers(3, 6)


def draw_rows(data: st.DataObject, name: str) -> Any:
    return data.draw(GTZAN_TABLES if name in PUBLISHED else TABLES | GTZAN_TABLES)


def draw_folds(data: st.DataObject, name: str, rows: Any) -> int | None:
    """A number of folds that the protocol can make of the rows."""
    folds = data.draw(FOLDS)
    if folds is None or name in PUBLISHED:
        return None
    units = rows.groups if name == "track" else rows.items
    fewest = min(len(set(units[rows.labels == label])) for label in set(rows.labels))
    return min(folds, fewest)


@pytest.mark.parametrize("name", PROTOCOLS)
@given(seed=SEEDS, data=st.data())
def test_every_protocol_keeps_its_promises(name: str, seed: int, data: st.DataObject) -> None:
    protocol, rows = PROTOCOLS[name], draw_rows(data, name)
    folds = draw_folds(data, name, rows)
    splits = protocol.splits(rows, seed=seed, folds=folds)
    for split, again in zip(splits, protocol.splits(rows, seed=seed, folds=folds), strict=True):
        subsets = split.subsets()
        assert list(subsets) == ["train", "validation", "test"]
        everything = [*subsets.values(), split.left_out]
        assert sorted(np.concatenate(everything).tolist()) == list(range(len(rows.labels)))
        for subset, indices in subsets.items():
            assert set(rows.labels[indices]) == set(rows.labels)
            assert np.all(np.diff(indices) > 0)
            np.testing.assert_array_equal(indices, again.subsets()[subset])
        if not protocol.leaky:
            owners = [set(rows.groups[indices]) for indices in everything]
            assert len(set.union(*owners)) == sum(map(len, owners))
        left_out = {find_clip(group).name for group in rows.groups[split.left_out]}  # type: ignore[union-attr]
        assert left_out <= excluded_clips().get(name, frozenset())
    tested = [row for split in splits for row in split.test.tolist()]
    assert len(set(tested)) == len(tested)
    assert len({split.fold for split in splits}) == len(splits)


@pytest.mark.parametrize("name", PROTOCOLS)
@given(seed=SEEDS, data=st.data())
def test_the_order_of_the_rows_does_not_matter(name: str, seed: int, data: st.DataObject) -> None:
    rows = draw_rows(data, name)
    folds = draw_folds(data, name, rows)
    order = np.random.default_rng(data.draw(SEEDS)).permutation(len(rows.labels))
    for split, again in zip(
        PROTOCOLS[name].splits(rows, seed=seed, folds=folds),
        PROTOCOLS[name].splits(shuffled(rows, order), seed=seed, folds=folds),
        strict=True,
    ):
        assert split.fold == again.fold
        for subset, indices in (split.subsets() | {"left_out": split.left_out}).items():
            found = again.left_out if subset == "left_out" else again.subsets()[subset]
            assert sorted(order[found].tolist()) == indices.tolist()


@pytest.mark.parametrize("name", OWN)
def test_shares_and_seeds(name: str) -> None:
    rows = make_rows([[1] * 100] * 3)
    (split,) = PROTOCOLS[name].splits(rows, seed=5)
    (other,) = PROTOCOLS[name].splits(rows, seed=6)
    for subset, count in {"train": 60, "validation": 20, "test": 20}.items():
        assert np.unique(rows.labels[split.subsets()[subset]], return_counts=True)[1].tolist() == [count] * 3
    assert split.test.tolist() != other.test.tolist()


@pytest.mark.parametrize(
    ("name", "seed", "validation", "test"),
    [
        ("track", 0, [10, 18, 19, 28, 31, 41], [3, 4, 5, 24, 25, 35, 36, 37, 38, 39]),
        ("track", 7, [11, 12, 20, 21, 29, 33, 40], [0, 24, 25, 28, 35, 37, 38, 39]),
        ("segment", 0, [0, 4, 10, 16, 25, 29, 34, 40], [2, 3, 11, 20, 21, 30, 31, 37]),
        ("segment", 7, [1, 8, 14, 19, 23, 29, 34, 37], [3, 6, 10, 20, 22, 26, 30, 40]),
    ],
)
def test_the_single_split_never_changes(name: str, seed: int, validation: list[int], test: list[int]) -> None:
    rows = make_rows([[1, 2, 3, 4, 1, 2, 3], [2] * 5, [1] * 11, [3, 1, 1]])
    (split,) = get_protocol(name).splits(rows, seed=seed)
    assert split.validation.tolist() == validation
    assert split.test.tolist() == test
    assert split.fold == ""


@pytest.mark.parametrize("name", OWN)
@given(seed=SEEDS, data=st.data())
def test_cross_validation_tests_everything_once_in_equal_parts(name: str, seed: int, data: st.DataObject) -> None:
    folds = data.draw(st.integers(3, 7))
    tracks = data.draw(st.lists(st.integers(folds, 25), min_size=1, max_size=4))
    rows = make_rows([[1] * n for n in tracks])
    splits = get_protocol(name).splits(rows, seed=seed, folds=folds)
    assert [split.fold for split in splits] == [f"fold-{i + 1}" for i in range(folds)]
    assert sorted(row for split in splits for row in split.test.tolist()) == list(range(sum(tracks)))
    for i, split in enumerate(splits):
        np.testing.assert_array_equal(split.validation, splits[(i + 1) % folds].test)
    assert np.ptp([len(split.test) for split in splits]) <= 1
    for label in set(rows.labels):
        assert np.ptp([(rows.labels[split.test] == label).sum() for split in splits]) <= 1


@pytest.mark.parametrize("name", OWN)
def test_folds_change_with_the_seed(name: str) -> None:
    rows = make_rows([[2] * 20] * 2)
    one, other = (get_protocol(name).splits(rows, seed=seed, folds=5)[0].test.tolist() for seed in (1, 2))
    assert one != other


@pytest.mark.parametrize("name", OWN)
@pytest.mark.parametrize("folds", [2, 1, 0, -3])
def test_too_few_folds_are_refused(name: str, folds: int) -> None:
    with pytest.raises(ParameterError, match=f"The number of folds must be 3 or more, .*; got {folds}.$"):
        get_protocol(name).splits(make_rows([[1] * 9]), folds=folds)


@pytest.mark.parametrize(
    ("name", "segments", "folds", "message"),
    [
        ("track", [[3, 3, 3], [9, 9]], None, "The class 'c1' has 2 tracks, and the protocol 'track' needs at least 3"),
        ("track", [[10]], None, "The class 'c0' has 1 track,"),
        ("segment", [[1, 1]], None, "The class 'c0' has 2 rows, and the protocol 'segment' needs at least 3"),
        ("track", [[1] * 5, [9] * 4], 5, "The class 'c1' has 4 tracks, and 5 folds of the protocol 'track' need at"),
        ("track", [[1] * 2], 3, "2 tracks, and 3 folds .* one for each fold; add more or leave the class out.$"),
        ("segment", [[2, 2]], 5, "The class 'c0' has 4 rows, and 5 folds of the protocol 'segment' need at least 5"),
        ("track", [[1] * 5], 10**12, "5 tracks, and 1000000000000 folds .* ask for fewer folds"),
    ],
)
def test_too_few_tracks_are_refused(name: str, segments: list[list[int]], folds: int | None, message: str) -> None:
    with pytest.raises(ProtocolError, match=message):
        get_protocol(name).splits(make_rows(segments), folds=folds)


@pytest.mark.parametrize("name", PROTOCOLS)
def test_no_rows_are_refused(name: str) -> None:
    nothing = np.array([], dtype=np.str_)
    with pytest.raises(ProtocolError, match=f"The protocol '{name}' was given no rows"):
        get_protocol(name).splits(SimpleNamespace(labels=nothing, groups=nothing, items=nothing))


def test_only_the_segment_protocol_leaks_and_says_so() -> None:
    assert [name for name, protocol in PROTOCOLS.items() if protocol.leaky] == ["segment"]
    assert "LEAKY" in get_protocol("segment").description
    rows = make_rows([[10] * 10] * 2)
    (split,) = get_protocol("segment").splits(rows)
    assert set(rows.groups[split.train]) & set(rows.groups[split.test])


@pytest.mark.parametrize("name", PROTOCOLS)
def test_the_description_names_the_folds_that_were_made(name: str) -> None:
    protocol = get_protocol(name)
    assert protocol.describe() == protocol.description
    assert ("5-fold" in protocol.describe(5)) == (name in OWN) == ("60/20/20" in protocol.description)
    assert "60/20/20" not in protocol.describe(5)


def test_published_protocols_say_who_published_them() -> None:
    assert PUBLISHED == ["artist", "fault-filtered"]
    for name in PUBLISHED:
        protocol = get_protocol(name)
        author, year = protocol.citation.partition(",")[0], protocol.citation.partition("(")[2][:4]
        assert author in protocol.description
        assert year in protocol.description


class Dealt(SplitProtocol):
    """Deals as it is told."""

    name = "dealt"
    description = "as told"

    def __init__(self, *splits: Split, citation: str = "") -> None:
        self.dealt = splits
        self.citation = citation

    def _deal(self, rows: Any, seed: int, folds: int | None) -> tuple[Split, ...]:
        return self.dealt


def split_of(*subsets: list[int], left_out: Sequence[int] = ()) -> Split:
    train, validation, test = (np.array(subset, dtype=np.intp) for subset in subsets)
    return Split(train, validation, test, left_out=np.array(left_out, dtype=np.intp))


@pytest.mark.parametrize(
    ("subsets", "left_out", "message"),
    [
        (([0], [1], [2, 3]), [], "did not assign every row"),
        (([0], [1], [1, 2, 3, 4]), [], "did not assign every row"),
        (([0], [1], [2, 3, 4]), [4], "did not assign every row"),
        (([0, 1], [], [2, 3, 4]), [], "left no row of class 'c0' for validation"),
        (([0, 3], [1], [2, 4]), [], "put rows of one track in two subsets"),
        (([0], [1], [2]), [3, 4], "left out rows, and only a list of names may"),
    ],
)
def test_a_protocol_that_deals_badly_is_caught(subsets: Any, left_out: list[int], message: str) -> None:
    rows = make_rows([[1, 1, 1, 2]])
    Dealt(split_of([0], [1], [2, 3, 4])).splits(rows)
    Dealt(split_of([0], [1], [2], left_out=[3, 4]), citation="someone").splits(rows)
    with pytest.raises(ProtocolError, match=message):
        Dealt(split_of(*subsets, left_out=left_out)).splits(rows)


def test_a_row_that_is_tested_twice_is_caught() -> None:
    with pytest.raises(ProtocolError, match="tested a row in two folds"):
        Dealt(split_of([0], [1], [2]), split_of([1], [0], [2])).splits(make_rows([[1, 1, 1]]))


def test_unknown_protocols_and_seeds_are_refused() -> None:
    with pytest.raises(ParameterError, match="'artists' is unknown; choose one of track, segment, artist, fault-fil"):
        get_protocol("artists")
    with pytest.raises(ParameterError, match="got -1"):
        get_protocol("track").splits(make_rows([[1, 1, 1]]), seed=-1)


@pytest.mark.parametrize("segments", [1, 3])
def test_the_fault_filtered_split_is_the_published_one(segments: int) -> None:
    rows = gtzan_rows(segments)
    (split,) = get_protocol("fault-filtered").splits(rows)
    assert [len(subset) for subset in split.subsets().values()] == [443 * segments, 197 * segments, 290 * segments]
    assert len(split.left_out) == 70 * segments
    (other,) = get_protocol("fault-filtered").splits(rows, seed=99, folds=1)
    for subset, indices in split.subsets().items():
        assert {load_clips()[name[:-6]].subset for name in rows.items[indices]} == {subset}
        np.testing.assert_array_equal(indices, other.subsets()[subset])


def test_the_artist_folds_are_the_published_ones() -> None:
    rows = gtzan_rows()
    splits = get_protocol("artist").splits(rows, seed=4)
    assert [split.fold for split in splits] == ["fold-1", "fold-2", "fold-3"]
    assert [len(split.test) for split in splits] == [315, 316, 317]
    others = get_protocol("artist").splits(rows, seed=5, folds=3)
    for number, (split, other) in enumerate(zip(splits, others, strict=True), start=1):
        assert {load_clips()[name[:-6]].fold for name in rows.items[split.test]} == {number}
        assert len(split.left_out) == 52
        np.testing.assert_array_equal(split.test, other.test)
        assert split.validation.tolist() != other.validation.tolist()


@given(seed=SEEDS)
def test_validation_has_a_fifth_of_each_class_and_no_artist_of_train(seed: int) -> None:
    rows = gtzan_rows()
    for split in get_protocol("artist").splits(rows, seed=seed):
        train, validation = (Counter(rows.labels[subset].tolist()) for subset in (split.train, split.validation))
        for genre in GENRES:
            assert 0.14 <= validation[genre] / (train[genre] + validation[genre]) <= 0.25
        artists = [
            {value for row in subset for value in artist_numbers(rows.items[row][:-6])}
            for subset in (split.train, split.validation)
        ]
        assert not artists[0] & artists[1]


def artist_numbers(name: str) -> list[tuple[str, int]]:
    clip = load_clips()[name]
    numbers = {"index": clip.artist, "folds": clip.artist_group}
    return [(source, number) for source, number in numbers.items() if number is not None]


def test_every_artist_of_one_genre_is_drawn_for_validation_some_time() -> None:
    rows = gtzan_rows()
    drawn = set()
    for seed in range(60):
        split = get_protocol("artist").splits(rows, seed=seed)[0]
        drawn.update(same_artist()[name[:-6]] for name in rows.items[split.validation])
    pool: dict[int, list[str]] = defaultdict(list)
    for clip in load_clips().values():
        if clip.fold in (2, 3):
            pool[same_artist()[clip.name]].append(clip.genre)
    # An artist with more than a fifth of a class, or with clips in two classes, stays in train.
    small = {a for a, genres in pool.items() if len(set(genres)) == 1 and len(genres) <= 11}
    assert small <= drawn


@pytest.mark.parametrize(
    "spelling", ["{0}/{0}.{1:05d}.wav", "{0}/{0}{1:05d}.png", "{0}/{0}_{1:05d}.wav", "{0}.{1:05d}"]
)
@pytest.mark.parametrize("name", PUBLISHED)
def test_every_spelling_is_dealt_alike(name: str, spelling: str) -> None:
    names = [(genre, spelling.format(genre, k)) for genre in GENRES for k in range(100)]
    rows = as_rows([(genre.upper().replace("HIPHOP", "Hip-Hop"), item, item) for genre, item in names])
    expected = get_protocol(name).splits(gtzan_rows(), seed=1)
    for split, other in zip(get_protocol(name).splits(rows, seed=1), expected, strict=True):
        for subset, indices in split.subsets().items():
            np.testing.assert_array_equal(indices, other.subsets()[subset])


@pytest.mark.parametrize("name", PUBLISHED)
def test_two_files_of_one_clip_stay_together(name: str) -> None:
    clips = [(genre, f"{genre}.{k:05d}") for genre in GENRES for k in range(100)]
    rows = as_rows([(g, f"{g}/{c}{suffix}", f"{c}{suffix}") for g, c in clips for suffix in (".au", ".wav")])
    single = get_protocol(name).splits(gtzan_rows(), seed=2)
    for split, other in zip(get_protocol(name).splits(rows, seed=2), single, strict=True):
        for subset, indices in split.subsets().items():
            np.testing.assert_array_equal(indices[::2] // 2, other.subsets()[subset])
            assert len(indices) == 2 * len(other.subsets()[subset])


def with_row(rows: Any, label: str, group: str) -> Any:
    item = group.rpartition("/")[2]
    return as_rows([*zip(rows.labels, rows.groups, rows.items, strict=True), (label, group, item)])


ROCK_VALIDATION = frozenset(
    n for n, clip in load_clips().items() if clip.genre == "rock" and clip.subset == "validation"
)
JAZZ_FOLD = frozenset(name for name, clip in load_clips().items() if clip.genre == "jazz" and clip.fold == 2)
# One artist is left in fold 2 and one in fold 1, so that there is none for validation beside the one for training.
BLUES_BUT_TWO_ARTISTS = frozenset(
    name for name, clip in load_clips().items() if clip.genre == "blues" and clip.artist_group not in (0, 1)
)


@pytest.mark.parametrize(
    ("name", "rows", "message"),
    [
        *[
            (name, rows, message.format(name))
            for name in PUBLISHED
            for rows, message in [
                (
                    make_rows([[1] * 120]),
                    "The protocol '{}' needs the clips of GTZAN, and of 120 rows none is named like one, such as "
                    "blues.00029.wav; use the protocol 'track'.",
                ),
                (with_row(gtzan_rows(), "pop", "pop/x.wav"), "and 1 of 1001 rows is named like none of them, such"),
                (make_rows([[1]]), "The protocol '{}' needs the clips of GTZAN, and of 1 row none is named like one"),
                (
                    with_row(with_row(gtzan_rows(), "rock", "rock/mine.wav"), "pop", "pop/other.wav"),
                    "and 2 of 1002 rows are named like none of them, such as 'pop/other.wav'; take these out",
                ),
                (
                    with_row(gtzan_rows(), "<script>", "<script>/x.wav"),
                    "knows the ten genres of GTZAN, and the class '<script>' is none of them; leave the class out",
                ),
                (
                    with_row(gtzan_rows(), "pop", "pop/rock.00007.wav"),
                    "found 1 row whose class contradicts the name, such as rock.00007 in the class 'pop'; correct",
                ),
                (with_row(gtzan_rows(), "", "/rock.00007.wav"), "and the class '' is none of them"),
            ]
        ],
        (
            "fault-filtered",
            gtzan_rows(without=ROCK_VALIDATION),
            "The protocol 'fault-filtered' has no clip of the class 'rock' for validation, because too many of GTZAN's",
        ),
        ("artist", gtzan_rows(without=JAZZ_FOLD), "has no clip of the class 'jazz' for testing in fold-2, because"),
        (
            "artist",
            gtzan_rows(without=BLUES_BUT_TWO_ARTISTS),
            "has no clip of the class 'blues' for validation in fold-1, because",
        ),
        (
            "fault-filtered",
            gtzan_rows(without=frozenset(load_clips()) - excluded_clips()["fault-filtered"]),
            "has no clip of the class 'classical' for training, because",
        ),
    ],
)
def test_published_protocols_refuse_what_is_not_gtzan(name: str, rows: Any, message: str) -> None:
    with pytest.raises(ProtocolError) as refusal:
        get_protocol(name).splits(rows)
    assert message in str(refusal.value)
    assert str(refusal.value).endswith(".")


@pytest.mark.parametrize(
    ("name", "folds", "message"),
    [
        ("artist", 5, "The protocol 'artist' has 3 published folds; got 5 folds, so leave the number out or use"),
        ("artist", 1, "The protocol 'artist' has 3 published folds; got 1 folds"),
        ("fault-filtered", 3, "The protocol 'fault-filtered' has one published split and no folds; got 3 folds"),
    ],
)
def test_published_protocols_refuse_other_folds(name: str, folds: int, message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        get_protocol(name).splits(gtzan_rows(), folds=folds)


def test_applicable_tells_why_not() -> None:
    assert applicable(gtzan_rows()) == dict.fromkeys(PROTOCOLS)
    for rows, folds, able in (
        (make_rows([[1] * 9]), None, {"track", "segment"}),
        (make_rows([[2] * 2]), None, {"segment"}),
        (gtzan_rows(), 5, {"track", "segment"}),
        (gtzan_rows(), 3, {"track", "segment", "artist"}),
        (gtzan_rows(), 101, set()),
        (make_rows([[1]]), None, set()),
    ):
        reasons = applicable(rows, folds=folds)
        assert list(reasons) == list(PROTOCOLS)
        assert {name for name, reason in reasons.items() if reason is None} == able
        for name, reason in reasons.items():
            if reason is not None:
                with pytest.raises((ParameterError, ProtocolError)) as refusal:
                    get_protocol(name).splits(rows, folds=folds)
                assert str(refusal.value) == reason


@pytest.mark.parametrize("name", PROTOCOLS)
def test_the_public_table_under_every_protocol(name: str, shared_data: Path) -> None:
    table = load_table(shared_data / "gtzan" / "features_30_sec.csv")
    assert applicable(table) == dict.fromkeys(PROTOCOLS)
    sizes = [[len(rows) for rows in split.subsets().values()] for split in get_protocol(name).splits(table)]
    if name == "artist":
        assert [(sum(size), size[2]) for size in sizes] == [(948, 315), (948, 316), (948, 317)]
    else:
        assert sizes == [[443, 197, 290] if name == "fault-filtered" else [600, 200, 200]]


@pytest.mark.parametrize("name", PUBLISHED)
def test_no_two_rows_that_are_dealt_have_equal_features(name: str, shared_data: Path) -> None:
    table = load_table(shared_data / "gtzan" / "features_30_sec.csv")
    assert len(np.unique(table.X, axis=0)) < len(table)
    for split in get_protocol(name).splits(table):
        dealt = np.concatenate(list(split.subsets().values()))
        assert len(np.unique(table.X[dealt], axis=0)) == len(dealt)


@pytest.mark.parametrize("name", ["track", *PUBLISHED])
def test_one_seed_gives_the_same_tracks_for_clips_and_for_segments(name: str, shared_data: Path) -> None:
    clips, segments = (load_table(shared_data / "gtzan" / f"features_{seconds}_sec.csv") for seconds in (30, 10))
    for a, b in zip(*(get_protocol(name).splits(table, seed=3) for table in (clips, segments)), strict=True):
        for subset, rows in a.subsets().items():
            assert set(clips.groups[rows]) == set(segments.groups[b.subsets()[subset]])
