"""Measures how far an encoder is from losing information: its condition numbers.

`jacobians` differentiates encodings by views, `log_condition_numbers` says how unevenly
each of these linear maps stretches. An encoder that is the identity has 0 everywhere;
the more it squeezes some directions against others, the harder it is to invert.
"""

import dataclasses
import math
from typing import Any

import keras
import numpy as np

from keras_infomax import checks, structures
from keras_infomax.encoders import jacobians as jacobians_by_backend

# What the paper plots, in percent of the examples.
PERCENTILES = {"min": 0, "20": 20, "40": 40, "60": 60, "80": 80, "max": 100}


def jacobians(encoder: keras.Layer, views: Any, batch_size: int = 16) -> np.ndarray:
    """Derivatives of encodings by the views, in inference mode.

        jacobians[i, j, k] = d encoder(views)[i, j] / d views[i] flattened [k]

    The encoder must treat every row by itself, as all encoders must; where it is not
    differentiable, as ReLU at 0, the derivative is that of the backend. On two cores,
    128 half digits through five layers of 392 take about two seconds.

    Args:
        encoder: Keras model or layer from views to encodings.
        views: Float array of shape `(rows, ...)`.
        batch_size: Number of rows differentiated at once. It bounds the memory, some
            50 MB a layer for 16 rows of 392 by 392, and not the result; larger
            batches are slower, since they leave the cache.

    Returns:
        float32 array of shape `(rows, dim, view_size)`.

    Raises:
        ValueError: If the views are not a batch of floats or `batch_size` is not
            positive, or if the encodings are not of shape `(rows, dim)`.

    Example:
    >>> double = keras.Sequential([keras.Input((2,)), keras.layers.Rescaling(2.0)])
    >>> jacobians(double, np.ones((1, 2), "float32"))
    array([[[2., 0.],
            [0., 2.]]], dtype=float32)
    """
    checks.positive_integer("batch_size", batch_size, 16)
    checks.encoder("encoder", encoder)
    views = checked_views(views)
    differentiate = jacobians_by_backend.differentiator(
        lambda batch: _encoded(encoder, batch), views.shape[1:]
    )
    parts = [
        differentiate(views[start : start + batch_size])
        for start in range(0, len(views), batch_size)
    ]
    derivatives = np.concatenate(parts)
    return derivatives.reshape(*derivatives.shape[:2], -1)


def _encoded(encoder, batch):
    try:
        encodings = encoder(batch, training=False)
    except Exception as error:  # Each backend raises others.
        raise ValueError(
            f"views must be what {encoder.name!r} takes; received views of shape "
            f"{tuple(batch.shape[1:])}, without the rows: {error}"
        ) from error
    if len(encodings.shape) != 2:
        raise ValueError(
            "encoder must return encodings of shape (rows, dim); received "
            f"{tuple(encodings.shape)}. End it with a pooling or flattening layer."
        )
    return keras.ops.cast(encodings, "float32")


def checked_views(views: Any) -> np.ndarray:
    """Views by which encodings can be differentiated, as float32.

    Args:
        views: Float array of shape `(rows, ...)`.

    Raises:
        ValueError: If they are something else, a structure of arrays for instance.
    """
    received = structures.described(views)
    is_array = not structures.is_structure(views)
    if is_array:
        checks.unmasked("views", views)
        array = np.asarray(views)
        received = f"{array.dtype} of shape {array.shape}"
    if not is_array or not (array.ndim > 1 and array.size and array.dtype.kind == "f"):
        raise ValueError(
            "views must be floats of shape (rows, ...), one array of at least one row; "
            f"received {received}. Give a batch of views as the encoder takes them; of "
            "integers, texts and views of several parts there is no Jacobian."
        )
    if not np.isfinite(array).all():
        raise checks.refusal(
            "views",
            "free of NaN and infinity",
            views,
            "Give a batch of views as the encoder takes them.",
        )
    return array.astype("float32", copy=False)


@dataclasses.dataclass(frozen=True, eq=False)
class LogConditionNumbers:
    """Logarithms of the condition numbers of some Jacobians, all of them finite.

    Args:
        values: float64 array of the natural logarithms of largest over smallest
            singular value, in the order of the examples, without the singular ones.
        singular: Number of examples whose Jacobian is singular, so that they have no
            condition number.
    """

    values: np.ndarray
    singular: int

    def percentile(self, percent: float) -> float | None:
        """The value that `percent` of the examples do not exceed: the nearest rank.

        No interpolation: of `n` values it is the one of rank `ceil(percent / 100 * n)`
        from below, and the smallest for 0. Singular examples are left out, so read it
        together with their number.

        Args:
            percent: Number from 0 to 100.

        Returns:
            One of the values, or `None` if there is none.

        Example:
        >>> LogConditionNumbers(np.array([3.0, 1.0, 2.0]), singular=0).percentile(40)
        2.0
        """
        if not self.values.size:
            return None
        rank = max(math.ceil(percent * self.values.size / 100), 1)
        return float(np.sort(self.values)[rank - 1])


def log_condition_numbers(jacobians: Any) -> LogConditionNumbers:
    """Natural logarithms of the condition numbers, from the full singular values.

        ln sigma_max - ln sigma_min    for each example

    where `sigma_min` is the smallest of the `min(dim, view_size)` singular values.

    An example counts as singular if `sigma_min <= epsilon * sigma_max`, epsilon being
    that of the dtype of the Jacobians (float32: 1.2e-7, a logarithm of 15.9): a smaller
    one is rounding of the encoder's own arithmetic and could be 0 as well. Singular
    values are computed in float64, a third slower than in float32, so that rounding in
    the decomposition does not hide a true 0; and in one thread, see
    `probes.LogisticProbe`. For 128 matrices of 392 by 392 that takes about four
    seconds.

    Args:
        jacobians: Float array of shape `(rows, dim, view_size)`.

    Returns:
        The logarithms of the examples that are not singular, and the number of those
        that are.

    Raises:
        ValueError: If the Jacobians are not of that shape and dtype, or not finite.

    Example:
    >>> numbers = log_condition_numbers(np.stack([np.eye(3), np.diag([1.0, 1.0, 0.0])]))
    >>> numbers.values, numbers.singular
    (array([0.]), 1)

    Reference:
        Tschannen et al., 2020, "On Mutual Information Maximization for Representation
        Learning", section 3.1 and Figure 2. https://arxiv.org/abs/1907.13625
    """
    from threadpoolctl import threadpool_limits

    checks.unmasked("jacobians", jacobians)
    jacobians = np.asarray(jacobians)
    is_float = np.issubdtype(jacobians.dtype, np.floating)
    if jacobians.ndim != 3 or not is_float or 0 in jacobians.shape[1:]:
        raise ValueError(
            "jacobians must be floats of shape (rows, dim, view_size), none of the "
            f"sizes 0; received {jacobians.dtype} of shape {jacobians.shape}."
        )
    finite = np.isfinite(jacobians).all(axis=(1, 2))
    if not finite.all():
        raise ValueError(
            f"jacobians must be finite; received NaN or infinity in {np.sum(~finite)} "
            f"of {len(finite)} examples, first in row {np.argmin(finite)}. Look for "
            "NaN in the views and in the weights of the encoder."
        )
    with threadpool_limits(1):
        sigma = np.linalg.svd(jacobians.astype("float64"), compute_uv=False)
    largest, smallest = sigma[:, 0], sigma[:, -1]
    regular = smallest > np.finfo(jacobians.dtype).eps * largest
    values = np.log(largest[regular]) - np.log(smallest[regular])
    return LogConditionNumbers(values, singular=int(np.sum(~regular)))
