"""Critics of the methods, by the formulas of their papers."""

import keras
import numpy as np
import pytest
from gradient_checks import array, dtype_of
from keras import layers
from layer_checks import check_layer, check_saving

from keras_infomax import critics

pytestmark = pytest.mark.backends

RNG = np.random.default_rng(0)
X = RNG.normal(size=(3, 6)).astype("float32")
Y = RNG.normal(size=(5, 6)).astype("float32")
MAPS = RNG.normal(size=(3, 2, 2, 4)).astype("float32")


def projected():
    return critics.ProjectedCritic(
        critics.CosineCritic(0.5), keras.Sequential([layers.Dense(4)])
    )


@pytest.mark.parametrize(
    "critic",
    [
        critics.CosineCritic(temperature=0.7),
        critics.DistanceCritic(),
        critics.EncodeAndDotCritic(units=8),
        critics.SoftClippedCritic(critics.InnerProductCritic(), 3.0, 6, 0.1),
        projected(),
    ],
    ids=lambda critic: type(critic).__name__,
)
def test_layer_contract(critic, tmp_path):
    check_layer(critic, X, Y)
    x, y = keras.Input((6,)), keras.Input((6,))
    check_saving(keras.Model([x, y], critic(x, y)), [X, Y[:3]], tmp_path)


def test_cosine_is_that_of_the_angle():
    scores = array(critics.CosineCritic(0.5)(X, Y))
    cosine = X[1] @ Y[2] / np.linalg.norm(X[1]) / np.linalg.norm(Y[2])
    assert scores[1, 2] == pytest.approx(cosine / 0.5, rel=1e-5)


@pytest.mark.parametrize("size", [0.0, 1e-4, 1e4])
def test_cosine_in_half_precision_is_that_of_the_angle(size):
    keras.config.set_dtype_policy("mixed_float16")
    x = size * keras.ops.convert_to_tensor([[3.0, 4.0], [1.0, 0.0]])
    scores = critics.CosineCritic(0.5)(x, x)
    assert dtype_of(scores) == "float16"
    expected = np.array([[2.0, 1.2], [1.2, 2.0]]) if size else np.zeros((2, 2))
    np.testing.assert_allclose(scores, expected, atol=2e-3)


def test_distance_is_squared_and_negated():
    expected = -np.square(X[:, None] - Y[None]).sum(axis=-1)
    np.testing.assert_allclose(critics.DistanceCritic()(X, Y), expected, rtol=1e-5)


def test_one_projection_maps_both_sides():
    critic = projected()
    scores = array(critic(X, Y))
    kernel, bias = critic.projection.get_weights()
    x, y = X @ kernel + bias, Y @ kernel + bias
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    y /= np.linalg.norm(y, axis=1, keepdims=True)
    np.testing.assert_allclose(scores, x @ y.T / 0.5, rtol=1e-5, atol=1e-6)


def test_soft_clipping_equals_its_formula_and_adds_its_penalty():
    critic = critics.SoftClippedCritic(critics.InnerProductCritic(), 2.0, 6, 0.3)
    scores = critic(X, Y)
    raw = X @ Y.T / np.sqrt(6)
    np.testing.assert_allclose(scores, 2.0 * np.tanh(raw / 2.0), rtol=1e-5)
    (penalty,) = critic.losses
    assert float(penalty) == pytest.approx(0.3 * np.mean(raw**2), rel=1e-5)


def test_soft_clipping_without_a_penalty_adds_no_loss():
    critic = critics.SoftClippedCritic(critics.InnerProductCritic(), penalty=0.0)
    critic(X, Y)
    assert critic.losses == []


@pytest.mark.parametrize("arguments", [{"clip": 0}, {"dim": -1}, {"penalty": -0.1}])
def test_soft_clipping_refuses_what_has_no_meaning(arguments):
    with pytest.raises(ValueError, match=f"{next(iter(arguments))} must be"):
        critics.SoftClippedCritic(critics.InnerProductCritic(), **arguments)


def test_mlp_is_concat_and_convolve():
    """1 x 1 convolutions over a map onto which the encoding of an image is tiled."""
    critic = critics.MLPCritic((7, 9))
    scores = array(critic(X, MAPS.reshape(-1, 4))).reshape(3, 3, 2, 2)
    convolutions = keras.Sequential(
        [
            keras.Input((2, 2, 10)),
            layers.Conv2D(7, 1, activation="relu"),
            layers.Conv2D(9, 1, activation="relu"),
            layers.Conv2D(1, 1),
        ]
    )
    pairs = zip(critic.get_weights(), convolutions.weights, strict=True)
    convolutions.set_weights([dense.reshape(kernel.shape) for dense, kernel in pairs])
    for i in range(3):
        tiled = np.broadcast_to(X[i], (3, 2, 2, 6))
        expected = array(convolutions(np.concatenate([tiled, MAPS], axis=-1)))[..., 0]
        np.testing.assert_allclose(scores[i], expected, rtol=1e-4, atol=1e-5)


def residual_map(inputs, weights, training):
    """Hjelm et al., 2019, encode-and-dot, from the weights of one side."""
    w1, gamma, beta, mean, variance, w2, b2, w3, b3, gain, bias = weights
    hidden = inputs @ w1
    if training:
        mean, variance = hidden.mean(axis=0), hidden.var(axis=0)
    hidden = gamma * (hidden - mean) / np.sqrt(variance + 1e-5) + beta
    out = np.maximum(hidden, 0) @ w2 + b2 + inputs @ w3 + b3
    out = (out - out.mean(axis=1, keepdims=True)) / np.sqrt(
        out.var(axis=1, keepdims=True) + 1e-5
    )
    return gain * out + bias


@pytest.mark.parametrize("training", [False, True])
def test_encode_and_dot_equals_its_formula(training):
    critic = critics.EncodeAndDotCritic(units=8)
    critic.build((None, 6), (None, 6))
    sides = []
    for side in (critic.map_x, critic.map_y):
        layers_of_side = (
            side.hidden,
            side.hidden_normalization,
            side.residual,
            side.shortcut,
            side.normalization,
        )
        for layer in layers_of_side:
            layer.set_weights(
                [RNG.uniform(0.5, 1.5, w.shape) for w in layer.get_weights()]
            )
        sides.append([w for layer in layers_of_side for w in layer.get_weights()])
    scores = array(critic(X, Y, training=training))
    expected = (
        residual_map(X, sides[0], training) @ residual_map(Y, sides[1], training).T
    )
    np.testing.assert_allclose(scores, expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("shape", [(4, 6), (6, 4), (1, 1, 4, 6)])
def test_near_identity(shape):
    kernel = np.array(critics.NearIdentity(seed=0)(shape)).reshape(shape[-2:])
    on_diagonal = np.eye(*shape[-2:], dtype=bool)
    np.testing.assert_array_equal(kernel[on_diagonal], 1)
    noise = kernel[~on_diagonal]
    assert 0.005 < np.abs(noise).max() <= 0.01
    again = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(critics.NearIdentity(seed=0))
    )
    np.testing.assert_array_equal(np.array(again(shape)).reshape(kernel.shape), kernel)


def test_bfloat16_penalty_does_not_lose_large_scores():
    keras.config.set_dtype_policy("mixed_bfloat16")
    critic = critics.SoftClippedCritic(critics.InnerProductCritic(), 2.0)
    scores = critic(100 * X, Y)
    assert dtype_of(scores) == "bfloat16"
    assert dtype_of(critic.losses[0]) == "float32"
