import copy

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_infomax.probes import FineTuning, LogisticProbe, encode


def blobs(rows, seed, classes=3):
    generator = np.random.default_rng(seed)
    labels = generator.integers(classes, size=rows)
    centres = np.random.default_rng(99).normal(size=(classes, 5))
    x = centres[labels] + generator.normal(size=(rows, 5))
    return x.astype("float32"), labels


TRAIN, TEST = blobs(300, seed=0), blobs(300, seed=1)


def dense():
    return keras.Sequential(
        [
            keras.Input((5,)),
            keras.layers.Dense(
                8, "relu", kernel_regularizer=keras.regularizers.L2(0.1)
            ),
            keras.layers.Dense(4),
        ]
    )


def with_state():
    return keras.Sequential(
        [
            keras.Input((5,)),
            keras.layers.Dense(7, activation="relu"),
            keras.layers.BatchNormalization(),
            keras.layers.Dropout(0.5),
            keras.layers.Dense(3),
        ]
    )


def test_full_batches_train_as_a_keras_model_does():
    # Below ten rows a class, none is held out and all make up one batch.
    x, labels = TRAIN[0][:18], TRAIN[1][:18]
    assert np.bincount(labels).max() < 10
    encoder = dense()
    probe = FineTuning(encoder, learning_rate=0.01, epochs=20).fit(x, labels)
    head = keras.layers.Dense(3, kernel_initializer="zeros")
    twin = keras.Sequential([copy.deepcopy(encoder), head])
    twin.compile(
        keras.optimizers.Adam(0.01),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    twin.fit(x, labels, batch_size=18, epochs=20, verbose=0)
    expected = tf.nn.log_softmax(twin(TEST[0])).numpy()
    np.testing.assert_allclose(
        probe.predict_log_proba(TEST[0]), expected, rtol=1e-3, atol=1e-4
    )
    assert np.ptp(expected) > 1  # Far from where it started, all equal.


def test_the_encoder_itself_does_not_move():
    encoder = with_state()
    before = [np.array(variable) for variable in encoder.variables]
    assert len(before) == 9  # Two dense layers, four of the batch norm, one seed.
    FineTuning(encoder, epochs=3).fit(*TRAIN).score(*TEST)
    for variable, old in zip(encoder.variables, before, strict=True):
        np.testing.assert_array_equal(variable, old)


def test_statistics_move_with_the_copy():
    norm = keras.layers.BatchNormalization(momentum=0.5)
    encoder = keras.Sequential([keras.Input((5,)), norm, keras.layers.Dense(4)])
    probe = FineTuning(encoder, learning_rate=0.01, epochs=20)
    probe.fit(TRAIN[0] + 100, TRAIN[1])
    # With statistics of mean 0 and variance 1, rows around 100 would overwhelm it.
    assert probe.score(TEST[0] + 100, TEST[1]) > 0.6


def test_an_encoder_that_looks_away_can_be_tuned_but_not_read():
    noise = np.random.default_rng(2).normal(size=(600, 1)).astype("float32")
    train = np.concatenate([TRAIN[0], noise[:300]], axis=1)
    test = np.concatenate([TEST[0], noise[300:]], axis=1)
    encoder = keras.Sequential([keras.Input((6,)), keras.layers.Dense(3)])
    encoder.layers[0].kernel.assign(np.eye(6)[:, [5, 5, 5]])
    frozen = LogisticProbe().fit(encode(encoder, train), TRAIN[1])
    tuned = FineTuning(encoder, learning_rate=0.01).fit(train, TRAIN[1])
    assert frozen.score(encode(encoder, test), TEST[1]) < 0.45
    assert tuned.score(test, TEST[1]) > 0.6


def test_views_may_have_any_shape_and_the_encoder_need_not_be_built():
    encoder = keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(4)])
    x, labels = TRAIN[0][:, :4].reshape(-1, 2, 2), TRAIN[1]
    assert FineTuning(encoder).fit(x, labels).score(x, labels) > 0.5


def test_half_precision_encoders_are_tuned_too():
    keras.config.set_dtype_policy("mixed_bfloat16")
    log_p = FineTuning(dense(), epochs=5).fit(*TRAIN).predict_log_proba(TEST[0])
    assert np.mean(np.argmax(log_p, axis=1) == TEST[1]) > 0.5


@pytest.mark.parametrize("inside_the_scope", [False, True])
def test_a_distributed_encoder_is_tuned_as_one_on_one_device(
    strategy, inside_the_scope
):
    with strategy.scope():
        distributed = with_state()
    local = with_state()
    for variable, other in zip(local.variables, distributed.variables, strict=True):
        variable.assign(keras.ops.convert_to_numpy(other))
    expected = FineTuning(local, epochs=3).fit(*TRAIN).predict_log_proba(TEST[0])
    probe = FineTuning(distributed, epochs=3)
    if inside_the_scope:
        with strategy.scope():
            found = probe.fit(*TRAIN).predict_log_proba(TEST[0])
    else:
        found = probe.fit(*TRAIN).predict_log_proba(TEST[0])
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_what_cannot_be_tuned_is_refused():
    with pytest.raises(ValueError, match="needs an encoder .* received None"):
        FineTuning().fit(*TRAIN)
    encoder = dense()
    encoder.trainable = False
    with pytest.raises(ValueError, match="trainable weights; .* 0 trainable"):
        FineTuning(encoder).fit(*TRAIN)
    with pytest.raises(ValueError, match=r"\(rows, dim\); received \(1, 1, 5, 2\)"):
        FineTuning(keras.layers.Dense(2)).fit(TRAIN[0].reshape(-1, 1, 5, 1), TRAIN[1])
    twice = keras.layers.Lambda(lambda x: [x, x])
    with pytest.raises(ValueError, match=r"\(rows, dim\); received \["):
        FineTuning(twice).fit(*TRAIN)
