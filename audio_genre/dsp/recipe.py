"""What a feature recipe is: a name with a version, the columns that audio becomes, and how a signal becomes a row.

A recipe that has been released never changes; another number means another version.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from audio_genre.errors import ParameterError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from audio_genre.dsp.parameters import SpectralParameters


@dataclass(frozen=True, eq=False)
class WindowFeatures:
    """Everything that extraction keeps of one window of audio.

    Attributes
    ----------
    clip_row : np.ndarray, shape (n_features,), float64
        Features of the whole window.
    segment_rows : np.ndarray, shape (n_segments, n_features), float64
        Features of its segments, in their order in time.
    mel_db : np.ndarray, shape (n_mels, n_frames), float32, or None
        Mel spectrogram of the whole window in dB (power 1 is 0 dB), cut at ``top_db`` below its maximum; None where
        the recipe has no pictures.
    """

    clip_row: NDArray[np.float64]
    segment_rows: NDArray[np.float64]
    mel_db: NDArray[np.float32] | None


class Recipe(ABC):
    """A named, versioned set of features of audio.

    All recipes take signals at one sampling rate and cut them into the same windows, so that any two can be joined;
    one that needs another rate inside resamples each signal itself.

    Attributes
    ----------
    name : str
        Name and version, such as ``"gtzan57-v1"``; tables, pictures and bundles record it.
    sr : int
        Sampling rate in Hz of the signals that it takes.
    clip_seconds, segment_seconds : int
        Length of the windows behind one row of the "30-s" and of the "3-s" table.
    """

    name: str
    sr: int
    clip_seconds: int
    segment_seconds: int

    @property
    @abstractmethod
    def feature_names(self) -> tuple[str, ...]:
        """Names of the features, in the order of tables and models."""

    @property
    @abstractmethod
    def shortest(self) -> int:
        """Least number of samples of a signal."""

    @property
    def pictures(self) -> SpectralParameters | None:
        """The recipe whose mel spectrogram extraction draws; None where there is none."""
        return None

    @property
    def tags(self) -> Mapping[str, tuple[str, ...]]:
        """Features by the word of plain language that they measure, the mean first; answers are explained by these."""
        return {}

    @property
    def limits(self) -> tuple[str, ...]:
        """What a user of a model on these features should know, in sentences for its card."""
        return ()

    @property
    def segment_samples(self) -> int:
        """Samples in a segment: one fewer than ``segment_seconds`` long, as in the public tables."""
        return self.segment_seconds * self.sr - 1

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns of a feature table: ``filename``, ``length``, the features, ``label``."""
        return ("filename", "length", *self.feature_names, "label")

    @abstractmethod
    def parameters(self) -> dict[str, Any]:
        """Return everything that the numbers depend on as plain data, for side-car files and cards.

        Returns
        -------
        dict
            Values by name; ``name``, ``sr``, ``clip_seconds`` and ``segment_seconds`` are among them.
        """

    @abstractmethod
    def rows(self, signals: NDArray[np.float32]) -> NDArray[np.float64]:
        """Compute one row of features for each of several signals of one length.

        Parameters
        ----------
        signals : np.ndarray, shape (n, samples), float32
            Signals at `sr`, of at least `shortest` samples.

        Returns
        -------
        np.ndarray, shape (n, n_features), float64
            In the order of `feature_names`.

        Raises
        ------
        ParameterError
            If the signals are too short, or hold NaN or infinite samples.
        EncoderError
            If the recipe needs a pretrained network that is not there.
        """

    @abstractmethod
    def window_features(self, y: NDArray[np.float32]) -> WindowFeatures:
        """Compute the features of a window of audio and of its segments, in one go.

        Parameters
        ----------
        y : np.ndarray, shape (n,), float32
            The window, at `sr`.

        Returns
        -------
        WindowFeatures
            The rows that `rows` gives of the window and of its segments, and the picture.
        """

    def require(self) -> None:  # noqa: B027
        """Refuse to go on where something is missing that the features need; called before a long run.

        Raises
        ------
        EncoderError
            If the recipe needs a pretrained network that is not there or not intact.
        """

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
        >>> from audio_genre.dsp import GTZAN57
        >>> GTZAN57.derive(n_fft=4096).name
        'gtzan57-v1[n_fft=4096]'
        """
        for name in changes:
            raise ParameterError(f"The recipe {self.name} has no parameter {name!r} that can be changed.")
        return self

    def derive_named(self, changes: str) -> Recipe:
        """Return this recipe with the changes that stand in brackets in a name.

        Parameters
        ----------
        changes : str
            Such as ``"n_fft=4096,n_mels=96"``.

        Returns
        -------
        Recipe
            The changed recipe.

        Raises
        ------
        ParameterError
            If they are none of its parameters.
        """
        raise ParameterError(f"The recipe {self.name} has no parameters that can be changed; got {changes[:60]!r}.")

    def check_signals(self, signals: NDArray[np.float32]) -> None:
        """Refuse signals that features cannot be computed from.

        Parameters
        ----------
        signals : np.ndarray, shape (n, samples), float32
            Signals at `sr`.

        Raises
        ------
        ParameterError
            If they are too short, or hold NaN or infinite samples.
        """
        check_signals(signals, self.sr, self.shortest)


def check_signals(signals: NDArray[np.float32], sr: int, shortest: int) -> None:
    """Refuse signals that are too short, or hold NaN or infinite samples."""
    import numpy as np

    if signals.shape[1] < shortest:
        raise ParameterError(f"A signal needs at least {shortest} samples at {sr} Hz, got {signals.shape[1]}.")
    if not np.isfinite(signals).all():
        raise ParameterError("The signal holds NaN or infinite samples; repair or leave out its source.")


@dataclass(frozen=True)
class JoinedRecipe(Recipe):
    """Several recipes side by side: the columns of each, in their order.

    Attributes
    ----------
    parts : tuple of Recipe
        The recipes.

    Raises
    ------
    ParameterError
        If they take signals at different rates or in different windows, or name a feature alike.

    Examples
    --------
    >>> from audio_genre.dsp import get_recipe
    >>> len(get_recipe("gtzan57-v1+musicnn50-v1").feature_names)
    157
    """

    parts: tuple[Recipe, ...]

    def __post_init__(self) -> None:
        first = self.parts[0]
        for part in self.parts[1:]:
            for name in ("sr", "clip_seconds", "segment_seconds"):
                if getattr(part, name) != getattr(first, name):
                    raise ParameterError(
                        f"The recipes {first.name} and {part.name} cannot be joined: {name} is {getattr(first, name)} "
                        f"in one and {getattr(part, name)} in the other."
                    )
        names = self.feature_names
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise ParameterError(f"The recipe {self.name} has the feature {twice!r} twice; join different recipes.")

    @property
    def name(self) -> str:  # type: ignore[override]
        """The names of the parts, joined by ``+``."""
        return "+".join(part.name for part in self.parts)

    @property
    def sr(self) -> int:  # type: ignore[override]
        """That of the parts."""
        return self.parts[0].sr

    @property
    def clip_seconds(self) -> int:  # type: ignore[override]
        """That of the parts."""
        return self.parts[0].clip_seconds

    @property
    def segment_seconds(self) -> int:  # type: ignore[override]
        """That of the parts."""
        return self.parts[0].segment_seconds

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Those of the parts."""
        return tuple(name for part in self.parts for name in part.feature_names)

    @property
    def shortest(self) -> int:
        """What every part can do with."""
        return max(part.shortest for part in self.parts)

    @property
    def tags(self) -> Mapping[str, tuple[str, ...]]:
        """Those of the parts."""
        return {tag: names for part in self.parts for tag, names in part.tags.items()}

    @property
    def limits(self) -> tuple[str, ...]:
        """Those of the parts."""
        return tuple(sentence for part in self.parts for sentence in part.limits)

    @property
    def pictures(self) -> SpectralParameters | None:
        """Those of the first part that has any."""
        return next((part.pictures for part in self.parts if part.pictures is not None), None)

    def parameters(self) -> dict[str, Any]:
        """Return the parameters of every part."""
        return {
            "name": self.name,
            "sr": self.sr,
            "clip_seconds": self.clip_seconds,
            "segment_seconds": self.segment_seconds,
            "parts": {part.name: part.parameters() for part in self.parts},
        }

    def rows(self, signals: NDArray[np.float32]) -> NDArray[np.float64]:
        """Compute the features of every part."""
        import numpy as np

        self.check_signals(signals)
        return np.concatenate([part.rows(signals) for part in self.parts], axis=1)

    def window_features(self, y: NDArray[np.float32]) -> WindowFeatures:
        """Compute the features of every part, and the picture of the first that has any."""
        import numpy as np

        found = [part.window_features(y) for part in self.parts]
        return WindowFeatures(
            np.concatenate([each.clip_row for each in found]),
            np.concatenate([each.segment_rows for each in found], axis=1),
            next((each.mel_db for each in found if each.mel_db is not None), None),
        )

    def require(self) -> None:
        """Refuse to go on where a part lacks something."""
        for part in self.parts:
            part.require()

    def derive(self, **changes: Any) -> Recipe:
        """Return this recipe with parameters changed in the one part that has such: the first."""
        return JoinedRecipe((self.parts[0].derive(**changes), *self.parts[1:])) if changes else self


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
    >>> from audio_genre.dsp import GTZAN57
    >>> difference(GTZAN57.parameters() | {"n_fft": 4096}, GTZAN57)
    'n_fft=4096, and the recipe has 2048'
    """
    return _difference(found, recipe.parameters())


def _difference(found: object, parameters: Mapping[str, Any]) -> str | None:
    if not isinstance(found, dict):
        return f"no parameters, and the recipe has {len(parameters)}"
    for name in dict.fromkeys([*parameters, *found]):
        if name not in found:
            return f"no {name}, and the recipe has {parameters[name]!r}"
        if name not in parameters:
            return f"{name}={found[name]!r}, which the recipe does not have"
        if isinstance(parameters[name], dict):
            inner = _difference(found[name], parameters[name])
            if inner is not None:
                return f"{name}: {inner}"
        elif found[name] != parameters[name] or isinstance(found[name], bool):
            return f"{name}={found[name]!r}, and the recipe has {parameters[name]!r}"
    return None
