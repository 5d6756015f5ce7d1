import math

import keras
import numpy as np
import pytest
from gradient_checks import array
from keras import ops

import keras_infomax as kim

pytestmark = pytest.mark.backends

RNG = np.random.default_rng(0)
X = RNG.normal(size=(7, 3)).astype("float32")
Y = RNG.normal(2.0, 1.5, size=(9, 2)).astype("float32")
PARTNERS = np.array([8, 0, 3, 2, 7, 1, 5])


def test_log_densities_are_those_of_gaussians():
    critic = kim.critics.ConditionalGaussian(hidden_units=(5,), beside=False)
    scores = array(critic(X, Y))
    hidden, last = (
        [w.astype("float64") for w in layer.get_weights()] for layer in critic.chain
    )
    outputs = np.maximum(X @ hidden[0] + hidden[1], 0) @ last[0] + last[1]
    means, log_variances = outputs[:, :2], 12 * np.tanh(outputs[:, 2:] / 12)
    for i in range(7):
        for j in range(9):
            squares = (Y[j] - means[i]) ** 2 / np.exp(log_variances[i])
            parts = squares + log_variances[i] + math.log(2 * math.pi)
            assert scores[i, j] == pytest.approx(-parts.sum() / 2, rel=1e-4)


@pytest.mark.backends("tensorflow")
def test_a_density_beside_is_trained_by_its_likelihood_alone():
    import tensorflow as tf

    critic = kim.critics.ConditionalGaussian(hidden_units=(5,))
    plain = kim.critics.ConditionalGaussian(hidden_units=(5,), beside=False)
    plain(X, Y)
    critic(X, Y)
    plain.set_weights(critic.get_weights())
    x, y = tf.Variable(X), tf.Variable(Y)
    with tf.GradientTape(persistent=True) as tape:
        scores = critic(x, y, partners=PARTNERS, training=True)
        club = ops.mean(kim.bounds.club(scores, PARTNERS))
        (likelihood,) = critic.losses
        expected = ops.mean(kim.bounds.club(plain(x, y), PARTNERS))
        of_pairs = ops.take_along_axis(plain(x, y), PARTNERS[:, None], axis=1)
    assert float(likelihood) == pytest.approx(-np.mean(of_pairs), rel=1e-5)
    weights = [v.value for v in critic.trainable_variables]
    assert tape.gradient(club, weights) == [None] * 4
    assert tape.gradient(likelihood, [x, y]) == [None, None]
    for found, other in zip(
        tape.gradient(club, [x, y]), tape.gradient(expected, [x, y]), strict=True
    ):
        np.testing.assert_allclose(found, other, atol=1e-5)
    negative = tape.gradient(of_pairs, [v.value for v in plain.trainable_variables])
    for found, other in zip(tape.gradient(likelihood, weights), negative, strict=True):
        np.testing.assert_allclose(found, -other / 7, atol=1e-5)


@pytest.mark.parametrize("pairs", [False, True])
def test_baselines_are_subtracted_from_rows(pairs):
    inner = kim.critics.SeparableCritic((4,), 3)
    critic = kim.critics.BaselineCritic(inner, hidden_units=(), pairs=pairs)
    scores = array(critic(X, Y, partners=PARTNERS))
    kernel, bias = critic.chain[0].get_weights()
    given = np.concatenate([X, Y[PARTNERS]], axis=1) if pairs else X
    expected = array(inner(X, Y)) - (given @ kernel + bias)
    np.testing.assert_allclose(scores, expected, rtol=1e-5, atol=1e-6)


def test_flo_is_tuba_of_a_baseline_of_pairs():
    inner = kim.critics.SeparableCritic((4,), 3)
    critic = kim.critics.BaselineCritic(inner, hidden_units=(), pairs=True)
    scores = array(critic(X, Y, partners=PARTNERS))
    raw = array(inner(X, Y))
    normalizers = (raw - scores)[:, 0] - raw[np.arange(7), PARTNERS]
    expected = -float(ops.mean(kim.bounds.flo(raw, PARTNERS, normalizers)))
    assert float(kim.losses.FLO()(PARTNERS, scores)) == pytest.approx(expected, 1e-4)


def test_what_needs_partners_is_not_wrapped():
    density = kim.critics.ConditionalGaussian()
    with pytest.raises(ValueError, match="critic must be a critic that needs no part"):
        kim.critics.BaselineCritic(density)
    with pytest.raises(ValueError, match="partners must be given if x has more"):
        density(Y, Y[:3], training=True)


def test_bounds_on_densities_refuse_other_critics():
    model = kim.InfoMax(kim.encoders.mlp((3,), (4,), 2), critic="mlp")
    for loss in ("club", kim.losses.TargetLoss(kim.losses.BarberAgakov(1.0), 1.0)):
        with pytest.raises(ValueError, match="Use critic='conditional_gaussian'"):
            model.compile("adam", loss)


@pytest.mark.slow
def test_club_trains_encoders_to_forget():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(512, 2)).astype("float32")
    y = (x + 0.3 * rng.normal(size=x.shape)).astype("float32")
    keras.utils.set_random_seed(0)

    def linear():
        return keras.Sequential([keras.Input((2,)), keras.layers.Dense(2)])

    model = kim.InfoMax(linear(), linear(), critic="conditional_gaussian")
    model.compile(keras.optimizers.Adam(0.01), "club")
    history = model.fit((x, y), batch_size=64, epochs=25, verbose=0).history
    encodings = model.encode((x, y))
    correlations = np.corrcoef(*(np.array(encodings[n]).T for n in "xy"))
    # It rises while the density learns, and falls once the encoders follow.
    assert max(history["mi"]) > 0.3 > 0.6 * history["mi"][-1]
    assert correlations.shape == (4, 4)
