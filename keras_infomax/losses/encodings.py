"""Base of the losses on pairs of encodings, which need no scores."""

import keras

from keras_infomax import checks
from keras_infomax.execution import distribution
from keras_infomax.losses.base import float_policy


class EncodingLoss(keras.losses.Loss):
    """Base of the losses that are computed from the encodings of pairs.

    A subclass defines `value`. With such a loss, `InfoMax` does not call the critic and
    reports no `"mi"`. Under a `tf.distribute` strategy the loss gets the encodings of
    all replicas, with gradients, so statistics are those of the global batch.

    Args:
        name: Name of the loss.
        dtype: Dtype of the computation, float32 by default and under mixed precision
            policies; half precision becomes float32.

    Call arguments:
        y_true: Encodings of one view, float tensor `(rows, dim)`.
        y_pred: Encodings of the other view, of the same shape; row i of both is one
            pair.

    Raises:
        ValueError: If the encodings are not matrices of one shape, or rows have
            weights.

    Example:
    >>> from keras import ops
    >>> class Distance(EncodingLoss):
    ...     def value(self, x, y):
    ...         return ops.mean(ops.square(x - y))
    >>> float(Distance()(ops.ones((4, 3)), ops.zeros((4, 3))))
    1.0
    """

    def __init__(self, name=None, dtype=None):
        name = checks.text("name", name, "vicreg", optional=True)
        super().__init__(name=name, dtype=float_policy(dtype))

    def value(self, x, y):
        """The value to minimize, a function of the encodings of all replicas.

        Args:
            x: Float tensor `(rows, dim)`.
            y: Float tensor `(rows, dim)`.

        Returns:
            Scalar tensor.
        """
        raise NotImplementedError(f"{type(self).__name__} must define value(x, y).")

    def __call__(self, y_true, y_pred, sample_weight=None):
        if sample_weight is not None:
            raise checks.refusal(
                "sample_weight",
                f"left out with the loss {self.name!r}, which is not a mean over rows",
                sample_weight,
                "Use a loss on scores, such as 'infonce', for rows with weights.",
            )
        x, y = (
            checks.tensor(name, value, "encodings (rows, dim)", _END)
            for name, value in (("y_true", y_true), ("y_pred", y_pred))
        )
        shapes = [tuple(value.shape) for value in (x, y)]
        if len(shapes[0]) != 2 or not _agree(*shapes):
            raise ValueError(
                f"y_true and y_pred of the loss {self.name!r} must be encodings of one "
                f"shape (rows, dim); received shapes {shapes[0]} and {shapes[1]}. Give "
                "both encoders the same output_dim."
            )
        return super().__call__(x, y)

    def call(self, y_true, y_pred):
        # Keras divides vectors of losses by the number of replicas, but not scalars.
        return self.value(y_true, y_pred) / distribution.num_replicas()

    def get_config(self):
        return {"name": self.name}


_END = "Give the encodings of both views, as InfoMax.encode returns them."


def _agree(shape, other):
    """Whether two shapes may be equal; `None` is an unknown size."""
    pairs = zip(shape, other, strict=False)
    return len(shape) == len(other) and all(a == b or None in (a, b) for a, b in pairs)


def check_rows(loss, encodings):
    """Raises a `ValueError` if there is only one row, which has no variance.

    Args:
        loss: The loss, for its name.
        encodings: Tensor `(rows, dim)`.
    """
    if encodings.shape[0] is not None and encodings.shape[0] < 2:
        raise ValueError(
            f"y_true and y_pred of the loss {loss.name!r} must have at least 2 rows, "
            "since it measures the variation of encodings over rows; received "
            f"{encodings.shape[0]}. Use a larger batch size."
        )
