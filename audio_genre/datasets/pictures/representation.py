"""What pixels mean, and the one form that networks take them in: rows are bands, columns are steps of time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from audio_genre.dsp.parameters import SpectralParameters
from audio_genre.dsp.picture import REPRESENTATION, shared_parameters
from audio_genre.errors import ParameterError

if TYPE_CHECKING:
    from numpy.typing import NDArray

BANDS = 128
"""Rows of a picture in canonical form."""

FRAMES_PER_COLUMN = 2
"""Frames that a column of our own pictures is the mean of: about 21.5 columns a second carry a genre as well as 43."""

FOREIGN = "foreign"
"""Name of the representation of pictures that this package did not write."""

RESAMPLED = f"{REPRESENTATION}-resampled"
"""Name of the representation of our own pictures in another size than one pixel a frame and band."""


@dataclass(frozen=True)
class Representation:
    """What the pixels of a folder of pictures mean; models refuse pictures of another one.

    Attributes
    ----------
    name : str
        ``"mel-v1"`` for our own pictures, ``"mel-v1-resampled"`` for our own in another size, else ``"foreign"``.
    recipe : str or None
        Feature recipe of our own pictures.
    colormap : str or None
        Colormap that foreign pictures are read by, or ``"luminance"``.
    frames_per_column : int or None
        Frames that a column is the mean of; None if a pixel is no frame.
    seconds_per_column : float or None
        Time step of a column in seconds; None where it is unknown.
    parameters : mapping
        For our own pictures every parameter of the spectrogram; for others the height in pixels that time is scaled
        by, and how many pixels a column is the mean of.

    Examples
    --------
    >>> from audio_genre.dsp import GTZAN57
    >>> own = Representation.of_recipe(GTZAN57)
    >>> own.name, own.recipe, own.frames_per_column, round(1 / own.seconds_per_column, 2)
    ('mel-v1', 'gtzan57-v1', 2, 21.53)
    """

    name: str
    recipe: str | None = None
    colormap: str | None = None
    frames_per_column: int | None = None
    seconds_per_column: float | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict, hash=False)

    @classmethod
    def of_recipe(cls, recipe: SpectralParameters) -> Representation:
        """Return the representation of our own pictures, and of spectrograms that go through `canonical`."""
        return cls.of_parameters(shared_parameters(recipe))

    @classmethod
    def of_parameters(cls, parameters: Mapping[str, Any]) -> Representation:
        """Return the representation of our own pictures that hold these parameters."""
        return cls(
            name=REPRESENTATION,
            recipe=str(parameters["recipe"]),
            frames_per_column=FRAMES_PER_COLUMN,
            seconds_per_column=FRAMES_PER_COLUMN * float(parameters["hop_length"]) / float(parameters["sr"]),
            parameters={key: value for key, value in parameters.items() if key not in ("representation", "recipe")},
        )

    def as_json(self) -> dict[str, Any]:
        """Return the representation as plain data, for model cards."""
        return {
            "name": self.name,
            "recipe": self.recipe,
            "colormap": self.colormap,
            "frames_per_column": self.frames_per_column,
            "seconds_per_column": self.seconds_per_column,
            "parameters": dict(self.parameters),
        }


def canonical(levels: NDArray[np.uint8], frames_per_column: int = FRAMES_PER_COLUMN) -> NDArray[np.uint8]:
    """Bring the palette indices of one of our own pictures in the form that networks take.

    Pictures of a folder and freshly computed spectrograms both come this way, so that equal ones stay equal.

    Examples
    --------
    >>> import numpy as np
    >>> canonical(np.tile(np.array([[0, 10, 20, 25, 7]], dtype=np.uint8), (128, 1)))[0]
    array([ 5, 23,  7], dtype=uint8)
    """
    if levels.ndim != 2 or levels.shape[0] != BANDS or levels.shape[1] < 1 or frames_per_column < 1:
        raise ParameterError(
            f"A spectrogram must have {BANDS} bands and at least one frame, and a column be the mean of at least one; "
            f"got the shape {levels.shape} and {frames_per_column}."
        )
    n_columns = -(-levels.shape[1] // frames_per_column)
    sums = np.zeros((BANDS, n_columns), dtype=np.uint32)
    for offset in range(min(frames_per_column, levels.shape[1])):
        part = levels[:, offset::frames_per_column]
        sums[:, : part.shape[1]] += part
    means: NDArray[np.uint8] = ((sums + frames_per_column // 2) // frames_per_column).astype(np.uint8)
    rest = levels.shape[1] % frames_per_column
    if rest:
        means[:, -1] = (sums[:, -1] + rest // 2) // rest
    return means
