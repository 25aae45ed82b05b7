"""Dense networks on feature tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from audio_genre.datasets import Split
from audio_genre.inputs import Vectors
from audio_genre.training.fit import ArrayExamples, FitResult, fit
from audio_genre.training.own import DENSE_OPTIONS, options_between
from audio_genre.training.run import FitOptions, Report
from audio_genre.training.variants import NORMALISATION, VARIANTS, DenseVariant
from audio_genre.training.vector_learner import VectorLearner

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_PREDICTION_ROWS = 1024


class DenseLearner(VectorLearner):
    """A dense variant on vectors."""

    kind = "tabular"

    def __init__(self, dataset: Vectors, variant: DenseVariant) -> None:
        super().__init__(dataset, variant.name, NORMALISATION)
        self.variant = variant

    @property
    def options(self) -> tuple[str, ...] | None:
        """Options of ``audio-genre train tabular`` that give these settings."""
        for base in VARIANTS.values():
            if (differences := options_between(base, self.variant, DENSE_OPTIONS)) is not None:
                return "--variant", base.name, *differences
        return None

    @property
    def settings(self) -> Mapping[str, Any]:
        """Everything that decides how the network learns."""
        return asdict(self.variant)

    def build(self, split: Split) -> Any:
        """Build the network; its normalisation is that of the training rows."""
        return self.variant.build(self.dataset.X[split.train], len(self.dataset.classes))

    def fit(self, model: Any, split: Split, y: NDArray[np.intp], seed: int, options: FitOptions) -> FitResult:
        """Train the network."""
        X, classes = self.dataset.X, len(self.dataset.classes)
        return fit(
            model,
            ArrayExamples(X[split.train], y[split.train], classes),
            ArrayExamples(X[split.validation], y[split.validation], classes),
            self.variant.fit,
            seed=seed,
            progress=options.progress,
            checkpoint=options.checkpoint,
        )

    def predict(self, model: Any, rows: NDArray[np.intp], report: Report | None = None) -> NDArray[np.float32]:  # noqa: ARG002
        """Predict rows of the table."""
        probabilities: NDArray[np.float32] = model.predict(self.dataset.X[rows], batch_size=_PREDICTION_ROWS, verbose=0)
        return probabilities
