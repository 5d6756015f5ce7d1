"""Gaussian distributions with any correlations, and Student's t-distributions."""

import math
from typing import Any

import numpy as np
from scipy import special

from keras_infomax import checks
from keras_infomax.distributions.base import Distribution


class Gaussian(Distribution):
    """Jointly Gaussian vectors; made by `gaussian`.

    Args:
        covariance: Matrix of x and y, positive definite.
        dim_x: Number of its first rows that belong to x.
        name: Name of the distribution in tables.
    """

    def __init__(self, covariance: np.ndarray, dim_x: int, name: str):
        super().__init__(name)
        self.covariance, self.dim_x = covariance, dim_x
        self._factor = np.linalg.cholesky(covariance)

    @property
    def mutual_information(self) -> float:
        parts = (
            self.covariance[: self.dim_x, : self.dim_x],
            self.covariance[self.dim_x :, self.dim_x :],
        )
        of_x, of_y = (np.linalg.slogdet(part)[1] for part in parts)
        return float((of_x + of_y - np.linalg.slogdet(self.covariance)[1]) / 2)

    def draw(self, rows, generator):
        values = generator.normal(size=(rows, len(self.covariance))) @ self._factor.T
        return values[:, : self.dim_x], values[:, self.dim_x :]


class Student(Gaussian):
    """Jointly Student-t vectors; made by `student`.

    Args:
        dispersion: Matrix of x and y, positive definite.
        dim_x: Number of its first rows that belong to x.
        degrees: Degrees of freedom.
        name: Name of the distribution in tables.
    """

    def __init__(self, dispersion: np.ndarray, dim_x: int, degrees: float, name: str):
        super().__init__(dispersion, dim_x, name)
        self.degrees = degrees

    @property
    def mutual_information(self) -> float:
        both = len(self.covariance)
        return super().mutual_information + _of_one_scale(
            self.degrees, self.dim_x, both - self.dim_x
        )

    def draw(self, rows, generator):
        x, y = super().draw(rows, generator)
        scale = np.sqrt(self.degrees / generator.chisquare(self.degrees, (rows, 1)))
        return x * scale, y * scale


def gaussian(
    dim: int | None = None,
    correlation: float | None = None,
    mutual_information: float | None = None,
    covariance: Any = None,
    dim_x: int | None = None,
    pairs: int | None = None,
) -> Gaussian:
    """Gaussian vectors: pairs of correlated numbers, or any covariance.

    Without a covariance x and y have `dim` numbers each, unit variances, and number i
    of x is correlated only with number i of y. Then

        I(X; Y) = -pairs / 2 * log(1 - correlation^2)

    Args:
        dim: Numbers in each of x and y. Defaults to 1.
        correlation: Correlation of a pair, in (-1, 1). Defaults to 0.8.
        mutual_information: Mutual information in nats, instead of a correlation.
        covariance: Positive definite matrix of x and y together, instead of all others.
        dim_x: Number of its first rows that belong to x. Defaults to half of them.
        pairs: Number of correlated pairs. Defaults to all.

    Returns:
        Distribution of x `(rows, dim_x)` and y `(rows, dim_y)`.

    Raises:
        ValueError: If arguments exclude each other, a number is out of range, or the
            matrix is not a covariance matrix.

    Example:
    >>> round(gaussian(dim=20, mutual_information=6.0).mutual_information, 6)
    6.0
    >>> gaussian(correlation=0.8)
    <gaussian_1d_0.5108: 0.5108 nats>

    Reference:
        Cover and Thomas, 2006, "Elements of Information Theory", example 8.5.1.
    """
    matrix, dim_x, shape = _matrix(
        dim, correlation, mutual_information, covariance, dim_x, pairs, 0.0
    )
    made = Gaussian(matrix, dim_x, "gaussian")
    made.name = f"gaussian_{shape}_{made.mutual_information:.4g}"
    return made


def student(
    degrees: float = 3.0,
    dim: int | None = None,
    correlation: float | None = None,
    mutual_information: float | None = None,
    covariance: Any = None,
    dim_x: int | None = None,
    pairs: int | None = None,
) -> Student:
    """Student-t vectors: Gaussian vectors divided by a common random scale.

    The common scale makes x and y dependent even if they are uncorrelated. With f(v) =
    log Gamma(v / 2) - v / 2 psi(v / 2),

        I(X; Y) = I_gaussian + f(degrees) + f(degrees + dim_x + dim_y)
                  - f(degrees + dim_x) - f(degrees + dim_y)

    Args:
        degrees: Positive number, the degrees of freedom. The mean exists above 1, the
            variance above 2.
        dim: As for `gaussian`.
        correlation: As for `gaussian`. Defaults to 0.
        mutual_information: As for `gaussian`; at least the contribution of the scale.
        covariance: As for `gaussian`, the dispersion matrix.
        dim_x: As for `gaussian`.
        pairs: As for `gaussian`.

    Returns:
        Distribution of x `(rows, dim_x)` and y `(rows, dim_y)`.

    Raises:
        ValueError: As `gaussian`, or if the scale alone contributes more.

    Example:
    >>> round(student(degrees=1, dim=2).mutual_information, 4)
    0.4319

    Reference:
        Arellano-Valle et al., 2013, "Shannon Entropy and Mutual Information for
        Multivariate Skew-Elliptical Distributions", section 3.
    """
    degrees = float(checks.positive_number("degrees", degrees, 3.0))
    if covariance is None and mutual_information is None and correlation is None:
        correlation = 0.0
    size = checks.positive_integer("dim", 1 if dim is None else dim, 5)
    offset = _of_one_scale(degrees, size, size)
    matrix, dim_x, shape = _matrix(
        dim, correlation, mutual_information, covariance, dim_x, pairs, offset
    )
    made = Student(matrix, dim_x, degrees, "student")
    made.name = f"student_{degrees:g}_{shape}_{made.mutual_information:.4g}"
    return made


def _of_one_scale(degrees, dim_x, dim_y):
    """Contribution of the common scale to the mutual information, in nats."""

    def f(value):
        return special.gammaln(value / 2) - value / 2 * special.digamma(value / 2)

    both = dim_x + dim_y
    return float(
        f(degrees) + f(degrees + both) - f(degrees + dim_x) - f(degrees + dim_y)
    )


def _matrix(dim, correlation, information, covariance, dim_x, pairs, offset):
    """Covariance, number of its rows that belong to x, and a text for its size."""
    if covariance is not None:
        others = {
            "dim": dim,
            "correlation": correlation,
            "mutual_information": information,
            "pairs": pairs,
        }
        for name, value in others.items():
            if value is not None:
                raise checks.refusal(
                    name, "left out where there is a covariance", value, "Give one."
                )
        matrix = _checked_covariance(covariance)
        dim_x = len(matrix) // 2 if dim_x is None else dim_x
        dim_x = checks.positive_integer("dim_x", dim_x, 1)
        if dim_x >= len(matrix):
            raise ValueError(
                f"dim_x must leave a row of covariance for y; received {dim_x} of "
                f"{len(matrix)} rows. Write, for example, dim_x={len(matrix) // 2}."
            )
        return matrix, dim_x, f"{dim_x}d_{len(matrix) - dim_x}d"
    if dim_x is not None:
        raise checks.refusal(
            "dim_x", "left out without a covariance", dim_x, "Write dim=5."
        )
    dim = checks.positive_integer("dim", 1 if dim is None else dim, 5)
    pairs = checks.positive_integer("pairs", dim if pairs is None else pairs, 2)
    if pairs > dim:
        raise ValueError(
            f"pairs must be at most dim={dim}; received {pairs}. Raise dim, or leave "
            "pairs out."
        )
    if information is not None:
        if correlation is not None:
            raise checks.refusal(
                "correlation",
                "left out where there is a mutual_information",
                correlation,
                "Give one of them.",
            )
        correlation = _correlation(information, pairs, offset)
    correlation = checks.number(
        "correlation",
        0.8 if correlation is None else correlation,
        "between -1 and 1",
        lambda v: -1 < v < 1,
        0.8,
    )
    matrix = np.eye(2 * dim)
    for i in range(pairs):
        matrix[i, dim + i] = matrix[dim + i, i] = correlation
    return matrix, dim, f"{dim}d"


def _correlation(information, pairs, offset):
    information = checks.non_negative_number("mutual_information", information, 5.0)
    if information < offset:
        raise ValueError(
            f"mutual_information must be at least {offset:.4f} nats, the contribution "
            f"of the scale; received {information}. Raise it, or the degrees."
        )
    square = -math.expm1(-2 * (information - offset) / pairs)
    if square >= 1:
        raise ValueError(
            f"mutual_information must be less than {18 * pairs} nats with {pairs} "
            f"pairs, or the correlation rounds to 1; received {information}. Raise dim."
        )
    return math.sqrt(square)


def _checked_covariance(covariance):
    expected = "a symmetric positive definite matrix of at least two rows"
    advice = "Write, for example, covariance=[[1.0, 0.5], [0.5, 1.0]]."
    found = checks.array("covariance", covariance, expected, advice).astype("float64")
    square = found.ndim == 2 and found.shape[0] == found.shape[1] >= 2
    if not square or not np.isfinite(found).all() or not np.allclose(found, found.T):
        raise checks.refusal("covariance", expected, covariance, advice)
    if np.linalg.eigvalsh(found)[0] <= 1e-12 * np.abs(found).max():
        raise checks.refusal("covariance", expected, covariance, advice)
    return found
