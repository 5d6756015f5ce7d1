"""Draws rows class by class, so that a small part of the data still holds them all."""

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
        count_of: How many rows to draw of a class that has this many.
        generator: Source of the randomness.

    Returns:
        Indices of the rows that were drawn, sorted.
    """
    drawn = [
        generator.choice(rows, count_of(len(rows)), replace=False)
        for rows in (np.flatnonzero(targets == c) for c in np.unique(targets))
    ]
    return np.sort(np.concatenate(drawn))


def hold_out(
    targets: np.ndarray, generator: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Sets a tenth of each class aside, to see when to stop training.

    Args:
        targets: Classes as integers of shape `(rows,)`.
        generator: Source of the randomness.

    Returns:
        Indices of the rows to train on and of those held out. Where every class has
        fewer than ten rows nothing can be spared, and both are all rows.
    """
    held_out = draw(targets, lambda rows: rows // 10, generator)
    every = np.arange(len(targets))
    return (
        (np.setdiff1d(every, held_out), held_out) if len(held_out) else (every, every)
    )
