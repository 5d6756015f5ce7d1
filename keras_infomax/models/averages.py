"""A term whose denominators are averages over many batches."""

import math

import keras
from keras import ops

from keras_infomax import bounds, checks
from keras_infomax.execution import distribution
from keras_infomax.models import states
from keras_infomax.models.terms import Term, num_locations


@keras.saving.register_keras_serializable(package="keras_infomax")
class MovingAverageTerm(Term):
    """Scores pairs as `Term` does, and keeps an average over the negatives of each row.

    In a small batch the sum over negatives is a poor estimate of the sum over the data
    set, and the gradient of its logarithm is biased. Here each example has a moving
    average of the mean over its negatives, found by its number,

        average_i <- momentum * average_i + (1 - momentum) * mean_j exp(scores[i, j])

    and the gradient of a negative is divided by this average instead of by the mean in
    the batch. With `losses.DecoupledInfoNCE` this is the gradient of SogCLR,

        d loss[i] / d scores[i, j] = exp(scores[i, j]) / (negatives * average_i)

    Scores, and so the loss and `"mi"`, are those of the batch; only the gradient
    differs. In evaluation, where examples are held out, the term behaves as a `Term`.

    Under a `tf.distribute` strategy the averages equal those of one device. They are
    weights, so a resumed run continues exactly.

    Args:
        x: As for `Term`.
        y: As for `Term`.
        index: Name of the numbers of the examples, an integer tensor `(rows,)`, which
            is an input and an output of the network.
        examples: Number of examples.
        momentum: Fraction of an average that an update keeps, in [0, 1); 0 uses only
            the batch. The paper's gamma is 1 - momentum.
        critic: Critic, or its name. Defaults to `"cosine"`.
        weight: As for `Term`.
        **kwargs: As for `Term`.

    Call arguments:
        encodings: Dictionary of names and encodings.
        training: Whether to use and update the averages.

    Returns:
        Pair of partners and scores, as by `Term`.

    Raises:
        ValueError: As `Term`, and in `fit` if an index is not that of an example.

    Example:
    >>> term = MovingAverageTerm("x", "y", "index", examples=1000)
    >>> batch = {"x": ops.ones((4, 8)), "y": ops.ones((4, 8)), "index": ops.arange(4)}
    >>> partners, scores = term(batch, training=True)
    >>> scores.shape
    TensorShape([4, 4])

    Reference:
        Yuan et al., 2022, "Provable Stochastic Optimization for Global Contrastive
        Learning: Small Batch Does Not Harm Performance", algorithm 1,
        https://arxiv.org/abs/2202.12387.
    """

    # The rows of all replicas are gathered before the averages are updated.
    updates_see_all_rows = True

    def __init__(
        self,
        x,
        y,
        index,
        examples,
        momentum=0.1,
        critic="cosine",
        weight=1.0,
        **kwargs,
    ):
        super().__init__(x, y, critic, weight, **kwargs)
        self.index = checks.text("index", index, "index")
        self.examples = checks.positive_integer("examples", examples, 4000)
        self.momentum = checks.probability(
            "momentum", momentum, "[)", 0.1, "At 1 the averages would never move."
        )

    def pair(self, encodings):
        raise ValueError(
            f"{self.name}: MovingAverageTerm needs a loss on scores, since it "
            "averages over negatives; received a loss on encodings. Use Term, or "
            "compile with 'decoupled_infonce'."
        )

    def build(self, encodings_shape):
        super().build(encodings_shape)
        self._named(encodings_shape, self.index)
        locations = num_locations(self._named(encodings_shape, self.x))
        # Logarithms, since exponentials would overflow with a temperature of 0.01.
        self.log_averages = states.add(
            self,
            "log_averages",
            (self.examples, locations),
            "float32",
            keras.initializers.Constant(_NEVER_SEEN),
        )

    def call(self, encodings, training=None):
        partners, scores = super().call(encodings, training=training)
        if not training:
            return partners, scores
        index, scores = states.checked_index(
            self._named(encodings, self.index), self.examples, scores
        )
        _, negatives = bounds.split(scores, partners)
        sums, counts = bounds.log_sums(ops.stop_gradient(negatives))
        means = sums - ops.log(ops.maximum(counts, 1.0))
        averages = self._moved(index, ops.cast(means, "float32"))
        ratios = ops.exp(means - ops.cast(averages, means.dtype))
        ratios = ops.cast(ratios, scores.dtype)[:, None]
        is_negative = ops.logical_and(
            ops.not_equal(scores, -math.inf),
            ops.logical_not(bounds.partner_mask(scores, partners)),
        )
        # Its value is zero, its gradient is not.
        moved = ops.where(is_negative, scores, 0.0)
        moved = moved - ops.stop_gradient(moved)
        return partners, scores + (ratios - 1) * moved

    def _moved(self, index, means):
        """Averages of the rows after an update with this batch, which are stored."""
        shape = (-1, self.log_averages.shape[1])
        before = ops.take(self.log_averages.value, index, axis=0)
        means = ops.reshape(means, shape)
        after = means
        if self.momentum:
            mixed = ops.logaddexp(
                math.log(self.momentum) + before, math.log(1 - self.momentum) + means
            )
            after = ops.where(before > _NEVER_SEEN, mixed, means)
        of_all = distribution.gather(index)[:, None]
        kept = ops.scatter_update(
            self.log_averages.value, of_all, distribution.gather(after)
        )
        self.log_averages.assign(kept)
        return ops.reshape(after, (-1,))

    def get_config(self):
        return {
            **super().get_config(),
            "index": self.index,
            "examples": self.examples,
            "momentum": self.momentum,
        }


_NEVER_SEEN = -1e30
