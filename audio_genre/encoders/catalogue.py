"""The pretrained networks that there are: origin, licence, checksums, and what each was trained on."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

from audio_genre.encoders.layout import MusicnnLayout


@dataclass(frozen=True)
class Encoder:
    """A pretrained network: where it comes from, how it is verified, and what it was trained on.

    Attributes
    ----------
    name : str
        Name on the command line.
    title : str
        What it is, for people.
    package, version : str
        Package of PyPI that holds its weights.
    file : str
        Name of that package's file.
    file_bytes : int
        Size of the file.
    file_sha256 : str
        SHA-256 of the file.
    checkpoint : str
        Folder in it with the TensorFlow checkpoint.
    layout : MusicnnLayout
        Size of each of its layers.
    weights_sha256 : str
        SHA-256 of the weights as they are kept, see `MusicnnLayout`.
    tags : tuple of str
        What its outputs mean, in their order.
    licence : str
        Licence of the weights.
    trained_on : str
        Its training data.
    citation : str
        The publication.
    """

    name: str
    title: str
    package: str
    version: str
    file: str
    file_bytes: int
    file_sha256: str
    checkpoint: str
    layout: MusicnnLayout
    weights_sha256: str
    tags: tuple[str, ...]
    licence: str
    trained_on: str
    citation: str


MUSICNN = Encoder(
    name="musicnn",
    title="MusiCNN, 50 tags of music",
    package="musicnn",
    version="0.1.0",
    file="musicnn-0.1.0-py3-none-any.whl",
    file_bytes=29292476,
    file_sha256="f38a4890c648c1ddbb141c5d96d2b0a8cfcd36746002d896989f7b88beb65cfa",
    checkpoint="musicnn/MSD_musicnn",
    layout=MusicnnLayout(),
    weights_sha256="f48357c4ca1239745e4d206c507df099c3369db7839a6749952d6dc7c069026f",
    tags=(
        "rock", "pop", "alternative", "indie", "electronic", "female vocalists", "dance", "00s", "alternative rock",
        "jazz", "beautiful", "metal", "chillout", "male vocalists", "classic rock", "soul", "indie rock", "mellow",
        "electronica", "80s", "folk", "90s", "chill", "instrumental", "punk", "oldies", "blues", "hard rock", "ambient",
        "acoustic", "experimental", "female vocalist", "guitar", "hip-hop", "70s", "party", "country", "easy listening",
        "sexy", "catchy", "funk", "electro", "heavy metal", "progressive rock", "60s", "rnb", "indie pop", "sad",
        "house", "happy",
    ),
    licence="ISC, Music Technology Group, Universitat Pompeu Fabra",
    trained_on=(
        "the Million Song Dataset with the 50 most frequent tags of Last.fm (about 200,000 songs), which very likely "
        "holds the artists of GTZAN"
    ),
    citation="Pons and Serra, musicnn: pre-trained convolutional neural networks for music audio tagging, 2019",
)  # fmt: skip

ENCODERS: MappingProxyType[str, Encoder] = MappingProxyType({encoder.name: encoder for encoder in (MUSICNN,)})
"""Every pretrained network by its name."""
