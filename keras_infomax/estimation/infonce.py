"""InfoNCE of a matrix of scores, in both directions: what critics are judged by."""

import numpy as np


def symmetric_infonce(scores: np.ndarray) -> float:
    """The mean of InfoNCE over rows and over columns, in nats.

    Args:
        scores: Float matrix `(rows, rows)`; minus infinity leaves a pair out.
    """
    return float(np.mean(infonce_of_rows(scores)))


def infonce_of_rows(scores: np.ndarray) -> np.ndarray:
    """Of each true pair, the mean of its InfoNCE as a row and as a column, in nats.

    Args:
        scores: Float matrix `(rows, rows)`; minus infinity leaves a pair out.
    """
    true = np.diagonal(scores)
    total = np.zeros(len(scores))
    for axis in (0, 1):
        largest = scores.max(axis=axis, keepdims=True)
        sums = np.log(np.exp(scores - largest).sum(axis=axis)) + largest.squeeze(axis)
        counts = np.log((scores > -np.inf).sum(axis=axis))
        total += (true - sums + counts) / 2
    return total
