import gc
import json

import keras
import numpy as np
import pytest
import tensorflow as tf
import tf_keras
from export_checks import (
    L2,
    TRAINABLE,
    VIEW,
    hub,
    make_views,
    moved,
    snapshot,
    statistics,
)
from keras import layers, ops

import keras_infomax as kim
from keras_infomax import backends, saved_model
from keras_infomax.saved_model import archives, hub_encoder

# Fine-tuning.


@pytest.mark.parametrize("trainable", [True, False])
def test_tf_keras_fine_tunes_or_freezes(exported, trainable):
    layer = hub.KerasLayer(exported, trainable=trainable)
    model = tf_keras.Sequential([layer, tf_keras.layers.Dense(2)])
    model.compile("adam", "mse")
    before, statistics_before = snapshot(layer.variables), snapshot(statistics(layer))
    model.fit(make_views(32), np.zeros((32, 2)), batch_size=8, verbose=0)
    assert len(layer.trainable_variables) == (TRAINABLE if trainable else 0)
    # Seven weights, two statistics and the seed of dropout.
    assert moved(before, layer.variables) == [trainable] * 10
    assert moved(statistics_before, statistics(layer)) == [trainable] * 2
    kernel = next(v for v in layer.variables if v.shape == (24, 16)).numpy()
    expected = L2 * np.sum(kernel**2) if trainable else 0.0
    np.testing.assert_allclose(sum(layer.losses), expected, rtol=1e-5)


@pytest.mark.parametrize("jit_compile", [False, True])
def test_loaded_layer_fine_tunes(exported, jit_compile, tmp_path):
    layer = saved_model.load(exported)
    model = keras.Sequential([layer, layers.Dense(2)])
    model.compile("adam", "mse", jit_compile=jit_compile)
    before, statistics_before = snapshot(layer.variables), snapshot(statistics(layer))
    views, targets = make_views(32), np.zeros((32, 2))
    model.fit(views, targets, batch_size=8, verbose=0)
    assert len(layer.trainable_variables) == TRAINABLE
    assert moved(before, layer.variables) == [True] * 10
    assert moved(statistics_before, statistics(layer)) == [True] * 2

    model.save_weights(tmp_path / "tuned.weights.h5")
    other = keras.Sequential([saved_model.load(exported), layers.Dense(2)])
    other(views)
    other.load_weights(tmp_path / "tuned.weights.h5")
    np.testing.assert_array_equal(other(views), model(views))


def test_frozen_layer_does_not_move(exported):
    layer = saved_model.load(exported, trainable=False)
    model = keras.Sequential([layer, layers.Dense(2)])
    model.compile("adam", "mse")
    before = snapshot(layer.variables)
    model.fit(make_views(32), np.zeros((32, 2)), batch_size=8, verbose=0)
    assert moved(before, layer.variables) == [False] * 10
    assert len(model.trainable_variables) == 2
    assert model.losses == []
    views = make_views(8)
    np.testing.assert_array_equal(layer(views, training=True), layer(views))


def test_freezing_and_unfreezing_after_loading(exported):
    layer = saved_model.load(exported, trainable=False)
    model = keras.Sequential([layer, layers.Dense(2)])
    model(make_views(1))
    layer.trainable = True
    assert len(model.trainable_variables) == TRAINABLE + 2
    layer.trainable = False
    assert len(model.trainable_variables) == 2


def test_regularization_is_carried_into_the_loss(exported):
    layer = saved_model.load(exported)
    model = keras.Sequential([layer, layers.Dense(2, kernel_initializer="zeros")])
    model.compile("sgd", "mse")
    kernel = next(v for v in layer.variables if v.shape == (24, 16)).numpy()
    expected = L2 * np.sum(kernel**2)
    np.testing.assert_allclose(sum(layer.losses), expected, rtol=1e-5)
    # The error of this model is zero, so that its loss is the regularisation alone.
    loss = model.evaluate(make_views(8), np.zeros((8, 2)), verbose=0)
    np.testing.assert_allclose(loss, expected, rtol=1e-5)


@pytest.mark.skipif(backends.keras_before(3, 10), reason="needs Keras 3.10")
def test_stock_layer_of_keras_fine_tunes_as_the_readme_says(exported):
    layer = layers.TFSMLayer(
        exported, call_endpoint="serve", call_training_endpoint="serve_training"
    )
    model = keras.Sequential([layer, layers.Dense(2)])
    views = make_views(32)
    model(views)
    model.compile("adam", "mse")
    model.optimizer.build(model.trainable_variables)
    before = snapshot(layer.variables)
    model.fit(views, np.zeros((32, 2)), batch_size=8, verbose=0)
    assert moved(before, layer.variables) == [True] * 10


# The layer among other layers.


def test_layer_in_a_functional_model_knows_its_shapes(exported):
    inputs = keras.Input(VIEW)
    encodings = saved_model.load(exported)(inputs)
    assert encodings.shape == (None, 5)
    assert keras.Model(inputs, layers.Dense(3)(encodings)).output_shape == (None, 3)
    with pytest.raises(ValueError, match="incompatible with the layer"):
        saved_model.load(exported)(np.zeros((2, 5, 4, 1), "float32"))


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_layer_under_mixed_precision_encodes_in_float32(exported, policy):
    views = make_views(8)
    expected = saved_model.load(exported)(views)
    keras.config.set_dtype_policy(policy)
    encodings = saved_model.load(exported)(views)
    assert encodings.dtype == policy.removeprefix("mixed_")
    np.testing.assert_array_equal(encodings, ops.cast(expected, encodings.dtype))


def test_layer_round_trips(exported, tmp_path):
    layer = saved_model.load(exported, trainable=False)
    config = json.loads(json.dumps(layer.get_config()))
    copy = kim.HubEncoder.from_config(config)
    assert copy.get_config() == layer.get_config()
    assert not copy.trainable

    tuned = saved_model.load(exported)
    model = keras.Sequential([tuned, layers.Dense(2)])
    model.compile("adam", "mse")
    model.fit(make_views(8), np.zeros((8, 2)), verbose=0)
    model.save(tmp_path / "classifier.keras")
    loaded = keras.saving.load_model(tmp_path / "classifier.keras")
    np.testing.assert_array_equal(loaded(make_views(8)), model(make_views(8)))


def test_model_with_a_loaded_encoder_exports_again(exported, tmp_path):
    model = keras.Sequential([saved_model.load(exported), layers.Dense(3)])
    expected = model(make_views(4))
    saved_model.export(model, tmp_path / "again")
    again = tf.saved_model.load(str(tmp_path / "again"))
    np.testing.assert_array_equal(again(make_views(4)), expected)
    assert len(again.trainable_variables) == TRAINABLE + 2
    np.testing.assert_allclose(
        again.regularization_losses[0](), sum(model.losses), rtol=1e-6
    )


# What is loaded must be an export.


def test_folder_without_export_is_refused(tmp_path):
    with pytest.raises(ValueError, match="which holds none"):
        saved_model.load(tmp_path)
    with pytest.raises(ValueError, match="which holds none"):
        saved_model.load(tmp_path / "absent")


def test_export_by_keras_is_refused(encoder, tmp_path):
    encoder.export(tmp_path / "encoder", verbose=False)
    with pytest.raises(ValueError, match="without __call__") as error:
        saved_model.load(tmp_path / "encoder")
    assert "keras_infomax.saved_model.export" in str(error.value)


# SavedModels of others.


class Linear(tf.Module):
    """No list of variables, no training mode."""

    def __init__(self):
        super().__init__()
        self.kernel = tf.Variable(tf.random.stateless_normal((4, 3), (0, 1)))
        self.offset = tf.Variable(tf.ones(3))  # Of the same name.
        self.count = tf.Variable(1.0, trainable=False, name="count")

    @tf.function(input_signature=[tf.TensorSpec((None, 4))])
    def __call__(self, inputs):
        return (inputs @ self.kernel + self.offset) * self.count


class Standardising(Linear):
    """With statistics that move in training, and two outputs."""

    def __init__(self):
        super().__init__()
        self.mean = tf.Variable(tf.zeros(4), trainable=False, name="mean")
        for training in (True, False):
            spec = tf.TensorSpec((None, 4))
            self.__call__.get_concrete_function(spec, training=training)

    @tf.function
    def __call__(self, inputs, training=False):
        if training:
            self.mean.assign_add(tf.reduce_mean(inputs, 0))
        return {"encoding": (inputs - self.mean) @ self.kernel, "inputs": inputs}


def make_tf_keras():
    return tf_keras.Sequential(
        [
            tf_keras.layers.Dense(3, input_shape=(4,), kernel_regularizer="l2"),
            tf_keras.layers.BatchNormalization(),
            tf_keras.layers.Dropout(0.5),
        ]
    )


class Subclassed(tf_keras.Model):
    def __init__(self):
        super().__init__()
        self.dense = tf_keras.layers.Dense(3)

    def call(self, inputs):
        return self.dense(inputs)


def save(saved, path):
    if isinstance(saved, tf_keras.Model):
        saved(np.zeros((1, 4), "float32"))
        saved.save(path, save_format="tf")
    else:
        tf.saved_model.save(saved, str(path))


@pytest.mark.parametrize("archive", [False, True], ids=["folder", "archive"])
@pytest.mark.parametrize("trainable", [False, True], ids=["frozen", "trainable"])
@pytest.mark.parametrize(
    ("make", "tuned", "moving"),
    [(Linear, 2, 2), (Standardising, 1, 2), (make_tf_keras, 4, 6), (Subclassed, 2, 2)],
)
def test_saved_models_of_others(make, tuned, moving, trainable, archive, tmp_path):
    original, handle = make(), tmp_path / "saved"
    save(original, handle)
    if archive:
        archives.pack(handle, tmp_path / "saved.tar.gz")
        handle = tmp_path / "saved.tar.gz"
    layer = kim.HubEncoder(handle, trainable=trainable)
    inputs = np.random.default_rng(0).random((16, 4), "float32")

    def encode(call):
        outputs = call(inputs)
        return outputs["encoding"] if isinstance(outputs, dict) else outputs

    np.testing.assert_allclose(encode(layer), encode(original), rtol=0, atol=1e-6)
    assert len(layer.trainable_variables) == (tuned if trainable else 0)

    symbolic = keras.Input((4,))
    outputs = layer(symbolic)
    encodings = outputs["encoding"] if isinstance(outputs, dict) else outputs
    assert encodings.shape == (None, 3)
    model = keras.Model(symbolic, layers.Dense(2)(encodings))
    model.compile("adam", "mse")
    before = snapshot(layer.variables)
    model.fit(inputs, np.zeros((16, 2)), batch_size=8, verbose=0)
    assert sum(moved(before, layer.variables)) == (moving if trainable else 0)

    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(loaded(inputs), model(inputs), rtol=1e-6)


def test_regularization_of_tf_keras_counts(tmp_path):
    original = make_tf_keras()
    save(original, tmp_path / "saved")
    layer = kim.HubEncoder(tmp_path / "saved")
    np.testing.assert_allclose(layer.losses, original.losses, rtol=1e-6)
    assert kim.HubEncoder(tmp_path / "saved", trainable=False).losses == []


def test_files_of_an_archive_last_as_long_as_the_layer(exported, tmp_path, monkeypatch):
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(hub_encoder.tempfile, "tempdir", str(scratch))
    archives.pack(exported, tmp_path / "x.tar.gz")
    layer = kim.HubEncoder(tmp_path / "x.tar.gz")
    assert len(list(scratch.glob("*/unpacked/saved_model.pb"))) == 1
    del layer
    gc.collect()
    assert list(scratch.iterdir()) == []


class AnyShape(tf.Module):
    def __init__(self):
        super().__init__()
        self.scale = tf.Variable(2.0)

    @tf.function(input_signature=[tf.TensorSpec(None)])
    def __call__(self, inputs):
        return inputs * self.scale


def test_inputs_may_be_of_any_rank(tmp_path):
    save(AnyShape(), tmp_path / "saved")
    layer = kim.HubEncoder(tmp_path / "saved")
    for shape in ((2,), (2, 3), (2, 3, 4)):
        np.testing.assert_array_equal(layer(np.ones(shape)), np.full(shape, 2))
    model = keras.Sequential([keras.Input((3,)), layer])
    assert model.output_shape == (None, 3)


class Words(tf.Module):
    """Takes texts, and reads its vocabulary from an asset."""

    def __init__(self, vocabulary):
        super().__init__()
        words = tf.lookup.TextFileInitializer(
            str(vocabulary), tf.string, 0, tf.int64, tf.lookup.TextFileIndex.LINE_NUMBER
        )
        self.rows = tf.lookup.StaticHashTable(words, default_value=2)
        self.encodings = tf.Variable(tf.random.stateless_normal((3, 4), (0, 1)))

    @tf.function(input_signature=[tf.TensorSpec((None,), tf.string)])
    def __call__(self, inputs):
        return tf.gather(self.encodings, self.rows.lookup(inputs))


def test_texts_are_encoded_and_assets_come_along_in_an_archive(tmp_path):
    (tmp_path / "words").write_text("apple\npear\n")
    module = Words(tmp_path / "words")
    save(module, tmp_path / "saved")
    archives.pack(tmp_path / "saved", tmp_path / "saved.tar.gz")
    (tmp_path / "words").unlink()
    layer = kim.HubEncoder(tmp_path / "saved.tar.gz")
    model = keras.Sequential([keras.Input((), dtype="string"), layer, layers.Dense(1)])
    texts = tf.constant(["pear", "plum"])
    expected = module.encodings.numpy()[[1, 2]]
    np.testing.assert_array_equal(layer(texts), expected)
    model.compile("sgd", "mse")
    model.fit(texts, np.ones((2, 1)), verbose=0)
    assert ((layer(texts) != expected).numpy()).all()
    np.testing.assert_array_equal(layer(tf.constant(["apple"]))[0], module.encodings[0])


class TwoInputs(tf.Module):
    @tf.function(input_signature=[tf.TensorSpec((None, 4))] * 2)
    def __call__(self, x, y):
        return x + y


def test_what_does_not_fit_is_refused(tmp_path):
    inference_only = tf.train.Checkpoint()
    inference_only.__call__ = tf.function(lambda x, training=False: x)
    inference_only.__call__(tf.ones((2, 4)))
    save(inference_only, tmp_path / "inference")
    with pytest.raises(ValueError, match=r"traced for training=False only"):
        kim.HubEncoder(tmp_path / "inference")
    kim.HubEncoder(tmp_path / "inference", trainable=False)

    save(TwoInputs(), tmp_path / "two")
    with pytest.raises(ValueError, match="called on one tensor"):
        kim.HubEncoder(tmp_path / "two")

    save(tf.Module(), tmp_path / "uncallable")
    with pytest.raises(ValueError, match="without __call__"):
        kim.HubEncoder(tmp_path / "uncallable")

    with pytest.raises(ValueError, match="must be downloaded first"):
        kim.HubEncoder("https://tfhub.dev/google/encoder/1")
