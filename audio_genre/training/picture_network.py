"""What networks on mel-spectrogram pictures have in common: crops, normalisation, members that vote, the fit."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from audio_genre.errors import ParameterError
from audio_genre.training.crops import Augmentation
from audio_genre.training.fit import FitSettings

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

NORMALISATION = "inside the model: each band minus its mean, by its standard deviation, over the training pictures"
"""What a network does to its input first, for model cards."""

NORMALISED = "normalisation"
"""Name of the layer that does it."""

MEMBERS = "members"
"""Name of the layer that holds the probabilities of every member."""

OUTPUT = "genre_of_"
"""How the names of the layers begin whose width is the number of classes."""

_MAX_CROP_SECONDS = 30
_AUGMENTATION, _FIT = Augmentation(band_shift=4, level=6.0), FitSettings()


@dataclass(frozen=True)
class PictureNetwork(ABC):
    """Settings that every network on pictures has; see `CnnSettings` for what they are."""

    kind: ClassVar[str]
    options: ClassVar[Mapping[str, str]]
    architecture: ClassVar[tuple[str, ...]]

    crop_seconds: float = 6.0
    crop_columns: int = 64
    crops_per_pass: int = 1
    augmentation: Augmentation = _AUGMENTATION
    fit: FitSettings = _FIT
    name: str = ""

    def __post_init__(self) -> None:
        if not 0 < self.crop_seconds <= _MAX_CROP_SECONDS:
            raise ParameterError(
                f"A crop must be above 0 and at most {_MAX_CROP_SECONDS} s long; got {self.crop_seconds:g} s."
            )

    @property
    @abstractmethod
    def members(self) -> int:
        """Number of members; each learns with a loss of its own."""

    @property
    @abstractmethod
    def multiple(self) -> int:
        """What the number of columns of a crop is a multiple of."""

    def fault(self, columns: int) -> str | None:  # noqa: ARG002
        """Say why the network cannot look at crops of so many columns; None if it can."""
        return None

    @abstractmethod
    def logits(self, keras: Any, inputs: Any, picture: Any, classes: int) -> Sequence[Any]:
        """Add the members, on raw and on normalised levels; each gives logits of the shape (n, 1, classes)."""

    def build(self, columns: int, mean: NDArray[np.float64], variance: NDArray[np.float64], classes: int) -> Any:
        """Build the Keras model, crops (n, bands, columns) to probabilities, with mean and variance of each band."""
        from audio_genre.training.backend import import_keras

        keras = import_keras()
        layers = keras.layers
        inputs = keras.Input((len(mean), columns), name="levels")
        x = layers.Normalization(axis=1, mean=mean, variance=variance, name=NORMALISED)(inputs)
        picture = layers.Reshape((len(mean), columns, 1), name="channel")(x)
        members = self.logits(keras, inputs, picture, classes)
        together = layers.Concatenate(axis=1, name="logits")(members) if len(members) > 1 else members[0]
        # One softmax at the end: from it Keras takes the loss of the logits, which has a slope however wrong they are.
        probabilities = layers.Activation("softmax", name=MEMBERS)(together)
        return keras.Model(inputs, keras.ops.mean(probabilities, axis=1), name=self.name)


def require_whole(what: str, value: int, most: int, least: int = 1) -> None:
    """Refuse a number of something that no network can have."""
    if not least <= value <= most:
        raise ParameterError(f"The number of {what} must be {least} to {most}; got {value}.")
