"""Kinds of input, one file each: how files and audio become rows, how rows vote, what a card says of them."""

from audio_genre.inputs.features import FeatureInput
from audio_genre.inputs.fusion import FusionInput
from audio_genre.inputs.kind import (
    INPUT_KINDS,
    AudioReader,
    CardPart,
    Dataset,
    InputKind,
    TableRows,
    Vectors,
    kind_of,
    register,
)
from audio_genre.inputs.loading import load_bundle, load_dataset, open_reader, read_rows
from audio_genre.inputs.pictures import PictureInput
from audio_genre.inputs.tracks import TrackInput

__all__ = [
    "INPUT_KINDS",
    "AudioReader",
    "CardPart",
    "Dataset",
    "FeatureInput",
    "FusionInput",
    "InputKind",
    "PictureInput",
    "TableRows",
    "TrackInput",
    "Vectors",
    "kind_of",
    "load_bundle",
    "load_dataset",
    "open_reader",
    "read_rows",
    "register",
]

for _kind in (FeatureInput(), PictureInput(), TrackInput(), FusionInput()):
    register(_kind)
