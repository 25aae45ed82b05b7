from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from importlib import resources
from pathlib import Path

import numpy as np
import pytest

from audio_genre.datasets.gtzan import (
    CITATIONS,
    GENRES,
    Clip,
    excluded_clips,
    find_clip,
    load_clips,
    same_artist,
)


def by_artist(clips: Iterable[Clip]) -> dict[int, list[Clip]]:
    artists = defaultdict(list)
    for clip in clips:
        if clip.artist is not None:
            artists[clip.artist].append(clip)
    return artists


def in_folds() -> list[Clip]:
    return [clip for clip in load_clips().values() if clip.fold is not None]


def test_there_are_a_hundred_clips_of_each_genre() -> None:
    clips = load_clips()
    assert list(clips) == [f"{genre}.{number:05d}" for genre in GENRES for number in range(100)]
    assert all(name == clip.name and name.startswith(f"{clip.genre}.") for name, clip in clips.items())


def test_the_clips_cannot_be_changed_by_a_caller() -> None:
    with pytest.raises(TypeError):
        load_clips()["blues.00000"] = None  # type: ignore[index]


def test_sizes_of_the_published_splits() -> None:
    clips = load_clips().values()
    assert Counter(clip.subset for clip in clips) == {"train": 443, "validation": 197, "test": 290, None: 70}
    assert Counter(clip.fold for clip in clips) == {1: 315, 2: 316, 3: 317, None: 52}
    assert all((clip.fold is None) == (clip.artist_group is None) for clip in clips)
    assert sum(clip.artist is None for clip in clips) == 81


def test_excluded_clips_are_those_on_no_subset() -> None:
    excluded = excluded_clips()
    assert {name: len(clips) for name, clips in excluded.items()} == {"artist": 52, "fault-filtered": 70}
    assert len(excluded["artist"] & excluded["fault-filtered"]) == 9
    # Each list keeps another one of these two equal clips; metal.00058 equals a clip of another class.
    assert {"hiphop.00039", "metal.00058"} <= excluded["fault-filtered"]
    assert {"hiphop.00045", "metal.00058"} <= excluded["artist"]
    assert "hiphop.00045" not in excluded["fault-filtered"]


def test_no_artist_group_is_in_two_folds() -> None:
    folds = defaultdict(set)
    for clip in in_folds():
        folds[clip.artist_group].add(clip.fold)
    assert len(folds) == 412
    assert all(len(found) == 1 for found in folds.values())


def test_by_the_index_the_folds_are_not_quite_filtered_by_artist() -> None:
    leaking = [clips for clips in by_artist(in_folds()).values() if len({clip.fold for clip in clips}) > 1]
    assert len(leaking) == 24
    assert Counter(clip.fold for clips in leaking for clip in clips) == {1: 74, 2: 33, 3: 40}


def test_no_artist_of_the_index_is_on_two_subsets_of_the_fault_filtered_split() -> None:
    clips = [clip for clip in load_clips().values() if clip.subset is not None]
    assert all(len({clip.subset for clip in found}) == 1 for found in by_artist(clips).values())


def test_two_artist_groups_hold_two_artists() -> None:
    artists = defaultdict(set)
    for clip in in_folds():
        if clip.artist is not None:
            artists[clip.artist_group].add(clip.artist)
    assert sorted(group for group, found in artists.items() if group is not None and len(found) > 1) == [138, 201]


def test_joined_artists_are_the_connected_components() -> None:
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    clips = list(load_clips().values())
    # Nodes: the clips, then the artists of the index, then those of the folds.
    edges = [(row, 1000 + clip.artist) for row, clip in enumerate(clips) if clip.artist is not None]
    edges += [(row, 2000 + clip.artist_group) for row, clip in enumerate(clips) if clip.artist_group is not None]
    rows, columns = np.array(edges).T
    _, component = connected_components(coo_array((np.ones(len(rows)), (rows, columns)), shape=(3000, 3000)))
    numbers = np.array([same_artist()[clip.name] for clip in clips])
    np.testing.assert_array_equal(numbers[:, None] == numbers, component[:1000, None] == component[:1000])


@pytest.mark.parametrize(
    "name",
    [
        "blues.00029",
        "blues.00029.wav",
        "blues.00029.au",
        "blues/blues.00029.wav",
        "blues/blues00029.png",
        "blues/blues_00029.wav",
        "./blues_00029.wav",
        "Data/genres_original/blues/blues.00029.wav",
        "genres\\blues\\blues.00029.mp3",
        "BLUES.00029.WAV",
        "blues.00029.3.wav",
        "blues00029_12.png",
        "blues.00029.wav.png",
    ],
)
def test_spellings_of_a_clip(name: str) -> None:
    clip = find_clip(name)
    assert clip is not None
    assert clip.name == "blues.00029"


@pytest.mark.parametrize(
    "name",
    [
        "",
        "blues",
        "blues.00100.wav",
        "blues.29.wav",
        "blues.000029.wav",
        "zouk.00029.wav",
        "my blues.00029.wav",
        "blues.00029 (copy).wav",
        "blues.00029/first.wav",
        "blues.\u0660\u0660\u0660\u0662\u0669.wav",
        "clas\u017fical.00029.wav",
        "blues.00029.wav\n",
        "blues/" + "blues.00029" * 1000,
    ],
)
def test_names_that_are_not_gtzans(name: str) -> None:
    assert find_clip(name) is None


def test_the_readme_beside_the_data_cites_every_source() -> None:
    text = resources.files("audio_genre.datasets.gtzan").joinpath("README.md").read_text(encoding="utf-8")
    for citation in CITATIONS.values():
        reference = citation.rsplit(maxsplit=1)[-1]
        assert reference.startswith(("doi:", "arXiv:"))
        assert reference in text


def test_the_package_has_what_was_published(shared_data: Path) -> None:
    splits = shared_data / "gtzan" / "splits"
    clips = load_clips()

    def names(path: Path) -> list[str]:
        found = [find_clip(line.split()[0]) for line in path.read_text().splitlines() if line.strip()]
        return [clip.name for clip in found if clip is not None]

    for subset, file in (("train", "train"), ("validation", "valid"), ("test", "test")):
        assert set(names(splits / f"{file}_filtered.txt")) == {n for n, clip in clips.items() if clip.subset == subset}
    folds = splits / "artist_3folds"
    for fold in (1, 2, 3):
        tested = {name for name, clip in clips.items() if clip.fold == fold}
        assert set(names(folds / f"f{fold}_test.txt")) == tested
        assert set(names(folds / f"f{fold}_train.txt")) == {clip.name for clip in in_folds()} - tested
        for file in ("evaluate", "train"):
            for line in (folds / f"f{fold}_{file}_groups.txt").read_text().splitlines():
                name, group = line.split()
                clip = find_clip(name)
                assert clip is not None
                assert clip.artist_group == int(group)


def read_index(shared_data: Path) -> list[tuple[Clip, str]]:
    lines = (shared_data / "gtzan" / "splits" / "GTZANindex.txt").read_text().splitlines()
    entries = [[part.strip() for part in line.split(":::")] for line in lines if line and not line.startswith("#")]
    return [(load_clips()[Path(name).stem], artist) for name, artist, *_ in entries]


def test_the_artists_are_those_of_the_index(shared_data: Path) -> None:
    written = defaultdict(set)
    for clip, artist in read_index(shared_data):
        assert (clip.artist is None) == (not artist)
        if clip.artist is not None:
            written[clip.artist].add(artist)
    # Every name has one number, and two artists are written in two ways.
    assert sum(map(len, written.values())) == len(set().union(*written.values()))
    assert sorted(sorted(names) for names in written.values() if len(names) > 1) == [
        ["Earth Wind and Fire", "Earth, Wind & Fire"],
        ["Rage Against The Machine", "Rage Against the Machine"],
    ]


def test_three_artists_are_on_two_subsets_through_a_collaboration(shared_data: Path) -> None:
    subsets = defaultdict(set)
    for clip, artist in read_index(shared_data):
        if clip.subset is not None:
            subsets[artist].add(clip.subset)
    found = {
        part
        for credit in subsets
        for part in re.split(r", | & | and ", credit)
        if part in subsets and len(subsets[part] | subsets[credit]) > 1 and part
    }
    assert found == {"Bob Marley", "Donna Summer", "Shania Twain"}
