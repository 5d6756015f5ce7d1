"""Draws rows class by class, so that a small part of the data has all classes."""

from collections.abc import Callable

import numpy as np


def draw(
    targets: np.ndarray,
    count_of: Callable[[int], int],
    generator: np.random.Generator,
) -> np.ndarray:
    """Draws rows of every class without replacement.

    Args:
        targets: Classes as integers of shape `(rows,)`.
        count_of: Function from the number of rows of a class to the number to draw.
        generator: Random generator.

    Returns:
        Sorted indices of the drawn rows.
    """
    drawn = [
        generator.choice(rows, count_of(len(rows)), replace=False)
        for rows in (np.flatnonzero(targets == c) for c in np.unique(targets))
    ]
    return np.sort(np.concatenate(drawn))


def hold_out(
    targets: np.ndarray, generator: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Sets a tenth of each class aside, for early stopping.

    Args:
        targets: Classes as integers of shape `(rows,)`.
        generator: Random generator.

    Returns:
        Indices of the training rows and of the held-out rows. If every class has fewer
        than ten rows, both are all rows.
    """
    held_out = draw(targets, lambda rows: rows // 10, generator)
    every = np.arange(len(targets))
    return (
        (np.setdiff1d(every, held_out), held_out) if len(held_out) else (every, every)
    )
