"""A critic that processes both encodings jointly."""

import keras
from keras import ops

from keras_infomax import backends, checks
from keras_infomax.critics.base import Critic, build_chain, dense
from keras_infomax.execution import chunking, xla

# Number of rows in a block whose hidden units, with 128 columns of the paper's size,
# fit into a CPU cache. On PyTorch, each operation has an overhead of a few rows.
_ROWS_IN_BLOCK = 32 if backends.name() == backends.TORCH else 4


@keras.saving.register_keras_serializable(package="keras_infomax")
class MLPCritic(Critic):
    """Scores a pair by a multilayer perceptron on the concatenated encodings.

        scores[i, j] = mlp([x_i; y_j])

    It is the most flexible critic; in the paper it has the tightest bound and the worst
    representation. The first layer is applied separately to x and y and added for each
    pair, `relu(W_x x_i + W_y y_j + b)`, so the tensor of all concatenated pairs is
    never made. With one hidden layer, the hidden units of all pairs are not stored
    either, and the memory is that of the scores. With more layers, the memory is
    `rows * columns * hidden_units[0]` numbers.

    Args:
        hidden_units: Sizes of the ReLU hidden layers, at least one.
        chunk_size: Largest number of rows that several hidden layers score at a time.
            The backward pass computes each chunk again. The memory then grows with
            `chunk_size * columns * hidden_units[0]`. Defaults to `None`, all rows.
        **kwargs: Passed to `keras.layers.Layer`.

    Call arguments:
        x: Encodings `(rows, dim_x)`.
        y: Encodings `(columns, dim_y)`.

    Returns:
        Scores `(rows, columns)`.

    Raises:
        ValueError: If there is no hidden layer, or a size is not a positive integer.

    Reference:
        Tschannen et al., 2020, section 3.2, https://arxiv.org/abs/1907.13625.
    """

    gains_by_xla = True

    def __init__(self, hidden_units=(200,), chunk_size=None, **kwargs):
        super().__init__(**kwargs)
        self.hidden_units = checks.sizes(
            "hidden_units",
            hidden_units,
            empty=False,
            advice="Without a hidden layer the score would be a sum of a function of x "
            "and one of y, which cannot distinguish pairs.",
        )
        self.chunk_size = checks.positive_integer(
            "chunk_size", chunk_size, 1024, optional=True
        )
        first, *rest = self.hidden_units
        self.first = dense(self, first)
        self.rest = [*(dense(self, units, "relu") for units in rest), dense(self, 1)]

    def build_parameters(self, dim_x, dim_y):
        # One kernel for the concatenated pair, for its initialization.
        self.first.build((None, dim_x + dim_y))
        self.dim_x = dim_x
        build_chain(self.rest, self.hidden_units[0])

    def call(self, x, y):
        kernel_x = self.first.kernel[: self.dim_x]
        kernel_y = self.first.kernel[self.dim_x :]
        from_x = ops.matmul(x, kernel_x) + self.first.bias
        from_y = ops.matmul(y, kernel_y)
        rest = [
            ops.convert_to_tensor(weight)
            for layer in self.rest
            for weight in (layer.kernel, layer.bias)
        ]
        if self.chunk_size is None or len(self.hidden_units) == 1:
            return _score_pairs(from_x, from_y, rest)
        scores, _ = chunking.by_rows(
            lambda rows, shared, state: (
                _score_pairs(rows[0], shared[0], shared[1:]),
                state,
            ),
            [from_x],
            [from_y, *rest],
            chunk_size=self.chunk_size,
        )
        return scores

    def get_config(self):
        return {
            **super().get_config(),
            "hidden_units": self.hidden_units,
            "chunk_size": self.chunk_size,
        }


def _score_pairs(from_x, from_y, rest):
    """Scores of all pairs from their two parts of the first layer."""
    *hidden, kernel, bias = rest
    if not hidden:
        # Slices are tensors, since a custom gradient does not support variables.
        inputs = from_x, from_y, kernel[:, 0], bias[0]
        dtype = keras.backend.result_type(from_x.dtype, "float32")
        scores = _score_by_one_layer(*(ops.cast(value, dtype) for value in inputs))
        return ops.cast(scores, from_x.dtype)
    pairs = ops.relu(from_x[:, None, :] + from_y[None, :, :])
    for weight, shift in zip(hidden[::2], hidden[1::2], strict=True):
        pairs = ops.relu(ops.matmul(pairs, weight) + shift)
    return ops.squeeze(ops.matmul(pairs, kernel) + bias, axis=-1)


# Custom gradients of the scores, since XLA cannot differentiate across its boundary.
# With m[i, j, k] = 1 if from_x[i, k] + from_y[j, k] > 0, else 0, all of them are sums
# over m. A few rows of m are computed at a time and not stored, so they stay in the
# cache.


def _custom_gradient(function):
    """As `ops.custom_gradient`; Keras on PyTorch passes `upstream` by name."""

    @ops.custom_gradient
    def with_gradient(*tensors):
        value, gradient = function(*tensors)

        def of_upstream(*given, upstream=None):
            return gradient(given[-1] if upstream is None else upstream)

        return value, of_upstream

    return with_gradient


@xla.compiled
@_custom_gradient
def _score_by_one_layer(from_x, from_y, weights, bias):
    """`sum_k w[k] relu(from_x[i, k] + from_y[j, k]) + bias`, `(rows, columns)`."""

    def of_block(block):
        units = ops.relu(block[:, None, :] + from_y[None, :, :])
        return ops.matmul(units, weights)

    def gradient(upstream):
        by_row = _sum_over_columns(from_x, from_y, upstream)
        by_column = _sum_over_columns(from_y, from_x, ops.transpose(upstream))
        # sum_ij g[i, j] relu(x[i] + y[j]) needs no further pass over the pairs.
        of_weights = ops.sum(by_row * from_x, 0) + ops.sum(by_column * from_y, 0)
        return by_row * weights, by_column * weights, of_weights, ops.sum(upstream)

    return _map_blocks(of_block, from_x) + bias, gradient


@xla.compiled
@_custom_gradient
def _sum_over_columns(from_x, from_y, values):
    """`sum_j values[i, j] m[i, j, k]`, `(rows, hidden_units)`."""

    def of_block(block):
        rows, values_of_rows = block
        active = rows[:, None, :] + from_y[None, :, :] > 0
        return ops.sum(ops.where(active, values_of_rows[:, :, None], 0.0), axis=1)

    def gradient(upstream):
        of_values = _sum_over_units(from_x, from_y, upstream)
        return ops.zeros_like(from_x), ops.zeros_like(from_y), of_values

    return _map_blocks(of_block, (from_x, values)), gradient


@xla.compiled
@_custom_gradient
def _sum_over_units(from_x, from_y, values):
    """`sum_k values[i, k] m[i, j, k]`, `(rows, columns)`."""

    def of_block(block):
        rows, values_of_rows = block
        active = rows[:, None, :] + from_y[None, :, :] > 0
        return ops.sum(ops.where(active, values_of_rows[:, None, :], 0.0), axis=2)

    def gradient(upstream):
        of_values = _sum_over_columns(from_x, from_y, upstream)
        return ops.zeros_like(from_x), ops.zeros_like(from_y), of_values

    return _map_blocks(of_block, (from_x, values)), gradient


def _map_blocks(function, rows):
    """Applies a function to blocks of rows, one after another."""
    count = ops.shape(keras.tree.flatten(rows)[0])[0]

    def in_blocks(values):
        # At least one block, even on a replica without rows.
        missing = _ROWS_IN_BLOCK - count % _ROWS_IN_BLOCK
        padded = ops.pad(values, [[0, missing], [0, 0]])
        return ops.reshape(padded, (-1, _ROWS_IN_BLOCK, ops.shape(values)[1]))

    results = ops.map(function, keras.tree.map_structure(in_blocks, rows))
    return ops.reshape(results, (-1, ops.shape(results)[2]))[:count]
