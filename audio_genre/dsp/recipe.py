"""Versioned feature recipes: every parameter that changes a number, in one place, and the column names.

A recipe that has been released never changes; another number means another version.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Any

from audio_genre.errors import ParameterError

_STEMS = (
    "chroma_stft",
    "rms",
    "spectral_centroid",
    "spectral_bandwidth",
    "rolloff",
    "zero_crossing_rate",
    "harmony",
    "perceptr",
)

# Written out because they make the numbers; there is one implementation of each.
_ONLY = MappingProxyType({"window": "hann", "pad_mode": "reflect", "hpss_power": 2.0, "hpss_margin": 1.0})


@dataclass(frozen=True)
class Recipe:
    """A named, versioned set of features with every signal-processing parameter written out.

    Attributes
    ----------
    name : str
        Name and version, such as ``"gtzan57-v1"``; tables, pictures and bundles record it.
    sr : int
        Sampling rate in Hz that every signal is resampled to.
    n_fft, hop_length : int
        Length and hop of the short-time Fourier transform (STFT), in samples.
    window : str
        Window of the STFT; periodic.
    pad_mode : str
        How the signal is continued beyond its ends, for centred frames.
    n_mels, n_mfcc, n_chroma : int
        Bands of the mel spectrogram, mel-frequency cepstral coefficients, pitch classes.
    top_db : float
        Dynamic range kept of the mel spectrogram, in dB below its maximum.
    amin : float
        Smallest power that is told from silence.
    roll_percent : float
        Share of the magnitude below the roll-off frequency.
    hpss_kernel : int
        Length of both median filters of the harmonic-percussive separation, in frames or bins.
    hpss_power, hpss_margin : float
        Exponent and margin of the separation's soft masks.
    mel_fmin, mel_fmax : float
        Edges of the mel filter bank in Hz (Slaney's scale and area normalisation).
    chroma_centre_octave, chroma_octave_width : float
        Centre (octaves above A0 = 27.5 Hz) and width (octaves) of the Gaussian weight of the chroma filter bank.
    tuning_resolution : float
        Resolution of the tuning estimate, in fractions of a semitone.
    tuning_fmin, tuning_fmax : float
        Range of the spectral peaks that the tuning is estimated from, in Hz.
    tuning_threshold : float
        Smallest power of such a peak, as a share of the frame's maximum.
    zero_threshold : float
        Samples of no greater magnitude count as zero, and as positive, in the zero-crossing rate.
    tempo_start_bpm, tempo_std_octaves, tempo_max_bpm : float
        Centre (BPM), width (octaves) and upper limit (BPM) of the tempo prior.
    tempo_window_seconds : float
        Length of the onset autocorrelation window.
    clip_seconds, segment_seconds : int
        Length of the windows behind one row of the "30-s" and of the "3-s" table.

    Raises
    ------
    ParameterError
        If a parameter has a value that nothing here implements.

    Examples
    --------
    >>> from audio_genre.dsp import GTZAN57
    >>> len(GTZAN57.feature_names), GTZAN57.feature_names[:2]
    (57, ('chroma_stft_mean', 'chroma_stft_var'))
    """

    name: str
    sr: int = 22050
    n_fft: int = 2048
    hop_length: int = 512
    window: str = "hann"
    pad_mode: str = "reflect"
    n_mels: int = 128
    n_mfcc: int = 20
    n_chroma: int = 12
    top_db: float = 80.0
    amin: float = 1e-10
    roll_percent: float = 0.85
    hpss_kernel: int = 31
    hpss_power: float = 2.0
    hpss_margin: float = 1.0
    mel_fmin: float = 0.0
    mel_fmax: float = 11025.0
    chroma_centre_octave: float = 5.0
    chroma_octave_width: float = 2.0
    tuning_resolution: float = 0.01
    tuning_fmin: float = 150.0
    tuning_fmax: float = 4000.0
    tuning_threshold: float = 0.1
    zero_threshold: float = 1e-10
    tempo_start_bpm: float = 120.0
    tempo_std_octaves: float = 1.0
    tempo_max_bpm: float = 320.0
    tempo_window_seconds: float = 8.0
    clip_seconds: int = 30
    segment_seconds: int = 3

    def __post_init__(self) -> None:
        for name, only in _ONLY.items():
            if getattr(self, name) != only:
                raise ParameterError(
                    f"A recipe's {name} can only be {only!r} in this version; got {getattr(self, name)!r}."
                )
        if self.hop_length < 1 or self.n_fft % (2 * self.hop_length):
            raise ParameterError(
                f"A recipe's hop_length must divide half its n_fft of {self.n_fft}; got {self.hop_length}."
            )

    @cached_property
    def feature_names(self) -> tuple[str, ...]:
        """Names of the features, in the order of the public tables."""
        names = [f"{stem}_{moment}" for stem in _STEMS for moment in ("mean", "var")]
        names.append("tempo")
        names += [f"mfcc{i}_{moment}" for i in range(1, self.n_mfcc + 1) for moment in ("mean", "var")]
        return tuple(names)

    @property
    def segment_samples(self) -> int:
        """Samples in a segment: one fewer than ``segment_seconds`` long, as in the public tables."""
        return self.segment_seconds * self.sr - 1

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns of a feature table: ``filename``, ``length``, the features, ``label``."""
        return ("filename", "length", *self.feature_names, "label")

    def parameters(self) -> dict[str, Any]:
        """Return every parameter as plain data, for side-car files."""
        return asdict(self)


GTZAN57 = Recipe(name="gtzan57-v1")
"""The 57 features of the public GTZAN tables."""

RECIPES = MappingProxyType({GTZAN57.name: GTZAN57})
"""Every recipe by its name."""


def get_recipe(name: str) -> Recipe:
    """Return the recipe of a name.

    Parameters
    ----------
    name : str
        Name and version, such as ``"gtzan57-v1"``.

    Returns
    -------
    Recipe
        The recipe.

    Raises
    ------
    ParameterError
        If this version of the package knows no such recipe.
    """
    try:
        return RECIPES[name]
    except KeyError:
        known = ", ".join(RECIPES)
        raise ParameterError(f"The recipe {name!r} is unknown; this version knows {known}.") from None
