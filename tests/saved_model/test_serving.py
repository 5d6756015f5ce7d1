"""What a server of an export gets and gives, with nothing but TensorFlow."""

import subprocess
import sys
import textwrap

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from keras_infomax import datasets, encoders, saved_model, views
from keras_infomax.datasets import image_files
from keras_infomax.saved_model import serving
from keras_infomax.training.settings import Settings


def make_images(rows, *shape):
    return np.random.default_rng(0).integers(0, 256, (rows, *shape), dtype="uint8")


# From images to the view.


@pytest.mark.parametrize(
    ("name", "view", "view_shape", "axis"),
    [
        ("halves", 0, (3, 8, 1), 1),
        ("halves", 1, (3, 8, 1), 1),
        ("left_right", 0, (6, 4, 3), 2),
        ("left_right", 1, (6, 4, 3), 2),
    ],
)
def test_run_scales_pixels_and_takes_the_view(name, view, view_shape, axis):
    settings = Settings(views=name, noise=0.5)  # The noise is for training alone.
    preprocessing = serving.of_run(settings, view, view_shape)
    shape = tuple(n * (2 if i + 1 == axis else 1) for i, n in enumerate(view_shape))
    assert (preprocessing.shape, preprocessing.dtype) == (shape, "uint8")
    images = make_images(5, *shape)
    expected = np.split(images / 255, 2, axis)[view]
    found = preprocessing.function(tf.constant(images))
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_float_images_are_not_scaled():
    preprocessing = serving.of_run(Settings(), 0, (3, 8, 1), "float32")
    assert preprocessing.dtype == "float32"
    images = make_images(5, 6, 8, 1) / np.float32(255)
    found = preprocessing.function(tf.constant(images))
    np.testing.assert_array_equal(found, images[:, :3])
    with pytest.raises(ValueError, match="image_dtype must be"):
        serving.of_run(Settings(), 0, (3, 8, 1), "int32")


def test_images_of_any_size_are_resized_as_the_data_set_was():
    images = make_images(50, 28, 28, 1)
    resized = image_files.resize(tf.constant(images), (20, 16))
    preprocessing = serving.of_run(Settings(image_size=(20, 16)), 1, (10, 16, 1))
    assert preprocessing.shape == (None, None, 1)
    found = preprocessing.function(tf.constant(images))
    expected = views.Halves()(datasets.to_float(resized))[1]
    np.testing.assert_array_equal(found, expected)


def test_methods_take_the_image_itself():
    settings = Settings(views="halves", experiment="augmented_views")
    preprocessing = serving.of_run(settings, 0, (6, 8, 1))
    assert preprocessing.shape == (6, 8, 1)


def test_where_views_are_random_the_image_is_served():
    def crops(images, seed):
        raise AssertionError("not in serving")

    preprocessing = serving.of_run(Settings(views=crops), 0, (6, 8, 1))
    assert preprocessing.shape == (6, 8, 1)
    images = make_images(2, 6, 8, 1)
    found = preprocessing.function(tf.constant(images))
    np.testing.assert_allclose(found, images / 255, rtol=1e-6)


@pytest.mark.parametrize("view_shape", [(1,), (None, None, 1)])
def test_what_is_no_whole_view_of_an_image_has_no_preprocessing(view_shape):
    assert serving.of_run(Settings(), 0, view_shape) is None
    square = Settings(image_size=(20, 20))
    assert serving.of_run(square, 0, (14, 28, 1)) is None


# As an argument of an export.


def test_a_layer_knows_the_shape_and_dtype_of_its_inputs(tmp_path):
    scale = keras.Sequential(
        [keras.Input((4,), dtype="int32"), layers.Normalization(mean=2.0, variance=4.0)]
    )
    encoder = keras.Sequential([keras.Input((4,)), layers.Dense(2)])
    saved_model.export(encoder, tmp_path / "encoder", preprocessing=scale)
    serve = tf.saved_model.load(str(tmp_path / "encoder")).signatures["serving_default"]
    spec = serve.structured_input_signature[1]["inputs"]
    assert (spec.shape.as_list(), spec.dtype) == ([None, 4], tf.int32)


def test_adapted_preprocessing_takes_its_statistics_along(tmp_path):
    raw = make_images(50, 4).astype("float32")
    scale = layers.Normalization()
    scale.adapt(raw)
    encoder = keras.Sequential([keras.Input((4,)), layers.Dense(2)])
    saved_model.export(
        encoder,
        tmp_path / "encoder",
        preprocessing=scale,
        raw_shape=(4,),
        raw_dtype="float32",
    )
    root = tf.saved_model.load(str(tmp_path / "encoder"))
    found = root.signatures["serving_default"](inputs=tf.constant(raw))["encoding"]
    expected = encoder((raw - raw.mean(0)) / raw.std(0))
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"preprocessing": "halves"}, "preprocessing must be a layer or a function"),
        ({"preprocessing": lambda x: x}, "raw_shape, the shape of a raw input"),
        (
            {"preprocessing": lambda x: tf.cast(x, "float32"), "raw_shape": (5,)},
            r"must give float32 views of shape \(None, 4\); received float32 of shape "
            r"\(None, 5\)",
        ),
        (
            {"preprocessing": lambda x: x, "raw_shape": (4,)},
            "received uint8 of shape",
        ),
        (
            {
                "preprocessing": tf.io.decode_png,
                "raw_shape": (),
                "raw_dtype": "string",
            },
            "raw_dtype must be one of numbers; received 'string'",
        ),
    ],
)
def test_unfit_preprocessing_is_refused(options, message, tmp_path):
    encoder = keras.Sequential([keras.Input((4,)), layers.Dense(2)])
    with pytest.raises(ValueError, match=message):
        saved_model.export(encoder, tmp_path / "encoder", **options)
    assert list(tmp_path.iterdir()) == []


# The server.


@pytest.mark.slow
def test_a_process_with_tensorflow_alone_serves(tmp_path):
    encoder = encoders.mlp((14, 28, 1), (16,), 5)
    preprocessing = serving.of_run(Settings(), 0, (14, 28, 1))
    saved_model.export(encoder, tmp_path / "encoder", preprocessing=preprocessing)
    images = make_images(1000, 28, 28, 1)
    np.save(tmp_path / "images.npy", images)
    np.save(tmp_path / "encodings.npy", encoder(images[:, :14] / np.float32(255)))
    program = """
        import sys

        ABSENT = ("keras_infomax", "tensorflow_hub", "tf_keras", "sklearn")

        class Blocker:
            def find_spec(self, name, *rest):
                if name.partition(".")[0] in ABSENT:
                    raise ImportError(name)

        sys.meta_path.insert(0, Blocker())
        import numpy as np, tensorflow as tf

        images, expected = np.load("images.npy"), np.load("encodings.npy")
        root = tf.saved_model.load("encoder")
        serve, encode = (root.signatures[k] for k in ("serving_default", "encode"))
        views = images[:, :14] / np.float32(255)
        for rows in (1, 2, 7, 64, 1000):
            for call, inputs in ((serve, images), (encode, views)):
                found = call(inputs=tf.constant(inputs[:rows]))["encoding"]
                assert found.shape == (rows, 5)
                np.testing.assert_allclose(found, expected[:rows], rtol=0, atol=1e-5)
        assert serve(inputs=tf.constant(images[:0]))["encoding"].shape == (0, 5)

        def refused(call, inputs, message):
            try:
                call(inputs=tf.constant(inputs))
            except (tf.errors.InvalidArgumentError, TypeError, ValueError) as error:
                assert message in str(error), error
            else:
                raise AssertionError(f"{inputs.shape} {inputs.dtype} was served")

        refused(serve, images[:, :27], "[1000,27,28,1] is not compatible with expected")
        refused(serve, images[..., 0], "[1000,28,28] is not compatible with expected")
        # Reshaped without a word, these would be three encodings for an image.
        refused(serve, np.repeat(images, 3, -1), "[1000,28,28,3] is not compatible")
        refused(serve, images[:, :14], "[1000,14,28,1] is not compatible")
        refused(serve, views[:2], "expected to be a uint8 tensor but is a float tensor")
        refused(encode, images[:, :14], "expected to be a float tensor but is a uint8")
        refused(encode, np.repeat(views, 3, -1), "expected shape [?,14,28,1]")
        print("served")
    """
    result = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert result.stdout == "served\n", result.stderr
