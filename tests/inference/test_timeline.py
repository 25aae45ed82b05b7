from __future__ import annotations

import io
import json
import shutil
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from PIL import Image

from audio_genre import audio
from audio_genre.bundles.bundle import Bundle
from audio_genre.bundles.calibration import apply_temperature
from audio_genre.bundles.card import Card
from audio_genre.datasets import GTZAN57_TABLE
from audio_genre.dsp import GTZAN57
from audio_genre.dsp.matrix import feature_matrix
from audio_genre.errors import AudioError, ParameterError, ReportError
from audio_genre.inference import Classification, Classifier, Timeline, TimelinePoint, classifier
from audio_genre.inference.strip import draw_strip, refuse_strip, write_strip
from audio_genre.inference.timeline import clock
from audio_genre.inputs import features as feature_input
from audio_genre.training import train_baseline

SR = 22050
STYLES = ("hiss", "hum")


def make(style: str, seconds: float, seed: int = 0) -> np.ndarray:
    """A hum of a few partials, or a hiss of noise."""
    rng = np.random.default_rng([STYLES.index(style), seed])
    t = np.arange(round(seconds * SR)) / SR
    if style == "hiss":
        return (0.1 * rng.normal(size=len(t))).astype(np.float32)
    f = rng.uniform(80, 120)
    return (0.2 * sum(np.sin(2 * np.pi * f * k * t) / k for k in range(1, 5))).astype(np.float32)


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Models for clips and for 3-s segments, trained on features of signals."""
    folder = tmp_path_factory.mktemp("models")
    paths = {}
    for kind, name, length in (("clip", "{}.{:05d}.wav", 661500), ("segment", "{}.{:05d}.0.wav", 66149)):
        lines = [",".join(["filename", "length", *GTZAN57_TABLE.features, "label"])]
        for style in STYLES:
            signals = np.stack([make(style, 3, seed)[:-1] for seed in range(6)])
            for k, row in enumerate(feature_matrix(signals)):
                lines.append(",".join([name.format(style, k), str(length), *map(repr, row.tolist()), style]))
        table = folder / f"{kind}.csv"
        table.write_text("\n".join(lines), encoding="utf-8")
        (model,) = train_baseline(table, folder / kind, variant="logistic-regression")
        paths[kind] = model.path
    return paths


@pytest.fixture
def write(tmp_path: Path):
    def write(*parts: np.ndarray, name: str = "x.wav") -> Path:
        soundfile.write(tmp_path / name, np.concatenate(parts), SR)
        return tmp_path / name

    return write


def silence(seconds: float) -> np.ndarray:
    return np.zeros(round(seconds * SR), dtype=np.float32)


def spans(timeline: Timeline) -> list[tuple[float, float]]:
    return [(point.start, point.end) for point in timeline.points]


@pytest.mark.parametrize(
    ("kind", "hop", "seconds", "expected"),
    [
        ("clip", None, 3, [(0, 3)]),
        ("clip", None, 30, [(0, 30)]),
        ("clip", None, 30.9, [(0, 30.9)]),
        ("clip", None, 35, [(0, 30), (5, 35)]),
        ("clip", None, 62, [(0, 30), (10, 40), (20, 50), (30, 60), (32, 62)]),
        ("clip", 30, 91, [(0, 30), (30, 60), (60, 91)]),
        ("clip", 12.5, 43, [(0, 30), (12.5, 43)]),
        ("segment", None, 3, [(0, 3)]),
        ("segment", None, 9.2, [(0, 3), (3, 6), (6, 9)]),
        ("segment", None, 8, [(0, 3), (3, 6), (5, 8)]),
        ("segment", 1.5, 6, [(0, 3), (1.5, 4.5), (3, 6)]),
    ],
)
def test_points_cover_the_file(bundles, write, monkeypatch, kind, hop, seconds, expected) -> None:
    monkeypatch.setattr(feature_input, "feature_matrix", lambda signals, recipe: np.ones((len(signals), 57)))
    timeline = Classifier(bundles[kind]).timeline(write(make("hiss", seconds)), hop)
    np.testing.assert_allclose(spans(timeline), expected)
    assert timeline.window_seconds == {"clip": 30, "segment": 3}[kind]
    assert timeline.hop_seconds == (hop or {"clip": 10, "segment": 3}[kind])


@pytest.mark.parametrize("unknown", [True, False])
@pytest.mark.parametrize("seconds", [3, 30.5, 61, 95])
@pytest.mark.parametrize("kind", ["clip", "segment"])
def test_the_answer_is_that_of_classify(bundles, write, kind: str, seconds: float, unknown: bool) -> None:
    model = Classifier(bundles[kind], unknown=unknown)
    path = write(make("hum", seconds / 2), make("hiss", seconds / 2))
    assert model.timeline(path, 2.5).answer == model.classify(path)


@pytest.mark.parametrize("kind", ["clip", "segment"])
def test_what_votes_once_is_the_answer(bundles, write, kind: str) -> None:
    timeline = Classifier(bundles[kind]).timeline(write(make("hum", 3.2)))
    (point,) = (asdict(point) for point in timeline.points)
    assert {name: point[name] for name in point if name not in {"start", "end"}} == {
        name: getattr(timeline.answer, name)
        for name in ("genre", "confidence", "probabilities", "reason", "distance", "tags")
    }


def test_points_of_a_segment_model_are_the_votes_of_classify(bundles, write) -> None:
    path = write(*(make(style, 3, seed) for seed in range(11) for style in STYLES))
    model = Classifier(bundles["segment"])
    votes = model.probabilities(feature_matrix(audio.cut_segments(audio.load(path, sr=SR), stride=3 * SR)))
    timeline = model.timeline(path)
    temperature = model.bundle.calibration.temperature
    points = np.array([list(point.probabilities.values()) for point in timeline.points])
    np.testing.assert_allclose(points, apply_temperature(votes, temperature), rtol=0, atol=1e-12)
    mean = apply_temperature(votes.mean(axis=0, keepdims=True), temperature)[0]
    assert list(timeline.answer.probabilities.values()) == pytest.approx(mean.tolist())
    distances = [point.distance for point in timeline.points]
    assert timeline.answer.distance == pytest.approx(np.mean(distances))


@pytest.mark.parametrize("kind", ["clip", "segment"])
def test_the_genre_changes_where_the_music_does(bundles, write, kind: str) -> None:
    timeline = Classifier(bundles[kind], unknown=False).timeline(write(make("hum", 60), make("hiss", 45)))
    assert {point.genre for point in timeline.points if point.end <= 60} == {"hum"}
    assert {point.genre for point in timeline.points if point.start >= 60} == {"hiss"}


@pytest.mark.parametrize("unknown", [True, False])
@pytest.mark.parametrize("kind", ["clip", "segment"])
def test_silent_stretches_have_no_genre(bundles, write, kind: str, unknown: bool) -> None:
    path = write(make("hum", 30), silence(35), make("hum", 30))
    timeline = Classifier(bundles[kind], unknown=unknown).timeline(path)
    within = [point for point in timeline.points if point.start >= 30 and point.end <= 65]
    assert len(within) == {"clip": 1, "segment": 11}[kind]
    for point in within:
        assert (point.genre, point.reason, point.distance, point.is_silent) == ("unknown", "is silent", None, True)
        assert point.probabilities == {"hiss": 0.5, "hum": 0.5}
    assert not any(point.is_silent for point in timeline.points if point not in within)


def test_a_silent_file_is_one_silent_stretch(bundles, write) -> None:
    path = write(silence(70))
    timeline = Classifier(bundles["clip"]).timeline(path)
    assert timeline.answer == Classifier(bundles["clip"]).classify(path)
    assert [(point.start, point.end, point.reason) for point in timeline.points] == [(0, 70, "is silent")]
    assert timeline.answer.is_silent
    assert Classifier(bundles["clip"], unknown=False).timeline(path) == timeline


def test_unlike_anything_is_told_for_each_point(bundles, write, tmp_path: Path) -> None:
    strict = Path(shutil.copytree(bundles["clip"], tmp_path / "strict"))
    card = json.loads((strict / "card.json").read_text(encoding="utf-8"))
    model = Classifier(bundles["clip"], unknown=False)
    path = write(make("hum", 40), make("hiss", 40))
    far = sorted(point.distance for point in model.timeline(path).points)
    card["calibration"] |= {"max_distance": far[2], "min_confidence": 0.0}
    (strict / "card.json").write_text(json.dumps(card), encoding="utf-8")
    points = Classifier(strict).timeline(path).points
    assert sum(point.genre == "unknown" for point in points) == len(far) - 3
    for point in points:
        assert (point.genre == "unknown") == (point.reason is not None) == (point.distance > far[2])
        assert point.reason is None or point.reason.startswith("unlike anything")


@pytest.mark.parametrize("hop", [0, -1, 0.01, 3.001, float("nan"), float("inf"), float("-inf")])
def test_a_hop_out_of_range(bundles, tmp_path: Path, hop: float) -> None:
    with pytest.raises(ParameterError, match=r"The hop of a timeline must be from 0\.05 s to 3 s, .*; got"):
        Classifier(bundles["segment"]).timeline(tmp_path / "absent.wav", hop)


@pytest.mark.parametrize("kind", ["clip", "segment"])
def test_what_cannot_be_classified_has_no_timeline(bundles, write, tmp_path: Path, kind: str) -> None:
    model = Classifier(bundles[kind])
    broken = make("hum", 95)
    broken[-1] = np.nan
    soundfile.write(tmp_path / "nan.wav", broken, SR, subtype="FLOAT")
    (tmp_path / "text.wav").write_text("not audio")
    write(make("hum", 1.9), name="short.wav")
    for name in ("absent.wav", "text.wav", "short.wav", "nan.wav"):
        for ask in (model.classify, model.timeline):
            with pytest.raises(AudioError) as error:
                ask(tmp_path / name)
            if ask == model.classify:
                expected = str(error.value)
        assert str(error.value) == expected


def test_features_that_are_no_numbers_are_told(bundles, write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feature_input, "feature_matrix", lambda signals, recipe: np.full((1, 57), np.nan))
    with pytest.raises(AudioError, match="gives features that are not finite numbers"):
        Classifier(bundles["clip"]).timeline(write(make("hum", 4)))


@pytest.mark.parametrize(("kind", "computed"), [("clip", 10), ("segment", 40)])
def test_nothing_is_decoded_or_computed_twice(bundles, write, monkeypatch, kind: str, computed: int) -> None:
    decoded, signals_seen = [], []
    blocks = audio._decoded_blocks
    monkeypatch.setattr(audio, "_decoded_blocks", lambda *arguments: decoded.append(arguments) or blocks(*arguments))

    def count(signals, recipe):
        signals_seen.extend(map(len, signals))
        return np.ones((len(signals), 57))

    monkeypatch.setattr(feature_input, "feature_matrix", count)
    timeline = Classifier(bundles[kind]).timeline(write(make("hiss", 120)))
    assert len(timeline.points) == len(signals_seen) == computed
    assert len(decoded) == 1


def test_progress_ends_where_the_file_does(bundles, write) -> None:
    seen = []
    Classifier(bundles["segment"]).timeline(
        write(make("hum", 8)), progress=lambda done, total: seen.append((done, total))
    )
    assert seen == [(3, 8), (6, 8), (8, 8)]


def test_a_picture_model_has_points_of_clip_long_windows(write, monkeypatch: pytest.MonkeyPatch) -> None:
    class Brightness:
        input_shape, output_shape = [128, 64], [2]

        def __call__(self, X: np.ndarray) -> np.ndarray:
            bright = X.mean(axis=(1, 2)) / 255
            return np.column_stack([bright, 1 - bright]).astype(np.float32)

    card = Card(
        "brightness", "cnn", "pictures", STYLES, GTZAN57, None, (128, 64), None, 0, {}, {}, {}, {}, {},
        {"pictures": {"frames_per_column": 4}},
    )  # fmt: skip
    monkeypatch.setattr(classifier, "load_bundle", lambda path: Bundle(Path(path), card, Brightness()))
    model = Classifier("brightness")
    path = write(make("hum", 60), make("hiss", 45))
    timeline = model.timeline(path)
    assert timeline.answer == model.classify(path)
    assert spans(timeline)[:2] == [(0, 30), (10, 40)]
    assert spans(timeline)[-1] == (75, 105)
    assert {point.genre for point in timeline.points if point.end <= 60} == {"hum"}
    assert {point.genre for point in timeline.points if point.start >= 60} == {"hiss"}
    assert {point.distance for point in timeline.points} == {None}


def test_times_as_people_read_them() -> None:
    assert [clock(seconds) for seconds in (0, 59.9, 61, 3599.9, 3600, 36061)] == [
        "0:00", "1:00", "1:01", "1:00:00", "1:00:00", "10:01:01",
    ]  # fmt: skip
    assert [clock(seconds, tenths=True) for seconds in (0.05, 59.99, 61.5)] == ["0:00.0", "1:00.0", "1:01.5"]


GENRES = ("blues", "classical", "country", "disco", "hiphop", "jazz", "metal", "pop", "reggae", "rock")


def timeline_of(
    count: int = 8, *, name: str = "x.wav", genres: tuple[str, ...] = GENRES, seed: int = 0, silent: int = 0
) -> Timeline:
    """A timeline of random probabilities; the last points are silent, and the one before them is unknown."""
    points = []
    for k, row in enumerate(np.random.default_rng(seed).dirichlet(np.ones(len(genres)), size=count)):
        probabilities = dict(zip(genres, row.tolist(), strict=True))
        best = max(probabilities, key=probabilities.__getitem__)
        points.append(TimelinePoint(10.0 * k, 10.0 * k + 30, best, probabilities[best], probabilities))
    if silent:
        equal = dict.fromkeys(genres, 1 / len(genres))
        points[-silent:] = [
            replace(point, genre="unknown", probabilities=equal, reason="is silent") for point in points[-silent:]
        ]
    if silent < count:
        points[-silent - 1] = replace(points[-silent - 1], genre="unknown", reason="unlike anything")
    answer = Classification(name, points[0].genre, points[0].confidence, points[0].probabilities, "adam-5")
    return Timeline(answer, tuple(points), 30, 10)


def drawn_pixels(timeline: Timeline, folder: Path) -> np.ndarray:
    write_strip(timeline, folder / "strip.PNG")
    with Image.open(folder / "strip.PNG") as image:
        assert image.format == "PNG"
        pixels = np.asarray(image.convert("RGB"))
    assert pixels.shape[1] == 2 * 390
    return pixels


def test_a_strip_shows_what_differs_and_nothing_else(tmp_path: Path) -> None:
    first, again, other = (drawn_pixels(timeline_of(seed=seed), tmp_path) for seed in (0, 0, 1))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert [path.name for path in tmp_path.iterdir()] == ["strip.PNG"]


@pytest.mark.parametrize(
    "name",
    ["a$b_{.wav", "$$x$$.wav", "\\frac{$", "\N{GUITAR}\N{HEADPHONE}.wav", "w" * 250 + ".wav", "two\nlines\x1b[31m.wav",
     "bad\udcff.wav", "日本語" * 40 + ".mp3", "שלום.wav", "_hidden.wav", "<b>&amp;.wav"],
)  # fmt: skip
def test_any_name_can_be_drawn(tmp_path: Path, name: str) -> None:
    pixels = drawn_pixels(timeline_of(name=name, genres=(name, f"_{name}", f"${name}", "", "$\\frac")), tmp_path)
    # Nothing is drawn over the edge.
    assert (pixels[:, :3] == 255).all()
    assert (pixels[:, -3:] == 255).all()


@pytest.mark.parametrize(
    ("genres", "silent", "labels"),
    [
        (STYLES, 0, {*STYLES, "unknown"}),
        (GENRES[:7], 2, {*GENRES[:7], "unknown", "silent"}),
        (GENRES, 0, 8),
        (tuple(f"genre {k}" for k in range(300)), 1, 9),
        (GENRES, 8, {"silent"}),
        (("_a", "b"), 0, {"_a", "b", "unknown"}),
    ],
)
def test_what_the_legend_names(genres: tuple[str, ...], silent: int, labels: set[str] | int) -> None:
    drawn = draw_strip(timeline_of(genres=genres, silent=silent))
    (legend,) = drawn.legends
    found = [text.get_text() for text in legend.get_texts()]
    assert len(found) == len(set(found))
    if isinstance(labels, int):
        assert len(found) == labels
        assert "others" in found
    else:
        assert set(found) == labels
    colours = [patch.get_facecolor() for patch in legend.get_patches()]
    assert len(set(colours)) == len(colours)


def test_layers_of_a_strip_are_the_probabilities() -> None:
    timeline = timeline_of(genres=STYLES)
    (axes,) = draw_strip(timeline).axes
    lowest = axes.collections[0].get_paths()[0].vertices
    mean = {style: np.mean([point.probabilities[style] for point in timeline.points]) for style in STYLES}
    best = max(mean, key=mean.__getitem__)
    # Points give way to each other half-way between their middles, which are 15 s, 25 s and so on.
    for k, point in enumerate(timeline.points):
        edge = 0 if k == 0 else 10.0 + 10 * k
        heights = lowest[np.isclose(lowest[:, 0], edge), 1]
        assert np.isclose(heights, point.probabilities[best]).any()
    assert axes.get_xlim() == (0, 100)
    assert [text.get_text() for text in axes.get_xticklabels()] == ["0:00", "0:20", "0:40", "1:00", "1:20", "1:40"]


def test_one_point_of_any_length_has_ticks() -> None:
    for end in (3.0, 30.013, 240, 7200, 90000):
        timeline = timeline_of(1)
        timeline = replace(timeline, points=(replace(timeline.points[0], end=end),))
        (axes,) = draw_strip(timeline).axes
        labels = [text.get_text() for text in axes.get_xticklabels()]
        assert 3 <= len(labels) == len(set(labels)) <= 7


def test_only_pictures_are_overwritten(tmp_path: Path) -> None:
    audio_file = tmp_path / "song.png"
    soundfile.write(audio_file, make("hum", 1), SR, format="WAV")
    empty, folder = tmp_path / "empty.png", tmp_path / "folder.png"
    empty.touch()
    folder.mkdir()
    before = audio_file.read_bytes()
    for path in (audio_file, empty, folder):
        with pytest.raises(ReportError, match="exists and is not a PNG picture, so it is not overwritten"):
            write_strip(timeline_of(), path)
    assert audio_file.read_bytes() == before
    picture = tmp_path / "picture.png"
    Image.new("RGB", (2, 2)).save(picture)
    write_strip(timeline_of(), picture)
    assert Image.open(io.BytesIO(picture.read_bytes())).width == 780


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("x.jpg", "choose a name that ends in .png"),
        ("x", "choose a name that ends in .png"),
        ("nowhere/x.png", "there is no folder"),
        ("x" * 300 + ".png", "cannot be written: File name too long"),
    ],
)
def test_names_that_no_picture_can_have(tmp_path: Path, name: str, sentence: str) -> None:
    with pytest.raises(ReportError, match=sentence):
        refuse_strip(tmp_path / name)


def test_a_strip_that_cannot_be_written_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, target: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(ReportError, match=r"strip\.png cannot be written: No space left on device"):
        write_strip(timeline_of(), tmp_path / "strip.png")
    assert list(tmp_path.iterdir()) == []
