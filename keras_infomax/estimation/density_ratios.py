"""Elliptical density ratios, as features of both sides from which scores are made.

A score is the inner product of additive features, less a factor times log(1 + D), where
D is the inner product of others. Both kinds are there for Gaussians, too, so that one
critic starts from either.
"""

import math
from typing import Any

import numpy as np
from scipy import special

from keras_infomax.estimation.canonical import Canonical, inner
from keras_infomax.estimation.infonce import infonce_of_rows

# Degrees of freedom that are tried, the nearest to a Gaussian first.
_DEGREES = (30.0, 15.0, 8.0, 5.0, 3.0, 2.0)
# Training rows by which they are judged, and the standard errors that decide.
_JUDGED = 2000
_SURE = 3.0
# Of the fit of a Student-t: its weights change little after ten.
_ITERATIONS = 10


def elliptical_features(
    x: np.ndarray, y: np.ndarray, train: np.ndarray, ranked: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Features of the density ratio from which a critic starts.

    That of Gaussians, unless a Student-t distribution does better on training rows, by
    more than chance.

    Args:
        x: Columns of all rows, float matrix `(rows, columns)`.
        y: The same for the other side.
        train: Indices of the rows to learn from.
        ranked: Whether all columns are numbers with Gaussian margins.

    Returns:
        Features of all rows, as `scores` takes them.
    """
    best = gaussian_features(Canonical(x[train], y[train]), x, y)
    if not (ranked and x.shape[1] and y.shape[1]):
        return best
    some = train[:_JUDGED]
    values = _values(best, some)
    for degrees in _DEGREES:
        found = StudentCopula(x[train], y[train], degrees).features(x, y)
        gain = _values(found, some) - values
        if gain.mean() <= _SURE * gain.std() / math.sqrt(len(gain)):
            break
        best, values = found, values + gain
    return best


def _values(sides, rows):
    left, right = (side[rows] for side in sides)
    return infonce_of_rows(scores(left, right, width(left)))


class StudentCopula:
    """The dependence of a Student-t distribution, of columns with any margins.

    Beside correlations, all numbers of a row share a scale: extremes come together,
    also where nothing is correlated. The log of the density ratio is

        log_constant - (nu + p + q) / 2 * log(1 + D(x, y) / nu)
            + (nu + p) / 2 * log(1 + D(x) / nu) + (nu + q) / 2 * log(1 + D(y) / nu)

    where D are squared Mahalanobis distances, of p columns of x and q of y.

    Args:
        x: Columns with Gaussian margins, float matrix `(rows, columns)`.
        y: The same for the other side.
        degrees: Degrees of freedom nu.

    Reference:
        Demarta and McNeil, 2005, "The t Copula and Related Copulas".
    """

    def __init__(self, x: np.ndarray, y: np.ndarray, degrees: float):
        self.degrees = degrees
        x, y = self._margins(x), self._margins(y)
        weights = np.ones(len(x))
        # The weights of the maximum likelihood, which count extreme rows less.
        for _ in range(_ITERATIONS):
            self._canonical = Canonical(x, y, weights)
            left, right = self._canonical.distances(x, y)
            distances = np.sum(left.astype("float64") * right, axis=1)
            weights = (degrees + sum(self._canonical.ranks)) / (degrees + distances)

    def features(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Features by which `scores` knows the log density ratio.

        Args:
            x: Columns with Gaussian margins, float matrix `(rows, columns)`.
            y: The same of any number of rows.
        """
        x, y = self._margins(x), self._margins(y)
        nu, (p, q) = self.degrees, self._canonical.ranks
        squares_x, squares_y = self._canonical.squares(x, y)
        constant = (
            self._canonical.mutual_information
            + special.gammaln((nu + p + q) / 2)
            + special.gammaln(nu / 2)
            - special.gammaln((nu + p) / 2)
            - special.gammaln((nu + q) / 2)
        )
        nothing = [np.zeros((len(side), self._canonical.size)) for side in (x, y)]
        additive = inner(
            *(nothing[0], constant + (nu + p) / 2 * np.log1p(squares_x / nu)),
            *(nothing[1], (nu + q) / 2 * np.log1p(squares_y / nu)),
        )
        left, right = self._canonical.distances(x, y)
        return features(additive, (left / nu, right), (nu + p + q) / 2)

    def _margins(self, values):
        # From the lower tail, where probabilities near zero are exact.
        tails = special.stdtrit(self.degrees, special.ndtr(-np.abs(values)))
        return -np.sign(values) * tails


def features(additive: Any, logged: Any, factor: float):
    """Features of both sides, as `scores` takes them.

    Args:
        additive: Pair of matrices, whose inner products are a part of the score.
        logged: Pair of matrices of the same shapes, for the inner products D of which
            `factor * log(1 + D)` is taken away.
        factor: The factor.

    Returns:
        Pair of float32 matrices.
    """
    factors = (np.full((len(additive[0]), 1), factor), np.ones((len(additive[1]), 1)))
    return tuple(
        np.hstack(parts).astype("float32")
        for parts in zip(additive, logged, factors, strict=True)
    )


def gaussian_features(fitted: Canonical, x: np.ndarray, y: np.ndarray):
    """Features of the Gaussian density ratio, as `scores` takes them.

    Args:
        fitted: The correlations.
        x: Float matrix `(rows, columns)`.
        y: Float matrix of any number of rows.
    """
    additive = fitted.features(x, y)
    return features(additive, tuple(np.zeros_like(part) for part in additive), 0.0)


def width(values: np.ndarray) -> int:
    """Number of additive, and of logged, columns of features.

    Args:
        values: What `features` returned, for one side.
    """
    return (values.shape[1] - 1) // 2


def scores(x: Any, y: Any, logged: int, numpy: Any = np) -> Any:
    """Scores of every row of x against every row of y, `(rows, columns)`.

    Args:
        x: Features of one side, with any number of additive columns before them.
        y: The same for the other side.
        logged: Number of logged columns.
        numpy: NumPy, or `keras.ops` for tensors.
    """
    inner = numpy.matmul(
        x[:, -logged - 1 : -1], numpy.transpose(y[:, -logged - 1 : -1])
    )
    additive = numpy.matmul(x[:, : -logged - 1], numpy.transpose(y[:, : -logged - 1]))
    # Rounding may leave a distance below zero.
    return additive - x[:, -1:] * numpy.log1p(numpy.maximum(inner, 0.0))


def paired_scores(x: np.ndarray, y: np.ndarray, logged: int) -> np.ndarray:
    """Scores of row i of x against row i of y, `(rows,)`.

    Args:
        x: As for `scores`.
        y: As many rows.
        logged: As for `scores`.
    """
    products = x * y
    inner = np.sum(products[:, -logged - 1 : -1], axis=1)
    additive = np.sum(products[:, : -logged - 1], axis=1)
    return additive - x[:, -1] * np.log1p(np.maximum(inner, 0.0))
