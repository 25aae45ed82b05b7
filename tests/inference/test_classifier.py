from __future__ import annotations

import hashlib
import json
import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from audio_genre.bundles.arrays import write_arrays
from audio_genre.bundles.calibration import UNKNOWN, NoveltyDetector, apply_temperature
from audio_genre.datasets import GTZAN57_TABLE
from audio_genre.dsp.matrix import feature_matrix
from audio_genre.errors import AudioError, BundleError, ParameterError
from audio_genre.inference import Classification, Classifier
from audio_genre.inputs import features as feature_input
from audio_genre.training import train_baseline, train_tabular

SR = 22050
STYLES = ("hiss", "hum")


def make(style: str, seed: int, seconds: float, sr: int = SR) -> np.ndarray:
    """A hum of a few partials, or a hiss of noise."""
    rng = np.random.default_rng([STYLES.index(style), seed])
    t = np.arange(round(seconds * sr)) / sr
    if style == "hiss":
        return (0.1 * rng.normal(size=len(t))).astype(np.float32)
    f = rng.uniform(80, 120)
    return (0.2 * sum(np.sin(2 * np.pi * f * k * t) / k for k in range(1, 5))).astype(np.float32)


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Models for clips and for 3-s segments, trained on features of signals."""
    folder = tmp_path_factory.mktemp("models")
    signals = {style: np.stack([make(style, seed, 3)[:-1] for seed in range(6)]) for style in STYLES}
    features = {style: feature_matrix(signals[style]) for style in STYLES}
    paths = {}
    for kind, name, length in (("clip", "{}.{:05d}.wav", 661500), ("segment", "{}.{:05d}.0.wav", 66149)):
        lines = [",".join(["filename", "length", *GTZAN57_TABLE.features, "label"])]
        for style, X in features.items():
            for k, row in enumerate(X):
                lines.append(",".join([name.format(style, k), str(length), *map(repr, row.tolist()), style]))
        table = folder / f"{kind}.csv"
        table.write_text("\n".join(lines), encoding="utf-8")
        # A network and a baseline: what a classifier makes of their answers is the same.
        if kind == "clip":
            (model,) = train_tabular(table, folder, variant="adam-4", epochs=30)
        else:
            (model,) = train_baseline(table, folder, variant="logistic-regression")
        paths[kind] = model.path
    return paths


@pytest.fixture
def write(tmp_path: Path):
    def write(y: np.ndarray, name: str = "x.wav", sr: int = SR) -> Path:
        soundfile.write(tmp_path / name, y, sr)
        return tmp_path / name

    return write


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("kind", ["clip", "segment"])
def test_tells_what_it_has_learned(bundles, write, kind: str, style: str) -> None:
    path = write(make(style, 99, 4))
    answer = Classifier(bundles[kind], unknown=False).classify(path)
    assert answer.genre == style
    assert answer.reason is None
    assert answer.path == str(path)
    assert answer.model == bundles[kind].name
    assert list(answer.probabilities) == list(STYLES)
    assert sum(answer.probabilities.values()) == pytest.approx(1, abs=1e-12)
    assert answer.confidence == answer.probabilities[style] > 0.5
    assert answer.top(5) == sorted(answer.probabilities.items(), key=lambda pair: -pair[1])
    assert answer.top(1) == [(style, answer.confidence)]


def test_stereo_at_another_rate_is_the_same_music(bundles, write) -> None:
    y = make("hum", 99, 4, sr=44100)
    assert Classifier(bundles["clip"], unknown=False).classify(write(np.column_stack([y, y]), sr=44100)).genre == "hum"


SEGMENT = 3 * SR - 1


@pytest.mark.parametrize(
    "case",
    [
        ("clip", 4, [(1, 4 * SR)]),
        ("clip", 59, [(1, 59 * SR)]),
        ("clip", 70, [(1, 30 * SR), (1, 40 * SR)]),
        ("segment", 4, [(1, SEGMENT)]),
        ("segment", 30, [(10, SEGMENT)]),
        ("segment", 70, [(10, SEGMENT), (13, SEGMENT)]),
    ],
)
def test_features_come_from_the_windows_of_the_table(bundles, write, monkeypatch, case):
    kind, seconds, shapes = case
    seen = []

    def record(signals, recipe):
        assert signals.dtype == np.float32
        seen.append(signals.shape)
        return np.zeros((len(signals), 57))

    monkeypatch.setattr(feature_input, "feature_matrix", record)
    Classifier(bundles[kind]).classify(write(make("hiss", 0, seconds)))
    assert seen == shapes


def test_the_answer_is_the_mean_over_the_segments(bundles, write, monkeypatch: pytest.MonkeyPatch) -> None:
    model = Classifier(bundles["segment"])
    X = np.concatenate([feature_matrix(make(style, 1, 3)[np.newaxis, :-1]) for style in STYLES])
    monkeypatch.setattr(feature_input, "feature_matrix", lambda signals, recipe: X)
    expected = apply_temperature(
        model.probabilities(X).mean(axis=0, keepdims=True), model.bundle.calibration.temperature
    )[0]
    answer = model.classify(write(make("hum", 1, 6)))
    assert model.bundle.novelty is not None
    assert answer.distance == pytest.approx(model.bundle.novelty.distances(X).mean())
    assert list(answer.probabilities.values()) == pytest.approx(expected.tolist())


def test_silent_segments_have_no_say(bundles, write) -> None:
    y = make("hum", 5, 3)
    model = Classifier(bundles["segment"])
    padded = model.classify(write(np.concatenate([y, np.zeros(3 * SR, dtype=np.float32)])))
    assert padded.probabilities == pytest.approx(model.classify(write(y)).probabilities)


@pytest.mark.parametrize("kind", ["clip", "segment"])
def test_clips_that_cannot_be_classified(bundles, write, tmp_path: Path, kind: str) -> None:
    model = Classifier(bundles[kind])
    with pytest.raises(AudioError, match=r"is 1\.90 s long, and features need at least 2\.00 s"):
        model.classify(write(make("hiss", 0, 1.9)))
    with pytest.raises(AudioError, match="cannot be read"):
        model.classify(tmp_path / "absent.wav")
    (tmp_path / "text.wav").write_text("not audio")
    with pytest.raises(AudioError, match="cannot be decoded"):
        model.classify(tmp_path / "text.wav")


@pytest.mark.parametrize("kind", ["clip", "segment"])
def test_a_clip_that_lacks_little_of_a_segment_is_classified(bundles, write, kind: str) -> None:
    model = Classifier(bundles[kind])
    for style in ("hiss", "hum"):
        path = write(make(style, 0, 2.5))
        timeline = model.timeline(path)
        assert timeline.answer == model.classify(path)
        assert timeline.answer.top(1)[0][0] == style
        (point,) = timeline.points
        assert (point.start, point.end, point.top(1)[0][0]) == (0, 2.5, style)


@pytest.mark.parametrize("error", [MemoryError(), ValueError("inside"), RuntimeError()], ids=repr)
def test_whatever_goes_wrong_with_a_clip_is_its_own_error(
    bundles, write, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    model = Classifier(bundles["clip"])
    path = write(make("hiss", 0, 4))

    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(model, "probabilities", fail)
    for ask in (model.classify, model.timeline):
        with pytest.raises(AudioError, match="cannot be classified") as found:
            ask(path)
        assert "inside" not in str(found.value)


@pytest.mark.parametrize("kind", ["clip", "segment"])
def test_silence_is_unknown(bundles, write, kind: str) -> None:
    path = write(np.zeros(4 * SR, dtype=np.float32))
    answer = Classifier(bundles[kind]).classify(path)
    assert (answer.genre, answer.reason) == (UNKNOWN, "is silent: every sample is zero")
    assert answer.probabilities == {"hiss": 0.5, "hum": 0.5}
    assert (answer.confidence, answer.distance) == (0.5, None)
    assert answer.is_silent
    # There is no genre to be forced on it.
    assert Classifier(bundles[kind], unknown=False).classify(path) == answer


@pytest.mark.parametrize("kind", ["clip", "segment"])
def test_what_is_like_nothing_known_is_unknown(bundles, write, tmp_path: Path, kind: str) -> None:
    t = np.arange(4 * SR) / SR
    path = write(0.5 * np.sin(2 * np.pi * 3000 * t))
    # These bundles have too few tracks for a limit of their own.
    limit = 0.9
    bundle = calibrated(bundles[kind], tmp_path / "copy", max_distance=limit)
    answer = Classifier(bundle).classify(path)
    forced = Classifier(bundle, unknown=False).classify(path)
    assert answer.genre == UNKNOWN
    assert answer.distance == forced.distance > limit
    assert answer.reason.startswith(f"unlike anything that the model was trained on (distance {answer.distance:.3f}")
    assert (forced.genre, forced.reason) == (forced.top(1)[0][0], None)
    assert (answer.probabilities, answer.confidence) == (forced.probabilities, forced.confidence)


def calibrated(bundle: Path, folder: Path, **fields: object) -> Path:
    """A copy of a bundle with another temperature or other limits."""
    copy = Path(shutil.copytree(bundle, folder))
    card = json.loads((copy / "card.json").read_text(encoding="utf-8"))
    card["calibration"] |= fields
    (copy / "card.json").write_text(json.dumps(card), encoding="utf-8")
    return copy


def test_doubt_between_genres_is_unknown(bundles, write, tmp_path: Path) -> None:
    path = write(make("hiss", 99, 4))
    known = Classifier(calibrated(bundles["clip"], tmp_path / "a", max_distance=1e6)).classify(path)
    assert (known.genre, known.reason) == ("hiss", None)
    unsure = Classifier(calibrated(bundles["clip"], tmp_path / "b", max_distance=1e6, min_confidence=1))
    answer = unsure.classify(path)
    assert answer.genre == UNKNOWN
    assert answer.reason.startswith("no genre is probable enough (best ")


def test_the_temperature_of_the_bundle_is_applied_to_the_vote(bundles, write, tmp_path: Path) -> None:
    path = write(make("hiss", 99, 7))
    plain, soft = (
        Classifier(calibrated(bundles["segment"], tmp_path / str(temperature), temperature=temperature)).classify(path)
        for temperature in (1, 5)
    )
    expected = apply_temperature(np.array([list(plain.probabilities.values())]), 5)[0]
    assert list(soft.probabilities.values()) == pytest.approx(expected.tolist())
    assert soft.confidence < plain.confidence


def test_points_have_the_temperature_of_windows(bundles, write, tmp_path: Path) -> None:
    path = write(make("hiss", 99, 7))
    bundle = calibrated(bundles["segment"], tmp_path / "copy", temperature=1, window_temperature=5, max_distance=1e6)
    timeline = Classifier(bundle, unknown=False).timeline(path)
    plain = Classifier(calibrated(bundle, tmp_path / "plain", window_temperature=1), unknown=False).timeline(path)
    assert timeline.answer.probabilities == plain.answer.probabilities
    for point, raw in zip(timeline.points, plain.points, strict=True):
        expected = apply_temperature(np.array([list(raw.probabilities.values())]), 5)[0]
        assert list(point.probabilities.values()) == pytest.approx(expected.tolist())


def test_what_is_familiar_must_fit_the_model(bundles, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(bundles["clip"], tmp_path / "copy"))
    content = write_arrays(NoveltyDetector(np.zeros(5), np.ones(5), np.zeros((2, 5))).arrays())
    (copy / "novelty.npz").write_bytes(content)
    card = json.loads((copy / "card.json").read_text(encoding="utf-8"))
    card["novelty_sha256"] = hashlib.sha256(content).hexdigest()
    (copy / "card.json").write_text(json.dumps(card), encoding="utf-8")
    with pytest.raises(BundleError, match="its novelty detector takes 5 quantities, and an input of its model has 57"):
        Classifier(copy)


def test_features_that_are_no_numbers_are_told(bundles, write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feature_input, "feature_matrix", lambda signals, recipe: np.full((1, 57), np.nan))
    with pytest.raises(AudioError, match="gives features that are not finite numbers"):
        Classifier(bundles["clip"]).classify(write(make("hum", 0, 4)))


def test_ready_made_rows(bundles) -> None:
    model = Classifier(bundles["clip"])
    X = feature_matrix(np.stack([make(style, 50, 3) for style in STYLES]))
    p = model.probabilities(X)
    assert p.dtype == np.float64
    np.testing.assert_allclose(p.sum(axis=1), 1, atol=1e-12)
    assert [model.genres[k] for k in p.argmax(axis=1)] == list(STYLES)
    with pytest.raises(ParameterError, match=r"must have the shape \(n, 57\)"):
        model.probabilities(X[:, 1:])


def test_models_that_take_no_audio_features_are_refused(bundles, tmp_path: Path) -> None:
    features = list(reversed(GTZAN57_TABLE.features))
    for field, value in {"features": features, "recipe": None}.items():
        card = json.loads((bundles["clip"] / "card.json").read_text(encoding="utf-8")) | {field: value}
        folder = Path(shutil.copytree(bundles["clip"], tmp_path / field))
        (folder / "card.json").write_text(json.dumps(card), encoding="utf-8")
        with pytest.raises(BundleError, match="so it cannot classify audio"):
            Classifier(folder)


def test_sound_in_the_dropped_remainder_only_is_told(bundles, write) -> None:
    y = np.zeros(5 * SR)
    y[-SR:] = make("hum", 0, 1)
    answer = Classifier(bundles["segment"]).classify(write(y))
    assert (answer.genre, answer.is_silent) == (UNKNOWN, True)
    assert answer.reason == "is silent except for its last seconds, so no 3s of it can be used"
    assert Classifier(bundles["clip"], unknown=False).classify(write(y)).genre in STYLES


def test_a_window_shorter_than_a_frame_is_refused(bundles, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(bundles["segment"], tmp_path / "copy"))
    card = json.loads((copy / "card.json").read_text(encoding="utf-8"))
    card["window"]["seconds"] = 0.05
    (copy / "card.json").write_text(json.dumps(card), encoding="utf-8")
    with pytest.raises(BundleError, match=r"takes windows of 0\.05s, and the recipe gtzan57-v1 needs"):
        Classifier(copy)


def test_classification_is_quiet_and_loads_no_tensorflow(bundles, write) -> None:
    path = write(make("hum", 99, 4))
    code = (
        "import sys; from audio_genre.inference import Classifier;"
        f"print(Classifier({str(bundles['segment'])!r}).classify({str(path)!r}).top(1)[0][0]);"
        "assert not {'tensorflow', 'keras', 'sklearn', 'pandas'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "hum\n", "")


def test_the_best_genres_first() -> None:
    answer = Classification("x.wav", "b", 0.5, {"a": 0.2, "b": 0.5, "c": 0.3}, "adam-4")
    assert answer.top(2) == [("b", 0.5), ("c", 0.3)]


class TestExcerpt:
    """One window in the middle of a file is heard in place of all of it."""

    def test_the_middle_decides(self, bundles, write) -> None:
        path = write(np.concatenate([make("hiss", 0, 60), make("hum", 0, 30), make("hiss", 1, 60)]))
        model = Classifier(bundles["clip"], unknown=False, excerpt=True)
        assert Classifier(bundles["clip"], unknown=False).classify(path).genre == "hiss"
        assert model.classify(path).genre == "hum"
        assert pickle.loads(pickle.dumps(model)).classify(path) == model.classify(path)

    def test_what_is_silent_there_is_heard_later(self, bundles, write) -> None:
        path = write(np.concatenate([make("hiss", 0, 60), np.zeros(30 * SR), make("hum", 1, 60)]))
        assert Classifier(bundles["clip"], unknown=False, excerpt=True).classify(path).genre == "hum"

    def test_silence_and_a_short_file(self, bundles, write) -> None:
        model = Classifier(bundles["clip"], unknown=False, excerpt=True)
        assert model.classify(write(np.zeros(100 * SR))).is_silent
        path = write(make("hum", 0, 5))
        assert model.classify(path) == Classifier(bundles["clip"], unknown=False).classify(path)
