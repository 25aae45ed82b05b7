"""A library from beginning to end: find its files, listen to what is new, keep the answers, act on them."""

from __future__ import annotations

import hashlib
import json
import os
import stat
import time
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from contextlib import closing, contextmanager
from functools import partial
from itertools import chain
from pathlib import Path

from audio_genre.bundles.calibration import UNKNOWN
from audio_genre.bundles.card import Card
from audio_genre.errors import LibraryError, ParameterError
from audio_genre.extraction.clip import decoder_versions
from audio_genre.files.storage import is_there, storage_error
from audio_genre.files.walk import Clip, find_clips
from audio_genre.inference.default import default_model
from audio_genre.jobs.engines import Lost
from audio_genre.jobs.processes import WorkerProcesses, usable_cores
from audio_genre.library.classify import ClassifySettings, classify_file, model_identity
from audio_genre.library.corrections import corrections, move_corrections
from audio_genre.library.database import LIBRARY, Database
from audio_genre.library.moved import Fitting, fitting_database
from audio_genre.library.records import Acceptance, Answer, Entry
from audio_genre.library.report import (
    FileGenre,
    GenreSummary,
    LibraryProgress,
    NoProgress,
    OrganizeReport,
    PlaylistReport,
    TagReport,
    UndoReport,
)
from audio_genre.library.table import refuse_foreign_table, write_table
from audio_genre.library.tagging import Tagger
from audio_genre.library.tags import TagError, require_mutagen
from audio_genre.library.targets.m3u8 import FolderTarget, real_folder, undo_playlist
from audio_genre.progress import shows_progress

PLAYLISTS = "playlists"
"""Name of the folder of playlists in the library, unless another one is given."""

OVERWRITE_CONFIDENCE = 0.8
"""Confidence below which another genre is not written over, unless another one is given."""


def default_database(music_dir: str | os.PathLike[str]) -> Path:
    """Return where the answers for a library are kept: in the user's own data folder, not in the library.

    Parameters
    ----------
    music_dir : str or os.PathLike
        The library's folder.

    Returns
    -------
    Path
        A file whose name tells the library, also from others of the same name.
    """
    import platformdirs

    real = Path(os.path.realpath(music_dir))
    digest = hashlib.sha256(os.fsencode(real)).hexdigest()[:16]
    name = "".join(letter if letter.isalnum() else "_" for letter in real.name)[:40]
    return platformdirs.user_data_path("audio-genre", appauthor=False) / "libraries" / f"{name}-{digest}.sqlite"


@shows_progress("classifying")
def organize(
    music_dir: str | os.PathLike[str],
    *,
    model: str | os.PathLike[str] | None = None,
    jobs: int | None = None,
    database: str | os.PathLike[str] | None = None,
    min_confidence: float = 0.0,
    unknown: bool = True,
    genres: Sequence[str] | None = None,
    playlists: bool | str | os.PathLike[str] = True,
    csv: str | os.PathLike[str] | None = None,
    write_tags: bool = False,
    overwrite: bool = False,
    overwrite_confidence: float = OVERWRITE_CONFIDENCE,
    list_files: bool = False,
    excel_safe: bool = False,
    retry_failed: bool = False,
    whole: bool = False,
    known_only: bool = False,
    stay_inside: bool = False,
    apply: bool = False,
    progress: bool | LibraryProgress | None = None,
) -> OrganizeReport:
    """Tell the genre of every audio file of a library, and make playlists, a table and tags of the answers.

    Every answer is kept at once in a database, and holds until the file's size or time stamp changes or another model
    is asked. Files that cannot be used are not tried again until they or the version of a decoder change, but for those
    where what was in the way may have passed, such as an error of the disk or a lack of memory; one that a worker
    process died of is tried once more, in the next run. A file that cannot be read at the moment, or lies in a folder
    that cannot, keeps its answer and its place in playlists, and counts as failed. Without `apply` nothing is written
    in the library, nor playlists anywhere: the report tells what would be.

    Where somebody chose the genre of a file with `correct`, that is its genre, whatever the model says.

    A playlist that this function did not write, or that was changed since, is left alone. Files reached through links,
    with several names, read-only or changed in the meantime get no tag.

    Parameters
    ----------
    music_dir : str or os.PathLike
        The library's folder.
    model : str or os.PathLike, optional
        Folder of a trained model; by default the one that comes with the package.
    jobs : int, optional
        Worker processes; by default as many as there are cores to use.
    database : str or os.PathLike, optional
        Where the answers are kept; by default `default_database`.
    min_confidence : float
        Confidence below which a genre is taken for unknown, from 0 to 1.
    unknown : bool
        Whether files beyond the limits of the model are unknown too, unlike its training data or without a genre that
        is probable enough.
    genres : sequence of str, optional
        Genres that get playlists and tags, "unknown" among them; by default all.
    playlists : bool or str or os.PathLike
        Folder for the playlists; True stands for the folder ``playlists`` in the library, False for none.
    csv : str or os.PathLike, optional
        A table to write, with a row a file. One that lies in the library is written with `apply` only.
    write_tags : bool
        Whether to write genres into files that have none; needs the extra ``tags``.
    overwrite : bool
        Whether to write over genres too, where the confidence is high enough.
    overwrite_confidence : float
        Lowest confidence at which another genre is written over, from 0 to 1.
    list_files : bool
        Whether the report lists the answer of every file.
    excel_safe : bool
        Whether cells of the table that a spreadsheet program would take for a formula get a leading apostrophe.
    retry_failed : bool
        Whether to try all files again that failed, also those that did not change.
    whole : bool
        Whether all of each file is heard also by a model with a pretrained network, which takes half a second for 30 s;
        by default such a model hears one window of 30 s in the middle of each file.
    known_only : bool
        Whether to use the answers that are there, and listen to no file.
    stay_inside : bool
        Whether to refuse links that lead out of the library.
    apply : bool
        Whether to write playlists, tags, and a table in the library.
    progress : LibraryProgress, optional
        Is told how the run goes.

    Returns
    -------
    OrganizeReport
        What was done.

    Raises
    ------
    ParameterError
        If an argument is outside its range.
    BundleError
        If the model cannot be used.
    LibraryError
        If nothing can be done: no audio found, database in use, a file in the way.
    ExtractionError
        If no space is left, or worker processes die one after the other.
    KeyboardInterrupt
        If the user ends the run; what is done is kept.
    """
    from audio_genre.bundles.card import read_card

    started = time.perf_counter()
    progress = NoProgress() if progress is None or isinstance(progress, bool) else progress
    _refuse_bad_parameters(jobs, min_confidence, overwrite_confidence, write_tags=write_tags, overwrite=overwrite)
    music = _real_music_dir(music_dir)
    bundle = (default_model() if model is None else Path(model)).absolute()
    card = read_card(bundle)
    folder = None if playlists is False else real_folder(music / PLAYLISTS if playlists is True else Path(playlists))
    file = _usual_database(music, progress) if database is None else Path(os.path.realpath(database))
    by_hand = corrections(music)
    classes = [genre for genre in dict.fromkeys([*card.classes, *by_hand.values()]) if genre != UNKNOWN]
    chosen = _chosen(genres, classes)
    table = None if csv is None else Path(os.path.realpath(csv))
    if table is not None:
        if table == file:
            raise ParameterError(f"The table and the database cannot be the same file, {file}; choose another --csv.")
        refuse_foreign_table(table)
    closed: list[tuple[str, OSError | None]] = []
    clips = _clips(music, closed, stay_inside=stay_inside)
    settings = _settings(music, bundle, card, whole=whole)
    with _opened(music, file) as kept:
        accepted = Acceptance(min_confidence, limits=unknown)
        run = _Run(music, kept, settings.model, accepted, progress)
        kept.take_by_hand(by_hand)
        kept.retry_failures(decoder_versions(), always=retry_failed)
        run.see(clips)
        run.keep_unseen(closed)
        if not known_only:
            run.listen(settings, jobs or usable_cores())
        summary, failed = run.summary()
        csv_written = table is not None and (apply or not table.is_relative_to(music))
        if table is not None and csv_written:
            rows = chain(run.closed, kept.entries(settings.model, accepted))
            write_table(table, card.classes, rows, excel_safe=excel_safe)
        lists: list[PlaylistReport] = []
        left_out = 0
        if folder is not None:
            lists, left_out = run.write_playlists(FolderTarget(folder, music, kept, apply=apply), classes, chosen)
        tags = None
        if write_tags:
            wanted = [line for line in summary if line.genre in chosen and line.genre != UNKNOWN]
            tags = run.write_tags(
                Tagger(music, kept, apply), wanted, overwrite=overwrite, at_least=overwrite_confidence
            )
        kept_by_hand = kept.count_by_hand(settings.model, accepted)
        files = tuple(map(_file_genre, kept.entries(settings.model, accepted))) if list_files else ()
    return OrganizeReport(
        music_dir=music,
        database=file,
        model=card.name,
        excerpt=settings.excerpt,
        found=run.found,
        classified=run.classified,
        kept=run.found - run.todo,
        failed=failed,
        genres=summary,
        playlists=tuple(lists),
        left_out=left_out,
        csv=table,
        csv_written=csv_written,
        tags=tags,
        applied=apply,
        seconds=time.perf_counter() - started,
        trust=trust_sentence(card),
        files=files,
        by_hand=kept_by_hand,
    )


def undo_tags(
    music_dir: str | os.PathLike[str],
    *,
    database: str | os.PathLike[str] | None = None,
    playlists: bool = True,
    apply: bool = False,
    progress: LibraryProgress | None = None,
) -> UndoReport:
    """Give what `organize` wrote back as it was: tagged files to the byte and the time stamp, and playlists.

    Each is given back as it was before the first of all the runs that wrote it, and have not been taken back since. A
    file or playlist that was changed since it was written is left as it is.

    Parameters
    ----------
    music_dir : str or os.PathLike
        The library's folder.
    database : str or os.PathLike, optional
        Where what the files had before is kept; by default `default_database`, or the database of the library that was
        moved to `music_dir`, if it is certain.
    playlists : bool
        Whether to take back playlists too.
    apply : bool
        Whether to write, and not only tell what would be written.
    progress : LibraryProgress, optional
        Is told how the run goes.

    Returns
    -------
    UndoReport
        What was done.

    Raises
    ------
    LibraryError
        If nothing was written, or the database is in use; a database that knows these files from elsewhere is named.
    ExtractionError
        If no space is left.
    """
    progress = progress or NoProgress()
    music = _real_music_dir(music_dir)
    file = default_database(music) if database is None else Path(os.path.realpath(database))
    report = _undo(music, file, progress, playlists=playlists, apply=apply)
    if report is not None:
        return report
    nothing = f"No tags or playlists written to {music} are recorded in {file}; "
    other = fitting_database(music, file, default_database(music).parent, for_undo=True)
    if other is None:
        raise LibraryError(f"{nothing}there is nothing to undo.")
    if database is None and other.is_certain:
        progress.note(_moved_sentence(music, other))
        report = _undo(music, other.file, progress, playlists=playlists, apply=apply)
        if report is not None:
            return report
    was = f" from when they were in {other.library}" if other.library not in (None, music) else ""
    raise LibraryError(
        f"{nothing}{other.file} has records of files that are here{was}; if the library was moved, undo with: "
        f"{other.command(music, '--undo')}"
    )


def listen_to(
    music_dir: Path,
    paths: Collection[str],
    *,
    progress: LibraryProgress,
    model: Path | None = None,
    jobs: int | None = None,
    database: Path | None = None,
    stay_inside: bool = False,
) -> tuple[str, dict[str, Entry]]:
    """Return a model's name, and what is known of some files of a library, kept with the answers of `organize`."""
    from audio_genre.bundles.card import read_card

    music = _real_music_dir(music_dir)
    bundle = (default_model() if model is None else model).absolute()
    card = read_card(bundle)
    settings = _settings(music, bundle, card, whole=False)
    with _opened(music, database or default_database(music)) as kept:
        run = _Run(music, kept, settings.model, Acceptance(), progress)
        kept.take_by_hand(corrections(music))
        kept.retry_failures(decoder_versions(), always=False)
        run.see(clip for clip in _clips(music, [], stay_inside=stay_inside) if clip.path in paths)
        run.listen(settings, jobs or usable_cores())
        entries = kept.entries(settings.model, Acceptance())
        return card.name, {entry.path: entry for entry in entries if entry.answer is not None}


def _settings(music: Path, bundle: Path, card: Card, *, whole: bool) -> ClassifySettings:
    """Say how files are heard: by a pretrained network, which takes long, in a window of each unless all is asked."""
    excerpt = not whole and card.recipe is not None and bool(card.recipe.tags)
    return ClassifySettings(music, bundle, model_identity(card, excerpt=excerpt), excerpt)


def _undo(music: Path, file: Path, progress: LibraryProgress, *, playlists: bool, apply: bool) -> UndoReport | None:
    """Take back what a database records; None where it records nothing."""
    if not is_there(file):
        return None
    restored = refused = 0
    with _opened(music, file, is_at_home=False) as kept:
        paths = kept.tagged_paths()
        records = kept.playlists() if playlists else []
        if not paths and not records:
            return None
        kept.write_note(LIBRARY, json.dumps(str(music)))
        tagger = Tagger(music, kept, apply)
        kept.be_durable()
        for done, path in enumerate(paths, 1):
            try:
                tagger.undo(path)
                restored += 1
            except TagError as error:
                refused += 1
                progress.failed(path, str(error))
            progress.tagged(done, len(paths))
        lists = [undo_playlist(record, music, kept, apply=apply) for record in records]
    for playlist in lists:
        if playlist.action == "refuse":
            progress.note(f"{playlist.path} is left as it is, because it was changed or removed after it was written.")
    return UndoReport(music, file, restored, refused, apply, tuple(lists))


def _usual_database(music: Path, progress: LibraryProgress) -> Path:
    """Return the database of a library, also where the library was moved."""
    file = default_database(music)
    other = None if is_there(file) else fitting_database(music, file, file.parent, for_undo=False)
    if other is None:
        return file
    if other.is_certain:
        progress.note(_moved_sentence(music, other))
        if other.library not in (None, music):
            move_corrections(other.library, music)
        return other.file
    was = f" from when they were in {other.library}" if other.library is not None else ""
    progress.note(
        f"{other.file} has answers for files that are here{was}; to use them instead of classifying again, stop this "
        f"run and type: {other.command(music)}"
    )
    return file


def _moved_sentence(music: Path, other: Fitting) -> str:
    was = "" if other.library in (None, music) else f" was moved from {other.library}; it"
    return f"{music}{was} uses the database {other.file}."


class _Run:
    """One run over a library: what it has counted so far."""

    def __init__(
        self, music_dir: Path, database: Database, model: str, accepted: Acceptance, progress: LibraryProgress
    ) -> None:
        self._music_dir, self._database, self._model, self._accepted = music_dir, database, model, accepted
        self._progress = progress
        self.found = self.todo = self.classified = 0
        self.closed: list[Entry] = []

    def see(self, clips: Iterator[Clip]) -> None:
        for found, todo in self._database.see(clips, self._model):
            self.found, self.todo = found, todo
            self._progress.planned(found, todo)

    def keep_unseen(self, closed: Sequence[tuple[str, OSError | None]]) -> None:
        """Keep what is known of files in folders that cannot be read, and tell of links that are refused."""
        for folder, error in closed:
            kept = self._database.keep_below(folder, self._model)
            if error is None and not kept:
                continue  # nothing is in it, and nothing was
            reason = "is empty" if error is None else f"cannot be read: {error.strerror or error}"
            if kept:
                reason += f"; {kept} file{'' if kept == 1 else 's'} known in it {'stays' if kept == 1 else 'stay'}"
                reason += "" if error else ", remove the folder if they are gone"
            self.closed.append(Entry(folder, "", error=reason))
            # A link to either may be refused; of what cannot be reached `Path.is_file` raises an error.
            kind = "file" if os.path.isfile(self._music_dir / folder) else "folder"  # noqa: PTH113
            self._progress.note(f"The {kind} {folder} {reason}.")
            self.found += kept

    def listen(self, settings: ClassifySettings, jobs: int) -> None:
        if not self.todo:
            return
        # Never in this process: a file that kills what decodes it must not end the run.
        engine = WorkerProcesses(min(jobs, self.todo))
        work = partial(classify_file, settings=settings)
        with closing(engine.run(self._database.todo(), work)) as results:
            for path, result in results:
                if isinstance(result, Lost):
                    self._progress.failed(path, self._database.record_loss(path, self._model, result.how))
                    continue
                self._database.record(path, self._model, result)
                if isinstance(result, Answer):
                    self.classified += 1
                    self._progress.done(path)
                else:
                    self._progress.failed(path, result.reason)

    def summary(self) -> tuple[tuple[GenreSummary, ...], int]:
        counts = self._database.summary(self._model, self._accepted)
        failed = self._database.count_failures(self._model, self._accepted) + len(self.closed)
        answered = sum(count for genre, count, _ in counts if genre is not None)
        lines = [
            GenreSummary(genre, count, count / answered, seconds)
            for genre, count, seconds in counts
            if genre is not None
        ]
        return tuple(sorted(lines, key=lambda line: line.genre == UNKNOWN)), failed

    def write_playlists(
        self, target: FolderTarget, classes: Sequence[str], chosen: frozenset[str]
    ) -> tuple[list[PlaylistReport], int]:
        reports = []
        left_out: list[str] = []
        for genre in target.name_them([*classes, UNKNOWN]):
            if genre in chosen:
                report, lost = target.write(genre, self._database.entries(self._model, self._accepted, genre))
                if report.tracks or report.action != "keep":
                    reports.append(report)
                left_out += lost
        for path in left_out:
            self._progress.failed(path, "has a name that a playlist cannot hold, so it is left out")
        for report in reports:
            if report.action == "refuse":
                self._progress.note(
                    f"{report.path} is left as it is, because it was not written by audio-genre, or was changed since; "
                    "move it away, or choose another --playlists."
                )
        return reports, len(left_out)

    def write_tags(
        self, tagger: Tagger, wanted: Sequence[GenreSummary], *, overwrite: bool, at_least: float
    ) -> TagReport:
        counts: Counter[str] = Counter()
        total = sum(line.tracks for line in wanted)
        self._database.be_durable()
        for line in wanted:
            # A list, because the database is written to in the meantime.
            for entry in list(self._database.entries(self._model, self._accepted, line.genre)):
                try:
                    counts[tagger.write(entry, overwrite=overwrite, overwrite_confidence=at_least)] += 1
                except TagError as error:
                    counts["refused"] += 1
                    self._progress.failed(entry.path, str(error))
                self._progress.tagged(counts.total(), total)
        return TagReport(
            counts["written"], counts["unchanged"], counts["has_genre"], counts["refused"], counts["held_back"]
        )


@contextmanager
def _opened(music_dir: Path, file: Path, *, is_at_home: bool = True) -> Iterator[Database]:
    """Open a library's database, and bring to an end what a run that ended early left."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise storage_error(error, file.parent) from None
    with Database(file) as database:
        if is_at_home:
            database.write_note(LIBRARY, json.dumps(str(music_dir)))
        Tagger(music_dir, database, apply=True).recover()
        yield database


def _refuse_bad_parameters(
    jobs: int | None, min_confidence: float, overwrite_confidence: float, *, write_tags: bool, overwrite: bool
) -> None:
    if jobs is not None and jobs < 1:
        raise ParameterError(f"The number of jobs must be at least 1, got {jobs}; leave it out to use all cores.")
    if not 0 <= min_confidence <= 1:
        raise ParameterError(f"The minimum confidence must be from 0 to 1, got {min_confidence:g}.")
    if not 0 <= overwrite_confidence <= 1:
        raise ParameterError(
            f"The confidence for overwriting a genre must be from 0 to 1, got {overwrite_confidence:g}."
        )
    if overwrite and not write_tags:
        raise ParameterError("Genres are overwritten only where tags are written; add --write-tags.")
    if write_tags:
        require_mutagen()


def _real_music_dir(music_dir: str | os.PathLike[str]) -> Path:
    folder = Path(music_dir)
    try:
        is_folder = stat.S_ISDIR(folder.stat().st_mode)
    except OSError as error:
        raise LibraryError(f"The folder {folder} cannot be read: {error.strerror}; check the path.") from None
    if not is_folder:
        raise LibraryError(f"{folder} is a file; give the folder that holds the music.")
    return Path(os.path.realpath(folder))


def trust_sentence(card: Card) -> str:
    """Say how far a model's answers can be trusted, as far as its card tells."""
    try:
        score = card.metrics["test"]["tracks"]
        accuracy = score["accuracy"]
        figures = f"{accuracy['value']:.3f} (95 % interval {accuracy['low']:.3f} to {accuracy['high']:.3f})"
        protocol = card.protocol
        leaky = ", which is leaky, so the figure is too high" if protocol["leaky"] else ""
        measured = f"{score['count']:d} test tracks of {card.training_data['file']}, protocol {protocol['name']}"
    except (LookupError, TypeError, ValueError):
        return f"The card of {card.name} does not say how accurate it is; listen to some files to check its answers."
    return f"Accuracy of {card.name}: {figures} on {measured}{leaky}; expect less on other music."


def _file_genre(entry: Entry) -> FileGenre:
    answer = entry.answer
    if answer is None:
        return FileGenre(entry.path, "", None, entry.error)
    confidence = None if entry.by_hand else answer.confidence
    return FileGenre(
        entry.path, entry.genre, confidence, entry.reason, entry.by_hand, answer.genre, answer.confidence, answer.title,
        answer.artist, answer.album, answer.seconds,
    )  # fmt: skip


def _chosen(genres: Sequence[str] | None, classes: Sequence[str]) -> frozenset[str]:
    known = [*classes, UNKNOWN]
    if genres is not None and not genres:
        raise ParameterError(f"No genre was chosen; choose from {', '.join(known)}, or leave the genres out.")
    for genre in genres or ():
        if genre not in known:
            raise ParameterError(f"{genre!r} is none of the model's genres; choose from {', '.join(known)}.")
    return frozenset(known if genres is None else genres)


def _clips(music_dir: Path, closed: list[tuple[str, OSError | None]], *, stay_inside: bool = False) -> Iterator[Clip]:
    """Begin to look for audio files; that there are none is told before anything is written.

    Folders that cannot be read, or that nothing is in, are put on a list.
    """

    def leave_out(folder: str, error: OSError) -> None:
        if not folder:
            raise LibraryError(f"The folder {music_dir} cannot be read: {error.strerror}; check its permissions.")
        closed.append((folder, error))

    clips = find_clips(
        music_dir,
        unreadable=leave_out,
        empty=lambda folder: closed.append((folder, None)),
        stay_inside=stay_inside,
    )
    first = next(clips, None)
    if first is None:
        for folder, error in closed:
            if error is not None:
                raise LibraryError(
                    f"No audio files can be read in {music_dir}: {folder} cannot be read: {error.strerror}; check the "
                    "permissions, and whether all disks are mounted."
                )
        raise LibraryError(
            f"No audio files were found in {music_dir} or its sub-folders; audio files are known by suffixes such as "
            ".wav, .flac, .ogg or .mp3."
        )
    return chain([first], clips)
