"""Metric learning on scores: definitions, identities, and masks."""

import math

import keras
import numpy as np
import pytest
from backend_cases import floats
from gradient_checks import array, gradient, value_and_gradient
from keras import ops

import keras_infomax as kim

pytestmark = pytest.mark.backends

RNG = np.random.default_rng(0)
SCORES = RNG.normal(size=(5, 5)).astype("float32")
PARTNERS = np.array([2, 0, 1, 4, 3])


def negatives_of(scores):
    rows = np.arange(len(scores))
    return [np.delete(scores[i], PARTNERS[i]) for i in rows], scores[rows, PARTNERS]


def test_multi_class_n_pair_is_its_definition_and_the_bound():
    negatives, positives = negatives_of(SCORES)
    expected = np.mean(
        [
            math.log(1 + np.exp(row - positive).sum())
            for row, positive in zip(negatives, positives, strict=True)
        ]
    )
    loss = float(kim.losses.MultiClassNPair()(PARTNERS, SCORES))
    assert loss == pytest.approx(expected, rel=1e-5)
    estimate = float(ops.mean(kim.bounds.infonce(SCORES, PARTNERS)))
    assert loss == pytest.approx(math.log(5) - estimate, abs=1e-5)


def test_triplet_with_a_margin():
    negatives, positives = negatives_of(SCORES)
    expected = np.mean(
        [
            np.maximum(0, 0.3 + row - positive).mean()
            for row, positive in zip(negatives, positives, strict=True)
        ]
    )
    loss = kim.losses.Triplet(margin=0.3)(PARTNERS, SCORES)
    assert float(loss) == pytest.approx(expected, rel=1e-5)


def test_smooth_triplet_is_infonce_of_two_columns():
    scores = SCORES[:1, :2]
    smooth = float(kim.losses.Triplet(margin=None)([1], scores))
    estimate = float(kim.bounds.infonce(scores, [1])[0])
    assert smooth == pytest.approx(math.log(2) - estimate, abs=1e-6)
    assert smooth == pytest.approx(math.log1p(math.exp(scores[0, 0] - scores[0, 1])))


def test_lifted_structure():
    expected = []
    for i, p in enumerate(PARTNERS):
        row = np.delete(SCORES[i], p)
        column = np.delete(SCORES[:, p], i)
        total = np.exp(0.7 + row).sum() + np.exp(0.7 + column).sum()
        expected.append(max(0, math.log(total) - SCORES[i, p]) ** 2 / 2)
    loss = kim.losses.LiftedStructure(margin=0.7)(PARTNERS, SCORES)
    assert float(loss) == pytest.approx(np.mean(expected), rel=1e-5)


@pytest.mark.parametrize("loss", [kim.losses.Triplet(), kim.losses.MultiClassNPair()])
def test_rows_that_a_mask_leaves_empty_add_nothing(loss):
    scores = np.array([[2, 0, 5], [1, 2, 1.9], [0, 0, 1]], "float32")
    rows, of_semi_hard = np.arange(3), kim.losses.SemiHard(margin=0.2)
    masked = array(of_semi_hard(rows, scores))
    value, found = value_and_gradient(
        lambda s: loss(rows, of_semi_hard(rows, s)), scores
    )
    kept = np.array([[1, 0, 0], [0, 1, 1], [0, 0, 1]], bool)
    np.testing.assert_array_equal(np.isfinite(masked), kept)
    alone = loss([0], scores[1:2, 1:])
    assert float(value) == pytest.approx(float(alone) / 3, rel=1e-5)
    assert np.isfinite(found).all()
    np.testing.assert_array_equal(found[0], [0, 0, 0])


LOSSES = {
    "multi_class_n_pair": kim.losses.MultiClassNPair(),
    "triplet": kim.losses.Triplet(margin=0.3),
    "smooth triplet": kim.losses.Triplet(margin=None),
    "lifted_structure": kim.losses.LiftedStructure(margin=0.7),
}


@pytest.mark.parametrize("name", list(LOSSES))
@pytest.mark.parametrize("symmetric", [False, True])
def test_gradients_equal_finite_differences(name, symmetric):
    # With one encoder and equal views rows and columns tie, to the last bit.
    scores = (SCORES + SCORES.T) / 2 if symmetric else SCORES
    partners = np.arange(5) if symmetric else PARTNERS
    found = gradient(lambda s: LOSSES[name](partners, s), scores)
    config = {**LOSSES[name].get_config(), "dtype": "float64"}
    numerical = np.zeros((5, 5))
    for index in np.ndindex(5, 5):
        step = np.zeros((5, 5))
        step[index] = 1e-5
        with floats("float64"):
            wide = type(LOSSES[name]).from_config(config)
            above, below = (
                float(wide(partners, scores.astype(float) + s)) for s in (step, -step)
            )
        numerical[index] = (above - below) / 2e-5
    np.testing.assert_allclose(found, numerical, atol=1e-5)


@pytest.mark.parametrize("name", list(LOSSES))
def test_configs_round_trip(name):
    loss = LOSSES[name]
    copy = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(loss)
    )
    assert copy.get_config() == loss.get_config()
    assert float(copy(PARTNERS, SCORES)) == float(loss(PARTNERS, SCORES))


def test_a_shared_encoder_makes_the_symmetric_n_pair_loss():
    codes = RNG.normal(size=(4, 3)).astype("float32")
    scores = kim.critics.InnerProductCritic()(codes, codes)
    by_row, by_column = (
        float(ops.mean(kim.bounds.infonce(scores, axis=axis))) for axis in (1, 0)
    )
    assert by_row == pytest.approx(by_column, abs=1e-6)
    loss = float(kim.losses.MultiClassNPair()(np.arange(4), scores))
    assert loss == pytest.approx(math.log(4) - by_row, abs=1e-6)


class TestSemiHard:
    def test_keeps_what_the_definition_keeps(self):
        masked = array(kim.losses.SemiHard(margin=0.8)(PARTNERS, SCORES))
        left_out = 0
        for i, j in np.ndindex(5, 5):
            positive = SCORES[i, PARTNERS[i]]
            kept = positive - 0.8 < SCORES[i, j] < positive or j == PARTNERS[i]
            assert masked[i, j] == (SCORES[i, j] if kept else -np.inf)
            left_out += not kept
        assert 5 < left_out < 20

    def test_leaves_out_ties_with_the_true_pair_and_with_the_margin(self):
        scores = np.array([[2.0, 2.0, 1.0, 1.5], [0.5, 0.5, 0.0, -0.5]], "float32")
        masked = array(kim.losses.SemiHard(margin=1.0)(np.array([0, 1]), scores))
        expected = [[2.0, -np.inf, -np.inf, 1.5], [-np.inf, 0.5, 0.0, -np.inf]]
        np.testing.assert_array_equal(masked, expected)

    def test_of_collapsed_encodings_nothing_is_left(self):
        # A metric that has collapsed scores all pairs alike: there is no negative.
        partners = np.arange(4)
        masked = kim.losses.SemiHard()(partners, np.zeros((4, 4), "float32"))
        np.testing.assert_array_equal(
            masked, np.where(np.eye(4, dtype=bool), 0.0, -np.inf)
        )
        assert float(kim.losses.MultiClassNPair()(partners, masked)) == 0.0
        assert float(kim.losses.Triplet(margin=0.3)(partners, masked)) == 0.0

    def test_what_is_left_out_stays_so(self):
        scores = SCORES.copy()
        scores[0, 0] = -np.inf
        masked = kim.losses.SemiHard(margin=100.0)(PARTNERS, scores)
        assert float(masked[0, 0]) == -np.inf

    def test_takes_one_partner_a_row(self):
        with pytest.raises(ValueError, match="SemiHard takes one partner for each row"):
            kim.losses.SemiHard()(np.array([[0, 1], [1, 2]]), SCORES[:2])
        with pytest.raises(ValueError, match="Triplet takes one partner for each row"):
            kim.losses.Triplet()(np.array([[0, 1], [1, 2]]), SCORES[:2])

    def test_margins_are_positive(self):
        with pytest.raises(ValueError, match="margin must be positive"):
            kim.losses.SemiHard(margin=0.0)


@pytest.mark.parametrize("make", [kim.losses.Triplet, kim.losses.LiftedStructure])
def test_margins_are_positive(make):
    with pytest.raises(ValueError, match="margin must be positive"):
        make(margin=0.0)


def test_lifted_structure_asks_no_more_than_the_margin():
    separated = 10.0 * np.eye(4, dtype="float32")
    assert float(kim.losses.LiftedStructure(margin=1.0)(np.arange(4), separated)) == 0
    # log(6 e^11) - 10, squared and halved: six negatives in the row and the column.
    demanding = float(kim.losses.LiftedStructure(margin=11.0)(np.arange(4), separated))
    assert demanding == pytest.approx((math.log(6) + 1) ** 2 / 2, rel=1e-5)
