"""Encoder of the rows of a table: numbers, and categories by learned vectors."""

import keras
from keras import ops

from keras_infomax import checks

_PARTS = ("categories", "numbers")


def table(
    input_shape,
    hidden_units=(300, 300),
    output_dim=100,
    categories=None,
    embedding_dim=8,
):
    """Multilayer perceptron over the numbers of a row and vectors of its categories.

    Each column of categories has vectors of its own, one for each value, which are
    learned; they are concatenated with the numbers.

    Args:
        input_shape: `(columns,)` of numbers, or a dictionary of the shapes of its
            parts: `{"numbers": (columns,), "categories": (columns,)}`, either of which
            may be missing.
        hidden_units: Sizes of the hidden layers, which use ReLU.
        output_dim: Size of the encoding.
        categories: How many values each column of categories has, 0 included; see
            `datasets.load`. `None` where there are no categories.
        embedding_dim: Size of the vectors, or fewer where a column has no more values.

    Returns:
        `keras.Model` mapping `(rows, columns)`, or a dictionary of such tensors, the
        categories of integers, to `(rows, output_dim)`.

    Raises:
        ValueError: If the parts are others, or there is not one number of `categories`
            for each of their columns.

    Example:
    >>> shapes = {"numbers": (9,), "categories": (2,)}
    >>> table(shapes, categories=(3, 7)).output_shape
    (None, 100)
    """
    shapes = _checked_shapes(input_shape)
    columns = shapes.get("categories", (0,))[0]
    sizes = checks.sizes("categories", () if categories is None else categories)
    if len(sizes) != columns:
        raise checks.refusal(
            "categories",
            f"the number of values of each of {columns} columns of categories",
            categories,
            "Take data.categories of datasets.load, or count from 0 to the largest.",
        )
    embedding_dim = checks.positive_integer("embedding_dim", embedding_dim, 8)
    inputs, parts = {}, []
    if "categories" in shapes:
        inputs["categories"] = keras.Input((columns,), dtype="int32", name="categories")
        parts.append(Embeddings(sizes, embedding_dim)(inputs["categories"]))
    if "numbers" in shapes:
        inputs["numbers"] = keras.Input(shapes["numbers"], name="numbers")
        parts.append(inputs["numbers"])
    hidden = parts[0] if len(parts) == 1 else keras.layers.Concatenate()(parts)
    for units in checks.sizes("hidden_units", hidden_units):
        hidden = keras.layers.Dense(units, activation="relu")(hidden)
    output_dim = checks.positive_integer("output_dim", output_dim)
    outputs = keras.layers.Dense(output_dim)(hidden)
    if not isinstance(input_shape, dict):
        inputs = inputs["numbers"]
    return keras.Model(inputs, outputs)


@keras.saving.register_keras_serializable(package="keras_infomax")
class Embeddings(keras.layers.Layer):
    """Vectors of categories, each column with those of its own, side by side.

    Args:
        sizes: How many values each column has.
        dim: Size of a vector; a column of `n` values has vectors of at most `n`.
        **kwargs: Passed to `keras.layers.Layer`.

    Call arguments:
        categories: Integer tensor `(rows, columns)`, from 0 up to below the sizes.

    Returns:
        Tensor `(rows, sum of the sizes of the vectors)`.

    Raises:
        ValueError: If a size is not a positive integer.

    Example:
    >>> Embeddings((2, 30), dim=8)(ops.zeros((5, 2), "int32")).shape
    TensorShape([5, 10])
    """

    def __init__(self, sizes, dim=8, **kwargs):
        super().__init__(**kwargs)
        self.sizes = checks.sizes("sizes", sizes, empty=False, example=(3, 7))
        self.dim = checks.positive_integer("dim", dim, 8)

    def build(self, input_shape):
        if input_shape[-1] != len(self.sizes):
            raise ValueError(
                f"categories must have {len(self.sizes)} columns, one for each of "
                f"sizes; received shape {tuple(input_shape)}."
            )
        self.vectors = [
            self.add_weight(
                (size, min(size, self.dim)),
                initializer=keras.initializers.RandomNormal(stddev=0.5),
                name=f"vectors_{column}",
            )
            for column, size in enumerate(self.sizes)
        ]

    def call(self, categories):
        columns = ops.unstack(ops.cast(categories, "int32"), axis=1)
        found = [
            ops.take(vectors, column, axis=0)
            for vectors, column in zip(self.vectors, columns, strict=True)
        ]
        return ops.concatenate(found, axis=1)

    def compute_output_shape(self, input_shape):
        return (input_shape[0], sum(min(size, self.dim) for size in self.sizes))

    def get_config(self):
        return {**super().get_config(), "sizes": self.sizes, "dim": self.dim}


def _checked_shapes(input_shape):
    expected = (
        "(columns,) of numbers, or a dictionary of the shapes of 'numbers' and "
        "'categories'"
    )
    advice = "Write, for example, input_shape={'numbers': (9,), 'categories': (2,)}."
    parts = input_shape if hasattr(input_shape, "keys") else {"numbers": input_shape}
    if not parts or not set(parts) <= set(_PARTS):
        raise checks.refusal("input_shape", expected, input_shape, advice)
    return {
        key: checks.view_shape("input_shape", shape, 1, True, (9,), expected, advice)
        for key, shape in parts.items()
    }
