"""Dense networks on feature tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from audio_genre.datasets import Split
from audio_genre.inputs import Vectors
from audio_genre.training.fit import ArrayExamples, FitResult, fit
from audio_genre.training.own import DENSE_OPTIONS, options_between
from audio_genre.training.run import FitOptions, Report
from audio_genre.training.variants import NORMALISATION, VARIANTS, DenseVariant, variant_settings
from audio_genre.training.vector_learner import VectorLearner

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class DenseLearner(VectorLearner):
    """A dense variant on vectors."""

    kind = "tabular"

    def __init__(self, dataset: Vectors, variant: DenseVariant, balance: str = "none") -> None:
        super().__init__(dataset, variant.name, NORMALISATION, balance)
        self.variant = variant

    @property
    def options(self) -> tuple[str, ...] | None:
        """Options of ``audio-genre train tabular`` that give these settings."""
        for base in VARIANTS.values():
            if (differences := options_between(base, self.variant, DENSE_OPTIONS)) is not None:
                return "--variant", base.name, *differences, *self.balance_options
        return None

    @property
    def settings(self) -> Mapping[str, Any]:
        """Everything that decides how the network learns."""
        return {**variant_settings(self.variant), **self.balance_settings}

    def build(self, split: Split) -> Any:
        """Build the network; its normalisation is that of the training rows."""
        rows = self.input.learned(self.dataset, split.train)
        return self.variant.build(rows, len(self.dataset.classes))

    def fit(self, model: Any, split: Split, y: NDArray[np.intp], seed: int, options: FitOptions) -> FitResult:
        """Train the network."""
        X, classes, rows = self.dataset.X, len(self.dataset.classes), self.learned(split, y, seed)
        return fit(
            model,
            ArrayExamples(rows.X, rows.y, classes, rows.weights),
            ArrayExamples(X[split.validation], y[split.validation], classes),
            self.variant.fit,
            seed=seed,
            progress=options.progress,
            checkpoint=options.checkpoint,
        )

    def predict(self, model: Any, rows: NDArray[np.intp], report: Report | None = None) -> NDArray[np.float32]:  # noqa: ARG002
        """Predict rows of the table."""
        return self.answer(model, self.dataset.X[rows])
