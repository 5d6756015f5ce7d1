"""Trains until the predictions of held-out rows no longer improve."""

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
    """Trains for several epochs and returns the state after the best one.

    Epochs are compared by the cross-entropy. The accuracy may still rise while a model
    becomes overconfident, which V-information penalizes.

    Args:
        train_epoch: Function that trains for an epoch and returns the loss on held-out
            rows.
        state: Function that returns a copy of the trained state.
        epochs: Largest number of epochs.
        patience: Number of epochs without a new lowest loss after which to stop.

    Returns:
        The state after the epoch with the lowest loss.

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
            "The probe's loss must be finite; received NaN or infinity in every epoch. "
            "Rescale the rows or lower learning_rate."
        )
    return best
