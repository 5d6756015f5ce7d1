"""Views of signals and of rows of tables, each by its definition."""

import math

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

import keras_infomax as kim
from keras_infomax.views import draws

V = kim.views
SEED = (3, 1)
RNG = np.random.default_rng(0)
SIGNALS = RNG.normal(size=(60, 20, 3)).astype("float32")
NUMBERS = RNG.normal(size=(60, 7)).astype("float32")
TABLE = {
    "categories": RNG.integers(1, 90, (60, 4)).astype("int32"),
    "numbers": NUMBERS,
}
LAYERS = {
    "crop": (lambda **o: V.RandomTimeCrop((0.4, 0.8), **o), (SIGNALS,)),
    "mask": (lambda **o: V.RandomTimeMask(0.4, **o), (SIGNALS,)),
    "jitter": (lambda **o: V.RandomJitter(0.3, **o), (SIGNALS, NUMBERS, TABLE)),
    "mix": (lambda **o: V.RandomMix(0.4, **o), (SIGNALS, NUMBERS, TABLE)),
    "corruption": (lambda **o: V.RandomColumnCorruption(0.4, **o), (NUMBERS, TABLE)),
    "dropout": (lambda **o: V.RandomColumnDropout(0.3, **o), (NUMBERS, TABLE)),
}


def numpy(value):
    return keras.tree.map_structure(ops.convert_to_numpy, value)


def numbers_of(*shape, seed=SEED):
    drawn = draws.uniform(draws.checked_seed(seed), *shape)
    return numpy(drawn).astype("float64")


@pytest.mark.parametrize("name", LAYERS)
def test_seed_alone_decides_in_tf_data_in_a_model_and_from_the_config(name):
    make, inputs = LAYERS[name]
    for given in inputs:
        layer = make(seed=5)
        first = numpy(layer(given, seed=SEED))
        streamed = tf.data.Dataset.from_tensors(given).map(
            lambda rows, layer=layer: layer(rows, seed=SEED)
        )
        again = type(layer).from_config(layer.get_config())
        if isinstance(given, dict):
            symbolic = {
                name: keras.Input(part.shape[1:], dtype=part.dtype.name, name=name)
                for name, part in given.items()
            }
        else:
            symbolic = keras.Input(given.shape[1:])
        model = keras.Model(symbolic, again(symbolic))
        for other in (streamed.get_single_element(), again(given, seed=SEED)):
            keras.tree.map_structure(
                lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6),
                numpy(other),
                first,
            )
        rested = numpy(model(given, training=False))
        keras.tree.map_structure(np.testing.assert_array_equal, rested, given)
        changed = keras.tree.flatten(numpy(model(given, training=True)))
        parts = list(zip(changed, keras.tree.flatten(given), strict=True))
        assert any((a != b).any() for a, b in parts)
        assert all(a.dtype == b.dtype for a, b in parts)


def test_time_crops_are_stretched_parts():
    crop = V.RandomTimeCrop((0.4, 0.8), steps=11)
    found = numpy(crop(SIGNALS, seed=SEED))
    spans = numpy(crop.spans(60, 20, SEED))
    for signal, (start, length), result, (u, v) in zip(
        SIGNALS, spans, found, numbers_of(60, 2), strict=True
    ):
        assert length == round(20 * (0.4 + 0.4 * u))
        assert start == int(v * (20 - length + 1))
        part = signal[start : start + length]
        places = (np.arange(11) + 0.5) * length / 11 - 0.5
        if length <= 11:  # Linear interpolation; otherwise it averages, too.
            for channel in range(3):
                expected = np.interp(places, np.arange(length), part[:, channel])
                np.testing.assert_allclose(result[:, channel], expected, atol=1e-5)
    assert numpy(crop(SIGNALS, training=False)).shape == (60, 11, 3)
    assert len(np.unique(spans[:, 1])) > 6


def test_masks_are_one_span_with_zeros():
    found = numpy(V.RandomTimeMask(0.4)(np.ones_like(SIGNALS), seed=SEED))
    for result, (u, v) in zip(found, numbers_of(60, 2), strict=True):
        length = int(u * 9)  # 0 to 8 of 20 steps.
        start = int(v * (20 - length + 1))
        expected = np.ones((20, 3))
        expected[start : start + length] = 0
        np.testing.assert_array_equal(result, expected)


def test_jitter_adds_noise_of_its_deviation_to_numbers_alone():
    many = np.broadcast_to(NUMBERS[:1], (5000, 7))
    noise = numpy(V.RandomJitter(0.3)(many, seed=SEED)) - many
    error = 4 * 0.3 / math.sqrt(2 * noise.size)
    assert noise.std() == pytest.approx(0.3, abs=error)
    table = numpy(V.RandomJitter(0.3)(TABLE, seed=SEED))
    np.testing.assert_array_equal(table["categories"], TABLE["categories"])
    alone = numpy(V.RandomJitter(0.3)(NUMBERS, seed=SEED))
    np.testing.assert_array_equal(table["numbers"], alone)


def test_mix_takes_a_part_of_another_row():
    drawn = numbers_of(60, 2)
    other, part = np.argsort(drawn[:, 0]), 0.4 * drawn[:, 1:]
    found = numpy(V.RandomMix(0.4)(TABLE, seed=SEED))
    expected = (1 - part) * NUMBERS + part * NUMBERS[other]
    np.testing.assert_allclose(found["numbers"], expected, atol=1e-5)
    own, others = TABLE["categories"], TABLE["categories"][other]
    assert ((found["categories"] == own) | (found["categories"] == others)).all()
    share = (found["categories"] != own).mean()
    assert share == pytest.approx(0.2, abs=4 * math.sqrt(0.2 * 0.8 / own.size))


@pytest.mark.parametrize("share", [0.0, 0.01, 0.4, 1.0])
def test_corruption_replaces_its_share_by_the_marginal(share):
    rows = 3000
    # All values of a column differ, and tell of column and row.
    values = np.arange(rows)[:, None] + rows * np.arange(10)
    table = {
        "categories": values[:, :4].astype("int32"),
        "numbers": values[:, 4:].astype("float32"),
    }
    found = numpy(V.RandomColumnCorruption(share)(table, seed=SEED))
    found = np.concatenate([found["categories"], found["numbers"]], axis=1)
    assert ((found // rows) == np.arange(10)).all()
    count = {0.0: 0, 0.01: 1, 0.4: 4, 1.0: 10}[share]
    changed = found != values
    # A row may draw its own value again.
    assert changed.sum(axis=1).max(initial=0) <= count
    assert (changed.sum(axis=1) == count).mean() > 0.98
    if count:
        each = changed.mean(axis=0)
        error = 4 * math.sqrt(count / 10 * (1.001 - count / 10) / rows)
        np.testing.assert_allclose(each, count / 10, atol=error + 0.001)
        donors = (found % rows)[changed]
        assert donors.mean() == pytest.approx(
            rows / 2, abs=4 * rows / math.sqrt(12 * donors.size)
        )
        # Columns come from rows of their own.
        both = changed[:, :2].all(axis=1)
        if both.sum() > 100:
            assert ((found % rows)[both, 0] == (found % rows)[both, 1]).mean() < 0.01


def test_dropout_leaves_out_its_share():
    ones = {
        "categories": np.ones((3000, 4), "int32"),
        "numbers": np.ones((3000, 6), "float32"),
    }
    found = numpy(V.RandomColumnDropout(0.3)(ones, seed=SEED))
    every = np.concatenate([found["numbers"], found["categories"]], axis=1)
    assert set(np.unique(every)) == {0, 1}
    error = 4 * math.sqrt(0.21 / 3000)
    np.testing.assert_allclose(1 - every.mean(axis=0), 0.3, atol=error)
    np.testing.assert_array_equal(every == 0, numbers_of(3000, 10) < np.float32(0.3))


def test_views_by_name():
    first, second = V.get("scarf")(TABLE, seed=SEED)
    keras.tree.map_structure(np.testing.assert_array_equal, numpy(first), TABLE)
    assert (numpy(second)["numbers"] != NUMBERS).mean() > 0.4
    again = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(V.get("scarf"))
    )
    np.testing.assert_array_equal(
        numpy(again(TABLE, seed=SEED)[1])["numbers"], numpy(second)["numbers"]
    )
    for name, given in (("signals", SIGNALS), ("tables", NUMBERS)):
        views = [numpy(view) for view in V.get(name)(given, seed=SEED)]
        assert [view.shape for view in views] == [given.shape] * 2
        assert np.abs(views[0] - views[1]).mean() > 0.1
    y, x = V.get("parts")({"b": SIGNALS, "a": NUMBERS})
    assert (y.shape, x.shape) == (NUMBERS.shape, SIGNALS.shape)
    with pytest.raises(ValueError, match="parts must be the parts of an example"):
        V.get("parts")(NUMBERS)


@pytest.mark.parametrize(
    ("layer", "given", "match"),
    [
        (V.RandomTimeCrop(), NUMBERS, r"signals \(rows, steps, channels\).*\(60, 7\)"),
        (V.RandomColumnDropout(), SIGNALS, r"received numbers of dtype float32.*20, 3"),
        (V.RandomColumnCorruption(), {"x": NUMBERS}, "received the parts 'x'"),
        (V.RandomJitter(), NUMBERS.astype("int32"), "received numbers of dtype int32"),
    ],
)
def test_what_is_no_signal_or_table_is_refused(layer, given, match):
    with pytest.raises(ValueError, match=match):
        layer(given, seed=SEED)
