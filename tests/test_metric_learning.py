"""Metric learning on scores: definitions, identities, and masks."""

import math

import numpy as np
import pytest
import tensorflow as tf

import keras_infomax as kim

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
    estimate = float(np.mean(kim.bounds.infonce(SCORES, PARTNERS)))
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
    scores = tf.constant([[2.0, 0.0, 5.0], [1.0, 2.0, 1.9], [0.0, 0.0, 1.0]])
    with tf.GradientTape() as tape:
        tape.watch(scores)
        masked = kim.masks.SemiHard(margin=0.2)(tf.range(3), scores)
        value = loss(tf.range(3), masked)
    gradient = tape.gradient(value, scores)
    kept = np.array([[1, 0, 0], [0, 1, 1], [0, 0, 1]], bool)
    np.testing.assert_array_equal(np.isfinite(masked), kept)
    alone = loss([0], scores[1:2, 1:])
    assert float(value) == pytest.approx(float(alone) / 3, rel=1e-5)
    assert np.isfinite(gradient).all()
    np.testing.assert_array_equal(gradient[0], [0, 0, 0])


@pytest.mark.parametrize("make", [kim.losses.Triplet, kim.losses.LiftedStructure])
def test_margins_are_positive(make):
    with pytest.raises(ValueError, match="margin must be positive"):
        make(margin=0.0)
