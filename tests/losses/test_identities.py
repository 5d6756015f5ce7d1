"""InfoNCE and deep metric learning are one (Tschannen et al., 2020, section 4)."""

import math

import numpy as np
import pytest
from gradient_checks import gradient
from keras import ops

import keras_infomax as kim

pytestmark = pytest.mark.backends

RNG = np.random.default_rng(0)
ANCHORS = RNG.normal(size=(7, 5)).astype("float32")
POSITIVES = (ANCHORS + 0.5 * RNG.normal(size=(7, 5))).astype("float32")


def k_pair_loss(anchors, positives):
    """Multi-class K-pair loss from its definition (Sohn, 2016, equation 7)."""
    total = 0.0
    for i in range(len(anchors)):
        others = sum(
            math.exp(anchors[i] @ positives[j] - anchors[i] @ positives[i])
            for j in range(len(anchors))
            if j != i
        )
        total += math.log(1 + others)
    return total / len(anchors)


def smooth_triplet_loss(anchor, positive, negative):
    """softplus of how much nearer the negative scores than the positive."""
    return math.log1p(math.exp(anchor @ negative - anchor @ positive))


def test_infonce_of_inner_products_is_log_k_less_the_k_pair_loss():
    scores = kim.critics.InnerProductCritic()(ANCHORS, POSITIVES)
    estimate = float(ops.mean(kim.bounds.infonce(scores)))
    expected = math.log(7) - k_pair_loss(ANCHORS, POSITIVES)
    assert estimate == pytest.approx(expected, abs=1e-6)


def test_their_gradients_are_opposite():
    critic = kim.critics.InnerProductCritic()
    found = gradient(
        lambda x: kim.losses.InfoNCE()(np.arange(7), critic(x, POSITIVES)), ANCHORS
    )
    numerical = np.zeros_like(ANCHORS, dtype="float64")
    for index in np.ndindex(*ANCHORS.shape):
        step = np.zeros_like(numerical)
        step[index] = 1e-5
        above = k_pair_loss(ANCHORS + step, POSITIVES)
        numerical[index] = (above - k_pair_loss(ANCHORS - step, POSITIVES)) / 2e-5
    np.testing.assert_allclose(found, numerical, atol=1e-5)


def test_two_rows_make_the_smooth_triplet_loss():
    scores = kim.critics.InnerProductCritic()(ANCHORS[:2], POSITIVES[:2])
    losses = [
        smooth_triplet_loss(ANCHORS[i], POSITIVES[i], POSITIVES[1 - i]) for i in (0, 1)
    ]
    expected = math.log(2) - np.array(losses)
    np.testing.assert_allclose(kim.bounds.infonce(scores), expected, atol=1e-6)


def test_the_transposed_bound_is_the_bound_of_the_transposed_scores():
    scores = kim.critics.InnerProductCritic()(ANCHORS, POSITIVES)
    np.testing.assert_allclose(
        kim.bounds.infonce(scores, axis=0),
        kim.bounds.infonce(ops.transpose(scores)),
        atol=1e-6,
    )


def test_nwj_is_tuba_with_a_constant_baseline_of_one():
    scores = RNG.normal(size=(6, 6))
    off_diagonal = scores[~np.eye(6, dtype=bool)]
    tuba = 1 + np.mean(np.diag(scores) - 1) - np.mean(np.exp(off_diagonal - 1))
    estimate = float(ops.mean(kim.bounds.nwj(scores.astype("float32"))))
    assert estimate == pytest.approx(tuba, abs=1e-6)
