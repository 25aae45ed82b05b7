"""A trained network on pictures that another one starts from: its weights, and the tracks that it has heard."""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import io
import json
import os
import re
import tempfile
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np

from audio_genre.bundles.bundle import HEARD, KERAS_MODEL
from audio_genre.bundles.card import Card, read_bounded
from audio_genre.datasets import Split
from audio_genre.datasets.pictures import BANDS, PICTURE_SUFFIXES, Pictures
from audio_genre.errors import BundleError, ParameterError
from audio_genre.inputs import load_bundle
from audio_genre.training.networks import NETWORKS, get_networks
from audio_genre.training.picture_network import NORMALISED, OUTPUT, PictureNetwork

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Weights of the largest network that can be exported have less.
_MAX_BYTES = 2**30
_MAX_ROWS_BYTES = 2**27
_WEIGHTS = "model.weights.h5"
_LEARNED = "train"
_DECIDE = (_LEARNED, "validation")
_NOT_A_NAME = re.compile(r"[\W_]+")


@dataclass(frozen=True, eq=False)
class Start:
    """A network that was trained before, and what must be known of it to train it further.

    Attributes
    ----------
    path : Path
        Its folder.
    card : Card
        Its card.
    network : PictureNetwork
        The default settings of its kind, with its architecture and crops.
    mean, variance : np.ndarray, shape (bands,)
        Its normalisation.
    weights : bytes
        Its weights, as Keras keeps them in HDF5.
    sha256 : str
        Hash of ``model.keras``.
    heard : list of tuple of str, or None
        Item, track and subset of the rows that decided its weights; None if they are not all known.
    """

    path: Path
    card: Card
    network: PictureNetwork
    mean: NDArray[np.float64]
    variance: NDArray[np.float64]
    weights: bytes = field(repr=False)
    sha256: str
    heard: Sequence[tuple[str, str, str]] | None = field(repr=False)

    @property
    def name(self) -> str:
        """Name of the folder."""
        return self.path.resolve().name

    @property
    def exported_sha256(self) -> str:
        """Hash of its exported model, which tells it from every other."""
        return self.card.exported_sha256

    def networks(self, names: str) -> tuple[PictureNetwork, ...]:
        """Return the settings to go on with; a name, if one is given, must be that of its kind."""
        if names not in ("all", self.network.kind):
            get_networks(names)
            self._refuse_kind(names)
        return (self.network,)

    def _refuse_kind(self, kind: str) -> None:
        raise ParameterError(
            f"{self.path} is a network of the kind {self.network.kind}, and a {kind} cannot start from it; use "
            f"--network {self.network.kind}."
        )

    def require_fit(self, pictures: Pictures, network: PictureNetwork) -> None:
        """Refuse pictures of other parameters, and a network with other layers."""
        theirs, ours = self.card.facts["pictures"], pictures.representation.as_json()
        for name in ("name", "recipe", "frames_per_column"):
            _require_equal(pictures, self, name, ours[name], theirs.get(name))
        parameters = theirs.get("parameters") or {}
        for name in sorted({*ours["parameters"], *parameters}):
            _require_equal(pictures, self, name, ours["parameters"].get(name), parameters.get(name))
        if network.kind != self.network.kind:
            self._refuse_kind(network.kind)
        for name in network.architecture:
            if getattr(network, name) != getattr(self.network, name):
                raise ParameterError(
                    f"{self.path} has {name} {_typed(getattr(self.network, name))}, and a network with "
                    f"{_typed(getattr(network, name))} cannot start from it; leave that option out."
                )

    def put_into(self, model: Any, columns: int, classes: tuple[str, ...]) -> None:
        """Give a model the weights of every layer, but of the output layers only if the classes are the same."""
        source = self.network.build(columns, self.mean, self.variance, len(self.card.classes))
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / _WEIGHTS
            file.write_bytes(self.weights)
            try:
                source.load_weights(file)
            except Exception:
                # Keras and HDF5 raise nearly anything at weights of another network.
                raise BundleError(
                    f"The weights in {self.path / KERAS_MODEL} are not those of the network on its card; choose "
                    "another model to start from."
                ) from None
        for layer in model.layers:
            if self._keeps_outputs(classes) or not layer.name.startswith(OUTPUT):
                layer.set_weights(source.get_layer(layer.name).get_weights())

    def _keeps_outputs(self, classes: tuple[str, ...]) -> bool:
        return classes == self.card.classes

    def facts(self, classes: tuple[str, ...]) -> dict[str, Any]:
        """Return what a card says of the model that a network started from."""
        card = self.card
        return {
            "name": self.name,
            "exported_sha256": card.exported_sha256,
            "keras_sha256": self.sha256,
            "classes": list(card.classes),
            "kept": "all layers" if self._keeps_outputs(classes) else "all layers but the output layers",
            "training_data": {name: card.training_data.get(name) for name in ("file", "sha256", "rows", "tracks")},
            "protocol": {name: card.protocol.get(name) for name in ("name", "fold", "leaky")},
            "seed": card.seed,
            "tracks_known": self.heard is not None,
            "started_from": card.facts.get("started_from"),
        }

    def leak(self, pictures: Pictures, rows: NDArray[np.intp], subsets: Sequence[str] = _DECIDE) -> str | None:
        """Say, without its point, that tracks of rows are or may be in subsets of this model; None if they are not."""
        if self.heard is None:
            return f"it is not known which tracks {self.name} has learned from"
        tracks = np.unique(pictures.groups[rows]).tolist()
        heard = {_key(track) for _, track, subset in self.heard if subset in subsets}
        known = [track for track in tracks if _key(track) in heard]
        if not known:
            return None
        return f"{self.name} has learned from {len(known)} of the {len(tracks)} tracks, such as {known[0]!r}"

    def refusal(self, pictures: Pictures, split: Split) -> str | None:
        """Refuse a split whose test tracks this model has, or may have, learned from; None if it has not."""
        reason = self.leak(pictures, split.test)
        if reason is None:
            return None
        protocol, fold = self.card.protocol.get("name"), self.card.protocol.get("fold")
        same = f"--protocol {protocol} --seed {self.card.seed}" + (f", {fold}" if fold else "")
        return (
            f"The score on the test tracks would be too high: {reason}; split the same pictures as it did ({same}), "
            "use others, or mark the scores as leaky with --leaky."
        )

    def notes(self, pictures: Pictures, split: Split) -> tuple[str, ...]:
        """Tell what is kept and what is new, and what this model has heard."""
        kept = f"Starting from {self.name}: the normalisation and all layers are kept"
        if not self._keeps_outputs(pictures.classes):
            kept += (
                " but the output layers, which are new because the genres are not the same "
                f"({len(pictures.classes)} here, {len(self.card.classes)} there)"
            )
        return f"{kept}.", *self.limits(pictures, split)

    def limits(self, pictures: Pictures, split: Split) -> tuple[str, ...]:
        """Tell what this model means for the figures of one that starts from it."""
        sentences = []
        tested = self.leak(pictures, split.test)
        if tested is not None:
            sentences.append(f"Its test scores are marked as leaky: {tested}.")
        elif (tuned := self.leak(pictures, split.validation, [_LEARNED])) is not None:
            sentences.append(f"Its limits for unknown clips may be too narrow: of the validation tracks, {tuned}.")
        return tuple(sentences)


def read_start(path: str | os.PathLike[str]) -> Start:
    """Open a trained network on pictures to start from; everything is checked, and no TensorFlow is needed yet."""
    bundle = load_bundle(path)
    card, folder = bundle.card, bundle.path
    if card.input != Pictures.input or card.kind not in NETWORKS:
        raise BundleError(
            f"{folder} is of the kind {card.kind}, and a training starts from a network on pictures "
            f"({', '.join(NETWORKS)}); choose one."
        )
    if "fitted_on" in card.facts:
        raise BundleError(
            f"{folder} was trained with --refit and is the mean of several networks; "
            "to start from one, choose a network that was trained without."
        )
    base = NETWORKS[card.kind]
    taken = {
        name: _like(folder, name, card.variant.get(name), getattr(base, name))
        for name in (*base.architecture, "crop_seconds", "crop_columns")
    }
    try:
        network = dataclasses.replace(base, **taken)
    except ParameterError as error:
        raise BundleError(f"The card of {folder} describes no network that can be trained: {error}") from None
    file = folder / KERAS_MODEL
    try:
        content = read_bounded(file, _MAX_BYTES)
    except OSError as error:
        raise BundleError(
            f"{file} cannot be read ({error.strerror}), and training goes on from it; choose a model that has it."
        ) from None
    sha256 = hashlib.sha256(content).hexdigest()
    try:
        if card.facts.get("keras_sha256", sha256) != sha256:
            raise ValueError("it is not the file that its card was written for")
        mean, variance, weights = _read_keras(content)
    except Exception as error:
        # zipfile, json and h5py raise nearly anything at a file that is not theirs.
        reason = str(error).partition("\n")[0].rstrip(".") or type(error).__name__
        raise BundleError(f"{file} is damaged ({reason}); choose another model to start from.") from None
    return Start(folder, card, network, mean, variance, weights, sha256, _heard(folder, card))


def _read_keras(content: bytes) -> tuple[NDArray[np.float64], NDArray[np.float64], bytes]:
    """Read normalisation and weights of a ``.keras`` file as data: nothing that it describes is built or run."""
    import h5py

    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        if sum(each.file_size for each in archive.infolist()) > _MAX_BYTES:
            raise ValueError(f"it holds more than {_MAX_BYTES} bytes")
        layers = json.loads(archive.read("config.json"))["config"]["layers"]
        weights = archive.read(_WEIGHTS)
    config = next((layer["config"] for layer in layers if layer["name"] == NORMALISED), None)
    if config is None:
        raise ValueError("it is not one network on pictures")
    mean, variance = (np.array(config[name], dtype=np.float64) for name in ("mean", "variance"))
    if not (mean.shape == variance.shape == (BANDS,) and np.isfinite([mean, variance]).all() and (variance > 0).all()):
        raise ValueError(f"its normalisation is not of {BANDS} bands")
    with h5py.File(io.BytesIO(weights)) as file:
        _require_plain(file, h5py)
    return mean, variance, weights


def _require_plain(group: Any, h5py: Any) -> None:
    """Refuse what would make HDF5 read other files, or make more than the file holds: links, and packed arrays."""
    for name in group:
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            raise ValueError("it has links")
        found = group[name]
        if isinstance(found, h5py.Group):
            _require_plain(found, h5py)
        elif found.external or found.is_virtual or found.id.get_storage_size() != found.nbytes:
            raise ValueError("its weights are not plain arrays")


def _heard(folder: Path, card: Card) -> list[tuple[str, str, str]] | None:
    """Return the rows that decided the weights of a model; None if they are not all known."""
    expected = card.facts.get("heard_sha256")
    if expected is None:
        return None
    file = folder / HEARD
    try:
        content = read_bounded(file, _MAX_ROWS_BYTES)
    except OSError as error:
        raise BundleError(f"{file} cannot be read: {error.strerror}; train the model again.") from None
    if hashlib.sha256(content).hexdigest() != expected:
        raise BundleError(f"{file} is damaged: it is not the file that its card was written for; train again.")
    try:
        _, *lines = csv.reader(io.StringIO(content.decode("utf-8")))
        return [(item, track, subset) for item, track, subset in lines]
    except (ValueError, csv.Error):
        raise BundleError(f"{file} is malformed: it must have the columns item, track and subset.") from None


def _key(track: str) -> str:
    """Return what the spellings of a track's name have in common; of a name without letters, with its genre.

    Examples
    --------
    >>> _key("blues/blues.00012.png"), _key("Blues/blues_00012.jpg"), _key("blues/00012.png")
    ('blues00012', 'blues00012', 'blues00012')
    """
    label, _, item = track.partition("/")
    place = PurePosixPath(item)
    if place.suffix.lower() in PICTURE_SUFFIXES:
        place = place.with_suffix("")
    name = _NOT_A_NAME.sub("", str(place).casefold())
    return _NOT_A_NAME.sub("", label.casefold()) + name if name.isdecimal() or not name else name


def _like(folder: Path, name: str, value: Any, other: Any) -> Any:
    """Return a value of a card as the settings have it, or refuse it."""
    whole = isinstance(value, int) and not isinstance(value, bool)
    if isinstance(other, tuple):
        if isinstance(value, list) and all(isinstance(each, int) and not isinstance(each, bool) for each in value):
            return tuple(value)
    elif whole or (isinstance(other, float) and isinstance(value, float)):
        return type(other)(value)
    raise BundleError(
        f"The card of {folder} does not say {name} of its network, so that no training can start from it; choose "
        "another model."
    )


def _require_equal(pictures: Pictures, start: Start, name: str, ours: Any, theirs: Any) -> None:
    # A card went through JSON.
    if json.loads(json.dumps(ours)) != theirs:
        raise ParameterError(
            f"The pictures of {pictures.path} have {name}={ours!r}, and those that {start.path} was trained on "
            f"{name}={theirs!r}; give it pictures of the same parameters, or train without --start-from."
        )


def _typed(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, Sequence) else str(value)
