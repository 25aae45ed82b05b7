"""LiteRT models that may come from anyone: read within bounds, checked operator by operator, written anew, then run.

The runtime is C++ that trusts its file: an index out of range ends the process, and a loop never ends. So it never sees
a stranger's file. What `read_network` finds in one is a list of arrays and of operators, all of them in `_OPERATORS`;
their shapes are computed as the runtime would compute them, which bounds memory and time; and what is run is a file
that `write_network` makes from that list.
"""

from __future__ import annotations

import struct
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_IDENTIFIER = b"TFL3"
# What a model may have: far more than any that is trained here.
_MAX_ITEMS, _MAX_AXES, _MAX_LENGTH = 4096, 5, 2**24
# Numbers in all tensors, and multiplications, that one input may take: hundreds of megabytes, and seconds.
_MAX_NUMBERS, _MAX_WORK = 2**26, 2**32
_FLOAT, _INT = 0, 2
_TYPES: Mapping[int, Any] = MappingProxyType({_FLOAT: np.dtype("<f4"), _INT: np.dtype("<i4")})
# None, ReLU, and ReLU up to 6.
_ACTIVATIONS = (0, 1, 3)
_MAX_STRIDE = 64
_NUMBER_BITS = 2**31


class _Field(NamedTuple):
    """A field of a table: a letter of `struct`, ``"text"``, ``"bytes"``, ``"numbers"``, a table, or a list of such."""

    name: str
    kind: Any
    default: Any = None


# The schema of LiteRT, as far as it is read; fields by their numbers. The rest is left out, and so never reaches it.
_CODE = {0: _Field("short", "b", 0), 2: _Field("version", "i", 1), 3: _Field("code", "i", 0)}
_TENSOR = {
    0: _Field("shape", "numbers"),
    1: _Field("type", "b", 0),
    2: _Field("buffer", "I", 0),
    3: _Field("name", "text"),
}
_TENSOR_WRITTEN = _TENSOR | {7: _Field("signature", "numbers")}
_OPERATOR = {
    0: _Field("code", "I", 0),
    1: _Field("inputs", "numbers"),
    2: _Field("outputs", "numbers"),
    3: _Field("options_type", "B", 0),
}
_OPTIONS = 4
_SUBGRAPH = {
    0: _Field("tensors", [_TENSOR]),
    1: _Field("inputs", "numbers"),
    2: _Field("outputs", "numbers"),
    3: _Field("operators", [_OPERATOR]),
}
_BUFFER = {0: _Field("data", "bytes"), 1: _Field("offset", "Q", 0), 2: _Field("size", "Q", 0)}
_NAMED = {0: _Field("name", "text"), 1: _Field("tensor", "I", 0)}
_SIGNATURE = {
    0: _Field("inputs", [_NAMED]),
    1: _Field("outputs", [_NAMED]),
    2: _Field("key", "text"),
    4: _Field("subgraph", "I", 0),
}
_MODEL = {
    0: _Field("version", "I", 0),
    1: _Field("codes", [_CODE]),
    2: _Field("subgraphs", [_SUBGRAPH]),
    4: _Field("buffers", [_BUFFER]),
    7: _Field("signatures", [_SIGNATURE]),
}

_ACTIVATION = _Field("activation", "b", 0)
_WINDOW = (_Field("padding", "b", 0), _Field("stride_w", "i", 0), _Field("stride_h", "i", 0))


class _Operator(NamedTuple):
    """An operator that may be used: its number, its options, and how shapes go through it."""

    code: int
    shape: Callable[[Sequence[Any], Mapping[str, Any]], Any]
    options_type: int = 0
    options: tuple[_Field, ...] = ()
    inputs: tuple[int, int] = (1, 1)


@dataclass(frozen=True, eq=False)
class Step:
    """One operator of a network.

    Attributes
    ----------
    name : str
        Its name in `_OPERATORS`.
    inputs : tuple of int
        Numbers of the tensors that it reads; -1 for one that is left out.
    output : int
        Number of the tensor that it writes.
    options : mapping
        Its options.
    """

    name: str
    inputs: tuple[int, ...]
    output: int
    options: Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class Network:
    """A model as a list of operators, each of which reads what was there before.

    Attributes
    ----------
    types : tuple of numpy.dtype
        Type of each tensor.
    constants : mapping of int to np.ndarray
        The tensors that the file holds.
    source, result : int
        Numbers of the tensors that the model takes and gives.
    source_shape : tuple of int
        Shape of one input.
    steps : tuple of Step
        What is done, in this order.
    """

    types: tuple[Any, ...]
    constants: Mapping[int, NDArray[Any]]
    source: int
    result: int
    source_shape: tuple[int, ...]
    steps: tuple[Step, ...]

    def tensors(self, rows: int) -> dict[int, NDArray[Any]]:
        """Compute the shapes of all tensors for a number of inputs, as the runtime does."""
        found = {number: _shaped(array) for number, array in self.constants.items()}
        found[self.source] = _of_shape((rows, *self.source_shape))
        numbers = work = 0
        for step in self.steps:
            operator = _OPERATORS[step.name]
            arrays = [None if number == -1 else found.get(number) for number in step.inputs]
            _require(
                all((array is None) == (number == -1) for number, array in zip(step.inputs, arrays, strict=True)),
                "an operator reads what is not there",
            )
            try:
                array = operator.shape(arrays, step.options)
            except (IndexError, TypeError, AttributeError):
                raise ValueError(f"the operator {step.name} is given something else than it takes") from None
            is_fit = array.ndim <= _MAX_AXES and array.size > 0 and max(array.shape, default=1) <= _MAX_LENGTH * rows
            _require(is_fit, f"the operator {step.name} gives an array of the shape {array.shape}")
            if array.dtype != np.float32:
                _require(
                    bool((np.abs(array) < _NUMBER_BITS).all()), f"the operator {step.name} gives numbers too large"
                )
            _require(
                _type_of(array) == self.types[step.output], f"the operator {step.name} gives numbers of another type"
            )
            found[step.output] = array
            numbers += array.size
            work += _work(step.name, arrays, array.size)
            # Checked at every step: broadcasting could square a size each time.
            _require(
                numbers <= _MAX_NUMBERS * rows and work <= _MAX_WORK * rows, "it takes too much memory or too long"
            )
        _require(self.result in found, "it gives what is not there")
        return found


class LiteRTRunner:
    """A LiteRT interpreter as a function from inputs to outputs; threads take turns.

    Attributes
    ----------
    input_shape, output_shape : list of int
        Shape of one input and of one output.
    """

    def __init__(self, content: bytes) -> None:
        from ai_edge_litert.interpreter import Interpreter, OpResolverType

        self._network = read_network(content)
        self.input_shape: list[int] = list(self._network.source_shape)
        self.output_shape: list[int] = list(self._network.tensors(1)[self._network.result].shape[1:])
        interpreter = Interpreter(
            model_content=write_network(self._network),
            num_threads=1,
            # The default delegate announces itself on the standard error, and gains nothing on models this small.
            experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        )
        self._run = interpreter.get_signature_runner()
        self._lock = threading.Lock()
        self._checked = 0

    def __call__(self, X: NDArray[Any]) -> NDArray[np.float32]:
        """Run the model."""
        with self._lock:
            if len(X) != self._checked:
                self._network.tensors(len(X))
                self._checked = len(X)
            outputs: NDArray[np.float32] = self._run(inputs=X)["outputs"]
        return outputs


def read_network(content: bytes) -> Network:
    """Read a model from a ``.tflite`` file, which may come from anyone."""
    reader = _Reader(content)
    model = reader.root(_MODEL)
    _require(len(model["subgraphs"]) == 1, f"it has {len(model['subgraphs'])} graphs and must have one")
    _require(len(model["signatures"]) == 1, f"it has {len(model['signatures'])} signatures and must have one")
    (graph,), (signature,) = model["subgraphs"], model["signatures"]
    _require(signature["subgraph"] == 0, f"its signature is of graph {signature['subgraph']}, which does not exist")
    tensors, buffers = graph["tensors"], model["buffers"]
    ends = [[each["tensor"] for each in signature[side]] for side in ("inputs", "outputs")]
    _require(
        all(len(end) == 1 for end in ends) and ends == [graph["inputs"], graph["outputs"]],
        "it does not take one tensor and give one",
    )
    ((source,), (result,)) = ends
    _require(max(source, result) < len(tensors), "it takes or gives a tensor that does not exist")
    types = [_TYPES.get(tensor["type"]) for tensor in tensors]
    _require(
        types[source] == types[result] == np.float32,
        "it takes or gives something other than numbers of single precision",
    )
    shape = tensors[source]["shape"]
    _require(
        1 < len(shape) <= _MAX_AXES and shape[0] == 1 and all(1 <= length <= _MAX_LENGTH for length in shape),
        "it takes an array of no shape that is known",
    )
    names = [_name_of(code) for code in model["codes"]]
    steps = []
    written = {source}
    constants: dict[int, NDArray[Any]] = {}
    for operator in graph["operators"]:
        _require(operator["code"] < len(names), "an operator has a number that does not exist")
        name = names[operator["code"]]
        kind = _OPERATORS[name]
        inputs, outputs = operator["inputs"], operator["outputs"]
        _require(
            kind.inputs[0] <= len(inputs) <= kind.inputs[1]
            and len(outputs) == 1
            and all(-1 <= number < len(tensors) for number in inputs)
            and 0 <= outputs[0] < len(tensors),
            f"the operator {name} reads or writes something else than it may",
        )
        _require(
            not kind.options or operator["options_type"] in (0, kind.options_type),
            f"the operator {name} has options of another",
        )
        options = {"activation": 0, **reader.options(operator, kind)}
        _require(options["activation"] in _ACTIVATIONS, f"the operator {name} has an activation that is not known")
        for number in {*inputs} - written - {-1} - constants.keys():
            constants[number] = _constant(tensors[number], types[number], buffers)
        (output,) = outputs
        _require(
            output not in written and output not in constants and types[output] is not None,
            f"the operator {name} writes what it may not",
        )
        written.add(output)
        steps.append(Step(name, tuple(inputs), output, options))
    total = sum(array.nbytes for array in constants.values())
    _require(total <= len(content), "its arrays share their numbers")
    network = Network(tuple(types), constants, source, result, tuple(shape[1:]), tuple(steps))
    for rows in (1, 2):
        found = network.tensors(rows)[result].shape
        _require(len(found) == 2 and found[0] == rows, f"it gives an array of the shape {found} for {rows} inputs")
    return network


def write_network(network: Network) -> bytes:
    """Write a model as a ``.tflite`` file."""
    found = network.tensors(1)
    tensors: list[dict[str, Any]] = []
    buffers: list[dict[str, Any]] = [{}]
    for number, array in sorted(found.items()):
        constant = network.constants.get(number)
        tensor = {"shape": list(array.shape), "type": _INT if array.dtype != np.float32 else _FLOAT, "buffer": 0}
        if constant is not None:
            tensor["buffer"] = len(buffers)
            buffers.append({"data": constant.tobytes()})
        elif number in (network.source, network.result):
            tensor["signature"] = [-1, *array.shape[1:]]
        tensors.append({**tensor, "name": str(number)})
    place = {number: k for k, number in enumerate(sorted(found))} | {-1: -1}
    names = sorted({step.name for step in network.steps})
    operators = [
        {
            "code": names.index(step.name),
            "inputs": [place[number] for number in step.inputs],
            "outputs": [place[step.output]],
            "options_type": _OPERATORS[step.name].options_type,
            "options": step.options,
        }
        for step in network.steps
    ]
    codes = [_OPERATORS[name].code for name in names]
    source, result = place[network.source], place[network.result]
    model = {
        "version": 3,
        "codes": [{"short": min(code, 127), "code": code} for code in codes],
        "subgraphs": [{"tensors": tensors, "inputs": [source], "outputs": [result], "operators": operators}],
        "buffers": buffers,
        "signatures": [
            {
                "inputs": [{"name": "inputs", "tensor": source}],
                "outputs": [{"name": "outputs", "tensor": result}],
                "key": "serving_default",
            }
        ],
    }
    return _Writer().root(model, names)


def _name_of(code: Mapping[str, Any]) -> str:
    """Return the name of an operator's number; small numbers may stand in an older field."""
    number = max(code["short"], code["code"])
    name = _NAMES.get(number)
    if name is None:
        raise ValueError(f"it has the operator number {number}, which no model of this package has")
    return name


def _constant(tensor: Mapping[str, Any], dtype: Any, buffers: Sequence[Mapping[str, Any]]) -> NDArray[Any]:
    """Return a tensor that the file holds."""
    shape = tensor["shape"]
    _require(dtype is not None, "it has numbers of a type that is not known")
    _require(tensor["buffer"] < len(buffers), "a tensor has a buffer that does not exist")
    buffer = buffers[tensor["buffer"]]
    _require(buffer["offset"] == buffer["size"] == 0 and len(buffer["data"]) > 0, "an operator reads what is not there")
    _require(
        len(shape) <= _MAX_AXES and all(1 <= length <= _MAX_LENGTH for length in shape),
        "a tensor has a shape that is not known",
    )
    size = int(np.prod(shape, dtype=object))
    _require(size * dtype.itemsize == len(buffer["data"]), "a tensor has another size than its shape says")
    return np.frombuffer(buffer["data"], dtype).reshape(shape)


class _Reader:
    """A flatbuffer that is read where its tables say, as long as that is inside."""

    def __init__(self, content: bytes) -> None:
        self._content = memoryview(content)

    def root(self, fields: Mapping[int, _Field]) -> dict[str, Any]:
        _require(bytes(self._content[4:8]) == _IDENTIFIER, "it is no LiteRT model")
        return self._table(self._follow(0), fields)

    def options(self, operator: Mapping[str, Any], kind: _Operator) -> dict[str, Any]:
        """Return the options of an operator; their defaults where it has none."""
        fields = dict(enumerate(kind.options))
        where = self._field(operator["table"], _OPTIONS, 4)
        if where is None:
            return {field.name: field.default for field in fields.values()}
        return self._table(self._follow(where), fields)

    def _table(self, place: int, fields: Mapping[int, _Field]) -> dict[str, Any]:
        return {"table": place} | {
            field.name: self._value(place, number, field) for number, field in fields.items() if field.name
        }

    def _field(self, table: int, number: int, size: int) -> int | None:
        """Return where a field of a table stands; None where it is left out."""
        directory = table - self._number("i", table)
        length, whole = self._number("H", directory), self._number("H", directory + 2)
        if 4 + 2 * number + 2 > length:
            return None
        offset: int = self._number("H", directory + 4 + 2 * number)
        if offset == 0:
            return None
        _require(4 <= offset <= whole - size, "a field stands outside its table")
        return table + offset

    def _value(self, table: int, number: int, field: _Field) -> Any:
        if isinstance(field.kind, str) and len(field.kind) == 1:
            where = self._field(table, number, struct.calcsize(field.kind))
            return field.default if where is None else self._number(field.kind, where)
        where = self._field(table, number, 4)
        start = None if where is None else self._follow(where)
        if field.kind == "text":
            # Names of others are not needed.
            return ""
        if field.kind == "bytes":
            return memoryview(b"") if start is None else self._vector(start, 1, len(self._content))
        if start is None:
            return []
        items = self._vector(start, 4, _MAX_ITEMS)
        if field.kind == "numbers":
            return np.frombuffer(items, "<i4").tolist()
        (fields,) = field.kind
        return [self._table(self._follow(start + 4 + 4 * k), fields) for k in range(len(items) // 4)]

    def _vector(self, place: int, size: int, most: int) -> memoryview:
        count = self._number("I", place)
        _require(count <= most and place + 4 + size * count <= len(self._content), "a list is longer than the file")
        return self._content[place + 4 : place + 4 + size * count]

    def _follow(self, place: int) -> int:
        return place + int(self._number("I", place))

    def _number(self, kind: str, place: int) -> Any:
        _require(0 <= place <= len(self._content) - struct.calcsize(kind), "it points outside itself")
        return struct.unpack_from(f"<{kind}", self._content, place)[0]


class _Writer:
    """A flatbuffer that is written from the front: each table, then what it points to."""

    def __init__(self) -> None:
        self._content = bytearray(4) + _IDENTIFIER

    def root(self, model: Mapping[str, Any], names: Sequence[str]) -> bytes:
        """Write a model whose operators have these names, by number."""
        self._names = names
        self._point(0, self._table(model, _MODEL))
        return bytes(self._content)

    def _table(self, values: Mapping[str, Any], fields: Mapping[int, _Field]) -> int:
        if fields is _OPERATOR:
            kind = _OPERATORS[self._names[values["code"]]]
            options = {_OPTIONS: _Field("options", dict(enumerate(kind.options)))} if kind.options_type else {}
            fields = fields | options
        elif fields is _TENSOR:
            fields = _TENSOR_WRITTEN
        present = {number: field for number, field in fields.items() if field.name in values}
        offsets, end = {}, 4
        for number, field in present.items():
            # Eight bytes for the longest numbers, four for all the others.
            size = 8 if field.kind == "Q" else 4
            offsets[number] = end = -(-end // size) * size
            end += size
        count = max(present, default=-1) + 1
        self._align(4, 2 * count + 4)
        directory = len(self._content)
        self._content += struct.pack("<HH", 4 + 2 * count, end)
        self._content += struct.pack(f"<{count}H", *(offsets.get(number, 0) for number in range(count)))
        table = len(self._content)
        self._content += struct.pack("<i", table - directory) + bytes(end - 4)
        for number, field in present.items():
            self._put(table + offsets[number], field.kind, values[field.name])
        return table

    def _put(self, place: int, kind: Any, value: Any) -> None:
        if isinstance(kind, str) and len(kind) == 1:
            struct.pack_into(f"<{kind}", self._content, place, value)
        elif isinstance(kind, str):
            data = value if kind == "bytes" else value.encode() if kind == "text" else np.array(value, "<i4").tobytes()
            # The runtime wants its numbers at multiples of 16.
            self._align(16 if kind == "bytes" else 4, 4)
            self._point(place, len(self._content))
            self._content += struct.pack("<I", len(data) // (4 if kind == "numbers" else 1)) + data
            self._content += b"\0" if kind == "text" else b""
        elif isinstance(kind, list):
            self._align(4, 0)
            start = len(self._content)
            self._point(place, start)
            self._content += struct.pack("<I", len(value)) + bytes(4 * len(value))
            for k, each in enumerate(value):
                self._point(start + 4 + 4 * k, self._table(each, kind[0]))
        else:
            self._point(place, self._table(value, kind))

    def _align(self, size: int, ahead: int) -> None:
        """Fill up so that what comes after the next `ahead` bytes stands at a multiple of `size`."""
        self._content += bytes(-(len(self._content) + ahead) % size)

    def _point(self, place: int, target: int) -> None:
        struct.pack_into("<I", self._content, place, target - place)


def _require(holds: bool, reason: str) -> None:
    if not holds:
        raise ValueError(reason)


def _of_shape(shape: Sequence[int]) -> NDArray[np.float32]:
    """Return an array of a shape that takes no memory."""
    return np.broadcast_to(np.float32(0), tuple(shape))


def _shaped(array: NDArray[Any]) -> NDArray[Any]:
    return _of_shape(array.shape) if array.dtype == np.float32 else array.astype(np.int64)


def _type_of(array: NDArray[Any]) -> Any:
    return np.dtype("<f4") if array.dtype == np.float32 else np.dtype("<i4")


def _work(name: str, arrays: Sequence[Any], size: int) -> int:
    """Return how many numbers are looked at for an output of a size."""
    if name == "CONV_2D":
        return size * int(np.prod(arrays[1].shape[1:]))
    if name == "FULLY_CONNECTED":
        return size * int(arrays[1].shape[-1])
    if name == "BATCH_MATMUL":
        return size * int(max(arrays[0].shape[-2:]))
    return max(size, *(array.size for array in arrays if array is not None)) if name in _REDUCERS else size


def _is_float(*arrays: Any) -> None:
    _require(all(array is None or array.dtype == np.float32 for array in arrays), "numbers of another type")


def _elementwise(arrays: Sequence[Any], _options: Mapping[str, Any]) -> NDArray[Any]:
    _is_float(*arrays)
    return _of_shape(np.broadcast_shapes(*(array.shape for array in arrays)))


def _axes(array: Any, axes: Any) -> tuple[int, ...]:
    """Return axes as numbers from zero, each once."""
    _require(axes.dtype != np.float32 and axes.ndim <= 1 and axes.size > 0, "its axes are no list of whole numbers")
    numbers = [int(axis) for axis in axes.ravel()]
    _require(all(-array.ndim <= axis < array.ndim for axis in numbers), "it has no such axis")
    found = tuple(axis % array.ndim for axis in numbers)
    _require(len(set(found)) == len(found), "an axis is named twice")
    return found


def _reduce(arrays: Sequence[Any], options: Mapping[str, Any]) -> NDArray[Any]:
    _is_float(arrays[0])
    axes = _axes(*arrays)
    kept = [1 if axis in axes else length for axis, length in enumerate(arrays[0].shape)]
    return _of_shape(kept if options["keep"] else [n for axis, n in enumerate(arrays[0].shape) if axis not in axes])


def _product(arrays: Sequence[Any], options: Mapping[str, Any]) -> NDArray[Any]:
    array, axes = arrays
    _require(array.dtype != np.float32 and array.size <= _MAX_AXES, "it multiplies something else than lengths")
    product = np.asarray(array.astype(object).prod(axis=_axes(array, axes), keepdims=bool(options["keep"])))
    _require(bool((np.abs(product) < _NUMBER_BITS).all()), "a product is too large")
    return product.astype(np.int64)


def _transpose(arrays: Sequence[Any], _options: Mapping[str, Any]) -> NDArray[Any]:
    _is_float(arrays[0])
    order = _axes(*arrays)
    _require(len(order) == arrays[0].ndim, "it does not name every axis")
    return _of_shape([arrays[0].shape[axis] for axis in order])


def _reshape(arrays: Sequence[Any], _options: Mapping[str, Any]) -> NDArray[Any]:
    array, wanted = arrays
    _require(wanted.dtype != np.float32 and wanted.ndim == 1 and wanted.size <= _MAX_AXES, "it has no shape")
    shape = [int(length) for length in wanted]
    _require(shape.count(-1) <= 1 and all(length >= 1 or length == -1 for length in shape), "it has no shape")
    return array.reshape(shape) if array.dtype != np.float32 else _of_shape(_filled(shape, array.size))


def _filled(shape: Sequence[int], size: int) -> list[int]:
    """Return a shape with the length that is left open, for so many numbers."""
    known = int(np.prod([length for length in shape if length != -1], dtype=object))
    filled = [size // known if length == -1 else length for length in shape]
    _require(int(np.prod(filled, dtype=object)) == size, "the new shape holds another number of numbers")
    return filled


def _expand(arrays: Sequence[Any], _options: Mapping[str, Any]) -> NDArray[Any]:
    array, axis = arrays
    _is_float(array)
    _require(axis.dtype != np.float32 and axis.size == 1, "it has no axis")
    number = int(axis.ravel()[0])
    _require(-array.ndim - 1 <= number <= array.ndim, "it has no such axis")
    return _of_shape(np.expand_dims(array, number).shape)


def _concatenate(arrays: Sequence[Any], options: Mapping[str, Any]) -> NDArray[Any]:
    _require(len({array.dtype for array in arrays}) == 1 and arrays[0].ndim > 0, "its arrays do not fit together")
    shapes = [array.shape for array in arrays]
    (axis,) = _axes(arrays[0], np.array([options["axis"]]))
    others = {(*shape[:axis], *shape[axis + 1 :]) for shape in shapes}
    _require(len(others) == 1 and len({len(shape) for shape in shapes}) == 1, "its arrays do not fit together")
    if arrays[0].dtype != np.float32:
        _require(options["activation"] == 0, "its numbers are whole")
        return np.concatenate(arrays, axis=axis)
    length = sum(shape[axis] for shape in shapes)
    return _of_shape([length if k == axis else n for k, n in enumerate(shapes[0])])


def _pack(arrays: Sequence[Any], options: Mapping[str, Any]) -> NDArray[Any]:
    _require(
        options["axis"] == 0
        and options["count"] == len(arrays)
        and all(array.ndim == 0 and array.dtype != np.float32 for array in arrays),
        "it packs something else than lengths",
    )
    return np.stack(arrays)


def _gather(arrays: Sequence[Any], options: Mapping[str, Any]) -> NDArray[Any]:
    array, places = arrays
    _require(
        options["axis"] == options["batch"] == 0
        and array.ndim == places.ndim == 1
        and np.float32 not in (array.dtype, places.dtype)
        and bool(((places >= 0) & (places < array.size)).all()),
        "it takes something else than lengths",
    )
    taken: NDArray[Any] = array[places]
    return taken


def _strided_slice(arrays: Sequence[Any], options: Mapping[str, Any]) -> NDArray[Any]:
    array, *parts = arrays
    _require(
        all(part.dtype != np.float32 and part.shape == (array.ndim,) for part in parts)
        and not (options["ellipsis"] or options["new"] or options["offset"])
        and all(0 <= options[mask] < 2**array.ndim for mask in ("begin", "end", "shrink")),
        "it cuts in a way that is not known",
    )
    _require(all(bool((part >= -_NUMBER_BITS).all()) for part in parts) and bool((parts[2] == 1).all()), "it leaps")
    cuts: list[Any] = []
    for axis, (begin, end) in enumerate(zip(parts[0].tolist(), parts[1].tolist(), strict=True)):
        length = array.shape[axis]
        if options["shrink"] >> axis & 1:
            _require(-length <= begin < length, "it takes what is not there")
            cuts.append(begin)
        else:
            cuts.append(
                slice(None if options["begin"] >> axis & 1 else begin, None if options["end"] >> axis & 1 else end)
            )
    cut: NDArray[Any] = np.asarray(array[tuple(cuts)])
    return cut


def _fully_connected(arrays: Sequence[Any], options: Mapping[str, Any]) -> NDArray[Any]:
    array, weights, *bias = arrays
    _is_float(*arrays)
    _require(
        weights.ndim == 2
        and array.ndim >= 2
        and array.shape[-1] == weights.shape[1]
        and options["format"] == 0
        and all(each is None or each.shape == weights.shape[:1] for each in bias),
        "the weights do not fit",
    )
    units = weights.shape[0]
    rows = array.shape[:-1] if options["keep"] else [array.size // array.shape[-1]]
    return _of_shape([*rows, units])


def _batch_matmul(arrays: Sequence[Any], options: Mapping[str, Any]) -> NDArray[Any]:
    _is_float(*arrays)
    first, second = (
        array.shape[:-2] + (array.shape[:-3:-1] if options[side] else array.shape[-2:])
        for array, side in zip(arrays, ("first", "second"), strict=True)
    )
    _require(
        len(first) == len(second) >= 2 and first[:-2] == second[:-2] and first[-1] == second[-2], "they do not fit"
    )
    return _of_shape([*first[:-1], second[-1]])


def _softmax(arrays: Sequence[Any], options: Mapping[str, Any]) -> NDArray[Any]:
    _is_float(*arrays)
    _require(1 <= arrays[0].ndim <= 4 and 0 < options["beta"] <= 100, "it is no softmax that is known")
    return _of_shape(arrays[0].shape)


def _windows(shape: Sequence[int], size: Sequence[int], options: Mapping[str, Any]) -> list[int]:
    """Return how many places a window has, above each other and beside each other."""
    _require(options["padding"] in (0, 1), "it pads in a way that is not known")
    lengths = []
    for length, window, side in zip(shape[1:3], size, ("stride_h", "stride_w"), strict=True):
        stride = options[side]
        _require(1 <= stride <= _MAX_STRIDE and 1 <= window <= _MAX_LENGTH, "its window has no size that is known")
        lengths.append(-(-(length if options["padding"] == 0 else length - window + 1) // stride))
    return lengths


def _convolution(arrays: Sequence[Any], options: Mapping[str, Any]) -> NDArray[Any]:
    array, filters, *bias = arrays
    _is_float(*arrays)
    _require(
        array.ndim == filters.ndim == 4
        and array.shape[3] == filters.shape[3]
        and options["dilation_w"] == options["dilation_h"] == 1
        and all(each is None or each.shape == filters.shape[:1] for each in bias),
        "the filters do not fit",
    )
    return _of_shape([array.shape[0], *_windows(array.shape, filters.shape[1:3], options), filters.shape[0]])


def _pooling(arrays: Sequence[Any], options: Mapping[str, Any]) -> NDArray[Any]:
    (array,) = arrays
    _is_float(array)
    _require(array.ndim == 4, "it pools something else than pictures")
    _require(max(options["height"], options["width"]) <= _MAX_STRIDE, "its window is too large")
    return _of_shape(
        [array.shape[0], *_windows(array.shape, (options["height"], options["width"]), options), array.shape[3]]
    )


def _shape_of(arrays: Sequence[Any], options: Mapping[str, Any]) -> NDArray[Any]:
    _require(options["type"] == _INT, "it gives numbers of another type")
    return np.array(arrays[0].shape, dtype=np.int64)


_KEEP = (_Field("keep", "?", False),)
_POOL = (*_WINDOW, _Field("width", "i", 0), _Field("height", "i", 0), _ACTIVATION)
_REDUCERS = ("MEAN", "SUM", "REDUCE_MAX", "REDUCE_PROD")
_TWO = (2, 2)

# What the dense networks and the network on pictures are exported to, and a few that another converter might take
# instead: each does a bounded amount of work, and none of them repeats another.
_OPERATORS: Mapping[str, _Operator] = MappingProxyType(
    {
        "ADD": _Operator(0, _elementwise, 11, (_ACTIVATION,), _TWO),
        "SUB": _Operator(41, _elementwise, 28, (_ACTIVATION,), _TWO),
        "MUL": _Operator(18, _elementwise, 21, (_ACTIVATION,), _TWO),
        "DIV": _Operator(42, _elementwise, 29, (_ACTIVATION,), _TWO),
        "MAXIMUM": _Operator(55, _elementwise, inputs=_TWO),
        "MINIMUM": _Operator(57, _elementwise, inputs=_TWO),
        "SQUARED_DIFFERENCE": _Operator(99, _elementwise, inputs=_TWO),
        **{
            name: _Operator(code, _elementwise)
            for name, code in {
                "RELU": 19, "NEG": 59, "LOG": 73, "EXP": 47, "SQRT": 75, "RSQRT": 76, "SQUARE": 92, "ABS": 101,
                "LOGISTIC": 14, "TANH": 28,
            }.items()
        },
        "MEAN": _Operator(40, _reduce, 27, _KEEP, _TWO),
        "SUM": _Operator(74, _reduce, 27, _KEEP, _TWO),
        "REDUCE_MAX": _Operator(82, _reduce, 27, _KEEP, _TWO),
        "REDUCE_PROD": _Operator(81, _product, 27, _KEEP, _TWO),
        "TRANSPOSE": _Operator(39, _transpose, inputs=_TWO),
        "RESHAPE": _Operator(22, _reshape, inputs=_TWO),
        "EXPAND_DIMS": _Operator(70, _expand, inputs=_TWO),
        "SHAPE": _Operator(77, _shape_of, 55, (_Field("type", "b", 0),)),
        "GATHER": _Operator(36, _gather, 23, (_Field("axis", "i", 0), _Field("batch", "i", 0)), _TWO),
        "PACK": _Operator(83, _pack, 59, (_Field("count", "i", 0), _Field("axis", "i", 0)), (1, _MAX_AXES)),
        "CONCATENATION": _Operator(2, _concatenate, 10, (_Field("axis", "i", 0), _ACTIVATION), (1, 64)),
        "STRIDED_SLICE": _Operator(
            45,
            _strided_slice,
            32,
            (
                *(_Field(name, "i", 0) for name in ("begin", "end", "ellipsis", "new", "shrink")),
                _Field("offset", "?", False),
            ),
            (4, 4),
        ),
        "FULLY_CONNECTED": _Operator(
            9, _fully_connected, 8, (_ACTIVATION, _Field("format", "b", 0), _Field("keep", "?", False)), (2, 3)
        ),
        "BATCH_MATMUL": _Operator(
            126, _batch_matmul, 101, (_Field("first", "?", False), _Field("second", "?", False)), _TWO
        ),
        "SOFTMAX": _Operator(25, _softmax, 9, (_Field("beta", "f", 0.0),)),
        "CONV_2D": _Operator(
            3, _convolution, 1, (*_WINDOW, _ACTIVATION, _Field("dilation_w", "i", 1), _Field("dilation_h", "i", 1)),
            (2, 3),
        ),
        "MAX_POOL_2D": _Operator(17, _pooling, 5, _POOL),
        "AVERAGE_POOL_2D": _Operator(1, _pooling, 5, _POOL),
    }
)  # fmt: skip
_NAMES: Mapping[int, str] = MappingProxyType({operator.code: name for name, operator in _OPERATORS.items()})
