"""Exports of encoders whose views are more than one float tensor."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers
from structure_checks import (
    CATEGORIES,
    ENCODERS,
    NUMBERS,
    TABLE,
    TOKENS,
    X,
    as_tensors,
    by_hand,
    dense,
    infomax,
    of_table,
    of_tokens,
    of_words,
)

from keras_infomax import saved_model, structures
from keras_infomax.probes import encode
from keras_infomax.programs import standalone, verify


def as_declared(encoder, view):
    """The view in the structure and the dtypes that the encoder declares."""
    expected = structures.of(encoder)
    _, arranged = structures.arranged(expected, view)
    dtypes = [spec.dtype for spec in keras.tree.flatten(expected)]
    parts = map(tf.constant, keras.tree.flatten(arranged))
    cast = [
        tf.cast(part, dtype) if part.dtype != dtype else part
        for part, dtype in zip(parts, dtypes, strict=True)
    ]
    return keras.tree.pack_sequence_as(arranged, cast)


@pytest.mark.parametrize("kind", ENCODERS)
def test_every_way_to_load_gives_the_same_encodings(kind, tmp_path):
    make, view = ENCODERS[kind]
    encoder, path = make(), tmp_path / "encoder"
    expected = by_hand(encoder, view)
    saved_model.export(encoder, path)
    given = as_declared(encoder, view)
    loaded = tf.saved_model.load(str(path))
    near = {"rtol": 1e-5, "atol": 1e-6}
    np.testing.assert_allclose(loaded(given), expected, **near)
    # Frozen, as the model card has it, it needs Keras 3.10.
    layer = layers.TFSMLayer(path, call_endpoint="serve")
    np.testing.assert_allclose(layer(given), expected, **near)
    hub = saved_model.load(path, trainable=False)
    np.testing.assert_allclose(hub(view), expected, **near)
    np.testing.assert_array_equal(encode(hub, as_arrays(view)), hub(as_tensors(view)))
    signature = loaded.signatures["encode"]
    names = signature.structured_input_signature[1]
    named = dict(zip(sorted(names), keras.tree.flatten(given), strict=True))
    np.testing.assert_allclose(signature(**named)["encoding"], expected, **near)
    if isinstance(given, tuple):
        np.testing.assert_allclose(loaded(list(given)), expected, **near)
    results = list(standalone.compare(path))
    assert [r["entry"] for r in results] == [
        *("call", "serve", "encode", "serving_default")
    ]
    assert max(r["difference"] for r in results) <= 1e-6


def as_arrays(view):
    return keras.tree.map_structure(np.asarray, view)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["tokens", "dictionary", "list"])
def test_loaded_encoders_are_trained(kind, tmp_path):
    make, view = ENCODERS[kind]
    saved_model.export(make(), tmp_path / "encoder")
    layer = saved_model.load(tmp_path / "encoder")
    model = infomax(layer)
    before = layer(view).numpy()
    model.fit((view, X), batch_size=48, verbose=0)
    assert np.abs(layer(view) - before).max() > 0
    expected = model.predict((view, X), verbose=0)
    np.testing.assert_allclose(layer(view), expected, rtol=1e-5, atol=1e-6)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras", safe_mode=False)
    np.testing.assert_array_equal(again.predict(view, verbose=0), expected)
    inputs = keras.tree.map_structure(
        lambda spec: keras.Input(spec.shape[1:], dtype=spec.dtype), layer.view_spec
    )
    assert layer(inputs).shape == (None, 4)


def test_parts_of_parts(tmp_path):
    """Names are made of keys and positions, and told by the card."""
    cat, num = keras.Input((3,), dtype="int32", name="cat"), keras.Input((5,))
    item = keras.Input((6,))
    user = of_table(list)([cat, num])
    encodings = layers.Dense(3)(layers.Concatenate()([user, item]))
    encoder = keras.Model({"user": [cat, num], "items": [item]}, encodings)
    path = tmp_path / "encoder"
    saved_model.export(encoder, path, formats=("saved_model", "archive", "tflite"))
    card = json.loads((path / "model_card.json").read_text())
    assert card["inputs"] == {
        "items": [{"name": "items_0", "shape": [6], "dtype": "float32"}],
        "user": [
            {"name": "user_0", "shape": [3], "dtype": "int32"},
            {"name": "user_1", "shape": [5], "dtype": "float32"},
        ],
    }
    assert card["input_dtype"] == {"items": ["float32"], "user": ["int32", "float32"]}
    readme = (path / "README.md").read_text()
    assert "'user': (int32 (rows, 3), float32 (rows, 5))" in readme
    assert "| `encode` | views | `user_0`, `user_1`, `items_0` |" in readme
    assert "(user_0=user_0, user_1=user_1, items_0=items_0)" in readme
    view = {"user": [CATEGORIES, NUMBERS], "items": [X]}
    expected = encoder.predict(as_tensors(view), verbose=0)
    found = saved_model.load(path)(view)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    lines, good = verify.table(list(standalone.compare(path)), 1e-5)
    assert good, lines


@pytest.mark.slow
def test_other_formats_take_parts_by_their_names(tmp_path):
    encoder, path = of_table(list), tmp_path / "encoder"
    saved_model.export(encoder, path, formats=("tflite", "onnx"))
    results = {r["format"]: r for r in standalone.compare(path)}
    assert set(results) == {"tflite", "onnx"}
    for result in results.values():
        assert result["difference"] <= 1e-6
    readme = (path / "README.md").read_text()
    assert '{"cat": cat, "num": num}' in readme
    assert "same probe on the raw view" in readme


@pytest.mark.slow
def test_formats_and_texts(tmp_path):
    """LiteRT has tables of texts, ONNX has none."""
    saved_model.export(of_words(), tmp_path / "encoder", formats=("tflite",))
    results = list(standalone.compare(tmp_path / "encoder"))
    assert [r.get("difference") for r in results] == [0, 0], results
    with pytest.raises(ValueError, match=r"^ONNX cannot .* takes texts.*$"):
        saved_model.export(of_words(), tmp_path / "b", formats=("onnx",))
    assert [path.name for path in tmp_path.iterdir()] == ["encoder"]


@pytest.mark.slow
def test_the_program_verifies_exports_of_parts(tmp_path):
    formats = ("saved_model", "archive", "tflite", "onnx")
    saved_model.export(of_table(), tmp_path / "encoder", formats=formats)
    results = verify.verify(tmp_path / "encoder")
    assert {r["format"] for r in results} == set(formats)
    assert verify.table(results, 1e-5)[1]


def test_references_have_a_place_in_the_table(tmp_path):
    saved_model.export(of_tokens(), tmp_path / "encoder")
    with np.load(tmp_path / "encoder" / "reference.npz") as reference:
        tokens = reference["views"]
    assert tokens.dtype == np.int32
    assert 0 <= tokens.min() < tokens.max() < 50


def test_what_a_layer_takes_is_an_argument_where_it_does_not_say(tmp_path):
    class Means(layers.Layer):
        def __init__(self):
            super().__init__()
            self.embedding = layers.Embedding(50, 4)

        def call(self, view):
            means = keras.ops.mean(self.embedding(view["tokens"]), axis=1)
            return keras.ops.concatenate([means, view["num"]], axis=-1)

    encoder = Means()
    view = {"tokens": tf.constant(TOKENS), "num": tf.constant(NUMBERS)}
    expected = encoder(view)
    with pytest.raises(ValueError, match=r"must declare the dtypes.*Pass them as inp"):
        saved_model.export(encoder, tmp_path / "encoder")
    saved_model.export(
        encoder,
        tmp_path / "encoder",
        input_shape={
            "tokens": keras.Input((7,), dtype="int32"),
            "num": keras.Input((5,)),
        },
    )
    found = saved_model.load(tmp_path / "encoder")(view)
    np.testing.assert_array_equal(found, expected)


def test_preprocessing_may_make_parts(tmp_path):
    def split(raw):
        return {"cat": tf.cast(raw[:, :3], "int32"), "num": raw[:, 3:]}

    encoder, path = of_table(), tmp_path / "encoder"
    options = {"preprocessing": split, "raw_dtype": "float32"}
    saved_model.export(encoder, path, raw_shape=(8,), **options)
    raw = np.concatenate([CATEGORIES, NUMBERS], axis=1).astype("float32")
    serve = tf.saved_model.load(str(path)).signatures["serving_default"]
    expected = encoder.predict(TABLE, verbose=0)
    found = serve(inputs=tf.constant(raw))["encoding"]
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    message = r"must give views \{'cat': int32 \(rows, 3\).*'num': float32 \(rows, 6\)"
    with pytest.raises(ValueError, match=message):
        saved_model.export(encoder, tmp_path / "b", raw_shape=(9,), **options)


def test_what_does_not_fit_a_loaded_encoder_is_named(tmp_path):
    saved_model.export(of_table(), tmp_path / "encoder")
    layer = saved_model.load(tmp_path / "encoder")
    message = r"inputs must be \{'cat': int32 \(rows, 3\), 'num': float32 \(rows, 5\)\}"
    for view in (NUMBERS, (CATEGORIES, NUMBERS), {**TABLE, "num": X}):
        with pytest.raises(ValueError, match=message):
            layer(view)


def test_the_card_of_one_tensor_is_as_it_was(tmp_path):
    saved_model.export(dense(), tmp_path / "encoder")
    card = json.loads((tmp_path / "encoder" / "model_card.json").read_text())
    assert (card["input_shape"], card["input_dtype"]) == ([6], "float32")
    readme = (tmp_path / "encoder" / "README.md").read_text()
    assert 'session.run(["encoding"], {"inputs": views})' in readme
    assert 'signatures["serving_default"](inputs=views)' in readme
