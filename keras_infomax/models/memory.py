"""A term whose negatives come from a memory of the whole data set."""

import keras
import numpy as np
from keras import ops

from keras_infomax import checks
from keras_infomax.execution import distribution, philox
from keras_infomax.models import states
from keras_infomax.models.terms import TermOfOwnPairs, checked_rows


@keras.saving.register_keras_serializable(package="keras_infomax")
class MemoryTerm(TermOfOwnPairs):
    """Scores x against a bank that remembers the encoding y of every example.

    The bank provides many negatives that need not be encoded again, for one stored row
    per example. In training, true pairs and negatives are both rows of the bank, which
    receives no gradient: the columns are the rows of the batch's examples, then
    `num_negatives` rows drawn from the whole bank. A drawn row of the same example is
    left out. Then the rows of the batch are moved toward their new encodings:

        bank[index_i] <- unit(momentum * bank[index_i] + (1 - momentum) * unit(y_i))

    The bank starts with random directions, so the first passes over the data teach
    little. Its rows come from earlier encoders. Choose a learning rate so low that
    encodings change little in a pass over the data; otherwise they collapse. The
    estimate is a bound only as far as the bank is up to date. True pairs are rows of
    the bank, too. Otherwise the critic could tell true pairs from negatives by their
    age alone, and would not learn what the views share.

    In evaluation, examples are held out and have no row in the bank. Their true pairs
    are their own y. The negatives are the other y of the batch and one fixed draw from
    the bank, which is not updated.

    Under a `tf.distribute` strategy all replicas make the same draw and update the bank
    with the rows of all replicas, as one device would. The draw depends on a counter
    that is a weight, so a resumed run continues exactly.

    Args:
        x: Name of the encoding whose partner is identified, `(rows, dim)`.
        y: Name of the encoding that the bank stores, `(rows, dim)`.
        index: Name of the numbers of the examples, an integer tensor `(rows,)`, which
            is an input and an output of the network.
        examples: Number of examples, that is, of rows in the bank.
        num_negatives: Number of rows drawn for each batch, with replacement.
        momentum: Fraction of a row that an update keeps, in [0, 1).
        critic: Critic, or its name. Defaults to `"cosine"`.
        weight: Non-negative float, the weight of the term in the loss.
        **kwargs: Passed to `keras.layers.Layer`. `name` defaults to `"{x}_{y}"`.

    Call arguments:
        encodings: Dictionary of names and encodings.
        training: Whether to score against the bank and update it.

    Returns:
        Pair of partners `(rows,)` and scores `(rows, batch + num_negatives)`.

    Raises:
        ValueError: If a number is out of range, an encoding is missing or not a matrix,
            or, in `fit`, an index is not a row of the bank.

    Example:
    >>> term = MemoryTerm("x", "y", "index", examples=1000, num_negatives=256)
    >>> batch = {"x": ops.ones((4, 8)), "y": ops.ones((4, 8)), "index": ops.arange(4)}
    >>> partners, scores = term(batch, training=True)
    >>> scores.shape
    TensorShape([4, 260])

    Reference:
        Tian et al., 2019, "Contrastive Multiview Coding", section 3.4,
        https://arxiv.org/abs/1906.05849; Wu et al., 2018, "Unsupervised Feature
        Learning via Non-Parametric Instance Discrimination",
        https://arxiv.org/abs/1805.01978.
    """

    # The rows of all replicas are gathered before the bank is updated.
    updates_see_all_rows = True

    pairs_come_from = "draws its negatives from the bank"

    def __init__(
        self,
        x,
        y,
        index,
        examples,
        num_negatives=1024,
        momentum=0.5,
        critic="cosine",
        weight=1.0,
        **kwargs,
    ):
        super().__init__(x, y, critic, weight, **kwargs)
        self.index = checks.text("index", index, "index")
        self.examples = checks.positive_integer("examples", examples, 4000)
        self.num_negatives = checks.positive_integer(
            "num_negatives", num_negatives, 1024
        )
        self.momentum = checks.probability(
            "momentum", momentum, "[)", 0.5, "At 1 the bank would never move."
        )

    @property
    def fewest_rows(self):
        return 1

    def pair(self, encodings):
        raise ValueError(
            f"{self.name}: MemoryTerm needs a loss on scores, since its bank holds "
            "negatives; received a loss on encodings. Use Term, or compile with a loss "
            "on scores, such as 'infonce'."
        )

    def build(self, encodings_shape):
        super().build(encodings_shape)
        self._named(encodings_shape, self.index)
        self.bank = states.directions(
            self, "bank", self.examples, self._dim_of_y(encodings_shape)
        )
        # Seed and number of the next draw.
        self.draw = states.add(self, "draw", (2,), "int32", _first_draw)

    def call(self, encodings, training=None):
        x, y = (self._named(encodings, name) for name in (self.x, self.y))
        rows, y = checked_rows(x, y)
        examples = distribution.global_rows(rows)
        y = states.unit(distribution.gather(y))
        drawn = self._drawn(training)
        negatives = ops.take(self.bank.value, drawn, axis=0)
        if not training:
            return examples, self._scores(x, y, negatives)
        index = self._named(encodings, self.index)
        index, x = states.checked_index(index, self.examples, x)
        index_of_columns = distribution.gather(index)
        positives = ops.take(self.bank.value, index_of_columns, axis=0)
        scores = self._scores(x, positives, negatives)
        left_out = _same_example(
            examples, index, ops.concatenate([index_of_columns, drawn])
        )
        self._move(index_of_columns, positives, y)
        return examples, ops.where(left_out, -np.inf, scores)

    def _scores(self, x, positives, negatives):
        y = ops.concatenate([positives, negatives])
        return self.critic(x, ops.cast(y, self.compute_dtype))

    def _drawn(self, training):
        """Rows of the bank that are the negatives of the whole global batch."""
        seed = ops.copy(self.draw.value)
        if training:
            self.draw.assign(seed + ops.array([0, 1], dtype="int32"))
        else:
            # Training never uses this draw.
            seed = ops.stack([seed[0], ops.full_like(seed[1], -1)])
        return philox.integers(seed, self.num_negatives, self.examples)

    def _move(self, index, old, y):
        mixed = self.momentum * old + (1 - self.momentum) * ops.stop_gradient(y)
        moved = ops.scatter_update(self.bank.value, index[:, None], states.unit(mixed))
        self.bank.assign(moved)

    def get_config(self):
        return {
            **super().get_config(),
            "index": self.index,
            "examples": self.examples,
            "num_negatives": self.num_negatives,
            "momentum": self.momentum,
        }


def _same_example(partners, index, index_of_columns):
    """Boolean `(rows, columns)`: whether another column has the same example."""
    same = ops.equal(index[:, None], index_of_columns[None])
    column = ops.arange(ops.shape(index_of_columns)[0], dtype="int32")
    return ops.logical_and(same, ops.not_equal(partners[:, None], column[None]))


def _first_draw(shape, dtype=None):
    seed = keras.random.randint((), 0, 2**31 - 1, dtype=dtype)
    return ops.stack([seed, ops.zeros_like(seed)])
