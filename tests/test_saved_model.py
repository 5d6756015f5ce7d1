import csv
import json
import os
import subprocess
import sys
import textwrap
import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf
import tf_keras
from conftest import ROOT
from keras import layers, ops

import keras_infomax as kim
from keras_infomax import runs, saved_model

with warnings.catch_warnings():
    # tensorflow_hub 0.16.1 imports it, for want of a newer release.
    warnings.filterwarnings("ignore", "pkg_resources is deprecated")
    import tensorflow_hub as hub

VIEW = (6, 4, 1)
TRAINABLE = 7
L2 = 0.01


class Scale(layers.Layer):
    """Known to no registry: an export must not need its class."""

    def build(self, input_shape):
        self.scale = self.add_weight((input_shape[-1],), initializer="ones")

    def call(self, inputs):
        return inputs * self.scale


def make_encoder(*extra):
    return keras.Sequential(
        [
            keras.Input(VIEW),
            layers.Flatten(),
            layers.Dense(16, "relu", kernel_regularizer=keras.regularizers.L2(L2)),
            layers.BatchNormalization(),
            layers.Dropout(0.5),
            Scale(),
            layers.Dense(5),
            *extra,
        ]
    )


def make_views(rows, seed=0):
    shape = (rows, *VIEW)
    return np.random.default_rng(seed).uniform(size=shape).astype("float32")


def snapshot(variables):
    return [np.asarray(v.numpy()) for v in variables]


def moved(before, variables):
    after = snapshot(variables)
    return [bool((a != b).any()) for a, b in zip(after, before, strict=True)]


def statistics(layer):
    return [v for v in layer.variables if "moving_" in v.name]


@pytest.fixture(scope="module")
def encoder():
    keras.utils.set_random_seed(0)
    encoder = make_encoder()
    encoder(make_views(64), training=True)  # Statistics unlike those of a new layer.
    return encoder


@pytest.fixture(scope="module")
def exported(encoder, tmp_path_factory):
    path = tmp_path_factory.mktemp("exports") / "encoder"
    saved_model.export(encoder, path)
    return str(path)


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
    copy = saved_model.HubEncoder.from_config(config)
    assert copy.get_config() == layer.get_config()
    assert not copy.trainable

    tuned = saved_model.load(exported)
    model = keras.Sequential([tuned, layers.Dense(2)])
    model.compile("adam", "mse")
    model.fit(make_views(8), np.zeros((8, 2)), verbose=0)
    model.save(tmp_path / "classifier.keras")
    loaded = keras.saving.load_model(tmp_path / "classifier.keras", safe_mode=False)
    np.testing.assert_array_equal(loaded(make_views(8)), model(make_views(8)))
    with pytest.raises(ValueError, match="safe_mode=False"):
        keras.saving.load_model(tmp_path / "classifier.keras")


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
        (
            lambda: keras.Sequential([keras.Input(VIEW), layers.Dense(2)]),
            r"received shape \(None, 6, 4, 2\) for views \(rows, 6, 4, 1\)",
        ),
    ],
    ids=["model without input", "layer never called", "map as encoding"],
)
def test_unfit_encoder_is_refused(make, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        saved_model.export(make(), tmp_path / "encoder")
    assert os.listdir(tmp_path) == []


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


def test_damaged_export_is_refused(encoder, tmp_path):
    saved_model.export(encoder, tmp_path / "encoder")
    (tmp_path / "encoder/variables/variables.index").unlink()
    with pytest.raises(ValueError, match="cannot be read"):
        saved_model.load(tmp_path / "encoder")


# The card.


def read_card(folder):
    def forbidden(constant):
        raise AssertionError(f"{constant} is not JSON")

    text = (folder / "model_card.json").read_text()
    return json.loads(text, parse_constant=forbidden)


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
    assert card["pixel_baseline"] is None
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
    with pytest.raises(ValueError, match="exists already"):
        saved_model.export(encoder, tmp_path / "encoder")
    assert (tmp_path / "encoder/precious").read_text() == "kept"
    saved_model.export(encoder, tmp_path / "encoder", overwrite=True)
    assert not (tmp_path / "encoder/precious").exists()
    saved_model.load(tmp_path / "encoder")


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


# Training runs.


@pytest.fixture
def workdir(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    model = kim.InfoMax(*(kim.encoders.mlp(VIEW, (8,), size) for size in (5, 3)))
    model.save(folder / "model.keras")
    config = {"dataset": "digits", "batch_size": 64, "target": None}
    (folder / "config.json").write_text(json.dumps(config))
    rows = [
        {"step": 10, "mi": 1.5, "val_mi": 1.25, "probe_accuracy": 0.5},
        {"step": 20, "mi": 2.5, "val_mi": 2.25, "probe_accuracy": 0.75}
        | {"pixel_baseline": 0.625},
    ]
    with open(folder / "metrics.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, runs.COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    return folder


def test_workdir_exports_the_encoder_with_config_and_last_metrics(workdir, tmp_path):
    saved_model.export_workdir(workdir, tmp_path / "out")
    model = keras.saving.load_model(workdir / "model.keras")
    views = make_views(4)
    loaded = saved_model.load(tmp_path / "out")
    np.testing.assert_array_equal(loaded(views), model.encoder_x(views))
    card = read_card(tmp_path / "out")
    assert card["dataset"] == "digits"
    assert card["input_range"] == [0, 1]
    assert (card["step"], card["mi"], card["val_mi"]) == (20, 2.5, 2.25)
    assert (card["probe_accuracy"], card["pixel_baseline"]) == (0.75, 0.625)
    assert card["mi_ceiling"] is None
    assert card["config"]["batch_size"] == 64


def test_second_encoder_does_not_claim_the_probe_of_the_first(workdir, tmp_path):
    saved_model.export_workdir(workdir, tmp_path / "out", encoder="y")
    card = read_card(tmp_path / "out")
    assert card["encoding_size"] == 3
    assert card["mi"] == 2.5
    assert (card["probe_accuracy"], card["pixel_baseline"]) == (None, None)


@pytest.mark.parametrize("name", ["model.keras", "config.json", "metrics.csv"])
def test_unfinished_or_damaged_run_is_refused(workdir, tmp_path, name):
    (workdir / name).write_bytes(b'{"step": 1')
    with pytest.raises(ValueError, match=f"{name} cannot be read"):
        saved_model.export_workdir(workdir, tmp_path / "out")
    (workdir / name).unlink()
    with pytest.raises(ValueError, match=f"has no {name}"):
        saved_model.export_workdir(workdir, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_model_of_another_kind_is_refused(workdir, tmp_path):
    kim.encoders.mlp(VIEW).save(workdir / "model.keras")
    with pytest.raises(ValueError, match="holds a Sequential, not an InfoMax"):
        saved_model.export_workdir(workdir, tmp_path / "out")


def test_export_never_replaces_the_run_it_comes_from(workdir, tmp_path):
    for output in (workdir, tmp_path):
        with pytest.raises(ValueError, match="must not contain the training run"):
            saved_model.export_workdir(workdir, output, overwrite=True)
    with pytest.raises(ValueError, match='encoder must be "x" or "y"'):
        saved_model.export_workdir(workdir, tmp_path / "out", encoder="z")
    assert len(os.listdir(workdir)) == 3


def run_program(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "export.saved_model", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )


def test_program_exports(workdir, tmp_path):
    output = tmp_path / "out"
    output.mkdir()
    result = run_program(
        f"--workdir={workdir}", f"--output={output}", "--encoder=y", "--overwrite"
    )
    assert result.returncode == 0, result.stderr
    assert str(output) in result.stdout
    assert "Assets" not in result.stderr  # Their path is one that no longer exists.
    assert saved_model.load(output)(make_views(2)).shape == (2, 3)


def test_program_fails_with_one_line(tmp_path):
    result = run_program(f"--workdir={tmp_path}", f"--output={tmp_path / 'out'}")
    assert result.returncode == 1
    line = result.stderr.splitlines()[-1]
    assert line.startswith("error: workdir must be")
    assert "has no model.keras" in line
    assert "Traceback" not in result.stderr
    assert result.stdout == ""
