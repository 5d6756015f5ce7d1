"""Critics that wrap another critic."""

import keras
from keras import ops

from keras_infomax import checks
from keras_infomax.critics.base import Critic, ensure_built, takes_partners


class Wrapper(Critic):
    """Base of the critics that wrap another critic, the attribute `critic`."""

    def __init__(self, critic, **kwargs):
        super().__init__(**kwargs)
        self.critic = checks.instance(
            "critic",
            critic,
            keras.Layer,
            "a critic, a Keras layer",
            "Write, for example, critic=InnerProductCritic().",
        )
        if takes_partners(self.critic):
            raise checks.refusal(
                "critic",
                "a critic that needs no partners, since a wrapper does not pass them "
                "on",
                critic,
                "Make that one the outermost critic.",
            )

    def build_parameters(self, dim_x, dim_y):
        ensure_built(self.critic, (None, dim_x), (None, dim_y))

    def get_config(self):
        critic = keras.saving.serialize_keras_object(self.critic)
        return {**super().get_config(), "critic": critic}

    @classmethod
    def from_config(cls, config):
        layers = {
            key: keras.saving.deserialize_keras_object(config[key])
            for key in ("critic", "projection")
            if key in config
        }
        return cls(**{**config, **layers})


@keras.saving.register_keras_serializable(package="keras_infomax")
class ProjectedCritic(Wrapper):
    """Maps both encodings by the same layer, then scores them.

        scores[i, j] = critic(projection(x_i), projection(y_j))

    This is the projection head of contrastive learning. It is a part of the critic, so
    the encoding before the head is probed and exported.

    Args:
        critic: Critic of the projections.
        projection: Layer or model from encodings to projections `(rows, dim)`.
        **kwargs: Passed to `keras.layers.Layer`.

    Call arguments:
        x: Encodings `(rows, dim)`.
        y: Encodings `(columns, dim)`.

    Returns:
        Scores `(rows, columns)`.

    Reference:
        Chen et al., 2020, "A Simple Framework for Contrastive Learning of Visual
        Representations", section 2, https://arxiv.org/abs/2002.05709.
    """

    def __init__(self, critic, projection, **kwargs):
        super().__init__(critic, **kwargs)
        self.projection = checks.instance(
            "projection",
            projection,
            keras.Layer,
            "a Keras layer from encodings to projections (rows, dim)",
            "Write, for example, projection=keras.layers.Dense(64).",
        )

    def build_parameters(self, dim_x, dim_y):
        if not self.projection.built:
            self.projection.build((None, dim_x))
        shapes = (
            self.projection.compute_output_shape((None, dim)) for dim in (dim_x, dim_y)
        )
        super().build_parameters(*(shape[-1] for shape in shapes))

    def call(self, x, y, training=None):
        x = self.projection(x, training=training)
        scores = self.critic(x, self.projection(y, training=training))
        # The parts may have other dtype policies.
        return ops.cast(scores, self.compute_dtype)

    def get_config(self):
        projection = keras.saving.serialize_keras_object(self.projection)
        return {**super().get_config(), "projection": projection}


@keras.saving.register_keras_serializable(package="keras_infomax")
class SoftClippedCritic(Wrapper):
    """Scales the scores of another critic down, and bounds them smoothly.

        scores[i, j] = clip * tanh(s[i, j] / clip),  s = critic(x, y) / sqrt(dim)

    Scores lie in `[-clip, clip]`. A penalty on the mean square of s over all pairs, a
    loss of the layer, keeps s in the steep part of tanh.

    Args:
        critic: Critic whose scores are clipped.
        clip: Positive float, the largest score.
        dim: Number of terms of the critic's inner product; scores are divided by its
            square root. Defaults to 1.
        penalty: Non-negative float, the weight of the mean square of s.
        **kwargs: Passed to `keras.layers.Layer`.

    Call arguments:
        x: Encodings `(rows, dim_x)`.
        y: Encodings `(columns, dim_y)`.

    Returns:
        Scores `(rows, columns)`.

    Raises:
        ValueError: If `clip` or `dim` is not positive, or `penalty` is negative.

    Example:
    >>> from keras_infomax.critics import InnerProductCritic
    >>> critic = SoftClippedCritic(InnerProductCritic(), clip=20.0, dim=4)
    >>> scores = critic(2 * ops.eye(3, 4), 200 * ops.eye(3, 4))
    >>> round(float(scores[0, 0]), 4), round(float(critic.losses[0]), 2)
    (20.0, 666.67)

    Reference:
        Bachman et al., 2019, "Learning Representations by Maximizing Mutual Information
        Across Views", section 3.4, https://arxiv.org/abs/1906.00910.
    """

    losses_are_means_over_rows = True

    def __init__(self, critic, clip=20.0, dim=1, penalty=0.05, **kwargs):
        super().__init__(critic, **kwargs)
        self.clip = checks.positive_number("clip", clip, 20.0)
        self.dim = checks.positive_integer("dim", dim)
        self.penalty = checks.non_negative_number("penalty", penalty, 0.05)

    def call(self, x, y):
        # Squares of raw scores overflow in half precision.
        scores = self.critic(x, y)
        scores = ops.cast(scores, keras.backend.result_type(scores.dtype, "float32"))
        scores = scores / self.dim**0.5
        if self.penalty:
            self.add_loss(self.penalty * ops.mean(ops.square(scores)))
        clipped = self.clip * ops.tanh(scores / self.clip)
        return ops.cast(clipped, self.compute_dtype)

    def get_config(self):
        return {
            **super().get_config(),
            "clip": self.clip,
            "dim": self.dim,
            "penalty": self.penalty,
        }
