"""One file of a library to an answer; runs in worker processes."""

from __future__ import annotations

import hashlib
import json
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from audio_genre.audio import read_header
from audio_genre.decoding import needs_extra
from audio_genre.errors import AudioError, AudioGenreError, BundleError, UnreadableError
from audio_genre.extraction.clip import passing_reason
from audio_genre.files.walk import is_unread
from audio_genre.library.records import Answer, Failure

if TYPE_CHECKING:
    from audio_genre.bundles.card import Card
    from audio_genre.inference.answer import Classification
from audio_genre.inference.classifier import Classifier

_LONGEST_TEXT = 500
# Counts up when the same model comes to other answers or keeps them in another way.
_ANSWERS = 1


@dataclass(frozen=True, slots=True)
class ClassifySettings:
    """What is the same for all files of a run.

    Attributes
    ----------
    music_dir : Path
        The library's folder.
    bundle : Path
        Folder of the model.
    model : str
        The model's `model_identity` when the run began.
    """

    music_dir: Path
    bundle: Path
    model: str


def model_identity(card: Card) -> str:
    """Return what tells whether an answer is one of this model: its name, and a hash of all that its card says."""
    answered = json.dumps([_ANSWERS, card.to_dict()], sort_keys=True)
    return f"{card.name} {hashlib.sha256(answered.encode()).hexdigest()[:32]}"


def classify_file(path: str, settings: ClassifySettings) -> Answer | Failure:
    """Tell the genre of one file; whatever is wrong with it comes back as a result."""
    file = settings.music_dir / path
    try:
        before = file.stat()
        size, mtime_ns = before.st_size, before.st_mtime_ns
        # Opening a pipe or a device could wait for ever.
        if not stat.S_ISREG(before.st_mode):
            return Failure(size, mtime_ns, "is not a regular file")
        with file.open("rb"):
            pass
    except OSError as error:
        return Failure(-1, 0, f"cannot be read: {error.strerror}", retry=True)
    if is_unread(path):
        suffix = PurePosixPath(path).suffix
        return Failure(size, mtime_ns, needs_extra(suffix))
    try:
        classifier = _classifier(settings.bundle, settings.model)
        classification = classifier.classify(file)
        seconds, texts = _describe(file)
        after = file.stat()
    except AudioError as error:
        return Failure(size, mtime_ns, error.reason, retry=isinstance(error, UnreadableError))
    except AudioGenreError:
        raise
    except Exception as error:
        return Failure(size, mtime_ns, passing_reason(error), retry=True)
    if (after.st_size, after.st_mtime_ns) != (size, mtime_ns):
        return Failure(size, mtime_ns, "changed while it was classified", retry=True)
    return as_answer(classification, size=size, mtime_ns=mtime_ns, seconds=seconds, texts=texts)


def as_answer(
    classification: Classification,
    *,
    size: int,
    mtime_ns: int,
    seconds: float | None = None,
    texts: Mapping[str, str] | None = None,
) -> Answer:
    """Turn a classifier's answer into what is kept."""
    return Answer(
        size,
        mtime_ns,
        classification.genre if classification.is_silent else classification.top(1)[0][0],
        classification.confidence,
        classification.probabilities,
        classification.reason,
        seconds,
        **(texts or {}),
    )


@lru_cache(maxsize=1)
def _classifier(bundle: Path, model: str) -> Classifier:
    from audio_genre.inference.classifier import Classifier

    classifier = Classifier(bundle)
    if model_identity(classifier.bundle.card) != model:
        raise BundleError(f"{bundle} was changed while the library was organized; run the same command again.")
    return classifier


def _describe(file: Path) -> tuple[float | None, dict[str, str]]:
    """Return the length in seconds, and title, artist and album, as far as the file tells."""
    try:
        seconds, texts = read_header(file)
    except AudioError:
        return None, {}
    told = {name: texts.get(name, "").strip()[:_LONGEST_TEXT] for name in ("title", "artist", "album")}
    return seconds, {name: text for name, text in told.items() if text}
