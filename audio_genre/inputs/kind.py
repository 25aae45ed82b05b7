"""What a kind of input is, and the registry of all kinds.

A kind is one object in one file: how a file becomes rows, how audio becomes the same rows, how rows vote, what the card
of a model says and how that is checked. Training, classifier, reports and command line ask the registry.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from audio_genre.audio import MIN_SECONDS, continue_short, iter_windows, windows_of
from audio_genre.bundles import Bundle
from audio_genre.bundles.card import Card
from audio_genre.errors import BundleError, ParameterError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from audio_genre.datasets import Grouping, Window
    from audio_genre.dsp import Recipe

# Clip-long windows of a timeline begin so often in the time that one takes.
_HOPS = 3


class Dataset(Protocol):
    """Rows that a model learns from, of one kind of input.

    Rows that are vectors of numbers have them in an attribute ``X``, shape (n, d), float32; dense networks and
    baselines learn from every kind whose rows are such.
    """

    @property
    def path(self) -> Path:
        """Where they were read from."""

    @property
    def input(self) -> str:
        """Name of their kind of input."""

    @property
    def labels(self) -> NDArray[np.str_]:
        """Class of each row."""

    @property
    def items(self) -> NDArray[np.str_]:
        """Name of each row."""

    @property
    def groups(self) -> NDArray[np.str_]:
        """Track of each row."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Every class, sorted."""

    @property
    def sha256(self) -> str:
        """Hash of everything that was read."""

    @property
    def grouping(self) -> Grouping:
        """How the tracks were found."""

    @property
    def options(self) -> tuple[str, ...]:
        """Options of the command line that give this reading, where it is not the default."""

    def __len__(self) -> int:
        """Return the number of rows."""

    def require_labels(self) -> None:
        """Refuse rows that nothing can be learned from."""


class Vectors(Dataset, Protocol):
    """Rows that are vectors of numbers."""

    @property
    def X(self) -> NDArray[np.float32]:  # noqa: N802
        """The vectors, shape (n, d)."""


@dataclass(frozen=True)
class CardPart:
    """What a kind of input puts on the card of a model.

    Attributes
    ----------
    recipe : Recipe or None
        Recipe by which audio becomes inputs; None where they come from elsewhere.
    window : Window or None
        The stretch of signal behind one row; None where there is no recipe.
    facts : mapping
        Fields of its own, such as the names of features, and ``vote``: how rows become one answer.
    training_data : mapping
        What was noted when the rows were read.
    """

    recipe: Recipe | None
    window: Window | None
    facts: Mapping[str, Any]
    training_data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class TableRows:
    """Rows of a table as a model takes them.

    Attributes
    ----------
    items, titles : tuple of str
        Name of each row, and what else a person knows it by; an empty text where that is nothing.
    X : np.ndarray, shape (n, *input_shape)
        Inputs.
    descriptions : np.ndarray, shape (n, d)
        What `InputKind.describe` says of rows.
    notes : tuple of str
        What a user should know of how the table was read.
    """

    items: tuple[str, ...]
    titles: tuple[str, ...]
    X: NDArray[Any]
    descriptions: NDArray[Any]
    notes: tuple[str, ...] = ()


class InputKind(ABC):
    """A kind of input; see the module for what it says.

    Attributes
    ----------
    name : str
        Name on cards, and in the registry.
    title : str
        What its files are called in messages, such as ``"a feature table"``.
    extras : tuple of str
        Extras of the package that reading it needs.
    options : frozenset of str
        Options that `load` takes.
    from_files : bool
        Whether rows are read from files that a user names.
    groups_by_protocol : bool
        Whether a column that keeps rows together is named by the protocol ``group:<column>`` alone.
    """

    name: str
    title: str
    extras: tuple[str, ...] = ()
    options: frozenset[str] = frozenset()
    from_files: bool = True
    groups_by_protocol: bool = False

    @abstractmethod
    def recognises(self, path: Path) -> bool:
        """Tell whether a path looks like this kind of input; nothing large is read.

        Parameters
        ----------
        path : Path
            A file or a folder, which may be missing.

        Returns
        -------
        bool
            Whether it does.
        """

    @abstractmethod
    def load(self, path: Path, **options: Any) -> Dataset:
        """Read rows from a path.

        Parameters
        ----------
        path : Path
            A file or a folder.
        **options : object
            Options of this kind of input.

        Returns
        -------
        Dataset
            The rows.

        Raises
        ------
        AudioGenreError
            If they cannot be read.
        """

    @abstractmethod
    def describe(self, dataset: Any, rows: NDArray[np.intp]) -> NDArray[Any]:
        """Return what tells how novel rows are, shape (n, d); the reader of audio computes the same.

        Parameters
        ----------
        dataset : Dataset
            What `load` returned.
        rows : np.ndarray of int, shape (n,)
            Row numbers.

        Returns
        -------
        np.ndarray, shape (n, d)
            Quantities of each row, without a unit in common.
        """

    @abstractmethod
    def card(self, dataset: Any) -> CardPart:
        """Return what the card of a model says about the rows that it learned from.

        Parameters
        ----------
        dataset : Dataset
            What `load` returned.

        Returns
        -------
        CardPart
            Recipe, window and fields of this kind.
        """

    @abstractmethod
    def check(self, folder: Path, card: Card) -> None:
        """Refuse a card whose part of this kind is malformed.

        Parameters
        ----------
        folder : Path
            Folder of the bundle, for messages.
        card : Card
            Its card; `Card.require` checks a field.

        Raises
        ------
        BundleError
            If a field is missing or malformed.
        """

    def check_audio(self, folder: Path, card: Card) -> None:  # noqa: B027
        """Refuse a model whose card says that its inputs cannot be computed from audio; `reader` looks further.

        Parameters
        ----------
        folder : Path
            Of the model.
        card : Card
            Its card.

        Raises
        ------
        BundleError
            If the model cannot classify audio.
        """

    @abstractmethod
    def reader(self, bundle: Bundle) -> AudioReader:
        """Return what turns audio into inputs of a model.

        Parameters
        ----------
        bundle : Bundle
            The model.

        Returns
        -------
        AudioReader
            For that model.

        Raises
        ------
        BundleError
            If the model takes something that cannot be computed from audio.
        """

    def rows(self, bundle: Bundle, path: Path, **options: Any) -> TableRows:  # noqa: ARG002
        """Read rows of a table for a model, without their genres.

        Parameters
        ----------
        bundle : Bundle
            The model.
        path : Path
            The table.
        **options : object
            Options of `load`.

        Returns
        -------
        TableRows
            The rows, in the table's order.

        Raises
        ------
        AudioGenreError
            If the table cannot be read or lacks what the model takes, or such models take no tables.
        """
        raise BundleError(f"{bundle.path} takes {self.title} and no table; choose a model that was trained on a table.")

    def prepared(self, dataset: Any, train: NDArray[np.intp], y: NDArray[np.intp], seed: int) -> Any:  # noqa: ARG002
        """Return the rows with all that is fitted on the training rows of a split applied to them.

        Parameters
        ----------
        dataset : Dataset
            What `load` returned.
        train : np.ndarray of int, shape (n_train,)
            The training rows.
        y : np.ndarray of int, shape (n,)
            Class number of each row.
        seed : int
            Seed of what is drawn at random.

        Returns
        -------
        Dataset
            Usually the same.
        """
        return dataset

    def learned(self, dataset: Any, train: NDArray[np.intp]) -> NDArray[np.float32]:
        """Return the training rows of vectors as a model learns from them.

        Parameters
        ----------
        dataset : Dataset
            What `prepared` returned.
        train : np.ndarray of int, shape (n_train,)
            The training rows.

        Returns
        -------
        np.ndarray, shape (n_train, d), float32
            Usually their vectors as they are.
        """
        rows: NDArray[np.float32] = dataset.X[train]
        return rows

    def categories(self, dataset: Any) -> tuple[tuple[slice, ...], tuple[int, ...]]:  # noqa: ARG002
        """Return which columns of vectors are one category each, and which say yes or no; usually none.

        Parameters
        ----------
        dataset : Dataset
            What `prepared` returned.

        Returns
        -------
        one_hot : tuple of slice
            The columns of each category.
        flags : tuple of int
            Columns of yes and no.
        """
        return (), ()

    def arrays(self, dataset: Any) -> dict[str, NDArray[Any]]:  # noqa: ARG002
        """Return what a bundle needs to make inputs and a card cannot hold; usually nothing.

        Parameters
        ----------
        dataset : Dataset
            What `prepared` returned.

        Returns
        -------
        dict of str to np.ndarray
            Arrays of plain types.
        """
        return {}

    def measured(
        self,
        dataset: Any,  # noqa: ARG002
        subsets: Mapping[str, NDArray[np.intp]],  # noqa: ARG002
        predicted: Mapping[str, NDArray[np.float64]],  # noqa: ARG002
        predict: Callable[[NDArray[np.float32]], NDArray[np.float64]],  # noqa: ARG002
    ) -> dict[str, Any]:
        """Return what the card says of a trained model because of this kind of input; usually nothing.

        Parameters
        ----------
        dataset : Dataset
            What `prepared` returned.
        subsets : mapping of str to np.ndarray of int
            The rows of each subset.
        predicted : mapping of str to np.ndarray
            Their probabilities, with the temperature.
        predict : callable
            Gives the same for vectors.

        Returns
        -------
        dict
            Plain data.
        """
        return {}

    def name_suffixes(self, dataset: Any) -> tuple[str, ...]:  # noqa: ARG002
        """Return what of the rows belongs into the name of a model, because it is not the default.

        Parameters
        ----------
        dataset : Dataset
            What `load` returned.

        Returns
        -------
        tuple of str
            Words such as ``"3s"``; usually none.
        """
        return ()


class AudioReader(ABC):
    """From an audio file to what a model takes.

    Parameters
    ----------
    recipe : Recipe
        Gives sampling rate, and lengths of clips and segments.
    needed : int
        Samples that a signal is continued to by reflection.
    window_seconds : float
        Length of what is behind a point of a timeline.
    whole : bool
        Whether the windows are clips, and not segments.

    Attributes
    ----------
    unit : str
        What of a file votes, for messages.
    described : int
        Number of quantities that tell how novel a vote is.
    sr : int
        Sampling rate in Hz.
    window_seconds, hop_seconds : float
        Length of what is behind a point of a timeline, and seconds from one to the next by default.
    stretch_samples : int
        Samples behind such a point.
    stride : int
        Samples from one vote of a clip-long window to the next.
    """

    unit: str
    described: int

    def __init__(self, recipe: Recipe, needed: int, window_seconds: float, *, whole: bool) -> None:
        self.sr, self._seconds, self._needed = recipe.sr, recipe.clip_seconds, needed
        # As in an extraction: what lacks little of a segment is continued.
        self._shortest = min(needed, MIN_SECONDS * recipe.sr) if needed <= recipe.segment_samples else needed
        self.window_seconds = window_seconds
        self.hop_seconds = window_seconds / _HOPS if whole else window_seconds
        self.stride = round(window_seconds * recipe.sr)
        self.stretch_samples = self.stride if whole else self.stride - 1

    @property
    def needed(self) -> int:
        """Samples that a signal is continued to by reflection."""
        return self._needed

    @property
    def window_of(self) -> tuple[int, float]:
        """Sampling rate, and length in seconds of the windows that a file is decoded in."""
        return self.sr, self._seconds

    def windows(self, name: str) -> Iterator[NDArray[np.float32]]:
        """Decode a file in clip-long windows.

        Parameters
        ----------
        name : str
            Path of an audio file.

        Returns
        -------
        iterator of np.ndarray, shape (n,), float32
            Mono windows at `sr`.

        Raises
        ------
        AudioError
            If the file cannot be decoded or is too short.
        """
        return iter_windows(name, sr=self.sr, seconds=self._seconds, min_samples=self._shortest)

    def windows_of(self, y: NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
        """Cut a signal at the sampling rate `sr` into the same windows.

        Parameters
        ----------
        y : np.ndarray, shape (n,), float32
            A mono signal.

        Returns
        -------
        iterator of np.ndarray, shape (n,), float32
            Windows.
        """
        return windows_of(y, sr=self.sr, seconds=self._seconds, min_samples=self._shortest)

    def signals(self, window: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return what votes of a window, shape (n, samples).

        Parameters
        ----------
        window : np.ndarray, shape (n,), float32
            A clip-long window.

        Returns
        -------
        np.ndarray, shape (n_votes, samples), float32
            Signals that each give one vote.
        """
        return continue_short(window, self._needed)[np.newaxis]

    def stretch(self, y: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return what of a stretch the model takes.

        Parameters
        ----------
        y : np.ndarray, shape (n,), float32
            A stretch of a file.

        Returns
        -------
        np.ndarray, shape (m,), float32
            What is left of it, or its continuation.
        """
        return continue_short(y, self._needed)

    @abstractmethod
    def inputs(self, signals: NDArray[np.float32]) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return inputs of the model for signals that vote, and what tells how novel each of those is.

        Parameters
        ----------
        signals : np.ndarray, shape (n, samples), float32
            Signals that each give one vote.

        Returns
        -------
        X : np.ndarray, shape (m, *input_shape)
            Inputs, one or more for each signal.
        descriptions : np.ndarray, shape (n, described)
            What `InputKind.describe` says of rows.
        """

    def votes(self, probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the votes that the probabilities of inputs amount to, all of equal weight.

        Parameters
        ----------
        probabilities : np.ndarray, shape (m, n_classes), float64
            Of the inputs of signals.

        Returns
        -------
        np.ndarray, shape (n, n_classes), float64
            One row for each signal.
        """
        return probabilities


INPUT_KINDS: dict[str, InputKind] = {}
"""Every kind of input by its name."""


def register(kind: InputKind) -> InputKind:
    """Add a kind of input; from now on its models are trained, classified with and compared like any other.

    Parameters
    ----------
    kind : InputKind
        The kind; one of the same name is replaced.

    Returns
    -------
    InputKind
        The same.
    """
    INPUT_KINDS[kind.name] = kind
    return kind


def kind_of(path: Path) -> InputKind:
    """Return the kind of input that a path looks like.

    Parameters
    ----------
    path : Path
        A file or a folder.

    Returns
    -------
    InputKind
        The first that recognises it, those that were registered last being asked first.

    Raises
    ------
    ParameterError
        If none does.
    """
    for kind in reversed(INPUT_KINDS.values()):
        if kind.recognises(path):
            return kind
    titles = [kind.title for kind in INPUT_KINDS.values() if kind.from_files]
    raise ParameterError(f"{path} is no input that models learn from; give {_either(titles)}.")


def _either(titles: Sequence[str]) -> str:
    return titles[0] if len(titles) == 1 else f"{', '.join(titles[:-1])} or {titles[-1]}"
