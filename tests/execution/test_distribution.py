"""Many devices compute what one would: compared by weights, never by loss alone."""

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import keras_infomax as kim
from keras_infomax import backends
from keras_infomax.execution import distribution

RNG = np.random.default_rng(0)
# In batches of 20, the last one is 3 rows: 2 for one replica and 1 for the other.
X = RNG.normal(size=(63, 6)).astype("float32")
Y = (X[:, :4] + 0.3 * RNG.normal(size=(63, 4))).astype("float32")


def local_results(strategy, values):
    return [np.array(v) for v in strategy.experimental_local_results(values)]


def per_replica(strategy, shards):
    return strategy.experimental_distribute_values_from_function(
        lambda context: tf.constant(shards[context.replica_id_in_sync_group])
    )


def test_outside_a_replica_everything_is_local(strategy):
    values = tf.constant([1.0, 2.0, 6.0])
    assert distribution.num_replicas() == 1
    assert distribution.gather(values) is values
    np.testing.assert_array_equal(distribution.global_rows(3), [0, 1, 2])
    assert float(distribution.mean(values)) == 3.0
    with strategy.scope():
        assert distribution.num_replicas() == 2
        assert distribution.gather(values) is values


@pytest.mark.parametrize("sizes", [(2, 2), (3, 1), (2, 0)])
def test_collectives_over_shards_of_any_size(strategy, sizes):
    whole = np.arange(sum(sizes), dtype="float32") + 1
    shards = [whole[: sizes[0]], whole[sizes[0] :]]

    @tf.function
    def run(values):
        return strategy.run(
            lambda v: (
                distribution.gather(v),
                distribution.global_rows(tf.size(v)),
                distribution.mean(v),
            ),
            args=(values,),
        )

    gathered, rows, means = run(per_replica(strategy, shards))
    for values in local_results(strategy, gathered):
        np.testing.assert_array_equal(values, whole)
    np.testing.assert_array_equal(
        np.concatenate(local_results(strategy, rows)), np.arange(len(whole))
    )
    np.testing.assert_allclose(local_results(strategy, means), whole.mean())


def test_gather_keeps_integers(strategy):
    @tf.function
    def run():
        return strategy.run(lambda: distribution.gather(tf.constant([2**24 + 1])))

    assert local_results(strategy, run())[1].tolist() == [2**24 + 1] * 2


def test_gather_takes_bfloat16(strategy):
    @tf.function
    def run():
        return strategy.run(lambda: distribution.gather(tf.ones([2], tf.bfloat16)))

    assert local_results(strategy, run())[0].tolist() == [1.0] * 4


def encoder(dim):
    return keras.Sequential(
        [
            keras.Input((dim,)),
            layers.Dense(
                9, activation="relu", kernel_regularizer=keras.regularizers.L2(0.01)
            ),
            layers.Dense(5),
        ]
    )


def trained_weights(
    loss,
    critic,
    optimizer,
    batch_size,
    shared=False,
    epochs=2,
    make_encoder=encoder,
    **options,
):
    """Weights and history after a few steps, from one seed."""
    keras.utils.set_random_seed(1)
    y = X[:, ::-1].copy() if shared else Y
    model = kim.InfoMax(make_encoder(6), None if shared else make_encoder(4), critic)
    model.compile(optimizer(), loss, **options)
    data = tf.data.Dataset.from_tensor_slices(((X, y),)).batch(batch_size)
    options = tf.data.Options()
    options.experimental_distribute.auto_shard_policy = (
        tf.data.experimental.AutoShardPolicy.OFF
    )
    history = model.fit(
        data.with_options(options),
        validation_data=data.with_options(options),
        epochs=epochs,
        verbose=0,
    ).history
    return model.get_weights(), history


LOSSES = {
    "infonce": kim.losses.InfoNCE,
    "infonce both ways": lambda: kim.losses.InfoNCE(axis=(0, 1)),
    "nwj": kim.losses.NWJ,
    "target above": lambda: kim.losses.TargetLoss("infonce", 1.0),
    "target below": lambda: kim.losses.TargetLoss("nwj", 0.01),
}

OTHER_PAIRS = (
    *(("infonce", "mlp"), ("nwj", "mlp"), ("target above", "bilinear")),
    *itertools.product(("infonce both ways", "target below"), ("bilinear", "mlp")),
)


def assert_equal_to_one_device(strategy, *args, **kwargs):
    expected, expected_history = trained_weights(*args, **kwargs)
    with strategy.scope():
        actual, history = trained_weights(*args, **kwargs)
    for name, values in expected_history.items():
        np.testing.assert_allclose(history[name], values, rtol=1e-4, err_msg=name)
    for a, b in zip(expected, actual, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=2e-5)


@pytest.mark.parametrize(
    ("name", "critic"),
    [
        *(("infonce", "bilinear"), ("target above", "mlp"), ("nwj", "bilinear")),
        *(pytest.param(*pair, marks=pytest.mark.slow) for pair in OTHER_PAIRS),
    ],
)
def test_weights_equal_those_of_one_device(strategy, name, critic):
    def optimizer():
        return keras.optimizers.SGD(0.05, momentum=0.9)

    assert_equal_to_one_device(strategy, LOSSES[name](), critic, optimizer, 20)


def test_adam_and_a_shared_encoder(strategy):
    def optimizer():
        # A large epsilon keeps rounding in vanishing gradients from being blown up.
        return keras.optimizers.Adam(0.01, epsilon=1e-3)

    assert_equal_to_one_device(
        strategy, kim.losses.InfoNCE(), "separable", optimizer, 20, shared=True
    )


def test_predict_keeps_the_order_of_rows(strategy):
    with strategy.scope():
        model = kim.InfoMax(encoder(6), encoder(4))
    np.testing.assert_allclose(
        model.predict(X, batch_size=10, verbose=0), model.encoder_x(X), rtol=1e-5
    )


@pytest.mark.slow
@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision_follows_one_device(strategy, policy):
    keras.config.set_dtype_policy(policy)

    def optimizer():
        return keras.optimizers.SGD(0.2)

    args = (kim.losses.InfoNCE(), "bilinear", optimizer, 20)
    _, expected = trained_weights(*args)
    with strategy.scope():
        _, history = trained_weights(*args)
    np.testing.assert_allclose(history["mi"], expected["mi"], atol=0.02)


@pytest.mark.parametrize(
    "options", [{"clipnorm": 0.05}, {"global_clipnorm": 0.1}], ids=str
)
def test_gradients_are_clipped_after_they_are_summed(strategy, options):
    def optimizer():
        return keras.optimizers.SGD(0.5, **options)

    assert_equal_to_one_device(
        strategy, kim.losses.InfoNCE(), "bilinear", optimizer, 20
    )


def test_several_steps_an_execution(strategy):
    def optimizer():
        return keras.optimizers.SGD(0.05)

    # Four batches an epoch: one execution of three, and one that runs out of data.
    assert_equal_to_one_device(
        strategy, kim.losses.InfoNCE(), "bilinear", optimizer, 20, steps_per_execution=3
    )


def test_a_first_batch_that_does_not_divide_evenly(strategy):
    def optimizer():
        return keras.optimizers.SGD(0.05)

    assert_equal_to_one_device(strategy, kim.losses.NWJ(), "separable", optimizer, 21)


def normalized(dim, synchronized):
    return keras.Sequential(
        [
            keras.Input((dim,)),
            layers.Dense(9),
            layers.BatchNormalization(synchronized=synchronized),
            layers.Dense(5),
        ]
    )


def test_synchronised_batch_normalisation(strategy):
    def optimizer():
        return keras.optimizers.SGD(0.05)

    assert_equal_to_one_device(
        strategy,
        kim.losses.InfoNCE(),
        "bilinear",
        optimizer,
        20,
        make_encoder=lambda dim: normalized(dim, synchronized=True),
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"jit_compile": True}, "received jit_compile=True"),
        (
            {"optimizer": lambda: keras.optimizers.SGD(gradient_accumulation_steps=2)},
            "must not accumulate gradients",
        ),
        (
            {
                "optimizer": lambda: keras.optimizers.LossScaleOptimizer(
                    keras.optimizers.SGD(clipnorm=1.0)
                )
            },
            "must not clip gradients that carry a loss scale",
        ),
        (
            {"make_encoder": lambda dim: normalized(dim, synchronized=False)},
            "must be synchronized",
        ),
    ],
    ids=["xla", "accumulation", "loss scale", "batch normalisation"],
)
def test_what_would_train_another_model_is_refused(strategy, change, message):
    def fit():
        options = {"optimizer": keras.optimizers.SGD, **change}
        return trained_weights(
            kim.losses.InfoNCE(), "bilinear", batch_size=20, epochs=1, **options
        )

    with strategy.scope(), pytest.raises(ValueError, match=message):
        fit()
    fit()  # One device can.


class Penalised(layers.Dense):
    """A layer of a user, whose loss is the mean of a square over rows, or is not."""

    losses_are_means_over_rows = True

    def call(self, inputs):
        outputs = super().call(inputs)
        self.add_loss(keras.ops.mean(outputs**2))
        return outputs


class Decorrelated(Penalised):
    losses_are_means_over_rows = False


# A mean over rows from Keras 3.14 on.
OF_ROWS = None if backends.keras_before(3, 14) else keras.regularizers.L2(0.1)


def penalised(dim, last):
    return keras.Sequential([keras.Input((dim,)), layers.Dense(9), last])


@pytest.mark.parametrize("batch_size", [20, 21])
def test_losses_of_layers_count_rows_and_not_replicas(strategy, batch_size):
    # The last of 63 rows are 3, all for one replica, and shards of 21 rows are unequal.
    # Normalisation makes the replicas take turns while losses are collected.
    def make_encoder(dim):
        last = Penalised(5, activity_regularizer=OF_ROWS)
        normalisation = layers.BatchNormalization(synchronized=True)
        return keras.Sequential([keras.Input((dim,)), normalisation, last])

    assert_equal_to_one_device(
        strategy,
        kim.losses.InfoNCE(),
        kim.critics.SoftClippedCritic(kim.critics.InnerProductCritic(), clip=0.5),
        lambda: keras.optimizers.SGD(0.01),
        batch_size,
        make_encoder=make_encoder,
    )


def test_losses_of_keras_count_rows_and_not_replicas(strategy):
    def optimizer():
        return keras.optimizers.SGD(0.05)

    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    assert_equal_to_one_device(strategy, loss, "bilinear", optimizer, 20)


@pytest.mark.parametrize(
    ("loss", "last", "message"),
    [
        (kim.losses.InfoNCE(), lambda: Decorrelated(5), "must be a mean over rows"),
        (
            kim.losses.InfoNCE(),
            lambda: layers.Dense(5, activity_regularizer=tf.reduce_logsumexp),
            "must be a mean over rows",
        ),
        (
            keras.losses.SparseCategoricalCrossentropy(
                from_logits=True, reduction="sum"
            ),
            lambda: layers.Dense(5),
            "received reduction='sum'",
        ),
        (
            lambda partners, scores: tf.reduce_logsumexp(scores),
            lambda: layers.Dense(5),
            "must have a value for each row",
        ),
    ],
    ids=["layer", "regulariser", "reduction", "function"],
)
def test_losses_that_are_no_means_over_rows_are_refused(strategy, loss, last, message):
    def fit():
        return trained_weights(
            loss,
            "bilinear",
            lambda: keras.optimizers.SGD(1e-4),
            batch_size=20,
            epochs=1,
            make_encoder=lambda dim: penalised(dim, last()),
        )

    with strategy.scope(), pytest.raises(ValueError, match=message):
        fit()
    fit()  # One device can.


def test_gather_keeps_the_static_sizes_of_feature_maps(strategy):
    shapes = []

    @tf.function
    def run(values):
        gathered = strategy.run(distribution.gather, args=(values,))
        shapes.append(strategy.experimental_local_results(gathered)[0].shape)
        return gathered

    maps = np.arange(2 * 3 * 4 * 5, dtype="float32").reshape(2, 3, 4, 5)
    (first, _) = local_results(strategy, run(per_replica(strategy, maps[:, None])))
    assert tuple(shapes[0]) == (None, 3, 4, 5)
    np.testing.assert_array_equal(first, maps)
