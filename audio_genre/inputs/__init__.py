"""Kinds of input, one file each: how files and audio become rows, how rows vote, what a card says of them."""

from audio_genre.inputs.features import FeatureInput
from audio_genre.inputs.kind import (
    INPUT_KINDS,
    AudioReader,
    CardPart,
    Dataset,
    InputKind,
    Vectors,
    kind_of,
    register,
)
from audio_genre.inputs.loading import load_bundle, open_reader
from audio_genre.inputs.pictures import PictureInput

__all__ = [
    "INPUT_KINDS",
    "AudioReader",
    "CardPart",
    "Dataset",
    "FeatureInput",
    "InputKind",
    "PictureInput",
    "Vectors",
    "kind_of",
    "load_bundle",
    "open_reader",
    "register",
]

for _kind in (FeatureInput(), PictureInput()):
    register(_kind)
