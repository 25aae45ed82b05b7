"""Write down what an exploration found: the page, pictures for papers, everything as JSON."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

from audio_genre.errors import ReportError
from audio_genre.evaluation.charts import FORMATS, Chart, plotly_json, rendered
from audio_genre.evaluation.exploration import Exploration, Importance, MinimalSet, MutualInformation
from audio_genre.evaluation.exploration_figures import (
    BEST,
    MOST_GENRES,
    MOST_NAMED,
    PICTURES,
    Distribution,
    balance_chart,
    correlation_chart,
    correlation_title,
    density_chart,
    distributions,
    histogram_chart,
    minimal_chart,
    projection_chart,
    ranking_charts,
    tempo_chart,
)
from audio_genre.evaluation.page import Block, Cell, Page, details, figure, note, shortened, table, text, write_whole

REPORT = "report.html"
"""Name of the page in the folder of a report."""

SUMMARY = "exploration.json"
"""Name of the file for machines in the folder of a report."""


def write_report(found: Exploration, folder: Path, done: Callable[[], None]) -> None:
    """Write everything; `done` is called after each picture and after the page."""
    for name, draw in PICTURES.items():
        picture = draw(found)
        files = rendered(picture) if picture is not None else {}
        for form in FORMATS:
            path = folder / f"{name}.{form}"
            if form in files:
                write_whole(path, files[form])
            else:
                _remove(path)
        done()
    build_page(found).write(folder / REPORT)
    summary = json.dumps(found.as_json(), indent=2, allow_nan=False)
    write_whole(folder / SUMMARY, f"{summary}\n".encode())
    done()


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise ReportError(
            f"{path} is from another table and cannot be removed: {error.strerror}; choose another folder."
        ) from None


def build_page(found: Exploration) -> Page:
    """Put what was found on one page."""
    data = found.table
    tracks = sum(found.tracks_of)
    of_tracks = "" if tracks == found.size else f" of {tracks} tracks"
    known = data.description.get("window")
    window = f", {known['kind']}s of {known['seconds']:g} s" if known else ""
    count = len(data.feature_names)
    size = f"{found.size} rows{of_tracks}, {len(data.classes)} genres, {count} features{window}"
    facts = [(str(found.size), "rows"), (str(len(data.classes)), "genres"), (str(count), "features")]
    if found.importance:
        accuracy = found.importance.accuracy
        interval = f"{accuracy.low:.3f} to {accuracy.high:.3f}"
        facts = [
            (f"{accuracy.value:.3f}", f"accuracy on validation tracks, 95 % interval {interval}"),
            (f"{found.importance.majority_baseline:.3f}", "majority baseline"),
            (str(found.importance.validation_tracks), "validation tracks"),
        ]
    page = Page(f"Exploration of {data.path.name}", found.headline(), facts)
    sampled = (
        []
        if len(data) == found.size
        else [note(f"All that follows is computed from {len(data)} of {found.size} rows, whole tracks at random.")]
    )
    page.add_section("Genres", text(f"{size}."), *sampled, *_balance_blocks(found))
    page.add_section("Features that separate the genres", *_ranking_blocks(found))
    if found.minimal:
        page.add_section("Smallest set of features", *_minimal_blocks(found.minimal))
    shown = distributions(found)
    if shown:
        page.add_section("Values of the best features", *_distribution_blocks(found, shown))
    tempo = tempo_chart(found)
    if tempo is not None:
        caption = (
            "Tempo in beats per minute: box from the lower to the upper quartile with the median, whiskers to the last "
            f"row within 1.5 interquartile ranges, rows beyond as points.{_some_genres(found)}{_drawn_rows(found)}"
        )
        page.add_section("Tempo", _figure(tempo, caption, "tempo"))
    page.add_section("Correlated features", *_correlation_blocks(found))
    if found.projections:
        page.add_section("Projections to a plane", *_projection_blocks(found))
    page.add_section("Methods", _methods_block(found))
    return page


def _figure(chart: Chart, caption: str, picture: str = "") -> Block:
    return figure(plotly_json(chart), caption, height=chart.pixels, still=f"{picture}.png" if picture else "")


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _drawn_rows(found: Exploration) -> str:
    """Say which rows are drawn, if not all."""
    if len(found.drawn) == found.size:
        return ""
    most = max(int((found.table.labels[found.drawn] == name).sum()) for name in found.table.classes)
    return f" Drawn are {len(found.drawn)} of {found.size} rows, at random, at most {most} of each genre."


def _some_genres(found: Exploration) -> str:
    """Say which genres are drawn, if not all."""
    count = len(found.table.classes)
    if count <= MOST_GENRES:
        return ""
    each = MOST_GENRES // 3
    return (
        f" Of {count} genres, {MOST_GENRES} are drawn: the {each} with the lowest, the {each} with the middle and the "
        f"{each} with the highest medians."
    )


def _minimal_blocks(minimal: MinimalSet) -> list[Block]:
    number = f"{minimal.size} feature{'' if minimal.size == 1 else 's'}"
    rows: list[list[Cell]] = [
        [size, minimal.order[size - 1], value, error]
        for size, value, error in zip(minimal.sizes, minimal.accuracy, minimal.error, strict=True)
    ]
    return [
        text(
            f"{number[0].upper()}{number[1:]} reach {minimal.at(minimal.size):.3f}, which is within one standard error "
            f"of the best, {minimal.at(minimal.best_size):.3f} with {minimal.best_size}: {', '.join(minimal.features)}."
        ),
        _figure(
            minimal_chart(minimal),
            f"Accuracy in {minimal.folds}-fold cross-validation on {minimal.rows} training rows (folds by "
            f"{minimal.protocol}), {minimal.trees} extremely randomised trees; in each fold features are "
            "ranked by permutation importance on rows other than those that test it.",
            "minimal-set",
        ),
        details("As a table", table(["features", "the last one of them", "accuracy", "standard error"], rows)),
    ]


def _balance_blocks(found: Exploration) -> list[Block]:
    classes = found.table.classes
    most, fewest = max(found.rows_of), min(found.rows_of)
    if most == fewest:
        balance = f"Every genre has {most} rows."
    else:
        largest, smallest = classes[found.rows_of.index(most)], classes[found.rows_of.index(fewest)]
        balance = (
            f"The largest genre, {shortened(largest)}, has {most} rows; the smallest, {shortened(smallest)}, has "
            f"{fewest} (ratio {most / fewest:.3g})."
        )
    half = MOST_GENRES // 2
    some = f" Drawn are the {half} largest and the {half} smallest." if len(classes) > MOST_GENRES else ""
    rows = [(name, rows, tracks) for name, rows, tracks in zip(classes, found.rows_of, found.tracks_of, strict=True)]
    return [
        text(balance),
        _figure(balance_chart(found), f"Rows of each genre.{some}", "balance"),
        details("As a table", table(["genre", "rows", "tracks"], rows)),
    ]


def _ranking_blocks(found: Exploration) -> list[Block]:
    blocks = [note(sentence) for sentence in (*found.table.notes, *found.missing)]
    importance, mutual_information = found.importance, found.mutual_information
    best, charts = found.best(BEST), ranking_charts(found)
    if best and charts:
        ranked = "the mean of their ranks in the two rankings below" if len(charts) > 1 else "the ranking below"
        blocks.append(text(f"Best features by {ranked}: {', '.join(best)}."))
    if importance:
        blocks += _importance_blocks(found, importance, charts["importance"])
    if mutual_information:
        still = "" if importance else "importance"
        caption = _mutual_information_words(found, mutual_information)
        blocks.append(_figure(charts["mutual information"], caption, still))
    if charts:
        blocks.append(details("All features", _ranking_table(found)))
    if found.empty:
        cells = ", ".join(f"{name} ({count})" for name, count in found.empty.items())
        blocks.append(note(f"Empty cells, filled with the median but not drawn: {cells}."))
    if found.constant:
        blocks.append(note(f"Constant in all rows, and so without information: {', '.join(found.constant)}."))
    return blocks


def _importance_blocks(found: Exploration, importance: Importance, chart: Chart) -> list[Block]:
    shared = (
        "Correlated features share their importance: when one of them is shuffled, the trees still have the other, so "
        "both can look unimportant although the pair is not."
    )
    for first, second, correlation in found.strongest_pairs(1):
        shared += f" Here {first} and {second} correlate most, with {correlation:.2f}."
    return [
        text(
            f"{importance.trees} extremely randomised trees, fitted on {importance.train_rows} rows of "
            f"{importance.train_tracks} tracks, classify {importance.validation_tracks} other tracks with accuracy "
            f"{importance.accuracy}; majority baseline {importance.majority_baseline:.3f}. No "
            f"{'artist' if importance.protocol == 'artist' else 'track'} is in both sets "
            f"(protocol {importance.protocol}), and the test tracks are not used."
        ),
        _figure(
            chart,
            "Permutation importance: decrease of the log2 probability of the true genre when a feature is shuffled "
            f"among {importance.shuffled_rows} validation rows; mean and standard deviation of {importance.repeats} "
            "shuffles.",
            "importance",
        ),
        note(shared),
    ]


def _mutual_information_words(found: Exploration, information: MutualInformation) -> str:
    rows = "one row of each track, because rows of one track are similar"
    if not information.one_row_a_track:
        rows = "all rows, although rows of one track are similar, so the values are too high"
    small = len(found.table.classes) - information.classes
    left_out = f" Genres left out for having too few rows: {small} of {len(found.table.classes)}." if small else ""
    return (
        "Mutual information of each single feature with the genre, whose entropy is "
        f"{information.genre_bits:.2f} bits; estimated from {information.rows} rows ({rows}). Information that two "
        f"features share is counted for both.{left_out}"
    )


def _ranking_table(found: Exploration) -> Block:
    frame = found.to_frame()
    columns = frame[["feature", "importance", "mutual_information"]].itertuples(index=False)
    rows: list[list[Cell]] = [[str(name), float(first), float(second)] for name, first, second in columns]
    header = ["feature", "permutation importance", "mutual information"]
    return table(header, rows, "Permutation importance and mutual information of every feature in bits, the best first")


def _distribution_blocks(found: Exploration, shown: list[Distribution]) -> list[Block]:
    blocks = [
        text(
            "The best features in each genre: density with quartiles and median; a histogram is folded below each. The "
            "less the shapes of two genres overlap, the better this feature alone separates them."
            + _some_genres(found)
            + _drawn_rows(found)
        )
    ]
    for number, distribution in enumerate(shown):
        far = f" Outliers not drawn: {distribution.left_out} rows." if distribution.left_out else ""
        name = shortened(distribution.feature)
        histogram = f"Histogram of {name} in each genre, as shares of its rows.{far}"
        blocks += [
            _figure(
                density_chart(found, distribution),
                f"{name} in each genre: density, quartiles and median.{far}",
                # One picture holds all of them.
                "" if number else "violins",
            ),
            details(
                f"{name}: histograms",
                _figure(histogram_chart(found, distribution), histogram, "" if number else "histograms"),
            ),
        ]
    return blocks


def _correlation_blocks(found: Exploration) -> list[Block]:
    constant = (
        " Constant features have no correlation." if any(name in found.constant for name in found.correlated) else ""
    )
    blocks = [
        _figure(
            correlation_chart(found),
            f"{correlation_title(found)} over all rows; red is positive, blue negative.{constant}",
            "correlation",
        )
    ]
    rows = [(f"{first} and {second}", value) for first, second, value in found.strongest_pairs(10)]
    if rows:
        blocks.append(details("Strongest correlations", table(["pair", "correlation"], rows)))
    return blocks


def _projection_blocks(found: Exploration) -> list[Block]:
    blocks = []
    for number, projection in enumerate(found.projections):
        scaled = "standardised features, compressed as in the networks: sign(z) log(1 + |z|)"
        if projection.explained:
            about = (
                f"Principal components of {scaled}. The two axes explain {_percent(sum(projection.explained))} of the "
                "variance."
            )
        else:
            about = f"UMAP of {scaled}. Neighbours stay together; distances between groups have no meaning."
        if len(found.table.classes) > MOST_GENRES:
            about += f" Coloured are the {MOST_NAMED} genres that lie the furthest out."
        caption = f"{about} Click a genre to hide it, double-click to show it alone.{_drawn_rows(found)}"
        blocks.append(_figure(projection_chart(found, projection), caption, "" if number else "projection"))
    return blocks


def _methods_block(found: Exploration) -> Block:
    data, known = found.table, found.table.description
    rows: list[list[str | int | float | None]] = [
        ["table", str(data.path)],
        ["SHA-256", data.sha256],
        ["seed of split, trees and samples", str(found.seed)],
        ["scikit-learn", version("scikit-learn")],
    ]
    rows[2:2] = [[name, str(known[name] or "none")] for name in ("schema", "recipe", "layout") if name in known]
    return table(["setting", "value"], rows)
