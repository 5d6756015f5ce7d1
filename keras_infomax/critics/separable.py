"""A critic that maps each encoding separately before an inner product."""

import keras
from keras import ops

from keras_infomax import checks
from keras_infomax.critics.base import Critic, build_chain, dense


@keras.saving.register_keras_serializable(package="keras_infomax")
class SeparableCritic(Critic):
    """Scores a pair by the inner product of two learned maps, one for each side.

        scores[i, j] = phi_x(x_i)^T phi_y(y_j)

    Each map is a multilayer perceptron with ReLU hidden layers and a linear output.

    Args:
        hidden_units: Sizes of the hidden layers of each map. Empty: linear maps.
        output_dim: Size of the space of the inner product.
        **kwargs: Passed to `keras.layers.Layer`.

    Call arguments:
        x: Encodings `(rows, dim_x)`.
        y: Encodings `(columns, dim_y)`.

    Returns:
        Scores `(rows, columns)`.

    Raises:
        ValueError: If a size is not a positive integer.

    Reference:
        Tschannen et al., 2020, section 3.2, https://arxiv.org/abs/1907.13625.
    """

    gains_by_xla = True

    def __init__(self, hidden_units=(100,), output_dim=100, **kwargs):
        super().__init__(**kwargs)
        self.hidden_units = checks.sizes("hidden_units", hidden_units)
        self.output_dim = checks.positive_integer("output_dim", output_dim)
        self.map_x = self._dense_layers()
        self.map_y = self._dense_layers()

    def _dense_layers(self):
        hidden = [dense(self, units, "relu") for units in self.hidden_units]
        return [*hidden, dense(self, self.output_dim)]

    def build_parameters(self, dim_x, dim_y):
        build_chain(self.map_x, dim_x)
        build_chain(self.map_y, dim_y)

    def call(self, x, y):
        for layer_x, layer_y in zip(self.map_x, self.map_y, strict=True):
            x, y = layer_x(x), layer_y(y)
        return ops.matmul(x, ops.transpose(y))

    def get_config(self):
        return {
            **super().get_config(),
            "hidden_units": self.hidden_units,
            "output_dim": self.output_dim,
        }
