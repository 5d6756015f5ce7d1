"""Encoders of signals and of tables."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_infomax as kim

E = kim.encoders
SIGNALS = np.random.default_rng(0).normal(size=(5, 40, 3)).astype("float32")
TABLE = {
    "categories": np.array([[0, 6], [2, 3]], "int32"),
    "numbers": np.array([[0.5, -1.0], [2.0, 0.0]], "float32"),
}
SHAPES = {"categories": (2,), "numbers": (2,)}


def numpy(value):
    return ops.convert_to_numpy(value)


def test_convolutions_over_time_take_signals_of_any_length():
    encoder = E.convnet_1d((None, 3), filters=(8, 16), output_dim=6, kernel_size=7)
    assert encoder(SIGNALS).shape == encoder(SIGNALS[:, :17]).shape == (5, 6)
    # 7 * 3 * 8 + 8, 7 * 8 * 16 + 16, gain and bias of 16, 16 * 6 + 6.
    assert encoder.count_params() == 176 + 912 + 32 + 102
    assert E.build("convnet_1d", (40, 3), (4,), 5).output_shape == (None, 5)


def test_normalization_of_signals_is_that_of_their_maps():
    layer = E.FeatureMapNormalization()
    found = numpy(layer(SIGNALS))
    np.testing.assert_allclose(found, numpy(layer(SIGNALS[:, None]))[:, 0], atol=1e-6)
    np.testing.assert_allclose(found.mean(axis=(1, 2)), 0, atol=1e-5)
    np.testing.assert_allclose(found.std(axis=(1, 2)), 1, atol=1e-4)


def test_causal_states_see_their_past_alone():
    encoder = E.causal_convnet((None, 3), filters=(6, 6, 6), output_dim=4)
    before = numpy(encoder(SIGNALS[:, :30]))
    states = keras.Model(encoder.input, encoder.layers[-3].output)
    short, long = numpy(states(SIGNALS[:, :30])), numpy(states(SIGNALS))
    np.testing.assert_allclose(long[:, :30], short, atol=1e-5)
    # 1 + (3 - 1) * (1 + 2 + 4) steps back from the last one of thirty: from step 15 on.
    changed = SIGNALS[:, :30].copy()
    changed[:, :15] += 1
    np.testing.assert_allclose(numpy(encoder(changed)), before, atol=1e-5)
    changed[:, 15] += 1
    assert np.abs(numpy(encoder(changed)) - before).max(axis=1).min() > 1e-4


def test_tables_are_vectors_and_numbers_side_by_side():
    encoder = E.table(SHAPES, (), 3, categories=(3, 7), embedding_dim=5)
    vectors, kernel, bias = encoder.get_weights()[0:2], *encoder.get_weights()[2:]
    assert [v.shape for v in vectors] == [(3, 3), (7, 5)]
    rows = [
        np.concatenate([vectors[0][a], vectors[1][b], numbers])
        for (a, b), numbers in zip(*TABLE.values(), strict=True)
    ]
    np.testing.assert_allclose(
        encoder(TABLE), np.stack(rows) @ kernel + bias, rtol=1e-5
    )


def test_tables_of_numbers_alone_and_of_categories_alone():
    alone = E.build("table", (4,), (8,), 3)
    assert alone(np.zeros((2, 4), "float32")).shape == (2, 3)
    kinds = E.table({"categories": (2,)}, (8,), 3, categories=(3, 7))
    assert kinds({"categories": TABLE["categories"]}).shape == (2, 3)


def test_an_encoder_of_tables_is_saved(tmp_path):
    encoder = E.build("table", SHAPES, (8,), 3, categories=(3, 7))
    encoder.save(tmp_path / "table.keras")
    loaded = keras.saving.load_model(tmp_path / "table.keras")
    np.testing.assert_array_equal(loaded(TABLE), encoder(TABLE))
    half = E.Embeddings.from_config(
        {**E.Embeddings((3, 7)).get_config(), "dtype": "mixed_bfloat16"}
    )
    assert half(TABLE["categories"]).dtype == "bfloat16"


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: E.convnet_1d((28, 28, 1)), r"\(steps, channels\) for an encoder"),
        (lambda: E.causal_convnet((28, None)), "static number of channels"),
        (lambda: E.table(SHAPES), "categories must be the number of values of each"),
        (lambda: E.table(SHAPES, categories=(3,)), "of each of 2 columns"),
        (lambda: E.table({"texts": (2,)}), "input_shape must be .columns,. of numbers"),
        (lambda: E.build("mlp", SHAPES), "take the encoder 'table'"),
        (lambda: E.Embeddings((3,))(TABLE["categories"]), "must have 1 columns"),
    ],
)
def test_other_shapes_are_refused(make, match):
    with pytest.raises(ValueError, match=match):
        make()
