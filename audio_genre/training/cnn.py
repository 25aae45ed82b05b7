"""The convolutional network on mel-spectrogram pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from audio_genre.errors import ParameterError
from audio_genre.training.fit import FitSettings, require_network
from audio_genre.training.own import CNN_OPTIONS
from audio_genre.training.picture_network import OUTPUT, PictureNetwork, require_whole

# About the standard deviation of the levels of a picture.
_LEVELS_OF_A_DEVIATION = 60.0
_TEXTURE_DROPOUT = 0.3
# Each block but the last halves bands and columns.
_MAX_BLOCKS = 7
_MAX_MEMBERS = 16
_MAX_COEFFICIENTS = 128
_FIT = FitSettings("adam", 5e-3, weight_decay=1e-4, label_smoothing=0.1, epochs=60, patience=30)


@dataclass(frozen=True)
class CnnSettings(PictureNetwork):
    """The convolutional network on pictures and how it is trained.

    It has members of two kinds, which look at the same crops, learn with a loss each and answer with their mean: what
    one kind overlooks the other may hear.

    A convolutional member has blocks of convolution (3 x 3), batch normalisation, ReLU and max pooling (2 x 2, but not
    after the last), followed by mean and maximum over time of each filter in each of the bands that are left, so that
    it knows at which pitch something sounds and not when; then dropout and the output layer.

    A texture member hears how bands go together, as sound textures are told apart (McDermott and Simoncelli, "Sound
    texture perception via statistics of the auditory periphery", Neuron 71(5), 2011): mean and deviation over time of
    the bands and of their lowest cosine coefficients, the deviation of the coefficients' steps, and the covariance of
    all pairs of them; then a hidden layer with dropout and the output layer.

    Attributes
    ----------
    convolutional, textures : int
        Members of each kind.
    filters : tuple of int
        Filters of each block of a convolutional member.
    dropout : float
        Share of the pooled values that is dropped in training.
    coefficients : int
        Cosine coefficients of a texture member.
    hidden : int
        Width of its hidden layer.
    hidden_dropout : float
        Share of the hidden layer's outputs that is dropped in training.
    crop_seconds : float
        Width of a crop in seconds.
    crop_columns : int
        Width of a crop in columns, where it is not known how long a column lasts.
    crops_per_pass : int
        Crops of each picture in one epoch.
    augmentation : Augmentation
        How crops are varied in training.
    fit : FitSettings
        Optimiser, batches and stopping rule.
    name : str
        Name in model cards and in the names of bundles.
    """

    kind: ClassVar[str] = "cnn"
    options: ClassVar[Any] = CNN_OPTIONS
    architecture: ClassVar[tuple[str, ...]] = ("convolutional", "textures", "filters", "coefficients", "hidden")

    convolutional: int = 2
    textures: int = 2
    filters: tuple[int, ...] = (16, 32, 64, 128)
    dropout: float = 0.4
    coefficients: int = 24
    hidden: int = 256
    hidden_dropout: float = 0.5
    fit: FitSettings = _FIT
    name: str = "cnn"

    def __post_init__(self) -> None:
        super().__post_init__()
        require_network((*self.filters, self.hidden) if self.filters else (), self.dropout)
        if len(self.filters) > _MAX_BLOCKS:
            raise ParameterError(f"A network on pictures has at most {_MAX_BLOCKS} blocks; got {len(self.filters)}.")
        require_whole("convolutional members", self.convolutional, _MAX_MEMBERS, least=0)
        require_whole("texture members", self.textures, _MAX_MEMBERS, least=0)
        require_whole("members", self.members, 2 * _MAX_MEMBERS)
        require_whole("cosine coefficients", self.coefficients, _MAX_COEFFICIENTS)

    @property
    def members(self) -> int:
        """Number of all members."""
        return self.convolutional + self.textures

    @property
    def multiple(self) -> int:
        """Whole after every pooling, so that no column is padded."""
        return 1 << (len(self.filters) - 1)

    def logits(self, keras: Any, inputs: Any, picture: Any, classes: int) -> Sequence[Any]:
        """Add the members of both kinds."""
        members = [self._convolutional(keras, picture, str(k + 1), classes) for k in range(self.convolutional)]
        return members + [self._texture(keras, inputs, f"texture_{k + 1}", classes) for k in range(self.textures)]

    def _convolutional(self, keras: Any, x: Any, member: str, classes: int) -> Any:
        """Add a convolutional member; its logits have the shape (n, 1, classes)."""
        layers = keras.layers
        for number, filters in enumerate(self.filters, start=1):
            name = f"{number}_of_{member}"
            x = layers.Conv2D(filters, 3, padding="same", use_bias=False, name=f"convolution_{name}")(x)
            x = layers.BatchNormalization(name=f"batch_normalisation_{name}")(x)
            x = layers.Activation("relu", name=f"activation_{name}")(x)
            if number < len(self.filters):
                x = layers.MaxPooling2D(2, padding="same", name=f"pooling_{name}")(x)
        x = layers.Concatenate(name=f"over_time_of_{member}")([keras.ops.mean(x, axis=2), keras.ops.max(x, axis=2)])
        x = layers.Flatten(name=f"bands_and_filters_of_{member}")(x)
        x = layers.Dropout(self.dropout, name=f"dropout_of_{member}")(x)
        x = layers.Dense(classes, name=f"{OUTPUT}{member}")(x)
        return layers.Reshape((1, classes), name=f"member_{member}")(x)

    def _texture(self, keras: Any, levels: Any, member: str, classes: int) -> Any:
        """Add a texture member; its logits have the shape (n, 1, classes)."""
        from scipy.fft import dct

        layers, ops = keras.layers, keras.ops
        bands = levels.shape[1]
        frames = layers.Permute((2, 1), name=f"frames_of_{member}")(levels) / _LEVELS_OF_A_DEVIATION
        cosines = layers.Dense(self.coefficients, use_bias=False, trainable=False, name=f"cosines_of_{member}")
        coefficients = cosines(frames)
        cosines.set_weights([dct(np.eye(bands), axis=0, norm="ortho")[: self.coefficients].T])
        offsets = coefficients - ops.mean(coefficients, axis=1, keepdims=True)
        covariance = ops.matmul(layers.Permute((2, 1), name=f"pairs_of_{member}")(offsets), offsets) / levels.shape[2]
        steps = coefficients[:, 1:] - coefficients[:, :-1]
        texture = layers.Concatenate(name=f"statistics_of_{member}")(
            [
                ops.mean(frames, axis=1),
                _deviation(ops, frames - ops.mean(frames, axis=1, keepdims=True)),
                ops.mean(coefficients, axis=1),
                _deviation(ops, offsets),
                _deviation(ops, steps),
                layers.Flatten(name=f"covariance_of_{member}")(covariance),
            ]
        )
        z = layers.BatchNormalization(momentum=0.95, name=f"normalised_{member}")(texture)
        # sign(z) log(1 + |z|), in operations that every LiteRT has.
        x = ops.log(1.0 + ops.relu(z)) - ops.log(1.0 + ops.relu(-z))
        x = layers.Dropout(_TEXTURE_DROPOUT, name=f"dropout_of_{member}")(x)
        x = layers.Dense(self.hidden, name=f"hidden_of_{member}")(x)
        x = layers.BatchNormalization(name=f"batch_normalisation_of_{member}")(x)
        x = layers.Activation("relu", name=f"activation_of_{member}")(x)
        x = layers.Dropout(self.hidden_dropout, name=f"hidden_dropout_of_{member}")(x)
        x = layers.Dense(classes, name=f"{OUTPUT}{member}")(x)
        return layers.Reshape((1, classes), name=f"member_{member}")(x)


def _deviation(ops: Any, offsets: Any) -> Any:
    """Return the standard deviation over time; the root has no slope to follow at zero."""
    return ops.sqrt(ops.mean(offsets * offsets, axis=1) + 1e-4)
