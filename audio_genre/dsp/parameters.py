"""Parameters of the features that one STFT gives: every number that changes a number, and what they can be."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from numbers import Integral, Real
from types import MappingProxyType
from typing import Any, Self

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
# What else each can be, both ends included; mel_fmin and mel_fmax depend on sr.
_LIMITS: MappingProxyType[str, tuple[float, float]] = MappingProxyType(
    {
        "sr": (2000, 192000),
        "n_fft": (16, 2**20),
        "hop_length": (1, 2**19),
        "n_mels": (1, 2**16),
        "n_mfcc": (1, 2**16),
        "n_chroma": (1, 120),
        "top_db": (1, 1000),
        "amin": (1e-30, 1),
        "roll_percent": (0.001, 0.999),
        "hpss_kernel": (3, 1023),
        "chroma_centre_octave": (0, 20),
        "chroma_octave_width": (0.01, 100),
        "tuning_resolution": (0.001, 0.5),
        "tuning_fmin": (1, 96000),
        "tuning_fmax": (1, 96000),
        "tuning_threshold": (0, 1),
        "zero_threshold": (0, 1),
        "tempo_start_bpm": (1, 1000),
        "tempo_std_octaves": (0.001, 100),
        "tempo_max_bpm": (1, 10000),
        "tempo_window_seconds": (0.1, 600),
        "clip_seconds": (1, 600),
        "segment_seconds": (1, 600),
    }
)
# Each takes some 30 bytes while a clip is worked on; a card from a stranger must not ask for all memory.
_MAX_VALUES = 1 << 25


@dataclass(frozen=True)
class SpectralParameters:
    """The parameters of ``gtzan57-v1``, or changed ones under a name that tells them; `Gtzan57` says what each is."""

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
        for name in DEFAULTS:
            object.__setattr__(self, name, _checked(name, getattr(self, name)))
        if self.n_fft % (2 * self.hop_length):
            if self.n_fft % 2:
                raise ParameterError(f"A recipe's n_fft must be even; got {self.n_fft}.")
            raise ParameterError(
                f"A recipe's hop_length must divide half its n_fft of {self.n_fft}; got {self.hop_length}, so set it "
                f"to {self.n_fft // (2 if self.n_fft % 4 else 4)} (--hop-length), for instance."
            )
        if self.segment_seconds > self.clip_seconds:
            raise ParameterError(
                f"A recipe's segment_seconds must not exceed its clip_seconds of {self.clip_seconds}; got "
                f"{self.segment_seconds}."
            )
        if self.n_fft > self.segment_samples:
            raise ParameterError(
                f"A recipe's n_fft must not exceed its segments of {self.segment_samples} samples; got {self.n_fft}."
            )
        values = self.clip_seconds * self.sr // self.hop_length * (self.n_fft // 2 + 1)
        if values > _MAX_VALUES:
            raise ParameterError(
                f"A recipe's spectrogram of a clip must have at most {_MAX_VALUES // 10**6} million values; n_fft "
                f"{self.n_fft} and hop_length {self.hop_length} give {values // 10**6} million, so take a longer "
                "hop_length."
            )
        if self.n_mfcc > self.n_mels:
            raise ParameterError(
                f"A recipe's n_mfcc of {self.n_mfcc} must not exceed its n_mels of {self.n_mels}: there are no more "
                "coefficients than bands."
            )
        if not 0 <= self.mel_fmin < self.mel_fmax <= self.sr / 2:
            raise ParameterError(
                f"A recipe's mel bands must lie within 0 and half its sr of {self.sr} Hz; got {self.mel_fmin:g} to "
                f"{self.mel_fmax:g} Hz, so set mel_fmin and mel_fmax (--fmin, --fmax) with sr."
            )
        if self.hpss_kernel < 3 or self.hpss_kernel & (self.hpss_kernel + 1):
            raise ParameterError(
                f"A recipe's hpss_kernel must be 3, 7, 15, 31 or so (2**k - 1); got {self.hpss_kernel}."
            )
        self._refuse_borrowed_name()
        self._refuse_empty_bands()

    def _refuse_borrowed_name(self) -> None:
        """Refuse any name but the one that these parameters have."""
        base = self.name.partition("[")[0] if isinstance(self.name, str) else ""
        right = _derived_name(base if base in _RELEASED else BASE, asdict(self))
        if self.name == right:
            return
        if base not in _RELEASED:
            raise ParameterError(
                f"No recipe can be called {self.name!r}, because a name must tell the parameters; one with these is "
                f"called {right!r}, and `GTZAN57.derive` makes it."
            )
        changed = _changes(asdict(self))
        what = f"{next(iter(changed))}={next(iter(changed.values()))!r}" if changed else "the released parameters"
        raise ParameterError(
            f"The recipe name {self.name!r} does not go with {what}; such a recipe is called {right!r}, and "
            "`GTZAN57.derive` makes it."
        )

    def _refuse_empty_bands(self) -> None:
        """Refuse mel bands that lie between two bins of the STFT: they would be silent whatever is played."""
        # The released recipe has none, and must be there without loading numpy.
        if not _changes(asdict(self)):
            return
        from audio_genre.dsp.mel import mel_filters

        empty = self.n_mels
        if self.n_mels <= self.n_fft // 2 + 1:
            filters = mel_filters(self.sr, self.n_fft, self.n_mels, self.mel_fmin, self.mel_fmax)
            empty = int((filters.max(axis=0) <= 0).sum())
        if empty:
            raise ParameterError(
                f"A recipe's n_mels of {self.n_mels} would leave bands without a single bin of an STFT of n_fft "
                f"{self.n_fft} at {self.sr} Hz; take fewer bands or a larger n_fft."
            )

    def derive(self, **changes: Any) -> Self:
        """Return this recipe with other parameters, under a name that tells them.

        >>> from audio_genre.dsp import GTZAN57
        >>> GTZAN57.derive(n_fft=4096, n_mels=96).name
        'gtzan57-v1[n_fft=4096,n_mels=96]'
        >>> GTZAN57.derive(n_fft=2048) == GTZAN57
        True
        """
        for name in changes:
            if name not in DEFAULTS:
                raise ParameterError(f"A recipe has no parameter {name!r}; it has {', '.join(DEFAULTS)}.")
        values = {name: getattr(self, name) for name in DEFAULTS}
        values |= {name: _checked(name, value) for name, value in changes.items()}
        return type(self)(name=_derived_name(self.name.partition("[")[0], values), **values)

    @cached_property
    def feature_names(self) -> tuple[str, ...]:
        """Names of the features, in the order of the public tables."""
        names = [f"{stem}_{moment}" for stem in _STEMS for moment in ("mean", "var")]
        names.append("tempo")
        names += [f"mfcc{i}_{moment}" for i in range(1, self.n_mfcc + 1) for moment in ("mean", "var")]
        return tuple(names)

    @property
    def shortest(self) -> int:
        """A signal needs one frame of the STFT."""
        return self.n_fft

    def parameters(self) -> dict[str, Any]:
        """Return every parameter as plain data."""
        return asdict(self)

    @property
    def segment_samples(self) -> int:
        """Samples in a segment: one fewer than ``segment_seconds`` long, as in the public tables."""
        return self.segment_seconds * self.sr - 1


def _checked(name: str, value: object) -> Any:
    """Return the value of a parameter in its type; refuse one that nothing here implements."""
    kind = type(DEFAULTS[name])
    if name in _ONLY:
        if value != _ONLY[name]:
            raise ParameterError(f"A recipe's {name} can only be {_ONLY[name]!r} in this version; got {value!r}.")
        return _ONLY[name]
    is_number = isinstance(value, Integral if kind is int else Real) and not isinstance(value, bool)
    if not is_number:
        raise ParameterError(f"A recipe's {name} must be of type {kind.__name__}; got {value!r}.")
    number = kind(value)
    low, high = _LIMITS.get(name, (-math.inf, math.inf))
    if not low <= number <= high:
        raise ParameterError(f"A recipe's {name} must be from {low:g} to {high:g}; got {number!r}.")
    return number


def _changes(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters that are not those of the released recipe."""
    return {name: values[name] for name, released in DEFAULTS.items() if values[name] != released}


def _derived_name(base: str, values: Mapping[str, Any]) -> str:
    """Return the one name that a recipe with these parameters can have."""
    parts = [f"{name}={value!r}" for name, value in _changes(values).items()]
    return f"{base}[{','.join(parts)}]" if parts else base


BASE = "gtzan57-v1"
_RELEASED = frozenset({BASE})
# The defaults of the class are the parameters of gtzan57-v1.
DEFAULTS: dict[str, Any] = {field.name: field.default for field in fields(SpectralParameters) if field.name != "name"}
