"""What is published about GTZAN's thousand clips: artists, faults and splits."""

from audio_genre.datasets.gtzan.clips import (
    CITATIONS,
    GENRES,
    Clip,
    excluded_clips,
    find_clip,
    load_clips,
    same_artist,
)

__all__ = ["CITATIONS", "GENRES", "Clip", "excluded_clips", "find_clip", "load_clips", "same_artist"]
