"""Extraction from beginning to end: what a folder of audio needs, done once, kept, and written out."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import stat
import time
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from itertools import chain, islice
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from audio_genre._version import __version__
from audio_genre.dsp import GTZAN57, Recipe, get_recipe
from audio_genre.errors import ExtractionError, ParameterError
from audio_genre.extraction import writers
from audio_genre.extraction.clip import (
    ClipSettings,
    Extracted,
    Failed,
    PictureSettings,
    Unchanged,
    decoder_versions,
    extract_clip,
)
from audio_genre.extraction.journal import DamagedJournalError, Identity, Journal, Known, clash_reason
from audio_genre.extraction.labels import LabelTable, read_labels
from audio_genre.extraction.layout import SUBSETS, Layout, find_subsets, plain_picture
from audio_genre.extraction.report import (
    FAILURES_NAME,
    PICTURES_NAME,
    SIDECAR_NAME,
    SPLITS_NAME,
    ExtractionProgress,
    ExtractionReport,
    NoProgress,
)
from audio_genre.extraction.selection import Verdict, Why, is_renamed, judge
from audio_genre.extras import install_command
from audio_genre.files.storage import CLIP_CODES, NoSpaceError, is_there, storage_error
from audio_genre.files.walk import Clip, find_clips, picture_files
from audio_genre.jobs.cluster import DaskCluster, refuse_bad_address
from audio_genre.jobs.engines import Engine, InProcess, Lost
from audio_genre.jobs.processes import WorkerProcesses, usable_cores
from audio_genre.progress import shows_progress

_STATE_NAME = ".audio-genre"
_OUTPUTS_NOTE = "outputs"
_TELL_PLAN_EVERY = 1000
_LARGEST_PICTURE = 16384


@shows_progress("extracting")
def extract(
    audio_dir: str | os.PathLike[str],
    out_dir: str | os.PathLike[str],
    *,
    jobs: int | None = None,
    images: bool = True,
    picture_size: tuple[int, int] | None = None,
    restart: bool = False,
    limit: int | None = None,
    dry_run: bool = False,
    table_format: str = "csv",
    dask: str | None = None,
    recipe: Recipe | str = GTZAN57,
    retry_failed: bool = False,
    excel_safe: bool = False,
    labels: str | os.PathLike[str] | None = None,
    label_column: str | None = None,
    progress: bool | ExtractionProgress | None = None,
) -> ExtractionReport:
    """Extract feature tables and mel-spectrogram pictures from a folder of audio.

    Every finished clip is kept at once in a journal inside `out_dir`. A run that ended early, in whatever way, goes on
    where it was when it is called again, and gives the same bytes as one that did not. Clips whose file, recipe or
    picture settings changed are done again. Clips that failed are not, unless their file or the version of a decoder
    changed, or what was in the way may have passed: a file that could not be read, a lack of memory, a worker process
    that died, which is tried twice. Without the extra ``formats``, files such as m4a fail without being opened. A clip
    of 2 to 3 s is padded by reflection to one segment.

    A clip that was extracted stays in the tables until it is certain that its file is gone: one that cannot be read at
    the moment, or lies in a folder that cannot, is among the failures, and its rows and pictures are those of the
    earlier run.

    A long file gives several rows ``song.0.wav``, ``song.1.wav`` and so on; where one of these is another file's name,
    the long file fails. The output does not depend on `jobs`, on `dask`, or on the order of completion.

    Parameters
    ----------
    audio_dir : str or os.PathLike
        Folder with one folder per genre; its name is the label. Files that lie in none have an empty label. Where
        all sub-folders are named after the subsets of a split, such as ``train`` and ``test``, the folders in them are
        the genres, and ``splits`` in `out_dir` gets a list of the clips in each subset.
    out_dir : str or os.PathLike
        Folder for the tables, ``images_original``, ``failures.csv`` and ``extraction.json``; made if it is missing.
    jobs : int, optional
        Worker processes; by default as many as there are cores to use. 1 computes in this process.
    images : bool
        Whether to make pictures, if the recipe has any.
    picture_size : tuple of int, optional
        Width and height of the pictures in pixels. By default one pixel a frame and mel band.
    restart : bool
        Whether to begin anew: what was done before is forgotten, and what an earlier run wrote is removed.
    limit : int, optional
        Take only so many files, the first ones in the order of the tables.
    dry_run : bool
        Whether only to tell what would be done; nothing is written.
    table_format : {"csv", "parquet"}
        Format of the tables; ``"parquet"`` needs the extra ``parquet``. New tables take the place of an earlier run's
        in the other format.
    dask : str, optional
        Address of a Dask scheduler, such as ``"tcp://10.0.0.1:8786"``, whose workers compute instead of this machine;
        they must see both folders under the same paths. Needs the extra ``dask``.
    recipe : Recipe or str
        Which features, with every parameter, or the name of it, such as ``"gtzan57-v1+musicnn50-v1"``.
    retry_failed : bool
        Whether to try all clips again that failed, also those whose files did not change.
    excel_safe : bool
        Whether cells of ``failures.csv`` that a spreadsheet program would take for a formula get a leading apostrophe.
        The tables never do: names in them say which rows belong together.
    labels : str or os.PathLike, optional
        A table of paths or names and labels, instead of folders named after genres. Tables and pictures have these
        labels; clips are not computed again where they change.
    label_column : str, optional
        The column of `labels` that they stand in, where its name does not tell.
    progress : bool or ExtractionProgress, optional
        Is told how the run goes.

    Returns
    -------
    ExtractionReport
        Counts and paths.

    Raises
    ------
    ParameterError
        If an argument is outside its range.
    ExtractionError
        If nothing can be done, or the run cannot go on: no audio found, all files of the earlier run gone, no space
        left, folder not writable.
    EncoderError
        If the recipe needs a pretrained network that is not installed.
    KeyboardInterrupt
        If the user ends the run; what is done is kept, and so are the tables of an earlier run but for `restart`.

    Examples
    --------
    >>> import numpy as np, soundfile, tempfile, pathlib
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> (folder / "audio" / "hum").mkdir(parents=True)
    >>> soundfile.write(folder / "audio" / "hum" / "hum.00000.wav", np.sin(np.arange(66150) * 0.1), 22050)
    >>> report = extract(folder / "audio", folder / "out", jobs=1, images=False)
    >>> dict(report.rows)
    {'features_30_sec.csv': 1, 'features_3_sec.csv': 1}
    """
    _refuse_bad_parameters(jobs, picture_size, limit, table_format, dask)
    recipe = get_recipe(recipe) if isinstance(recipe, str) else recipe
    if not dry_run:
        recipe.require()
    if label_column is not None and labels is None:
        raise ParameterError(f"The column {label_column!r} is one of a table of labels; give the table with --labels.")
    run = _Run(
        places=_Places(Path(audio_dir).absolute(), Path(out_dir).absolute()),
        recipe=recipe,
        pictures=_pictures(picture_size) if images and recipe.pictures is not None else None,
        picture_size=picture_size,
        table_format=table_format,
        progress=NoProgress() if progress is None or isinstance(progress, bool) else progress,
        dry_run=dry_run,
        retry_failed=retry_failed,
        excel_safe=excel_safe,
        labels=None if labels is None else read_labels(labels, label_column),
    )
    clips = run.find()
    run.refuse_foreign_tables(restart=restart)
    with run.opened_journal(restart=restart) as journal:
        run.plan(journal, clips, limit)
        if not dry_run:
            run.work(journal, _engine(jobs, dask, run))
            run.write(journal)
    return run.report()


@dataclass(frozen=True, slots=True)
class _Places:
    audio_dir: Path
    out_dir: Path

    @property
    def pictures(self) -> Path:
        return self.out_dir / PICTURES_NAME

    @property
    def journal(self) -> Path:
        return self.out_dir / _STATE_NAME / "journal.sqlite"

    @property
    def staging(self) -> Path:
        """Where files are written before they get their names."""
        return self.out_dir / _STATE_NAME / "unfinished"

    def make(self) -> None:
        try:
            self.staging.mkdir(parents=True, exist_ok=True)
        except NotADirectoryError:
            raise ExtractionError(f"The output folder {self.out_dir} is a file, or in one; choose another.") from None
        except OSError as error:
            raise storage_error(error, self.out_dir) from None


class _Move(NamedTuple):
    """The pictures of a clip, as they are called and as they are to be called."""

    before: tuple[str, ...]
    after: tuple[str, ...]


class _Run:
    """One extraction: its settings, and what it has counted so far."""

    def __init__(
        self,
        *,
        places: _Places,
        recipe: Recipe,
        pictures: dict[str, Any] | None,
        picture_size: tuple[int, int] | None,
        table_format: str,
        progress: ExtractionProgress,
        dry_run: bool,
        retry_failed: bool,
        excel_safe: bool,
        labels: LabelTable | None,
    ) -> None:
        self._started = time.perf_counter()
        self.places = places
        self._recipe = recipe
        self._pictures = pictures
        self._table_names = writers.table_names(recipe, table_format)
        self._progress = progress
        self._dry_run = dry_run
        self._retry_failed = retry_failed
        self._excel_safe = excel_safe
        self._labels = labels
        self._layout = Layout(find_subsets(places.audio_dir, places.out_dir, are_labels=labels is None))
        self._identity = Identity(
            f"{recipe.name} {_digest(recipe.parameters())}", None if pictures is None else json.dumps(pictures)
        )
        picture_settings = PictureSettings(places.pictures, places.staging, picture_size)
        self._settings = ClipSettings(places.audio_dir, recipe, None if pictures is None else picture_settings)
        self._redone: Counter[Why] = Counter()
        self._closed: list[tuple[str, OSError | None]] = []
        self._found = 0
        self.todo = 0
        self._kept = 0
        self._extracted = 0
        self._failed = 0
        self._dropped = 0
        self._rows: dict[str, int] = {}

    def find(self) -> Iterator[Clip]:
        """Begin to look for clips; that there are none is told before anything is written."""
        audio_dir = self.places.audio_dir
        try:
            is_folder = stat.S_ISDIR(audio_dir.stat().st_mode)
        except FileNotFoundError:
            raise ExtractionError(f"The audio folder {audio_dir} does not exist; check the path.") from None
        except OSError as error:
            raise ExtractionError(
                f"The audio folder {audio_dir} cannot be read: {error.strerror}; check the path."
            ) from None
        if not is_folder:
            raise ExtractionError(f"{audio_dir} is a file; give the folder that holds the audio files.")
        clips = find_clips(
            audio_dir,
            leave_out=self.places.out_dir,
            unreadable=self._leave_out,
            empty=lambda folder: self._closed.append((folder, None)),
        )
        first = next(clips, None)
        if first is None:
            closed = next((f"{folder} {_closed_reason(why)}" for folder, why in self._closed if why), None)
            if closed is not None:
                raise ExtractionError(
                    f"No audio files can be read in {audio_dir}: {closed}; check the permissions, and whether all "
                    "disks are mounted."
                )
            kept = "; what an earlier run extracted is kept" if is_there(self.places.journal) else ""
            raise ExtractionError(
                f"No audio files were found in {audio_dir} or its sub-folders{kept}; audio files are known by suffixes "
                "such as .wav, .flac, .ogg, .mp3, .au or .aiff."
            )
        return chain([first], clips)

    def refuse_foreign_tables(self, *, restart: bool) -> None:
        """Refuse to write over tables that came from somewhere else, such as the public ones."""
        out_dir = self.places.out_dir
        if restart or is_there(self.places.journal) or is_there(out_dir / SIDECAR_NAME):
            return
        for name in (*self._table_names, *self._list_names):
            if is_there(out_dir / name):
                raise ExtractionError(
                    f"{out_dir / name} was not written by an extraction and would be replaced; choose another output "
                    "folder, or run with --restart to replace it."
                )

    @contextmanager
    def opened_journal(self, *, restart: bool) -> Iterator[Journal]:
        """Open the journal, and hold the output folder against other runs until the context ends."""
        path = self.places.journal
        if self._dry_run:
            with Journal(path if is_there(path) and not restart else None) as journal:
                yield journal
            return
        self.places.make()
        if restart and is_there(path):
            self._discard_journal()
        with Journal(path) as journal:
            _remove(self.places.staging.iterdir())
            try:
                yield journal
            except NoSpaceError as error:
                kept = journal.kept
                raise ExtractionError(
                    f"No space is left in {self.places.out_dir}{error.detail}: {_clips(kept)} "
                    f"{'is' if kept == 1 else 'are'} kept in the journal; {error.remedy} and run the same command "
                    "again."
                ) from None

    def plan(self, journal: Journal, clips: Iterator[Clip], limit: int | None) -> None:
        """Put every clip into the journal's plan, and find out which are to be done."""
        self._tell_layout(journal)
        useless: list[str] = []
        labels: Counter[str] = Counter()
        moves: dict[str, _Move] = {}
        known = compared = 0
        decoders = decoder_versions()
        retry = Why.RETRY if self._retry_failed else None if journal.has_decoders(decoders) else Why.DECODER
        with journal.at_once():
            for plain, is_seen in islice(self._with_unseen(journal, clips), limit):
                clip = self._layout.place(plain)
                entry, trouble = journal.find(clip.path), journal.find_trouble(clip.path)
                # A file that never could be used is no sign that the folder is the right one.
                known += entry is not None and not entry.is_failure
                if is_seen:
                    verdict = judge(clip, entry, trouble, self._identity, self.places.pictures, retry)
                else:
                    verdict = Verdict(todo=False, rename=entry is not None and is_renamed(clip, entry))
                is_stale = entry is not None and not verdict.todo and entry.identity.recipe != self._identity.recipe
                journal.add_to_plan(clip, todo=verdict.todo, known_hash=verdict.known_hash, is_stale=is_stale)
                self._found += 1
                labels[clip.label] += 1
                self.todo += verdict.todo
                if verdict.known_hash is not None:
                    compared += 1
                elif verdict.why is not None:
                    self._redone[verdict.why] += 1
                if entry is not None and verdict.forget and not self._dry_run:
                    journal.forget(clip.path)
                    useless += entry.pictures
                if verdict.is_settled and not self._dry_run:
                    journal.clear_trouble(clip.path)
                if entry is not None and verdict.rename:
                    moves[clip.path] = _Move(entry.pictures, picture_files(clip.picture, len(entry.pictures)))
                if self._found % _TELL_PLAN_EVERY == 0:
                    self._progress.planned(self._found, self.todo)
            # What lies in a folder that cannot be read is planned, and so not gone.
            gone = journal.outside_plan() if limit is None else []
            lost = sum(clip_gone.is_extracted for clip_gone in gone)
            if lost and not known:
                raise ExtractionError(
                    f"None of the {_clips(lost)} that an earlier run extracted from {self.places.audio_dir} exists any "
                    "more; check that all disks are mounted and the folder is the right one, or run with --restart to "
                    "start again."
                )
            self._dropped = len(gone)
            for clip_gone in gone if not self._dry_run else ():
                journal.forget(clip_gone.path)
                journal.clear_trouble(clip_gone.path)
                useless += clip_gone.pictures
            if retry is not None and not self._dry_run:
                journal.retry_failures(decoders)
        self._remove_pictures(name for name in useless if not journal.is_picture_planned(name))
        if not self._dry_run:
            self._rename_pictures(journal, moves)
        self._kept = self._found - self.todo
        self._progress.planned(self._found, self.todo)
        # The room of tables and pictures loads numpy, which a command that only looks at its arguments need not.
        from audio_genre.datasets.class_names import doubts

        for sentence in doubts(labels, "files"):
            self._progress.note(sentence)
        for why, count in self._redone.items():
            self._note_act(f"done again, because {why.value}: {_clips(count)}.")
        if compared:
            self._note_act(f"compared by content, because the time stamp changed: {_clips(compared)}.")
        if gone:
            self._note_act(f"dropped, because the file is gone: {_clips(len(gone))}.")

    @property
    def _list_names(self) -> dict[str, str]:
        """Names of the lists of clips in the subsets of a split, and the subsets."""
        subsets = set(self._layout.subsets.values())
        return {f"{SPLITS_NAME}/{subset}.txt": subset for subset in SUBSETS if subset in subsets}

    def _tell_layout(self, journal: Journal) -> None:
        """Say where labels come from, if not from one folder per genre, and find those of a table."""
        subsets = self._layout.subsets
        if subsets:
            genres = "" if self._labels else ", and those in them for genres"
            self._progress.note(
                f"The folders {', '.join(sorted(subsets))} are treated as the subsets of a split{genres}; "
                f"{SPLITS_NAME} lists the clips of each subset."
            )
        if self._labels is None:
            return
        closed: list[str] = []
        clips = find_clips(
            self.places.audio_dir,
            leave_out=self.places.out_dir,
            unreadable=lambda folder, _: closed.append(folder),
            empty=closed.append,
        )
        paths = [clip.path for clip in clips]
        paths += [known.path for folder in closed for known in journal.below(folder)]
        labels, sentence = self._labels.match(paths, self.places.audio_dir)
        for note in (*self._labels.notes, sentence):
            self._progress.note(note)
        self._layout = Layout(subsets, labels)

    def _layout_json(self) -> dict[str, Any]:
        """Return what the side-car says of the layout: nothing where it is one folder per genre."""
        content: dict[str, Any] = {}
        if self._layout.subsets:
            content["split_folders"] = dict(sorted(self._layout.subsets.items()))
        if self._labels is not None:
            content["labels"] = {"file": self._labels.path.name, "sha256": self._labels.sha256}
        return content

    def _write_lists(self, journal: Journal) -> None:
        for name, subset in self._list_names.items():
            clips = (
                f"{label}/{filename}" if label else filename
                for path, filename, label in journal.in_tables()
                if self._layout.subset(path) == subset
            )
            writers.write_list(self.places.out_dir / name, self.places.staging, clips)

    def _with_unseen(self, journal: Journal, clips: Iterator[Clip]) -> Iterator[tuple[Clip, bool]]:
        """Yield all clips, and where a folder cannot be read those of an earlier run in it; tell which were seen."""
        for clip in chain(clips, [None]):
            for folder, error in self._closed:
                below = journal.below(folder)
                if error is None and not below:
                    continue  # nothing is in it, and nothing was
                reason = _closed_reason(error)
                if below:
                    reason += f"; {_clips(len(below))} of an earlier run in it {'stay' if len(below) > 1 else 'stays'}"
                    reason += "" if error else ", remove the folder if they are gone"
                journal.close_folder(folder, reason)
                self._progress.note(f"The folder {folder} {reason}.")
                for known in below:
                    yield _unseen(known), False
            self._closed.clear()
            if clip is not None:
                yield clip, True

    def _rename_pictures(self, journal: Journal, moves: dict[str, _Move]) -> None:
        """Give pictures the names that they have now, also where two clips change names; a crash loses some at most."""
        doubly_owned = journal.doubly_owned() if moves else set()
        parts: list[tuple[Path, Path]] = []
        with journal.at_once():
            for path, move in moves.items():
                if doubly_owned.intersection(move.before):
                    journal.do_again(path)
                    self.todo += 1
                    continue
                for before, after in zip(move.before, move.after, strict=True):
                    part = self.places.staging / f"{uuid.uuid4().hex}.png"
                    with _storing(part):
                        (self.places.pictures / before).replace(part)
                    parts.append((part, self.places.pictures / after))
                journal.rename_pictures(path, move.after)
        for part, picture in parts:
            with _storing(picture):
                picture.parent.mkdir(parents=True, exist_ok=True)
                part.replace(picture)
        _remove_empty_folders(self.places.pictures, [name for move in moves.values() for name in move.before])

    def work(self, journal: Journal, engine: Engine) -> None:
        """Do what is to be done."""
        changed = 0
        work = partial(extract_clip, settings=self._settings)
        with closing(engine.run(journal.tasks(), work)) as results:
            for task, found in results:
                clip = journal.planned(task.path)
                if isinstance(found, Unchanged):
                    journal.touch(clip)
                    self._kept += 1
                    self._progress.done(clip.path)
                elif isinstance(found, Lost) or (isinstance(found, Failed) and found.content_hash is None):
                    self._keep_trouble(journal, clip, found)
                else:
                    changed += task.known_hash is not None
                    self._keep(journal, clip, found)
        if changed:
            self._redone[Why.FILE] += changed
            self._progress.note(f"Compared by content, found changed and extracted again: {_clips(changed)}.")

    def _keep_trouble(self, journal: Journal, clip: Clip, found: Lost | Failed) -> None:
        """Keep what may pass beside what an earlier run made of the clip, which is worth more than nothing."""
        before = journal.find(clip.path)
        if before is not None and (before.is_failure or before.identity.recipe != self._identity.recipe):
            journal.forget(clip.path)
            self._remove_pictures(before.pictures)
        if isinstance(found, Lost):
            reason = journal.record_loss(clip, found.how)
        else:
            reason = found.reason
            journal.record_trouble(clip, reason)
        self._progress.failed(clip.path, reason)

    def _keep(self, journal: Journal, clip: Clip, result: Extracted | Failed) -> None:
        before = journal.find(clip.path)
        journal.record(clip, self._identity, result)
        pictures_now = result.pictures if isinstance(result, Extracted) else ()
        self._remove_pictures(set(before.pictures if before else ()) - set(pictures_now))
        clash = journal.find_clash(clip.path, len(result.clip_rows)) if isinstance(result, Extracted) else None
        if isinstance(result, Failed):
            self._progress.failed(clip.path, result.reason)
        elif clash is not None:
            self._progress.failed(clip.path, clash_reason(clash))
        else:
            self._extracted += 1
            self._progress.done(clip.path)

    def write(self, journal: Journal) -> None:
        """Write tables, failures and side-car, unless they stand there as they would be written."""
        journal.mark_clashes()
        fingerprint = self._fingerprint(journal)
        written = json.loads(journal.read_note(_OUTPUTS_NOTE) or "{}")
        if written.get("fingerprint") == fingerprint and written["files"] == self._files():
            self._rows, self._failed = written["rows"], written["failed"]
            return
        out_dir, staging = self.places.out_dir, self.places.staging
        clip_table, segment_table = self._table_names
        self._rows = {
            clip_table: writers.write_table(
                out_dir / clip_table, staging, self._recipe, writers.clip_rows(journal.rows())
            ),
            segment_table: writers.write_table(
                out_dir / segment_table, staging, self._recipe, writers.segment_rows(journal.rows(), self._recipe)
            ),
        }
        n_continued = sum(int(result.clip_lengths[0]) < self._recipe.segment_samples for result in journal.rows())
        self._failed = writers.write_failures(
            out_dir / FAILURES_NAME, staging, journal.failures(), excel_safe=self._excel_safe
        )
        writers.write_sidecar(
            out_dir / SIDECAR_NAME,
            staging,
            recipe=self._recipe,
            pictures=self._pictures,
            tables=self._rows,
            libraries=journal.libraries(),
            n_clips=self._found,
            n_failed=self._failed,
            n_continued=n_continued,
            layout=self._layout_json(),
        )
        self._write_lists(journal)
        files = self._files()
        # Tables in another format, which would stand beside the new ones and not agree with them.
        self._remove_outputs({name: state for name, state in written.get("files", {}).items() if name not in files})
        state = {"fingerprint": fingerprint, "rows": self._rows, "failed": self._failed, "files": files}
        journal.write_note(_OUTPUTS_NOTE, json.dumps(state))

    def report(self) -> ExtractionReport:
        return ExtractionReport(
            out_dir=self.places.out_dir,
            planned=self._found,
            already_done=self._kept,
            extracted=self._extracted,
            failed=self._failed,
            rows=self._rows,
            redone={why.value: count for why, count in self._redone.items()},
            dropped=self._dropped,
            seconds=time.perf_counter() - self._started,
            dry_run=self._dry_run,
        )

    def _leave_out(self, folder: str, error: OSError) -> None:
        if not folder:
            raise ExtractionError(
                f"The audio folder {self.places.audio_dir} cannot be read: {error.strerror}; check its permissions."
            )
        self._closed.append((folder, error))

    def _discard_journal(self) -> None:
        path = self.places.journal
        try:
            with Journal(path) as journal:
                written = json.loads(journal.read_note(_OUTPUTS_NOTE) or "{}")
                pictures = [name for known in journal.outside_plan() for name in known.pictures]
                n_pictures = sum(is_there(self.places.pictures / name) for name in pictures)
                self._remove_pictures(pictures)
                _remove_empty_folders(self.places.pictures, pictures)
                self._remove_outputs(written.get("files", {}), n_pictures)
        except DamagedJournalError:
            # Which is what one begins anew for.
            self._progress.note(
                "Files of an earlier run that this one does not replace stay, because its journal, which lists them, "
                "cannot be read."
            )
        _remove(path.with_name(path.name + suffix) for suffix in ("", "-wal", "-shm"))

    def _remove_pictures(self, names: Iterable[str]) -> None:
        _remove(self.places.pictures / name for name in names)

    def _remove_outputs(self, files: dict[str, list[int]], n_pictures: int = 0) -> None:
        """Remove tables and lists of an earlier run, unless someone changed them, and tell of it."""
        out_dir = self.places.out_dir
        own = [name for name, state in files.items() if _state(out_dir / name) == state]
        _remove(out_dir / name for name in own)
        _remove_empty_folders(out_dir / SPLITS_NAME, [PurePosixPath(name).name for name in own if "/" in name])
        removed = own + ([f"{n_pictures} picture{'' if n_pictures == 1 else 's'}"] if n_pictures else [])
        if removed:
            self._progress.note(f"Removed, as an earlier run's output: {', '.join(removed)}.")

    def _note_act(self, what: str) -> None:
        """Tell what is done, or in a dry run would be."""
        self._progress.note(f"Would be {what}" if self._dry_run else what[0].upper() + what[1:])

    def _fingerprint(self, journal: Journal) -> str:
        settings = (__version__, self._identity, self._table_names, self._layout_json())
        # Left out where it is not asked for, so that what earlier versions wrote still holds.
        options = ("excel-safe",) if self._excel_safe else ()
        digest = hashlib.sha256(repr((*settings, *options)).encode("utf-8", "surrogateescape"))
        for part in journal.fingerprints():
            digest.update(part)
        return digest.hexdigest()

    def _files(self) -> dict[str, list[int]]:
        """Describe the output files as they stand there."""
        files = {}
        for name in (*self._table_names, FAILURES_NAME, SIDECAR_NAME, *self._list_names):
            state = _state(self.places.out_dir / name)
            if state is not None:
                files[name] = state
        return files


def _refuse_bad_parameters(
    jobs: int | None, picture_size: tuple[int, int] | None, limit: int | None, table_format: str, dask: str | None
) -> None:
    if jobs is not None and jobs < 1:
        raise ParameterError(f"The number of jobs must be at least 1, got {jobs}; leave it out to use all cores.")
    if jobs is not None and dask is not None:
        raise ParameterError(
            "The number of jobs applies to this machine and the Dask address to a cluster; give only one of them."
        )
    if dask is not None:
        refuse_bad_address(dask)
    if limit is not None and limit < 1:
        raise ParameterError(f"The limit must be at least 1, got {limit}; leave it out to take all files.")
    if picture_size is not None and not all(1 <= side <= _LARGEST_PICTURE for side in picture_size):
        width, height = picture_size
        raise ParameterError(
            f"The picture size must be a width and a height from 1 to {_LARGEST_PICTURE} pixels, got {width}x{height}."
        )
    if table_format not in writers.TABLE_FORMATS:
        raise ParameterError(f"The table format must be csv or parquet, got {table_format!r}.")
    if table_format == "parquet" and importlib.util.find_spec("pyarrow") is None:
        raise ParameterError(f"Parquet tables need pyarrow; install it with: {install_command('parquet')}")


def _pictures(size: tuple[int, int] | None) -> dict[str, Any]:
    """Return the parameters of the pictures, besides those of the recipe."""
    from audio_genre.dsp.picture import REPRESENTATION

    return {"representation": REPRESENTATION, "folder": PICTURES_NAME, "size": None if size is None else list(size)}


def _engine(jobs: int | None, dask: str | None, run: _Run) -> Engine:
    if run.todo == 0:
        return InProcess()
    if dask is not None:
        return DaskCluster(dask, (run.places.audio_dir, run.places.staging))
    jobs = jobs or usable_cores()
    return InProcess() if jobs == 1 else WorkerProcesses(min(jobs, run.todo))


@contextmanager
def _storing(path: Path) -> Iterator[None]:
    """Put an error met when a file gets its name into a sentence; a name that cannot be is told when it is made."""
    try:
        yield
    except OSError as error:
        if error.errno not in CLIP_CODES and not isinstance(error, FileNotFoundError):
            raise storage_error(error, path) from None


def _remove(files: Iterable[Path]) -> None:
    for path in files:
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise storage_error(error, path) from None


def _remove_empty_folders(top: Path, names: Iterable[str]) -> None:
    """Remove the folders that held some files below a folder, and it itself, where they are empty now."""
    folders = {folder for name in names for folder in (top / name).parents if folder.is_relative_to(top)}
    for folder in sorted(folders, reverse=True):
        with suppress(OSError):
            folder.rmdir()


def _state(path: Path) -> list[int] | None:
    """Return what tells whether a file is the one that was written."""
    try:
        status = path.stat()
    except OSError:
        return None
    return [status.st_size, status.st_mtime_ns]


def _closed_reason(error: OSError | None) -> str:
    return "is empty" if error is None else f"cannot be read: {error.strerror or error}"


def _unseen(known: Known) -> Clip:
    """Make the clip of a plan out of what is known of it, where its file cannot be seen."""
    # It lies in a folder that cannot be read, and so in one.
    label, _, filename = known.path.partition("/")
    picture = known.path
    if known.pictures:
        name = known.pictures[0].removesuffix(".0.png" if len(known.pictures) > 1 else ".png")
        picture = plain_picture(known.path, name)
    return Clip(known.path, label, filename, picture, -1, 0)


def _clips(count: int) -> str:
    return f"{count} clip{'' if count == 1 else 's'}"


def _digest(parameters: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(parameters, sort_keys=True).encode()).hexdigest()[:16]
