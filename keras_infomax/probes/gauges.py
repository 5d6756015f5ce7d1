"""Measures of encodings without labels, which reveal a collapsed encoder."""

import math
from typing import Any

import numpy as np

from keras_infomax import checks

# Dimensions with a deviation below this fraction of the largest one are dead.
_DEAD = 1e-4


def alignment(x: Any, y: Any) -> float:
    """Mean squared distance of the directions of the two encodings of a pair.

    It is 0 for equal directions, 2 on average for unrelated ones, and at most 4.

    Args:
        x: Encodings `(rows, dim)`.
        y: Encodings of the other view, of the same shape.

    Raises:
        ValueError: If they are not finite matrices of one shape.

    Example:
    >>> alignment([[2.0, 0.0]], [[0.0, 3.0]])
    2.0

    Reference:
        Wang and Isola, 2020, "Understanding Contrastive Representation Learning through
        Alignment and Uniformity on the Hypersphere", section 4.1.1,
        https://arxiv.org/abs/2005.10242.
    """
    first, second = _encodings("x", x), _encodings("y", y)
    if first.shape != second.shape:
        raise ValueError(
            "x and y must be encodings of one shape (rows, dim), since row i of both "
            f"is one pair; received {first.shape} and {second.shape}. Encode the same "
            "rows."
        )
    return float(np.mean(np.sum((_units(first) - _units(second)) ** 2, axis=1)))


def uniformity(encodings: Any, temperature: float = 2.0) -> float:
    """How evenly directions cover the sphere, in nats; lower is better.

        log mean_{i < j} exp(-temperature |u_i - u_j|^2)

    It is 0 if all directions are equal, and about `-2 * temperature` for uniform
    directions in many dimensions.

    Args:
        encodings: Encodings `(rows, dim)` of at least two rows.
        temperature: Positive number.

    Raises:
        ValueError: If they are not a finite matrix of at least two rows, or the
            temperature is not positive.

    Example:
    >>> uniformity([[1.0, 0.0], [-1.0, 0.0]])
    -8.0

    Reference:
        Wang and Isola, 2020, section 4.1.2, https://arxiv.org/abs/2005.10242.
    """
    temperature = checks.positive_number("temperature", temperature, 2.0)
    units = _units(_encodings("encodings", encodings, 2))
    squares = 2 - 2 * (units @ units.T)[np.triu_indices(len(units), 1)]
    exponents = -temperature * squares
    largest = exponents.max()
    return float(largest + math.log(np.mean(np.exp(exponents - largest))))


def effective_rank(encodings: Any) -> float:
    """RankMe: the effective number of dimensions of encodings, from 1 to `dim`.

    It is the exponential of the entropy of the singular values, scaled to sum to 1.

    Args:
        encodings: Encodings `(rows, dim)`.

    Raises:
        ValueError: If they are not a finite matrix.

    Example:
    >>> round(effective_rank(np.eye(4)), 3)
    4.0

    Reference:
        Garrido et al., 2023, "RankMe: Assessing the Downstream Performance of
        Pretrained Self-Supervised Representations by Their Rank", equation 1,
        https://arxiv.org/abs/2210.02885; Roy and Vetterli, 2007.
    """
    values = np.linalg.svd(_encodings("encodings", encodings), compute_uv=False)
    total = values.sum()
    if not total:
        return 1.0
    p = values / total
    return float(np.exp(-np.sum(p * np.log(np.where(p > 0, p, 1.0)))))


def dead_dimensions(encodings: Any) -> float:
    """Fraction of dimensions that are constant over all rows.

    Args:
        encodings: Encodings `(rows, dim)` of at least two rows.

    Raises:
        ValueError: If they are not a finite matrix of at least two rows.

    Example:
    >>> dead_dimensions([[1.0, 5.0], [2.0, 5.0]])
    0.5
    """
    found = _encodings("encodings", encodings, 2)
    deviations = found.std(axis=0)
    # Rounding makes deviations of constants slightly positive.
    least = max(_DEAD * deviations.max(), 1e-7 * np.abs(found).max())
    return float(np.mean(deviations <= least))


def covariance_log_condition(encodings: Any) -> float:
    """Log of the condition number of the encodings' covariance.

    The larger it is, the less a linear classifier learns in a few passes over the rows
    of what it could learn in many: the directions of small variance come last.

    Args:
        encodings: Encodings `(rows, dim)` of at least two rows.

    Returns:
        The natural logarithm of the ratio of the largest eigenvalue of the covariance
        to the smallest; directions below a float32's rounding are left out.

    Raises:
        ValueError: If they are no finite matrix of two rows.

    Example:
    >>> round(covariance_log_condition([[0.0, 1.0], [0.0, -1.0], [10.0, 0.0]]), 3)
    3.507
    """
    found = _encodings("encodings", encodings, 2)
    values = np.linalg.eigvalsh(np.atleast_2d(np.cov(found, rowvar=False)))
    kept = values[values > np.finfo("float32").eps * values.max()]
    return float(np.log(kept.max() / kept.min())) if len(kept) else 0.0


def _encodings(argument, values, least=1):
    expected = f"finite encodings (rows, dim) of at least {least} rows"
    advice = "Use the result of keras_infomax.probes.encode."
    found = checks.array(argument, values, expected, advice).astype("float64")
    if found.ndim != 2 or len(found) < least or not found.shape[1]:
        raise checks.refusal(argument, expected, values, advice)
    if not np.isfinite(found).all():
        raise checks.refusal(argument, expected, values, advice)
    return found


def _units(encodings):
    norms = np.linalg.norm(encodings, axis=1, keepdims=True)
    return encodings / np.where(norms > 0, norms, 1.0)
