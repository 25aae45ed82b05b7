"""Versioned feature recipes: every parameter that changes a number, in one place, and the column names.

A recipe that has been released never changes; another number means another version.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from functools import cached_property, lru_cache
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
        If a parameter has a value that nothing here implements, or the name is that of a released recipe and a
        parameter is not: `derive` gives a changed recipe a name of its own.

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

        for name in ("sr", "n_fft", "n_mels", "n_mfcc", "n_chroma", "clip_seconds", "segment_seconds"):
            if getattr(self, name) < 1:
                raise ParameterError(f"A recipe's {name} must be at least 1; got {getattr(self, name)}.")
        if self.n_mfcc > self.n_mels:
            raise ParameterError(
                f"A recipe's n_mfcc of {self.n_mfcc} must not exceed its n_mels of {self.n_mels}: there are no more "
                "coefficients than bands."
            )
        if not 0 <= self.mel_fmin < self.mel_fmax <= self.sr / 2:
            raise ParameterError(
                f"A recipe's mel bands must lie within 0 and half its sr of {self.sr} Hz; got {self.mel_fmin:g} to "
                f"{self.mel_fmax:g} Hz, so change mel_fmax with sr."
            )
        if self.n_fft >= self.segment_seconds * self.sr:
            raise ParameterError(
                f"A recipe's n_fft must be shorter than its segments of {self.segment_seconds * self.sr} samples; got "
                f"{self.n_fft}."
            )
        self._refuse_borrowed_name()

    def _refuse_borrowed_name(self) -> None:
        """Refuse the name of a released recipe for other parameters, or for other changes than it names."""
        base = self.name.partition("[")[0]
        if base not in _RELEASED or self.name == (right := _derived_name(base, asdict(self))):
            return
        changed = _changes(asdict(self))
        what = f"{next(iter(changed))}={next(iter(changed.values()))!r}" if changed else "the released parameters"
        raise ParameterError(
            f"The recipe name {self.name!r} does not go with {what}; such a recipe is called {right!r}, and "
            "`GTZAN57.derive` makes it."
        )

    def derive(self, **changes: Any) -> Recipe:
        """Return this recipe with other parameters, under a name that tells them.

        Parameters
        ----------
        **changes : object
            Parameters by name, such as ``n_fft=4096``.

        Returns
        -------
        Recipe
            The changed recipe; `get_recipe` finds it by its name.

        Raises
        ------
        ParameterError
            If there is no such parameter, or its value is out of range.

        Examples
        --------
        >>> GTZAN57.derive(n_fft=4096, n_mels=96).name
        'gtzan57-v1[n_fft=4096,n_mels=96]'
        >>> GTZAN57.derive(n_fft=2048) == GTZAN57
        True
        """
        kinds: dict[str, Any] = {field.name: type(field.default) for field in fields(Recipe) if field.name != "name"}
        values = {field.name: getattr(self, field.name) for field in fields(Recipe) if field.name != "name"}
        for name, value in changes.items():
            if name not in kinds:
                raise ParameterError(f"A recipe has no parameter {name!r}; it has {', '.join(kinds)}.")
            kind = kinds[name]
            if not isinstance(value, (int, float) if kind is float else kind) or isinstance(value, bool):
                raise ParameterError(f"A recipe's {name} must be of type {kind.__name__}; got {value!r}.")
            values[name] = kind(value)
        return Recipe(name=_derived_name(self.name.partition("[")[0], values), **values)

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


def _changes(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters that are not those of the released recipe."""
    return {name: values[name] for name, released in _DEFAULTS.items() if values[name] != released}


def _derived_name(base: str, values: Mapping[str, Any]) -> str:
    """Return the one name that a recipe with these parameters can have."""
    parts = [f"{name}={value!r}" for name, value in _changes(values).items()]
    return f"{base}[{','.join(parts)}]" if parts else base


_RELEASED = frozenset({"gtzan57-v1"})
# The defaults of the class are the parameters of gtzan57-v1.
_DEFAULTS: dict[str, Any] = {field.name: field.default for field in fields(Recipe) if field.name != "name"}
_DERIVED = re.compile(r"(?P<base>[^\[\]]+)\[(?P<changes>[^\[\]]+)\]")

GTZAN57 = Recipe(name="gtzan57-v1")
"""The 57 features of the public GTZAN tables."""

RECIPES = MappingProxyType({GTZAN57.name: GTZAN57})
"""Every recipe by its name."""


@lru_cache
def get_recipe(name: str) -> Recipe:
    """Return the recipe of a name.

    Parameters
    ----------
    name : str
        Name and version, such as ``"gtzan57-v1"``, or that with changes, such as ``"gtzan57-v1[n_fft=4096]"``.

    Returns
    -------
    Recipe
        The recipe; its name alone tells every parameter.

    Raises
    ------
    ParameterError
        If this version of the package knows no such recipe.

    Examples
    --------
    >>> get_recipe("gtzan57-v1[n_fft=4096]").n_fft
    4096
    """
    if name in RECIPES:
        return RECIPES[name]
    derived = _DERIVED.fullmatch(name)
    if derived is not None and derived["base"] in RECIPES:
        try:
            pairs = (part.partition("=") for part in derived["changes"].split(","))
            changes = {key: ast.literal_eval(value) for key, _, value in pairs}
        except (ValueError, SyntaxError):
            changes = {}
        recipe = RECIPES[derived["base"]].derive(**changes)
        if recipe.name == name:
            return recipe
    raise ParameterError(
        f"The recipe {name!r} is unknown; this version knows {', '.join(RECIPES)}, and changes of it such as "
        "gtzan57-v1[n_fft=4096]."
    )


def difference(found: object, recipe: Recipe) -> str | None:
    """Tell the first parameter in which a record of parameters is not that of a recipe.

    Parameters
    ----------
    found : object
        What a side-car or card says, after JSON.
    recipe : Recipe
        The recipe.

    Returns
    -------
    str or None
        Such as ``"n_fft=4096, and the recipe has 2048"``; None if all are equal.

    Examples
    --------
    >>> difference(GTZAN57.parameters() | {"n_fft": 4096}, GTZAN57)
    'n_fft=4096, and the recipe has 2048'
    """
    parameters = recipe.parameters()
    if not isinstance(found, dict):
        return f"no parameters, and the recipe has {len(parameters)}"
    for name in dict.fromkeys([*parameters, *found]):
        if name not in found:
            return f"no {name}, and the recipe has {parameters[name]!r}"
        if name not in parameters:
            return f"{name}={found[name]!r}, which the recipe does not have"
        if found[name] != parameters[name] or isinstance(found[name], bool):
            return f"{name}={found[name]!r}, and the recipe has {parameters[name]!r}"
    return None
