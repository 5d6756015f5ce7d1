"""Encoder of texts: sequences of tokens, which are integers."""

import math

import keras
from keras import ops

from keras_infomax import checks


def tokens(
    input_shape, hidden_units=(64, 64), output_dim=100, vocabulary_size=1000, heads=None
):
    """A small transformer over tokens, of which 0 is none, and the mean of its states.

    A layer is attention to all tokens of the text and a perceptron, each with layer
    normalization before it and a shortcut around it.

    Args:
        input_shape: `(length,)` of a text, in tokens; shorter texts end with zeros.
        hidden_units: Sizes of the states of each layer.
        output_dim: Size of the encoding.
        vocabulary_size: Number of tokens, 0 included; all must be smaller.
        heads: Heads of attention, which divide the sizes of the states. Defaults to
            four, or two or one where these do not.

    Returns:
        `keras.Model` mapping integers `(rows, length)` to `(rows, output_dim)`.

    Raises:
        ValueError: If `input_shape` is not `(length,)`, a size is not a positive
            integer, or the heads do not divide it.

    Example:
    >>> tokens((12,), vocabulary_size=50).output_shape
    (None, 100)

    Reference:
        Vaswani et al., 2017, "Attention Is All You Need",
        https://arxiv.org/abs/1706.03762; as the tower of texts: Radford et al., 2021,
        section 2.4, https://arxiv.org/abs/2103.00020.
    """
    input_shape = checks.view_shape(
        "input_shape",
        input_shape,
        rank=1,
        static=True,
        example=(12,),
        expected="(length,) for an encoder of tokens",
        advice="Give all texts one length, with zeros at the end.",
    )
    hidden_units = checks.sizes("hidden_units", hidden_units, empty=False)
    heads = checks.positive_integer("heads", heads, 4, optional=True)
    if heads is None:
        heads = math.gcd(4, *hidden_units)
    for units in hidden_units:
        if units % heads:
            raise checks.refusal(
                "hidden_units",
                f"multiples of heads={heads}",
                hidden_units,
                "Write, for example, hidden_units=(64, 64).",
            )
    vocabulary_size = checks.positive_integer("vocabulary_size", vocabulary_size, 1000)
    layers = keras.layers
    text = keras.Input(input_shape, dtype="int32", name="tokens")
    states = TokenVectors(vocabulary_size, hidden_units[0])(text)
    is_token = IsToken()(text)
    for units in hidden_units:
        if states.shape[-1] != units:
            states = layers.Dense(units)(states)
        normal = layers.LayerNormalization()(states)
        attention = layers.MultiHeadAttention(heads, units // heads)
        attended = attention(normal, normal, attention_mask=is_token[:, None])
        states = layers.Add()([states, attended])
        hidden = layers.Dense(2 * units, activation="gelu")(
            layers.LayerNormalization()(states)
        )
        states = layers.Add()([states, layers.Dense(units)(hidden)])
    mean = MeanOfTokens()(layers.LayerNormalization()(states), is_token)
    output_dim = checks.positive_integer("output_dim", output_dim)
    return keras.Model(text, layers.Dense(output_dim)(mean))


@keras.saving.register_keras_serializable(package="keras_infomax")
class TokenVectors(keras.layers.Layer):
    """Sums of a learned vector of each token and one of its place.

    Args:
        vocabulary_size: Number of tokens, 0 included.
        dim: Size of the vectors.
        **kwargs: Passed to `keras.layers.Layer`.

    Call arguments:
        tokens: Integer tensor `(rows, length)`.

    Returns:
        Tensor `(rows, length, dim)`.

    Raises:
        ValueError: If a size is not a positive integer.

    Example:
    >>> TokenVectors(50, 8)(ops.zeros((3, 12), "int32")).shape
    TensorShape([3, 12, 8])
    """

    def __init__(self, vocabulary_size, dim, **kwargs):
        super().__init__(**kwargs)
        self.vocabulary_size = checks.positive_integer(
            "vocabulary_size", vocabulary_size, 1000
        )
        self.dim = checks.positive_integer("dim", dim, 64)

    def build(self, input_shape):
        normal = keras.initializers.RandomNormal(stddev=0.5)
        self.vectors = self.add_weight(
            (self.vocabulary_size, self.dim), initializer=normal, name="vectors"
        )
        self.places = self.add_weight(
            (input_shape[1], self.dim), initializer=normal, name="places"
        )

    def call(self, tokens):
        found = ops.take(self.vectors, ops.cast(tokens, "int32"), axis=0)
        return found + ops.convert_to_tensor(self.places)

    def compute_output_shape(self, input_shape):
        return (*input_shape, self.dim)

    def get_config(self):
        return {
            **super().get_config(),
            "vocabulary_size": self.vocabulary_size,
            "dim": self.dim,
        }


@keras.saving.register_keras_serializable(package="keras_infomax")
class IsToken(keras.layers.Layer):
    """Tells tokens from the zeros at the end of a text; its first place counts always.

    So a text of zeros alone has a mean, and attention something to attend to.

    Args:
        **kwargs: Passed to `keras.layers.Layer`.

    Call arguments:
        tokens: Integer tensor `(rows, length)`.

    Returns:
        Boolean tensor `(rows, length)`.

    Example:
    >>> IsToken()(ops.convert_to_tensor([[3, 0], [0, 0]])).numpy().tolist()
    [[True, False], [True, False]]
    """

    def __init__(self, **kwargs):
        super().__init__(**kwargs)

    def call(self, tokens):
        is_first = ops.arange(tokens.shape[1], dtype="int32")[None] == 0
        return ops.logical_or(tokens != 0, is_first)

    def compute_output_spec(self, tokens):
        return keras.KerasTensor(tokens.shape, dtype="bool")


@keras.saving.register_keras_serializable(package="keras_infomax")
class MeanOfTokens(keras.layers.Layer):
    """Mean of the states of a text's tokens.

    Args:
        **kwargs: Passed to `keras.layers.Layer`.

    Call arguments:
        states: Tensor `(rows, length, dim)`.
        is_token: Boolean tensor `(rows, length)`.

    Returns:
        Tensor `(rows, dim)`.

    Example:
    >>> MeanOfTokens()(ops.ones((3, 12, 8)), ops.ones((3, 12), "bool")).shape
    TensorShape([3, 8])
    """

    def __init__(self, **kwargs):
        super().__init__(**kwargs)

    def call(self, states, is_token):
        weights = ops.cast(is_token, states.dtype)[..., None]
        return ops.sum(weights * states, axis=1) / ops.sum(weights, axis=1)

    def compute_output_shape(self, states_shape, is_token_shape=None):
        return (states_shape[0], states_shape[-1])
