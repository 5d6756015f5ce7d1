"""The Gaussian part of a dependence: canonical correlations and their density ratio."""

import numpy as np

# Above this correlation, rounding dominates the density ratio.
_LARGEST = 1 - 1e-7


class Canonical:
    """Significant canonical correlations of two sets of columns.

    In canonical coordinates u and v, a Gaussian consists of independent pairs of
    correlated numbers. The log of its density ratio is a sum over these pairs:

        sum_k [r_k u_k v_k - r_k^2 (u_k^2 + v_k^2) / 2] / (1 - r_k^2)
              - log(1 - r_k^2) / 2

    which is an inner product of features of x and features of y. Correlations that are
    not significant for this number of rows are left out.

    Args:
        x: Float matrix `(rows, columns)`.
        y: Float matrix `(rows, columns)`.

    Reference:
        Hotelling, 1936, "Relations Between Two Sets of Variates".
    """

    def __init__(self, x: np.ndarray, y: np.ndarray):
        self.size = min(x.shape[1], y.shape[1])
        self._of_x, self._of_y = _Whitening(x), _Whitening(y)
        if not self.size:
            self.correlations = np.zeros(0)
            return
        u, v = self._of_x(x), self._of_y(y)
        left, found, right = np.linalg.svd(u.T @ v / len(x), full_matrices=False)
        self._left, self._right = left[:, : self.size], right.T[:, : self.size]
        # The largest singular value of noise, with a margin for its variation.
        rows = len(x)
        edge = 1.1 * (np.sqrt(x.shape[1]) + np.sqrt(y.shape[1])) / np.sqrt(rows)
        kept = found > edge
        # Subtract the bias of the squares due to noise.
        squares = np.clip(found**2 - x.shape[1] * y.shape[1] / self.size / rows, 0, 1)
        squares = np.minimum(squares, _LARGEST)
        self.correlations = np.where(kept, np.sqrt(squares), 0.0)

    @property
    def mutual_information(self) -> float:
        """Mutual information of Gaussians with these correlations, in nats."""
        return float(-np.log1p(-(self.correlations**2)).sum() / 2)

    def features(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Features whose inner products are log density ratios.

        Args:
            x: Float matrix `(rows, columns)`.
            y: Float matrix of any number of rows.

        Returns:
            Pair of float32 matrices of `size + 2` columns.
        """
        if not self.size:
            return np.zeros((len(x), 2), "float32"), np.zeros((len(y), 2), "float32")
        r = self.correlations
        gain = r / (1 - r**2)
        u, v = self._of_x(x) @ self._left, self._of_y(y) @ self._right
        constant = self.mutual_information
        of_x = -(u**2) @ (r * gain) / 2 + constant
        of_y = -(v**2) @ (r * gain) / 2
        root = np.sqrt(np.abs(gain))
        one = np.ones(1)
        left = np.hstack([u * root, of_x[:, None], one * np.ones((len(u), 1))])
        right = np.hstack([v * root, one * np.ones((len(v), 1)), of_y[:, None]])
        return left.astype("float32"), right.astype("float32")


class _Whitening:
    """Makes columns uncorrelated with unit variance; drops redundant columns."""

    def __init__(self, values):
        self.mean = values.mean(axis=0, dtype="float64")
        centered = values - self.mean
        covariance = centered.T @ centered / max(len(values), 1)
        if not values.shape[1]:
            self.root = np.zeros((0, 0))
            return
        scales, axes = np.linalg.eigh(covariance)
        fit = scales > 1e-9 * max(scales[-1], 1e-30)
        inverse = np.where(fit, 1 / np.sqrt(np.where(fit, scales, 1.0)), 0.0)
        self.root = axes * inverse

    def __call__(self, values):
        return (values - self.mean) @ self.root
