"""Directions of encodings, and their gradients where there are none."""

import numpy as np
import pytest
from gradient_checks import array, dtype_of, gradient
from keras import ops

import keras_infomax as kim

pytestmark = pytest.mark.backends

RNG = np.random.default_rng(0)


def test_encodings_are_scaled_to_length_one(wide):
    x = RNG.normal(scale=7, size=(5, 3))
    expected = x / np.linalg.norm(x, axis=1, keepdims=True)
    np.testing.assert_allclose(kim.encoders.unit(x), expected, rtol=1e-12)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_neither_vanishes_nor_overflows(dtype):
    x = ops.cast(np.array([[3e-4, 4e-4], [300.0, 400.0]], "float32"), dtype)
    found = kim.encoders.unit(x)
    assert dtype_of(found) == "float32"
    np.testing.assert_allclose(found, [[0.6, 0.8]] * 2, rtol=1e-2)


def test_what_is_no_number_stays_none():
    found = array(kim.encoders.unit([[np.nan, 1.0], [3.0, 4.0]]))
    assert np.isnan(found[0]).all()
    np.testing.assert_allclose(found[1], [0.6, 0.8], rtol=1e-6)


@pytest.mark.parametrize("length", [0.0, 1e-9])
def test_what_has_no_direction_has_no_gradient(length):
    """An encoder whose ReLU units are all dead for a row."""
    x = np.array([[length, 0.0], [1.0, 2.0]], "float32")
    critic, loss = kim.critics.CosineCritic(0.5), kim.losses.InfoNCE()
    np.testing.assert_array_equal(critic(x, x)[0], [0, 0])
    found = gradient(lambda x: loss([0, 1], critic(x, x)), x)
    np.testing.assert_array_equal(found[0], [0, 0])
    assert np.isfinite(found).all()
