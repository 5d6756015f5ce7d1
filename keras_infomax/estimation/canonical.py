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
        weights: Float vector `(rows,)`, how much each row counts in the covariance, or
            `None` for all alike.

    Reference:
        Hotelling, 1936, "Relations Between Two Sets of Variates".
    """

    def __init__(self, x: np.ndarray, y: np.ndarray, weights: np.ndarray | None = None):
        self.size = min(x.shape[1], y.shape[1])
        weights = np.ones(len(x)) if weights is None else weights
        self._of_x, self._of_y = _Whitening(x, weights), _Whitening(y, weights)
        if not self.size:
            self.correlations = np.zeros(0)
            return
        u, v = self._of_x(x), self._of_y(y)
        shared = u.T @ (v * weights[:, None]) / len(x)
        left, found, right = np.linalg.svd(shared, full_matrices=False)
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

    @property
    def ranks(self) -> tuple[int, int]:
        """Dimensions of x and of y, without columns that repeat others."""
        return self._of_x.rank, self._of_y.rank

    def features(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Features whose inner products are log density ratios of Gaussians.

        Args:
            x: Float matrix `(rows, columns)`.
            y: Float matrix of any number of rows.

        Returns:
            Pair of float32 matrices of `size + 2` columns.
        """
        cross_x, own_x, cross_y, own_y = self._parts(x, y)
        return inner(
            *(cross_x, self.mutual_information - own_x / 2),
            *(cross_y, -own_y / 2),
        )

    def distances(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Features whose inner products are squared Mahalanobis distances of pairs.

        Args:
            x: Float matrix `(rows, columns)`.
            y: Float matrix of any number of rows.

        Returns:
            Pair of float32 matrices of `size + 2` columns.
        """
        cross_x, own_x, cross_y, own_y = self._parts(x, y)
        squares_x, squares_y = self.squares(x, y)
        return inner(-2 * cross_x, squares_x + own_x, cross_y, squares_y + own_y)

    def squares(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Squared Mahalanobis distances of x alone and of y alone, vectors.

        Args:
            x: Float matrix `(rows, columns)`.
            y: Float matrix of any number of rows.
        """
        u, v = self._of_x(x), self._of_y(y)
        return np.sum(u**2, axis=1), np.sum(v**2, axis=1)

    def _parts(self, x, y):
        """Factors of r u v / (1 - r^2), and r^2 u^2 / (1 - r^2), of both sides."""
        if not self.size:
            zeros = [np.zeros((len(side), 0)) for side in (x, y)]
            return zeros[0], np.zeros(len(x)), zeros[1], np.zeros(len(y))
        r = self.correlations
        gain = r / (1 - r**2)
        u, v = self._of_x(x) @ self._left, self._of_y(y) @ self._right
        root = np.sqrt(gain)
        return u * root, u**2 @ (r * gain), v * root, v**2 @ (r * gain)


def inner(
    cross_x: np.ndarray, own_x: np.ndarray, cross_y: np.ndarray, own_y: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Matrices whose inner products are those of the crosses, plus both vectors.

    Args:
        cross_x: Float matrix `(rows, size)`.
        own_x: Float vector `(rows,)`.
        cross_y: Float matrix `(columns, size)`.
        own_y: Float vector `(columns,)`.

    Returns:
        Pair of float32 matrices of `size + 2` columns.
    """
    left = np.hstack([cross_x, own_x[:, None], np.ones((len(own_x), 1))])
    right = np.hstack([cross_y, np.ones((len(own_y), 1)), own_y[:, None]])
    return left.astype("float32"), right.astype("float32")


class _Whitening:
    """Makes columns uncorrelated with unit variance; drops redundant columns."""

    def __init__(self, values, weights):
        self.mean = np.average(values, axis=0, weights=weights).astype("float64")
        centered = values - self.mean
        covariance = centered.T @ (centered * weights[:, None]) / max(len(values), 1)
        self.rank = 0
        if not values.shape[1]:
            self.root = np.zeros((0, 0))
            return
        scales, axes = np.linalg.eigh(covariance)
        fit = scales > 1e-9 * max(scales[-1], 1e-30)
        inverse = np.where(fit, 1 / np.sqrt(np.where(fit, scales, 1.0)), 0.0)
        self.root = axes * inverse
        self.rank = int(fit.sum())

    def __call__(self, values):
        return (values - self.mean) @ self.root
