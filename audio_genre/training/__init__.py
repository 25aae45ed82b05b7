"""Arrays to model bundles: the dense variants, one fit loop, the bundle."""

from audio_genre.training.bundle import Bundle, load_bundle
from audio_genre.training.fit import EpochReport, FitSettings, Progress
from audio_genre.training.scores import Interval, Score, Scores
from audio_genre.training.tabular import TabularPlan, TrainedModel, plan_tabular, train_tabular
from audio_genre.training.variants import VARIANTS, DenseVariant

__all__ = [
    "VARIANTS",
    "Bundle",
    "DenseVariant",
    "EpochReport",
    "FitSettings",
    "Interval",
    "Progress",
    "Score",
    "Scores",
    "TabularPlan",
    "TrainedModel",
    "load_bundle",
    "plan_tabular",
    "train_tabular",
]
