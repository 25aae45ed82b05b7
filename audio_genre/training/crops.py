"""What the picture network sees: crops of a few seconds, augmented in training, side by side for a vote."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from audio_genre.inputs.pictures import crops_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from audio_genre.datasets import Pictures


@dataclass(frozen=True)
class Augmentation:
    """How a crop is varied in training; one place for all of it, recorded in the model's card.

    Time shift is part of it always: a crop begins anywhere in its picture, which is taken as a loop. Masks are those of
    Park et al., "SpecAugment" (Interspeech 2019), filled with the crop's mean; mixup is that of Zhang et al., "mixup:
    beyond empirical risk minimization" (ICLR 2018).

    Attributes
    ----------
    band_shift : int
        Most bands by which a crop is moved up or down; what comes in repeats the outermost band.
    level : float
        Standard deviation of a change of level, in quantisation steps (255 make the whole range).
    time_masks, time_mask_columns : int
        Number of masked stretches of time, and most columns in one.
    band_masks, band_mask_bands : int
        Number of masked ranges of bands, and most bands in one.
    mixup : float
        Parameter of the Beta distribution of the share of a second crop; 0 for none.
    """

    band_shift: int = 0
    level: float = 0.0
    time_masks: int = 0
    time_mask_columns: int = 0
    band_masks: int = 0
    band_mask_bands: int = 0
    mixup: float = 0.0

    def crop(self, pixels: NDArray[np.uint8], columns: int, rng: np.random.Generator) -> NDArray[np.float32]:
        """Cut a crop at random and vary it.

        Parameters
        ----------
        pixels : np.ndarray, shape (bands, n), uint8
            A picture.
        columns : int
            Width of the crop.
        rng : numpy.random.Generator
            Source of chance.

        Returns
        -------
        np.ndarray, shape (bands, columns), float32
            The crop.
        """
        bands, width = pixels.shape
        start = rng.integers(width)
        crop = pixels[:, np.arange(start, start + columns) % width].astype(np.float32)
        if self.band_shift:
            shift = int(rng.integers(-self.band_shift, self.band_shift + 1))
            crop = crop[np.clip(np.arange(bands) - shift, 0, bands - 1)]
        if self.level:
            crop += np.float32(self.level * rng.standard_normal())
        mean = crop.mean()
        for _ in range(self.time_masks):
            length = rng.integers(min(self.time_mask_columns, columns) + 1)
            first = rng.integers(columns - length + 1)
            crop[:, first : first + length] = mean
        for _ in range(self.band_masks):
            length = rng.integers(min(self.band_mask_bands, bands) + 1)
            first = rng.integers(bands - length + 1)
            crop[first : first + length] = mean
        return crop

    def mix(
        self, X: NDArray[np.float32], targets: NDArray[np.float32], rng: np.random.Generator
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Mix every crop of a batch with another one of it.

        Parameters
        ----------
        X : np.ndarray, shape (n, bands, columns), float32
            Crops.
        targets : np.ndarray, shape (n, classes), float32
            Their target probabilities.
        rng : numpy.random.Generator
            Source of chance.

        Returns
        -------
        X : np.ndarray, shape (n, bands, columns), float32
            Mixed crops.
        targets : np.ndarray, shape (n, classes), float32
            Mixed targets.
        """
        if not self.mixup:
            return X, targets
        share = rng.beta(self.mixup, self.mixup, len(X)).astype(np.float32)
        share = np.minimum(share, 1 - share)
        other = rng.permutation(len(X))
        return (
            X + share[:, np.newaxis, np.newaxis] * (X[other] - X),
            targets + share[:, np.newaxis] * (targets[other] - targets),
        )


@dataclass(frozen=True, eq=False)
class CropExamples:
    """Crops of pictures as examples for `fit`; pictures are read as they are needed.

    Attributes
    ----------
    pictures : Pictures
        The pictures.
    rows : np.ndarray of int, shape (n,)
        Which of them.
    y : np.ndarray of int, shape (n,)
        Their class numbers.
    columns : int
        Width of a crop.
    augmentation : Augmentation
        How crops are varied where they are shuffled.
    crops_per_picture : int
        Crops of each picture in one epoch.
    members : int
        Networks that learn from every crop; each has its own copy of the targets.
    """

    pictures: Pictures
    rows: NDArray[np.intp]
    y: NDArray[np.intp]
    columns: int
    augmentation: Augmentation
    crops_per_picture: int = 1
    members: int = 1

    def __len__(self) -> int:
        return self.crops_per_picture * len(self.rows)

    def batches(
        self, size: int, rng: np.random.Generator | None
    ) -> Iterator[tuple[NDArray[np.float32], NDArray[np.float32], None]]:
        """Yield crops and targets; all count the same."""
        targets = np.eye(len(self.pictures.classes), dtype=np.float32)
        if rng is not None:
            order = np.concatenate([rng.permutation(len(self.rows)) for _ in range(self.crops_per_picture)])
            for chosen in np.array_split(order, -(-len(order) // size)):
                varied = [self.augmentation.crop(self.pictures.pixels(self.rows[k]), self.columns, rng) for k in chosen]
                mixed, wanted = self.augmentation.mix(np.stack(varied), targets[self.y[chosen]], rng)
                yield mixed, self._for_members(wanted), None
            return
        for crops, owners in crops_of(self.pictures, self.rows, self.columns, size, overlap=False):
            yield crops, self._for_members(targets[self.y[owners]]), None

    def _for_members(self, targets: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.repeat(targets[:, np.newaxis], self.members, axis=1)
