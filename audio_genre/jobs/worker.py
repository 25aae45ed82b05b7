"""The child's side of a worker process: tasks in, results out, nothing else on these pipes.

A message is a pickled `bytes` object, so that one that cannot be read leaves the next one readable; it holds the
pickled function first, then one task at a time. A reply holds whether it went well, and the result or the exception.
"""

from __future__ import annotations

import os
import pickle
import signal
import sys
import threading
import traceback
from pathlib import Path
from queue import SimpleQueue
from typing import IO, Any

_OUT_OF_MEMORY = 12  # as ENOMEM


def main() -> None:
    """Serve the parent process until it closes the pipe or is gone."""
    # Ctrl-C reaches all processes of a terminal; ending the workers is the parent's part.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    requests, replies = _take_pipes()
    inbox: SimpleQueue[bytes] = SimpleQueue()
    threading.Thread(target=_read, args=(requests, inbox), daemon=True).start()
    work = None
    reply: tuple[bool, Any]
    while True:
        try:
            message = pickle.loads(inbox.get())
            if work is None:
                work = message
                reply = (True, None)
            else:
                reply = (True, work(message))
        except MemoryError:
            # The next task may be a smaller one, and a fresh process has most memory for it.
            os._exit(_OUT_OF_MEMORY)
        except Exception as error:
            error.add_note("In a worker process:\n" + traceback.format_exc())
            reply = (False, error)
        _send(reply, replies)


def _take_pipes() -> tuple[IO[bytes], IO[bytes]]:
    """Keep the pipes to the parent for messages alone: what a library prints goes to stderr."""
    requests, replies = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    with Path(os.devnull).open("rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    os.dup2(sys.__stderr__.fileno() if sys.__stderr__ else 0, 1)
    return requests, replies


def _read(requests: IO[bytes], inbox: SimpleQueue[bytes]) -> None:
    try:
        while True:
            inbox.put(pickle.load(requests))
    finally:
        # The parent is done, or gone; what is being computed is of no use to anyone.
        os._exit(0)


def _send(reply: tuple[bool, Any], replies: IO[bytes]) -> None:
    try:
        message = pickle.dumps(reply)
    except MemoryError:
        os._exit(_OUT_OF_MEMORY)
    except Exception as error:
        message = pickle.dumps((False, RuntimeError(f"a worker's answer cannot be pickled: {error}")))
    try:
        pickle.dump(message, replies)
        replies.flush()
    except BrokenPipeError:
        os._exit(0)
