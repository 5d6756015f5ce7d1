import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_infomax as kim
from keras_infomax.saved_model import traces

KERNEL = np.arange(12, dtype="float32").reshape(4, 3)


class Traced(tf.Module):
    """Linear; tripled in training."""

    def __init__(self):
        super().__init__()
        self.kernel = tf.Variable(KERNEL, name="kernel")

    @tf.function
    def __call__(self, inputs, training=False):
        encodings = tf.cast(inputs, tf.float32) @ self.kernel
        if isinstance(training, tf.Tensor):
            return tf.where(training, 3 * encodings, encodings)
        return 3 * encodings if training else encodings


def saved(path, *signatures):
    """Folder of a SavedModel that was traced for these signatures only."""
    module = Traced()
    for shape, dtype, training in signatures:
        module.__call__.get_concrete_function(
            tf.TensorSpec(shape, dtype), training=training
        )
    tf.saved_model.save(module, str(path))
    return path


def test_batches_of_unknown_size_take_the_trace_for_any(tmp_path):
    sizes = [(8, 4), (32, 4), (None, 4)]
    layer = kim.HubEncoder(
        saved(tmp_path / "s", *[(s, "float32", False) for s in sizes]), trainable=False
    )
    for rows in (5, 8):
        views = np.ones((rows, 4), "float32")
        np.testing.assert_array_equal(layer(views), views @ KERNEL)
    model = keras.Sequential([keras.Input((4,)), layer, keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    # Batches of 3, 3 and 1 rows, none of which has a trace of its own.
    model.fit(np.ones((7, 4)), np.ones((7, 1)), batch_size=3, verbose=0)
    assert model.predict(np.ones((9, 4)), batch_size=4, verbose=0).shape == (9, 1)


def test_each_dtype_takes_its_trace(tmp_path):
    path = saved(
        tmp_path / "s", ((None, 4), "uint8", False), ((None, 4), "float32", False)
    )
    layer = kim.HubEncoder(path, trainable=False)
    for dtype in ("uint8", "float32", "float64", "int32"):
        views = np.full((2, 4), 1.5).astype(dtype)
        np.testing.assert_array_equal(layer(views), views @ KERNEL)


@pytest.mark.parametrize("by", ["constants", "tensor"])
def test_the_mode_is_a_constant_or_a_tensor(by, tmp_path):
    modes = (True, False) if by == "constants" else (tf.TensorSpec((), tf.bool),)
    path = saved(tmp_path / "s", *[((None, 4), "float32", mode) for mode in modes])
    layer = kim.HubEncoder(path)
    views = np.ones((2, 4), "float32")
    np.testing.assert_array_equal(layer(views), views @ KERNEL)
    np.testing.assert_array_equal(layer(views, training=True), 3 * views @ KERNEL)
    frozen = kim.HubEncoder(path, trainable=False)
    np.testing.assert_array_equal(frozen(views, training=True), views @ KERNEL)
    assert len(layer.trainable_variables) == 1


def test_sizes_in_which_traces_differ_are_unknown(tmp_path):
    path = saved(tmp_path / "s", ((8, 4), "float32", False), ((2, 4), "float32", False))
    found = traces.of(tf.saved_model.load(str(path)).__call__, "s")
    assert traces.view_of(found).shape == (None, 4)
    assert [trace.training for trace in found] == [False, False]
    with pytest.raises(
        ValueError, match=r"inputs must be float32 \(2, 4\) or .* \(8, 4\)"
    ):
        traces.choose(found, tf.ones((3, 4)), training=False)
