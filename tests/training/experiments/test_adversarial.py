import functools
import math

import keras
import numpy as np
import pytest
import tensorflow as tf
from run_checks import assert_resumes

import keras_infomax as kim
from keras_infomax import datasets, encoders, training
from keras_infomax.training import runs
from keras_infomax.training.experiments import adversarial
from keras_infomax.training.experiments.adversarial import (
    HEAD_STEPS,
    AdversarialClassifier,
)

ROWS, CLASSES = 16, 4
SMALL = {
    "experiment": "adversarial",
    "encoder": "realnvp",
    "encoder_units": (8,),
    "batch_size": ROWS,
    "learning_rate": 1e-2,
    "warm_up_steps": 5,
    "steps": 6,
    "eval_every": 2,
}


@pytest.fixture(autouse=True)
def few_couplings(monkeypatch):
    flow = functools.partial(encoders.realnvp, couplings=4)
    monkeypatch.setitem(encoders.ENCODERS, "realnvp", flow)


def classifier(head_rate=0.02, encoder_rate=0.01):
    encoder = keras.Sequential([keras.Input((3,)), keras.layers.Dense(5)])
    model = AdversarialClassifier(encoder, CLASSES)
    model.compile(
        optimizer=keras.optimizers.Adam(encoder_rate),
        head_optimizer=keras.optimizers.Adam(head_rate),
    )
    return model


def rounds(batches, count=1, seed=0):
    """Elements of a data set, with views `(batches, rows, 3)`."""
    generator = np.random.default_rng(seed)
    views = generator.normal(size=(count, batches, ROWS, 3)).astype("float32")
    labels = generator.integers(CLASSES, size=(count, batches, ROWS))
    return tf.data.Dataset.from_tensor_slices((views, labels))


class NumpyAdam:
    """Adam as in its paper, with the epsilon where Keras puts it."""

    def __init__(self, rate, parameters):
        self.rate, self.parameters, self.step = rate, parameters, 0
        self.means = [np.zeros_like(p) for p in parameters]
        self.squares = [np.zeros_like(p) for p in parameters]

    def apply(self, gradients):
        self.step += 1
        rate = self.rate * np.sqrt(1 - 0.999**self.step) / (1 - 0.9**self.step)
        for p, m, s, g in zip(
            self.parameters, self.means, self.squares, gradients, strict=True
        ):
            m += 0.1 * (g - m)
            s += 0.001 * (g**2 - s)
            p -= rate * m / (np.sqrt(s) + 1e-7)


def test_a_round_is_that_of_a_twin_in_numpy():
    model = classifier()
    kernel, bias, head_kernel, head_bias = (
        w.astype("float64") for w in model.get_weights()
    )
    head_adam = NumpyAdam(0.02, [head_kernel, head_bias])
    encoder_adam = NumpyAdam(0.01, [kernel, bias])

    def gradient_of_logits(views, targets):
        logits = (views @ kernel + bias) @ head_kernel + head_bias
        softmax = np.exp(logits - logits.max(axis=1, keepdims=True))
        softmax /= softmax.sum(axis=1, keepdims=True)
        return (softmax - targets) / ROWS

    data = rounds(HEAD_STEPS + 1, count=2)
    for views, labels in data.as_numpy_iterator():
        for batch in range(HEAD_STEPS):
            gradient = gradient_of_logits(views[batch], np.eye(CLASSES)[labels[batch]])
            encodings = views[batch] @ kernel + bias
            head_adam.apply([encodings.T @ gradient, gradient.sum(axis=0)])
        gradient = gradient_of_logits(views[-1], np.full((ROWS, CLASSES), 1 / CLASSES))
        gradient = gradient @ head_kernel.T
        encoder_adam.apply([views[-1].T @ gradient, gradient.sum(axis=0)])
    model.fit(data, verbose=0)
    expected = [kernel, bias, head_kernel, head_bias]
    for weight, twin in zip(model.get_weights(), expected, strict=True):
        np.testing.assert_allclose(weight, twin, rtol=1e-4, atol=1e-5)


def test_the_head_learns_while_the_encoder_is_frozen():
    model = classifier(encoder_rate=0.0)
    encoder, head = (part.get_weights() for part in (model.encoder_x, model.head))
    model.fit(rounds(30), verbose=0)
    for before, after in zip(encoder, model.encoder_x.get_weights(), strict=True):
        np.testing.assert_array_equal(before, after)
    assert int(model.head.optimizer.iterations) == 29
    assert np.abs(head[0] - model.head.get_weights()[0]).max() > 0.1


def test_the_encoder_alone_moves_where_the_head_has_no_batch():
    model = classifier()
    encoder, head = (part.get_weights() for part in (model.encoder_x, model.head))
    model.fit(rounds(1), verbose=0)
    for before, after in zip(head, model.head.get_weights(), strict=True):
        np.testing.assert_array_equal(before, after)
    assert np.abs(encoder[0] - model.encoder_x.get_weights()[0]).max() > 0


@pytest.mark.parametrize("classes", [2, 10])
def test_the_loss_of_the_encoder_has_a_floor(classes):
    equal = np.full((5, classes), 3.0, "float32")
    random = np.random.default_rng(0).normal(size=(5, classes)).astype("float32")
    loss = adversarial.uniform_cross_entropy
    assert float(loss(equal)) == pytest.approx(math.log(classes), rel=1e-6)
    assert float(loss(random)) > math.log(classes) + 0.03
    naive = -np.mean(np.log(np.exp(random) / np.exp(random).sum(1, keepdims=True)))
    assert float(loss(random)) == pytest.approx(float(naive), rel=1e-5)


def test_both_optimizers_survive_checkpoints_and_files(tmp_path):
    model = classifier()
    model.optimizer.build(model.trainable_variables)
    model.fit(rounds(4), verbose=0)
    model.save_weights(tmp_path / "state.weights.h5")
    model.save(tmp_path / "model.keras")
    restored = classifier()
    restored.optimizer.build(restored.trainable_variables)
    restored.load_weights(tmp_path / "state.weights.h5")
    for copy in (restored, keras.saving.load_model(tmp_path / "model.keras")):
        for original, copied in (
            (model.optimizer, copy.optimizer),
            (model.head.optimizer, copy.head.optimizer),
        ):
            assert float(copied.learning_rate) == float(original.learning_rate)
            for a, b in zip(original.variables, copied.variables, strict=True):
                np.testing.assert_array_equal(a, b)
    more = rounds(6, count=3, seed=1)
    for each in (model, restored, copy):
        each.fit(more, verbose=0)
    for a, b, c in zip(
        *(m.get_weights() for m in (model, restored, copy)), strict=True
    ):
        np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(a, c)


def test_every_step_has_a_batch_of_its_own_and_the_first_round_warms_up(digits):
    settings = kim.training.Settings.resolve(SMALL)
    parts = adversarial.adversarial(settings, digits)
    elements = list(parts.batches(0, 3).as_numpy_iterator())
    assert [len(labels) for _, labels in elements] == [16, 11, 11]
    stream = datasets.labelled(
        digits.train_images, digits.train_labels, "halves", ROWS, num_steps=38
    )
    in_order = list(stream.as_numpy_iterator())
    for part in (0, 1):
        np.testing.assert_array_equal(
            np.concatenate([element[part] for element in elements]),
            np.stack([batch[part] for batch in in_order]),
        )
    resumed = list(parts.batches(1, 2).as_numpy_iterator())
    np.testing.assert_array_equal(resumed[1][0], elements[2][0])


def test_the_encoder_learns_a_hundredth_of_the_rate_of_the_head(digits):
    settings = kim.training.Settings.resolve(SMALL)
    model = adversarial.adversarial(settings, digits).model
    assert float(model.head.optimizer.learning_rate) == pytest.approx(1e-2)
    assert float(model.optimizer.learning_rate) == pytest.approx(1e-4)
    assert model.optimizer.epsilon == model.head.optimizer.epsilon == 1e-8


def test_couplings_are_affine_by_name():
    for name, affine in (("realnvp", False), ("realnvp_affine", True)):
        flow = encoders.get(name)((6,), (8,), couplings=2)
        assert flow.affine == affine


def test_a_run_resumes_and_ends_with_an_encoder_that_can_be_inverted(
    digits, tmp_path, monkeypatch
):
    workdir = assert_resumes(SMALL, digits, tmp_path, monkeypatch)
    rows = runs.read_metrics(workdir / "metrics.csv")
    assert [row["step"] for row in rows] == [0, 2, 4, 6]
    assert all(row["loss"] >= math.log(10) - 1e-6 for row in rows[1:])
    assert all(row["val_mi"] is None for row in rows)
    # A permutation of the pixels is as good as the pixels.
    assert rows[0]["probe_accuracy"] == pytest.approx(rows[0]["raw_baseline"], abs=0.03)
    model = keras.saving.load_model(workdir / "model.keras")
    assert int(model.optimizer.iterations) == 6
    assert int(model.head.optimizer.iterations) == 5 + 6 * HEAD_STEPS
    views, _ = kim.views.Halves()(datasets.to_float(digits.test_images))
    kernels = model.encoder_x.kernels
    assert max(float(np.abs(kernel).max()) for kernel in kernels) > 3e-4  # Of 1e-4.
    restored = model.encoder_x.inverse(model.encoder_x(views))
    np.testing.assert_allclose(restored, views, atol=1e-5)


def test_unlabelled_images_and_a_bad_warm_up_meet_a_clear_error(digits, tmp_path):
    unlabelled = datasets.from_arrays(
        (digits.train_images, None), (digits.test_images, None), name="unlabelled"
    )
    with pytest.raises(ValueError, match="'adversarial' needs labels.*'unlabelled'"):
        training.train(SMALL, tmp_path, unlabelled)
    with pytest.raises(ValueError, match="config.warm_up_steps must be an integer"):
        training.train({**SMALL, "warm_up_steps": -1}, tmp_path, digits)
