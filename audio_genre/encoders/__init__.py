"""Pretrained networks that turn audio into what they have learned elsewhere: what there is, fetching, running."""

from audio_genre.encoders.catalogue import ENCODERS, Encoder
from audio_genre.encoders.install import install, load, path_of

__all__ = ["ENCODERS", "Encoder", "install", "load", "path_of"]
