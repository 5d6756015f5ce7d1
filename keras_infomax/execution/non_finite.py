"""When the numbers of a model broke, where several steps run in one call."""

from collections.abc import Sequence

import keras
from keras import ops


class FirstBrokenStep:
    """Remembers the first step whose loss, or a weight after it, was not finite.

    It is kept up to date inside compiled steps, between which nobody can look. Of
    weights of two dimensions and more it looks at the first row and column, which costs
    nothing that can be measured, where all weights cost 4 percent of a small model's
    step: gradients of matrix products and convolutions that are not finite are so in
    a whole row or column. What breaks elsewhere is left to a look at everything.

    Under a `tf.distribute` strategy, make it in the strategy's scope.

    Example:
    >>> step = FirstBrokenStep()
    >>> for number, loss in enumerate([0.5, float("nan"), float("nan")], start=1):
    ...     step.note(number, loss, [ops.ones((3, 2))])
    >>> step.value
    2
    """

    def __init__(self):
        self._step = keras.Variable(
            0, dtype="int64", trainable=False, aggregation="only_first_replica"
        )

    @property
    def value(self) -> int | None:
        """The step, `None` as long as there was none."""
        # Not int(step): a strategy's mirrored variable does not convert.
        return int(self._step.numpy()) or None

    @value.setter
    def value(self, step: int | None) -> None:
        self._step.assign(step or 0)

    def note(self, step, loss, weights: Sequence) -> None:
        """Looks at a step; may be called in a compiled function.

        Args:
            step: Number of the step, from 1; integer or scalar tensor.
            loss: Its loss, a number or scalar tensor.
            weights: Tensors or variables as they are after it.
        """
        looked_at = [part for weight in weights for part in _edges(weight)]
        sound = ops.isfinite(loss)
        if looked_at:
            parts = [ops.cast(part, "float32") for part in looked_at]
            sound = ops.logical_and(
                sound, ops.all(ops.isfinite(ops.concatenate(parts)))
            )
        # Loss scaling does not count the steps that it skips.
        step = ops.maximum(ops.cast(step, "int64"), 1)
        first = ops.logical_and(self._step.value == 0, ops.logical_not(sound))
        self._step.assign(ops.where(first, step, self._step.value))


def _edges(weight):
    weight = ops.convert_to_tensor(weight)
    if not keras.backend.is_float_dtype(weight.dtype) or 0 in weight.shape:
        return []
    if len(weight.shape) < 2:
        return [ops.reshape(weight, (-1,))]
    matrix = ops.reshape(weight, (-1, weight.shape[-1]))
    return [matrix[0], matrix[:, 0]]
