"""The convolutional network on mel-spectrogram pictures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from audio_genre.datasets import Split
from audio_genre.datasets.pictures import BANDS, Pictures
from audio_genre.errors import ParameterError
from audio_genre.inputs.pictures import crops_of
from audio_genre.training.crops import Augmentation, CropExamples
from audio_genre.training.fit import FitResult, FitSettings, fit, require_network
from audio_genre.training.own import CNN_OPTIONS, options_between
from audio_genre.training.run import FitOptions, Learner, Report

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Crops that are predicted at a time: 32 MB of them.
_BLOCK = 512


# About the standard deviation of the levels of a picture.
_LEVELS_OF_A_DEVIATION = 60.0
_TEXTURE_DROPOUT = 0.3
# Each block but the last halves bands and columns.
_MAX_BLOCKS = 7
_MAX_CROP_SECONDS = 30
# Layer that holds the probabilities of every member.
_MEMBERS = "members"
_AUGMENTATION = Augmentation(band_shift=4, level=6.0)
_FIT = FitSettings("adam", 5e-3, weight_decay=1e-4, label_smoothing=0.1, epochs=60, patience=30)


@dataclass(frozen=True)
class CnnSettings:
    """The network on pictures and how it is trained.

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

    convolutional: int = 2
    textures: int = 2
    filters: tuple[int, ...] = (16, 32, 64, 128)
    dropout: float = 0.4
    coefficients: int = 24
    hidden: int = 256
    hidden_dropout: float = 0.5
    crop_seconds: float = 6.0
    crop_columns: int = 64
    crops_per_pass: int = 1
    augmentation: Augmentation = _AUGMENTATION
    fit: FitSettings = _FIT

    name: str = "cnn"

    def __post_init__(self) -> None:
        require_network(self.filters, self.dropout)
        if len(self.filters) > _MAX_BLOCKS:
            raise ParameterError(f"A network on pictures has at most {_MAX_BLOCKS} blocks; got {len(self.filters)}.")
        if not 0 < self.crop_seconds <= _MAX_CROP_SECONDS:
            raise ParameterError(
                f"A crop must be above 0 and at most {_MAX_CROP_SECONDS} s long; got {self.crop_seconds:g} s."
            )

    @property
    def members(self) -> int:
        """Number of all members."""
        return self.convolutional + self.textures

    def build(self, columns: int, mean: NDArray[np.float64], variance: NDArray[np.float64], classes: int) -> Any:
        """Build the network, with the normalisation fitted.

        Parameters
        ----------
        columns : int
            Width of a crop.
        mean, variance : np.ndarray, shape (bands,), float64
            Of each band over the training pictures.
        classes : int
            Width of the output.

        Returns
        -------
        keras.Model
            Crops (n, bands, columns) of levels 0 .. 255 to probabilities (n, classes); not yet compiled.
        """
        from audio_genre.training.backend import import_keras

        keras = import_keras()
        layers = keras.layers
        inputs = keras.Input((len(mean), columns), name="levels")
        x = layers.Normalization(axis=1, mean=mean, variance=variance, name="normalisation")(inputs)
        picture = layers.Reshape((len(mean), columns, 1), name="channel")(x)
        members = [self._convolutional(keras, picture, str(k + 1), classes) for k in range(self.convolutional)]
        members += [self._texture(keras, inputs, f"texture_{k + 1}", classes) for k in range(self.textures)]
        together = layers.Concatenate(axis=1, name="logits")(members)
        # One softmax at the end: from it Keras takes the loss of the logits, which has a slope however wrong they are.
        probabilities = layers.Activation("softmax", name=_MEMBERS)(together)
        return keras.Model(inputs, keras.ops.mean(probabilities, axis=1), name=self.name)

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
        x = layers.Dense(classes, name=f"genre_of_{member}")(x)
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
        x = layers.Dense(classes, name=f"genre_of_{member}")(x)
        return layers.Reshape((1, classes), name=f"member_{member}")(x)


def _deviation(ops: Any, offsets: Any) -> Any:
    """Return the standard deviation over time; the root has no slope to follow at zero."""
    return ops.sqrt(ops.mean(offsets * offsets, axis=1) + 1e-4)


# The variance of a band that is nearly always empty would blow its noise up.
_MIN_VARIANCE = 16.0

NORMALISATION = "inside the model: each band minus its mean, by its standard deviation, over the training pictures"
"""What the network does to its input first, for model cards."""


class CnnLearner(Learner):
    """The network on pictures."""

    kind = "cnn"
    dataset: Pictures

    def __init__(self, pictures: Pictures, cnn: CnnSettings) -> None:
        super().__init__(pictures)
        self.cnn, self.name = cnn, cnn.name
        seconds = pictures.representation.seconds_per_column
        # Whole after every pooling, so that no column is padded.
        multiple = 2 ** (len(cnn.filters) - 1)
        self._columns = cnn.crop_columns
        if seconds is not None:
            self._columns = max(round(cnn.crop_seconds / seconds / multiple), 1) * multiple

    @property
    def options(self) -> tuple[str, ...] | None:
        """Options of ``audio-genre train cnn`` that give these settings."""
        return options_between(CnnSettings(), self.cnn, CNN_OPTIONS)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Bands and columns of a crop."""
        return BANDS, self._columns

    @property
    def settings(self) -> Mapping[str, Any]:
        """Everything that decides how the network learns."""
        return asdict(self.cnn)

    def build(self, split: Split) -> Any:
        """Build the network; its normalisation is that of the training pictures."""
        sums, squares, columns = np.zeros(BANDS), np.zeros(BANDS), 0
        for row in split.train:
            pixels = self.dataset.pixels(row).astype(np.float64)
            sums += pixels.sum(axis=1)
            squares += (pixels**2).sum(axis=1)
            columns += pixels.shape[1]
        mean = sums / columns
        variance = np.maximum(squares / columns - mean**2, _MIN_VARIANCE)
        return self.cnn.build(self._columns, mean, variance, len(self.dataset.classes))

    def fit(self, model: Any, split: Split, y: NDArray[np.intp], seed: int, options: FitOptions) -> FitResult:
        """Train the network."""
        from audio_genre.training.backend import import_keras

        train, validation = (
            CropExamples(
                self.dataset,
                rows,
                y[rows],
                self._columns,
                self.cnn.augmentation,
                self.cnn.crops_per_pass,
                self.cnn.members,
            )
            for rows in (split.train, split.validation)
        )
        # The same weights, seen before the mean is taken.
        members = import_keras().Model(model.input, model.get_layer(_MEMBERS).output, name=model.name)
        return fit(
            members,
            train,
            validation,
            self.cnn.fit,
            seed=seed,
            progress=options.progress,
            checkpoint=options.checkpoint,
            tensorboard=options.tensorboard,
        )

    def predict(self, model: Any, rows: NDArray[np.intp], report: Report | None = None) -> NDArray[np.float32]:
        """Predict pictures: the mean over their crops."""
        voted = np.zeros((len(rows), len(self.dataset.classes)), dtype=np.float64)
        for crops, owners in crops_of(self.dataset, rows, self._columns, _BLOCK):
            np.add.at(voted, owners, model.predict(crops, batch_size=128, verbose=0))
            if report is not None:
                report(int(owners[-1]) + 1)
        probabilities: NDArray[np.float32] = (voted / voted.sum(axis=1, keepdims=True)).astype(np.float32)
        return probabilities

    def inputs(self, rows: NDArray[np.intp]) -> NDArray[np.float32]:
        """Return the first crop of pictures."""
        first: list[NDArray[np.float32]] = []
        for row in rows:
            crops, _ = next(crops_of(self.dataset, np.array([row]), self._columns, _BLOCK))
            first.append(crops[0])
        inputs: NDArray[np.float32] = np.stack(first)
        return inputs

    def facts(self) -> dict[str, Any]:
        """Return what is done to a picture first."""
        return {"normalisation": NORMALISATION}
