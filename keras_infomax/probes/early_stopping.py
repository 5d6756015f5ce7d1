"""Trains until rows that were set aside are predicted no better."""

import math
from collections.abc import Callable
from typing import TypeVar

State = TypeVar("State")


def best_epoch(
    train_epoch: Callable[[], float],
    state: Callable[[], State],
    epochs: int,
    patience: int,
) -> State:
    """Trains epoch after epoch and returns what the best of them left.

    Judged by the cross-entropy, as the accuracy goes on rising while a model becomes
    overconfident, which is what V-information punishes.

    Args:
        train_epoch: Trains for an epoch and returns the loss on held-out rows.
        state: Returns a copy of what has been trained.
        epochs: Largest number of epochs.
        patience: Number of epochs without a new lowest loss after which to stop.

    Returns:
        The state after the epoch of the lowest loss.

    Raises:
        ValueError: If the loss is never finite.
    """
    lowest, best, waited = math.inf, None, 0
    for _ in range(epochs):
        loss = train_epoch()
        if loss < lowest:
            lowest, best, waited = loss, state(), 0
        else:
            waited += 1
        if waited == patience:
            break
    if best is None:
        raise ValueError(
            "The probe's loss must be finite; it has been infinite or NaN from the "
            "first epoch. Rescale the rows or lower learning_rate."
        )
    return best
