"""A term whose negatives are a queue of encodings of earlier batches."""

import keras
import numpy as np
from keras import ops

from keras_infomax import checks
from keras_infomax.execution import distribution
from keras_infomax.models import inputs, states
from keras_infomax.models.terms import TermOfOwnPairs, checked_rows


@keras.saving.register_keras_serializable(package="keras_infomax")
class QueueTerm(TermOfOwnPairs):
    """Scores x against its own y and the y of earlier batches.

    The columns are the y of the batch, then those in the queue. In training, the y of
    the batch enter the queue after scoring, and the oldest ones leave it: first in,
    first out. The queue stores directions in float32, and starts with random ones. No
    gradient flows into y, whether in the queue or in the batch. So y should come from a
    `MomentumEncoder`, which changes so slowly that its encodings of earlier batches
    remain useful.

    Evaluation does not change the queue.

    Under a `tf.distribute` strategy the y of all replicas enter the queue, as on one
    device. The queue and its position are weights, so a resumed run continues exactly.

    Args:
        x: Name of the encoding whose partner is identified, `(rows, dim)`.
        y: Name of the encoding that is queued, `(rows, dim)`.
        queue_size: Number of rows in the queue, at least the rows of a batch.
        batch_negatives: Whether the other y of the batch are negatives, too. In MoCo
            they are not.
        critic: Critic, or its name. Defaults to `"cosine"`.
        weight: Non-negative float, the weight of the term in the loss.
        **kwargs: Passed to `keras.layers.Layer`. `name` defaults to `"{x}_{y}"`.

    Call arguments:
        encodings: Dictionary of names and encodings.
        training: Whether to update the queue.

    Returns:
        Pair of partners `(rows,)` and scores `(rows, batch + queue_size)`.

    Raises:
        ValueError: If a number is out of range, an encoding is missing or not a matrix,
            or, in `fit`, a batch is larger than the queue.

    Example:
    >>> term = QueueTerm("x", "y", queue_size=256)
    >>> partners, scores = term({"x": ops.ones((4, 8)), "y": ops.ones((4, 8))})
    >>> scores.shape, int(np.isneginf(scores).sum())
    (TensorShape([4, 260]), 12)

    Reference:
        He et al., 2020, "Momentum Contrast for Unsupervised Visual Representation
        Learning", algorithm 1, https://arxiv.org/abs/1911.05722.
    """

    # The rows of all replicas are gathered before the queue is updated.
    updates_see_all_rows = True

    pairs_come_from = "takes its negatives from the queue"

    def __init__(
        self,
        x,
        y,
        queue_size=4096,
        batch_negatives=False,
        critic="cosine",
        weight=1.0,
        **kwargs,
    ):
        super().__init__(x, y, critic, weight, **kwargs)
        self.queue_size = checks.positive_integer("queue_size", queue_size, 4096)
        self.batch_negatives = checks.boolean("batch_negatives", batch_negatives)

    @property
    def fewest_rows(self):
        return 1

    def pair(self, encodings):
        raise ValueError(
            f"{self.name}: QueueTerm needs a loss on scores, since its queue holds "
            "negatives; received a loss on encodings. Use Term, or compile with a loss "
            "on scores, such as 'infonce'."
        )

    def columns(self, rows):
        return self.queue_size + (rows if self.batch_negatives else 1)

    def build(self, encodings_shape):
        super().build(encodings_shape)
        self.queue = states.directions(
            self, "queue", self.queue_size, self._dim_of_y(encodings_shape)
        )
        # Position of the oldest row, which the next one replaces.
        self.place = states.add(self, "place", (), "int32", "zeros")

    def call(self, encodings, training=None):
        x, y = (self._named(encodings, name) for name in (self.x, self.y))
        rows, y = checked_rows(x, y)
        examples = distribution.global_rows(rows)
        y = ops.stop_gradient(states.unit(distribution.gather(y)))
        batch = ops.shape(y)[0]
        if training:
            x = inputs.asserted(
                batch <= self.queue_size,
                f"queue_size={self.queue_size} must be at least the rows of a batch; "
                "received {} rows. Use a longer queue, or a smaller batch size.",
                [batch],
                x,
            )
        columns = ops.concatenate([y, self.queue.value])
        scores = self.critic(x, ops.cast(columns, self.compute_dtype))
        if not self.batch_negatives:
            column = ops.arange(batch + self.queue_size, dtype="int32")[None]
            others = ops.logical_and(column < batch, column != examples[:, None])
            scores = ops.where(others, -np.inf, scores)
        if training:
            self._enqueue(y, batch)
        return examples, scores

    def _enqueue(self, y, batch):
        place = ops.convert_to_tensor(self.place)
        places = (place + ops.arange(batch, dtype="int32")) % self.queue_size
        moved = ops.scatter_update(self.queue.value, places[:, None], y)
        self.queue.assign(moved)
        self.place.assign((place + batch) % self.queue_size)

    def get_config(self):
        return {
            **super().get_config(),
            "queue_size": self.queue_size,
            "batch_negatives": self.batch_negatives,
        }
