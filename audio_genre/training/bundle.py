"""A trained model as a folder: the model, compact enough to predict with, and a card that tells what it is.

::

    adam-4/                       a network
      model.keras       to train on
      model.tflite      to predict with LiteRT, without TensorFlow
      card.json         classes, recipe, window, training data and hash, protocol, metrics, calibration, versions, seed
      familiarity.npz   what tells how far an input is from the training data
      history.csv       one line a pass over the training rows
      predictions.csv   probabilities of every test row

    random-forest/                a baseline
      model.npz         to predict with NumPy alone
      card.json, familiarity.npz, history.csv (a header only: there are no passes), predictions.csv

Nothing in it is a pickle: reading a bundle runs no code from it. `model.keras` is only read to train on.
"""

from __future__ import annotations

import contextlib
import csv
import hashlib
import importlib.metadata
import io
import json
import os
import platform
import shutil
import tempfile
import uuid
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import numpy as np

import audio_genre
from audio_genre.datasets import Window
from audio_genre.dsp import RECIPES, Recipe
from audio_genre.errors import BundleError, ParameterError
from audio_genre.training.calibration import Calibration, Familiarity
from audio_genre.training.card import CARD, FORMAT_VERSION, LITERT, NUMPY, read_bounded, read_card
from audio_genre.training.compact import ArrayModel, read_arrays, read_model, write_arrays
from audio_genre.training.fit import EpochReport
from audio_genre.training.litert import LiteRTRunner

if TYPE_CHECKING:
    from numpy.typing import NDArray

_Part = TypeVar("_Part")

KERAS_MODEL = "model.keras"
FAMILIARITY = "familiarity.npz"
HISTORY, PREDICTIONS = "history.csv", "predictions.csv"

_AGREEMENT = 1e-5
# What single precision may leave of a sum of probabilities, and far less than what is none.
_SUM_TOLERANCE = 1e-3
# Far more than any model that is trained here has.
_MOST_BYTES = 2**30
_PACKAGES = ("keras", "tensorflow", "numpy", "scikit-learn", "librosa", "ai-edge-litert", "xgboost")


class Runner(Protocol):
    """A compact model as a function from inputs to probabilities; safe to call from several threads."""

    @property
    def input_shape(self) -> list[int]:
        """Shape of one input."""

    @property
    def output_shape(self) -> list[int]:
        """Shape of one output."""

    def __call__(self, X: NDArray[Any]) -> NDArray[np.float32]:
        """Return outputs, shape (n, *output_shape)."""


class Bundle:
    """A trained model that predicts with LiteRT or NumPy, without what it was trained with.

    Get one from `load_bundle`, which checks what it reads.

    Parameters
    ----------
    path : Path
        Its folder.
    card : dict
        What ``card.json`` holds.
    runner : Runner
        The compact model.
    familiarity : Familiarity, optional
        What tells how far an input is from the training data.

    Attributes
    ----------
    path : Path
        Its folder.
    card : dict
        What ``card.json`` holds.
    familiarity : Familiarity or None
        What tells how far an input is from the training data; None for a model that was not calibrated.
    """

    def __init__(
        self, path: Path, card: dict[str, Any], runner: Runner, familiarity: Familiarity | None = None
    ) -> None:
        self.path = path
        self.card = card
        self.familiarity = familiarity
        self._runner = runner

    def __repr__(self) -> str:
        return f"Bundle({str(self.path)!r}, {len(self.classes)} classes)"

    @property
    def name(self) -> str:
        """Name of the model."""
        return str(self.card["name"])

    @property
    def kind(self) -> str:
        """What the model takes: ``"tabular"`` and ``"baseline"`` take rows of features, ``"cnn"`` crops of pictures."""
        return str(self.card["kind"])

    @property
    def classes(self) -> tuple[str, ...]:
        """Classes, in the order of the probabilities."""
        return tuple(self.card["classes"])

    @property
    def recipe(self) -> Recipe | None:
        """Recipe of the features; None where they come from elsewhere."""
        return None if self.card["recipe"] is None else RECIPES[self.card["recipe"]["name"]]

    @property
    def features(self) -> tuple[str, ...]:
        """Names of the features, in the order in which the model takes them; none if it takes pictures."""
        return tuple(self.card.get("features", ()))

    @property
    def window(self) -> Window | None:
        """The stretch of signal behind one row; None where there is no recipe."""
        return None if self.card["window"] is None else Window(**self.card["window"])

    @property
    def calibration(self) -> Calibration:
        """Temperature and limits; those that change nothing for a model that was not calibrated."""
        found = self.card.get("calibration")
        return Calibration() if found is None else Calibration(**found)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one input."""
        return tuple(self.card["input_shape"])

    def predict(self, X: NDArray[Any]) -> NDArray[np.float32]:
        """Predict the probabilities of all classes.

        Safe to call from several threads.

        Parameters
        ----------
        X : np.ndarray, shape (n, *input_shape)
            Inputs as the model takes them: its own normalisation is inside.

        Returns
        -------
        np.ndarray, shape (n, n_classes), float32
            Probabilities, each row summing to 1.

        Raises
        ------
        ParameterError
            If the shape is another, or a value is NaN or infinite.
        BundleError
            If the model, which may come from anyone, gives no probabilities.
        """
        X = np.asarray(X, dtype=np.float32)
        if X.shape[1:] != self.input_shape:
            raise ParameterError(
                f"The inputs of {self.name} must have the shape {_shape(('n', *self.input_shape))}; "
                f"got {_shape(X.shape)}."
            )
        if not np.isfinite(X).all():
            raise ParameterError(f"The inputs of {self.name} must be finite numbers; got NaN or infinite ones.")
        if len(X) == 0:
            return np.empty((0, len(self.classes)), dtype=np.float32)
        try:
            probabilities = self._runner(X)
        except (ValueError, RuntimeError) as error:
            raise BundleError(f"{self.path} cannot predict ({_first_line(error)}); choose another model.") from None
        is_fit = probabilities.shape == (len(X), len(self.classes)) and bool((probabilities >= 0).all())
        if not is_fit or not bool((np.abs(probabilities.sum(axis=1) - 1) <= _SUM_TOLERANCE).all()):
            raise BundleError(f"{self.path} predicts what are no probabilities; choose another model.")
        return probabilities


def load_bundle(path: str | os.PathLike[str]) -> Bundle:
    """Open a trained model.

    Parameters
    ----------
    path : str or os.PathLike
        Folder of the bundle.

    Returns
    -------
    Bundle
        The model and its card.

    Raises
    ------
    BundleError
        If a file is missing or malformed, card and model disagree, or the bundle was made for a recipe or in a format
        that this version of the package does not know.
    """
    path = Path(path)
    if not path.is_dir():
        raise BundleError(f"{path} is no model bundle: there is no such folder; train one with `audio-genre train`.")
    card = read_card(path)
    # Cards had no such field before there was a choice.
    compact = _FORMATS[card.get("format", LITERT)]
    runner = _read_part(path / compact.file, card["compact_sha256"], compact.read)
    expected = {"input": list(card["input_shape"]), "output": [len(card["classes"])]}
    found = {"input": runner.input_shape, "output": runner.output_shape}
    for side, shape in expected.items():
        if found[side] != shape:
            raise BundleError(
                f"{path} contradicts itself: by its card the {side} of the model has the shape {_shape(shape)}, and "
                f"in fact it has {_shape(found[side])}; train it again."
            )
    familiarity = None
    if card.get("calibration") is not None:
        familiarity = _read_part(
            path / FAMILIARITY,
            card["familiarity_sha256"],
            lambda content: Familiarity.from_arrays(read_arrays(content)),
        )
    return Bundle(path, card, runner, familiarity)


def write_bundle(
    folder: Path,
    model: Any,
    card: dict[str, Any],
    *,
    check: tuple[NDArray[Any], NDArray[Any]],
    familiarity: Familiarity,
    history: Sequence[EpochReport],
    predictions: Iterable[Sequence[Any]],
) -> None:
    """Write a bundle whole or not at all; one that stands in its place is replaced when the new one is complete.

    Parameters
    ----------
    folder : Path
        Folder of the bundle; its parent must exist.
    model : keras.Model or ArrayModel
        The trained model.
    card : dict
        Fields of ``card.json``; format, format version and library versions are added.
    check : tuple of np.ndarray, shapes (n, ...) and (n, n_classes)
        Inputs of every class, and the probabilities that the library gives in which the model was trained; what is
        written must agree.
    familiarity : Familiarity
        What tells how far an input is from the training data.
    history : sequence of EpochReport
        Lines of ``history.csv``; none where a model is not trained in passes.
    predictions : iterable of sequence
        Rows of ``predictions.csv``, the header first.

    Raises
    ------
    BundleError
        If the export differs from the library by more than 1e-5 in any probability, or the folder cannot be written.
    """
    is_arrays = isinstance(model, ArrayModel)
    name = NUMPY if is_arrays else LITERT
    form = _FORMATS[name]
    card = {"format_version": FORMAT_VERSION, **card, "format": name, "versions": _versions()}
    compact = model.to_bytes() if is_arrays else _export(model, folder)
    familiar = write_arrays(familiarity.arrays())
    card["compact_sha256"] = hashlib.sha256(compact).hexdigest()
    card["familiarity_sha256"] = hashlib.sha256(familiar).hexdigest()
    X, expected = check
    difference = float(np.abs(form.read(compact)(X) - expected).max())
    if not difference <= _AGREEMENT:
        raise BundleError(
            f"The compact export of {card['name']} differs from {form.trained_with} by {difference:.2g} where "
            f"{_AGREEMENT:g} is allowed; please report this with the versions of {form.packages}."
        )
    unfinished = folder.with_name(f".{folder.name}.{uuid.uuid4().hex[:8]}.unfinished")
    replaced = unfinished.with_suffix(".replaced")
    try:
        unfinished.mkdir()
        if not is_arrays:
            with warnings.catch_warnings():
                # Keras reads its own variables in a way that NumPy 2 deprecates.
                warnings.filterwarnings("ignore", message="__array__ implementation", category=DeprecationWarning)
                model.save(unfinished / KERAS_MODEL)
        (unfinished / form.file).write_bytes(compact)
        (unfinished / FAMILIARITY).write_bytes(familiar)
        header = [column.name for column in fields(EpochReport)]
        _write_csv(unfinished / HISTORY, [header, *(asdict(report).values() for report in history)])
        _write_csv(unfinished / PREDICTIONS, predictions)
        (unfinished / CARD).write_text(json.dumps(card, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        if folder.exists():
            folder.rename(replaced)
        unfinished.rename(folder)
    except OSError as error:
        raise BundleError(f"{folder} cannot be written: {_reason(error)}; choose another folder.") from None
    finally:
        if replaced.exists() and not folder.exists():
            replaced.rename(folder)
        shutil.rmtree(unfinished, ignore_errors=True)
        shutil.rmtree(replaced, ignore_errors=True)


def _read_part(file: Path, sha256: str, read: Callable[[bytes], _Part]) -> _Part:
    """Read a file of a bundle that its card has the hash of."""
    try:
        content = read_bounded(file, _MOST_BYTES)
    except OSError as error:
        raise BundleError(f"{file} cannot be read: {error.strerror}; train the model again.") from None
    if hashlib.sha256(content).hexdigest() != sha256:
        raise BundleError(f"{file} is damaged: it is not the file that its card was written for; train again.")
    try:
        return read(content)
    except (ValueError, RuntimeError) as error:
        raise BundleError(f"{file} is damaged ({_first_line(error)}); train the model again.") from None


def _first_line(error: Exception) -> str:
    """Return what an error of another library says first."""
    return str(error).partition("\n")[0].rstrip(".")


@dataclass(frozen=True)
class _Format:
    """A kind of compact model: its file, who reads it, and what it must agree with."""

    file: str
    read: Callable[[bytes], Runner]
    trained_with: str
    packages: str


_FORMATS = MappingProxyType(
    {
        LITERT: _Format("model.tflite", LiteRTRunner, "Keras", "keras, tensorflow and ai-edge-litert"),
        NUMPY: _Format("model.npz", read_model, "the library that trained it", "scikit-learn, xgboost and numpy"),
    }
)


def _export(model: Any, folder: Path) -> bytes:
    """Convert a Keras model for LiteRT."""
    from tensorflow import lite

    # The converter goes through a saved model in a temporary folder, and Keras prints what it saved.
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            compact: bytes = lite.TFLiteConverter.from_keras_model(model).convert()
    except Exception:
        # It hides that it could not write, and fails later for another reason.
        try:
            with tempfile.TemporaryFile() as file:
                file.write(bytes(4 * model.count_params() + 2**20))
        except OSError as error:
            raise BundleError(
                f"{folder} cannot be written, because {tempfile.gettempdir()} cannot be used to export its model: "
                f"{_reason(error)}; make room or set TMPDIR to another folder."
            ) from None
        raise
    return compact


def _reason(error: OSError) -> str:
    """Return what the operating system says; HDF5 tells it only in its message."""
    return (error.strerror or str(error)).partition("\n")[0].rstrip(".")


def _write_csv(path: Path, rows: Iterable[Iterable[Any]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)


def _versions() -> dict[str, str]:
    versions = {"python": platform.python_version(), "audio-genre": audio_genre.__version__}
    for package in _PACKAGES:
        # A distribution may be installed under another name, such as tensorflow-cpu.
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[package] = importlib.metadata.version(package)
    return versions


def _shape(shape: Iterable[Any]) -> str:
    return f"({', '.join(map(str, shape))})"
