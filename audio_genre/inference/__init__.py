"""Bundle and clip to answer."""

from audio_genre.inference.answer import Classification
from audio_genre.inference.classifier import Classifier
from audio_genre.inference.rows import classify_table
from audio_genre.inference.timeline import Timeline, TimelinePoint

__all__ = ["Classification", "Classifier", "Timeline", "TimelinePoint", "classify_table"]
