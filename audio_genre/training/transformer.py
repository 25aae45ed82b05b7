"""A small transformer on mel-spectrogram pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from audio_genre.datasets.pictures import BANDS
from audio_genre.errors import ParameterError
from audio_genre.training.fit import FitSettings, require_network
from audio_genre.training.own import TRANSFORMER_OPTIONS
from audio_genre.training.picture_network import OUTPUT, PictureNetwork, require_whole

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MAX_WIDTH, _MAX_LAYERS, _MAX_HEADS, _MAX_PATCH_COLUMNS = 1024, 24, 16, 64
# What one crop may take, in numbers that are kept and in multiplications: half of what an exported model may.
_MAX_NUMBERS, _MAX_WORK = 2**25, 2**31
# A window of LiteRT moves by no more; a patch that is wider has the height of the whole picture.
_MAX_STRIDE = 64
# As in "Attention is all you need": wavelengths from 2 pi patches on.
_LONGEST_WAVE = 10_000.0
_FIT = FitSettings("adam", 1e-3, weight_decay=1e-4, label_smoothing=0.1, epochs=60, patience=30)


@dataclass(frozen=True)
class TransformerSettings(PictureNetwork):
    """The transformer on pictures and how it is trained.

    A small spectrogram transformer (Gong, Chung and Glass, "AST: audio spectrogram transformer", Interspeech 2021): a
    crop is cut into patches, each is mapped to a vector, and fixed sines and cosines of its place in pitch and in time
    are added, so that crops of any width can be looked at with the same weights. Each layer lets all patches attend to
    each other and then goes through a hidden layer of twice the width; normalisation comes first in both. The mean over
    the patches goes through dropout to the output layer.

    Attributes
    ----------
    patch : tuple of int
        Height of a patch in bands, which divides 128, and its width in columns.
    width : int
        Length of the vector of a patch; a multiple of 4 and of `heads`.
    layers : int
        Number of layers.
    heads : int
        Heads of attention in each layer.
    dropout : float
        Share that is dropped in training: of the attention, of what each layer adds, and of the pooled values.
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

    kind: ClassVar[str] = "transformer"
    options: ClassVar[Any] = TRANSFORMER_OPTIONS
    architecture: ClassVar[tuple[str, ...]] = ("patch", "width", "layers", "heads")

    patch: tuple[int, ...] = (16, 16)
    width: int = 64
    layers: int = 3
    heads: int = 4
    dropout: float = 0.1
    fit: FitSettings = _FIT
    name: str = "transformer"

    def __post_init__(self) -> None:
        super().__post_init__()
        require_network((self.width,), self.dropout)
        if len(self.patch) != 2 or not 1 <= self.patch[0] <= BANDS or BANDS % self.patch[0]:
            raise ParameterError(
                f"A patch needs a height that divides {BANDS} bands, and a width in columns, such as 16,16; got "
                f"{','.join(map(str, self.patch))}."
            )
        require_whole("columns of a patch", self.patch[1], _MAX_PATCH_COLUMNS)
        require_whole("layers", self.layers, _MAX_LAYERS)
        require_whole("heads", self.heads, _MAX_HEADS)
        if self.width > _MAX_WIDTH or self.width % 4 or self.width % self.heads:
            raise ParameterError(
                f"The width of a transformer must be a multiple of 4 and of its {self.heads} heads, and at most "
                f"{_MAX_WIDTH}; got {self.width}."
            )

    @property
    def members(self) -> int:
        """One member."""
        return 1

    @property
    def multiple(self) -> int:
        """Whole patches."""
        return self.patch[1]

    def fault(self, columns: int) -> str | None:
        """Say that there are so many patches that attention between all of them takes too much memory or too long."""
        patches = BANDS // self.patch[0] * (columns // self.patch[1])
        numbers = self.layers * (3 * self.heads * patches**2 + 12 * patches * self.width)
        work = self.layers * patches * self.width * (8 * self.width + 2 * patches)
        if numbers <= _MAX_NUMBERS and work <= _MAX_WORK:
            return None
        return (
            f"A transformer of width {self.width} with {self.layers} layers and {self.heads} heads cannot look at the "
            f"{patches} patches of a crop of {columns} columns; choose larger patches, shorter crops or a smaller "
            "network."
        )

    def logits(self, keras: Any, inputs: Any, picture: Any, classes: int) -> Sequence[Any]:  # noqa: ARG002
        """Add the one member."""
        layers = keras.layers
        height, width = self.patch
        x = layers.Conv2D(self.width, self.patch, strides=(min(height, _MAX_STRIDE), width), name="patches")(picture)
        places = positions(x.shape[1], x.shape[2], self.width)
        x = layers.Reshape((len(places), self.width), name="sequence")(x) + places
        x = layers.Dropout(self.dropout, name="dropout_of_patches")(x)
        for number in range(1, self.layers + 1):
            y = layers.LayerNormalization(name=f"normalised_{number}")(x)
            attention = layers.MultiHeadAttention(
                self.heads, self.width // self.heads, dropout=self.dropout, name=f"attention_{number}"
            )
            x = x + layers.Dropout(self.dropout, name=f"dropout_{number}")(attention(y, y))
            y = layers.LayerNormalization(name=f"normalised_hidden_{number}")(x)
            y = layers.Dense(2 * self.width, activation="relu", name=f"hidden_{number}")(y)
            y = layers.Dense(self.width, name=f"dense_{number}")(y)
            x = x + layers.Dropout(self.dropout, name=f"hidden_dropout_{number}")(y)
        x = layers.LayerNormalization(name="normalised_patches")(x)
        x = layers.GlobalAveragePooling1D(name="mean_of_patches")(x)
        x = layers.Dropout(self.dropout, name="dropout")(x)
        x = layers.Dense(classes, name=f"{OUTPUT}1")(x)
        return [layers.Reshape((1, classes), name="member_1")(x)]


def positions(rows: int, columns: int, width: int) -> NDArray[np.float32]:
    """Return what tells where patches are, shape (rows * columns, width): half of it for pitch, half for time.

    Examples
    --------
    >>> positions(2, 3, 4).round(2).tolist()[:2]
    [[0.0, 1.0, 0.0, 1.0], [0.0, 1.0, 0.8399999737739563, 0.5400000214576721]]
    """
    rates = _LONGEST_WAVE ** -(np.arange(width // 4) / (width // 4))
    pitch, time = (np.outer(np.arange(length), rates) for length in (rows, columns))
    parts = [np.concatenate([np.sin(angles), np.cos(angles)], axis=1) for angles in (pitch, time)]
    table = np.concatenate([np.repeat(parts[0], columns, axis=0), np.tile(parts[1], (rows, 1))], axis=1)
    return table.astype(np.float32)
