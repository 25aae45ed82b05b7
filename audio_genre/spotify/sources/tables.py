"""Answers of a model for rows of a table of tracks that are some of the songs; no cell of them comes from Spotify."""

from __future__ import annotations

import csv
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from audio_genre.errors import AudioGenreError, BundleError, TableError
from audio_genre.inputs import load_bundle

if TYPE_CHECKING:
    from audio_genre.bundles import Bundle
    from audio_genre.inference.answer import Classification


def open_model(model: Path) -> Bundle:
    """Open a model that was trained on tables of tracks; refuse any other."""
    bundle = load_bundle(model)
    if bundle.card.input != "tracks":
        raise BundleError(
            f"{model} takes {bundle.card.input} and not tables of tracks; train one with `audio-genre train baseline "
            "TABLE MODELS_DIR`, and name it with --model."
        )
    return bundle


def classify_rows(
    path: Path, header: Sequence[str], rows: Iterable[Sequence[object]], bundle: Bundle
) -> tuple[Classification, ...]:
    """Tell the genre of rows that stand for those of a table; faults are told of `path`."""
    from audio_genre.inference.rows import classify_table

    with tempfile.TemporaryDirectory(prefix="audio-genre-") as folder:
        part = Path(folder) / "rows.csv"
        with part.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(header)
            writer.writerows(rows)
        try:
            return tuple(classify_table(part, bundle))
        except AudioGenreError as error:
            raise TableError(str(error).replace(str(part), str(path))) from None
