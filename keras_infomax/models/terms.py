"""Terms of a loss: which encodings are paired, by which critic, with which negatives.

A method is a network from views to named encodings and a list of terms. Bounds,
distribution, metrics, probes and export are the same for all methods.
"""

import math

import keras
import numpy as np
from keras import ops

from keras_infomax import checks, critics
from keras_infomax.execution import distribution
from keras_infomax.models import inputs

# Which pairs of encodings with locations are negatives.
NEGATIVES = ("other_examples", "same_position", "all_positions", "same_example")


@keras.saving.register_keras_serializable(package="keras_infomax")
class Term(keras.layers.Layer):
    """Scores one encoding of each example against another encoding of all examples.

    The other examples of the batch are the negatives, under a `tf.distribute` strategy
    those of all replicas.

    Encodings are `(rows, dim)`, or have locations, `(rows, locations, dim)` or
    `(rows, height, width, dim)`: positions of a feature map, steps of a sequence. If
    x has one location, its true pairs are all locations of y of the same example. If
    both have the same number of locations, location l of x is paired with location l of
    y, and `negatives` chooses the negatives:

    - `"other_examples"`: all locations of the other examples. Other locations of the
      same example are left out.
    - `"same_position"`: the same location of the other examples. For sequences, only
      this choice makes pairs independent, so that InfoNCE bounds the mutual
      information.
    - `"all_positions"`: all other locations, including those of the same example. These
      are dependent, so the estimate is neither a lower nor an upper bound (Tschannen et
      al., 2020, section 4), although representations may be good.
    - `"same_example"`: only the other locations of the same example. All are dependent,
      so this is not a bound, either. A moment is distinguished from other moments of
      its sequence.

    Args:
        x: Name of the encoding whose partner is identified.
        y: Name of the encoding that is gathered from all replicas.
        critic: Critic, or its name. Defaults to `"bilinear"`.
        weight: Non-negative float, the weight of the term in the loss.
        negatives: See above.
        mask: Function from partners and scores to scores with minus infinity for pairs
            that are left out, such as `masks.SemiHard`; or `None`.
        **kwargs: Passed to `keras.layers.Layer`. `name` defaults to `"{x}_{y}"`.

    Call arguments:
        encodings: Dictionary of names and encodings.
        training: Whether the critic runs in training mode.

    Returns:
        Pair of partners, `(rows,)` or `(rows, positives)`, and scores,
        `(rows, columns)`, with a row or column for each location.

    Raises:
        ValueError: If an encoding is missing, locations cannot be paired, the weight is
            negative, or `negatives` is not one of the above.

    Example:
    >>> encodings = {"global": ops.ones((4, 8)), "local": ops.ones((4, 7, 7, 8))}
    >>> term = Term("global", "local", "inner_product")
    >>> partners, scores = term(encodings)
    >>> partners.shape, scores.shape
    (TensorShape([4, 49]), TensorShape([4, 196]))

    Reference:
        Tschannen et al., 2020, "On Mutual Information Maximization for Representation
        Learning", section 2, https://arxiv.org/abs/1907.13625.
    """

    gains_by_xla = True

    # Names of further inputs of a term: the numbers of examples, or their classes.
    index: str | None = None
    labels: str | None = None

    def __init__(
        self,
        x,
        y,
        critic="bilinear",
        weight=1.0,
        negatives="other_examples",
        mask=None,
        **kwargs,
    ):
        for argument, value in (("x", x), ("y", y)):
            checks.text(argument, value, f"view_{argument}")
        kwargs.setdefault("name", f"{x}_{y}")
        super().__init__(**kwargs)
        weight = checks.non_negative_number("weight", weight, 1.0)
        if negatives not in NEGATIVES:
            raise ValueError(
                f"negatives must be one of {', '.join(NEGATIVES)}; received "
                f"{negatives!r}."
            )
        self.x = x
        self.y = y
        self.critic = critics.get(critic)
        self.weight = float(weight)
        self.negatives = negatives
        self.mask = mask
        self._locations = None

    @property
    def fewest_rows(self):
        """Smallest number of examples in a batch: 2 if the others are the negatives."""
        return 2

    def build(self, encodings_shape):
        shapes = [self._named(encodings_shape, name) for name in (self.x, self.y)]
        locations = [num_locations(shape) for shape in shapes]
        self._check_locations(*locations)
        self._locations = locations
        critics.ensure_built(self.critic, *map(_flat_shape, shapes))

    def call(self, encodings, training=None):
        x, y = (self._named(encodings, name) for name in (self.x, self.y))
        locations_x, locations_y = num_locations(x.shape), num_locations(y.shape)
        rows, y = checked_rows(x, y)
        y = _with_negatives(distribution.gather(y))
        examples = distribution.global_rows(rows)
        partners, left_out = self._pairs(
            examples, ops.shape(y)[0], locations_x, locations_y
        )
        known = {"partners": partners} if critics.takes_partners(self.critic) else {}
        scores = self.critic(_flat(x), _flat(y), **known)
        if left_out is not None:
            scores = ops.where(left_out, -np.inf, scores)
        if self.mask is not None:
            scores = self.mask(partners, scores)
        return partners, scores

    def pair(self, encodings):
        """The encodings of all replicas, for a loss on encodings.

        Args:
            encodings: Dictionary of names and encodings.

        Returns:
            Pair of tensors `(rows, dim)`, with a row for each location.

        Raises:
            ValueError: If x and y have different numbers of locations, or the term
                chooses negatives, which such a loss does not use.
        """
        x, y = (self._named(encodings, name) for name in (self.x, self.y))
        if self.mask is not None or self.negatives != "other_examples":
            raise ValueError(
                f"{self.name}: a loss on encodings uses no negatives; received "
                f"negatives={self.negatives!r} and mask={self.mask!r}. Leave them out, "
                "or compile with a loss on scores, such as 'infonce'."
            )
        locations = [num_locations(of.shape) for of in (x, y)]
        if locations[0] != locations[1]:
            raise ValueError(
                f"{self.name}: a loss on encodings pairs location by location; "
                f"received {locations[0]} of {self.x!r} and {locations[1]} of "
                f"{self.y!r}. Pool the locations of both."
            )
        _, y = checked_rows(x, y)
        y = _with_several_rows(distribution.gather(y))
        return _flat(distribution.gather(x)), _flat(y)

    def columns(self, rows):
        """Number of columns of a row that are not left out.

        Args:
            rows: Number of examples in the global batch.

        Returns:
            Integer, or `None` if a mask or a memory decides, a row has several true
            pairs, or the term is not built.
        """
        if self._locations is None or self.mask is not None:
            return None
        of_x, of_y = self._locations
        if of_x != of_y:
            return None
        return {
            "other_examples": (rows - 1) * of_y + 1,
            "same_position": rows,
            "all_positions": rows * of_y,
            "same_example": of_y,
        }[self.negatives]

    def _pairs(self, examples, columns, locations_x, locations_y):
        """Partners of the rows, and booleans of pairs that are left out, or `None`."""
        if locations_x == locations_y == 1:
            return examples, None
        if locations_x == 1:
            locations = ops.arange(locations_y, dtype="int32")
            return examples[:, None] * locations_y + locations[None], None
        rows = (
            examples[:, None] * locations_x
            + ops.arange(locations_x, dtype="int32")[None]
        )
        partners = ops.reshape(rows, (-1,))
        if self.negatives == "all_positions":
            return partners, None
        row, column = (
            partners[:, None],
            ops.arange(columns * locations_y, dtype="int32"),
        )
        if self.negatives == "same_position":
            return partners, row % locations_x != column % locations_y
        same_example = row // locations_x == column // locations_y
        if self.negatives == "same_example":
            return partners, ops.logical_not(same_example)
        return partners, ops.logical_and(same_example, row != column)

    def _check_locations(self, locations_x, locations_y):
        if locations_x not in (1, locations_y):
            raise ValueError(
                f"{self.name}: {self.x!r} must have one location, or as many as "
                f"{self.y!r}; received {locations_x} and {locations_y}. Pool or cut "
                "one of them, or swap x and y."
            )
        if self.negatives != "other_examples" and locations_x != locations_y:
            raise ValueError(
                f"{self.name}: negatives={self.negatives!r} needs encodings with the "
                f"same number of locations; received {locations_x} and {locations_y}. "
                "Use negatives='other_examples'."
            )
        if self.negatives == "same_example" and locations_x == 1:
            raise ValueError(
                f"{self.name}: negatives='same_example' needs encodings of several "
                "locations, since the others of an example are its negatives; received "
                "one. Use negatives='other_examples'."
            )

    def _named(self, encodings, name):
        if name not in encodings:
            raise ValueError(
                f"{self.name}: the network must return an encoding {name!r}; received "
                f"{', '.join(map(repr, encodings))}."
            )
        return encodings[name]

    def get_config(self):
        serialize = keras.saving.serialize_keras_object
        return {
            **super().get_config(),
            "x": self.x,
            "y": self.y,
            "critic": serialize(self.critic),
            "weight": self.weight,
            "negatives": self.negatives,
            "mask": None if self.mask is None else serialize(self.mask),
        }

    @classmethod
    def from_config(cls, config):
        parts = {
            name: keras.saving.deserialize_keras_object(config[name])
            for name in ("critic", "mask")
            if name in config
        }
        return cls(**{**config, **parts})


class TermOfOwnPairs(Term):
    """Base of terms that choose their true pairs and negatives themselves.

    They take neither `negatives` nor `mask`. In a subclass, `pairs_come_from` is a
    phrase for messages that completes the sentence "<class> ...".
    """

    pairs_come_from: str

    def __init__(self, x, y, critic, weight, **kwargs):
        for argument in ("negatives", "mask"):
            if argument in kwargs:
                raise ValueError(
                    f"{type(self).__name__} {self.pairs_come_from}; received "
                    f"{argument}={kwargs[argument]!r}. Leave it out, or use Term."
                )
        super().__init__(x, y, critic, weight, **kwargs)

    def columns(self, rows):
        """`None`: the columns are not the rows of the batch.

        Args:
            rows: Number of examples in the global batch.
        """
        return None

    def get_config(self):
        config = super().get_config()
        for argument in ("negatives", "mask"):
            del config[argument]
        return config

    def _dim_of_y(self, encodings_shape):
        """Size of the encodings y; raises unless all encodings are `(rows, dim)`."""
        shapes = [self._named(encodings_shape, name) for name in (self.x, self.y)]
        if any(len(shape) != 2 for shape in shapes):
            raise ValueError(
                f"{self.name}: {type(self).__name__} takes encodings of shape "
                "(rows, dim); received "
                f"{', '.join(str(tuple(shape)) for shape in shapes)}. Pool their "
                "locations, or use Term."
            )
        return shapes[1][-1]


def num_locations(shape):
    """Number of locations of encodings with this shape.

    Args:
        shape: `(rows, dim)`, or `(rows, ..., dim)`.

    Raises:
        ValueError: If the number is unknown.
    """
    sizes = shape[1:-1]
    if None in sizes:
        raise ValueError(
            "Encodings must have a static number of locations; received shape "
            f"{tuple(shape)}. Give the network inputs of a fixed size."
        )
    return math.prod(sizes)


def _flat_shape(shape):
    return shape if len(shape) < 3 else (None, shape[-1])


def _flat(encodings):
    """Encodings reshaped to one row for each location."""
    if len(encodings.shape) < 3:
        return encodings
    return ops.reshape(encodings, (-1, encodings.shape[-1]))


def checked_rows(x, y):
    """Checks that x and y have the same number of rows.

    Args:
        x: Tensor `(rows, ...)`.
        y: Tensor `(rows, ...)`.

    Returns:
        Pair of the number of rows, an integer or a scalar tensor, and y.

    Raises:
        ValueError: If their static numbers of rows differ.
        InvalidArgumentError: At run time, if the numbers differ.
    """
    rows, rows_of_y = _rows(x), _rows(y)
    message = (
        "The views x and y must have the same number of rows, since row i of both are "
        "views of example i; received {} and {}."
    )
    return rows, inputs.asserted(rows == rows_of_y, message, [rows, rows_of_y], y)


def _with_negatives(y):
    return _with_several_rows(y, "the other rows are the negatives")


def _with_several_rows(y, why="the loss measures how encodings vary over them"):
    columns = _rows(y)
    message = (
        f"A batch must have at least 2 rows, since {why}; "
        "received {}. Use a larger batch size, or batch(..., drop_remainder=True) if "
        "it was the last batch of a dataset."
    )
    return inputs.asserted(columns > 1, message, [columns], y)


def _rows(values):
    """Number of rows; an integer if it is static."""
    return ops.shape(values)[0]


def checked_terms(terms):
    """Checks the terms of a model.

    Args:
        terms: List of terms.

    Raises:
        ValueError: If it is not a list of terms.
    """
    found = list(terms) if isinstance(terms, (list, tuple)) else []
    if found and all(isinstance(term, Term) for term in found):
        return found
    raise ValueError(
        f"terms must be a list of Term; received {terms!r}. Write, for example, "
        "terms=[keras_infomax.Term('u', 'v')]."
    )
