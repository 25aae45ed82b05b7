"""Exploring tables of tracks: the smallest set of features, empty cells, many genres, large tables."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import typer
from leaky_tracks import tracks_frame, write_tracks
from typer.testing import CliRunner

from audio_genre.cli.explore import explore as explore_command
from audio_genre.datasets import Tracks, get_protocol, load_tracks
from audio_genre.errors import TableError
from audio_genre.evaluation import charts, exploration_report
from audio_genre.evaluation import exploration as module
from audio_genre.evaluation.exploration import Exploration, examine
from audio_genre.evaluation.exploration_figures import (
    MOST_GENRES,
    MOST_NAMED,
    balance_chart,
    distributions,
    minimal_chart,
    projection_chart,
    tempo_chart,
)
from audio_genre.evaluation.exploration_report import build_page

COUNTS = {"fado": 120, "jazz": 100, "rai": 80}


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw small pictures, as PNG alone."""
    monkeypatch.setattr(charts, "_DPI", 30)
    drawn = charts.rendered
    monkeypatch.setattr(
        exploration_report, "rendered", lambda figure: {"pdf": b"", "svg": b"", **drawn(figure, ("png",))}
    )


@pytest.fixture(scope="module")
def tracks(tmp_path_factory: pytest.TempPathFactory) -> Tracks:
    frame = tracks_frame(COUNTS, telling=0.15)
    frame.loc[:9, "tempo"] = 0
    frame["popularity"] = np.arange(len(frame)) % 100
    return load_tracks(write_tracks(tmp_path_factory.mktemp("tracks") / "t.csv", frame))


@pytest.fixture(scope="module")
def found(tracks: Tracks) -> Exploration:
    return examine(tracks)


def test_the_smallest_set_is_of_the_features_that_were_made_to_tell(found: Exploration) -> None:
    minimal = found.minimal
    assert minimal is not None
    assert set(minimal.order[:2]) == {"danceability", "energy"}
    assert set(minimal.features) <= {"danceability", "energy"}
    assert minimal.at(minimal.size) > minimal.majority_baseline + 0.3
    assert minimal.at(minimal.size) >= minimal.threshold
    assert all(minimal.at(size) < minimal.threshold for size in minimal.sizes if size < minimal.size)
    assert minimal.sizes == tuple(range(1, len(found.table.feature_names) + 1))
    assert minimal.protocol == "artist"


def test_with_labels_shuffled_no_size_is_far_above_chance(tmp_path: Path) -> None:
    frame = tracks_frame(COUNTS, per_artist=1)
    frame["track_genre"] = np.random.default_rng(0).permutation(frame["track_genre"].to_numpy())
    minimal = examine(load_tracks(write_tracks(tmp_path / "t.csv", frame))).minimal
    assert minimal is not None
    assert max(minimal.accuracy) < minimal.majority_baseline + 0.1


def test_what_the_smallest_set_is_chosen_with_never_sees_the_test_rows(
    tracks: Tracks, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sklearn.model_selection

    seen = []
    split_rows = sklearn.model_selection.StratifiedGroupKFold.split

    def spy(self, X, y, groups):
        seen.append((X, groups))
        return split_rows(self, X, y, groups)

    monkeypatch.setattr(sklearn.model_selection.StratifiedGroupKFold, "split", spy)
    examine(tracks)
    ((values, groups),) = seen
    (split,) = get_protocol("artist").splits(tracks, seed=0)
    # Danceability is of its own in every row.
    rows = [int(np.flatnonzero(tracks.matrix[:, 0] == value)[0]) for value in values[:, 0]]
    assert set(rows) <= set(split.train.tolist())
    artists = tracks.together["artist"][rows]
    assert len(set(zip(artists.tolist(), groups.tolist(), strict=True))) == len(set(artists.tolist()))


def test_popularity_is_looked_at_only_where_it_is_named(tracks: Tracks) -> None:
    assert "popularity" not in tracks.feature_names
    assert "popularity" in load_tracks(tracks.path, use=("popularity",)).feature_names


def test_empty_cells_are_counted_and_not_drawn(found: Exploration) -> None:
    assert found.empty == {"tempo": 10}
    chart = tempo_chart(found)
    assert chart is not None
    assert min(box.five[0] for box in chart.series) >= 60
    assert "tempo (10)" in build_page(found).html()
    drawn = {each.feature: each for each in distributions(found)}
    assert all(np.isfinite(values).all() for each in drawn.values() for values in each.of_class)


def test_many_genres_stay_readable_and_the_page_says_which_are_drawn(tmp_path: Path) -> None:
    frame = tracks_frame({f"genre {k:02d}": 12 + k for k in range(40)}, per_artist=2, telling=0.01)
    found = examine(load_tracks(write_tracks(tmp_path / "t.csv", frame)))
    assert len(found.rows_of) == 40
    assert len(balance_chart(found).series[0].values) == MOST_GENRES
    for shown in distributions(found):
        medians = [np.median(values) for values in shown.of_class]
        assert len(medians) == MOST_GENRES
        assert medians == sorted(medians)
    series = projection_chart(found, found.projections[0]).series
    assert len(series) == MOST_NAMED + 1
    assert sum(len(each.x) for each in series) == len(found.drawn)
    html = build_page(found).html()
    assert f"Of 40 genres, {MOST_GENRES} are drawn" in html


def test_a_large_table_is_sampled_by_track_and_the_page_says_so(
    tracks: Tracks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_MAX_ROWS", 150)
    found = examine(tracks)
    assert found.rows_of == tuple(COUNTS.values())
    assert 100 <= len(found.table) <= 150
    assert f"{len(found.table)} of {len(tracks)} rows, whole tracks at random" in build_page(found).html()
    assert found.as_json()["rows"] == len(tracks)


def test_the_command_takes_the_options_of_tracks(tracks: Tracks, tmp_path: Path) -> None:
    app = typer.Typer()
    app.command()(explore_command)
    words = [str(tracks.path), str(tmp_path / "report"), "--genres", "fado,rai", "--with", "popularity"]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output
    saved = json.loads((tmp_path / "report" / "exploration.json").read_text())
    assert [each["label"] for each in saved["classes"]] == ["fado", "rai"]
    assert "popularity" in saved["best_features"]
    assert saved["table"]["layout"]
    assert "smallest set within one standard error" in result.stdout


def test_the_chart_marks_the_smallest_set(found: Exploration) -> None:
    assert found.minimal is not None
    chart = minimal_chart(found.minimal)
    assert list(chart.series[1].x) == [found.minimal.size]


def test_rows_without_features_are_refused_with_a_sentence() -> None:
    from types import SimpleNamespace

    with pytest.raises(TableError, match="pictures has no features to explore"):
        examine(SimpleNamespace(path="pictures"))  # type: ignore[arg-type]
