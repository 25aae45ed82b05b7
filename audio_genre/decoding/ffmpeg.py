"""What FFmpeg decodes, through PyAV, as parts."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from audio_genre.decoding.formats import HEAD_BYTES
from audio_genre.decoding.sndfile import FileRange
from audio_genre.errors import AudioError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from audio_genre.decoding.formats import Format
    from audio_genre.decoding.joined import Range

# Their headers do not say a length, and FFmpeg guesses one.
_GUESSED = frozenset({"aac", "amr", "flv", "mp3", "ogg", "rm"})
_ASF_PROPERTIES = bytes.fromhex("A1DCAB8C47A9CF118EE400C00C205365")
# A radio's recording may begin in the middle of a packet.
_MAX_DAMAGED = 0.01
_FREE_DAMAGED = 2


class FfmpegPart:
    """The first audio stream of a file that FFmpeg decodes.

    The file is handed over as bytes, with the name of its format, so that FFmpeg opens nothing else: playlists and
    other files that a container may name are not followed.

    Attributes
    ----------
    sr, channels : int
        Sampling rate in Hz and number of channels.
    frames : int or None
        Number of frames by the header; None if it does not say.
    estimate : float or None
        Length in seconds, also where it is a guess.
    encoding : str
        Container and coding.
    texts : dict of str to str
        What it says about itself.
    """

    def __init__(self, name: str, found: Format, part: Range | None = None) -> None:
        import av
        import av.logging

        # Otherwise FFmpeg writes to stderr.
        av.logging.set_level(None)
        self._name = name
        self._file = FileRange(name, part)
        self._container: Any = None
        container = found.words.removesuffix(" audio")
        try:
            self._container = av.open(self._file, format=found.demuxer, metadata_errors="replace")
            if not self._container.streams.audio:
                raise AudioError(
                    name, f"holds no audio: it is {found.words.removesuffix(' audio')} without a sound track"
                )
            self._stream = self._container.streams.audio[0]
            # One core for each worker.
            self._stream.codec_context.thread_count = 1
            self._packets = self._container.demux(self._stream)
            self._ahead = self._decoded()
            first = next(self._ahead, None)
            if first is None:
                raise AudioError(name, f"cannot be decoded: its {container} data are damaged")
        except BaseException:
            self.close()
            raise
        self.sr, self._first = first
        self.channels = self._first.shape[1]
        self.estimate = self._seconds(found)
        is_known = found.demuxer not in _GUESSED and not self._container.streams.video
        self.frames = round(self.estimate * self.sr) if self.estimate is not None and is_known else None
        self.encoding = f"{found.suffix[1:].upper()} {self._stream.codec_context.name.upper()}"
        texts = {**self._stream.metadata, **self._container.metadata}
        self.texts = {key.lower(): text for key, text in texts.items() if text}

    def blocks(self, frames: int) -> Iterator[NDArray[np.float32]]:
        """Decode block by block."""
        held, count, seconds = [self._first], len(self._first), 0.0
        for sr, block in self._ahead:
            if sr != self.sr:
                raise AudioError(
                    self._name, f"changes its sampling rate from {self.sr} to {sr} Hz after {seconds:.2f} s"
                )
            if count >= frames or block.shape[1] != held[0].shape[1]:
                seconds += count / sr
                yield np.concatenate(held)
                held, count = [], 0
            held.append(block)
            count += len(block)
        yield np.concatenate(held)

    def refuse_cut_short(self) -> None:
        """Do nothing: FFmpeg tells only while decoding."""

    def close(self) -> None:
        """Close the file."""
        if self._container is not None:
            self._container.close()
        self._file.close()

    def _seconds(self, found: Format) -> float | None:
        """Return the length by the header."""
        stream = self._stream
        if found.demuxer == "asf":
            # FFmpeg replaces it by a guess where the file is cut short.
            place = self._file.tell()
            self._file.seek(0)
            head = self._file.read(HEAD_BYTES) or b""
            self._file.seek(place)
            at = head.find(_ASF_PROPERTIES)
            if at >= 0 and len(head) >= at + 88:
                duration, _, preroll = struct.unpack_from("<QQQ", head, at + 64)
                return max(0.0, duration / 1e7 - preroll / 1e3) or None
        if stream.duration and stream.time_base:
            return float(stream.duration * Fraction(stream.time_base))
        return self._container.duration / 1e6 if self._container.duration else None

    def _decoded(self) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """Decode packet by packet, into sampling rate and samples; what FFmpeg cannot decode it leaves out."""
        import av

        packets = damaged = 0
        while True:
            try:
                packet = next(self._packets, None)
            except av.InvalidDataError:
                packet = None
            if self._file.failed is not None:
                raise self._file.failed
            if packet is None:
                break
            packets += 1
            try:
                frames = packet.decode()
            except av.InvalidDataError:
                damaged += 1
                continue
            for frame in frames:
                if frame.samples:
                    yield frame.sample_rate, _samples(frame)
        if damaged > _FREE_DAMAGED + _MAX_DAMAGED * packets:
            raise AudioError(self._name, f"is damaged: {damaged} of its {packets} packets cannot be decoded")


def _samples(frame: Any) -> NDArray[np.float32]:
    """Return a frame's samples, shape (n, channels); full scale is 1."""
    values: NDArray[Any] = frame.to_ndarray()
    values = values.T if frame.format.is_planar else values.reshape(frame.samples, -1)
    y: NDArray[np.float32] = np.ascontiguousarray(values, dtype=np.float32)
    if values.dtype == np.uint8:
        y = (y - 128) / np.float32(128)
    elif values.dtype.kind == "i":
        y *= np.float32(2.0 ** (1 - 8 * values.dtype.itemsize))
    return y
