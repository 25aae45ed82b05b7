"""What an extraction tells: while it runs, and at its end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from audio_genre.errors import ParameterError

if TYPE_CHECKING:
    import pandas as pd

FAILURES_NAME = "failures.csv"
"""Name of the list of failures in the output folder."""

SIDECAR_NAME = "extraction.json"
"""Name of the side-car file in the output folder."""

PICTURES_NAME = "images_original"
"""Name of the pictures' folder in the output folder."""


SPLITS_NAME = "splits"
"""Name of the folder in the output folder with a list of the clips in each subset of a split."""


class ExtractionProgress(Protocol):
    """Is told how an extraction goes; all calls come from the thread that called `extract`."""

    def planned(self, found: int, todo: int) -> None:
        """Hear how many clips were found and how many of them are to be done: so far, and at last.

        Parameters
        ----------
        found : int
            Audio files found.
        todo : int
            Those that are not done already.
        """

    def done(self, path: str) -> None:
        """Hear that a clip is done.

        Parameters
        ----------
        path : str
            Its path below the audio folder.
        """

    def failed(self, path: str, reason: str) -> None:
        """Hear that a clip failed.

        Parameters
        ----------
        path : str
            Its path below the audio folder.
        reason : str
            What is wrong, to be read after the path: "is empty (0 bytes)".
        """

    def note(self, sentence: str) -> None:
        """Hear something worth knowing.

        Parameters
        ----------
        sentence : str
            A whole sentence.
        """


class NoProgress:
    """Takes note of nothing."""

    def planned(self, found: int, todo: int) -> None:  # noqa: D102
        pass

    def done(self, path: str) -> None:  # noqa: D102
        pass

    def failed(self, path: str, reason: str) -> None:  # noqa: D102
        pass

    def note(self, sentence: str) -> None:  # noqa: D102
        pass


@dataclass(frozen=True)
class ExtractionReport:
    """What an extraction did.

    Attributes
    ----------
    out_dir : Path
        The output folder.
    planned : int
        Audio files found, no more than the limit.
    already_done : int
        Those kept from an earlier run, failures among them.
    extracted : int
        Those extracted by this run.
    failed : int
        Those in the list of failures, from this run or kept from an earlier one.
    rows : mapping of str to int
        Rows of each table by its file name; empty after a dry run.
    redone : mapping of str to int
        Why clips of an earlier run were done again, and how many for each cause.
    dropped : int
        Clips of an earlier run whose files are gone.
    seconds : float
        Duration of this run.
    dry_run : bool
        Whether this run only looked at what would be done.
    """

    out_dir: Path
    planned: int
    already_done: int
    extracted: int
    failed: int
    rows: Mapping[str, int]
    redone: Mapping[str, int]
    dropped: int
    seconds: float
    dry_run: bool

    @property
    def todo(self) -> int:
        """Number of clips that this run worked on, or that a dry run would."""
        return self.planned - self.already_done

    @property
    def tables(self) -> tuple[Path, ...]:
        """Paths of the tables."""
        return tuple(self.out_dir / name for name in self.rows)

    def to_frame(self, table: str | None = None) -> pd.DataFrame:
        """Read one of the tables that were written.

        Parameters
        ----------
        table : str, optional
            Name of its file; by default the first, which has a row per clip.

        Returns
        -------
        pandas.DataFrame
            The table.

        Raises
        ------
        ParameterError
            If there is no such table: none was written in a dry run.
        """
        import pandas as pd

        name = next(iter(self.rows), None) if table is None else table
        if name is None or name not in self.rows:
            raise ParameterError(
                f"No table {name or ''!r} was written; choose one of {', '.join(self.rows) or 'none, after a dry run'}."
            )
        path = self.out_dir / name
        return pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path)

    @property
    def failures(self) -> Path:
        """Path of the list of failures."""
        return self.out_dir / FAILURES_NAME

    @property
    def sidecar(self) -> Path:
        """Path of the side-car with the recipe, its parameters and the library versions."""
        return self.out_dir / SIDECAR_NAME

    @property
    def pictures(self) -> Path:
        """Folder of the pictures."""
        return self.out_dir / PICTURES_NAME
