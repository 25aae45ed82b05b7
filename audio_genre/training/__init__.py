"""Rows to model bundles: dense variants, networks on pictures, baselines, one fit loop, one way to train."""

from audio_genre.bundles.history import EpochReport
from audio_genre.metrics import Interval, Score, Scores
from audio_genre.training.api import (
    MODEL_KINDS,
    plan,
    train,
    train_baseline,
    train_cnn,
    train_pictures,
    train_tabular,
)
from audio_genre.training.baselines import BASELINES, BaselineVariant
from audio_genre.training.cnn import CnnSettings
from audio_genre.training.crops import Augmentation
from audio_genre.training.fit import FitSettings, Progress
from audio_genre.training.fusion import train_fusion
from audio_genre.training.networks import NETWORKS
from audio_genre.training.run import TrainedModel, TrainedModels, TrainingPlan
from audio_genre.training.transformer import TransformerSettings
from audio_genre.training.variants import VARIANTS, DenseVariant

__all__ = [
    "BASELINES",
    "MODEL_KINDS",
    "NETWORKS",
    "VARIANTS",
    "Augmentation",
    "BaselineVariant",
    "CnnSettings",
    "DenseVariant",
    "EpochReport",
    "FitSettings",
    "Interval",
    "Progress",
    "Score",
    "Scores",
    "TrainedModel",
    "TrainedModels",
    "TrainingPlan",
    "TransformerSettings",
    "plan",
    "train",
    "train_baseline",
    "train_cnn",
    "train_fusion",
    "train_pictures",
    "train_tabular",
]
