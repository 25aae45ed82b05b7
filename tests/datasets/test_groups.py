from __future__ import annotations

from pathlib import Path
from random import Random

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audio_genre.datasets import GTZAN57_TABLE, PROTOCOLS, Table, find_groups, get_protocol, load_table
from audio_genre.datasets.groups import find_window, joined_parts, loose_parts
from audio_genre.errors import ParameterError, ProtocolError, TableError

SUFFIXES = st.sampled_from([".wav", ".mp3", ".flac", ".w64", ""])
# Names of tracks that are no number themselves, with dots, blanks and folders in them.
TRACKS = st.text("ab0. -/é", min_size=1, max_size=8).map(lambda text: f"t{text}x")
FOLDER = ["rock"]


@given(st.lists(st.tuples(TRACKS, SUFFIXES), min_size=1, max_size=5, unique=True), st.integers(1, 12))
def test_segments_join_the_track_they_were_cut_from(tracks: list[tuple[str, str]], segments: int) -> None:
    items = [f"{stem}.{k}{suffix}" for stem, suffix in tracks for k in range(segments)]
    assert find_groups(items) == [f"{stem}{suffix}" for stem, suffix in tracks for _ in range(segments)]


@given(st.lists(st.tuples(TRACKS, SUFFIXES), min_size=1, max_size=8, unique=True))
def test_plain_names_are_a_track_each(tracks: list[tuple[str, str]]) -> None:
    items = [stem + suffix for stem, suffix in tracks]
    assert find_groups(items) == items


@pytest.mark.parametrize(
    ("items", "groups"),
    [
        # A zero-padded number is part of the name, unless the track has a number of its own.
        (["rock.00000.wav", "rock.00001.wav"], ["rock.00000.wav", "rock.00001.wav"]),
        (["rock.00000.0.wav", "rock.00000.1.wav"], ["rock.00000.wav"] * 2),
        (["rock.00000.00.wav", "rock.00000.01.wav"], ["rock.00000.wav"] * 2),
        (["x.00.wav", "x.01.wav"], ["x.00.wav", "x.01.wav"]),
        # Numbers may start anywhere, and some may be missing.
        (["part.1.mp3", "part.2.mp3"], ["part.mp3"] * 2),
        (["part.0.mp3", "part.2.mp3"], ["part.mp3"] * 2),
        (["a.0.wav", "a.0.wav", "a.1.wav", "a.2.wav"], ["a.wav"] * 4),
        # Folders keep equal names apart, and so do suffixes.
        (["a/01.0.mp3", "a/01.1.mp3", "b/01.0.mp3"], ["a/01.mp3", "a/01.mp3", "b/01.mp3"]),
        (["a.0.mp3", "a.0.wav", "a.1.mp3"], ["a.mp3", "a.wav", "a.mp3"]),
        # The name of a track may end in a number of its own.
        (["a.1.0.wav", "a.1.1.wav", "a.2.0.wav"], ["a.1.wav", "a.1.wav", "a.2.wav"]),
        # A segment may be named by its start and end in seconds; a range of whole numbers may be anything.
        (["x.0.0-3.0.wav", "x.3.0-6.0.wav", "y.0.0-3.0.wav"], ["x.wav", "x.wav", "y.wav"]),
        (["rock.00000.0.0-1.5.mp3", "rock.00000.1.5-3.25.mp3"], ["rock.00000.mp3"] * 2),
        (["x.1-02.wav", "x.1-03.wav"], ["x.1-02.wav", "x.1-03.wav"]),
        (["x.6.0-3.0a.wav", "y.3.0-6.0"], ["x.6.0-3.0a.wav", "y"]),
        # Over-grouping is complained of aloud; a leak is not.
        (["rock.0.wav", "rock.1.wav"], ["rock.wav"] * 2),
    ],
)
def test_names_decide(items: list[str], groups: list[str]) -> None:
    assert find_groups(items) == groups


@pytest.mark.parametrize(
    ("items", "groups"),
    [
        # A folder rock/ with files rock.0.wav, rock.1.wav.
        (["rock.0.wav", "rock.1.wav"], ["rock.0.wav", "rock.1.wav"]),
        (["cd1/rock.0.wav", "cd1/rock.1.wav"], ["cd1/rock.0.wav", "cd1/rock.1.wav"]),
        # The file rock.wav among others in the folder rock/.
        (["rock.0.wav", "rock.1.wav", "b.0.wav"], ["rock.wav", "rock.wav", "b.wav"]),
    ],
)
def test_files_in_folders(items: list[str], groups: list[str]) -> None:
    assert find_groups(items, folders=FOLDER * len(items)) == [f"rock/{group}" for group in groups]


@pytest.mark.parametrize(
    ("rows", "groups"),
    [
        # Parts of one file: all but the last are exactly a clip long.
        ([("a.0.wav", 300), ("a.1.wav", 300), ("a.2.wav", 410)], ["a.wav"] * 3),
        # Beside it a short file that is called like its first part.
        ([("a.0.wav", 120), ("a.0.wav", 300), ("a.1.wav", 300)], ["a.0.wav", "a.wav", "a.wav"]),
        # Some rows were removed.
        ([("a.2.wav", 300), ("a.5.wav", 410), ("a.6.wav", 120)], ["a.wav"] * 3),
        # Files that are numbered: none is exactly a clip long.
        ([(f"a.{k}.wav", 120) for k in range(7)], [f"a.{k}.wav" for k in range(7)]),
        ([(f"a.{k}.wav", 301 + k) for k in range(7)], [f"a.{k}.wav" for k in range(7)]),
        # A length that is unknown may be any.
        ([("a.0.wav", np.nan), ("a.1.wav", 410)], ["a.wav"] * 2),
        ([("rock.0.wav", 300), ("rock.1.wav", 300)], ["rock.0.wav", "rock.1.wav"]),
    ],
)
def test_files_that_this_package_has_cut(rows: list[tuple[str, float]], groups: list[str]) -> None:
    items, lengths = zip(*rows, strict=True)
    found = find_groups(items, folders=FOLDER * len(items), lengths=np.array(lengths, dtype=float), clip_samples=300)
    assert found == [f"rock/{group}" for group in groups]


@given(
    st.lists(st.integers(0, 400), min_size=1, max_size=4).map(
        lambda extra: [300] * (len(extra)) + [300 + extra[0] % 300]
    ),
    st.lists(st.tuples(st.integers(0, 9), st.integers(1, 599)), max_size=5),
    st.randoms(use_true_random=False),
)
def test_parts_of_one_file_are_never_torn_apart(
    parts: list[int], others: list[tuple[int, int]], random: Random
) -> None:
    rows = [(f"x.{k}.wav", length, True) for k, length in enumerate(parts)]
    rows += [(f"x.{k}.wav", length, False) for k, length in others]
    random.shuffle(rows)
    rows = rows[: random.randint(1, len(rows))]
    groups = find_groups(
        [name for name, *_ in rows],
        folders=FOLDER * len(rows),
        lengths=np.array([length for _, length, _ in rows], dtype=float),
        clip_samples=300,
    )
    assert len({group for group, (*_, is_part) in zip(groups, rows, strict=True) if is_part}) <= 1


@pytest.mark.parametrize(
    ("lengths", "seconds"),
    [
        ([66149] * 9, 3),
        ([66150, 66510, 66300] * 3, 3),
        ([66150, 66510, np.nan] * 3, 3),
        ([66150] * 8 + [40000], 3),
        ([110250, 110400, 110100] * 3, 5),
        ([59535, 59600, 59500] * 3, 2.7),
    ],
)
def test_a_window_has_the_length_that_most_rows_have(lengths: list[float], seconds: float) -> None:
    names = [f"{track}.{k}.wav" for track in "abc" for k in range(3)]
    window = find_window(names, np.array(lengths), "gtzan57-v1")
    assert (window.kind, window.seconds) == ("segment", seconds)


def test_a_window_does_not_depend_on_the_order_of_the_rows() -> None:
    names = ["a.0.wav", "a.1.wav", "b.0.wav", "b.1.wav", "b.2.wav"]
    assert find_window(names, None, "gtzan57-v1") == find_window(names[::-1], None, "gtzan57-v1")


Cells = tuple[str, object, str]
COLUMNS = ["filename", "length", *GTZAN57_TABLE.features, "label"]


def load(folder: Path, rows: list[Cells], name: str = "songs.csv", /, **options: object) -> Table:
    """Load a table of rows of name, length and label, with random features and a column that tells each row's album."""
    rng = np.random.default_rng(7)
    lines = [",".join([*COLUMNS, "album"])]
    for item, length, label in rows:
        values = ",".join(f"{value:.4f}" for value in rng.normal(size=57))
        lines.append(f"{item},{length},{values},{label},{item[:2]}")
    (folder / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return load_table(folder / name, **options)  # type: ignore[arg-type]


@st.composite
def cut_tables(draw: st.DrawFn) -> tuple[list[tuple[str, Cells]], str]:
    """Rows of tracks that were cut in segments, each with its track; and the name of the table."""
    suffix = draw(SUFFIXES)
    # Names alike but for their folder may be one track: see `joined_parts`.
    stems = draw(st.lists(TRACKS, min_size=9, max_size=12, unique_by=lambda stem: stem.rpartition("/")[2].casefold()))
    seconds = draw(st.sampled_from([1, 3, 5, 10, 30]))
    jitter = draw(st.sampled_from([0, 1, 360, 9000]))
    missing = draw(st.sampled_from([0.0, 0.3, 1.0]))
    random = draw(st.randoms(use_true_random=False))
    rows = []
    for number, stem in enumerate(stems):
        for k in range(random.randint(1, 5)):
            length = "" if random.random() < missing else 22050 * seconds + random.randint(0, jitter)
            rows.append((stem, (f"{stem}.{k + random.choice([0, 0, 3])}{suffix}", length, f"genre {number % 3}")))
    return rows, draw(st.sampled_from(["songs.csv", "features_3_sec.csv", "features_30_sec.csv"]))


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cut_tables(), st.randoms(use_true_random=False))
def test_no_track_of_a_cut_table_is_on_two_subsets_in_whatever_order(
    tmp_path: Path, cut: tuple[list[tuple[str, Cells]], str], random: Random
) -> None:
    rows, name = cut
    table = load(tmp_path, [cells for _, cells in rows], name)
    tracks = np.array([track for track, _ in rows])
    for protocol in PROTOCOLS.values():
        if protocol.leaky or protocol.published:
            continue
        for split in (*protocol.splits(table), *protocol.splits(table, folds=3)):
            subsets = [set(tracks[subset]) for subset in split.subsets().values()]
            assert sum(map(len, subsets)) == len(set(tracks))
    order = random.sample(range(len(rows)), len(rows))
    other = load(tmp_path, [rows[row][1] for row in order], name)
    assert other.groups.tolist() == table.groups[order].tolist()
    assert other.window == table.window
    for one, another in zip(get_protocol("track").splits(table), get_protocol("track").splits(other), strict=True):
        for subset, found in another.subsets().items():
            assert sorted(other.groups[found]) == sorted(table.groups[one.subsets()[subset]])
    # The label changes nothing.
    relabelled = load(tmp_path, [(item, length, "one") for _, (item, length, _) in rows], name)
    assert relabelled.groups.tolist() == table.groups.tolist()


def real_names(tracks: int = 30, segments: int = 10, genres: int = 3) -> list[Cells]:
    """Rows like those of a real table of 22 050: mp3 decoding left lengths of 66150 to 66510 samples."""
    rng = np.random.default_rng(1)
    return [
        (f"g{track % genres}.{100 + track:05d}.{k}.wav", int(rng.integers(66150, 66511)), f"g{track % genres}")
        for track in range(tracks)
        for k in range(segments)
    ]


def test_segments_of_jittered_lengths_are_grouped_and_it_is_said(tmp_path: Path) -> None:
    table = load(tmp_path, real_names())
    assert len(set(table.groups)) == 30
    assert table.window is not None
    assert (table.window.kind, table.window.seconds) == ("segment", 3)
    assert table.grouping.by == "names"
    assert not table.grouping.certain
    (note,) = table.notes
    assert "300 rows are treated as parts of 30 tracks" in note
    assert "--rows clips" in note
    assert "--group-column" in note


def test_a_genre_drawn_for_each_track_cannot_be_learned(tmp_path: Path) -> None:
    from sklearn.neighbors import KNeighborsClassifier

    rng = np.random.default_rng(0)
    genres = rng.permutation(np.arange(60) % 3)
    rows = [
        (f"song.{track:05d}.{k}.wav", int(rng.integers(66150, 66511)), f"g{genres[track]}")
        for track in range(60)
        for k in range(10)
    ]
    table = load(tmp_path, rows)
    X = np.repeat(rng.normal(size=(60, 57)), 10, axis=0) + 0.1 * rng.normal(size=(600, 57))
    scores = {}
    for name in ("track", "segment"):
        shares = []
        for split in get_protocol(name).splits(table, folds=5):
            model = KNeighborsClassifier(1).fit(X[split.train], table.labels[split.train])
            shares.append(model.score(X[split.test], table.labels[split.test]))
        scores[name] = float(np.mean(shares))
    assert scores["segment"] > 0.95
    assert scores["track"] < 0.5


@pytest.mark.parametrize(
    ("rows", "name", "tracks", "certain"),
    [
        # Names and lengths agree, or one of them says nothing.
        ([(f"a.{t:05d}.{k}.wav", 66149, "x") for t in range(4) for k in range(10)], "songs.csv", 4, True),
        ([(f"a.{t:05d}.{k}.wav", "", "x") for t in range(4) for k in range(10)], "features_3_sec.csv", 4, True),
        ([(f"a.{t:05d}.wav", 661794 - t, "x") for t in range(4)], "songs.csv", 4, True),
        ([(f"a.{t:05d}.wav", "", "x") for t in range(4)], "songs.csv", 4, True),
        ([("Op. 5.mp3", 661500, "x"), ("Symphony No.5.mp3", 661500, "x")], "songs.csv", 2, True),
        # They do not.
        ([(f"a.{t:05d}.{k}.wav", "", "x") for t in range(4) for k in range(10)], "songs.csv", 4, False),
        ([(f"a.{t:05d}.{k}.wav", "", "x") for t in range(4) for k in range(10)], "features_30_sec.csv", 4, False),
        ([(f"a.{t:05d}.{k}.wav", 66149 + k, "x") for t in range(4) for k in range(10)], "songs.csv", 4, False),
        ([(f"rock.{k}.wav", 661794 - k, "rock") for k in range(100)], "features_30_sec.csv", 1, False),
        ([(f"clip.{k}.wav", 661500, "x") for k in range(7)], "features_30_sec.csv", 1, False),
        ([("a.0.wav", 66149, "x"), ("a.1.wav", 66149, "x"), ("b.wav", 66149, "x")], "songs.csv", 2, False),
        # Short rows that are numbered in another way, and short rows whose names say nothing.
        ([(f"a{t}-{k}.wav", 66149, "x") for t in range(4) for k in range(10)], "songs.csv", 4, False),
        ([(f"a{t}{k}.wav", 66149, "x") for t in range(4) for k in range(10)], "songs.csv", 40, False),
    ],
)
def test_what_is_not_certain_is_said(tmp_path: Path, rows: list[Cells], name: str, tracks: int, certain: bool) -> None:
    table = load(tmp_path, rows, name)
    assert len(set(table.groups)) == tracks
    assert table.grouping.certain == certain
    assert table.notes == ((table.grouping.note,) if not certain else ())
    assert certain or "--group-column" in table.grouping.note


def test_a_class_that_is_one_track_is_refused_with_the_way_out(tmp_path: Path) -> None:
    rows: list[Cells] = [(f"{g}.{k}.wav", 661794 - k, g) for g in ("rock", "jazz") for k in range(20)]
    table = load(tmp_path, rows, "features_30_sec.csv")
    with pytest.raises(ProtocolError, match=r"'jazz' has 1 track, .*--rows clips.*--group-column"):
        get_protocol("track").splits(table)
    clips = load(tmp_path, rows, "features_30_sec.csv", rows="clips")
    assert len(set(clips.groups)) == 40
    assert clips.window is not None
    assert clips.window.kind == "clip"
    assert clips.grouping.certain
    assert clips.notes == ()
    assert clips.options == ("--rows", "clips")
    get_protocol("track").splits(clips)


def test_rows_can_be_said_to_be_segments(tmp_path: Path) -> None:
    rows: list[Cells] = [("a.0.wav", 66149, "x"), ("a.1.wav", 66500, "x"), ("b.wav", 66149, "y"), ("c.wav", "", "y")]
    table = load(tmp_path, rows, rows="segments")
    assert table.groups.tolist() == ["a.wav", "a.wav", "b.wav", "c.wav"]
    assert table.window is not None
    assert (table.window.kind, table.window.seconds) == ("segment", 3)
    assert table.notes == ()


def test_a_column_can_tell_the_groups(tmp_path: Path) -> None:
    rows: list[Cells] = [(f"{album}-{k}.wav", 66149, "x") for album in ("aa", "bb") for k in range(3)]
    table = load(tmp_path, rows, group_column="album")
    assert table.groups.tolist() == ["aa"] * 3 + ["bb"] * 3
    assert table.window is not None
    assert (table.window.kind, table.window.seconds) == ("segment", 3)
    assert table.grouping.by == "column"
    assert table.notes == ()
    assert table.ignored == ()
    text = (tmp_path / "songs.csv").read_text().splitlines()
    text[1] = text[1].removesuffix("aa")
    (tmp_path / "songs.csv").write_text("\n".join(text))
    with pytest.raises(TableError, match=r"1 empty cells in the column 'album', the first in line 2 \(aa-0\.wav\)"):
        load_table(tmp_path / "songs.csv", group_column="album")


def test_another_column_can_tell_the_label(tmp_path: Path) -> None:
    table = load(tmp_path, [("aa.wav", 661500, "x"), ("bb.wav", 661500, "y")], label_column="album")
    assert table.labels.tolist() == ["aa", "bb"]
    assert table.ignored == ("label",)
    for option in ("label_column", "group_column"):
        name = option.replace("_", "-")
        with pytest.raises(TableError, match=rf"has no column 'mood' for --{name}; .* 'filename', 'length', 'label'"):
            load_table(tmp_path / "songs.csv", **{option: "mood"})  # type: ignore[arg-type]
        with pytest.raises(ParameterError, match="'tempo' of the schema 'gtzan57' cannot be a feature"):
            load_table(tmp_path / "songs.csv", **{option: "tempo"})  # type: ignore[arg-type]


CONFLICTS: list[Cells] = [
    ("a.0.wav", 66149, "x"),
    ("a.1.wav", 66149, "y"),
    ("a.2.wav", 66149, "x"),
    ("b.0.wav", 66149, "y"),
    ("b.1.wav", 66149, "y"),
    ("c.0.wav", 66149, "x"),
    ("d.0.wav", 66149, "y"),
    ("d.0.wav", 66149, "x"),
]


def test_a_track_under_two_labels_is_refused_and_counted(tmp_path: Path) -> None:
    with pytest.raises(TableError) as refusal:
        load(tmp_path, CONFLICTS)
    message = str(refusal.value)
    assert "has 2 tracks under several labels (5 rows), such as 'a.wav' under 'x' and 'y';" in message
    assert "--conflicts keep-first" in message
    assert "--conflicts drop" in message


@pytest.mark.parametrize(
    ("rule", "kept", "note"),
    [
        (
            "keep-first",
            [0, 2, 3, 4, 5, 6],
            "2 tracks under several labels: 2 of 8 rows left out, "
            "those whose label is not that of the track's first row.",
        ),
        ("drop", [3, 4, 5], "2 tracks under several labels: 5 of 8 rows left out, all of these tracks."),
    ],
)
def test_tracks_under_two_labels_are_settled_by_a_rule(tmp_path: Path, rule: str, kept: list[int], note: str) -> None:
    table = load(tmp_path, CONFLICTS, conflicts=rule)
    found = list(zip(table.items.tolist(), table.labels.tolist(), strict=True))
    assert found == [(CONFLICTS[row][0], CONFLICTS[row][2]) for row in kept]
    assert len(table.X) == len(table.groups) == len(kept)
    assert table.notes == (note,)
    assert table.options == ("--conflicts", rule)


def test_a_rule_changes_nothing_where_no_track_has_two_labels(tmp_path: Path) -> None:
    rows = [(name, length, label) for name, length, label in CONFLICTS if name[0] in "bc"]
    assert load(tmp_path, rows, conflicts="drop").items.tolist() == [name for name, *_ in rows]
    with pytest.raises(TableError, match="no track with only one label"):
        load(tmp_path, CONFLICTS[:3], conflicts="drop")


@pytest.mark.parametrize(("option", "value"), [("rows", "tracks"), ("conflicts", "merge")])
def test_what_cannot_be_said_is_refused(tmp_path: Path, option: str, value: str) -> None:
    with pytest.raises(ParameterError, match=f"got '{value}'"):
        load(tmp_path, CONFLICTS[3:6], **{option: value})


def rows_of(form: str, tracks: int = 6, parts: int = 5) -> tuple[list[str], list[str]]:
    pairs = [(f"{label}_{t:03d}", label, k) for label in ("jazz", "rock") for t in range(tracks) for k in range(parts)]
    return [form.format(track=track, k=k) for track, _, k in pairs], [label for _, label, _ in pairs]


@pytest.mark.parametrize(
    "form", ["{track}_{k}.wav", "{track} ({k}).wav", "{track}/{k}.wav", "{track}-{k:04d}.wav", "{track} {k}.mp3"]
)
@pytest.mark.parametrize("short", [False, True])
def test_parts_that_are_numbered_in_other_ways_join_their_track(form: str, short: bool) -> None:
    items, labels = rows_of(form)
    tracks = loose_parts(items, labels, short=short)
    if "04d" in form and not short:
        # A number with zeros before it is part of a track's name.
        assert tracks is None
        return
    assert tracks is not None
    assert len(set(tracks)) == 12
    assert all(len(set(tracks[first : first + 5])) == 1 for first in range(0, len(tracks), 5))


@pytest.mark.parametrize(
    ("items", "labels"),
    [
        # Numbers that count the tracks of a class, as GTZAN's do.
        ([f"{g}.{k:05d}.wav" for g in ("jazz", "rock") for k in range(9)], ["jazz"] * 9 + ["rock"] * 9),
        ([f"{g} {k}.mp3" for g in ("jazz", "rock") for k in range(9)], ["jazz"] * 9 + ["rock"] * 9),
        # Names without numbers.
        ([f"song{letter}.wav" for letter in "abcdef"], ["x"] * 6),
        # One name in all classes.
        ([f"{name}_{k}.wav" for name in ("a", "b") for k in range(4)], ["x", "y"] * 4),
    ],
)
def test_numbers_that_count_something_else_join_nothing(items: list[str], labels: list[str]) -> None:
    assert loose_parts(items, labels, short=True) is None


def test_long_rows_are_joined_only_if_all_tracks_have_equal_parts() -> None:
    items = [f"artist{a}_{k}.wav" for a in range(6) for k in range(a + 1)]
    assert loose_parts(items, ["x"] * len(items), short=False) is None
    assert loose_parts(items, ["x"] * len(items), short=True) is not None


@pytest.mark.parametrize("odd", ["{t}.{k}.WAV", "{t}.{k}.mp3", "other/{t}.{k}.wav"])
def test_parts_of_one_track_may_be_named_unequally(odd: str) -> None:
    items = [
        ("t{t}.{k}.wav" if k % 2 else odd.replace("{t}", "t{t}")).format(t=t, k=k) for t in range(4) for k in range(6)
    ]
    tracks = joined_parts(items)
    assert len(set(tracks)) == 4
    assert all(len(set(tracks[6 * t : 6 * t + 6])) == 1 for t in range(4))
