"""Checks that every layer of the package must pass."""

import keras
import numpy as np
from gradient_checks import array


def check_layer(layer, *inputs):
    """Shape, symbolic shape, dtype policy, config and `.keras` round trip."""
    outputs = keras.ops.convert_to_numpy(layer(*inputs))
    symbolic = layer(*(keras.KerasTensor(np.shape(value)) for value in inputs))
    assert symbolic.shape == outputs.shape
    _check_config(layer, inputs, outputs)
    _check_half_precision(layer, inputs, outputs)


def _check_config(layer, inputs, outputs):
    serialized = keras.saving.serialize_keras_object(layer)
    assert serialized["registered_name"].startswith("keras_infomax>")
    copy = keras.saving.deserialize_keras_object(serialized)
    assert copy.get_config() == layer.get_config()
    copy(*inputs)
    copy.set_weights(layer.get_weights())
    np.testing.assert_array_equal(array(copy(*inputs)), outputs)


def _check_half_precision(layer, inputs, outputs):
    config = {**layer.get_config(), "dtype": "mixed_bfloat16"}
    half = type(layer).from_config(config)
    half(*inputs)
    half.set_weights(layer.get_weights())
    result = half(*inputs)
    assert keras.backend.standardize_dtype(result.dtype) == "bfloat16"
    assert {weight.dtype for weight in half.weights} <= {"float32"}
    result = keras.ops.convert_to_numpy(keras.ops.cast(result, "float32"))
    scale = np.abs(outputs).max()
    np.testing.assert_allclose(result / scale, outputs / scale, atol=0.05)


def check_saving(model, inputs, folder):
    """A model of one layer comes back from `.keras` with equal outputs."""
    expected = keras.ops.convert_to_numpy(model(inputs))
    path = folder / "model.keras"
    model.save(path)
    loaded = keras.saving.load_model(path)
    np.testing.assert_array_equal(array(loaded(inputs)), expected)
    return loaded
