"""Random views of rows of tables; some of them also suit signals.

A table is a tensor of numbers `(rows, columns)`, or a dictionary of `"numbers"` and
`"categories"`. Categories are integers; 0 is a missing value. See `datasets.load`.
"""

import keras
from keras import ops

from keras_infomax import checks
from keras_infomax.views import draws, random_views

_TABLES = (
    "float numbers (rows, columns), or a dictionary of 'numbers' and of integers, "
    "'categories'"
)


class _RandomRows(random_views.RandomView):
    """Base of layers that change numbers and categories.

    Subclasses define `transform_parts(numbers, categories, seed)`, which returns
    numbers and categories; one of them may be `None`.
    """

    ranks: tuple[int, ...] = (2,)
    expected = _TABLES

    def call(self, rows, seed=None, training=True):
        parts = self._parts(rows)
        if not training:
            return rows
        seed = self.generator.next() if seed is None else seed
        numbers, categories = parts.get("numbers"), parts.get("categories")
        dtype = None if numbers is None else numbers.dtype
        if numbers is not None:
            numbers = ops.cast(numbers, "float32")
        found = self.transform_parts(numbers, categories, draws.checked_seed(seed))
        if dtype is not None:
            found = (ops.cast(found[0], dtype), found[1])
        changed = dict(zip(("numbers", "categories"), found, strict=True))
        return {k: changed[k] for k in parts} if isinstance(rows, dict) else found[0]

    def compute_output_spec(self, rows, seed=None, training=True):
        self._parts(rows)
        return keras.tree.map_structure(
            lambda part: keras.KerasTensor(part.shape, dtype=part.dtype), rows
        )

    def _parts(self, rows):
        parts = rows if isinstance(rows, dict) else {"numbers": rows}
        if not parts or not set(parts) <= {"numbers", "categories"}:
            raise ValueError(
                f"{type(self).__name__} takes {self.expected}; received the parts "
                f"{', '.join(map(repr, parts))}. Remove these from the example."
            )
        for name, part in parts.items():
            dtype = keras.backend.standardize_dtype(part.dtype)
            kind = "float" if name == "numbers" else "int"
            ranks = self.ranks if name == "numbers" else (2,)
            if kind not in dtype or len(part.shape) not in ranks:
                raise ValueError(
                    f"{type(self).__name__} takes {self.expected}; received {name} of "
                    f"dtype {dtype} and shape {tuple(part.shape)}."
                )
        return parts


@keras.saving.register_keras_serializable(package="keras_infomax")
class RandomJitter(_RandomRows):
    """Adds Gaussian noise to all numbers of a signal, or of a row of a table.

    Args:
        stddev: Standard deviation of the noise, in the units of the numbers.
        seed: Integer seed, or `None`; see `RandomView`.
        **kwargs: Passed to `keras.layers.Layer`.

    Call arguments:
        rows: Float tensor `(rows, columns)` or `(rows, steps, channels)`, or a
            dictionary of `"numbers"` and `"categories"`, which do not change.
        seed: Two integers that decide all draws, or `None` for seeds of its own.
        training: Whether to add noise.

    Returns:
        The input with noise.

    Raises:
        ValueError: If `stddev` is negative or not finite.

    Example:
    >>> RandomJitter(0.1)(ops.ones((8, 100, 6)), seed=(3, 0)).shape
    TensorShape([8, 100, 6])
    """

    ranks = (2, 3)
    expected = "float signals (rows, steps, channels), or " + _TABLES

    def __init__(self, stddev=0.1, seed=None, **kwargs):
        super().__init__(seed, **kwargs)
        self.stddev = checks.non_negative_number("stddev", stddev, 0.1)

    def transform_parts(self, numbers, categories, seed):
        if numbers is not None:
            rows, *sizes = numbers.shape
            noise = draws.normal(seed, ops.shape(numbers)[0], *sizes)
            numbers = numbers + self.stddev * noise
        return numbers, categories

    def get_config(self):
        return {**super().get_config(), "stddev": self.stddev}


@keras.saving.register_keras_serializable(package="keras_infomax")
class RandomMix(_RandomRows):
    """Mixes each row with a small part of another row of the batch.

        part = strength * uniform(0, 1)
        numbers: (1 - part) own + part other
        categories: those of the other row with probability part

    Args:
        strength: Largest part of the other row, at most 1.
        seed: Integer seed, or `None`; see `RandomView`.
        **kwargs: Passed to `keras.layers.Layer`.

    Call arguments:
        rows: Float tensor `(rows, columns)` or `(rows, steps, channels)`, or a
            dictionary of `"numbers"` and `"categories"`.
        seed: Two integers that decide all draws, or `None` for seeds of its own.
        training: Whether to mix.

    Returns:
        The mixed input.

    Raises:
        ValueError: If `strength` is not in [0, 1].

    Example:
    >>> RandomMix(0.3)(ops.ones((8, 100, 6)), seed=(3, 0)).shape
    TensorShape([8, 100, 6])

    Reference:
        Zhang et al., 2018, "mixup: Beyond Empirical Risk Minimization",
        https://arxiv.org/abs/1710.09412; for views: Verma et al., 2021, "Towards
        Domain-Agnostic Contrastive Learning", https://arxiv.org/abs/2011.04419.
    """

    ranks = (2, 3)
    expected = RandomJitter.expected

    def __init__(self, strength=0.2, seed=None, **kwargs):
        super().__init__(seed, **kwargs)
        self.strength = checks.probability("strength", strength, example=0.2)

    def transform_parts(self, numbers, categories, seed):
        rows = ops.shape(categories if numbers is None else numbers)[0]
        drawn = draws.uniform(seed, rows, 2)
        # A permutation, so that each row is used once.
        other = ops.argsort(drawn[:, 0])
        part = self.strength * drawn[:, 1]
        if numbers is not None:
            shaped = ops.reshape(part, (-1, *(1,) * (len(numbers.shape) - 1)))
            others = ops.take(numbers, other, axis=0)
            numbers = (1.0 - shaped) * numbers + shaped * others
        if categories is not None:
            chances = draws.uniform(
                draws.next_to(seed, 1, 0), rows, categories.shape[1]
            )
            others = ops.take(categories, other, axis=0)
            categories = ops.where(chances < part[:, None], others, categories)
        return numbers, categories

    def get_config(self):
        return {**super().get_config(), "strength": self.strength}


@keras.saving.register_keras_serializable(package="keras_infomax")
class RandomColumnCorruption(_RandomRows):
    """Replaces random columns of each row by values of other rows.

    For each row, `round(share * columns)` columns are chosen, at least one if `share`
    is positive. Each gets the value of another random row of the batch, that is, a draw
    from the marginal distribution of the column in the batch.

    Args:
        share: Fraction of the columns to replace.
        seed: Integer seed, or `None`; see `RandomView`.
        **kwargs: Passed to `keras.layers.Layer`.

    Call arguments:
        rows: Float tensor `(rows, columns)`, or a dictionary of `"numbers"` and
            `"categories"`.
        seed: Two integers that decide all draws, or `None` for seeds of its own.
        training: Whether to replace values.

    Returns:
        The corrupted input.

    Raises:
        ValueError: If `share` is not in [0, 1].

    Example:
    >>> RandomColumnCorruption(0.6)(ops.ones((8, 13)), seed=(3, 0)).shape
    TensorShape([8, 13])

    Reference:
        Bahri et al., 2022, "SCARF: Self-Supervised Contrastive Learning using Random
        Feature Corruption", algorithm 1, https://arxiv.org/abs/2106.15147.
    """

    def __init__(self, share=0.6, seed=None, **kwargs):
        super().__init__(seed, **kwargs)
        self.share = checks.probability("share", share, example=0.6)

    def transform_parts(self, numbers, categories, seed):
        parts = [part for part in (numbers, categories) if part is not None]
        sizes = [part.shape[1] for part in parts]
        rows, columns = ops.shape(parts[0])[0], sum(sizes)
        count = max(round(self.share * columns), 1) if self.share else 0
        drawn = draws.uniform(seed, rows, 2 * columns)
        # Ranks of the columns; the lowest ones are replaced.
        ranks = ops.argsort(ops.argsort(drawn[:, :columns], axis=1), axis=1)
        last = ops.cast(rows - 1, "float32")
        donors = ops.floor(drawn[:, columns:] * ops.cast(rows, "float32"))
        donors = ops.cast(ops.minimum(donors, last), "int32")
        found, start = [], 0
        for part, size in zip(parts, sizes, strict=True):
            these = slice(start, start + size)
            others = ops.take_along_axis(part, donors[:, these], axis=0)
            found.append(ops.where(ranks[:, these] < count, others, part))
            start += size
        return _as_pair(found, numbers, categories)

    def get_config(self):
        return {**super().get_config(), "share": self.share}


@keras.saving.register_keras_serializable(package="keras_infomax")
class RandomColumnDropout(_RandomRows):
    """Sets random columns of each row to 0, as missing values.

    This is the mean of scaled numbers, and the category of missing values; see
    `datasets.load`.

    Args:
        probability: Probability that a value is missing.
        seed: Integer seed, or `None`; see `RandomView`.
        **kwargs: Passed to `keras.layers.Layer`.

    Call arguments:
        rows: Float tensor `(rows, columns)`, or a dictionary of `"numbers"` and
            `"categories"`.
        seed: Two integers that decide all draws, or `None` for seeds of its own.
        training: Whether to drop values.

    Returns:
        The input with some columns set to 0.

    Raises:
        ValueError: If `probability` is not in [0, 1].

    Example:
    >>> RandomColumnDropout(0.3)(ops.ones((8, 13)), seed=(3, 0)).shape
    TensorShape([8, 13])
    """

    def __init__(self, probability=0.3, seed=None, **kwargs):
        super().__init__(seed, **kwargs)
        self.probability = checks.probability("probability", probability, example=0.3)

    def transform_parts(self, numbers, categories, seed):
        parts = [part for part in (numbers, categories) if part is not None]
        columns = sum(part.shape[1] for part in parts)
        drawn = draws.uniform(seed, ops.shape(parts[0])[0], columns)
        found, start = [], 0
        for part in parts:
            missing = drawn[:, start : start + part.shape[1]] < self.probability
            found.append(ops.where(missing, ops.zeros_like(part), part))
            start += part.shape[1]
        return _as_pair(found, numbers, categories)

    def get_config(self):
        return {**super().get_config(), "probability": self.probability}


def _as_pair(found, numbers, categories):
    """Parts as numbers and categories; either may be `None`."""
    if numbers is None:
        return None, found[0]
    return found[0], None if categories is None else found[1]
