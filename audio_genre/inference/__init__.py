"""Bundle and clip to answer."""

from audio_genre.inference.classifier import Classification, Classifier
from audio_genre.inference.timeline import Timeline, TimelinePoint

__all__ = ["Classification", "Classifier", "Timeline", "TimelinePoint"]
