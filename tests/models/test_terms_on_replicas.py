"""Terms and losses on two replicas: values and gradients of one device."""

import numpy as np
import pytest
import tensorflow as tf

import keras_infomax as kim

RNG = np.random.default_rng(0)
ROWS, SHARDS = 5, (3, 2)
CODE = RNG.normal(size=(ROWS, 4)).astype("float32")
OTHER_CODE = (CODE + 0.5 * RNG.normal(size=(ROWS, 4))).astype("float32")
SEQUENCE = RNG.normal(size=(ROWS, 3, 4)).astype("float32")
OTHER_SEQUENCE = RNG.normal(size=(ROWS, 3, 4)).astype("float32")

LOSSES = {
    "infonce": kim.losses.InfoNCE(),
    "infonce both ways": kim.losses.InfoNCE(axis=(0, 1)),
    "donsker_varadhan": kim.losses.DonskerVaradhan(),
    "jensen_shannon": kim.losses.JensenShannon(),
    "multi_class_n_pair": kim.losses.MultiClassNPair(),
    "triplet": kim.losses.Triplet(margin=0.5),
    "smooth triplet": kim.losses.Triplet(margin=None),
    "lifted_structure": kim.losses.LiftedStructure(),
}


def value_and_gradients(term, loss, x, y):
    with tf.GradientTape() as tape:
        tape.watch([x, y])
        partners, scores = term({"x": x, "y": y})
        value = loss(partners, scores)
    return value, tape.gradient(value, [x, y])


def assert_equal_on_replicas(strategy, term, loss, x, y):
    term.build({"x": x.shape, "y": y.shape})
    value, gradients = value_and_gradients(term, loss, tf.constant(x), tf.constant(y))
    shards = [
        strategy.experimental_distribute_values_from_function(
            lambda context, v=v: tf.constant(
                np.split(v, SHARDS[:1])[context.replica_id_in_sync_group]
            )
        )
        for v in (x, y)
    ]

    @tf.function
    def run():
        return strategy.run(
            lambda *views: value_and_gradients(term, loss, *views), args=shards
        )

    of_replicas, local = run()
    # Each replica's share of the loss is a half.
    for share in strategy.experimental_local_results(of_replicas):
        assert 2 * float(share) == pytest.approx(float(value), rel=1e-5, abs=1e-6)
    for expected, gradient in zip(gradients, local, strict=True):
        parts = strategy.experimental_local_results(gradient)
        np.testing.assert_allclose(
            np.concatenate(parts), expected, rtol=1e-4, atol=1e-6
        )
    assert np.abs(gradients[0]).max() > 1e-3


@pytest.mark.parametrize("name", list(LOSSES))
def test_every_loss(strategy, name):
    critic = "distance" if "triplet" in name else "inner_product"
    term = kim.Term("x", "y", critic)
    assert_equal_on_replicas(strategy, term, LOSSES[name], CODE, OTHER_CODE)


@pytest.mark.parametrize("negatives", kim.models.terms.NEGATIVES)
@pytest.mark.parametrize("name", ["infonce both ways", "donsker_varadhan"])
def test_sequences(strategy, negatives, name):
    term = kim.Term("x", "y", "inner_product", negatives=negatives)
    assert_equal_on_replicas(strategy, term, LOSSES[name], SEQUENCE, OTHER_SEQUENCE)


@pytest.mark.parametrize("name", ["infonce", "jensen_shannon"])
def test_all_locations_of_an_example(strategy, name):
    term = kim.Term("x", "y", "inner_product")
    assert_equal_on_replicas(strategy, term, LOSSES[name], CODE, OTHER_SEQUENCE)


def test_masked_negatives(strategy):
    mask = kim.losses.SemiHard(margin=5.0)
    term = kim.Term("x", "y", "distance", mask=mask)
    assert_equal_on_replicas(strategy, term, LOSSES["triplet"], CODE, OTHER_CODE)
