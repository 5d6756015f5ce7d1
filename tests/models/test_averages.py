"""Averages over batches, against the algorithm of SogCLR written as loops."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_infomax as kim

RNG = np.random.default_rng(0)
EXAMPLES, ROWS, DIM = 9, 4, 3


def unit(vectors):
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


class Twin:
    """Algorithm 1, of both views of each image."""

    def __init__(self, momentum, temperature=0.5):
        self.averages = {}
        self.momentum = momentum
        self.temperature = temperature

    def gradients(self, views, index):
        """By the scores, `(rows, 2, rows, 2)`: of view l of i and view m of j."""
        of_scores = np.zeros((ROWS, 2, ROWS, 2))
        for i, view in np.ndindex(ROWS, 2):
            scores = unit(views) @ unit(views[i, view]) / self.temperature
            mean = np.exp(np.delete(scores, i, axis=0)).mean()
            key = index[i], view
            before = self.averages.get(key)
            self.averages[key] = (
                mean
                if before is None
                else self.momentum * before + (1 - self.momentum) * mean
            )
            of_scores[i, view] = np.exp(scores) / self.averages[key]
            of_scores[i, view] /= (ROWS - 1) * 2 * (2 * ROWS)
            of_scores[i, view, i] = 0
            of_scores[i, view, i, 1 - view] = -1 / (2 * ROWS)
        return of_scores


def made(momentum, **options):
    return kim.models.MovingAverageTerm(
        "views",
        "swapped",
        "index",
        EXAMPLES,
        momentum,
        critic=kim.critics.CosineCritic(0.5),
        **options,
    )


@pytest.mark.parametrize("momentum", [0.0, 0.6])
def test_gradients_are_those_of_the_algorithm(momentum):
    term, twin = made(momentum), Twin(momentum)
    for _ in range(4):
        views = RNG.normal(size=(ROWS, 2, DIM)).astype("float32")
        index = RNG.permutation(EXAMPLES)[:ROWS].astype("int32")
        with tf.GradientTape() as tape:
            variable = tf.Variable(views)
            encodings = {
                "views": variable,
                "swapped": tf.reverse(variable, [1]),
                "index": tf.constant(index),
            }
            pairs = term(encodings, training=True)
            loss = kim.losses.DecoupledInfoNCE()(*pairs)
            # The same scores, whose gradients are the twin's.
            of_scores = tf.constant(twin.gradients(views, index), "float32")
            units = tf.linalg.l2_normalize(variable, axis=-1)
            scores = tf.einsum("ild,jmd->iljm", units, units) / 0.5
            surrogate = tf.reduce_sum(of_scores * scores)
            both = tf.stack([loss, surrogate])
        found, expected = tape.jacobian(both, variable)
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)
        # Values are those of the batch.
        plain = kim.Term("views", "swapped", kim.critics.CosineCritic(0.5))
        np.testing.assert_allclose(pairs[1], plain(encodings)[1], rtol=1e-6)
    for (example, view), average in twin.averages.items():
        assert np.exp(term.log_averages[example, view]) == pytest.approx(
            average, rel=1e-5
        )


def test_evaluation_leaves_the_averages_alone():
    term = made(0.1)
    views = RNG.normal(size=(ROWS, 2, DIM)).astype("float32")
    # Held out: there need be no such examples.
    batch = {"views": views, "swapped": views[:, ::-1], "index": np.arange(50, 54)}
    partners, scores = term(batch, training=False)
    expected = kim.Term("views", "swapped", kim.critics.CosineCritic(0.5))(batch)
    np.testing.assert_array_equal(partners, expected[0])
    np.testing.assert_array_equal(scores, expected[1])
    assert (term.log_averages.numpy() < -1e29).all()
    with pytest.raises(ValueError, match="less than examples=9.* received 50 to 53"):
        term(batch, training=True)


IMAGES = RNG.random((24, 6, 6, 1), dtype="float32")


def batches(start_step=0, num_steps=6):
    def both(images):
        return images, 1 - images

    return kim.datasets.pairs(
        IMAGES, both, 6, start_step=start_step, num_steps=num_steps, index=True
    )


def model_of_images():
    sizes = {"encoding_dim": 6, "projection_units": (8, 5)}
    model = kim.methods.sogclr((6, 6, 1), 24, encoder="mlp", momentum=0.5, **sizes)
    model.compile(keras.optimizers.SGD(0.1), "decoupled_infonce")
    return model


@pytest.mark.slow
def test_a_model_resumes_where_it_stopped(tmp_path):
    whole, interrupted = model_of_images(), model_of_images()
    interrupted.set_weights(whole.get_weights())
    whole.fit(batches(), verbose=0)
    interrupted.fit(batches(num_steps=3), verbose=0)
    interrupted.save(tmp_path / "model.keras")
    resumed = keras.saving.load_model(tmp_path / "model.keras")
    resumed.fit(batches(3, 3), verbose=0)
    for a, b in zip(whole.get_weights(), resumed.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.slow
def test_replicas_average_as_one_device(strategy):
    def trained():
        keras.utils.set_random_seed(1)
        model = model_of_images()
        history = model.fit(batches(), verbose=0).history
        return model.get_weights(), history

    expected, expected_history = trained()
    with strategy.scope():
        weights, history = trained()
    for name, values in expected_history.items():
        np.testing.assert_allclose(history[name], values, rtol=1e-4, err_msg=name)
    for a, b in zip(expected, weights, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=2e-5)


@pytest.mark.slow
@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_half_precision_keeps_the_averages_in_float32(policy):
    keras.config.set_dtype_policy(policy)
    model = model_of_images()
    history = model.fit(batches(), verbose=0).history
    assert np.isfinite(history["loss"]).all()
    assert model.terms[0].log_averages.dtype == "float32"
    assert (model.terms[0].log_averages.numpy() > -10).all()
