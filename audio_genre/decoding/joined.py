"""Where in a file the audio streams are that were written one after the other: chained Ogg, joined MPEG audio."""

from __future__ import annotations

import os
import re
import struct
from typing import NamedTuple

_OGG_HEADER = 27
_MIN_FRAMES = 8
_CHUNK = 1 << 18
_SYNC = re.compile(rb"\xff[\xe2-\xff]")
# kbit/s by the four bits of the header: MPEG-1 layers I, II, III; MPEG-2 layer I, and layers II and III.
_BITRATES = {
    (1, 1): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (1, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (1, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (2, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (2, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (2, 3): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_RATES = (44100, 48000, 32000)
# MPEG-2.5, reserved, MPEG-2, MPEG-1: by what rates are divided.
_DIVISORS = (4, 0, 2, 1)
_HAS_FRAMES, _HAS_BYTES = 1, 2
_PADDING = 4
_ROOMY = 9
_MARKS = (b"Xing", b"Info")


class Range(NamedTuple):
    """Where a stream is.

    Attributes
    ----------
    begin, end : int
        First byte, and the one behind the last.
    prefix : bytes
        What is to be put before it, so that decoders know its length: they guess it from the first frame of a stream of
        MPEG audio whose bit rate varies and that has no header.
    """

    begin: int
    end: int
    prefix: bytes = b""


class Reader:
    """Reads anywhere in an open file, through one buffer."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self.size = os.fstat(fd).st_size
        self._start, self._held = 0, b""

    def read(self, position: int, count: int) -> bytes:
        """Return up to `count` bytes."""
        begin = position - self._start
        if begin < 0 or begin + count > len(self._held):
            self._start, self._held = position, self._read(position)
            begin = 0
        return self._held[begin : begin + count]

    def _read(self, position: int) -> bytes:
        if hasattr(os, "pread"):
            return os.pread(self._fd, _CHUNK, position)
        os.lseek(self._fd, position, os.SEEK_SET)
        return os.read(self._fd, _CHUNK)


def skip_tags(reader: Reader, position: int = 0) -> int:
    """Return where the audio begins behind ID3 and APE tags."""
    while True:
        head = reader.read(position, 32)
        if head.startswith(b"ID3") and len(head) >= 10:
            size = sum((byte & 0x7F) << shift for byte, shift in zip(head[6:10], (21, 14, 7, 0), strict=True))
            position += 10 + size + (10 if head[5] & 0x10 else 0)
        elif head.startswith(b"TAG+"):
            position += 227
        elif head.startswith(b"TAG"):
            position += 128
        elif head.startswith(b"APETAGEX") and len(head) == 32:
            size, is_header = struct.unpack("<I", head[12:16])[0], head[23] & 0x20
            position += 32 + (size if is_header else 0)
        else:
            return position


def ogg_links(reader: Reader) -> list[Range]:
    """Find the links of a chained Ogg file.

    Only page headers are read, so that neither the length of the pages nor what they hold matters.
    """
    starts = [0]
    position, in_data = 0, False
    while position + _OGG_HEADER <= reader.size:
        head = reader.read(position, _OGG_HEADER + 255)
        if head.startswith(b"OggS\0"):
            segments = head[26]
            # Several streams, of a video perhaps, begin together; one that begins later is of another link.
            if not head[5] & 2:
                in_data = True
            elif in_data:
                starts.append(position)
                in_data = False
            position += _OGG_HEADER + segments + sum(head[_OGG_HEADER : _OGG_HEADER + segments])
        else:
            found = _find(reader, position + 1, re.compile(rb"OggS\0"))
            if found is None:
                break
            position = found
    return [Range(begin, end) for begin, end in zip(starts, [*starts[1:], reader.size], strict=True)]


def mpeg_streams(reader: Reader) -> list[Range]:
    """Find the streams of MPEG audio in a file.

    Where the first stream says how long it is and nothing comes after it, no more than its beginning is read.
    """
    streams: list[Range] = []
    last: tuple[int, int, int, bool] | None = None
    is_whole = True
    position = 0
    while True:
        start = skip_tags(reader, position)
        begin = _find_frames(reader, start)
        if begin is None:
            return streams
        first = _frame(reader.read(begin, 4))
        if first is None:
            return streams
        stated = _stated(reader, begin, first)
        is_new = is_whole or start > position or stated is not None or first.kind != last
        end = _end_by_header(reader, begin, stated)
        prefix = b""
        if end is None:
            end, frames, is_varying = _walk(reader, begin, first, stated)
            if is_varying and stated is None:
                prefix = _info_frame(reader.read(begin, 4), frames, end - begin)
        if is_new:
            streams.append(Range(begin if streams or prefix else 0, end, prefix))
        else:
            # Damaged in the middle: decoders find the next frame themselves.
            streams[-1] = Range(streams[-1].begin, end)
        # Decoders end where its header says.
        is_whole = stated is not None
        last, position = first.kind, end


class _Frame(NamedTuple):
    """The header of a frame of MPEG audio."""

    size: int
    kind: tuple[int, int, int, bool]  # version's divisor, layer, rate, whether mono


class _Stated(NamedTuple):
    """What a stream's Xing, Info or VBRI header says: size in bytes, and number of frames besides its own."""

    size: int | None
    frames: int | None


def _frame(head: bytes) -> _Frame | None:
    if len(head) < 4 or head[0] != 0xFF or head[1] < 0xE0:
        return None
    divisor, layer = _DIVISORS[head[1] >> 3 & 3], 4 - (head[1] >> 1 & 3)
    bitrate, rate = head[2] >> 4, head[2] >> 2 & 3
    # Without a bit rate ("free format") a frame does not tell its size.
    if divisor == 0 or layer == 4 or bitrate in (0, 15) or rate == 3:
        return None
    hertz = _RATES[rate] // divisor
    bits = _BITRATES[min(divisor, 2), layer][bitrate - 1] * 1000
    padding = head[2] >> 1 & 1
    if layer == 1:
        size = (12 * bits // hertz + padding) * 4
    else:
        size = (72 if layer == 3 and divisor > 1 else 144) * bits // hertz + padding
    return _Frame(size, (divisor, layer, hertz, head[3] >> 6 == 3))


def _stated(reader: Reader, begin: int, first: _Frame) -> _Stated | None:
    """Read what the first frame of a stream says of all of it."""
    head = reader.read(begin, 64)
    side = _side_bytes(first)
    for at in (side, side + 2):  # behind a checksum
        if head[at : at + 4] in _MARKS and len(head) >= at + 16:
            flags, first_number, second_number = struct.unpack(">III", head[at + 4 : at + 16])
            frames = first_number if flags & _HAS_FRAMES else None
            size = second_number if flags & _HAS_FRAMES else first_number
            return _Stated(size if flags & _HAS_BYTES else None, frames)
    if head[36:40] == b"VBRI" and len(head) >= 54:
        return _Stated(*struct.unpack(">II", head[46:54]))
    return None


def _end_by_header(reader: Reader, begin: int, stated: _Stated | None) -> int | None:
    """Return where a stream says that it ends, if that is where another begins, or a tag, or nothing."""
    if stated is None or not stated.size:
        return None
    end = begin + stated.size
    if end > reader.size or end <= begin:
        return None
    after = skip_tags(reader, end)
    return end if after > end or end == reader.size or _run(reader, end) else None


def _walk(reader: Reader, begin: int, first: _Frame, stated: _Stated | None) -> tuple[int, int, bool]:
    """Walk through the frames of a stream; return where something else comes, their number, whether rates differ."""
    most = stated.frames + 1 if stated is not None and stated.frames else reader.size
    side = _side_bytes(first)
    # Files without a header have thousands of frames, of few kinds.
    sizes: dict[bytes, int] = {}
    position, count = begin + first.size, 1
    while count < most:
        head = reader.read(position, 48)
        size = sizes.get(head[:4])
        if size is None:
            frame = _frame(head[:4])
            if frame is None or frame.kind != first.kind:
                break
            size = sizes[head[:4]] = frame.size
        if (head[side : side + 4] in _MARKS or head[36:40] == b"VBRI") and _stated(reader, position, first) is not None:
            break
        position += size
        count += 1
    # Frames of one bit rate differ by their padding at most.
    is_varying = max(sizes.values(), default=0) - min(sizes.values(), default=0) > _PADDING
    return min(position, reader.size), count, is_varying


def _info_frame(head: bytes, frames: int, size: int) -> bytes:
    """Make the frame that tells how many frames follow, as encoders write it."""
    # Without a checksum, at a bit rate that has room for it.
    head = bytes([head[0], head[1] | 1, _ROOMY << 4 | head[2] & 0x0C, head[3]])
    frame = _frame(head)
    if frame is None:
        return b""
    stated = b"Xing" + struct.pack(">III", _HAS_FRAMES | _HAS_BYTES, frames, size + frame.size)
    return (head.ljust(_side_bytes(frame), b"\0") + stated).ljust(frame.size, b"\0")


def _side_bytes(frame: _Frame) -> int:
    """Return where in a first frame a Xing header begins."""
    divisor, _, _, is_mono = frame.kind
    if divisor == 1:
        return 21 if is_mono else 36
    return 13 if is_mono else 21


def _run(reader: Reader, position: int) -> bool:
    """Tell whether so many frames of one kind begin here that it is no chance."""
    first = _frame(reader.read(position, 4))
    frame = first
    for _ in range(_MIN_FRAMES):
        if frame is None or first is None or frame.kind != first.kind:
            return False
        position += frame.size
        frame = _frame(reader.read(position, 4))
    return True


def _find_frames(reader: Reader, position: int) -> int | None:
    """Return where the next run of frames begins."""
    found: int | None = position
    while found is not None:
        if _run(reader, found):
            return found
        found = _find(reader, found + 1, _SYNC)
    return None


def _find(reader: Reader, position: int, pattern: re.Pattern[bytes]) -> int | None:
    while position < reader.size:
        block = reader.read(position, _CHUNK // 2)
        found = pattern.search(block)
        if found is not None:
            return position + found.start()
        if len(block) < 8:
            return None
        position += len(block) - 4
    return None
