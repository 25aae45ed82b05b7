"""Folder of audio to tables and pictures: plan, one clip's work, journal, engines, writers."""

from audio_genre.extraction.report import ExtractionProgress, ExtractionReport
from audio_genre.extraction.run import extract

__all__ = ["ExtractionProgress", "ExtractionReport", "extract"]
