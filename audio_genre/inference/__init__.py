"""Bundle and clip to answer."""

from audio_genre.inference.classifier import Classification, Classifier

__all__ = ["Classification", "Classifier"]
