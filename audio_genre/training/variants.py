"""The dense variants, declared as data in one table."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from audio_genre.errors import ParameterError
from audio_genre.training.fit import FitSettings, require_network

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

NORMALISATION = "inside the model: z = (x - mean) / standard deviation of the training rows, then sign(z) log(1 + |z|)"
"""What `DenseVariant.build` does to a feature before the first layer, for model cards."""


_ACTIVATIONS = ("relu", "leaky_relu")
# Of the leaky ReLU below 0, Keras's own default.
_SLOPE = 0.2
_MAX_BINS = 256
# Quantiles that differ by less, in standard deviations, are one: steeper ramps would show the last digit of a feature.
_MIN_WIDTH = 0.01


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
    activation : {"relu", "leaky_relu"}
        Activation of the hidden layers.
    l2 : float
        Weight of the L2 penalty on the hidden layers.
    bins : int
        Where above 0, each feature enters as so many ramps between quantiles of the training rows (Gorishniy, Rubachev
        and Babenko, "On embeddings for numerical features in tabular deep learning", NeurIPS 2022), beside itself.
    large : bool
        Whether it is made for thousands of tracks, and so is one of ``all`` for these and for no others.
    """

    name: str
    units: tuple[int, ...]
    dropout: float
    noise: float
    fit: FitSettings = field(default_factory=FitSettings)
    activation: str = "relu"
    l2: float = 0.0
    bins: int = 0
    large: bool = False

    def __post_init__(self) -> None:
        require_network(self.units, self.dropout)
        if self.activation not in _ACTIVATIONS:
            raise ParameterError(f"The activation must be one of {', '.join(_ACTIVATIONS)}; got {self.activation!r}.")
        if not 0 <= self.l2 < 1:
            raise ParameterError(f"The weight of the L2 penalty must be 0 or more and below 1; got {self.l2}.")
        if not 0 <= self.bins <= _MAX_BINS:
            raise ParameterError(f"The number of bins must be 0 to {_MAX_BINS}; got {self.bins}.")

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
        if self.bins:
            x = layers.Concatenate(name="beside_ramps")([x, *_ramps(ops, z, (X - mean) / variance**0.5, self.bins)])
        if self.noise:
            x = layers.GaussianNoise(self.noise, name="noise")(x)
        penalty = keras.regularizers.L2(self.l2) if self.l2 else None
        for number, units in enumerate(self.units, start=1):
            x = layers.Dense(units, kernel_regularizer=penalty, name=f"dense_{number}")(x)
            x = layers.BatchNormalization(name=f"batch_normalisation_{number}")(x)
            if self.activation == "relu":
                x = layers.Activation("relu", name=f"activation_of_{number}")(x)
            else:  # in operations that every LiteRT has
                x = ops.relu(x) - _SLOPE * ops.relu(-x)
            x = layers.Dropout(self.dropout, name=f"dropout_{number}")(x)
        outputs = layers.Dense(classes, activation="softmax", name="genre")(x)
        return keras.Model(inputs, outputs, name=self.name)


def _ramps(ops: Any, z: Any, Z: NDArray[Any], bins: int) -> list[Any]:
    """Return a ramp from 0 to 1 between each two neighbouring quantiles of each feature."""
    import numpy as np

    shares = np.linspace(0, 1, bins + 1)
    low, width, column = [], [], []
    for number, values in enumerate(Z.T):
        edges = np.unique(np.quantile(values, shares))
        if len(edges) <= 2:  # yes and no are ramps already
            continue
        kept = [edges[0]]
        for edge in edges[1:]:
            if edge - kept[-1] >= _MIN_WIDTH:
                kept.append(edge)
        low += kept[:-1]
        width += np.diff(kept).tolist()
        column += [number] * (len(kept) - 1)
    if not low:
        return []
    # One product puts each feature on its ramps, exactly; subtracted before it is divided, it keeps its digits.
    place = np.zeros((Z.shape[1], len(low)), dtype="float32")
    place[column, range(len(low))] = 1
    raised = (ops.matmul(z, place) - np.array(low, dtype="float32")) / np.array(width, dtype="float32")
    return [ops.relu(raised) - ops.relu(raised - 1.0)]


_LARGE_FIT = FitSettings("adam", 1e-3, batch_size=256, epochs=60, patience=8)

_VARIANTS = (
    DenseVariant("adam-4", (256, 128, 64), 0.3, 0.1, FitSettings("adam", 1e-3, label_smoothing=0.1)),
    DenseVariant("adam-5", (512, 256, 128, 64), 0.3, 0.1, FitSettings("adam", 1e-3, label_smoothing=0.1)),
    DenseVariant("sgd-5", (512, 256, 128, 64), 0.3, 0.1, FitSettings("sgd", 3e-2, momentum=0.9, label_smoothing=0.1)),
    DenseVariant("rmsprop-6", (1024, 512, 256, 128, 64), 0.3, 0.1, FitSettings("rmsprop", 1e-3, label_smoothing=0.1)),
    # For tables with thousands of tracks; chosen on validation rows of a table of 18,674 songs of 13 genres, by artist.
    DenseVariant("mlp-256-128", (256, 128), 0.2, 0.0, _LARGE_FIT, bins=16, large=True),
    DenseVariant(
        "dnn-l2", (512, 256, 128), 0.4, 0.0, _LARGE_FIT, activation="leaky_relu", l2=1e-5, bins=16, large=True
    ),
)

VARIANTS = MappingProxyType({variant.name: variant for variant in _VARIANTS})
"""Every dense variant by its name."""


def variant_settings(variant: DenseVariant) -> dict[str, Any]:
    """Return everything that decides how a variant learns; what was added later only where it is not the default."""
    settings = asdict(variant)
    return {name: value for name, value in settings.items() if value != _ADDED.get(name, _NOTHING)}


_ADDED = MappingProxyType({"activation": "relu", "l2": 0.0, "bins": 0, "large": False})
_NOTHING = object()


def get_variants(name: str) -> tuple[DenseVariant, ...]:
    """Return the variant of a name, or all of them.

    Examples
    --------
    >>> [variant.name for variant in get_variants("all")]
    ['adam-4', 'adam-5', 'sgd-5', 'rmsprop-6', 'mlp-256-128', 'dnn-l2']
    """
    if name == "all":
        return tuple(VARIANTS.values())
    if name not in VARIANTS:
        raise ParameterError(f"The variant {name!r} is unknown; choose one of {', '.join(VARIANTS)} or all.")
    return (VARIANTS[name],)
