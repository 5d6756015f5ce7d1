import os
import subprocess
import sys
import textwrap

import keras
import numpy as np
import pytest
import tensorflow as tf
from export_checks import (
    VIEW,
    hub,
    make_encoder,
    make_views,
    moved,
    read_card,
    snapshot,
    statistics,
)
from keras import layers, ops

import keras_infomax as kim
from keras_infomax import saved_model

# The encoder, wherever it is loaded.


def by_signature(path):
    root = tf.saved_model.load(path)
    signature = root.signatures["serving_default"]

    def call(inputs):
        assert root is not None  # The signature does not keep its variables alive.
        return signature(inputs=tf.constant(inputs))["encoding"]

    return call


@pytest.mark.parametrize("rows", [1, 7, 256])
@pytest.mark.parametrize(
    "loader",
    [
        tf.saved_model.load,
        hub.load,
        by_signature,
        lambda path: layers.TFSMLayer(path, call_endpoint="serve"),
        hub.KerasLayer,
        saved_model.load,
    ],
    ids=["tf", "hub", "signature", "TFSMLayer", "KerasLayer", "keras_infomax"],
)
def test_loaded_encoder_equals_the_exported_one(encoder, exported, loader, rows):
    views = make_views(rows, seed=rows)
    encodings = loader(exported)(views)
    np.testing.assert_allclose(encodings, encoder(views), rtol=0, atol=1e-6)
    assert encodings.shape == (rows, 5)


def test_export_needs_neither_this_package_nor_the_encoder_class(
    encoder, exported, tmp_path
):
    np.save(tmp_path / "views.npy", make_views(7))
    np.save(tmp_path / "encodings.npy", encoder(make_views(7)))
    program = """
        import sys

        class Blocker:
            def find_spec(self, name, *rest):
                if name.partition(".")[0] == "keras_infomax":
                    raise ImportError(name)

        sys.meta_path.insert(0, Blocker())
        import keras, numpy as np, tensorflow as tf, tensorflow_hub as hub

        path = sys.argv[1]
        views = np.load("views.npy")
        for load in (tf.saved_model.load, hub.load, keras.layers.TFSMLayer):
            error = np.abs(load(path)(views) - np.load("encodings.npy")).max()
            assert error <= 1e-6, error
        loaded = tf.saved_model.load(path)
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(loaded(views, training=True) ** 2)
        assert None not in tape.gradient(loss, loaded.trainable_variables)
        assert "keras_infomax" not in sys.modules
        print("encoded")
    """
    result = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program), exported],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert result.stdout == "encoded\n", result.stderr


def test_dropout_is_active_in_training_only(exported):
    root = tf.saved_model.load(exported)
    views = make_views(32)
    np.testing.assert_array_equal(root(views), root(views, training=False))
    np.testing.assert_array_equal(root(views), root.serve(views))
    first, second = root(views, training=True), root(views, True)
    assert np.abs(first - second).max() > 0.01
    assert np.abs(root.serve_training(views) - root.serve_training(views)).max() > 0.01


# Encoders of other kinds.


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16", "float64"])
def test_outputs_are_float32_whatever_the_precision(tmp_path, policy):
    keras.config.set_dtype_policy(policy)
    encoder = make_encoder()
    keras.config.set_dtype_policy("float32")
    saved_model.export(encoder, tmp_path / "encoder")
    views = make_views(8)
    root = tf.saved_model.load(str(tmp_path / "encoder"))
    outputs = [
        root(views),
        root(views, training=True),
        root.serve(views),
        root.serve_training(views),
        root.signatures["serving_default"](inputs=tf.constant(views))["encoding"],
    ]
    assert [encodings.dtype for encodings in outputs] == [tf.float32] * 5
    np.testing.assert_array_equal(outputs[0], ops.cast(encoder(views), "float32"))
    assert root.regularization_losses[0]().dtype == tf.float32


def test_encoder_under_a_strategy_exports(strategy, tmp_path):
    with strategy.scope():
        encoder = make_encoder()
    saved_model.export(encoder, tmp_path / "encoder")
    layer = saved_model.load(tmp_path / "encoder")
    views = make_views(7)
    np.testing.assert_array_equal(layer(views), encoder(views))
    before = snapshot(statistics(layer))
    layer(views, training=True)
    assert moved(before, statistics(layer)) == [True, True]
    assert len(layer.variables) == 10


def test_layer_exports_with_the_shape_it_was_built_with(tmp_path):
    dense = layers.Dense(3)
    dense(np.ones((2, 4), "float32"))
    saved_model.export(dense, tmp_path / "dense")
    views = np.ones((5, 4), "float32")
    loaded = saved_model.load(tmp_path / "dense")
    np.testing.assert_array_equal(loaded(views), dense(views))


def test_view_of_any_size_stays_of_any_size(tmp_path):
    encoder = keras.Sequential(
        [
            keras.Input((None, None, 1)),
            layers.Conv2D(3, 2),
            layers.GlobalAveragePooling2D(),
        ]
    )
    saved_model.export(encoder, tmp_path / "encoder")
    loaded = saved_model.load(tmp_path / "encoder")
    for size in (4, 9):
        views = np.ones((2, size, size + 1, 1), "float32")
        np.testing.assert_allclose(loaded(views), encoder(views), rtol=0, atol=1e-6)
    assert "(rows, any, any, 1)" in (tmp_path / "encoder/README.md").read_text()


class ShapelessEncoder(layers.Layer):
    def __init__(self):
        super().__init__()
        self.built = True

    def call(self, inputs):
        return ops.mean(inputs, axis=(1, 2))


def test_shape_that_the_encoder_does_not_know_is_an_argument(tmp_path):
    with pytest.raises(ValueError, match="Pass input_shape"):
        saved_model.export(ShapelessEncoder(), tmp_path / "encoder")
    saved_model.export(ShapelessEncoder(), tmp_path / "encoder", input_shape=VIEW)
    assert saved_model.load(tmp_path / "encoder")(make_views(3)).shape == (3, 1)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: keras.Sequential([layers.Dense(2)]), "encoder must be built"),
        (lambda: layers.Dense(2), "encoder must be built"),
        (lambda: "mlp", "encoder must be a Keras model or layer; received 'mlp'"),
        (lambda: kim.InfoMax(kim.encoders.mlp(VIEW)), "Export its encoder_x"),
        (
            lambda: keras.Sequential([keras.Input(VIEW), layers.Dense(2)]),
            r"received shape \(None, 6, 4, 2\) for views \(rows, 6, 4, 1\)",
        ),
    ],
    ids=[
        "model without input",
        "layer never called",
        "name",
        "whole model",
        "map as encoding",
    ],
)
def test_unfit_encoder_is_refused(make, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        saved_model.export(make(), tmp_path / "encoder")
    assert os.listdir(tmp_path) == []


# The card.


def test_card_tells_what_the_encoder_is(encoder, tmp_path):
    facts = {
        "dataset": "digits",
        "mi": np.float32(2.5),
        "mi_ceiling": float("nan"),
        "probe_accuracy": 0.875,
        "config": {"views": ("top", "bottom"), "clip": float("inf")},
    }
    saved_model.export(encoder, tmp_path / "encoder", card=facts)
    card = read_card(tmp_path / "encoder")
    assert card["dataset"] == "digits"
    assert card["input_shape"] == [6, 4, 1]
    assert card["input_dtype"] == "float32"
    assert card["input_range"] is None
    assert card["encoding_size"] == 5
    # Two dense layers, four vectors of batch normalisation, one of Scale.
    assert card["parameters"] == (24 + 1) * 16 + (16 + 1) * 5 + 4 * 16 + 16
    assert card["mi"] == 2.5
    assert card["mi_ceiling"] is None
    assert card["probe_accuracy"] == 0.875
    assert card["raw_baseline"] is None
    with pytest.warns(DeprecationWarning, match="pixel_baseline is now raw_baseline"):
        saved_model.export(encoder, tmp_path / "old", card={"pixel_baseline": 0.5})
    assert read_card(tmp_path / "old")["raw_baseline"] == 0.5
    assert card["config"] == {"views": ["top", "bottom"], "clip": None}
    assert card["versions"]["keras_infomax"] == kim.__version__
    assert card["versions"]["keras"] == keras.__version__
    assert card["versions"]["tensorflow"] == tf.__version__
    assert card["versions"]["python"] == ".".join(map(str, sys.version_info[:3]))

    readme = (tmp_path / "encoder/README.md").read_text()
    for words in (
        "(rows, 6, 4, 1)",
        "(rows, 5)",
        "| trained on | digits |",
        "| MI estimate | 2.5 nats |",
        "| its ceiling | unknown |",
        "| accuracy of a linear probe | 0.875 |",
        "tf.saved_model.load(path)",
        "keras.layers.TFSMLayer(path",
        "tensorflow_hub.KerasLayer(path",
        "keras_infomax.saved_model.load(path",
    ):
        assert words in readme


@pytest.mark.parametrize(
    ("card", "message"),
    [
        ({"encoding_size": 3}, r"must not redefine .* received \['encoding_size'\]"),
        ({"config": {"loss": object()}}, r"card\['config'\]\['loss'\] must be"),
    ],
)
def test_card_with_unfit_facts_is_refused(encoder, tmp_path, card, message):
    with pytest.raises(ValueError, match=message):
        saved_model.export(encoder, tmp_path / "encoder", card=card)
    assert os.listdir(tmp_path) == []


# Whole or not at all.


class Failing(layers.Layer):
    def call(self, inputs, training=False):
        if training:
            raise RuntimeError("only in training")
        return inputs


def test_existing_output_is_refused_and_kept(encoder, tmp_path):
    (tmp_path / "encoder").mkdir()
    (tmp_path / "encoder/precious").write_text("kept")
    for overwrite, message in ((False, "exists already"), (True, "must be an export")):
        with pytest.raises(ValueError, match=message):
            saved_model.export(encoder, tmp_path / "encoder", overwrite=overwrite)
    assert (tmp_path / "encoder/precious").read_text() == "kept"
    (tmp_path / "encoder/precious").unlink()
    for note in ("of an empty folder", "of an export"):
        saved_model.export(
            encoder, tmp_path / "encoder", overwrite=True, card={"note": note}
        )
        assert read_card(tmp_path / "encoder")["note"] == note


def test_failed_export_leaves_everything_as_it_was(encoder, tmp_path):
    failing = make_encoder(Failing())
    with pytest.raises(RuntimeError, match="only in training"):
        saved_model.export(failing, tmp_path / "encoder")
    assert os.listdir(tmp_path) == []

    saved_model.export(encoder, tmp_path / "encoder")
    with pytest.raises(RuntimeError, match="only in training"):
        saved_model.export(failing, tmp_path / "encoder", overwrite=True)
    assert os.listdir(tmp_path) == ["encoder"]
    views = make_views(3)
    loaded = saved_model.load(tmp_path / "encoder")
    np.testing.assert_array_equal(loaded(views), encoder(views))


def test_failure_while_writing_leaves_the_old_export(encoder, tmp_path, monkeypatch):
    saved_model.export(encoder, tmp_path / "encoder", card={"dataset": "old"})

    def full_disk(root, folder, **_):
        (folder / "saved_model.pb").write_bytes(b"half")
        raise OSError("No space left on device")

    monkeypatch.setattr(tf.saved_model, "save", full_disk)
    with pytest.raises(OSError, match="No space left"):
        saved_model.export(encoder, tmp_path / "encoder", overwrite=True)
    assert os.listdir(tmp_path) == ["encoder"]
    assert read_card(tmp_path / "encoder")["dataset"] == "old"
