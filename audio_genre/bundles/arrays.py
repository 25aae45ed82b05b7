"""Linear models and ensembles of trees as plain arrays: evaluated with NumPy alone, and checked before they are used.

Neither a pickle nor skops, the format with trusted types: both build objects of other packages out of what a file says,
scikit-learn's trees follow node numbers of a file without looking where they lead, and both need that very scikit-learn
to predict. Here a file holds numbers only. Each array is read only after its header has been proved to be one of four
types, with a shape that fits its bytes, and a tree that is no tree cannot even be written down: see `TreeModel`.
"""

from __future__ import annotations

import io
import json
import math
import re
import struct
import zipfile
import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple

import numpy as np

from audio_genre.metrics import softmax, squash

if TYPE_CHECKING:
    from numpy.typing import NDArray

MOST_DEPTH = 64
"""Most decisions between the root of a tree and a leaf."""

# What a file may ask of memory and time: far more than any model that is trained here needs.
_MAX_BYTES = 2**27
_MAX_TREES = 200_000
_MAX_COLUMNS = 100_000
# Numbers beyond this come from no fit, and could overflow to what is no probability.
_LARGEST, _SMALLEST = 1e100, 1e-100
# Shares of a leaf are stored in single precision.
_SHARE_TOLERANCE = 1e-3

MAX_WEIGHT = 100.0
"""What a model of a fusion counts at most."""

_LEAST_PROBABILITY = 1e-12
_STRUCTURE = "structure"
# What NumPy writes in front of an array of a plain type in C order; nothing else is read.
_HEADER = re.compile(
    rb"\{'descr': '(<f4|<f8|<i4|\|u1)', 'fortran_order': False, 'shape': \((\d{1,10}),(?: (\d{1,10}))?\), \} *\n"
)
_MAGIC = b"\x93NUMPY\x01\x00"

# Trees and rows that are walked at a time: their node numbers stay in the processor's cache.
_TREES, _ROWS = 64, 1024


class ArrayModel(ABC):
    """A classifier that consists of arrays.

    Attributes
    ----------
    types : mapping of str to str
        The arrays of this kind of model, and their types as NumPy writes them.
    """

    types: ClassVar[Mapping[str, str]]

    def __init__(self, inputs: int, outputs: int) -> None:
        _require(
            1 <= inputs <= _MAX_COLUMNS and 1 <= outputs <= _MAX_COLUMNS,
            f"its inputs and outputs are not each 1 to {_MAX_COLUMNS}",
        )
        self.inputs, self.outputs = inputs, outputs

    @property
    def input_shape(self) -> list[int]:
        """Shape of one input."""
        return [self.inputs]

    @property
    def output_shape(self) -> list[int]:
        """Shape of one output."""
        return [self.outputs]

    @abstractmethod
    def __call__(self, X: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the probabilities of all classes for finite inputs; safe to call from several threads."""

    @abstractmethod
    def structure(self) -> dict[str, Any]:
        """Return what the arrays do not tell, as plain data."""

    @abstractmethod
    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the arrays by their names in `types`."""

    def to_bytes(self) -> bytes:
        """Write the model as a compressed ``.npz`` file; the same model gives the same bytes."""
        structure = json.dumps(self.structure()).encode()
        arrays = {name: np.ascontiguousarray(array, self.types[name]) for name, array in self.arrays().items()}
        return write_arrays({_STRUCTURE: np.frombuffer(structure, np.uint8), **arrays})


class LinearModel(ArrayModel):
    """Multinomial logistic regression on standardised, squashed features.

    ``softmax(s W + b)`` with ``s = sign(z) log(1 + |z|)`` and ``z = (x - mean) / scale``.

    Examples
    --------
    >>> model = LinearModel(np.zeros(1), np.ones(1), np.array([[0.0, 1.0]]), np.zeros(2))
    >>> model(np.array([[0.0], [np.e - 1]], dtype=np.float32)).round(3).tolist()
    [[0.5, 0.5], [0.26899999380111694, 0.7310000061988831]]
    """

    types = MappingProxyType({"mean": "<f8", "scale": "<f8", "weights": "<f8", "bias": "<f8"})

    def __init__(
        self,
        mean: NDArray[np.float64],
        scale: NDArray[np.float64],
        weights: NDArray[np.float64],
        bias: NDArray[np.float64],
    ) -> None:
        super().__init__(len(mean), len(bias))
        _require(
            mean.ndim == scale.ndim == bias.ndim == 1
            and mean.shape == scale.shape
            and weights.shape == (self.inputs, self.outputs),
            "its arrays do not fit together",
        )
        _require(
            all(bool((np.abs(array) <= _LARGEST).all()) for array in (mean, scale, weights, bias))
            and bool((scale >= _SMALLEST).all()),
            "it has values out of range",
        )
        self._mean, self._scale, self._weights, self._bias = mean, scale, weights, bias

    def __call__(self, X: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the probabilities of all classes."""
        z = (X.astype(np.float64) - self._mean) / self._scale
        return softmax(squash(z) @ self._weights + self._bias).astype(np.float32)

    def structure(self) -> dict[str, Any]:
        """Return the kind of model."""
        return {"model": "linear"}

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the parameters."""
        return {"mean": self._mean, "scale": self._scale, "weights": self._weights, "bias": self._bias}


class FusionModel(ArrayModel):
    """Several models in one: the weighted product of their probabilities, normalised.

    ``softmax(sum of w_m log p_m)``; an input is the probabilities of the first model, then those of the next. A weight
    of 0 leaves a model out. It is a logarithmic opinion pool (Hinton, "Products of experts", ICANN 1999).

    Examples
    --------
    >>> model = FusionModel(np.array([1.0, 1.0]), outputs=2)
    >>> model(np.array([[0.5, 0.5, 0.8, 0.2]], dtype=np.float32)).round(3).tolist()
    [[0.800000011920929, 0.20000000298023224]]
    """

    types = MappingProxyType({"weights": "<f8"})

    def __init__(self, weights: NDArray[np.float64], outputs: int) -> None:
        super().__init__(len(weights) * outputs, outputs)
        _require(weights.ndim == 1, "its arrays do not fit together")
        _require(bool(((weights >= 0) & (weights <= MAX_WEIGHT)).all()), "it has values out of range")
        self.weights = weights

    def __call__(self, X: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the probabilities of all classes."""
        return softmax(pool(X, self.weights)).astype(np.float32)

    def structure(self) -> dict[str, Any]:
        """Return the kind of model."""
        return {"model": "fusion", "outputs": self.outputs}

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the weights."""
        return {"weights": self.weights}


def pool(X: NDArray[Any], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the weighted sums of the logarithms of the probabilities of several models, shape (n, classes)."""
    logs = np.log(np.maximum(X.astype(np.float64), _LEAST_PROBABILITY)).reshape(len(X), len(weights), -1)
    sums: NDArray[np.float64] = np.tensordot(logs, weights, axes=(1, 0))
    return sums


class Tree(NamedTuple):
    """A tree as other packages keep it; node 0 is the root.

    Attributes
    ----------
    left, right : np.ndarray of int, shape (nodes,)
        Children of each node; negative at a leaf.
    feature : np.ndarray of int, shape (nodes,)
        Feature that a node looks at.
    threshold : np.ndarray, shape (nodes,), float64
        A row whose feature is at most this goes to the left.
    value : np.ndarray, shape (nodes, outputs)
        What a leaf adds to each class.
    """

    left: NDArray[Any]
    right: NDArray[Any]
    feature: NDArray[Any]
    threshold: NDArray[np.float64]
    value: NDArray[np.float64]


class TreeModel(ArrayModel):
    """A sum of trees: a random forest, boosted trees, or a single leaf, which says the same of everything.

    The nodes of each tree stand level by level, from left to right. So the children of its k-th inner node are the
    nodes 1 + 2 k and 2 + 2 k, and no file needs to name them: there is nothing that could point outside, or in a
    circle.

    Examples
    --------
    >>> trees = [Tree(np.array([-1]), np.array([-1]), np.array([0]), np.array([0.0]), np.array([[0.25, 0.75]]))]
    >>> TreeModel.from_trees(trees, inputs=3, outputs=2, link="mean")(np.zeros((1, 3), np.float32)).tolist()
    [[0.25, 0.75]]
    """

    types = MappingProxyType(
        {
            "base": "<f8",
            "sizes": "<i4",
            "feature": "<i4",
            "threshold": "<f4",
            "entries": "<i4",
            "entry_class": "<i4",
            "entry_value": "<f4",
        }
    )

    def __init__(
        self,
        inputs: int,
        link: str,
        base: NDArray[np.float64],
        sizes: NDArray[np.int32],
        feature: NDArray[np.int32],
        threshold: NDArray[np.float32],
        entries: NDArray[np.int32],
        entry_class: NDArray[np.int32],
        entry_value: NDArray[np.float32],
    ) -> None:
        super().__init__(inputs, len(base))
        arrays = (base, sizes, feature, threshold, entries, entry_class, entry_value)
        _require(all(array.ndim == 1 for array in arrays), "its arrays do not fit together")
        _require(link in ("mean", "softmax"), "it has no known link function")
        self.link = link
        self._arrays: dict[str, NDArray[Any]] = dict(zip(self.types, arrays, strict=True))
        self._base = base
        self._lay_out(sizes, feature, threshold)
        self._lay_out_leaves(feature < 0, entries, entry_class, entry_value)

    def _lay_out(self, sizes: NDArray[np.int32], feature: NDArray[np.int32], threshold: NDArray[np.float32]) -> None:
        """Check the nodes, and put them so that a row in a leaf stays there."""
        inner = feature >= 0
        _require(
            1 <= len(sizes) <= _MAX_TREES and bool((sizes >= 1).all()) and sizes.sum(dtype=np.int64) == len(feature),
            "its trees are inconsistent",
        )
        _require(bool(((feature >= -1) & (feature < self.inputs)).all()), "a tree uses a feature that does not exist")
        _require(len(threshold) == inner.sum() and not np.isnan(threshold).any(), "its thresholds do not fit")
        ends = np.cumsum(sizes, dtype=np.intp)
        roots = ends - sizes
        before = np.concatenate([[0], np.cumsum(inner, dtype=np.intp)])
        _require(np.array_equal(sizes, 1 + 2 * (before[ends] - before[roots])), "its trees are inconsistent")
        nodes = np.arange(len(feature))
        child = np.repeat(roots + 1 - 2 * before[roots], sizes) + 2 * before[:-1]
        _require(bool((child[inner] > nodes[inner]).all()), "its trees are inconsistent")
        # Every node but a root is now the child of one earlier node, so that this ends.
        self._depths = []
        for start in range(0, len(roots), _TREES):
            level, depth = roots[start : start + _TREES], 0
            while (level := level[inner[level]]).size:
                level, depth = np.concatenate([child[level], child[level] + 1]), depth + 1
                _require(depth <= MOST_DEPTH, f"a tree is deeper than {MOST_DEPTH}")
            self._depths.append(depth)
        self._roots = roots
        self._child = np.where(inner, child, nodes)
        self._column = np.where(inner, feature, 0).astype(np.intp)
        self._threshold = np.full(len(feature), np.inf, dtype=np.float32)
        self._threshold[inner] = threshold

    def _lay_out_leaves(
        self,
        leaf: NDArray[np.bool_],
        entries: NDArray[np.int32],
        entry_class: NDArray[np.int32],
        entry_value: NDArray[np.float32],
    ) -> None:
        _require(
            len(entries) == leaf.sum()
            and bool((entries >= 0).all())
            and entries.sum(dtype=np.int64) == len(entry_class) == len(entry_value),
            "its leaves are inconsistent",
        )
        _require(
            bool(((entry_class >= 0) & (entry_class < self.outputs)).all()),
            "a leaf adds to a class that does not exist",
        )
        owner = np.repeat(np.arange(len(entries)), entries)
        _require(
            bool(((np.diff(entry_class) > 0) | (np.diff(owner) > 0)).all()), "a leaf adds to one class more than once"
        )
        _require(
            bool(np.isfinite(entry_value).all()) and bool((np.abs(self._base) <= _LARGEST).all()),
            "it has values out of range",
        )
        if self.link == "mean":
            totals = np.bincount(owner, weights=entry_value, minlength=len(entries))
            _require(
                bool((entry_value >= 0).all())
                and bool((np.abs(totals - 1) <= _SHARE_TOLERANCE).all())
                and not self._base.any(),
                "the shares in a leaf do not sum to 1",
            )
        self._leaf_number = np.cumsum(leaf, dtype=np.intp) - 1
        self._count = entries.astype(np.intp)
        self._first = np.cumsum(self._count) - self._count
        self._most = int(entries.max())
        self._one_each = self._most == 1 == int(entries.min())
        self._class, self._value = entry_class.astype(np.intp), entry_value

    @classmethod
    def from_trees(
        cls,
        trees: Iterable[Tree],
        *,
        inputs: int,
        outputs: int,
        link: Literal["mean", "softmax"],
        base: NDArray[np.float64] | None = None,
    ) -> TreeModel:
        """Make a model from trees as other packages keep them."""
        sizes, features, thresholds, values = [], [], [], []
        for tree in trees:
            order = _level_order(tree)
            inner = tree.left[order] >= 0
            sizes.append(len(order))
            features.append(np.where(inner, tree.feature[order], -1))
            thresholds.append(tree.threshold[order[inner]])
            values.append(tree.value[order[~inner]])
        value = np.concatenate(values).astype(np.float32)
        owner, entry_class = np.nonzero(value)
        return cls(
            inputs,
            link,
            np.zeros(outputs) if base is None else base,
            np.array(sizes, dtype=np.int32),
            np.concatenate(features).astype(np.int32),
            _round_down(np.concatenate(thresholds)),
            np.bincount(owner, minlength=len(value)).astype(np.int32),
            entry_class.astype(np.int32),
            value[owner, entry_class],
        )

    def __call__(self, X: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the probabilities of all classes."""
        # Fewer where much is added up for each row.
        step = max(1, _ROWS // max(1, self._most // 16, self.outputs // _TREES))
        sums = np.empty((len(X), self.outputs), dtype=np.float64)
        for start in range(0, len(X), step):
            sums[start : start + step] = self._sums(X[start : start + step])
        if self.link == "softmax":
            return softmax(sums).astype(np.float32)
        shares: NDArray[np.float32] = (sums / sums.sum(axis=1, keepdims=True)).astype(np.float32)
        return shares

    def _sums(self, X: NDArray[np.float32]) -> NDArray[np.float64]:
        rows, cells = len(X), len(X) * self.outputs
        by_feature = X.T.ravel()
        row = np.arange(rows)
        sums = np.tile(self._base, rows)
        for block, depth in enumerate(self._depths):
            roots = self._roots[block * _TREES : (block + 1) * _TREES]
            node = np.repeat(roots, rows)
            place = np.tile(row, len(roots))
            for _ in range(depth):
                seen = by_feature.take(self._column.take(node) * rows + place)
                node = self._child.take(node) + (seen > self._threshold.take(node))
            leaf = self._leaf_number.take(node)
            entry = self._first.take(leaf)
            if not self._one_each:
                count = self._count.take(leaf)
                entry = np.repeat(entry - np.cumsum(count) + count, count) + np.arange(count.sum())
                place = np.repeat(place, count)
            cell = place * self.outputs + self._class.take(entry)
            sums += np.bincount(cell, weights=self._value.take(entry), minlength=cells)
        return sums.reshape(rows, self.outputs)

    def structure(self) -> dict[str, Any]:
        """Return the kind of model."""
        return {"model": "trees", "inputs": self.inputs, "link": self.link}

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return nodes and leaves."""
        return self._arrays


def write_arrays(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """Write arrays as a compressed ``.npz`` file; the same arrays give the same bytes."""
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)  # type: ignore[arg-type]
    return file.getvalue()


def read_arrays(content: bytes) -> dict[str, NDArray[Any]]:
    """Read arrays of plain types from a ``.npz`` file, which may come from anyone."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = archive.infolist()
            _require(len({member.filename for member in members}) == len(members) <= 16, "it is no file of arrays")
            _require(sum(member.file_size for member in members) <= _MAX_BYTES, "it is too large")
            arrays = {}
            for member in members:
                _require(
                    member.compress_type in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED), "it is packed in another way"
                )
                with archive.open(member) as file:
                    # With the size, so that what unpacks to more than it says is never unpacked.
                    data = file.read(member.file_size)
                arrays[member.filename.removesuffix(".npy")] = _read_array(data)
            return arrays
    except (zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError, RuntimeError, OverflowError):
        # RuntimeError: encrypted, or packed in a way that Python does not know.
        raise ValueError("it is no file of arrays") from None


def read_model(content: bytes) -> ArrayModel:
    """Read a model from what `ArrayModel.to_bytes` wrote, or from what anyone else did."""
    arrays = read_arrays(content)
    structure = _read_structure(arrays.pop(_STRUCTURE, None))
    kind = structure.pop("model", None)
    model = _MODELS.get(kind) if isinstance(kind, str) else None
    if model is None:
        raise ValueError("it does not name a kind of model")
    types = {name: array.dtype.str for name, array in arrays.items()}
    _require(types == dict(model.types), "it has other arrays than its kind of model")
    if model is LinearModel:
        _require(not structure, "its structure is malformed")
        return LinearModel(**arrays)
    if model is FusionModel:
        outputs = structure.pop("outputs", None)
        _require(_is_count(outputs) and not structure, "its structure is malformed")
        return FusionModel(arrays["weights"], outputs)
    inputs, link = structure.pop("inputs", None), structure.pop("link", None)
    if not _is_count(inputs) or not isinstance(link, str) or structure:
        raise ValueError("its structure is malformed")
    return TreeModel(inputs=inputs, link=link, **arrays)


_MODELS: Mapping[str, type[LinearModel] | type[TreeModel] | type[FusionModel]] = MappingProxyType(
    {"linear": LinearModel, "trees": TreeModel, "fusion": FusionModel}
)


def _is_count(value: Any) -> bool:
    """Tell whether a value is a whole number."""
    return isinstance(value, int) and not isinstance(value, bool)


def _read_array(data: bytes) -> NDArray[Any]:
    """Read an array of a plain type; NumPy's own reader would evaluate the header and allocate what it asks for."""
    start = len(_MAGIC) + 2
    _require(len(data) >= start and data.startswith(_MAGIC), "it holds something other than arrays")
    end = start + int.from_bytes(data[len(_MAGIC) : start], "little")
    header = _HEADER.fullmatch(data[start:end])
    if header is None:
        raise ValueError("it holds arrays of another type")
    dtype = np.dtype(header[1].decode())
    shape = tuple(int(length) for length in header.groups()[1:] if length is not None)
    _require(len(data) - end == math.prod(shape) * dtype.itemsize, "an array of it has another size than it says")
    return np.ndarray(shape, dtype, buffer=data[end:])


def _read_structure(array: NDArray[Any] | None) -> dict[str, Any]:
    try:
        structure = {} if array is None else json.loads(array.tobytes())
    except (ValueError, RecursionError):
        structure = None
    if not isinstance(structure, dict):
        raise ValueError("its structure is malformed")
    return structure


def _require(holds: bool, reason: str) -> None:
    if not holds:
        raise ValueError(reason)


def _level_order(tree: Tree) -> NDArray[np.intp]:
    """Return the numbers of a tree's nodes, level by level."""
    levels, left = [np.zeros(1, dtype=np.intp)], len(tree.left) - 1
    while (inner := levels[-1][tree.left[levels[-1]] >= 0]).size:
        left -= 2 * len(inner)
        _require(left >= 0, "its trees are inconsistent")
        levels.append(np.column_stack([tree.left[inner], tree.right[inner]]).ravel().astype(np.intp))
    return np.concatenate(levels)


def _round_down(threshold: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return the largest float32 that is not above: what a float32 is compared with comes out the same."""
    with np.errstate(over="ignore"):
        rounded = threshold.astype(np.float32)
    lower: NDArray[np.float32] = np.nextafter(rounded, np.float32(-np.inf))
    return np.where(rounded > threshold, lower, rounded)
