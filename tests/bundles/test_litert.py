"""Networks from strangers: what is run is what a training writes, and everything else is refused before it runs."""

from __future__ import annotations

import copy
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from audio_genre.bundles.litert import LiteRTRunner, read_network, write_network

SHIPPED = Path(__file__).parents[2] / "models/shipped/adam-5"
WHILE = 119


@pytest.fixture(scope="module")
def dense() -> bytes:
    return (SHIPPED / "model.tflite").read_bytes()


@pytest.fixture(scope="module")
def pictures() -> bytes:
    """A network on pictures, small and untrained: its operators are those of a large one."""
    from audio_genre.bundles.bundle import _export
    from audio_genre.training.cnn import CnnSettings

    settings = CnnSettings(convolutional=1, textures=1, filters=(4, 4), coefficients=4, hidden=8)
    return _export(settings.build(16, np.full(128, 100.0), np.full(128, 3000.0), 3), Path("unused"))


@pytest.fixture(scope="module")
def transformer() -> bytes:
    """A transformer on pictures, small and untrained."""
    from audio_genre.bundles.bundle import _export
    from audio_genre.training.transformer import TransformerSettings

    settings = TransformerSettings(patch=(32, 8), width=8, layers=1, heads=2)
    return _export(settings.build(16, np.full(128, 100.0), np.full(128, 3000.0), 3), Path("unused"))


def unpacked(content: bytes) -> Any:
    return schema.ModelT.InitFromPackedBuf(content, 0)


def packed(model: Any) -> bytes:
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def names_of(content: bytes) -> set[str]:
    names = {value: name for name, value in vars(schema.BuiltinOperator).items() if isinstance(value, int)}
    return {names[code.builtinCode] for code in unpacked(content).operatorCodes}


@pytest.mark.parametrize("kind", ["dense", "pictures", "transformer"])
def test_what_is_run_gives_the_same_bits_as_the_file(kind: str, request: pytest.FixtureRequest) -> None:
    content = request.getfixturevalue(kind)
    ours = LiteRTRunner(content)
    theirs = Interpreter(
        model_content=content, experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    ).get_signature_runner()
    (name,) = theirs.get_input_details()
    for rows in (1, 3, 2, 1):
        X = np.random.default_rng(rows).uniform(0, 255, (rows, *ours.input_shape)).astype(np.float32)
        (expected,) = theirs(**{name: X}).values()
        np.testing.assert_array_equal(ours(X), expected)
        assert expected.shape == (rows, *ours.output_shape)


@pytest.mark.parametrize("kind", ["dense", "pictures", "transformer"])
def test_many_inputs_take_no_more_of_each(kind: str, request: pytest.FixtureRequest) -> None:
    network = read_network(request.getfixturevalue(kind))
    network.tensors(100_000)


def test_what_is_written_is_a_flatbuffer_that_others_read_and_again_the_same(pictures: bytes) -> None:
    network = read_network(pictures)
    written = write_network(network)
    assert names_of(written) == names_of(pictures)
    before, after = unpacked(pictures), unpacked(written)
    assert len(before.subgraphs[0].operators) == len(after.subgraphs[0].operators)
    assert write_network(read_network(written)) == written
    # The runtime wants its numbers aligned.
    assert all(
        written.find(b.data.tobytes()) % 16 == 0 for b in after.buffers if b.data is not None and b.data.size > 99
    )


def add_loop(model: Any) -> None:
    """Put a loop that never ends in front of the last operator."""
    code = schema.OperatorCodeT()
    code.builtinCode, code.deprecatedBuiltinCode = WHILE, WHILE
    model.operatorCodes.append(code)
    graph = model.subgraphs[0]
    model.subgraphs += [copy.deepcopy(graph), copy.deepcopy(graph)]
    loop, options = schema.OperatorT(), schema.WhileOptionsT()
    options.condSubgraphIndex, options.bodySubgraphIndex = 1, 2
    loop.opcodeIndex, loop.builtinOptions = len(model.operatorCodes) - 1, options
    loop.builtinOptionsType = schema.BuiltinOptions.WhileOptions
    loop.inputs = loop.outputs = graph.operators[-1].inputs
    graph.operators.insert(-1, loop)


def add_loop_alone(model: Any) -> None:
    add_loop(model)
    del model.subgraphs[1:]


def concatenate_for_ever(model: Any) -> None:
    """Double an array forty times."""
    graph = model.subgraphs[0]
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = 2
    model.operatorCodes.append(code)
    last = 0
    for _ in range(40):
        tensor = copy.deepcopy(graph.tensors[0])
        graph.tensors.append(tensor)
        operator, options = schema.OperatorT(), schema.ConcatenationOptionsT()
        options.axis = 1
        operator.opcodeIndex, operator.builtinOptions = len(model.operatorCodes) - 1, options
        operator.builtinOptionsType = schema.BuiltinOptions.ConcatenationOptions
        operator.inputs = np.array([last, last], np.int32)
        last = len(graph.tensors) - 1
        operator.outputs = np.array([last], np.int32)
        graph.operators.append(operator)


def outer_products(model: Any) -> None:
    """Square the size of an array by broadcasting."""
    graph = model.subgraphs[0]
    wide = next(
        k for k, tensor in enumerate(graph.tensors) if tensor.shape is not None and list(tensor.shape) == [512, 57]
    )
    size = 2**15
    for shape in ([size, 1], [1, size]):
        tensor, buffer = copy.deepcopy(graph.tensors[wide]), schema.BufferT()
        buffer.data = np.zeros(4 * size, np.uint8)
        model.buffers.append(buffer)
        tensor.shape, tensor.buffer = np.array(shape, np.int32), len(model.buffers) - 1
        graph.tensors.append(tensor)
    graph.operators[0].inputs = np.array([len(graph.tensors) - 2, len(graph.tensors) - 1], np.int32)


def set_in(path: str, value: Any) -> Callable[[Any], None]:
    def change(model: Any) -> None:
        *steps, last = path.split(".")
        holder = model
        for step in steps:
            holder = holder[int(step)] if step.lstrip("-").isdigit() else getattr(holder, step)
        setattr(holder, last, value)

    return change


HOSTILE: dict[str, tuple[Callable[[Any], None], str]] = {
    "a loop": (add_loop, "it has 3 graphs and must have one"),
    "a loop in one graph": (add_loop_alone, "it has the operator number 119, which no model"),
    "a signature of another graph": (
        set_in("signatureDefs.0.subgraphIndex", 65535),
        "graph 65535, which does not exist",
    ),
    "no signature": (set_in("signatureDefs", []), "it has 0 signatures"),
    "a signature of another tensor": (set_in("signatureDefs.0.outputs.0.tensorIndex", 3), "take one tensor and give"),
    "a result that is not there": (
        lambda model: [
            set_in("signatureDefs.0.outputs.0.tensorIndex", 2**31 - 1)(model),
            set_in("subgraphs.0.outputs", np.array([2**31 - 1], np.int32))(model),
        ],
        "takes or gives a tensor that does not exist",
    ),
    "a custom operator": (set_in("operatorCodes.1.builtinCode", 32), "the operator number 32"),
    "a delegate": (set_in("operatorCodes.6.builtinCode", 51), "the operator number 51"),
    "an operator number": (set_in("subgraphs.0.operators.0.opcodeIndex", 2**31), "a number that does not exist"),
    "an input number": (
        set_in("subgraphs.0.operators.0.inputs", np.array([0, 2**30], np.int32)),
        "reads or writes something else",
    ),
    "an input too many": (
        set_in("subgraphs.0.operators.0.inputs", np.array([0, 13, 13], np.int32)),
        "reads or writes something else",
    ),
    "an input left out": (set_in("subgraphs.0.operators.0.inputs", np.array([0, -1], np.int32)), "is given something"),
    "what comes later": (set_in("subgraphs.0.operators.0.inputs", np.array([0, 20], np.int32)), "what is not there"),
    "writing a weight": (
        set_in("subgraphs.0.operators.12.outputs", np.array([8], np.int32)),
        "writes what it may not",
    ),
    "writing twice": (set_in("subgraphs.0.operators.2.outputs", np.array([15], np.int32)), "writes what it may not"),
    "a buffer number": (set_in("subgraphs.0.tensors.13.buffer", 10**6), "a buffer that does not exist"),
    "a buffer that is shorter": (set_in("buffers.9.data", np.zeros(8, np.uint8)), "another size than its shape"),
    "a buffer beside the file": (set_in("buffers.9.offset", 10**12), "reads what is not there"),
    "a negative length": (
        set_in("subgraphs.0.tensors.8.shape", np.array([-512, -57], np.int32)),
        "a shape that is not",
    ),
    "weights of another width": (
        set_in("subgraphs.0.tensors.8.shape", np.array([57, 512], np.int32)),
        "the weights do not fit",
    ),
    "numbers of another type": (set_in("subgraphs.0.tensors.8.type", 9), "numbers of a type that is not known"),
    "an activation": (
        set_in("subgraphs.0.operators.10.builtinOptions.fusedActivationFunction", 100),
        "an activation that is not known",
    ),
    "options of another": (set_in("subgraphs.0.operators.10.builtinOptionsType", 9), "options of another"),
    "a wide input": (
        set_in("subgraphs.0.tensors.0.shape", np.array([1, 2**31 - 1], np.int32)),
        "takes an array of no shape",
    ),
    "doubling": (concatenate_for_ever, "too much memory or too long|gives an array of the shape"),
    "outer products": (outer_products, "too much memory or too long"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_no_training_writes_is_refused_before_it_is_run(name: str, dense: bytes) -> None:
    change, reason = HOSTILE[name]
    model = unpacked(dense)
    change(model)
    with pytest.raises(ValueError, match=reason):
        LiteRTRunner(packed(model))


@pytest.mark.parametrize(
    ("operator", "field", "value"),
    [
        ("MAX_POOL_2D", "strideW", 0),
        ("MAX_POOL_2D", "filterHeight", 0),
        ("MAX_POOL_2D", "filterWidth", 2**30),
        ("CONV_2D", "strideH", -1),
        ("CONV_2D", "dilationWFactor", 0),
        ("CONV_2D", "padding", 7),
        ("GATHER", "axis", 9),
        ("PACK", "valuesCount", 100),
        ("CONCATENATION", "axis", 77),
        ("STRIDED_SLICE", "newAxisMask", 1),
        ("BATCH_MATMUL", "adjY", True),
        ("SOFTMAX", "beta", float("nan")),
        ("SHAPE", "outType", 4),
    ],
)
def test_options_that_would_divide_by_zero_or_reach_outside_are_refused(
    pictures: bytes, operator: str, field: str, value: Any
) -> None:
    model = unpacked(pictures)
    number = next(
        k for k, c in enumerate(model.operatorCodes) if c.builtinCode == getattr(schema.BuiltinOperator, operator)
    )
    chosen = next(o for o in model.subgraphs[0].operators if o.opcodeIndex == number)
    setattr(chosen.builtinOptions, field, value)
    with pytest.raises(ValueError, match=r"\w"):
        LiteRTRunner(packed(model))


@pytest.mark.parametrize("cut", [0, 3, 4, 8, 40, 1000, -1])
def test_a_file_cut_short_is_refused(dense: bytes, cut: int) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        read_network(dense[:cut])


FUZZ = """
import hashlib, json, random, sys
from pathlib import Path
import numpy as np
from audio_genre.errors import BundleError
from audio_genre.inputs import load_bundle

folder, first, last = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
content = (folder / "model.tflite").read_bytes()
card = json.loads((folder / "card.json").read_text(encoding="utf-8"))
# The tables stand before and after the weights, which are half a megabyte of numbers that may be any.
places = [*range(600), *range(len(content) - 8000, len(content))]
ran = refused = 0
for number in range(first, last):
    rng = random.Random(number)
    changed = bytearray(content)
    for _ in range(rng.choice([1, 2, 8])):
        place = rng.choice(places)
        if rng.random() < 0.5:
            changed[place] = rng.randrange(256)
        else:
            place &= ~3
            value = rng.choice([0, 1, -1, 2, 57, 512, 65535, 2**31 - 1]) % 2**32
            changed[place : place + 4] = value.to_bytes(4, "little")
    (folder / "model.tflite").write_bytes(changed)
    card["exported_sha256"] = hashlib.sha256(changed).hexdigest()
    (folder / "card.json").write_text(json.dumps(card), encoding="utf-8")
    try:
        bundle = load_bundle(folder)
        with np.errstate(all="ignore"):
            bundle.predict(np.ones((2, *bundle.input_shape)))
        ran += 1
    except BundleError as error:
        assert len(str(error).splitlines()) == 1, error
        refused += 1
print(ran, refused)
"""


def test_bytes_at_random_with_the_right_hash_neither_crash_nor_hang(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(SHIPPED, tmp_path / "model"))
    done = subprocess.run(
        [sys.executable, "-c", FUZZ, str(folder), "0", "150"], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    ran, refused = map(int, done.stdout.split())
    assert ran > 10
    assert refused > 10
