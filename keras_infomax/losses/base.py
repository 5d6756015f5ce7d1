"""What the losses on scores have in common."""

import math

import keras
from keras import ops

from keras_infomax import bounds, checks, chunking, distribution


class ScoreLoss(keras.losses.Loss):
    """Base of the losses that are computed from scores and partners.

    A subclass gives `value`. `InfoMax` reports `estimate` as `"mi"`: of any loss, the
    scores bound mutual information by InfoNCE, and a loss that rests on a bound of its
    own says so by overriding it.

    Args:
        name: Name of the loss.
        dtype: Dtype of the computation, float32 by default, also under a mixed
            precision policy; half precision becomes float32.
        chunk_size: Largest number of rows of scores that are reduced at a time, each
            chunk a second time in the backward pass, which bounds the memory for
            intermediate results. Defaults to `None`, all rows.
    """

    def __init__(self, name=None, dtype=None, chunk_size=None):
        name = checks.text("name", name, "infonce", optional=True)
        policy = _policy(dtype)
        # Keras casts partners, too, and numbers of columns need all their digits.
        dtype = keras.backend.result_type(policy.compute_dtype, "float32")
        super().__init__(name=name, dtype=dtype)
        self.chunk_size = checks.positive_integer(
            "chunk_size", chunk_size, 1024, optional=True
        )

    def __call__(self, y_true, y_pred, sample_weight=None):
        # Keras makes floats of integers, so it is too late in `call`.
        y_true = bounds.checked_partners("y_true", y_true)
        y_pred = bounds.checked_scores("y_pred", y_pred)
        return super().__call__(y_true, y_pred, sample_weight)

    def by_rows(self, function, partners, scores):
        """Applies a function of scores and partners, chunk by chunk.

        Args:
            function: Called as `function(scores, partners)` with some or all rows.
                Returns a tensor, or several, with a row for each row of scores.
            partners: Integer tensor `(rows,)` or `(rows, positives)`.
            scores: Float tensor `(rows, columns)`.

        Returns:
            What the function returns for all rows.
        """
        if self.chunk_size is None:
            return function(scores, partners)
        results, _ = chunking.by_rows(
            lambda rows, shared, state: (function(*rows), state),
            [scores, partners],
            chunk_size=self.chunk_size,
        )
        return results

    def value(self, partners, scores):
        """What is minimised, over the rows of all replicas.

        Args:
            partners: Integer tensor `(rows,)` or `(rows, positives)`, the columns of
                each row's true pairs.
            scores: Float tensor `(rows, columns)`.

        Returns:
            Scalar tensor.
        """
        raise NotImplementedError

    def estimate(self, partners, scores):
        """The estimate of mutual information over the rows of all replicas.

        Args:
            partners: Integer tensor `(rows,)` or `(rows, positives)`.
            scores: Float tensor `(rows, columns)`.

        Returns:
            Scalar tensor in nats.
        """
        return mean_over_rows(self.by_rows(bounds.infonce, partners, scores))

    def ceiling(self, columns):
        """The largest value that `estimate` can take for so many columns, in nats."""
        return math.log(columns)

    def call(self, y_true, y_pred):
        # Keras scales vectors of losses by the replicas, but leaves scalars alone.
        partners = ops.cast(y_true, "int32")
        return self.value(partners, y_pred) / distribution.num_replicas()

    def get_config(self):
        return {"name": self.name, "chunk_size": self.chunk_size}


class BoundLoss(ScoreLoss):
    """Base of the losses that raise an estimate of mutual information, or hold it.

    A subclass gives `estimate`, and `objective` where the loss is not simply the
    negated estimate.

    Args:
        name: Name of the loss.
        dtype: Dtype of the computation, float32 by default.
    """

    def estimate(self, partners, scores):
        raise NotImplementedError

    def objective(self, estimate):
        """What is minimised, as a function of the estimate. Scalar to scalar."""
        return -estimate

    def ceiling(self, columns):
        return math.inf

    def value(self, partners, scores):
        return self.objective(self.estimate(partners, scores))


def _policy(dtype):
    try:
        policy = keras.dtype_policies.get(dtype or keras.config.floatx())
        if "float" in policy.compute_dtype:
            return policy
    except (AttributeError, TypeError, ValueError):
        pass
    raise checks.refusal(
        "dtype",
        "a dtype of floats, or None",
        dtype,
        "Write dtype='float32'.",
    )


def mean_over_rows(values):
    """Mean over all rows of all replicas, and over all true pairs of a row.

    Args:
        values: Tensor `(rows,)` or `(rows, positives)`.

    Returns:
        Scalar tensor.
    """
    return distribution.mean(ops.reshape(values, (-1,)))
