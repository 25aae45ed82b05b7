"""Keras and TensorFlow, imported late and without their chatter."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


def import_keras() -> Any:
    """Import Keras on TensorFlow and return it.

    The first call takes several seconds, in which the process's standard error is held back: draw no progress on it
    then, but say beforehand what takes so long.

    Returns
    -------
    module
        ``keras``.
    """
    if "keras" not in sys.modules:
        os.environ["KERAS_BACKEND"] = "tensorflow"
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        with _quiet_stderr():
            import tensorflow
        # Its advice on retracing is meant for loops that make functions, not for four models in a row.
        tensorflow.get_logger().setLevel("ERROR")
    import keras

    return keras


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
