"""Homeomorphisms, which do not change mutual information."""

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import special

from keras_infomax import checks
from keras_infomax.distributions.base import Distribution
from keras_infomax.distributions.elliptical import gaussian


def half_cube(values):
    """`x |x|^(1/2)`: longer tails."""
    return values * np.sqrt(np.abs(values))


def normal_cdf(values):
    """The distribution function of a standard Gaussian: uniform margins."""
    return special.ndtr(values)


def wiggly_x(values):
    """An increasing line with waves."""
    return (
        values
        + 0.4 * np.sin(values)
        + 0.2 * np.sin(1.7 * values + 1)
        + 0.03 * np.sin(3.3 * values - 2.5)
    )


def wiggly_y(values):
    """Another increasing line with waves."""
    return (
        values
        - 0.4 * np.sin(0.4 * values)
        + 0.17 * np.sin(1.3 * values + 3.5)
        + 0.02 * np.sin(4.3 * values - 2.5)
    )


def swiss_roll(values):
    """Maps a number in [0, 1] to a point of a spiral in the plane."""
    if values.shape[1] != 1:
        raise ValueError(
            "swiss_roll takes one number per row, uniform in [0, 1]; received "
            f"{values.shape[1]}. Give it a distribution with dim=1."
        )
    t = 1.5 * np.pi * (1 + 2 * values)
    return np.concatenate([t * np.cos(t), t * np.sin(t)], axis=1) / 21


def spiral_x(values):
    """Rotates the first two numbers by an angle that grows with the squared norm."""
    return _turned(values, 0)


def spiral_y(values):
    """Rotates the second and third number by an angle that grows with the norm."""
    return _turned(values, 1)


def bimodal_x(values):
    """Maps a standard Gaussian to two modes, with weight 0.3 at 0 and 0.7 at 5."""
    return _mixed_quantile(values, (0.3, 0.7), (0.0, 5.0))


def bimodal_y(values):
    """Maps a standard Gaussian to two modes of equal weight, at -1 and 3."""
    return _mixed_quantile(values, (0.5, 0.5), (-1.0, 3.0))


# By name, one for x and one for y; `swiss_roll` does not change y.
TRANSFORMS: dict[str, tuple[Callable, Callable | None]] = {
    "asinh": (np.arcsinh, np.arcsinh),
    "bimodal": (bimodal_x, bimodal_y),
    "half_cube": (half_cube, half_cube),
    "normal_cdf": (normal_cdf, normal_cdf),
    "spiral": (spiral_x, spiral_y),
    "swiss_roll": (swiss_roll, None),
    "wiggly": (wiggly_x, wiggly_y),
}


class Transformed(Distribution):
    """A distribution with separate maps of x and y; see `transformed`.

    Args:
        base: The distribution.
        of_x: Function of x, or `None`.
        of_y: Function of y, or `None`.
        name: Name of the distribution in tables.
    """

    def __init__(self, base: Distribution, of_x: Any, of_y: Any, name: str):
        super().__init__(name)
        self.base, self.of_x, self.of_y = base, of_x, of_y

    @property
    def mutual_information(self) -> float:
        return self.base.mutual_information

    def draw(self, rows, generator):
        x, y = self.base.draw(rows, generator)
        return (
            x if self.of_x is None else self.of_x(x),
            y if self.of_y is None else self.of_y(y),
        )


def transformed(
    base: Distribution,
    transform: str | None = None,
    x: Callable | None = None,
    y: Callable | None = None,
) -> Transformed:
    """Maps x and y of a distribution by one homeomorphism each.

    Args:
        base: Distribution.
        transform: Name of a pair of maps: `"asinh"`, `"bimodal"`, `"half_cube"`,
            `"normal_cdf"`, `"spiral"`, `"swiss_roll"` (only x) or `"wiggly"`.
        x: Function of float64 arrays `(rows, dim)` instead of a name. It must be
            continuous and have a continuous inverse on its image; otherwise the mutual
            information changes.
        y: The same for y.

    Returns:
        Distribution with the same mutual information.

    Raises:
        ValueError: If `base` is not a distribution, the name is unknown, or no map is
            given.

    Example:
    >>> transformed(gaussian(dim=3, correlation=0.6), "half_cube")
    <half_cube_gaussian_3d_0.6694: 0.6694 nats>

    Reference:
        Czyż et al., 2023, "Beyond Normal: On the Evaluation of Mutual Information
        Estimators", section 3, https://arxiv.org/abs/2306.11078.
    """
    checks.instance(
        "base",
        base,
        Distribution,
        "a distribution",
        "Write, for example, base=kim.distributions.gaussian().",
    )
    if transform is None:
        for argument, function in (("x", x), ("y", y)):
            expected = "a function of arrays (rows, dim)"
            advice = f"Write, for example, {argument}=np.arcsinh."
            checks.function(argument, function, expected, advice, optional=True)
        if x is None and y is None:
            raise checks.refusal(
                "transform", "a name, or None with a function x or y", None, "Give one."
            )
        return Transformed(base, x, y, f"mapped_{base.name}")
    if x is not None or y is not None:
        given = "x" if x is not None else "y"
        raise checks.refusal(
            given, "None where a transform is named", x or y, "Give one of them."
        )
    of_x, of_y = checks.lookup("transform", transform, TRANSFORMS)
    return Transformed(base, of_x, of_y, f"{transform}_{base.name}")


def uniform(
    dim: int | None = None,
    correlation: float | None = None,
    mutual_information: float | None = None,
) -> Transformed:
    """Uniform margins in [0, 1] with a Gaussian copula.

    Args:
        dim: As for `gaussian`.
        correlation: As for `gaussian`, before the margins are made uniform.
        mutual_information: As for `gaussian`.

    Example:
    >>> round(uniform(dim=3, mutual_information=5.0).mutual_information, 6)
    5.0
    """
    return transformed(gaussian(dim, correlation, mutual_information), "normal_cdf")


def bimodal(correlation: float | None = None) -> Transformed:
    """Two bimodal numbers with a Gaussian copula.

    Args:
        correlation: As for `gaussian`, before the margins get two modes.

    Reference:
        Czyż et al., 2023, appendix D, https://arxiv.org/abs/2306.11078.
    """
    return transformed(gaussian(1, correlation), "bimodal")


def _turned(values, first):
    if values.shape[1] < first + 2:
        raise ValueError(
            f"spiral takes at least {first + 2} numbers per row; received "
            f"{values.shape[1]}. Give it a distribution with dim=3."
        )
    # The norm of all numbers does not change by the rotation.
    angle = np.sum(values**2, axis=1) / values.shape[1]
    a, b = values[:, first], values[:, first + 1]
    turned = values.copy()
    turned[:, first] = np.cos(angle) * a - np.sin(angle) * b
    turned[:, first + 1] = np.sin(angle) * a + np.cos(angle) * b
    return turned


def _mixed_quantile(values, weights, centers):
    """Quantiles of a mixture of unit Gaussians at quantiles of a standard Gaussian."""
    grid = np.linspace(min(centers) - 9, max(centers) + 9, 40001)
    parts = zip(weights, centers, strict=True)
    level = sum(w * special.ndtr(grid - c) for w, c in parts)
    inside = (level > 1e-15) & (level < 1 - 1e-15)
    return np.interp(values, special.ndtri(level[inside]), grid[inside])
