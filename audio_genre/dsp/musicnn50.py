"""The recipe ``musicnn50-v1``: mean and standard deviation over time of MusiCNN's 50 tag probabilities.

The network takes patches of 187 frames, which is 3 s; each segment is one patch, and a clip has those of its segments.
What the network hears is as its authors computed it for training, down to the resampler: its cut-off shapes the
uppermost mel bands, and another one moves tags by 0.2.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property, lru_cache
from math import gcd
from typing import TYPE_CHECKING, Any

from audio_genre.dsp.recipe import Recipe, WindowFeatures
from audio_genre.encoders.catalogue import MUSICNN

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# Segments worked on together: bounds memory.
_SEGMENTS = 32


@dataclass(frozen=True)
class Musicnn50(Recipe):
    """Mean and standard deviation of tag probabilities, with everything that they depend on.

    Attributes
    ----------
    name : str
        Name and version.
    sr : int
        Sampling rate in Hz of the signals that it takes.
    clip_seconds, segment_seconds : int
        Length of the windows behind one row of the "30-s" and of the "3-s" table.
    encoder, weights_sha256 : str
        The network, and the hash of its weights.
    encoder_sr : int
        Sampling rate in Hz that each segment is resampled to.
    resampler_zeros, resampler_beta, resampler_rolloff, resampler_table : int, float, float, int
        The windowed sinc of the resampler ("kaiser_best" of resampy before 0.4): zero crossings on each side, shape of
        the Kaiser window, cut-off as a share of half the lower rate, and entries of its table for each zero crossing;
        the step from sample to sample is rounded down to whole entries, which lowers the cut-off by 0.1 %.
    n_fft, hop_length, n_mels : int
        Frame and hop of the STFT in samples, and number of mel bands up to half the rate (Slaney's scale, equal areas).
    n_frames : int
        Frames of a patch.
    compression : float
        A band of power P becomes log10(compression * P + 1).
    """

    name: str = "musicnn50-v1"
    sr: int = 22050
    clip_seconds: int = 30
    segment_seconds: int = 3
    encoder: str = MUSICNN.name
    weights_sha256: str = MUSICNN.weights_sha256
    encoder_sr: int = 16000
    resampler_zeros: int = 64
    resampler_beta: float = 14.769656459379492
    resampler_rolloff: float = 0.9475937167399596
    resampler_table: int = 512
    n_fft: int = 512
    hop_length: int = 256
    n_mels: int = 96
    n_frames: int = 187
    compression: float = 10000.0

    @cached_property
    def feature_names(self) -> tuple[str, ...]:
        """Mean and standard deviation of each tag, such as ``rock_mean`` and ``rock_std``."""
        return tuple(name for names in self.tags.values() for name in names)

    @cached_property
    def tags(self) -> Mapping[str, tuple[str, str]]:
        """The features of each tag, such as ``female_vocalist_mean`` and ``female_vocalist_std``."""
        stems = {tag: tag.replace(" ", "_").replace("-", "_") for tag in MUSICNN.tags}
        return {tag: (f"{stem}_mean", f"{stem}_std") for tag, stem in stems.items()}

    @property
    def limits(self) -> tuple[str, ...]:
        """What the network has heard before, and its licence."""
        return (
            f"Its tags are those of {MUSICNN.title.partition(',')[0]} ({MUSICNN.licence}), which was trained on "
            f"{MUSICNN.trained_on}: artists that are new to the model here need not be new to that network.",
        )

    @property
    def shortest(self) -> int:
        """A signal needs one segment."""
        return self.segment_samples

    def parameters(self) -> dict[str, Any]:
        """Return every parameter as plain data."""
        return asdict(self)

    def require(self) -> None:
        """Refuse to go on without the network."""
        from audio_genre.encoders import load

        load(MUSICNN)

    def rows(self, signals: NDArray[np.float32]) -> NDArray[np.float64]:
        """Compute mean and standard deviation over the segments of each signal."""
        import numpy as np

        from audio_genre.audio import cut_segments

        self.check_signals(signals)
        stride = self.segment_seconds * self.sr
        return np.stack([self._pooled(self.probabilities(cut_segments(y, stride=stride))) for y in signals])

    def window_features(self, y: NDArray[np.float32]) -> WindowFeatures:
        """Compute the tags of each segment once, for its own row and that of the window."""
        import numpy as np

        from audio_genre.audio import cut_segments

        tags = self.probabilities(cut_segments(y, stride=self.segment_seconds * self.sr))
        return WindowFeatures(self._pooled(tags), np.stack([self._pooled(row[np.newaxis]) for row in tags]), None)

    def probabilities(self, segments: NDArray[np.float32]) -> NDArray[np.float32]:
        """Compute the probabilities of the tags of segments, shape (n, n_tags)."""
        import numpy as np

        from audio_genre.encoders import load

        network = load(MUSICNN)
        parts = [
            network(self.patches(resampled(segments[k : k + _SEGMENTS], self)))
            for k in range(0, len(segments), _SEGMENTS)
        ]
        return np.concatenate(parts)

    def patches(self, signals: NDArray[np.float32]) -> NDArray[np.float32]:
        """Compute one patch of each signal at the rate of the network, shape (n, n_frames, n_mels)."""
        import numpy as np

        from audio_genre.dsp.filterbanks import hann_window
        from audio_genre.dsp.mel import mel_filters

        padded = np.pad(signals, ((0, 0), (self.n_fft // 2,) * 2), mode="reflect")
        frames = np.lib.stride_tricks.sliding_window_view(padded, self.n_fft, axis=1)[:, :: self.hop_length]
        spectrum = np.fft.rfft(frames[:, : self.n_frames] * hann_window(self.n_fft).astype(np.float32), axis=2)
        power = (spectrum.real**2 + spectrum.imag**2).astype(np.float32)
        mel = power @ mel_filters(self.encoder_sr, self.n_fft, self.n_mels, 0.0, self.encoder_sr / 2)
        patches: NDArray[np.float32] = np.log10(np.float32(self.compression) * mel + np.float32(1))
        return patches

    @staticmethod
    def _pooled(tags: NDArray[np.float32]) -> NDArray[np.float64]:
        import numpy as np

        tags = tags.astype(np.float64)
        return np.stack([tags.mean(axis=0), tags.std(axis=0)], axis=1).reshape(-1)


MUSICNN50 = Musicnn50()
"""Mean and standard deviation over time of MusiCNN's 50 tag probabilities."""


def resampled(signals: NDArray[np.float32], recipe: Musicnn50 = MUSICNN50) -> NDArray[np.float32]:
    """Resample signals to the rate of the network by its windowed sinc.

    A whole number of samples before is a whole number after, so that a block of such length is one matrix product.
    """
    import numpy as np

    weights, step, out = _resampler(recipe)
    count = -(-signals.shape[1] * out // step)
    blocks = -(-count // out)
    before = (len(weights) - step) // 2
    # Continued by reflection: a step to zero is a click, which a maximum over time would not forget.
    padded = np.pad(signals, ((0, 0), (before, blocks * step + before - signals.shape[1])), mode="reflect")
    cut = np.lib.stride_tricks.sliding_window_view(padded, len(weights), axis=1)[:, ::step]
    resampled: NDArray[np.float32] = (cut.reshape(-1, len(weights)) @ weights).reshape(len(signals), -1)
    return resampled[:, :count]


@lru_cache(maxsize=1)
def _resampler(recipe: Musicnn50) -> tuple[NDArray[np.float32], int, int]:
    """Return the weights of a block's samples for each sample that comes of it, and how many go in and come out."""
    import numpy as np

    common = gcd(recipe.sr, recipe.encoder_sr)
    step, out = recipe.sr // common, recipe.encoder_sr // common
    scale = min(1.0, out / step)
    table_step = int(scale * recipe.resampler_table) / recipe.resampler_table
    reach = int(np.ceil(recipe.resampler_zeros / table_step))
    places = np.arange(out) * (step / out)
    samples = np.arange(-reach, step + reach)[:, np.newaxis]
    # From the output to the sample next to it, and on from sample to sample in whole steps of the table.
    behind = np.floor(places) - samples
    nearest = np.where(behind >= 0, places - np.floor(places), np.floor(places) + 1 - places)
    away = scale * nearest + table_step * np.where(behind >= 0, behind, -behind - 1)
    taper = np.i0(recipe.resampler_beta * np.sqrt(np.maximum(1 - (away / recipe.resampler_zeros) ** 2, 0)))
    sinc = np.sinc(recipe.resampler_rolloff * away) * scale * recipe.resampler_rolloff
    weights = np.where(away < recipe.resampler_zeros, sinc * taper / np.i0(recipe.resampler_beta), 0)
    return weights.astype(np.float32), step, out
