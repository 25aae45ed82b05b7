"""Networks on pictures that start from trained ones: what is kept, what is refused, what is marked as leaky."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import shutil
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from picture_folders import STYLES, write_pictures
from small_networks import SMALL_CNN, SMALL_TRANSFORMER, small_networks
from typer.testing import CliRunner, Result

from audio_genre.cli import app
from audio_genre.datasets import Pictures, load_pictures
from audio_genre.errors import BundleError, ParameterError, ProtocolError
from audio_genre.inputs import load_bundle
from audio_genre.training import TrainingPlan
from audio_genre.training import plan as plan_training
from audio_genre.training.start import read_start

OTHERS = {"hiss": "rush", "hum": "purr"}


@pytest.fixture(scope="module", autouse=True)
def _small() -> Iterator[None]:
    with small_networks():
        yield


@pytest.fixture(scope="module")
def pictures(picture_folder: Path) -> Iterator[Pictures]:
    with load_pictures(picture_folder) as loaded:
        yield loaded


@pytest.fixture(scope="module")
def others(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pictures]:
    """Other tracks of other genres."""
    folder = tmp_path_factory.mktemp("other") / "images_original"
    with load_pictures(write_pictures(folder, first=50, genres=OTHERS)) as loaded:
        yield loaded


@pytest.fixture(scope="module")
def source(small_transformer: Path) -> Path:
    return small_transformer


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["train", "pictures", *map(str, arguments)])


@pytest.fixture(scope="module")
def relabelled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same tracks under the names of other genres."""
    return write_pictures(tmp_path_factory.mktemp("relabelled") / "images", genres=OTHERS)


@pytest.fixture(scope="module")
def marked(source: Path, relabelled: Path) -> tuple[Path, Result]:
    models = relabelled.parent / "models"
    result = run(relabelled, models, "--start-from", source, "--epochs", 1, "--seed", 1, "--leaky")
    assert result.exit_code == 0, result.output
    return models / "transformer-from-transformer-seed1", result


def start(source: Path, pictures: Pictures, models: Path, **options: Any) -> TrainingPlan:
    return plan_training(pictures, models, kind="pictures", start_from=source, **options)


def changed(source: Path, folder: Path, **fields: Any) -> Path:
    """Copy a bundle with other fields on its card; None takes one off."""
    shutil.copytree(source, folder)
    card = json.loads((folder / "card.json").read_text()) | fields
    (folder / "card.json").write_text(json.dumps({name: value for name, value in card.items() if value is not None}))
    return folder


def test_the_card_names_what_a_network_started_from(source: Path, marked: tuple[Path, Result]) -> None:
    card, theirs = load_bundle(marked[0]).card, load_bundle(source).card
    assert card.classes == ("purr", "rush")
    told = card.facts["started_from"]
    assert told["exported_sha256"] == theirs.exported_sha256
    assert told["keras_sha256"] == hashlib.sha256((source / "model.keras").read_bytes()).hexdigest()
    assert told["kept"] == "all layers but the output layers"
    assert told["classes"] == list(STYLES)
    assert told["training_data"]["sha256"] == theirs.training_data["sha256"]
    assert card.facts["command"] == (
        "audio-genre train pictures images models --network transformer --epochs 1 --start-from transformer --leaky "
        "--protocol track --seed 1"
    )


def test_only_the_output_layers_are_new_where_genres_are(
    source: Path, pictures: Pictures, others: Pictures, tmp_path: Path
) -> None:
    read = read_start(source)
    for rows, kept in ((pictures, True), (others, False)):
        (run,) = start(source, rows, tmp_path).runs
        run.learner.set_seed(1)
        model = run.learner.build(run.split)
        plain = read.network.build(run.learner.input_shape[1], read.mean, read.variance, 2)
        read.put_into(plain, run.learner.input_shape[1], STYLES)
        same = {
            layer.name: all(map(np.array_equal, layer.get_weights(), plain.get_layer(layer.name).get_weights()))
            for layer in model.layers
        }
        assert [name for name, is_same in same.items() if not is_same] == ([] if kept else ["genre_of_1"])


def test_what_learned_from_test_tracks_is_refused_or_marked(
    source: Path, relabelled: Path, marked: tuple[Path, Result], pictures: Pictures, others: Pictures, tmp_path: Path
) -> None:
    for rows in (pictures, others):
        (same,) = start(source, rows, tmp_path).runs
        assert not same.leaky
        assert same.learner.limits(same.split) == ()
    refused = run(relabelled, tmp_path, "--start-from", source, "--seed", 1)
    assert refused.exit_code == 2
    assert "has learned from 1 of the 2 tracks, such as '" in refused.stderr
    assert "(--protocol track --seed 0)" in refused.stderr
    assert list(tmp_path.iterdir()) == []
    folder, result = marked
    assert "all layers are kept but the output layers, which are new because the genres are" in result.stderr
    assert "Its test scores are marked as leaky: transformer has learned from 1 of the 2 tracks" in result.stderr
    assert result.stdout.startswith("protocol: track (leaky: test tracks were learned from; ")
    card = load_bundle(folder).card
    assert card.protocol["leaky"] is True
    assert any("marked as leaky" in sentence for sentence in card.facts["limits"])


def test_tracks_are_known_by_other_spellings_of_their_names(source: Path, pictures: Pictures, tmp_path: Path) -> None:
    for path in pictures.path.glob("*/*.png"):
        renamed = tmp_path / "images" / path.parent.name / f"{path.stem[:-5].upper()}_{path.stem[-5:]}.png"
        renamed.parent.mkdir(parents=True, exist_ok=True)
        renamed.write_bytes(path.read_bytes())
    with load_pictures(tmp_path / "images") as again, pytest.raises(ProtocolError, match="has learned from"):
        start(source, again, tmp_path / "models", seed=1)


def test_a_network_knows_what_those_before_it_have_heard(
    source: Path, marked: tuple[Path, Result], relabelled: Path, tmp_path: Path
) -> None:
    heard, first = (read_start(path).heard for path in (marked[0], source))
    assert heard is not None
    assert first is not None
    assert len(heard) == 2 * len(first) == 20
    assert heard[10:] == first
    with pytest.raises(ProtocolError, match="has learned from 1 of the 2 tracks"):
        plan_training(relabelled, tmp_path, kind="pictures", start_from=marked[0], seed=1)


def test_what_is_not_known_counts_as_heard(source: Path, others: Pictures, tmp_path: Path) -> None:
    old = changed(source, tmp_path / "old", heard_sha256=None)
    with pytest.raises(ProtocolError, match="it is not known which tracks old has learned from"):
        start(old, others, tmp_path / "models")
    plan = start(old, others, tmp_path / "models", leaky=True)
    assert plan.runs[0].leaky
    assert any("marked as leaky" in note for note in plan.notes())
    # So it stays for those that start from it.
    assert plan.runs[0].learner.heard(plan.runs[0].split) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"variant": "cnn"}, "is a network of the kind transformer, and a cnn cannot start from it"),
        ({"settings": SMALL_CNN}, "is a network of the kind transformer, and a cnn cannot start from it"),
        (
            {"settings": dataclasses.replace(SMALL_TRANSFORMER, patch=(16, 16))},
            "has patch 32,16, and a network with 16,16 cannot start from it; leave that option out",
        ),
        ({"variant": "rnn"}, "'rnn' is unknown"),
    ],
)
def test_another_network_is_refused(
    source: Path, pictures: Pictures, tmp_path: Path, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ParameterError, match=message):
        start(source, pictures, tmp_path, **options)


def test_pictures_of_other_parameters_are_refused(source: Path, pictures: Pictures, tmp_path: Path) -> None:
    foreign = write_pictures(tmp_path / "foreign", foreign=True)
    with load_pictures(foreign) as loaded, pytest.raises(ParameterError, match="have name='foreign', and those that"):
        start(source, loaded, tmp_path / "models")
    theirs = load_bundle(source).card.facts["pictures"]
    theirs = {**theirs, "parameters": {**theirs["parameters"], "n_fft": 1024}}
    other = changed(source, tmp_path / "other", pictures=theirs)
    with pytest.raises(ParameterError, match=r"have n_fft=2048, and those that .*other was trained on n_fft=1024"):
        start(other, pictures, tmp_path / "models")


def test_only_networks_on_pictures_start_and_are_started_from(source: Path, pictures: Pictures, tmp_path: Path) -> None:
    shipped = Path(__file__).parents[2] / "models/shipped/adam-5"
    with pytest.raises(BundleError, match=r"is of the kind tabular, and a training starts from a network on pictures"):
        start(shipped, pictures, tmp_path)
    with pytest.raises(ParameterError, match="Models of the kind baseline start from no other model"):
        plan_training(pictures, tmp_path, kind="baseline", start_from=source)
    with pytest.raises(ParameterError, match="name it with start_from"):
        plan_training(pictures, tmp_path, kind="pictures", leaky=True)
    with pytest.raises(BundleError, match="there is no such folder"):
        start(tmp_path / "nothing", pictures, tmp_path)
    joined = changed(source, tmp_path / "joined", fitted_on="all rows but those for testing")
    with pytest.raises(BundleError, match="trained with --refit and is the mean of several networks"):
        start(joined, pictures, tmp_path)


def rewritten(content: bytes, change: Callable[[dict[str, bytes]], None]) -> bytes:
    """Change the files in a ``.keras`` file."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    change(files)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return out.getvalue()


def hdf5(write: Callable[[Any, Any], None]) -> Callable[[bytes], bytes]:
    import h5py

    out = io.BytesIO()
    with h5py.File(out, "w") as file:
        write(file, h5py)
    return lambda content: rewritten(content, lambda files: files.update({"model.weights.h5": out.getvalue()}))


def external(file: Any, h5py: Any) -> None:
    file["layers"] = h5py.ExternalLink("/etc/hostname", "/")


def outside(file: Any, h5py: Any) -> None:
    file.create_dataset("a", (4,), "u1", external=[("/etc/hostname", 0, 4)])


def packed(file: Any, h5py: Any) -> None:
    file.create_dataset("a", (10**6,), "f4", compression="gzip")


def unwritten(file: Any, h5py: Any) -> None:
    file.create_dataset("a", (10**12,), "f4")


def circle(file: Any, h5py: Any) -> None:
    group = file.create_group("a")
    group["b"] = group


def without_mean(files: dict[str, bytes]) -> None:
    files["config.json"] = files["config.json"].replace(b'"mean": [', b'"mean": ["a", ')


def without_layer(files: dict[str, bytes]) -> None:
    files["config.json"] = files["config.json"].replace(b'"normalisation"', b'"inside"')


DAMAGED: dict[str, tuple[Callable[[bytes], bytes | None], str]] = {
    "missing": (lambda content: None, r"cannot be read \(No such file"),
    "empty": (lambda content: b"", "is damaged"),
    "cut": (lambda content: content[: len(content) // 2], "is damaged"),
    "without weights": (lambda content: rewritten(content, lambda files: files.pop("model.weights.h5")), "is damaged"),
    "another normalisation": (lambda content: rewritten(content, without_mean), "is damaged"),
    "another layout": (lambda content: rewritten(content, without_layer), "it is not one network on pictures"),
    "a link": (hdf5(external), r"is damaged \(it has links"),
    "numbers of another file": (hdf5(outside), r"is damaged \(its weights are not plain"),
    "numbers that are not there": (hdf5(unwritten), r"is damaged \(its weights are not plain"),
    "a circle": (hdf5(circle), "is damaged"),
    "packed numbers": (hdf5(packed), r"is damaged \(its weights are not plain"),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_model_that_is_damaged_or_strange_is_a_sentence(source: Path, tmp_path: Path, name: str) -> None:
    change, message = DAMAGED[name]
    content = change((source / "model.keras").read_bytes())
    copy = changed(source, tmp_path / "copy", keras_sha256=hashlib.sha256(content or b"").hexdigest())
    (copy / "model.keras").unlink()
    if content is not None:
        (copy / "model.keras").write_bytes(content)
    with pytest.raises(BundleError, match=message) as error:
        read_start(copy)
    assert "\n" not in str(error.value)


def test_files_that_are_not_those_of_the_card_are_refused(source: Path, tmp_path: Path) -> None:
    copy = changed(source, tmp_path / "copy")
    for file, words in (("heard.csv", "heard.csv is damaged"), ("model.keras", "not the file that its card")):
        (copy / file).write_bytes((copy / file).read_bytes() + b"\n")
        with pytest.raises(BundleError, match=words):
            read_start(copy)
        shutil.copy(source / file, copy / file)
    assert read_start(copy).heard is not None


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("patch", "16,16", "does not say patch of its network"),
        ("width", True, "does not say width"),
        ("layers", 10**9, "layers must be 1 to 24"),
        ("heads", None, "does not say heads"),
    ],
)
def test_a_card_of_no_network_is_a_sentence(source: Path, tmp_path: Path, field: str, value: Any, message: str) -> None:
    variant = {**load_bundle(source).card.variant, field: value}
    with pytest.raises(BundleError, match=message):
        read_start(changed(source, tmp_path / "copy", variant=variant))


def test_weights_of_another_network_are_a_sentence(source: Path, pictures: Pictures, tmp_path: Path) -> None:
    variant = {**load_bundle(source).card.variant, "layers": 2}
    (run,) = start(changed(source, tmp_path / "copy", variant=variant), pictures, tmp_path / "models").runs
    with pytest.raises(BundleError, match="are not those of the network on its card"):
        run.learner.build(run.split)
