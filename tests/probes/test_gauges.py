"""Gauges without labels, against their definitions and on a collapsed encoder."""

import math

import keras
import numpy as np
import pytest

import keras_infomax as kim
from keras_infomax import probes

RNG = np.random.default_rng(0)
X = RNG.normal(size=(9, 5))
Y = RNG.normal(size=(9, 5))


def units(values):
    return values / np.linalg.norm(values, axis=1, keepdims=True)


def test_alignment_and_uniformity_are_their_definitions():
    a, b = units(X), units(Y)
    expected = np.mean([np.sum((p - q) ** 2) for p, q in zip(a, b, strict=True)])
    assert probes.alignment(X, 3 * Y) == pytest.approx(expected)
    terms = [
        math.exp(-1.5 * np.sum((a[i] - a[j]) ** 2)) for i in range(9) for j in range(i)
    ]
    found = probes.uniformity(2 * X, temperature=1.5)
    assert found == pytest.approx(math.log(np.mean(terms)))


def test_the_condition_of_the_covariance():
    generator = np.random.default_rng(0)
    columns = np.linalg.qr(generator.normal(size=(50, 4)))[0]
    # Orthogonal columns of mean zero have their own variances.
    columns = np.linalg.qr(columns - columns.mean(axis=0))[0]
    rotation = np.linalg.qr(generator.normal(size=(4, 4)))[0]
    encodings = columns @ np.diag([8.0, 4.0, 2.0, 1.0]) @ rotation + 3.0
    found = probes.covariance_log_condition(encodings)
    assert found == pytest.approx(np.log(64.0))
    # A direction without variance is left out.
    wider = np.concatenate([encodings, np.ones((50, 1))], axis=1)
    assert probes.covariance_log_condition(wider) == pytest.approx(found)
    assert probes.covariance_log_condition(np.ones((5, 2))) == 0.0


def test_effective_rank():
    values = np.array([4.0, 2.0, 1.0])
    left, right = np.linalg.qr(X)[0][:, :3], np.linalg.qr(Y)[0][:5, :3]
    right = np.linalg.qr(right)[0]
    p = values / 7
    expected = math.exp(-np.sum(p * np.log(p)))
    found = probes.effective_rank(left @ np.diag(values) @ right.T)
    assert found == pytest.approx(expected)
    assert probes.effective_rank(np.ones((6, 4))) == pytest.approx(1.0)
    assert probes.effective_rank(np.zeros((6, 4))) == 1.0


def test_dead_dimensions():
    values = X.copy()
    values[:, 1] = 1e6
    values[:, 3] = values[:, 0] * 1e-7
    assert probes.dead_dimensions(values[:, [0, 3, 2, 4]]) == 0.25
    assert probes.dead_dimensions(np.full((4, 3), 0.1)) == 1.0
    assert probes.dead_dimensions(X) == 0.0


def test_a_collapsed_encoder_is_seen_in_the_first_epoch():
    x = RNG.normal(size=(64, 6)).astype("float32")
    y = (x + 0.1 * RNG.normal(size=x.shape)).astype("float32")

    def logged(collapsed):
        keras.utils.set_random_seed(0)
        model = kim.InfoMax(kim.encoders.mlp((6,), (16,), 4), critic="inner_product")
        model.compile(keras.optimizers.SGD(1e-6), "infonce")
        if collapsed:
            last = model.encoder_x.layers[-1]
            last.set_weights([w * 1e-6 + i for i, w in enumerate(last.get_weights())])
        gauges = kim.callbacks.RepresentationGauges(x, y)
        history = model.fit((x, y), batch_size=32, verbose=0, callbacks=[gauges])
        assert gauges.history[0][0] == 0
        return {name: values[0] for name, values in history.history.items()}, model

    healthy, model = logged(False)
    collapsed, _ = logged(True)
    assert healthy["effective_rank"] > 2.5 > 1.01 > collapsed["effective_rank"]
    assert healthy["uniformity"] < -1 < -1e-3 < collapsed["uniformity"]
    assert healthy["dead_dimensions"] == 0
    assert collapsed["alignment"] < 1e-6 < healthy["alignment"]
    scores = np.array(model((x, y)))
    expected = np.mean(kim.bounds.infonce(scores)) / math.log(64)
    assert healthy["mi_over_ceiling"] == pytest.approx(expected, rel=1e-4)
    assert collapsed["mi_over_ceiling"] == pytest.approx(0, abs=1e-3)
    assert set(healthy) <= set(kim.measures.NAMES)
