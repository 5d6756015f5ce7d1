import copy
import math

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_infomax as kim
from keras_infomax.callbacks import ConditionNumbers
from keras_infomax.encoders.condition_numbers import (
    LogConditionNumbers,
    jacobians,
    log_condition_numbers,
)

VIEWS = np.random.default_rng(0).normal(size=(7, 2, 4)).astype("float32")


def encoder(*layers, row_shape=(2, 4)):
    return keras.Sequential([keras.Input(row_shape), *layers])


def smooth():
    """Rows are normalised, each by itself, so that every pixel meets every other."""
    return encoder(
        keras.layers.Flatten(),
        keras.layers.Dense(6, activation="tanh"),
        keras.layers.LayerNormalization(),
        keras.layers.Dropout(0.5),
        keras.layers.Dense(3),
    )


def test_the_jacobian_of_a_linear_encoder_is_its_kernel():
    linear = encoder(keras.layers.Flatten(), keras.layers.Dense(3))
    expected = np.broadcast_to(linear.get_weights()[0].T, (7, 3, 8))
    np.testing.assert_allclose(jacobians(linear, VIEWS), expected, rtol=1e-6)


@pytest.mark.parametrize("model", [smooth, lambda: kim.encoders.convnet((2, 4, 1))])
def test_the_jacobian_is_the_limit_of_differences(model):
    model = model()
    views = VIEWS.reshape(7, *model.input_shape[1:])
    steps = 1e-3 * np.eye(8, dtype="float32").reshape(8, 1, *views.shape[1:])
    ahead, behind = (
        np.array([model(views + sign * step, training=False) for step in steps])
        for sign in (1, -1)
    )
    differences = np.moveaxis((ahead - behind) / 2e-3, 0, -1)
    np.testing.assert_allclose(jacobians(model, views), differences, atol=2e-3)


@pytest.mark.parametrize("batch_size", [1, 3, 7])
def test_batches_bound_the_memory_and_not_the_result(batch_size):
    model = smooth()
    np.testing.assert_allclose(
        jacobians(model, VIEWS, batch_size), jacobians(model, VIEWS), atol=1e-5
    )


def test_a_layer_that_is_not_built_will_do():
    assert jacobians(keras.layers.Dense(3), VIEWS[:, 0]).shape == (7, 3, 4)


def test_an_encoding_that_ignores_the_view_has_the_jacobian_zero():
    constant = encoder(keras.layers.Lambda(lambda x: tf.ones((tf.shape(x)[0], 5))))
    np.testing.assert_array_equal(jacobians(constant, VIEWS), np.zeros((7, 5, 8)))


@pytest.mark.parametrize(
    ("model", "views", "batch_size", "message"),
    [
        (
            smooth,
            VIEWS[0, 0],
            16,
            r"at least one row; received float32 of shape \(4,\)",
        ),
        (smooth, VIEWS[:0], 16, "at least one row"),
        (smooth, VIEWS.astype("uint8"), 16, "received uint8"),
        (smooth, VIEWS, 0, "batch_size must be a positive integer; received 0"),
        (lambda: encoder(keras.layers.Dense(3)), VIEWS, 16, r"\(rows, dim\); received"),
    ],
)
def test_what_has_no_jacobian_is_refused(model, views, batch_size, message):
    with pytest.raises(ValueError, match=message):
        jacobians(model(), views, batch_size)


def rotations(rows, size):
    normal = np.random.default_rng(1).normal(size=(rows, size, size))
    return np.linalg.qr(normal)[0]


def test_orthogonal_maps_have_condition_number_one():
    numbers = log_condition_numbers(rotations(5, 9).astype("float32"))
    np.testing.assert_allclose(numbers.values, np.zeros(5), atol=1e-6)
    assert numbers.singular == 0


def test_the_logarithm_is_natural_and_knows_no_scale_and_no_direction():
    stretched = rotations(1, 2)[0] @ np.diag([math.e, 1]) @ rotations(2, 2)[1]
    numbers = log_condition_numbers([stretched, 1e-5 * stretched, -3 * stretched.T])
    np.testing.assert_allclose(numbers.values, np.ones(3), rtol=1e-12)


def test_rectangular_maps_have_the_smaller_number_of_singular_values():
    wide = np.hstack([np.diag([8.0, 2.0]), np.zeros((2, 3))])
    for given in (wide, wide.T):
        np.testing.assert_allclose(
            log_condition_numbers([given]).values, [math.log(4)], rtol=1e-12
        )


def test_singular_maps_are_counted_and_nothing_is_infinite():
    random = np.random.default_rng(2)
    deficient = random.normal(size=(20, 18)) @ random.normal(size=(18, 20))
    maps = np.stack([np.eye(20), np.zeros((20, 20)), deficient]).astype("float32")
    numbers = log_condition_numbers(maps)
    assert numbers.singular == 2
    np.testing.assert_array_equal(numbers.values, [0])


def test_singular_is_what_the_precision_of_the_jacobian_cannot_tell_from_it():
    nearly = np.stack([np.diag([1, 1e-6]), np.diag([1, 1e-8])])
    assert log_condition_numbers(nearly).singular == 0
    numbers = log_condition_numbers(nearly.astype("float32"))
    assert numbers.singular == 1
    np.testing.assert_allclose(numbers.values, [math.log(1e6)], rtol=1e-6)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (np.eye(3), r"view_size\), none of the sizes 0; received float64 of shape"),
        (np.ones((2, 3, 3), int), "received int64"),
        (
            np.full((2, 3, 3), np.nan),
            "NaN or infinity in 2 of 2 examples, first in row",
        ),
    ],
)
def test_what_has_no_condition_number_is_refused(given, message):
    with pytest.raises(ValueError, match=message):
        log_condition_numbers(given)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        # Ranks: 0.2 * 7 = 1.4, so the second; 2.8, the third; 4.2, the fifth; ...
        ([7, 3, 1, 6, 2, 5, 4], [1, 2, 3, 5, 6, 7]),
        ([50, 10, 40, 20, 30], [10, 10, 20, 30, 40, 50]),
        ([9], [9] * 6),
        ([], [None] * 6),
    ],
)
def test_percentiles_are_values_of_the_nearest_rank(values, expected):
    numbers = LogConditionNumbers(np.array(values, float), singular=3)
    percents = (0, 20, 40, 60, 80, 100)
    assert [numbers.percentile(percent) for percent in percents] == expected


def test_an_encoder_that_starts_as_the_identity_starts_at_zero():
    model = kim.encoders.skip_mlp((2, 4))
    numbers = log_condition_numbers(jacobians(model, VIEWS))
    assert numbers.singular == 0
    assert 0 < numbers.values.max() < 0.01


KEYS = [f"log_condition_{name}" for name in ("min", "20", "40", "60", "80", "max")]


def infomax():
    model = kim.InfoMax(smooth())
    model.compile(keras.optimizers.Adam(0.01), loss=kim.losses.InfoNCE())
    return model


def pairs():
    return tf.data.Dataset.from_tensors(((VIEWS, 2 * VIEWS),))


def test_the_history_is_that_of_a_measurement_by_hand():
    model, callback = infomax(), ConditionNumbers(VIEWS, every=2)

    def by_hand():
        return log_condition_numbers(jacobians(model.encoder_x, VIEWS)).values

    start = by_hand()
    logs = model.fit(pairs(), epochs=3, verbose=0, callbacks=[callback]).history
    assert [epochs for epochs, _ in callback.history] == [0, 1, 2]
    first, second, last = (numbers for _, numbers in callback.history)
    np.testing.assert_array_equal(first.values, start)
    assert (first.values != second.values).all()
    medians = [second.percentile(60), last.percentile(60), np.nan]
    np.testing.assert_array_equal(logs["log_condition_60"], medians)
    np.testing.assert_array_equal(logs["singular_examples"], [0, 0, np.nan])
    assert callback.measurements == dict.fromkeys([*KEYS, "singular_examples"])
    model.fit(pairs(), initial_epoch=1, epochs=2, verbose=0, callbacks=[callback])
    expected = np.sort(by_hand())[[0, 1, 2, 4, 5, 6]]
    assert callback.measurements == {
        **dict(zip(KEYS, expected, strict=True)),
        "singular_examples": 0,
    }


def test_the_last_measurement_is_that_of_the_trained_encoder():
    model = kim.InfoMax(smooth(), smooth())
    model.compile("adam", loss=kim.losses.InfoNCE())
    callback = ConditionNumbers(VIEWS, encoder="encoder_y")
    model.fit(pairs(), verbose=0, callbacks=[callback])
    expected = log_condition_numbers(jacobians(model.encoder_y, VIEWS)).values
    np.testing.assert_array_equal(callback.history[-1][1].values, expected)


def test_where_all_are_singular_their_number_alone_is_logged():
    zero = keras.layers.Dense(3, kernel_initializer="zeros", trainable=False)
    model = kim.InfoMax(encoder(keras.layers.Flatten(), zero))
    model.compile("adam", loss=kim.losses.InfoNCE())
    callback = ConditionNumbers(VIEWS)
    logs = model.fit(pairs(), verbose=0, callbacks=[callback]).history
    assert logs["singular_examples"] == [7]
    assert not set(KEYS) & set(logs)
    assert callback.measurements == {**dict.fromkeys(KEYS), "singular_examples": 7}


def test_a_used_callback_can_be_copied():
    model, callback = infomax(), ConditionNumbers(VIEWS)
    model.fit(pairs(), verbose=0, callbacks=[callback])
    copied = copy.deepcopy(callback)
    assert copied.views is callback.views
    assert copied.history is not callback.history
    infomax().fit(pairs(), epochs=2, verbose=0, callbacks=[copied])
    assert [epochs for epochs, _ in callback.history] == [0, 1]
    assert [epochs for epochs, _ in copied.history] == [0, 1, 2]


def test_mistakes_of_the_callback_are_refused():
    with pytest.raises(
        ValueError, match="every must be a positive integer; received 0"
    ):
        ConditionNumbers(VIEWS, every=0)
    with pytest.raises(ValueError, match="received 'encoder'"):
        infomax().fit(
            pairs(), verbose=0, callbacks=[ConditionNumbers(VIEWS, encoder="encoder")]
        )


@pytest.mark.parametrize("shape", [(2, 0, 3), (2, 3, 0), (0, 0, 1)])
def test_jacobians_of_no_size_are_refused(shape):
    with pytest.raises(ValueError, match="none of the sizes 0"):
        log_condition_numbers(np.zeros(shape))
    assert log_condition_numbers(np.zeros((0, 2, 3))).singular == 0
