"""In chunks as whole: values, gradients, weights after training, dropout."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import keras_infomax as kim
from keras_infomax.execution import chunking
from keras_infomax.training import experiments
from keras_infomax.training.settings import Settings

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 6)).astype("float32")
Y = (X[:, :4] + 0.3 * RNG.normal(size=(60, 4))).astype("float32")


def value_and_gradients(function, *inputs):
    inputs = [tf.constant(value) for value in inputs]
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        value = function(*inputs)
    return value, tape.gradient(value, inputs)


def assert_same(function, chunked, *inputs):
    value, gradients = value_and_gradients(function, *inputs)
    for run in (chunked, tf.function(chunked)):
        other, other_gradients = value_and_gradients(run, *inputs)
        np.testing.assert_allclose(other, value, rtol=1e-5)
        for a, b in zip(gradients, other_gradients, strict=True):
            np.testing.assert_allclose(b, a, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("chunk_size", [1, 7, 60, 100])
def test_value_and_gradients_of_rows_and_shared(chunk_size):
    weights = RNG.normal(size=(6, 3)).astype("float32")
    scale = tf.range(60.0)

    def block(rows, shared, state):
        x, scale, index = rows
        outputs = {
            "product": tf.tanh(x @ shared[0]) * scale[:, None],
            "index": index,
        }
        return outputs, state

    def chunked(x, weights):
        outputs, _ = chunking.by_rows(
            block, [x, scale, tf.range(60)], [weights], chunk_size=chunk_size
        )
        np.testing.assert_array_equal(outputs["product"].shape, [60, 3])
        return tf.reduce_sum(outputs["product"] ** 2)

    def whole(x, weights):
        return tf.reduce_sum((tf.tanh(x @ weights) * scale[:, None]) ** 2)

    assert_same(whole, chunked, X, weights)


def test_state_goes_from_block_to_block():
    def block(rows, shared, state):
        return rows[0] + state[0], [state[0] + 1.0]

    values, state = chunking.by_rows(
        block, [tf.zeros(5)], state=[tf.constant(10.0)], chunk_size=2
    )
    np.testing.assert_array_equal(values, [10, 10, 11, 11, 12])
    assert float(state[0]) == 13.0


def test_no_rows():
    values, _ = chunking.by_rows(
        lambda rows, shared, state: (2 * rows[0], state),
        [tf.zeros((0, 3))],
        chunk_size=4,
    )
    assert values.shape == (0, 3)


LOSSES = {
    "infonce": kim.losses.InfoNCE,
    "nwj": kim.losses.NWJ,
    "donsker_varadhan": kim.losses.DonskerVaradhan,
    "jensen_shannon": kim.losses.JensenShannon,
    "multi_class_n_pair": kim.losses.MultiClassNPair,
    "triplet": kim.losses.Triplet,
}


@pytest.mark.parametrize("name", list(LOSSES))
def test_losses(name):
    scores = RNG.normal(size=(9, 13)).astype("float32")
    partners = np.arange(9)[::-1].copy()
    whole, chunked = LOSSES[name](), LOSSES[name](chunk_size=4)
    assert chunked.from_config(chunked.get_config()).chunk_size == 4
    assert_same(
        lambda scores: whole(partners, scores),
        lambda scores: chunked(partners, scores),
        scores,
    )


def test_a_target_of_a_chunked_bound():
    scores = RNG.normal(size=(8, 8)).astype("float32")
    chunked = kim.losses.TargetLoss(kim.losses.NWJ(chunk_size=3), 2.0)
    whole = kim.losses.TargetLoss("nwj", 2.0)
    assert_same(lambda s: whole(range(8), s), lambda s: chunked(range(8), s), scores)


@pytest.mark.parametrize("hidden_units", [(8,), (8, 7)])
def test_mlp_critic(hidden_units):
    whole = kim.critics.MLPCritic(hidden_units)
    whole(X, Y[:11])
    chunked = kim.critics.MLPCritic(hidden_units, chunk_size=13)
    chunked(X, Y[:11])
    chunked.set_weights(whole.get_weights())
    weighted = RNG.normal(size=(60, 11)).astype("float32")
    assert_same(
        lambda x, y: tf.reduce_sum(whole(x, y) * weighted),
        lambda x, y: tf.reduce_sum(chunked(x, y) * weighted),
        X,
        Y[:11],
    )


def encoder(dim, dropout=0.0):
    return keras.Sequential(
        [
            keras.Input((dim,)),
            layers.Dense(9, activation="relu", kernel_regularizer="l2"),
            layers.Dropout(dropout, seed=3),
            layers.Dense(5),
        ]
    )


def trained(loss, chunk_size=None, how=None, **options):
    keras.utils.set_random_seed(1)
    critic = kim.critics.MLPCritic((8,), chunk_size=chunk_size)
    model = kim.InfoMax(encoder(6), encoder(4), critic, **options)
    model.compile(keras.optimizers.SGD(0.1, momentum=0.9), loss, **(how or {}))
    history = model.fit((X, Y), batch_size=25, epochs=2, shuffle=False, verbose=0)
    return model.get_weights(), history.history


def test_training_in_chunks_equals_training_whole():
    weights, history = trained(kim.losses.NWJ())
    chunked, chunked_history = trained(
        kim.losses.NWJ(chunk_size=7), chunk_size=4, encoder_chunk_size=6
    )
    np.testing.assert_allclose(chunked_history["loss"], history["loss"], rtol=1e-5)
    for a, b in zip(weights, chunked, strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-4, atol=1e-6)


def test_training_in_chunks_equals_training_whole_in_half_precision():
    keras.config.set_dtype_policy("mixed_bfloat16")
    weights, history = trained(kim.losses.InfoNCE())
    chunked, chunked_history = trained(
        kim.losses.InfoNCE(chunk_size=7), chunk_size=4, encoder_chunk_size=6
    )
    np.testing.assert_allclose(chunked_history["loss"], history["loss"], rtol=0.03)
    for a, b in zip(weights, chunked, strict=True):
        np.testing.assert_allclose(b, a, rtol=0.03, atol=0.003)


@pytest.mark.parametrize(
    ("chunks", "loss"),
    [
        ({"chunk_size": 4}, kim.losses.InfoNCE()),
        ({"encoder_chunk_size": 4}, kim.losses.InfoNCE()),
        ({}, kim.losses.InfoNCE(chunk_size=4)),
        ({}, kim.losses.TargetLoss(kim.losses.NWJ(chunk_size=4), 1.0)),
    ],
    ids=["critic", "encoders", "loss", "target"],
)
def test_chunks_are_refused_where_xla_compiles(chunks, loss):
    with pytest.raises(ValueError, match="received jit_compile=True"):
        trained(loss, how={"jit_compile": True}, **chunks)


def test_training_in_chunks_on_replicas(strategy):
    expected, _ = trained(kim.losses.DonskerVaradhan())
    with strategy.scope():
        weights, _ = trained(
            kim.losses.DonskerVaradhan(chunk_size=7), chunk_size=4, encoder_chunk_size=6
        )
    for a, b in zip(expected, weights, strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-3, atol=1e-5)


def test_dropout_has_the_same_masks_in_both_passes():
    noisy = encoder(6, dropout=0.5)
    size = 25

    def gradients(encode):
        keras.utils.set_random_seed(0)
        seeds = noisy.layers[1].seed_generator.state
        seeds.assign([3, 0])
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(encode() ** 3)
        return loss, tape.gradient(loss, noisy.trainable_variables), seeds.numpy()

    def by_hand():
        blocks = [X[start : start + size] for start in range(0, len(X), size)]
        return tf.concat([noisy(block, training=True) for block in blocks], axis=0)

    loss, expected, seeds = gradients(by_hand)
    actual_loss, actual, actual_seeds = gradients(
        lambda: chunking.encode(noisy, tf.constant(X), True, size)
    )
    assert float(actual_loss) == pytest.approx(float(loss), rel=1e-5)
    np.testing.assert_array_equal(actual_seeds, seeds)
    for a, b in zip(expected, actual, strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (layers.BatchNormalization(), "statistics of chunks"),
        (layers.ActivityRegularization(0.1), "losses that depend on its activations"),
    ],
    ids=["batch normalisation", "activity loss"],
)
def test_what_chunks_would_change_is_refused(layer, message):
    network = keras.Sequential([keras.Input((6,)), layer, layers.Dense(5)])
    model = kim.InfoMax(network, encoder(4), encoder_chunk_size=10)
    model.compile("sgd", kim.losses.InfoNCE())
    with pytest.raises(ValueError, match=message):
        model.fit((X, Y), batch_size=20, verbose=0)


@pytest.mark.parametrize("size", [0, 2.5, True])
def test_sizes_that_are_none(size):
    with pytest.raises(ValueError, match="chunk_size must be a positive integer"):
        kim.losses.InfoNCE(chunk_size=size)


def test_rows_cannot_be_chunked_where_columns_are_summed():
    with pytest.raises(ValueError, match="needs axis=1"):
        kim.losses.InfoNCE(axis=0, chunk_size=4)


def settings(**values):
    return Settings.resolve({"encoder_units": (24,), "critic": "mlp", **values})


def test_configs_chunk_critic_bound_and_encoders(digits):
    chunked = settings(chunk_size=16, encoder_chunk_size=8, target=2.0)
    model = experiments.infomax(chunked, digits).model
    assert model.critic.chunk_size == model.loss.bound.chunk_size == 16
    assert model.encoder_chunk_size == 8


def test_configs_of_bounds_that_need_all_rows(digits):
    with pytest.raises(ValueError, match="'lifted_structure' needs all rows at once"):
        experiments.infomax(settings(bound="lifted_structure", chunk_size=16), digits)
