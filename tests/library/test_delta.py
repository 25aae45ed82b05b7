from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio_genre.library.delta import apply_delta, make_delta


def round_trip(folder: Path, former: bytes, present: bytes) -> bytes:
    """Return the delta, once it was seen to give the former bytes back."""
    (folder / "former").write_bytes(former)
    (folder / "present").write_bytes(present)
    delta = make_delta(folder / "former", folder / "present", most_new=1 << 30)
    assert delta is not None
    pieces: list[bytes] = []
    apply_delta(folder / "present", delta, pieces.append)
    assert b"".join(pieces) == former
    return delta


@given(
    st.lists(st.binary(min_size=1, max_size=90), min_size=1, max_size=8),
    st.lists(st.tuples(st.integers(0, 7), st.binary(max_size=40)), max_size=10),
)
def test_any_bytes_come_back(tmp_path_factory: pytest.TempPathFactory, parts, edits) -> None:
    present = b"".join(parts[k % len(parts)] + new for k, new in edits) or b"\0"
    folder = tmp_path_factory.getbasetemp() / "delta"
    folder.mkdir(exist_ok=True)
    round_trip(folder, b"".join(parts), present)


NOISE = random.Random(0).randbytes(2_000_000)


@pytest.mark.parametrize(
    "present",
    [
        NOISE[:10] + b"TCON jazz" + NOISE[10:],  # a tag at the head pushes all the rest back
        NOISE + b"id3 jazz",  # a chunk at the end, and a size that changes
        NOISE[:4] + b"size" + NOISE[8:] + b"id3 jazz",
        NOISE[:50] + NOISE[1_000_000:1_500_000] + NOISE[50:1_000_000] + b"jazz" + NOISE[1_500_000:],  # frames sorted
        b"".join(b"page" + NOISE[k + 4 : k + 4500] for k in range(0, len(NOISE), 4500)),  # pages numbered anew
    ],
)
def test_a_tag_costs_little(tmp_path: Path, present: bytes) -> None:
    assert len(round_trip(tmp_path, NOISE, present)) < 20_000


def test_files_with_little_in_common_are_told(tmp_path: Path) -> None:
    (tmp_path / "former").write_bytes(NOISE[:50_000])
    (tmp_path / "present").write_bytes(NOISE[100_000:150_000])
    assert make_delta(tmp_path / "former", tmp_path / "present", most_new=40_000) is None
