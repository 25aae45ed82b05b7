"""The state of a fit after a pass, in a file, so that a fit that was ended can go on as if it had not been."""

from __future__ import annotations

import contextlib
import json
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from audio_genre.errors import BundleError

if TYPE_CHECKING:
    from numpy.typing import NDArray

_STATE = "state"


class Checkpoint:
    """A file with weights, optimiser, early stopping, random numbers and history after the last complete pass.

    It is written whole or not at all, and holds arrays and JSON only, so that reading it runs no code.

    Parameters
    ----------
    path : Path
        The file.
    identity : mapping
        What makes a fit the same as another, as plain data: only such a fit goes on from the file.
    resume : bool
        Whether to go on from what is there; otherwise the fit begins anew and the file is replaced.
    """

    def __init__(self, path: Path, identity: Mapping[str, Any], *, resume: bool) -> None:
        self.path = path
        self._identity = json.loads(json.dumps(identity))
        self._resume = resume

    def epochs(self) -> int:
        """Return how many passes a fit of this identity has behind it.

        Returns
        -------
        int
            Number of passes; 0 if there is no file, or one of another fit.
        """
        found = self._read()
        return 0 if found is None else len(found[0]["history"])

    def restore(self, model: Any, stopping: Any, rng: np.random.Generator) -> list[dict[str, Any]]:
        """Put a fit into the state that was saved last, if it is to be resumed and there is one.

        Parameters
        ----------
        model : keras.Model
            The compiled model, its optimiser built.
        stopping : keras.callbacks.EarlyStopping
            After its ``on_train_begin``.
        rng : numpy.random.Generator
            Source of random numbers.

        Returns
        -------
        list of dict
            Reports of the passes so far; empty if the fit begins anew.
        """
        found = self._read() if self._resume else None
        if found is None:
            return []
        state, arrays = found
        variables = _variables(model)
        for name, variable in variables.items():
            variable.assign(arrays[name])
        rng.bit_generator.state = state["rng"]
        stopping.best, stopping.best_epoch, stopping.wait = state["best"], state["best_epoch"], state["wait"]
        stopping.best_weights = [arrays[f"best/{k}"] for k in range(state["best_weights"])]
        model.stop_training = state["stopped"]
        history: list[dict[str, Any]] = state["history"]
        return history

    def save(self, model: Any, stopping: Any, rng: np.random.Generator, history: Sequence[Mapping[str, Any]]) -> None:
        """Save the state after a pass.

        Parameters
        ----------
        model : keras.Model
            The model in training.
        stopping : keras.callbacks.EarlyStopping
            The stopping rule.
        rng : numpy.random.Generator
            Source of random numbers.
        history : sequence of mapping
            Reports of the passes so far.

        Raises
        ------
        BundleError
            If the file cannot be written.
        """
        state = {
            "identity": self._identity,
            "history": list(history),
            "rng": rng.bit_generator.state,
            "best": float(stopping.best),
            "best_epoch": stopping.best_epoch,
            "best_weights": len(stopping.best_weights),
            "wait": stopping.wait,
            "stopped": bool(model.stop_training),
        }
        arrays: dict[str, NDArray[Any]] = {
            name: np.asarray(variable.numpy()) for name, variable in _variables(model).items()
        }
        arrays |= {f"best/{k}": weights for k, weights in enumerate(stopping.best_weights)}
        arrays[_STATE] = np.frombuffer(json.dumps(state).encode(), dtype=np.uint8)
        part = self.path.with_name(f"{self.path.name}.part")
        try:
            with part.open("wb") as file:
                np.savez(file, **arrays)  # type: ignore[arg-type]
            part.replace(self.path)
        except OSError as error:
            raise BundleError(
                f"{self.path} cannot be written: {error.strerror}; make room, and go on with --resume."
            ) from None
        finally:
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)

    def remove(self) -> None:
        """Remove the file, because the fit is complete."""
        with contextlib.suppress(OSError):
            self.path.unlink(missing_ok=True)

    def _read(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]] | None:
        """Return state and arrays, or None where no fit of this identity was saved."""
        try:
            with self.path.open("rb") as file, np.load(file, allow_pickle=False) as saved:
                arrays = dict(saved)
            state = json.loads(arrays[_STATE].tobytes())
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            return None
        return (state, arrays) if state.get("identity") == self._identity else None


def _variables(model: Any) -> dict[str, Any]:
    """Return every variable that a fit changes: weights, moving means, seeds of dropout, the optimiser's."""
    inside = {f"model/{k}": variable for k, variable in enumerate(model.variables)}
    return inside | {f"optimizer/{k}": variable for k, variable in enumerate(model.optimizer.variables)}
