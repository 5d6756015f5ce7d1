"""Prior matching against its two losses, written out."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from layer_checks import check_layer

from keras_infomax.encoders.priors import PriorMatching

CODES = np.random.default_rng(0).normal(size=(16, 3)).astype("float32")


def prior_and_gradients(weight):
    prior = PriorMatching(weight, hidden_units=(8,), seed=1)
    prior.build((None, 3))
    parameters = prior.trainable_variables
    encodings = tf.Variable(CODES)
    # The draws of the call, taken from the same state.
    drawn = keras.random.uniform((16, 3), seed=keras.random.SeedGenerator(1))
    with tf.GradientTape(persistent=True) as tape:
        prior(encodings, training=True)
        of_discriminator, of_encoder = prior.losses
        naive = [
            -tf.reduce_mean(tf.math.log(discriminate(parameters, drawn)))
            - tf.reduce_mean(
                tf.math.log(1 - discriminate(parameters, tf.sigmoid(encodings)))
            ),
            -weight
            * tf.reduce_mean(
                tf.math.log(discriminate(parameters, tf.sigmoid(encodings)))
            ),
        ]
    return tape, parameters, encodings, (of_discriminator, of_encoder), naive


def discriminate(parameters, codes):
    k1, b1, k2, b2 = (tf.convert_to_tensor(p) for p in parameters)
    return tf.sigmoid(tf.nn.relu(codes @ k1 + b1) @ k2 + b2)


def test_values_are_those_of_the_equations():
    _, _, _, losses, naive = prior_and_gradients(0.3)
    np.testing.assert_allclose(losses, naive, rtol=1e-4)


def test_each_loss_trains_its_side_alone():
    tape, parameters, encodings, losses, naive = prior_and_gradients(0.3)
    values = [p.value for p in parameters]
    assert tape.gradient(losses[0], encodings) is None
    assert tape.gradient(losses[1], values) == [None] * 4
    for found, expected in zip(
        tape.gradient(losses[0], values), tape.gradient(naive[0], values), strict=True
    ):
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-6)
    np.testing.assert_allclose(
        tape.gradient(losses[1], encodings),
        tape.gradient(naive[1], encodings),
        rtol=1e-3,
        atol=1e-7,
    )


def test_inference_adds_no_loss():
    prior = PriorMatching(hidden_units=(8,))
    assert prior(CODES, training=False).shape == (16, 1)
    assert prior.losses == []


def test_spreads_codes_that_lie_together():
    start = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    start.layers[0].set_weights([0.1 * np.ones((3, 1)), np.array([2.0])])
    prior = PriorMatching(1.0, hidden_units=(16,), seed=0)
    inputs = np.random.default_rng(1).normal(size=(256, 3)).astype("float32")
    prior(start(inputs))
    optimizer = keras.optimizers.Adam(0.02)
    variables = [*start.trainable_variables, *prior.trainable_variables]

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            prior(start(inputs), training=True)
            loss = sum(prior.losses)
        optimizer.apply_gradients(
            zip(tape.gradient(loss, variables), variables, strict=True)
        )

    optimizer.build(variables)
    before = np.std(tf.sigmoid(start(inputs)))
    for _ in range(300):
        step()
    codes = tf.sigmoid(start(inputs))
    assert before < 0.03
    # Uniform: mean 1/2, deviation 0.289.
    assert np.mean(codes) == pytest.approx(0.5, abs=0.15)
    assert np.std(codes) > 0.15


def test_layer_contract():
    check_layer(PriorMatching(hidden_units=(4, 5), seed=3), CODES)


@pytest.mark.parametrize("weight", [-1.0, np.nan, np.inf])
def test_weight_must_have_a_meaning(weight):
    with pytest.raises(ValueError, match="weight must be a finite number"):
        PriorMatching(weight)
