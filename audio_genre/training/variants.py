"""The dense variants, declared as data in one table."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from audio_genre.errors import ParameterError
from audio_genre.training.fit import FitSettings, require_network

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

NORMALISATION = "inside the model: z = (x - mean) / standard deviation of the training rows, then sign(z) log(1 + |z|)"
"""What `DenseVariant.build` does to a feature before the first layer, for model cards."""


@dataclass(frozen=True)
class DenseVariant:
    """A fully connected network and how it is trained.

    Attributes
    ----------
    name : str
        Name on the command line, in model cards and in the names of bundles.
    units : tuple of int
        Width of each hidden layer (batch normalisation, ReLU); the output layer (softmax) has one unit a class.
    dropout : float
        Share of each hidden layer's outputs that is dropped in training.
    noise : float
        Standard deviation of the Gaussian noise added in training to the normalised features.
    fit : FitSettings
        Optimiser, batches and stopping rule.
    """

    name: str
    units: tuple[int, ...]
    dropout: float
    noise: float
    fit: FitSettings = field(default_factory=FitSettings)

    def __post_init__(self) -> None:
        require_network(self.units, self.dropout)

    def build(self, X: NDArray[np.float32], classes: int) -> Any:
        """Build the network, with the normalisation fitted.

        Parameters
        ----------
        X : np.ndarray, shape (n, d), float32
            Training rows only: the normalisation inside the model takes mean and variance from them.
        classes : int
            Width of the output.

        Returns
        -------
        keras.Model
            Features (n, d) to probabilities (n, classes); not yet compiled.
        """
        from audio_genre.training.backend import import_keras

        keras = import_keras()
        layers, ops = keras.layers, keras.ops
        # In double precision: features such as the roll-off's variance reach 1e7, and their squares 1e14.
        mean, variance = X.mean(axis=0, dtype="float64"), X.var(axis=0, dtype="float64")
        # A constant column carries nothing; with variance 1 it becomes 0 instead of a division by zero.
        variance[variance == 0] = 1.0
        inputs = keras.Input((X.shape[1],), name="features")
        z = layers.Normalization(mean=mean, variance=variance, name="normalisation")(inputs)
        # sign(z) log(1 + |z|), in operations that every LiteRT has.
        x = ops.log(1.0 + ops.relu(z)) - ops.log(1.0 + ops.relu(-z))
        x = layers.GaussianNoise(self.noise, name="noise")(x)
        for number, units in enumerate(self.units, start=1):
            x = layers.Dense(units, name=f"dense_{number}")(x)
            x = layers.BatchNormalization(name=f"batch_normalisation_{number}")(x)
            x = layers.Activation("relu", name=f"activation_of_{number}")(x)
            x = layers.Dropout(self.dropout, name=f"dropout_{number}")(x)
        outputs = layers.Dense(classes, activation="softmax", name="genre")(x)
        return keras.Model(inputs, outputs, name=self.name)


_VARIANTS = (
    DenseVariant("adam-4", (256, 128, 64), 0.3, 0.1, FitSettings("adam", 1e-3, label_smoothing=0.1)),
    DenseVariant("adam-5", (512, 256, 128, 64), 0.3, 0.1, FitSettings("adam", 1e-3, label_smoothing=0.1)),
    DenseVariant("sgd-5", (512, 256, 128, 64), 0.3, 0.1, FitSettings("sgd", 3e-2, momentum=0.9, label_smoothing=0.1)),
    DenseVariant("rmsprop-6", (1024, 512, 256, 128, 64), 0.3, 0.1, FitSettings("rmsprop", 1e-3, label_smoothing=0.1)),
)

VARIANTS = MappingProxyType({variant.name: variant for variant in _VARIANTS})
"""Every dense variant by its name."""


def get_variants(name: str) -> tuple[DenseVariant, ...]:
    """Return the variant of a name, or all of them.

    Examples
    --------
    >>> [variant.name for variant in get_variants("all")]
    ['adam-4', 'adam-5', 'sgd-5', 'rmsprop-6']
    """
    if name == "all":
        return tuple(VARIANTS.values())
    if name not in VARIANTS:
        raise ParameterError(f"The variant {name!r} is unknown; choose one of {', '.join(VARIANTS)} or all.")
    return (VARIANTS[name],)
