"""Bounds where a row has several true pairs, or pairs that are left out."""

import math

import numpy as np
import pytest
from gradient_checks import array, gradient
from keras import ops

from keras_infomax import bounds, losses

pytestmark = pytest.mark.backends

RNG = np.random.default_rng(0)
SCORES = RNG.normal(size=(3, 7)).astype("float32")
SCORES[0, 6] = SCORES[2, 1] = -np.inf
PARTNERS = np.array([[0, 1], [2, 3], [4, 5]])
LEFT_OUT = np.isinf(SCORES)


def negatives_of_row(i):
    columns = [j for j in range(7) if j not in PARTNERS[i] and not LEFT_OUT[i, j]]
    return SCORES[i, columns].astype(float)


def naive(value_of):
    return np.array(
        [
            [value_of(float(SCORES[i, p]), negatives_of_row(i)) for p in PARTNERS[i]]
            for i in range(3)
        ]
    )


def infonce(positive, negatives):
    total = math.exp(positive) + np.exp(negatives).sum()
    return math.log(1 + len(negatives)) + positive - math.log(total)


def nwj(positive, negatives):
    return positive - np.exp(negatives - 1).mean()


def jensen_shannon(positive, negatives):
    def softplus(value):
        return np.log1p(np.exp(value))

    return (
        math.log(2) - softplus(-positive) - (softplus(negatives) - math.log(2)).mean()
    )


def donsker_varadhan(positive, negatives):
    everything = np.concatenate([negatives_of_row(i) for i in range(3)])
    return positive - math.log(np.exp(everything).mean())


NAIVE = {
    bounds.infonce: infonce,
    bounds.nwj: nwj,
    bounds.jensen_shannon: jensen_shannon,
    bounds.donsker_varadhan: donsker_varadhan,
}


@pytest.mark.parametrize("bound", list(NAIVE), ids=lambda bound: bound.__name__)
def test_every_bound_is_its_definition(bound):
    np.testing.assert_allclose(
        bound(SCORES, PARTNERS), naive(NAIVE[bound]), rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize("bound", list(NAIVE), ids=lambda bound: bound.__name__)
def test_gradients_are_finite_and_spare_what_is_left_out(bound):
    found = gradient(lambda s: ops.mean(bound(s, PARTNERS)), SCORES)
    assert np.isfinite(found).all()
    np.testing.assert_array_equal(found[LEFT_OUT], 0)
    step = 1e-2
    i, j = 1, 0
    moved = [SCORES.copy(), SCORES.copy()]
    moved[0][i, j] += step
    moved[1][i, j] -= step
    above, below = (float(ops.mean(bound(m, PARTNERS))) for m in moved)
    assert found[i, j] == pytest.approx((above - below) / (2 * step), rel=1e-2)


def test_infonce_over_columns():
    values = array(bounds.infonce(SCORES, PARTNERS, axis=0))
    for i in range(3):
        for index, p in enumerate(PARTNERS[i]):
            others = [k for k in range(3) if k != i and not LEFT_OUT[k, p]]
            expected = infonce(float(SCORES[i, p]), SCORES[others, p].astype(float))
            assert values[i, index] == pytest.approx(expected, rel=1e-5, abs=1e-6)


def test_a_row_without_negatives_says_nothing():
    scores = np.full((2, 2), -np.inf, "float32")
    scores[[0, 1], [0, 1]] = (3.0, -1.0)
    np.testing.assert_array_equal(bounds.infonce(scores), [0, 0])
    np.testing.assert_array_equal(bounds.nwj(scores), [3, -1])
    np.testing.assert_allclose(
        bounds.jensen_shannon(scores),
        [math.log(4) - math.log1p(math.exp(-3)), math.log(4) - math.log1p(math.exp(1))],
        rtol=1e-6,
    )


def test_closed_forms():
    np.testing.assert_allclose(bounds.jensen_shannon(np.zeros((4, 4))), 0, atol=1e-6)
    separated = 1e4 * (2 * np.eye(4, dtype="float32") - 1)
    np.testing.assert_allclose(bounds.jensen_shannon(separated), math.log(4), rtol=1e-6)
    np.testing.assert_allclose(
        bounds.donsker_varadhan(separated), np.full(4, 2e4), rtol=1e-6
    )


def test_donsker_varadhan_forgives_a_constant():
    scores = RNG.normal(size=(6, 6)).astype("float32")
    loss = losses.DonskerVaradhan()
    partners = np.arange(6)
    assert float(loss(partners, scores)) == pytest.approx(
        float(loss(partners, scores + 50)), abs=1e-4
    )
    expected = float(ops.mean(bounds.donsker_varadhan(scores)))
    assert float(loss(partners, scores)) == pytest.approx(-expected, rel=1e-5)


@pytest.mark.backends("tensorflow")
@pytest.mark.parametrize("bound", list(NAIVE), ids=lambda bound: bound.__name__)
@pytest.mark.parametrize("jit_compile", [False, True])
def test_a_column_that_is_left_out_is_as_if_it_were_not_there(bound, jit_compile):
    import tensorflow as tf

    scores = tf.constant(RNG.normal(size=(3, 5)).astype("float32"))
    axes = [{}, {"axis": 0}] if bound is bounds.infonce else [{}]
    for options in axes:

        @tf.function(jit_compile=jit_compile)
        def both(columns, options=options):
            with tf.GradientTape() as tape:
                tape.watch(columns)
                # Added, so that a gradient of NaN would not be hidden by a choice.
                left_out = tf.range(tf.shape(columns)[1]) == 4
                masked = columns + tf.where(left_out, -np.inf, 0.0)
                values = bound(masked, np.arange(3), **options)
            return values, tape.gradient(values, columns)

        values, gradient = both(scores)
        expected, of_the_rest = both(scores[:, :4])
        np.testing.assert_allclose(values, expected, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(gradient[:, :4], of_the_rest, rtol=1e-5, atol=1e-6)
        np.testing.assert_array_equal(gradient[:, 4], 0)
