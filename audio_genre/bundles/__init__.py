"""The model folder: bundle, card, calibration, array models, LiteRT."""

from audio_genre.bundles.bundle import Bundle
from audio_genre.bundles.card import Card

__all__ = ["Bundle", "Card"]
