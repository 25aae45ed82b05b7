"""What is kept of each epoch of a training."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class EpochReport:
    """One epoch, as it is reported and as it stands in ``history.csv``.

    Attributes
    ----------
    epoch : int
        Number of the epoch, from 1.
    loss, accuracy : float
        On the training rows, with dropout and augmentation, averaged while the weights changed.
    val_loss, val_accuracy : float
        On the validation rows, after the epoch.
    seconds : float
        Time that the pass took.
    """

    epoch: int
    loss: float
    accuracy: float
    val_loss: float
    val_accuracy: float
    seconds: float
