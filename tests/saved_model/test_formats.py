import functools
import http.server
import threading

import keras
import numpy as np
import onnxruntime
import pytest
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter
from export_checks import VIEW, hub, make_views
from keras import layers

from keras_infomax import encoders, saved_model
from keras_infomax.files import manifest
from keras_infomax.programs import verify
from keras_infomax.saved_model import archives, formats, serving
from keras_infomax.training.settings import Settings

ALL = ("saved_model", "archive", "tflite", "onnx")


@pytest.fixture(scope="module")
def exported(encoder, tmp_path_factory):
    path = tmp_path_factory.mktemp("exports") / "encoder"
    preprocessing = serving.of_run(Settings(), 0, VIEW)
    saved_model.export(encoder, path, preprocessing=preprocessing, formats=ALL)
    return path


def make_images(rows):
    shape = (rows, 2 * VIEW[0], *VIEW[1:])
    return np.random.default_rng(0).integers(0, 256, shape, dtype="uint8")


# The archive.


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture
def server(exported):
    handler = functools.partial(Quiet, directory=exported)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.slow
def test_tensorflow_hub_takes_the_archive_over_http(
    encoder, server, tmp_path, monkeypatch
):
    monkeypatch.setenv("TFHUB_CACHE_DIR", str(tmp_path))
    views = make_views(7)
    loaded = hub.load(f"{server}/encoder.tar.gz")
    np.testing.assert_allclose(loaded(views), encoder(views), rtol=0, atol=1e-6)
    assert len(list(tmp_path.glob("*/saved_model.pb"))) == 1


def test_archive_has_a_manifest_of_its_own(exported, tmp_path):
    archives.unpack(exported / "encoder.tar.gz", tmp_path / "copy")
    manifest.check(tmp_path / "copy")
    assert (tmp_path / "copy/manifest.json").is_file()
    assert not (tmp_path / "copy/encoder.onnx").exists()


def test_archive_alone(encoder, tmp_path):
    saved_model.export(encoder, tmp_path / "out", formats=["archive"])
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "README.md",
        "encoder.tar.gz",
        "manifest.json",
        "model_card.json",
        "reference.npz",
    ]
    loaded = saved_model.load(tmp_path / "out/encoder.tar.gz")
    views = make_views(3)
    np.testing.assert_allclose(loaded(views), encoder(views), rtol=0, atol=1e-6)


# LiteRT.


@pytest.mark.parametrize("rows", [1, 7, 64])
def test_litert_equals_the_saved_model(exported, rows):
    root = tf.saved_model.load(str(exported))
    interpreter = Interpreter(str(exported / "encoder.tflite"))
    assert set(interpreter.get_signature_list()) == {"encode", "serving_default"}
    for name, inputs in (
        ("encode", make_views(rows)),
        ("serving_default", make_images(rows)),
    ):
        found = interpreter.get_signature_runner(name)(inputs=inputs)["encoding"]
        expected = root.signatures[name](inputs=tf.constant(inputs))["encoding"]
        assert found.shape == (rows, 5)
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.slow
def test_litert_goes_without_what_it_cannot_express(encoder, tmp_path):
    preprocessing = serving.of_run(Settings(image_size=(12, 4)), 0, VIEW)
    saved_model.export(
        encoder, tmp_path / "out", preprocessing=preprocessing, formats=["tflite"]
    )
    interpreter = Interpreter(str(tmp_path / "out/encoder.tflite"))
    assert list(interpreter.get_signature_list()) == ["encode"]


@pytest.mark.slow
def test_litert_refuses_half_precision(tmp_path):
    keras.config.set_dtype_policy("mixed_float16")
    encoder = encoders.mlp(VIEW, (8,), 4)
    with pytest.raises(ValueError, match="LiteRT cannot express this encoder"):
        saved_model.export(encoder, tmp_path / "out", formats=["tflite"])
    assert list(tmp_path.iterdir()) == []


# ONNX.


@pytest.mark.parametrize("rows", [1, 7, 64])
def test_onnx_equals_the_saved_model(exported, rows):
    session = onnxruntime.InferenceSession(exported / "encoder.onnx")
    views = make_views(rows)
    (found,) = session.run(["encoding"], {"inputs": views})
    expected = tf.saved_model.load(str(exported))(views)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


def test_onnx_of_convolutions_and_of_a_bare_layer(tmp_path):
    dense = layers.Dense(3)
    dense.build((None, 4))
    for number, encoder in enumerate((encoders.convnet((14, 28, 1), (4, 8), 5), dense)):
        path = tmp_path / str(number)
        saved_model.export(encoder, path, formats=["onnx"])
        session = onnxruntime.InferenceSession(path / "encoder.onnx")
        shape = session.get_inputs()[0].shape[1:]
        views = np.random.default_rng(0).random((6, *shape), "float32")
        (found,) = session.run(["encoding"], {"inputs": views})
        np.testing.assert_allclose(found, encoder(views), rtol=1e-5, atol=1e-5)


class SingularValues(layers.Layer):
    def call(self, inputs):
        return keras.ops.svd(inputs[..., 0], compute_uv=False)


def test_onnx_says_what_it_cannot_express(tmp_path):
    encoder = keras.Sequential([keras.Input(VIEW), SingularValues()])
    with pytest.raises(ValueError, match="ONNX cannot express this encoder"):
        saved_model.export(encoder, tmp_path / "out", formats=["onnx"])
    assert list(tmp_path.iterdir()) == []


# What was written is run.


class Holding(layers.Layer):
    """Holds tensors that are no variables."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.scale = tf.constant(np.arange(1.0, 6.0), tf.float32)
        self.kernel = tf.constant(np.random.default_rng(0).random((5, 60)), tf.float32)

    def call(self, inputs):
        return keras.ops.matmul(inputs * self.scale, self.kernel)


def test_tensors_that_layers_hold_are_in_every_format(tmp_path):
    views = np.random.default_rng(0).random((9, 5), "float32")
    normalization = layers.Normalization()
    normalization.adapt(views)
    encoder = keras.Sequential(
        [keras.Input((5,)), normalization, Holding(), layers.Dense(3)]
    )
    saved_model.export(encoder, tmp_path / "out", formats=ALL)
    session = onnxruntime.InferenceSession(tmp_path / "out/encoder.onnx")
    assert [value.name for value in session.get_inputs()] == ["inputs"]
    (found,) = session.run(None, {"inputs": views})
    expected = encoder(views)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-3)
    lite = Interpreter(str(tmp_path / "out/encoder.tflite"))
    found = lite.get_signature_runner("encode")(inputs=views)["encoding"]
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("name", ["onnx", "tflite"])
def test_a_format_that_encodes_otherwise_is_not_left(
    name, encoder, tmp_path, monkeypatch
):
    write = getattr(formats, f"write_{name}")
    other = keras.models.clone_model(encoder)
    other.set_weights([weight + 0.5 for weight in encoder.get_weights()])

    def write_other(what, *rest):
        if name == "onnx":
            return write(other, *rest)
        saved_model.export(other, tmp_path / "other")
        root = tf.saved_model.load(str(tmp_path / "other"))
        return write({k: root.signatures[k] for k in what}, root.variables, rest[-1])

    monkeypatch.setattr(formats, f"write_{name}", write_other)
    with pytest.raises(ValueError, match=f"written as {name} .* gives other encodings"):
        saved_model.export(encoder, tmp_path / "out", formats=["saved_model", name])
    assert not (tmp_path / "out").exists()


def test_a_format_that_cannot_be_run_is_not_left(encoder, tmp_path, monkeypatch):
    monkeypatch.setattr(formats, "_rename", lambda *args: None)
    with pytest.raises(ValueError, match="written as onnx .* cannot be run"):
        saved_model.export(encoder, tmp_path / "out", formats=["onnx"])
    assert list(tmp_path.iterdir()) == []


class Changing(layers.Layer):
    """Computes something else whenever it is traced."""

    count = 0

    def call(self, inputs):
        Changing.count += 1
        return inputs * Changing.count


def test_an_encoder_that_changes_is_not_exported(tmp_path):
    encoder = keras.Sequential([keras.Input((5,)), Changing()])
    with pytest.raises(ValueError, match="as saved_model .* gives other encodings"):
        saved_model.export(encoder, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


class Noisy(layers.Layer):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.generator = keras.random.SeedGenerator(0)

    def call(self, inputs):
        shape = keras.ops.shape(inputs)
        return inputs + keras.random.normal(shape, seed=self.generator)


def test_an_encoder_that_is_random_in_inference_is_exported(tmp_path):
    encoder = keras.Sequential([keras.Input((5,)), Noisy()])
    saved_model.export(encoder, tmp_path / "out")
    assert saved_model.load(tmp_path / "out")(np.ones((2, 5))).shape == (2, 5)


class Untracked(layers.Layer):
    """Has a variable that Keras does not know."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.scale = tf.Variable(2.0)

    def call(self, inputs):
        return inputs * self.scale


def test_an_encoder_with_a_variable_of_tensorflow_is_refused_in_one_line(tmp_path):
    encoder = keras.Sequential([keras.Input((5,)), Untracked()])
    with pytest.raises(ValueError, match="variables of Keras.*add_weight") as error:
        saved_model.export(encoder, tmp_path / "out")
    assert "\n" not in str(error.value)
    assert list(tmp_path.iterdir()) == []


def test_onnx_takes_the_views_alone_also_where_nothing_can_run_it(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(formats, "_hold_constants", lambda *args: None)
    monkeypatch.setattr(
        saved_model.checking.importlib.util, "find_spec", lambda name: None
    )
    monkeypatch.setattr(formats, "check", lambda names: None)
    encoder = keras.Sequential([keras.Input((5,)), Holding()])
    with pytest.raises(ValueError, match="it would take the inputs .*Leave onnx out"):
        saved_model.export(encoder, tmp_path / "out", formats=["onnx"])


class Python(layers.Layer):
    def call(self, inputs):
        outputs = tf.numpy_function(np.tanh, [inputs], tf.float32)
        return tf.ensure_shape(outputs, inputs.shape)


def test_an_encoder_that_calls_python_is_not_exported(tmp_path):
    encoder = keras.Sequential([keras.Input((5,)), Python()])
    with pytest.raises(ValueError, match=r"calls Python.*Write it with keras\.ops"):
        saved_model.export(encoder, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


# Names of formats.


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("saved_model", "onxx"), "Unknown format 'onxx'. Did you mean 'onnx'"),
        ("onnx", "formats must be a tuple or list"),
        ((), "formats must be a tuple or list"),
    ],
)
def test_unknown_formats_are_refused(names, message, encoder, tmp_path):
    with pytest.raises(ValueError, match=message):
        saved_model.export(encoder, tmp_path / "out", formats=names)
    assert list(tmp_path.iterdir()) == []


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setattr(formats.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"onnx and tf2onnx.*keras_infomax\[onnx\]"):
        formats.check(["onnx"])
    formats.check(["saved_model", "archive", "tflite"])


# Verification, in a process without this package.


def test_every_format_is_verified(exported):
    results = verify.verify(exported)
    saved = ["call", "serve", "encode", "serving_default"]
    assert [(r["format"], r["entry"]) for r in results] == [
        *(("saved_model", entry) for entry in saved),
        *(("archive", entry) for entry in saved),
        ("tflite", "encode"),
        ("tflite", "serving_default"),
        ("onnx", "encode"),
    ]
    assert max(result["difference"] for result in results) <= 1e-5
    lines, good = verify.table(results, tolerance=1e-5)
    assert good
    assert len(lines.splitlines()) == 12
    assert not verify.table(results, tolerance=0)[1]
