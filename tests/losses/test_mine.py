"""The state of MINE belongs to the model: it is saved with it, and with no other."""

import keras
import numpy as np
import pytest

import keras_infomax as kim
from keras_infomax import backends

pytestmark = pytest.mark.backends

RNG = np.random.default_rng(0)
X = RNG.normal(size=(64, 4)).astype("float32")
Y = (X + 0.5 * RNG.normal(size=X.shape)).astype("float32")


def compiled(loss):
    keras.utils.set_random_seed(0)
    model = kim.InfoMax(
        kim.encoders.mlp((4,), (8,), 4), kim.encoders.mlp((4,), (8,), 4), "separable"
    )
    model.compile(keras.optimizers.SGD(0.1), loss)
    return model


def fit(model, epochs):
    model.fit((X, Y), batch_size=16, epochs=epochs, shuffle=False, verbose=0)


@pytest.mark.parametrize("held", [False, True])
def test_a_saved_model_goes_on_as_if_it_had_not_been(tmp_path, held):
    loss = kim.losses.TargetLoss("mine", 2.0) if held else kim.losses.MINE()
    model = compiled(loss)
    fit(model, 2)
    state = [float(v) for v in loss.variables]
    assert state[1] == 1
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert [float(v) for v in loaded.loss.variables] == state
    model.evaluate((X, Y), batch_size=16, verbose=0)
    assert [float(v) for v in loss.variables] == state
    fit(model, 1)
    fit(loaded, 1)
    for found, expected in zip(loaded.weights, model.weights, strict=True):
        np.testing.assert_array_equal(found, expected)
    # Without the state it goes elsewhere.
    other = keras.saving.load_model(tmp_path / "model.keras")
    for variable in other.loss.variables:
        variable.assign(np.zeros(()))
    fit(other, 1)
    pairs = zip(other.get_weights(), model.get_weights(), strict=True)
    assert any(np.abs(a - b).max() > 0 for a, b in pairs)


@pytest.mark.skipif(backends.keras_before(3, 10), reason="needs Keras 3.10")
@pytest.mark.backends("tensorflow")
def test_a_loss_that_was_made_outside_of_the_scope_is_refused():
    import tensorflow as tf

    loss = kim.losses.MINE()
    with tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]).scope():
        model = compiled(loss)
        with pytest.raises(ValueError, match="made in the scope of the strategy"):
            fit(model, 1)
