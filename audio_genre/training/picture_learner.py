"""Networks that learn from pictures, from the start or from what another one has learned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from audio_genre.datasets import Split
from audio_genre.datasets.pictures import BANDS, Pictures
from audio_genre.errors import ParameterError
from audio_genre.inputs import Dataset
from audio_genre.inputs.pictures import crops_of
from audio_genre.training.crops import CropExamples
from audio_genre.training.fit import FitResult, fit
from audio_genre.training.networks import NETWORKS
from audio_genre.training.own import options_between
from audio_genre.training.picture_network import MEMBERS, NORMALISATION, PictureNetwork
from audio_genre.training.run import FitOptions, Learner, Report
from audio_genre.training.start import Start

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Crops that are predicted at a time: 32 MB of them.
_BLOCK = 512
# The variance of a band that is nearly always empty would blow its noise up.
_MIN_VARIANCE = 16.0


class PictureLearner(Learner):
    """A network on pictures."""

    dataset: Pictures

    def __init__(
        self, pictures: Pictures, network: PictureNetwork, start: Start | None = None, *, leaky: bool = False
    ) -> None:
        super().__init__(pictures)
        self.network, self.start, self.kind = network, start, network.kind
        self._may_leak = leaky
        self.name = network.name if start is None else f"{network.name}-from-{start.name}"
        seconds, multiple = pictures.representation.seconds_per_column, network.multiple
        columns = network.crop_columns if seconds is None else network.crop_seconds / seconds
        self._columns = max(round(columns / multiple), 1) * multiple
        if (sentence := network.fault(self._columns)) is not None:
            raise ParameterError(sentence)
        if start is not None:
            start.require_fit(pictures, network)

    @property
    def command(self) -> str:
        """Word of ``audio-genre train`` that trains it."""
        return "pictures"

    @property
    def options(self) -> tuple[str, ...] | None:
        """Options of ``audio-genre train pictures`` that give these settings."""
        base = NETWORKS[self.kind] if self.start is None else self.start.network
        differences = options_between(base, self.network, self.network.options)
        if differences is None or self.start is None:
            return None if differences is None else ("--network", self.kind, *differences)
        leaky = ("--leaky",) if self._may_leak else ()
        return "--network", self.kind, *differences, "--start-from", self.start.name, *leaky

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Bands and columns of a crop."""
        return BANDS, self._columns

    @property
    def settings(self) -> Mapping[str, Any]:
        """Everything that decides how the network learns."""
        settings = asdict(self.network)
        return settings if self.start is None else {**settings, "started_from": self.start.exported_sha256}

    def build(self, split: Split) -> Any:
        """Build the network; its normalisation is that of the pictures which it learns, or began to learn, from."""
        classes = len(self.dataset.classes)
        if self.start is not None:
            model = self.network.build(self._columns, self.start.mean, self.start.variance, classes)
            self.start.put_into(model, self._columns, self.dataset.classes)
            return model
        sums, squares, columns = np.zeros(BANDS), np.zeros(BANDS), 0
        for row in split.train:
            pixels = self.dataset.pixels(row).astype(np.float64)
            sums += pixels.sum(axis=1)
            squares += (pixels**2).sum(axis=1)
            columns += pixels.shape[1]
        mean = sums / columns
        variance = np.maximum(squares / columns - mean**2, _MIN_VARIANCE)
        return self.network.build(self._columns, mean, variance, classes)

    def fit(self, model: Any, split: Split, y: NDArray[np.intp], seed: int, options: FitOptions) -> FitResult:
        """Train the network."""
        from audio_genre.training.backend import import_keras

        train, validation = (
            CropExamples(
                self.dataset,
                rows,
                y[rows],
                self._columns,
                self.network.augmentation,
                self.network.crops_per_pass,
                self.network.members,
            )
            for rows in (split.train, split.validation)
        )
        # The same weights, seen before the mean is taken.
        members = import_keras().Model(model.input, model.get_layer(MEMBERS).output, name=model.name)
        return fit(
            members,
            train,
            validation,
            self.network.fit,
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
        """Return which network it is, what is done to a picture first, and what it started from."""
        facts = {"network": self.kind, "normalisation": NORMALISATION}
        if self.start is None:
            return facts
        normalisation = NORMALISATION.replace("the training pictures", f"those of {self.start.name}")
        return {**facts, "normalisation": normalisation, "started_from": self.start.facts(self.dataset.classes)}

    def refusal(self, split: Split) -> str | None:
        """Refuse test tracks that the starting model has, or may have, learned from, unless that is wanted."""
        return None if self.start is None or self._may_leak else self.start.refusal(self.dataset, split)

    def leaks(self, split: Split) -> bool:
        """Tell whether the starting model has, or may have, learned from test tracks."""
        return self.start is not None and self.start.leak(self.dataset, split.test) is not None

    def notes(self, split: Split) -> tuple[str, ...]:
        """Tell what is kept of the starting model, and what it knows of the rows."""
        return () if self.start is None else self.start.notes(self.dataset, split)

    def limits(self, split: Split) -> tuple[str, ...]:
        """Tell what the starting model means for the figures on the card."""
        return () if self.start is None else self.start.limits(self.dataset, split)

    def heard(self, split: Split) -> Sequence[Sequence[str]]:
        """Return every row that decided the weights, those of the starting model included; nothing if not all known."""
        own = [
            (str(self.dataset.items[row]), str(self.dataset.groups[row]), subset)
            for subset, rows in split.subsets().items()
            if subset != "test"
            for row in rows
        ]
        if self.start is None:
            return own
        return [] if self.start.heard is None else [*own, *self.start.heard]


def require_pictures(dataset: Dataset) -> Pictures:
    """Refuse rows that are no pictures."""
    if not hasattr(dataset, "pixels"):
        raise ParameterError(
            f"A network on pictures learns from pictures, and {dataset.path} has none; give a folder of them."
        )
    return dataset  # type: ignore[return-value]
