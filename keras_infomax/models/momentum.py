"""An encoder whose weights are moving averages of another encoder's weights."""

import math

import keras
from keras import ops

from keras_infomax import checks, private
from keras_infomax.execution import distribution, random_layers
from keras_infomax.models import states


@keras.saving.register_keras_serializable(package="keras_infomax")
class MomentumEncoder(keras.layers.Layer):
    """Encodes a view with moving averages of an encoder's weights.

        average <- momentum * average + (1 - momentum) * weight

    after every training step of the `InfoMax` that contains it. With `rising_steps` the
    momentum rises to 1, after which the averages stay:

        1 - (1 - momentum) * (cos(pi * step / rising_steps) + 1) / 2

    The averages start at the weights. Averages of frozen layers are updated, too, since
    these layers may be trained later. No gradient passes. The layer has its own moving
    statistics of batch normalization: in training it normalizes by the batch, as the
    encoder does.

    The averages are weights, so a resumed run continues exactly. Under a
    `tf.distribute` strategy they equal those of one device; an encoder that draws
    random numbers, as by dropout, is refused there.

    Args:
        encoder: Keras layer or model that is trained in the same network.
        momentum: Fraction of an average that a step keeps, in [0, 1]; of the first
            step, if it rises.
        rising_steps: Number of steps in which it rises to 1; 0 keeps it constant.
        **kwargs: Passed to `keras.layers.Layer`.

    Call arguments:
        view: Input of the encoder.
        training: Whether it runs in training mode.

    Returns:
        Encodings, as the encoder returns them.

    Raises:
        ValueError: If the encoder is not a layer, the momentum is out of range, or
            `rising_steps` is not a number of steps.

    Example:
    >>> dense = keras.layers.Dense(3)
    >>> follower = MomentumEncoder(dense, momentum=0.75)
    >>> view = ops.ones((2, 4))
    >>> bool(ops.all(follower(view) == dense(view)))
    True
    >>> _ = dense.bias.assign([8.0, 8.0, 8.0])
    >>> follower.follow()
    >>> round(float(ops.max(dense(view) - follower(view))), 4)
    6.0

    Reference:
        He et al., 2020, "Momentum Contrast for Unsupervised Visual Representation
        Learning", equation 2, https://arxiv.org/abs/1911.05722; Grill et al., 2020,
        "Bootstrap Your Own Latent", appendix J, https://arxiv.org/abs/2006.07733.
    """

    # Batch statistics are those of all replicas, or the model is refused.
    updates_see_all_rows = True

    def __init__(self, encoder, momentum=0.99, rising_steps=0, **kwargs):
        # No autocast: the encoder casts its view to its own precision.
        super().__init__(autocast=False, **kwargs)
        self.encoder = checks.instance(
            "encoder",
            encoder,
            keras.Layer,
            "a Keras layer or model",
            "Write, for example, encoder=keras_infomax.encoders.mlp((8,)).",
        )
        self.momentum = checks.probability("momentum", momentum, "[]", 0.99)
        self.rising_steps = checks.integer(
            "rising_steps", rising_steps, least=0, example=3000
        )

    def build(self, input_shape):
        if not self.encoder.built:
            self.encoder.build(input_shape)
        # Including frozen weights, which may be trained later.
        followed = private.learned_variables(self.encoder)
        of_gradients = {id(variable) for variable in followed}
        others = [v for v in self.encoder.variables if id(v) not in of_gradients]
        self._followed = tuple(followed)
        self._others = tuple(others)
        self.averages = [self._copy(v, f"average_{i}") for i, v in enumerate(followed)]
        self.states = [self._copy(v, f"state_{i}") for i, v in enumerate(others)]
        if self.rising_steps:
            self.step = states.add(self, "step", (), "int32", "zeros")

    def _copy(self, variable, name):
        dtype = keras.backend.standardize_dtype(variable.dtype)
        if "float" in dtype:
            # In half precision, small updates of an average would be lost.
            dtype = keras.backend.result_type(dtype, "float32")

        def value(shape, dtype=None):
            # A copy: JAX donates its buffers, and must not find one twice.
            return ops.copy(ops.cast(ops.convert_to_tensor(variable), dtype))

        return states.add(self, name, variable.shape, dtype, value)

    def call(self, view, training=None):
        if distribution.num_replicas() > 1 and random_layers.draws(self.encoder):
            raise ValueError(
                f"{self.name}: encoder must not draw random numbers under a strategy "
                "of several replicas. Remove dropout and noise, or train on one device."
            )
        copies = zip(
            (*self._followed, *self._others),
            (*self.averages, *self.states),
            strict=True,
        )
        values = [(v, ops.cast(copy.value, v.dtype)) for v, copy in copies]
        # Losses of this call are dropped: the encoder itself adds them.
        with keras.StatelessScope(state_mapping=values) as scope:
            encodings = self.encoder(view, training=training)
        for variable, state in zip(self._others, self.states, strict=True):
            updated = scope.get_current_value(variable)
            if training and updated is not None:
                state.assign(ops.cast(updated, state.dtype))
        return keras.tree.map_structure(ops.stop_gradient, encodings)

    def compute_output_shape(self, input_shape):
        return self.encoder.compute_output_shape(input_shape)

    def follow(self):
        """Moves the averages toward the weights of the encoder."""
        for variable, average in zip(self._followed, self.averages, strict=True):
            value = ops.cast(ops.convert_to_tensor(variable), average.dtype)
            momentum = self._momentum_in(average.dtype)
            average.assign(momentum * average.value + (1 - momentum) * value)
        if self.rising_steps:
            self.step.assign(self.step.value + 1)

    def _momentum_in(self, dtype):
        """The momentum of this step: a number, or a tensor if it rises."""
        if not self.rising_steps:
            return self.momentum
        done = ops.cast(self.step.value, dtype) / self.rising_steps
        height = (ops.cos(math.pi * ops.minimum(done, 1.0)) + 1) / 2
        return 1 - (1 - self.momentum) * height

    def get_config(self):
        encoder = keras.saving.serialize_keras_object(self.encoder)
        return {
            **super().get_config(),
            "encoder": encoder,
            "momentum": self.momentum,
            "rising_steps": self.rising_steps,
        }

    @classmethod
    def from_config(cls, config):
        encoder = keras.saving.deserialize_keras_object(config["encoder"])
        return cls(**{**config, "encoder": encoder})


def follow(model):
    """Updates all averages in a model after a step has changed its weights.

    Args:
        model: Keras model.
    """
    for layer in private.layers(model):
        if isinstance(layer, MomentumEncoder):
            layer.follow()
