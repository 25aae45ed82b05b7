"""The model folder: bundle, card, calibration, array models, LiteRT."""

from audio_genre.bundles.bundle import Bundle, load_bundle

__all__ = ["Bundle", "load_bundle"]
