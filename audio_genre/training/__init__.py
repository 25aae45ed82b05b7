"""Arrays to model bundles: the dense variants, the network on pictures, the baselines, one fit loop, the bundle."""

from audio_genre.bundles.bundle import Bundle, load_bundle
from audio_genre.bundles.history import EpochReport
from audio_genre.metrics import Interval, Score, Scores
from audio_genre.training.baselines import BASELINES, BaselineVariant, plan_baseline, train_baseline
from audio_genre.training.cnn import CnnSettings, plan_cnn, train_cnn
from audio_genre.training.crops import Augmentation
from audio_genre.training.fit import FitSettings, Progress
from audio_genre.training.run import TrainedModel, TrainingPlan
from audio_genre.training.tabular import plan_tabular, train_tabular
from audio_genre.training.variants import VARIANTS, DenseVariant

__all__ = [
    "BASELINES",
    "VARIANTS",
    "Augmentation",
    "BaselineVariant",
    "Bundle",
    "CnnSettings",
    "DenseVariant",
    "EpochReport",
    "FitSettings",
    "Interval",
    "Progress",
    "Score",
    "Scores",
    "TrainedModel",
    "TrainingPlan",
    "load_bundle",
    "plan_baseline",
    "plan_cnn",
    "plan_tabular",
    "train_baseline",
    "train_cnn",
    "train_tabular",
]
