"""A kind of input is one object: a toy one is trained on, saved, classified with and compared."""

from __future__ import annotations

import hashlib
import pickle
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from audio_genre import Classifier, compare, load_bundle, train
from audio_genre.bundles import Bundle
from audio_genre.bundles.card import Card
from audio_genre.datasets import Grouping, Window
from audio_genre.dsp import GTZAN57
from audio_genre.errors import BundleError, ParameterError
from audio_genre.inputs import INPUT_KINDS, AudioReader, CardPart, InputKind, kind_of, register

SR = GTZAN57.sr


@dataclass(frozen=True, eq=False)
class Levels:
    """Root mean square and number of changes of sign of clips."""

    path: Path
    X: np.ndarray
    labels: np.ndarray
    items: np.ndarray
    sha256: str
    grouping: Grouping = field(default_factory=Grouping)
    options: tuple[str, ...] = ()
    input: str = "levels"

    @property
    def groups(self) -> np.ndarray:
        return self.items

    @property
    def classes(self) -> tuple[str, ...]:
        return tuple(np.unique(self.labels).tolist())

    def __len__(self) -> int:
        return len(self.items)

    def require_labels(self) -> None:
        assert "" not in self.labels


def levels_of(y: np.ndarray) -> list[float]:
    return [float(np.sqrt(np.mean(y**2))), float(np.mean(np.signbit(y[1:]) != np.signbit(y[:-1])))]


class LevelInput(InputKind):
    name = "levels"
    title = "a file of levels"

    def recognises(self, path: Path) -> bool:
        return path.suffix == ".levels"

    def load(self, path: Path, **options: Any) -> Levels:
        assert not options
        rows = [line.split() for line in path.read_text().splitlines()]
        items, labels, *columns = map(np.array, zip(*rows, strict=True))
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        return Levels(path, np.stack(columns, axis=1).astype(np.float32), labels, items, digest)

    def describe(self, dataset: Levels, rows: np.ndarray) -> np.ndarray:
        return dataset.X[rows]

    def card(self, dataset: Levels) -> CardPart:
        return CardPart(
            GTZAN57, Window("clip", 30.0), {"unit": "full scale", "vote": "the clip"}, {"clips": len(dataset)}
        )

    def check(self, folder: Path, card: Card) -> None:
        card.require(folder, "unit", lambda value: value == "full scale", "full scale")

    def reader(self, bundle: Bundle) -> AudioReader:
        return LevelReader(GTZAN57, SR, 30.0, whole=True)


class LevelReader(AudioReader):
    unit = "clip"
    described = 2

    def inputs(self, signals: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        X = np.array([levels_of(y) for y in signals])
        return X, X


def signal(genre: str, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=3 * SR).astype(np.float32)
    if genre == "hiss":
        return 0.1 * noise
    return (0.3 * np.sin(np.arange(3 * SR) * 0.02 * (1 + 0.1 * rng.random())) + 1e-3 * noise).astype(np.float32)


@pytest.fixture
def levels(tmp_path: Path) -> Path:
    register(LevelInput())
    rows = [
        f"{genre}{k} {genre} {' '.join(map(str, levels_of(signal(genre, k))))}"
        for genre in ("hiss", "hum")
        for k in range(20)
    ]
    path = tmp_path / "toy.levels"
    path.write_text("\n".join(rows))
    yield path
    del INPUT_KINDS["levels"]


@pytest.mark.parametrize(("kind", "variant"), [("baseline", "logistic-regression"), ("tabular", "adam-4")])
def test_a_new_kind_of_input_is_one_object(tmp_path: Path, levels: Path, kind: str, variant: str) -> None:
    models = tmp_path / "models"
    options = {} if kind == "baseline" else {"epochs": 20}
    (model,) = train(levels, models, kind=kind, variant=variant, **options)
    assert model.test.tracks.accuracy.value > 0.9
    card = load_bundle(model.path).card
    assert (card.input, card.facts["unit"], card.training_data["clips"]) == ("levels", "full scale", 40)
    assert card.window == Window("clip", 30.0)

    classifier = Classifier(model.path)
    for genre in ("hiss", "hum"):
        soundfile.write(tmp_path / f"{genre}.wav", signal(genre, 99), SR)
        assert classifier.classify(tmp_path / f"{genre}.wav").genre == genre
        assert pickle.loads(pickle.dumps(classifier)).classify(signal(genre, 99), sr=SR).genre == genre

    train(levels, models, kind="baseline", variant="majority")
    found = compare(models, tmp_path / "report")
    assert {result.name for result in found.models} == {model.name, "majority"}


def test_the_card_of_a_kind_is_checked(tmp_path: Path, levels: Path) -> None:
    (model,) = train(levels, tmp_path / "models", kind="baseline", variant="majority")
    card = model.path / "card.json"
    card.write_text(card.read_text().replace("full scale", "half scale"))
    with pytest.raises(BundleError, match="the field 'unit' must be full scale"):
        load_bundle(model.path)


def test_a_model_of_a_kind_that_is_not_there_is_refused(tmp_path: Path, levels: Path) -> None:
    (model,) = train(levels, tmp_path / "models", kind="baseline", variant="majority")
    kind = INPUT_KINDS.pop("levels")
    try:
        with pytest.raises(
            BundleError, match="takes the kind of input 'levels', and this version of audio-genre knows"
        ):
            load_bundle(model.path)
    finally:
        register(kind)


def test_a_network_on_pictures_refuses_vectors(tmp_path: Path, levels: Path) -> None:
    with pytest.raises(ParameterError, match="learns from pictures"):
        train(levels, tmp_path / "models", kind="pictures")


@pytest.mark.parametrize("name", INPUT_KINDS)
def test_every_kind_says_what_it_is(name: str, tmp_path: Path) -> None:
    kind = INPUT_KINDS[name]
    assert kind.name == name
    assert kind.title.startswith("a ")
    if not kind.from_files:
        assert not kind.recognises(tmp_path)
        return
    tracks = tmp_path / "tracks.csv"
    tracks.write_text("track_id,danceability,energy,tempo,genre\na,.1,.2,90,rock\n")
    # Each kind takes one of these; the last ones registered are asked first.
    example = {"features": tmp_path / "some.csv", "pictures": tmp_path, "tracks": tracks}[name]
    assert kind.recognises(example)
    assert kind_of(example) is kind
