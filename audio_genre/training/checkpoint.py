"""The state of a fit after an epoch, in a file, so that a fit that was ended can go on as if it had not been."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from audio_genre.errors import BundleError
from audio_genre.files.storage import whole_file

if TYPE_CHECKING:
    from numpy.typing import NDArray

_STATE = "state"
# Writing takes a hundredth of a second or more, which dense networks pass over their rows in.
_EVERY_SECONDS = 2.0
_MAX_WEIGHTS = 10_000


class Checkpoint:
    """A file with weights, optimiser, early stopping, random numbers and history after the last complete epoch.

    It is written whole or not at all, and holds arrays and JSON only, so that reading it runs no code.
    """

    def __init__(self, path: Path, identity: Mapping[str, Any], *, resume: bool) -> None:
        self.path = path
        self._identity = json.loads(json.dumps(identity))
        self._resume = resume
        self._unwritten: dict[str, NDArray[Any]] | None = None
        self._written = -_EVERY_SECONDS

    def fault(self) -> str | None:
        """Say why a fit cannot go on from the file that is there."""
        if not self.path.exists() or self._read() is not None:
            return None
        return f"{self.path} is damaged, or is of other settings or data, so the training starts again"

    def epochs(self) -> int:
        """Return how many epochs a fit of this identity has completed."""
        found = self._read()
        return 0 if found is None else len(found[0]["history"])

    def restore(self, model: Any, stopping: Any, rng: np.random.Generator) -> list[dict[str, Any]]:
        """Put a fit into the state that was saved last, if it is to be resumed and there is one."""
        found = self._read() if self._resume else None
        if found is None:
            return []
        state, arrays = found
        variables = _variables(model)
        best = [arrays.get(f"best/{k}") for k in range(state["best_weights"])]
        fits = [_fits(arrays.get(name), variable) for name, variable in variables.items()]
        fits += [_fits(array, variable) for array, variable in zip(best, model.weights, strict=False)]
        if not all(fits) or (best and len(best) != len(model.weights)):
            raise BundleError(
                f"{self.path} holds the state of another network than this one; leave --resume out to train from the "
                "start."
            )
        for name, variable in variables.items():
            variable.assign(arrays[name])
        rng.bit_generator.state = state["rng"]
        stopping.best, stopping.best_epoch, stopping.wait = state["best"], state["best_epoch"], state["wait"]
        stopping.best_weights = best
        model.stop_training = state["stopped"]
        history: list[dict[str, Any]] = state["history"]
        return history

    def save(self, model: Any, stopping: Any, rng: np.random.Generator, history: Sequence[Mapping[str, Any]]) -> None:
        """Save the state after an epoch; of short epochs only every few seconds, the rest in `flush`."""
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
        # A variable changes its numbers in place.
        arrays: dict[str, NDArray[Any]] = {
            name: np.array(variable.numpy()) for name, variable in _variables(model).items()
        }
        arrays |= {f"best/{k}": weights for k, weights in enumerate(stopping.best_weights)}
        arrays[_STATE] = np.frombuffer(json.dumps(state).encode(), dtype=np.uint8)
        self._unwritten = arrays
        if time.monotonic() - self._written >= _EVERY_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Write the state of the last epoch, if it has not been."""
        if self._unwritten is None:
            return
        try:
            with whole_file(self.path, self._part) as file:
                np.savez(file, **self._unwritten)  # type: ignore[arg-type]
        except OSError as error:
            raise BundleError(
                f"{self.path} cannot be written: {error.strerror}; free some space, and continue with --resume."
            ) from None
        finally:
            self._unwritten = None
        self._written = time.monotonic()

    @property
    def _part(self) -> Path:
        """What a killed process left unfinished is overwritten by the next one."""
        return self.path.with_name(f"{self.path.name}.part")

    def remove(self) -> None:
        """Remove the file, because the fit is complete."""
        self._unwritten = None
        for path in (self.path, self._part):
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)

    def _read(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]] | None:
        """Return state and arrays, or None where no fit of this identity was saved."""
        try:
            with self.path.open("rb") as file, np.load(file, allow_pickle=False) as saved:
                arrays = dict(saved)
            state = json.loads(arrays[_STATE].tobytes())
            return (state, arrays) if state["identity"] == self._identity and _is_state(state) else None
        except Exception:
            # NumPy and zipfile raise nearly anything at a file that is not theirs; it is no state then.
            return None


def _is_state(state: dict[str, Any]) -> bool:
    """Tell whether the plain data of a state are such as `Checkpoint.save` writes; raise anything if they are not."""
    history = state["history"]
    names = {"epoch", "loss", "accuracy", "val_loss", "val_accuracy", "seconds"}
    # The generator checks its own state.
    np.random.default_rng().bit_generator.state = state["rng"]
    return (
        len(history) > 0
        and all(set(report) == names and report["epoch"] == k + 1 for k, report in enumerate(history))
        and all(type(value) in (int, float) for report in history for value in report.values())
        and type(state["best"]) in (int, float)
        and type(state["stopped"]) is bool
        and all(type(state[name]) is int and state[name] >= 0 for name in ("best_epoch", "best_weights", "wait"))
        and state["best_epoch"] < len(history)
        and state["best_weights"] < _MAX_WEIGHTS
    )


def _fits(array: NDArray[Any] | None, variable: Any) -> bool:
    """Tell whether an array can be what a variable holds."""
    return array is not None and array.shape == tuple(variable.shape) and array.dtype == np.asarray(variable).dtype


def _variables(model: Any) -> dict[str, Any]:
    """Return every variable that a fit changes: weights, moving means, seeds of dropout, the optimiser's."""
    inside = {f"model/{k}": variable for k, variable in enumerate(model.variables)}
    return inside | {f"optimizer/{k}": variable for k, variable in enumerate(model.optimizer.variables)}
