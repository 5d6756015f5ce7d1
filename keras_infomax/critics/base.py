"""Base of all critics: checks of shapes, and chains of dense layers."""

import inspect

import keras
from keras import ops

from keras_infomax import checks

# Advice for encodings of another shape.
_END = "End the encoder with a pooling, Flatten or Dense layer."


class Critic(keras.layers.Layer):
    """Base of the critics: checks the shapes of encodings when it is built.

    A subclass defines `call(x, y)`, and `build_parameters` if it has weights. If XLA
    makes it faster, it sets `gains_by_xla = True` in its own body; models with it are
    then trained in fused steps.
    """

    gains_by_xla = False

    def __call__(self, x, y, *args, **kwargs):
        x, y = (
            checks.tensor(name, value, f"encodings for {self.name}, (rows, dim)", _END)
            for name, value in (("x", x), ("y", y))
        )
        if self.built:
            self._check_shapes(x.shape, y.shape)
            self.check_widths(x.shape[-1], y.shape[-1])
        return super().__call__(x, y, *args, **kwargs)

    def build(self, x_shape, y_shape):
        self._check_shapes(x_shape, y_shape)
        self.check_widths(x_shape[-1], y_shape[-1])
        self.build_parameters(x_shape[-1], y_shape[-1])
        self._widths = x_shape[-1], y_shape[-1]

    def _check_shapes(self, x_shape, y_shape):
        for argument, shape in (("x", x_shape), ("y", y_shape)):
            if len(shape) != 2 or not shape[-1]:
                raise ValueError(
                    f"{self.name}: {argument} must be encodings of shape (rows, dim) "
                    f"with a static dim; received shape {tuple(shape)}. {_END}"
                )

    def check_widths(self, dim_x, dim_y):
        """Raises a `ValueError` unless encodings of these sizes can be scored.

        Args:
            dim_x: Size of the encodings x.
            dim_y: Size of the encodings y.
        """
        if not (self.built and self.weights):
            return
        for argument, dim, known in zip(
            ("x", "y"), (dim_x, dim_y), self._widths, strict=True
        ):
            if dim != known:
                raise ValueError(
                    f"{self.name}: {argument} must be encodings of {known} numbers, as "
                    f"when it was built; received {dim}. Use another critic for "
                    "encodings of another size."
                )

    def build_parameters(self, dim_x, dim_y):
        """Makes the weights for encodings of these sizes.

        Args:
            dim_x: Size of the encodings x.
            dim_y: Size of the encodings y.

        Raises:
            ValueError: If the critic does not fit these sizes.
        """

    def compute_output_shape(self, x_shape, y_shape):
        return (x_shape[0], y_shape[0])


def takes_partners(critic):
    """Whether a critic takes the columns of the true pairs as an argument.

    Such a critic is called as `critic(x, y, partners=partners)`.

    Args:
        critic: Critic, or any layer called as `critic(x, y)`.
    """
    return "partners" in inspect.signature(critic.call).parameters


def partners_or_diagonal(critic, partners, x, y):
    """The given partners, or those of the diagonal.

    Args:
        critic: The critic, for messages.
        partners: Integer tensor `(rows,)` or `(rows, positives)`, or `None`.
        x: Encodings `(rows, dim_x)`.
        y: Encodings `(columns, dim_y)`.

    Raises:
        ValueError: If none are given and there are more rows than columns.
    """
    if partners is not None:
        return ops.cast(partners, "int32")
    rows, columns = x.shape[0], y.shape[0]
    if None not in (rows, columns) and rows > columns:
        raise ValueError(
            f"{critic.name}: partners must be given if x has more rows than y; "
            f"received {rows} and {columns} rows. Write partners=np.arange(rows)."
        )
    return ops.arange(ops.shape(x)[0], dtype="int32")


def dense(critic, units, activation=None):
    """A dense layer in the dtype policy of a critic."""
    return keras.layers.Dense(units, activation=activation, dtype=critic.dtype_policy)


def build_chain(layers, dim):
    """Builds a chain of dense layers for inputs of this size."""
    for layer in layers:
        layer.build((None, dim))
        dim = layer.units


# The `build` of layers that make no weights, or make them in sublayers. Keras builds
# these during their first call, and accepts only one shape here.
_BUILT_BY_A_CALL = (keras.layers.Layer.build, keras.Model.build)


def ensure_built(critic, x_shape, y_shape):
    """Builds a critic, or checks that it was built for such encodings.

    Args:
        critic: Critic, or any layer called as `critic(x, y)`.
        x_shape: Shape of the encodings x, `(None, dim_x)`.
        y_shape: Shape of the encodings y, `(None, dim_y)`.

    Raises:
        ValueError: If it was built for encodings of other sizes.
    """
    if critic.built:
        _check_sizes(critic, x_shape, y_shape)
    if type(critic).build in _BUILT_BY_A_CALL:
        # Even if it is marked as built, since Keras marks a loaded layer before its
        # sublayers have weights.
        critic(keras.KerasTensor(x_shape), keras.KerasTensor(y_shape))
    elif not critic.built:
        critic.build(x_shape, y_shape)


def _check_sizes(critic, x_shape, y_shape):
    shapes = (critic.get_build_config() or {}).get("shapes_dict")
    if not shapes or not critic.weights:
        return
    built_for = [shape[-1] for shape in shapes.values()]
    if built_for != [x_shape[-1], y_shape[-1]]:
        raise ValueError(
            f"{critic.name} was built for encodings of {built_for[0]} and "
            f"{built_for[1]} numbers; received encoders of {x_shape[-1]} and "
            f"{y_shape[-1]}. Use another critic for each model."
        )
