from __future__ import annotations

import csv
import functools
import json
import re
import sys
import types
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import typer
from small_reports import small_exploration
from typer.testing import CliRunner

from audio_genre.cli.explore import explore as explore_command
from audio_genre.cli.explore import summary_lines
from audio_genre.datasets import GTZAN57_TABLE, Table, TableSchema, get_protocol, load_table
from audio_genre.datasets.tracks import load_tracks
from audio_genre.errors import ParameterError, ReportError, TableError
from audio_genre.evaluation import charts
from audio_genre.evaluation import exploration as module
from audio_genre.evaluation.charts import FORMATS, plotly_json
from audio_genre.evaluation.exploration import Exploration, examine
from audio_genre.evaluation.exploration_figures import PICTURES, density_chart, distributions, tempo_chart
from audio_genre.evaluation.exploration_report import build_page
from audio_genre.evaluation.explore import explore
from audio_genre.synthetic.tracks import make_tracks

FEATURES = ("loud_mean", "loud_var", "noise_mean", "tempo", "still_mean")
HOSTILE = [
    "<script>alert(1)</script>", "NA", "1980", "2020-01-01", "$\\frac{", "_under", "日本🎵", "very " * 40 + "long",
    "a\u202eb", "100%{x}", "&amp;", "'\"",
]  # fmt: skip

Gen = Callable[[int, int, np.random.Generator], list[float]]


def values(label: int, row: int, rng: np.random.Generator) -> list[float]:
    """Return a loudness that tells the class, its exponential, noise, a tempo, and a constant."""
    loud = 3 * label + rng.normal()
    return [loud, float(np.exp(loud / 9)), rng.normal(), 120 + rng.normal(), 1.1]


def make(
    path: Path,
    classes: list[str],
    rows: int | list[int] = 12,
    gen: Gen = values,
    features: tuple[str, ...] = FEATURES,
    tracks: int | None = None,
) -> Table:
    """Write and read a table; with `tracks` a class has so many, and its rows are dealt to them in turn."""
    rng = np.random.default_rng(0)
    counts = [rows] * len(classes) if isinstance(rows, int) else rows
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["item", "genre", "track", *features])
        for label, (name, count) in enumerate(zip(classes, counts, strict=True)):
            for row in range(count):
                track = row if tracks is None else row % tracks
                writer.writerow([f"<i>{label}.{row:03d}.wav", name, f"{label}.{track}", *gen(label, row, rng)])
    schema = TableSchema("toy", recipe=None, features=features, label="genre", item="item", group="track")
    return load_table(path, schema)


@pytest.fixture(autouse=True)
def small(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Grow a small forest and draw small pictures where no figure depends on it."""
    monkeypatch.setattr(charts, "_DPI", 30)
    if not {"shared_data", "toy"} & set(request.fixturenames):
        small_exploration(monkeypatch)


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> tuple[Exploration, Path]:
    folder = tmp_path_factory.mktemp("toy")
    table = make(folder / "toy.csv", ["blues", "jazz", "rock"], 20)
    return explore(table, folder / "report"), folder / "report"


def test_counts_are_those_of_the_table(tmp_path: Path) -> None:
    found = examine(make(tmp_path / "a.csv", ["a", "b"], [20, 12], tracks=5))
    assert (found.rows_of, found.tracks_of) == ((20, 12), (5, 5))


def test_the_feature_that_tells_the_genre_is_first_in_both_rankings(toy: tuple[Exploration, Path]) -> None:
    found = toy[0]
    assert found.importance is not None
    assert found.mutual_information is not None
    telling = {"loud_mean", "loud_var"}
    assert {each.feature for each in found.importance.ranking[:2]} == telling
    assert {each.feature for each in found.mutual_information.ranking[:2]} == telling
    assert set(found.best(2)) == telling
    assert found.importance.accuracy.value > 0.8
    assert found.importance.majority_baseline == pytest.approx(1 / 3)
    assert found.mutual_information.genre_bits == pytest.approx(np.log2(3))
    assert found.mutual_information.ranking[0].bits <= found.mutual_information.genre_bits * 1.2


def test_the_frame_has_a_row_a_feature_the_best_first(toy: tuple[Exploration, Path]) -> None:
    found = toy[0]
    frame = found.to_frame()
    assert frame["feature"].tolist() == [*found.best(9), "still_mean"]
    assert frame["rank"].tolist() == [1, 2, 3, 4, 5]
    by_name = frame.set_index("feature")
    for each in found.importance.ranking:
        assert by_name.loc[each.feature, ["importance", "importance_deviation"]].tolist() == [each.bits, each.deviation]
    for each in found.mutual_information.ranking:
        assert by_name.loc[each.feature, "mutual_information"] == each.bits
    assert by_name["constant"].tolist() == [False] * 4 + [True]


def test_densities_and_boxes_are_those_of_the_values(toy: tuple[Exploration, Path]) -> None:
    found = toy[0]
    first = distributions(found)[0]
    *areas, marks = density_chart(found, first).series
    for k, (area, values) in enumerate(zip(areas, first.of_class, strict=True)):
        assert (min(area.x), max(area.x)) == (pytest.approx(values.min()), pytest.approx(values.max()))
        assert (min(area.y), max(area.y)) == (pytest.approx(k - 0.45), pytest.approx(k + 0.45))
        assert marks.x[k] == pytest.approx(np.median(values))
    boxes = tempo_chart(found).series
    traces = plotly_json(tempo_chart(found))["data"]
    for box, trace, name in zip(boxes, traces, found.table.classes, strict=True):
        values = found.table.X[found.table.labels == name, 3].astype(np.float64)
        assert box.five[1:4] == pytest.approx(np.quantile(values, (0.25, 0.5, 0.75)))
        assert box.five[0] >= values.min()
        assert box.five[4] <= values.max()
        assert trace["median"] == [pytest.approx(box.five[2], rel=1e-4)]


def test_constant_features_are_named_and_score_nothing(toy: tuple[Exploration, Path]) -> None:
    found = toy[0]
    assert found.constant == ("still_mean",)
    assert "still_mean" not in found.best(9)
    for ranking in (found.importance.ranking, found.mutual_information.ranking):
        assert [each.bits for each in ranking if each.feature == "still_mean"] == [0.0]


def test_correlation_is_that_of_pandas_over_the_means_and_the_tempo(toy: tuple[Exploration, Path]) -> None:
    found = toy[0]
    assert found.correlated == ("loud_mean", "noise_mean", "tempo", "still_mean")
    columns = [found.table.schema.features.index(name) for name in found.correlated]
    expected = pd.DataFrame(found.table.X[:, columns].astype(np.float64)).corr().to_numpy()
    np.testing.assert_allclose(found.correlation, expected, atol=1e-12)
    ((_, _, strongest),) = found.strongest_pairs(1)
    assert abs(strongest) == pytest.approx(np.nanmax(np.abs(np.triu(expected, 1))))


def test_without_means_all_features_are_correlated(tmp_path: Path) -> None:
    found = examine(make(tmp_path / "a.csv", ["a", "b"], features=("v", "w", "x", "y", "z")))
    assert found.correlated == ("v", "w", "x", "y", "z")
    assert found.tempo is None


def test_pca_is_that_of_the_covariance_of_squashed_features(toy: tuple[Exploration, Path]) -> None:
    found = toy[0]
    exact = found.table.X[:, :4].astype(np.float64)
    z = (exact - exact.mean(0)) / exact.std(0)
    eigenvalues = np.linalg.eigvalsh(np.cov(np.sign(z) * np.log1p(np.abs(z)), rowvar=False))[::-1]
    (pca,) = found.projections
    assert pca.explained == pytest.approx(tuple(eigenvalues[:2] / eigenvalues.sum()))
    assert pca.points.var(axis=0, ddof=1) == pytest.approx(eigenvalues[:2])


def test_no_track_is_on_both_sides_and_none_of_the_test_is_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sklearn.ensemble

    table = make(tmp_path / "a.csv", ["a", "b"], 40, tracks=10)
    seen: dict[str, np.ndarray] = {}
    fit, shuffle = sklearn.ensemble.ExtraTreesClassifier.fit, module.bits_lost

    def spy_fit(self, X, y):
        seen.setdefault("train", X)
        return fit(self, X, y)

    def spy_shuffle(forest, X, y, **options):
        seen.setdefault("validation", X)  # the minimal set asks again, among training rows
        return shuffle(forest, X, y, **options)

    monkeypatch.setattr(sklearn.ensemble.ExtraTreesClassifier, "fit", spy_fit)
    monkeypatch.setattr(module, "bits_lost", spy_shuffle)
    found = examine(table, seed=3)
    (split,) = get_protocol("track").splits(table, seed=3)
    np.testing.assert_array_equal(seen["train"], table.X[split.train])
    np.testing.assert_array_equal(seen["validation"], table.X[split.validation])
    assert (found.importance.train_tracks, found.importance.validation_tracks) == (12, 4)


def test_mutual_information_sees_one_row_a_track(tmp_path: Path) -> None:
    # Rows of a track are copies: with all of them, noise would tell the genre perfectly.
    def copies(label: int, row: int, rng: np.random.Generator) -> list[float]:
        own = np.random.default_rng([label, row % 20])
        return own.normal(size=5).tolist()

    found = examine(make(tmp_path / "a.csv", ["a", "b"], 200, copies, tracks=20))
    assert (found.mutual_information.rows, found.mutual_information.one_row_a_track) == (40, True)
    assert found.mutual_information.ranking[0].bits < 0.5


def test_the_same_seed_finds_the_same(tmp_path: Path) -> None:
    table = make(tmp_path / "a.csv", ["a", "b"])
    first, again, other = (examine(table, seed=seed) for seed in (0, 0, 1))
    assert first.as_json() == again.as_json()
    assert first.importance != other.importance


def test_a_report_has_page_pictures_and_json(toy: tuple[Exploration, Path]) -> None:
    found, folder = toy
    pictures = [f"{name}.{form}" for name in PICTURES for form in FORMATS]
    names = ["report.html", "plotly.min.js", "exploration.json", *pictures]
    assert sorted(path.name for path in folder.iterdir()) == sorted(names)
    assert json.loads((folder / "exploration.json").read_text()) == found.as_json()
    for name in PICTURES:
        assert (folder / f"{name}.png").read_bytes().startswith(b"\x89PNG")
        assert (folder / f"{name}.pdf").read_bytes().startswith(b"%PDF")
    html = (folder / "report.html").read_text(encoding="utf-8")
    assert not re.search(r"<(script|link|img)[^>]+(src|href)=.?https?:", html)
    assert "share their importance" in html
    assert found.headline() in html
    assert f"accuracy with all features {found.importance.accuracy} on 12 validation tracks" in found.headline()
    stills = re.findall(r'class="still" loading="lazy" src="([^"]+)"', html)
    assert sorted(stills) == sorted(f"{name}.png" for name in PICTURES)


def test_json_holds_rankings_counts_and_variance(toy: tuple[Exploration, Path]) -> None:
    found, content = toy[0], toy[0].as_json()
    assert content["classes"][0] == {"label": "blues", "rows": 20, "tracks": 20}
    assert [each["feature"] for each in content["importance"]["ranking"]] == [
        each.feature for each in found.importance.ranking
    ]
    assert content["projections"][0]["method"] == "PCA"
    assert content["correlation"]["matrix"][3] == [None] * 4
    blues = found.table.X[found.table.labels == "blues", 3]
    assert content["tempo"][0]["median"] == pytest.approx(float(np.median(blues.astype(np.float64))))


@pytest.mark.parametrize(
    "classes",
    [HOSTILE, [f"genre {k:02d}" for k in range(40)]],
    ids=["hostile", "forty"],
)
def test_labels_may_be_any_text_and_many(tmp_path: Path, classes: list[str]) -> None:
    found = explore(make(tmp_path / "a.csv", classes, 5), tmp_path / "report")
    assert found.table.classes == tuple(sorted(classes))
    html = (tmp_path / "report" / "report.html").read_text(encoding="utf-8")
    assert "<script>alert" not in html
    assert "<i>0.000" not in html
    assert {path.name for path in (tmp_path / "report").iterdir()} >= {f"{name}.png" for name in PICTURES}


def extreme(label: int, row: int, rng: np.random.Generator) -> list[float]:
    return [3e38 * (row % 2) - 1e38 * label, 1e-44 * row, 1e30 if row == 3 else float(label), 1e-30 * rng.normal(), 0]


def only_outliers(label: int, row: int, rng: np.random.Generator) -> list[float]:
    return [float(row == 0), 0.0, 1e20 + 1e15 * (row == 0), rng.normal() * 1e12**label, 1e-3 * row]


@pytest.mark.parametrize("gen", [extreme, only_outliers])
def test_any_finite_number_is_drawn(tmp_path: Path, gen: Gen) -> None:
    explore(make(tmp_path / "a.csv", ["a", "b"], 15, gen), tmp_path / "report")


@pytest.mark.parametrize(
    ("rows", "tracks", "importance", "information"),
    [
        ([12, 12], 2, False, True),
        ([1, 1], None, False, False),
        ([1, 30], None, False, False),
        ([2, 30, 30], None, False, True),
        ([3, 3], None, True, False),
    ],
)
def test_a_small_table_gets_what_it_allows_and_a_sentence_for_the_rest(
    tmp_path: Path, rows: list[int], tracks: int | None, importance: bool, information: bool
) -> None:
    classes = ["a", "b", "c"][: len(rows)]
    found = explore(make(tmp_path / "a.csv", classes, rows, tracks=tracks), tmp_path / "report")
    assert (found.importance is not None, found.mutual_information is not None) == (importance, information)
    # Without a split nothing else is said of the minimal set.
    assert len(found.missing) == 2 - importance - information + (importance and found.minimal is None)
    html = (tmp_path / "report" / "report.html").read_text(encoding="utf-8")
    if not importance:
        assert "needs tracks that the forest did not learn from" in html
        assert "protocol &#x27;track&#x27; needs at least 3" in html
    if not information:
        assert "Mutual information needs at least 4 rows" in html
    assert (tmp_path / "report" / "importance.png").exists() == (importance or information)
    assert (tmp_path / "report" / "violins.png").exists()


def test_the_minimal_set_leaves_a_genre_with_few_artists_out_and_does_not_go_by_song(tmp_path: Path) -> None:
    """By song, trees would recognise the artists: of all genres, because of one."""
    frame = make_tracks(800, genres=["edm", "jazz", "pop", "reggae"])
    # What is there once more would link the few artists.
    frame = frame[~frame.duplicated("track_id", keep=False) & ~frame["album_name"].str.contains("(re", regex=False)]
    few = frame["track_genre"] == "reggae"
    frame.loc[few, "artists"] = [f"Synthetic Artist {k % 4}" for k in range(int(few.sum()))]
    frame.to_csv(tmp_path / "tracks.csv", index=False)
    found = examine(load_tracks(tmp_path / "tracks.csv"))
    assert found.minimal is not None
    assert found.minimal.protocol == "artist"
    assert (
        "The minimal set is found without reggae, with fewer than three sets of artists in training." in found.missing
    )


def test_rows_of_few_tracks_are_all_used_and_that_is_said(tmp_path: Path) -> None:
    found = examine(make(tmp_path / "a.csv", ["a", "b"], 12, tracks=2))
    assert (found.mutual_information.rows, found.mutual_information.one_row_a_track) == (24, False)
    assert "too high" in build_page(found).html()


def test_nothing_varies(tmp_path: Path) -> None:
    found = explore(make(tmp_path / "a.csv", ["a", "b"], 12, lambda *_: [1.1] * 5), tmp_path / "report")
    assert found.constant == FEATURES
    assert found.best(5) == ()
    assert found.projections == ()
    assert found.minimal is None
    assert found.missing == (
        "The minimal set needs two features that vary and three tracks of each genre, and so it is left out.",
        "A projection to a plane needs at least two features that are not constant, and so it is left out.",
    )
    assert not (tmp_path / "report" / "violins.png").exists()
    assert not any("best features" in line for line in summary_lines(found))


def test_pictures_of_another_table_do_not_stay(tmp_path: Path) -> None:
    explore(make(tmp_path / "a.csv", ["a", "b"]), tmp_path / "report")
    assert (tmp_path / "report" / "tempo.png").exists()
    explore(make(tmp_path / "b.csv", ["a", "b"], features=("v", "w", "x", "y", "z")), tmp_path / "report")
    assert not (tmp_path / "report" / "tempo.png").exists()


def test_a_large_table_is_sampled_fairly_and_the_page_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_DRAWN_ROWS", "_MUTUAL_INFORMATION_ROWS", "_TRAIN_ROWS", "_SHUFFLED_ROWS"):
        monkeypatch.setattr(module, name, 30)
    found = examine(make(tmp_path / "a.csv", ["a", "b", "c"], [200, 8, 100]))
    drawn = found.table.labels[found.drawn].tolist()
    assert [drawn.count(name) for name in "abc"] == [11, 8, 11]
    assert found.projections[0].points.shape == (30, 2)
    assert found.mutual_information.rows == 30
    assert (found.importance.train_rows, found.importance.shuffled_rows) == (30, 30)
    assert found.rows_of == (200, 8, 100)
    assert "Drawn are 30 of 308 rows, at random, at most 11 of each genre." in build_page(found).html()


def test_rows_far_out_do_not_squeeze_the_others_and_are_counted(tmp_path: Path) -> None:
    def spike(label: int, row: int, rng: np.random.Generator) -> list[float]:
        return [1e6 if row == 0 else 3 * label + rng.normal(), *rng.normal(size=4)]

    html = build_page(examine(make(tmp_path / "a.csv", ["a", "b"], 60, spike))).html()
    assert "Outliers not drawn: 2 rows." in html


@pytest.mark.parametrize(
    ("label", "rows", "message"),
    [
        ("", 3, "has no label in 3 of 7 rows, the first being '<i>0.000.wav'; exploring .* fill in the labels"),
        ("b", 0, "has only the class 'b'; exploring compares genres and needs at least two"),
    ],
)
def test_a_table_without_genres_is_refused_before_anything_is_written(
    tmp_path: Path, label: str, rows: int, message: str
) -> None:
    table = make(tmp_path / "a.csv", [label, "b"], [rows, 4])
    with pytest.raises(TableError, match=message):
        explore(table, tmp_path / "report")
    assert not (tmp_path / "report").exists()


@pytest.mark.parametrize("seed", [-1, 2**32 - 1])
def test_a_seed_out_of_range_is_refused(tmp_path: Path, seed: int) -> None:
    with pytest.raises(ParameterError, match=f"range 0 to 4294967294; got {seed}"):
        examine(make(tmp_path / "a.csv", ["a", "b"], 3), seed=seed)


@pytest.mark.parametrize(
    ("blocked", "message"), [("", "cannot be made a folder"), ("report.html", "cannot be written")]
)
def test_a_report_that_cannot_be_written_is_one_sentence(tmp_path: Path, blocked: str, message: str) -> None:
    table = make(tmp_path / "a.csv", ["a", "b"], 3)
    report = tmp_path / "report"
    if blocked:
        (report / blocked).mkdir(parents=True)
    else:
        report.touch()
    with pytest.raises(ReportError, match=message):
        explore(table, report)


def test_progress_ends_at_the_total(tmp_path: Path) -> None:
    for tracks in (None, 2):
        calls: list[tuple[int, int]] = []
        table = make(tmp_path / "a.csv", ["a", "b"], tracks=tracks)
        run = examine if tracks else functools.partial(explore, report_dir=tmp_path / "report")
        run(table, progress=lambda done, total, _, calls=calls: calls.append((done, total)))
        assert calls[-1][0] == calls[-1][1]
        assert [done for done, _ in calls] == sorted({done for done, _ in calls})


class TestUmap:
    """UMAP is an extra; a stand-in shows how it is asked."""

    @pytest.fixture
    def asked(self, monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
        asked: dict[str, object] = {}

        class Umap:
            def __init__(self, **options: object) -> None:
                asked.update(options)

            def fit_transform(self, X: np.ndarray) -> np.ndarray:
                return X[:, :2].astype(np.float32)

        stand_in = types.ModuleType("umap")
        stand_in.UMAP = Umap
        monkeypatch.setitem(sys.modules, "umap", stand_in)
        return asked

    def test_it_is_drawn_beside_pca(self, tmp_path: Path, asked: dict[str, object]) -> None:
        found = explore(make(tmp_path / "a.csv", ["a", "b"]), tmp_path / "report", seed=5)
        assert [each.method for each in found.projections] == ["PCA", "UMAP"]
        assert found.projections[1].explained is None
        assert asked == {"n_components": 2, "n_neighbors": 15, "random_state": 5, "n_jobs": 1}
        assert "distances between groups have no meaning" in (tmp_path / "report" / "report.html").read_text()

    def test_too_few_rows_have_no_neighbourhoods(self, tmp_path: Path, asked: dict[str, object]) -> None:
        found = examine(make(tmp_path / "a.csv", ["a", "b"], 4))
        assert [each.method for each in found.projections] == ["PCA"]
        assert asked == {}

    @pytest.mark.parametrize(("lacking", "said"), [("umap", 0), ("numba", 1)])
    def test_what_does_not_load_is_left_out(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lacking: str, said: int
    ) -> None:
        def fail(name: str) -> None:
            raise ModuleNotFoundError(f"No module named {lacking!r}", name=lacking)

        monkeypatch.setattr(module, "importlib", types.SimpleNamespace(import_module=fail))
        found = examine(make(tmp_path / "a.csv", ["a", "b"]))
        assert [each.method for each in found.projections] == ["PCA"]
        assert len(found.missing) == said
        assert all("umap-learn lacks the package numba" in sentence for sentence in found.missing)


@pytest.fixture
def app() -> typer.Typer:
    app = typer.Typer()
    app.command()(explore_command)
    return app


@pytest.fixture
def gtzan(tmp_path: Path) -> Path:
    """A table with the columns of the public ones."""
    rng = np.random.default_rng(0)
    path = tmp_path / "features_30_sec.csv"
    frame = pd.DataFrame(rng.normal(size=(18, 57)), columns=list(GTZAN57_TABLE.features))
    frame.insert(0, "filename", [f"{k:05d}.wav" for k in range(18)])
    frame["label"] = ["blues", "jazz"] * 9
    frame.to_csv(path, index=False)
    return path


class TestCommand:
    def test_prints_a_few_lines(self, app: typer.Typer, gtzan: Path, tmp_path: Path) -> None:
        result = CliRunner().invoke(app, [str(gtzan), str(tmp_path / "report")])
        assert result.exit_code == 0, result.output
        lines = result.stdout.splitlines()
        assert lines[0] == "18 rows in 2 genres, 9 in each"
        assert lines[1].startswith("trees: accuracy 0.")
        assert "protocol: track" in lines[1]
        assert len(lines) == 2 + 1 + 5 + 1 + 1
        assert lines[-2].startswith("smallest set within one standard error of the best: ")
        assert lines[-1].endswith("report.html")

    def test_json_is_one_object(self, app: typer.Typer, gtzan: Path, tmp_path: Path) -> None:
        result = CliRunner().invoke(app, [str(gtzan), str(tmp_path / "report"), "--json", "--seed", "4"])
        content = json.loads(result.stdout)
        assert content.pop("report") == str(tmp_path / "report" / "report.html")
        assert content == json.loads((tmp_path / "report" / "exploration.json").read_text())
        assert content["seed"] == 4

    def test_what_cannot_be_read_is_one_sentence(self, app: typer.Typer, tmp_path: Path) -> None:
        result = CliRunner().invoke(app, [str(tmp_path / "none.csv"), str(tmp_path / "report")])
        assert result.exit_code == 2
        assert result.stdout == ""
        assert "none.csv cannot be read: No such file or directory" in result.stderr


def test_the_public_table_separates_by_timbre_and_is_scored_without_leak(shared_data: Path) -> None:
    found = examine(load_table(shared_data / "gtzan" / "features_30_sec.csv"))
    assert {"chroma_stft_mean", "perceptr_var"} <= set(found.best(5))
    # Well above .76 would be a leak.
    assert 0.6 < found.importance.accuracy.value < 0.8
    assert found.strongest_pairs(1)[0][:2] == ("spectral_centroid_mean", "rolloff_mean")
