"""Keras and TensorFlow, imported late and without their chatter."""

from __future__ import annotations

import importlib.util
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from audio_genre.errors import ParameterError
from audio_genre.extras import install_command

_PACKAGES = {"tensorflow": "TensorFlow", "keras": "Keras"}


def require_keras() -> None:
    """Refuse to go on where Keras or TensorFlow is not installed; neither is imported."""
    for package, name in _PACKAGES.items():
        if importlib.util.find_spec(package) is None:
            raise ParameterError(
                f"Training a network needs {name}, which is not installed; run `{install_command('train')}`."
            )


def import_keras() -> Any:
    """Import Keras on TensorFlow and return it.

    The first call takes several seconds, in which the process's standard error is held back: draw no progress on it
    then, but say beforehand what takes so long.
    """
    require_keras()
    try:
        if "keras" not in sys.modules:
            os.environ["KERAS_BACKEND"] = "tensorflow"
            os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
            with _quiet_stderr():
                import tensorflow
            # Its advice on retracing is meant for loops that make functions, not for four models in a row.
            tensorflow.get_logger().setLevel("ERROR")
        import keras
    except Exception as error:
        # Beside a package of a version that does not fit, it fails with a TypeError or an AttributeError, too.
        raise ParameterError(
            f"TensorFlow is installed but cannot be loaded ({_reason(error)}); fix that, or run "
            "`pip install --force-reinstall tensorflow`."
        ) from error
    return keras


def _reason(error: BaseException) -> str:
    """Return what went wrong on one line; TensorFlow wraps it in a traceback and advice."""
    while "\n" in str(error) and (wrapped := error.__cause__ or error.__context__) is not None:
        error = wrapped
    said = str(error).strip().partition("\n")[0].rstrip(".")
    return f"{type(error).__name__}: {said}" if said else type(error).__name__


@contextmanager
def _quiet_stderr() -> Iterator[None]:
    """Hold back what C++ code writes to the standard error; show it only if the body fails, not if it is interrupted.

    While TensorFlow loads, its libraries log to the file descriptor itself, before any log level counts.
    """
    if sys.stderr is not None:
        sys.stderr.flush()
    try:
        saved = os.dup(2)
    except OSError:
        # There is none: a process without a console.
        yield
        return
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        except Exception:
            held.seek(0)
            os.write(saved, held.read())
            raise
        finally:
            os.dup2(saved, 2)
            os.close(saved)
