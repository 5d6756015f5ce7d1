"""Pairs of numbers; one or both may be discrete."""

import math
from typing import Any

import numpy as np

from keras_infomax import checks
from keras_infomax.distributions.base import Distribution


class AdditiveNoise(Distribution):
    """X uniform in [0, 1], and Y = X + N with N uniform in [-noise, noise].

        I(X; Y) = noise - log(2 noise)  up to 1/2,  1 / (4 noise)  above

    Args:
        noise: Positive number.

    Example:
    >>> round(AdditiveNoise(0.1).mutual_information, 4)
    1.7094

    Reference:
        Czyż et al., 2023, appendix D, https://arxiv.org/abs/2306.11078.
    """

    def __init__(self, noise: float = 0.1):
        self.noise = float(checks.positive_number("noise", noise, 0.1))
        super().__init__(f"additive_noise_{self.noise:g}")

    @property
    def mutual_information(self) -> float:
        if self.noise <= 0.5:
            return self.noise - math.log(2 * self.noise)
        return 1 / (4 * self.noise)

    def draw(self, rows, generator):
        x = generator.random((rows, 1))
        return x, x + generator.uniform(-self.noise, self.noise, (rows, 1))


class Discrete(Distribution):
    """Classes x and y with a table of joint probabilities.

    Args:
        table: Matrix of non-negative numbers: row a, column b is proportional to the
            probability of x = a and y = b.

    Example:
    >>> round(Discrete([[0.5, 0.0], [0.0, 0.5]]).mutual_information, 4)  # log(2)
    0.6931
    """

    def __init__(self, table: Any):
        expected = "a matrix of finite numbers of at least 0, not all of them 0"
        advice = "Write, for example, table=[[0.4, 0.1], [0.1, 0.4]]."
        found = checks.array("table", table, expected, advice).astype("float64")
        fit = found.ndim == 2 and np.isfinite(found).all() and (found >= 0).all()
        if not fit or not found.sum() > 0:
            raise checks.refusal("table", expected, table, advice)
        self.table = found / found.sum()
        super().__init__(f"discrete_{found.shape[0]}x{found.shape[1]}")

    @property
    def mutual_information(self) -> float:
        p = self.table
        apart = p.sum(axis=1, keepdims=True) * p.sum(axis=0, keepdims=True)
        some = p > 0
        return float(np.sum(p[some] * np.log(p[some] / apart[some])))

    def draw(self, rows, generator):
        cells = generator.choice(self.table.size, size=rows, p=self.table.ravel())
        x, y = np.unravel_index(cells, self.table.shape)
        return x[:, None], y[:, None]


class ClassAndInterval(Distribution):
    """A uniform class x, and a number y that is uniform in [x, x + 2].

        I(X; Y) = log(classes) - (classes - 1) log(2) / classes

    Args:
        classes: Number of classes.

    Example:
    >>> round(ClassAndInterval(5).mutual_information, 4)
    1.0549

    Reference:
        Gao et al., 2017, "Estimating Mutual Information for Discrete-Continuous
        Mixtures", section 5, https://arxiv.org/abs/1709.06212.
    """

    def __init__(self, classes: int = 5):
        self.classes = checks.positive_integer("classes", classes, 5)
        super().__init__(f"class_and_interval_{self.classes}")

    @property
    def mutual_information(self) -> float:
        return math.log(self.classes) - (self.classes - 1) * math.log(2) / self.classes

    def draw(self, rows, generator):
        x = generator.integers(self.classes, size=(rows, 1))
        return x, x + 2 * generator.random((rows, 1))


class ZeroInflated(Distribution):
    """X exponential, and Y a Poisson number of mean X, but 0 with some probability.

    With probability `zeros`, Y is 0, independent of X. The mutual information is

        I(X; Y) = H(Y) - H(Y | X), both sums and integrals of known densities

    which is computed to eight digits.

    Args:
        zeros: Probability of a zero that does not depend on X, in [0, 1).

    Reference:
        Gao et al., 2017, section 5, https://arxiv.org/abs/1709.06212, whose closed form
        assumes that these zeros are known.
    """

    def __init__(self, zeros: float = 0.15):
        self.zeros = float(checks.probability("zeros", zeros, "[)", 0.15))
        super().__init__(f"zero_inflated_{self.zeros:g}")

    @property
    def mutual_information(self) -> float:
        # Gauss-Laguerre integrates against exp(-x), the density of x.
        x, weights = np.polynomial.laguerre.laggauss(120)
        counts = np.arange(400)
        log_factorials = np.concatenate([[0.0], np.cumsum(np.log(counts[1:]))])
        given = np.exp(
            counts[None] * np.log(x)[:, None] - x[:, None] - log_factorials[None]
        )
        given *= 1 - self.zeros
        given[:, 0] += self.zeros
        apart = (1 - self.zeros) * 0.5 ** (counts + 1.0)
        apart[0] += self.zeros
        of_pairs = weights @ np.sum(_x_log_x(given), axis=1)
        return float(of_pairs - np.sum(_x_log_x(apart)))

    def draw(self, rows, generator):
        x = generator.exponential(size=(rows, 1))
        y = generator.poisson(x)
        y[generator.random((rows, 1)) < self.zeros] = 0
        return x, y


class Mixture(Distribution):
    """Two numbers with a mixture of Gaussians in the plane as distribution.

    The mutual information has no closed form. It is integrated numerically, to six
    digits.

    Args:
        means: Centers, `(components, 2)`.
        covariances: Matrices, `(components, 2, 2)`.
        weights: Probabilities of the components, or numbers proportional to them.
            Defaults to equal ones.

    Raises:
        ValueError: If shapes do not match, or a matrix is not a covariance matrix.

    Example:
    >>> far = Mixture([[-20, -20], [20, 20]], [[[1, 0], [0, 1]]] * 2)
    >>> round(far.mutual_information, 5)  # log(2)
    0.69315
    """

    def __init__(self, means: Any, covariances: Any, weights: Any = None):
        advice = "Write, for example, means=[[-1, -1], [1, 1]]."
        expected = "finite numbers (components, 2)"
        self.means = checks.array("means", means, expected, advice).astype("float64")
        if (
            self.means.ndim != 2
            or self.means.shape[1:] != (2,)
            or not np.isfinite(self.means).all()
            or not len(self.means)
        ):
            raise checks.refusal("means", expected, means, advice)
        count = len(self.means)
        expected = f"symmetric positive definite matrices, ({count}, 2, 2)"
        advice = "Write, for example, covariances=[np.eye(2)] * len(means)."
        found = checks.array("covariances", covariances, expected, advice)
        self.covariances = found.astype("float64")
        if (
            found.shape != (count, 2, 2)
            or not np.isfinite(self.covariances).all()
            or not np.allclose(self.covariances, self.covariances.transpose(0, 2, 1))
            or np.linalg.eigvalsh(self.covariances).min() <= 1e-9
        ):
            raise checks.refusal("covariances", expected, covariances, advice)
        weights = np.ones(count) if weights is None else weights
        expected, advice = f"{count} positive numbers", "Leave weights out."
        found = checks.array("weights", weights, expected, advice).astype("float64")
        if found.shape != (count,) or not np.isfinite(found).all() or found.min() <= 0:
            raise checks.refusal("weights", expected, weights, advice)
        self.weights = found / found.sum()
        super().__init__(f"mixture_{count}")

    @property
    def mutual_information(self) -> float:
        deviations = np.sqrt(self.covariances[:, [0, 1], [0, 1]])
        axes = [
            np.linspace(
                (self.means[:, k] - 9 * deviations[:, k]).min(),
                (self.means[:, k] + 9 * deviations[:, k]).max(),
                1001,
            )
            for k in (0, 1)
        ]
        cell = (axes[0][1] - axes[0][0]) * (axes[1][1] - axes[1][0])
        points = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)
        density = np.zeros(points.shape[:2])
        for w, mean, covariance in zip(
            self.weights, self.means, self.covariances, strict=True
        ):
            away = points - mean
            squares = np.einsum(
                "...i,ij,...j->...", away, np.linalg.inv(covariance), away
            )
            scale = 2 * np.pi * np.sqrt(np.linalg.det(covariance))
            density += w * np.exp(-squares / 2) / scale
        p = density * cell / np.sum(density * cell)
        apart = _x_log_x(p.sum(axis=1)).sum() + _x_log_x(p.sum(axis=0)).sum()
        return float(_x_log_x(p).sum() - apart)

    def draw(self, rows, generator):
        component = generator.choice(len(self.weights), size=rows, p=self.weights)
        factors = np.linalg.cholesky(self.covariances)[component]
        noise = generator.normal(size=(rows, 2, 1))
        values = self.means[component] + (factors @ noise)[:, :, 0]
        return values[:, :1], values[:, 1:]


def _x_log_x(p):
    return p * np.log(np.where(p > 0, p, 1.0))
