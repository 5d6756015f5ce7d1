"""A probe without parameters: the nearest training rows classify a row."""

import numpy as np

from keras_infomax import checks
from keras_infomax.probes.probe import Probe, flat
from keras_infomax.probes.threads import one_thread

# Largest number of similarities in memory: 128 MB, and twice as much for their order.
_BLOCK = 2**25


class NeighboursProbe(Probe):
    """Weighted vote of the nearest training rows by cosine similarity.

        votes[i, c] = sum_j exp(s_ij / temperature), j of class c among the k nearest

    where `s_ij` is the cosine of the angle between rows i and j. Nothing is fitted, so
    the geometry of the encodings decides: directions of small variance have little
    effect, while a linear probe can stretch them.

    Votes are divided by that of the nearest row and become probabilities. A prior adds
    one neighbor with a uniform class, as near as the nearest:

        p[i, c] = (votes[i, c] / v_i + 1 / classes) / (sum of the row / v_i + 1)

    where `v_i` is the largest single vote. So a class without a neighbor is improbable
    but not impossible, and the order of the classes does not change.

    All similarities between test and training rows are computed, block by block; 10,000
    against 60,000 rows take about ten seconds on one core.

    Args:
        k: Positive integer, the number of neighbors, or all rows if there are fewer.
            Defaults to 200.
        temperature: Positive float; smaller values give the nearest rows more weight.
            Defaults to 0.07.

    Raises:
        ValueError: If a number is not positive.

    Example:
    >>> x = np.array([[1.0, 0.0], [5.0, 1.0], [0.0, 1.0], [1.0, 6.0]])
    >>> probe = NeighboursProbe().fit(x, labels=[0, 0, 1, 1])
    >>> probe.predict([[3.0, 1.0], [1.0, 2.0]])
    array([0, 1])

    Reference:
        Wu et al., 2018, "Unsupervised Feature Learning via Non-Parametric Instance
        Discrimination", Section 3.4. https://arxiv.org/abs/1805.01978
    """

    def __init__(self, k: int = 200, temperature: float = 0.07):
        super().__init__()
        checks.positive_integer("k", k, 200)
        checks.positive_number("temperature", temperature, 0.07)
        self.k = k
        self.temperature = temperature

    def _fit(self, x, targets):
        self._directions = _directions(x)
        self._targets = targets

    def _logits(self, x):
        rows = max(1, _BLOCK // len(self._targets))
        blocks = [x[start : start + rows] for start in range(0, len(x), rows)]
        with one_thread():
            return np.concatenate([self._block_logits(block) for block in blocks])

    def _block_logits(self, x):
        similarities = _directions(x) @ self._directions.T
        k = min(self.k, len(self._targets))
        nearest = np.argpartition(similarities, -k, axis=1)[:, -k:]
        similarities = np.take_along_axis(similarities, nearest, axis=1)
        similarities -= similarities.max(axis=1, keepdims=True)
        weights = np.exp(similarities / self.temperature)
        classes = self._targets.max() + 1
        # One histogram for all rows, with separate bins for each row.
        bins = classes * np.arange(len(x))[:, None] + self._targets[nearest]
        votes = np.bincount(bins.ravel(), weights.ravel(), minlength=classes * len(x))
        return np.log(votes.reshape(len(x), classes) + 1 / classes)


def _directions(x: np.ndarray) -> np.ndarray:
    """Rows of length 1; a row of zeros stays zero and has no similarity to any row."""
    x = flat(x)
    # Scaled first, since squares of large or small float32 numbers over- or underflow.
    largest = np.abs(x).max(axis=1, keepdims=True)
    x = x / np.where(largest == 0, 1, largest)
    length = np.linalg.norm(x, axis=1, keepdims=True)
    return x / np.where(length == 0, 1, length)
