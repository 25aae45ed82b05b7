"""A trained model as a folder: the model, compact enough to predict with, and a card that tells what it is.

::

    adam-4/                       a network
      model.keras       to train on; read as data, and only to start another training from
      model.tflite      to predict with LiteRT, without TensorFlow
      card.json         classes, recipe, window, training data and hash, protocol, metrics, calibration, versions, seed
      input.npz         what making inputs needs and the card cannot hold; only some kinds of input have it
      novelty.npz       what tells how far an input is from the training data
      history.csv       one line per epoch
      predictions.csv   probabilities of every test row
      heard.csv         every row that decided the weights; only of models that a training can start from
      validation.csv    the same of every validation row, and how novel it is; a fusion is fitted to it

    random-forest/                a baseline
      model.npz         to predict with NumPy alone
      card.json, novelty.npz, history.csv (a header only: there are no epochs), the two of predictions

    fusion-a-b/                   several models that answer together
      model.npz         how much the answer of each counts
      members/          their bundles, as far as predicting needs them
      card.json, novelty.npz, history.csv, the two of predictions

Nothing in it is a pickle: reading a bundle runs no code from it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import importlib.metadata
import io
import json
import os
import platform
import re
import shutil
import sys
import tempfile
import time
import uuid
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import numpy as np

from audio_genre._version import __version__
from audio_genre.bundles.arrays import ArrayModel, read_arrays, read_model, write_arrays
from audio_genre.bundles.calibration import Calibration, NoveltyDetector
from audio_genre.bundles.card import CARD, LITERT, NUMPY, Card, read_bounded, read_card
from audio_genre.bundles.history import EpochReport
from audio_genre.bundles.litert import LiteRTRunner
from audio_genre.datasets import Window
from audio_genre.dsp import Recipe
from audio_genre.errors import BundleError, ParameterError
from audio_genre.files.csv_rows import CsvWriter

if TYPE_CHECKING:
    from numpy.typing import NDArray

_Part = TypeVar("_Part")

KERAS_MODEL = "model.keras"
ARRAYS = "input.npz"
NOVELTY = "novelty.npz"
_NOVELTY_OF_FORMAT_1 = "familiarity.npz"
HISTORY, PREDICTIONS, VALIDATION, HEARD = "history.csv", "predictions.csv", "validation.csv", "heard.csv"
MEMBERS = "members"
"""Folder of the models that a fusion is made of, as far as predicting needs them."""
DISTANCE = "distance"
"""Column of the predictions of validation rows that tells how novel each is."""

_AGREEMENT = 1e-5
# What single precision may leave of a sum of probabilities, and far less than what is none.
_SUM_TOLERANCE = 1e-3
# Far more than any model that is trained here has.
_MAX_BYTES = 2**30
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

    Get one from `audio_genre.load_bundle`, which checks what it reads.

    Parameters
    ----------
    path : Path
        Its folder.
    card : Card
        What ``card.json`` holds.
    runner : Runner
        The compact model.
    novelty : NoveltyDetector, optional
        What tells how far an input is from the training data.
    arrays : mapping of str to np.ndarray
        What its kind of input needs to make inputs, where a card cannot hold it.

    Attributes
    ----------
    path : Path
        Its folder.
    card : Card
        What ``card.json`` holds.
    novelty : NoveltyDetector or None
        What tells how far an input is from the training data; None for a model that was not calibrated.
    arrays : mapping of str to np.ndarray
        What its kind of input needs to make inputs, where a card cannot hold it.
    """

    def __init__(
        self,
        path: Path,
        card: Card,
        runner: Runner,
        novelty: NoveltyDetector | None = None,
        arrays: Mapping[str, NDArray[Any]] = MappingProxyType({}),
    ) -> None:
        self.path = path
        self.arrays = arrays
        self.card = card
        self.novelty = novelty
        self._runner = runner

    def __repr__(self) -> str:
        return f"Bundle({str(self.path)!r}, {len(self.classes)} classes)"

    @property
    def name(self) -> str:
        """Name of the model."""
        return self.card.name

    @property
    def kind(self) -> str:
        """Kind: ``"tabular"`` and ``"baseline"`` take rows of features, ``"cnn"`` and ``"transformer"`` pictures."""
        return self.card.kind

    @property
    def classes(self) -> tuple[str, ...]:
        """Classes, in the order of the probabilities."""
        return self.card.classes

    @property
    def recipe(self) -> Recipe | None:
        """Recipe of the features; None where they come from elsewhere."""
        return self.card.recipe

    @property
    def features(self) -> tuple[str, ...]:
        """Names of the features, in the order in which the model takes them; none if it takes pictures."""
        return tuple(self.card.facts.get("features", ()))

    @property
    def window(self) -> Window | None:
        """The stretch of signal behind one row; None where there is no recipe."""
        return self.card.window

    @property
    def calibration(self) -> Calibration:
        """Temperature and limits; those that change nothing for a model that was not calibrated."""
        return self.card.calibration or Calibration()

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one input."""
        return self.card.input_shape

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
            raise BundleError(f"{self.path} gives outputs that are not probabilities; choose another model.")
        return probabilities


def read_bundle(path: str | os.PathLike[str]) -> Bundle:
    """Open a trained model, without what its kind of input checks; see `audio_genre.inputs.load_bundle`."""
    path = Path(path)
    if not path.is_dir():
        if path.name in missing_bundles(path.parent):
            raise BundleError(killed_words(path))
        raise BundleError(f"{path} is no model bundle: there is no such folder; train one with `audio-genre train`.")
    card = read_card(path)
    exported = _FORMATS[card.format]
    runner = _read_part(path / exported.file, card.exported_sha256, exported.read)
    expected = {"input": list(card.input_shape), "output": [len(card.classes)]}
    found = {"input": runner.input_shape, "output": runner.output_shape}
    for end, shape in expected.items():
        if found[end] != shape:
            raise BundleError(
                f"{path} contradicts itself: by its card the {end} of the model has the shape {_shape(shape)}, but it "
                f"is {_shape(found[end])}; train it again."
            )
    novelty = None
    if card.calibration is not None:
        novelty = _read_part(
            path / (NOVELTY if card.format_version > 1 else _NOVELTY_OF_FORMAT_1),
            card.novelty_sha256,
            lambda content: NoveltyDetector.from_arrays(read_arrays(content)),
        )
    sha256 = card.facts.get("arrays_sha256")
    arrays = {} if sha256 is None else _read_part(path / ARRAYS, str(sha256), read_arrays)
    return Bundle(path, card, runner, novelty, arrays)


def require_model(path: Path, card: Card) -> None:
    """Refuse a folder whose model is missing, or is not the file that its card was written for."""
    _read_part(path / _FORMATS[card.format].file, card.exported_sha256, bytes)


def write_bundle(
    folder: Path,
    model: Any,
    card: Card,
    *,
    check: tuple[NDArray[Any], NDArray[Any]],
    novelty: NoveltyDetector,
    history: Sequence[EpochReport],
    predictions: Iterable[Sequence[Any]],
    validation: Iterable[Sequence[Any]] = (),
    members: Mapping[str, Path] = MappingProxyType({}),
    arrays: Mapping[str, NDArray[Any]] = MappingProxyType({}),
    heard: Sequence[Sequence[str]] = (),
) -> None:
    """Write a bundle whole or not at all; one that stands in its place is replaced when the new one is complete."""
    is_arrays = isinstance(model, ArrayModel)
    name = NUMPY if is_arrays else LITERT
    form = _FORMATS[name]
    exported = model.to_bytes() if is_arrays else _export(model, folder)
    detector = write_arrays(novelty.arrays())
    extra = write_arrays(arrays) if arrays else b""
    card = dataclasses.replace(
        card,
        format=name,
        versions=_versions(),
        exported_sha256=hashlib.sha256(exported).hexdigest(),
        novelty_sha256=hashlib.sha256(detector).hexdigest(),
        facts={**card.facts, **({"arrays_sha256": hashlib.sha256(extra).hexdigest()} if extra else {})},
    )
    X, expected = check
    try:
        difference = float(np.abs(form.read(exported)(X) - expected).max())
    except ValueError as error:
        raise BundleError(
            f"The exported model of {card.name} cannot be run: {error}; train a smaller network."
        ) from None
    if not difference <= _AGREEMENT:
        raise BundleError(
            f"The exported model of {card.name} differs from {form.trained_with} by {difference:.2g} where "
            f"{_AGREEMENT:g} is allowed; please report this with the versions of {form.packages}."
        )
    with _Replacement(folder) as place:
        place.unfinished.mkdir()
        if not is_arrays:
            with warnings.catch_warnings():
                # Keras reads its own variables in a way that NumPy 2 deprecates.
                warnings.filterwarnings("ignore", message="__array__ implementation", category=DeprecationWarning)
                model.save(place.unfinished / KERAS_MODEL)
            card = _with_hash(card, "keras_sha256", place.unfinished / KERAS_MODEL)
        if heard:
            _write_csv(place.unfinished / HEARD, [("item", "track", "subset"), *heard])
            card = _with_hash(card, "heard_sha256", place.unfinished / HEARD)
        (place.unfinished / form.file).write_bytes(exported)
        (place.unfinished / NOVELTY).write_bytes(detector)
        if extra:
            (place.unfinished / ARRAYS).write_bytes(extra)
        header = [column.name for column in fields(EpochReport)]
        _write_csv(place.unfinished / HISTORY, [header, *(asdict(report).values() for report in history)])
        _write_csv(place.unfinished / PREDICTIONS, predictions)
        _write_csv(place.unfinished / VALIDATION, validation)
        for member, source in members.items():
            _copy_member(source, place.unfinished / MEMBERS / member)
        text = json.dumps(card.to_dict(), indent=2, ensure_ascii=False) + "\n"
        # The card comes last: where it is whole, all is.
        (place.unfinished / CARD).write_text(text, encoding="utf-8")
        place.put()


def _with_hash(card: Card, name: str, file: Path) -> Card:
    """Return a card that knows a file by its hash."""
    return dataclasses.replace(card, facts={**card.facts, name: hashlib.sha256(file.read_bytes()).hexdigest()})


def _copy_member(source: Path, target: Path) -> None:
    """Copy what of a bundle is needed to predict."""
    target.mkdir(parents=True)
    needed = (CARD, NOVELTY, _NOVELTY_OF_FORMAT_1, ARRAYS, *(form.file for form in _FORMATS.values()))
    for file in needed:
        if (source / file).is_file():
            shutil.copyfile(source / file, target / file)


class _Replacement:
    """A bundle on its way into its place; whoever finds what it left behind can tell whether it still goes on.

    Beside the bundle stand, under one name, ``.unfinished``, ``.replaced``, and ``.lock``, a file that is locked as
    long as the process lives.
    """

    def __init__(self, folder: Path, stem: str = "") -> None:
        self.folder = folder
        self._stem = stem or f".{folder.name}.{uuid.uuid4().hex[:8]}"
        self.unfinished, self.replaced, self._lock = (folder.with_name(self._stem + end) for end in _ENDS)
        self._held: int | None = None

    def __enter__(self) -> _Replacement:
        try:
            self._held = os.open(self._lock, os.O_RDWR | os.O_CREAT, 0o600)
            # Some network file systems have no locks; then nothing here is ever taken for abandoned.
            with contextlib.suppress(OSError):
                _lock(self._held, wait=True)
        except OSError as error:
            self.__exit__(None, error, None)
            raise self._error(error) from None
        return self

    def __exit__(self, kind: Any, error: BaseException | None, traceback: Any) -> None:
        if self.replaced.exists() and not self.folder.exists():
            self.replaced.rename(self.folder)
        shutil.rmtree(self.unfinished, ignore_errors=True)
        shutil.rmtree(self.replaced, ignore_errors=True)
        with contextlib.suppress(OSError):
            # Before it is closed, after which anyone could take it; but Windows removes no file that is open.
            self._lock.unlink(missing_ok=True)
        if self._held is not None:
            os.close(self._held)
            with contextlib.suppress(OSError):
                self._lock.unlink(missing_ok=True)
        if kind is not None and issubclass(kind, OSError):
            raise self._error(error) from None

    def put(self) -> None:
        """Put the finished bundle in its place, and take away what stands there."""
        if self.folder.exists():
            self.folder.rename(self.replaced)
        self.unfinished.rename(self.folder)

    def is_abandoned(self) -> bool:
        """Tell whether the process that began it has ended."""
        try:
            held = os.open(self._lock, os.O_RDWR)
        except FileNotFoundError:
            return True
        except OSError:
            return False
        try:
            _lock(held, wait=False)
        except OSError:
            return False
        finally:
            os.close(held)
        # It is made a moment before it is locked.
        began = self._lock.stat().st_mtime
        return self.unfinished.exists() or self.replaced.exists() or time.time() - began > _A_MOMENT

    def recover(self) -> str | None:
        """Bring what was abandoned to an end; return what became of the bundle if its place was empty."""
        words = None
        with contextlib.suppress(OSError):
            if not self.folder.exists():
                if _is_whole(self.unfinished):
                    self.unfinished.rename(self.folder)
                    words = f"{self.folder.name} was completely trained, and has been put in its place"
                elif self.replaced.exists():
                    words = f"{self.folder.name} is restored"
        self.__exit__(None, None, None)
        return words

    def _error(self, error: Any) -> BundleError:
        return BundleError(f"{self.folder} cannot be written: {_reason(error)}; choose another folder.")


_ENDS = (".unfinished", ".replaced", ".lock")
_LEFTOVER = re.compile(r"\.(?P<name>.+)\.[0-9a-f]{8}")
_A_MOMENT = 60.0


def abandoned(models: Path) -> list[_Replacement]:
    """Find what trainings that were killed while they wrote a bundle have left behind."""
    stems = {path.name.removesuffix(path.suffix) for path in models.glob(".*") if path.suffix in _ENDS}
    found = [
        _Replacement(models / match["name"], stem) for stem in sorted(stems) if (match := _LEFTOVER.fullmatch(stem))
    ]
    return [each for each in found if each.is_abandoned()]


def recover_bundles(models: Path) -> list[str]:
    """Bring to an end what trainings that were killed while they wrote a bundle have left behind."""
    sentences = []
    for each in abandoned(models):
        words = each.recover()
        if words is not None:
            sentences.append(f"A training was killed while it wrote a model: {words}.")
    return sentences


def missing_bundles(models: Path) -> list[str]:
    """Name the bundles whose place is empty because a training was killed while it replaced them."""
    try:
        return sorted({each.folder.name for each in abandoned(models) if not each.folder.exists()})
    except OSError:
        return []


def killed_words(folder: Path) -> str:
    """Say that a bundle is missing because its training was killed."""
    return (
        f"{folder} is missing: a training was killed while it replaced this model; start a training into "
        f"{folder.parent} again, which puts it back first."
    )


def _is_whole(folder: Path) -> bool:
    """Tell whether a bundle was written to its end."""
    try:
        read_bundle(folder)
    except BundleError:
        return False
    return True


def _lock(file: int, *, wait: bool) -> None:
    """Lock a file for this process until it is closed; without waiting, raise an OSError if another has it."""
    if sys.platform == "win32":
        import msvcrt

        msvcrt.locking(file, msvcrt.LK_LOCK if wait else msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)


def _read_part(file: Path, sha256: str, read: Callable[[bytes], _Part]) -> _Part:
    """Read a file of a bundle that its card has the hash of."""
    try:
        content = read_bounded(file, _MAX_BYTES)
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
                f"{_reason(error)}; free some space or set TMPDIR to another folder."
            ) from None
        raise
    return compact


def _reason(error: OSError) -> str:
    """Return what the operating system says; HDF5 tells it only in its message."""
    return (error.strerror or str(error)).partition("\n")[0].rstrip(".")


def _write_csv(path: Path, rows: Iterable[Iterable[Any]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        CsvWriter(file).writerows(rows)


def _versions() -> dict[str, str]:
    versions = {"python": platform.python_version(), "audio-genre": __version__}
    for package in _PACKAGES:
        # A distribution may be installed under another name, such as tensorflow-cpu.
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[package] = importlib.metadata.version(package)
    return versions


def _shape(shape: Iterable[Any]) -> str:
    return f"({', '.join(map(str, shape))})"
