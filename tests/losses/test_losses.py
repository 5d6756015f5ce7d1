import math

import keras
import numpy as np
import pytest
from conftest import BACKEND
from gradient_checks import array, dtype_of, gradient, value_and_gradient
from keras import ops

from keras_infomax import bounds, losses

pytestmark = pytest.mark.backends

SCORES = np.random.default_rng(0).normal(0, 2, (6, 8)).astype("float32")
PARTNERS = np.array([3, 1, 0, 7, 5, 2])


def test_losses_negate_the_mean_bound():
    for loss, bound in ((losses.InfoNCE(), bounds.infonce), (losses.NWJ(), bounds.nwj)):
        expected = -float(ops.mean(bound(SCORES, PARTNERS)))
        assert float(loss(PARTNERS, SCORES)) == pytest.approx(expected, rel=1e-6)
        estimate = float(loss.estimate(PARTNERS, SCORES))
        assert estimate == pytest.approx(-expected, rel=1e-6)


@pytest.mark.parametrize("name", ["infonce", "nwj"])
@pytest.mark.parametrize("target", [0.25, 1.75])
def test_target_loss_is_the_distance_to_the_target(name, target):
    estimate = -float(losses.get(name)(PARTNERS, SCORES))
    loss = losses.TargetLoss(name, target)
    assert float(loss(PARTNERS, SCORES)) == pytest.approx(abs(estimate - target))
    assert float(loss.estimate(PARTNERS, SCORES)) == pytest.approx(estimate)


def test_target_loss_pulls_from_both_sides():
    gradients = {}
    for target in (0.01, 1.3):
        loss = losses.TargetLoss(losses.InfoNCE(), target)
        gradients[target] = gradient(
            lambda scores, loss=loss: loss(np.arange(4), scores),
            np.eye(4, dtype="float32"),
        )
    assert gradients[1.3][0, 0] < 0 < gradients[0.01][0, 0]
    np.testing.assert_allclose(gradients[0.01], -gradients[1.3], rtol=1e-6)


def test_target_above_the_ceiling_names_the_batch_size_needed():
    loss = losses.TargetLoss("infonce", target=4.0)
    with pytest.raises(ValueError, match="batch size of at least 55"):
        loss(np.arange(8), np.zeros((8, 8), "float32"))
    assert float(loss(np.arange(55), np.zeros((55, 55), "float32"))) == pytest.approx(4)
    with pytest.raises(ValueError, match="batch size of at least e.1000, a lower"):
        losses.TargetLoss("infonce", target=1000.0).check_reachable(8)


def test_nwj_reaches_targets_above_log_columns():
    scores = np.full((2, 2), -30, "float32") + 40 * np.eye(2, dtype="float32")
    assert float(losses.TargetLoss("nwj", 4.0)([0, 1], scores)) == pytest.approx(6.0)


def test_ceilings():
    assert losses.InfoNCE().ceiling(128) == pytest.approx(math.log(128))
    assert losses.TargetLoss("infonce", 2).ceiling(16) == pytest.approx(math.log(16))
    assert losses.NWJ().ceiling(128) == math.inf


def test_axes_of_infonce():
    scores, partners = SCORES[:, :6], np.array([3, 1, 0, 5, 4, 2])
    by_row = float(ops.mean(bounds.infonce(scores, partners)))
    by_column = float(ops.mean(bounds.infonce(scores, partners, axis=0)))
    assert abs(by_row - by_column) > 0.01
    for axis, expected in (
        (1, by_row),
        (0, by_column),
        ((0, 1), (by_row + by_column) / 2),
    ):
        loss = losses.InfoNCE(axis=axis)
        assert float(loss(partners, scores)) == pytest.approx(-expected, rel=1e-5)
    with pytest.raises(ValueError, match=r"axis must be 1, 0 or \(0, 1\)"):
        losses.InfoNCE(axis=2)


@pytest.mark.parametrize("target", [0, -1.0, math.inf, math.nan, None, "2"])
def test_targets_must_be_positive(target):
    with pytest.raises(ValueError, match="target must be positive and finite.*nats"):
        losses.TargetLoss("nwj", target)


def test_unknown_bound_suggests_the_nearest():
    with pytest.raises(ValueError, match="Did you mean 'infonce'"):
        losses.TargetLoss("info_nce", 2.0)


@pytest.mark.parametrize(
    "loss",
    [
        losses.InfoNCE(name="first"),
        losses.InfoNCE(axis=(0, 1)),
        losses.NWJ(),
        losses.TargetLoss(losses.NWJ(name="inner"), 1.5, name="held"),
    ],
)
def test_configs_round_trip(loss):
    copy = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(loss)
    )
    assert type(copy) is type(loss)
    assert copy.get_config() == loss.get_config()
    assert float(copy(PARTNERS, SCORES)) == float(loss(PARTNERS, SCORES))


def test_half_precision_scores_are_computed_in_float32():
    keras.config.set_dtype_policy("mixed_float16")
    value = losses.InfoNCE()(PARTNERS, SCORES.astype("float16"))
    assert dtype_of(value) == "float32"
    rounded = SCORES.astype("float16").astype("float32")
    expected = -float(ops.mean(bounds.infonce(rounded, PARTNERS)))
    assert float(value) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "mixed_bfloat16"])
def test_a_half_precision_dtype_does_not_round_partners(dtype):
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(8, 3000)).astype("float32")
    partners = np.arange(2989, 2997)  # Odd ones exist in neither dtype.
    expected = -float(ops.mean(bounds.infonce(scores, partners)))
    value = losses.InfoNCE(dtype=dtype)(partners, scores)
    assert float(value) == pytest.approx(expected, rel=1e-6)


OF_SCORES = [n for n in losses.LOSSES if isinstance(losses.get(n), losses.ScoreLoss)]


@pytest.mark.parametrize("name", OF_SCORES)
def test_rows_that_count_nothing_make_a_loss_of_zero(name):
    partners = np.array([3, 1, 0, 5, 4, 2])
    value, found = value_and_gradient(
        lambda s: losses.get(name)(partners, s, sample_weight=np.zeros(6)),
        SCORES[:, :6],
    )
    assert value == 0
    assert np.isfinite(found).all()


@pytest.mark.parametrize("name", ["infonce", "nwj", "jensen_shannon", "triplet"])
def test_weights_of_rows_are_those_of_keras(name):
    weights = np.array([0.5, 0.0, 2.0, 1.0, 3.0, 0.25], "float32")
    loss = losses.get(name)
    # No negatives are shared: the loss of a row is that of the row alone.
    by_row = [float(loss(PARTNERS[i : i + 1], SCORES[i : i + 1])) for i in range(6)]
    expected = np.mean(weights * by_row)
    found = float(loss(PARTNERS, SCORES, sample_weight=weights))
    assert found == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("weights", [3.0, np.full((6, 1), 3.0), [3] * 6])
def test_one_weight_multiplies_the_loss_in_whatever_shape_it_is_given(weights):
    loss = losses.InfoNCE()
    expected = 3 * float(loss(PARTNERS, SCORES))
    found = float(loss(PARTNERS, SCORES, sample_weight=weights))
    assert found == pytest.approx(expected, rel=1e-5)
    if BACKEND == "tensorflow":
        import tensorflow as tf

        graph = tf.function(
            lambda scores: loss(PARTNERS, scores, sample_weight=weights),
            input_signature=[tf.TensorSpec([None, SCORES.shape[1]])],
        )
        assert float(graph(SCORES)) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    "weights",
    [np.ones(5), np.ones(1), np.ones((1, 6)), "6", np.ma.masked_less(np.arange(6), 1)],
    ids=str,
)
def test_what_are_no_weights_of_rows_is_refused(weights):
    with pytest.raises(ValueError, match="sample_weight must be .*; received"):
        losses.InfoNCE()(PARTNERS, SCORES, sample_weight=weights)


def test_a_weight_of_a_row_is_that_of_all_its_partners():
    partners = np.array([[0, 1], [2, 5]])
    weights = np.array([3.0, 1.0], "float32")
    by_row = np.mean(array(bounds.infonce(SCORES[:2], partners)), axis=1)
    loss = losses.InfoNCE()
    found = float(loss(partners, SCORES[:2], sample_weight=weights))
    assert found == pytest.approx(-np.mean(weights * by_row), rel=1e-5)
    estimate = float(loss.estimate(partners, SCORES[:2], weights))
    assert estimate == pytest.approx(np.average(by_row, weights=weights), rel=1e-5)


def test_a_target_may_be_the_ceiling_itself():
    loss = losses.TargetLoss("infonce", math.log(4))
    assert float(loss(range(4), 1e4 * np.eye(4))) == pytest.approx(0, abs=1e-6)
