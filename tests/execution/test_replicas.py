"""Optimizers, and layers that keep state, on replicas: as on one device, or refused.

In float64, in which what is computed alike agrees to many digits.
"""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers, ops, optimizers

import keras_infomax as kim
from keras_infomax import backends
from keras_infomax.execution import replicas

# Batches of 6 and of 3 rows, which two replicas cannot share evenly.
X = np.random.default_rng(0).normal(size=(9, 4))
ONE_DEVICE = tf.distribute.get_strategy()


@pytest.fixture(autouse=True)
def float64():
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    yield
    keras.config.set_floatx("float32")


def slow(*values):
    """Values of a parameter whose tests take long, each on two replicas."""
    return [pytest.param(value, marks=pytest.mark.slow) for value in values]


def encoder(*inner):
    return keras.Sequential(
        [
            keras.Input((4,)),
            layers.Dense(5, activation="tanh"),
            *inner,
            layers.Dense(3, use_bias=False),
        ]
    )


def model_of(optimizer, make=encoder, **options):
    keras.utils.set_random_seed(0)
    model = kim.InfoMax(make())
    model.compile(optimizer(), "infonce", **options)
    return model


def trained(optimizer, make=encoder, epochs=1):
    """Variables before and after some steps, those of the optimizer included."""
    model = model_of(optimizer, make)
    before = model.get_weights()
    views = X, X[:, ::-1].copy()
    model.fit(views, batch_size=6, epochs=epochs, shuffle=False, verbose=0)
    state = [v.numpy() for v in model.optimizer.variables if v.dtype == "float64"]
    others = [v.numpy() for v in model.variables if v.dtype == "float64"]
    return before, model.get_weights(), state + others


def assert_as_on_one_device(strategy, *args, **kwargs):
    before, weights, expected = trained(*args, **kwargs)
    # A critic may be built only by the first batch: it comes last.
    pairs = zip(weights, before, strict=False)
    assert max(np.abs(w - b).max() for w, b in pairs) > 1e-4
    with strategy.scope():
        _, _, actual = trained(*args, **kwargs)
    for a, b in zip(expected, actual, strict=True):
        # Random numbers are drawn in float32 before they are cast.
        np.testing.assert_allclose(a, b, rtol=1e-7, atol=1e-9)


def sgd():
    return optimizers.SGD(0.5)


class SignDescent(optimizers.SGD):
    """An optimizer of a user, which changes gradients before they are summed."""

    def apply(self, grads, trainable_variables=None):
        super().apply([ops.sign(g) for g in grads], trainable_variables)


def of_two(**options):
    chosen = {".*dense/.*": optimizers.SGD(0.3)}
    return optimizers.MultiOptimizer(
        optimizers.OptimizerMap(optimizers.SGD(0.1, **options), chosen)
    )


OPTIMIZERS = {
    "global_clipnorm, scaled": lambda: optimizers.SGD(
        1.0, global_clipnorm=0.1, loss_scale_factor=128.0
    ),
    "clipnorm, scaled": lambda: optimizers.SGD(
        1.0, clipnorm=0.1, loss_scale_factor=128.0
    ),
    "clipvalue, scaled": lambda: optimizers.SGD(
        1.0, clipvalue=0.01, loss_scale_factor=128.0
    ),
    "clipvalue": lambda: optimizers.SGD(1.0, clipvalue=0.01),
    "clipnorm 0": lambda: optimizers.SGD(1.0, clipnorm=0.0),  # Which Keras ignores.
    "amsgrad, decay, average": lambda: optimizers.Adam(
        0.1, amsgrad=True, weight_decay=0.1, use_ema=True
    ),
    "dynamic scale": lambda: optimizers.LossScaleOptimizer(
        sgd(), initial_scale=4.0, dynamic_growth_steps=2
    ),
    "two optimizers": lambda: of_two(clipnorm=0.05),
    "of a user": lambda: SignDescent(0.1),
}
QUICK = ("amsgrad, decay, average", "global_clipnorm, scaled")


@pytest.mark.parametrize(
    "name", [*QUICK, *slow(*(n for n in OPTIMIZERS if n not in QUICK))]
)
def test_optimizers(strategy, name):
    assert_as_on_one_device(strategy, OPTIMIZERS[name])


@pytest.mark.slow
def test_gradients_of_rows_of_a_table(strategy):
    # Clipping counts a token as often as it is in the batch, which a sum would not.
    def make():
        tokens = layers.Lambda(lambda x: ops.cast(ops.abs(x), "int32"))
        table = layers.Embedding(9, 2)
        return keras.Sequential(
            [keras.Input((4,)), tokens, table, layers.Flatten(), layers.Dense(3)]
        )

    assert_as_on_one_device(
        strategy, lambda: optimizers.SGD(0.5, global_clipnorm=0.01), make
    )


class Counter(layers.Layer):
    """Updates a variable by nothing but itself."""

    def build(self, shape):
        self.count = self.add_weight(name="count", trainable=False, initializer="zeros")

    def call(self, inputs):
        self.count.assign_add(1.0)
        return inputs / (1 + self.count)


class UnitColumns(layers.Layer):
    """Updates a weight that is trained."""

    def build(self, shape):
        self.kernel = self.add_weight(shape=(shape[-1], 5), name="kernel")

    def call(self, inputs):
        self.kernel.assign(ops.normalize(self.kernel, axis=0))
        return inputs @ self.kernel


class Sized(layers.Layer):
    """Holds a metric, which is summed over replicas when it is read."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.size = keras.metrics.Mean(name="size")

    def call(self, inputs):
        self.size.update_state(ops.sum(inputs**2, axis=-1))
        return inputs


class RunningMean(layers.Layer):
    """Updates a variable by the rows that it sees, as a layer of a user may."""

    def build(self, shape):
        self.mean = self.add_weight(
            shape=shape[1:], name="mean", trainable=False, initializer="zeros"
        )

    def of_rows(self, inputs):
        return ops.mean(inputs, axis=0)

    def call(self, inputs):
        self.mean.assign(0.9 * self.mean + 0.1 * self.of_rows(inputs))
        return inputs - self.mean


class RunningMeanOfAll(RunningMean):
    updates_see_all_rows = True

    def of_rows(self, inputs):
        return ops.mean(kim.distribution.gather(inputs), axis=0)


class CountedRows(Counter):
    def call(self, inputs):
        self.count.assign_add(ops.cast(ops.shape(inputs)[0], "float64"))
        return inputs / self.count


class OfTheGlobalSeed(layers.Layer):
    def call(self, inputs):
        return inputs * keras.random.uniform(ops.shape(inputs))


# A mean over rows from Keras 3.14 on.
OF_ROWS = None if backends.keras_before(3, 14) else "l2"
KEEPING_STATE = {
    "spectral": lambda: encoder(
        layers.SpectralNormalization(layers.Dense(5)), Counter()
    ),
    "weights and metrics": lambda: encoder(UnitColumns(), Sized()),
    "random": lambda: encoder(
        layers.Dropout(0.4),
        layers.BatchNormalization(synchronized=True),
        keras.Sequential([layers.GaussianNoise(0.1, activity_regularizer=OF_ROWS)]),
    ),
    "declared": lambda: encoder(RunningMeanOfAll()),
}


@pytest.mark.parametrize("kind", ["spectral", *slow(*list(KEEPING_STATE)[1:])])
def test_layers_that_keep_state(strategy, kind):
    assert_as_on_one_device(strategy, sgd, KEEPING_STATE[kind], epochs=2)


def test_a_metric_of_a_layer_counts_the_rows_of_all_replicas(strategy):
    sizes = []
    for each in (ONE_DEVICE, strategy):
        with each.scope():
            model = model_of(sgd, lambda: encoder(Sized()))
        views = X, X[:, ::-1].copy()
        logs = model.fit(views, batch_size=9, shuffle=False, verbose=0).history
        metric = model.encoder_x.layers[1].size
        sizes.append((float(metric.result()), float(metric.count.numpy())))
        assert np.isfinite(logs["loss"]).all()
    assert sizes[0][1] == 18  # Two views of nine rows.
    np.testing.assert_allclose(*sizes, rtol=1e-9)


def attending():
    tokens = keras.Input((4,))
    steps = layers.Dense(2)(layers.Reshape((4, 1))(tokens))
    attended = layers.MultiHeadAttention(2, 2, dropout=0.3)(steps, steps)
    return keras.Model(tokens, layers.Dense(3)(layers.Flatten()(attended)))


class Own(keras.Model):
    """An encoder that is no graph of layers: it is called with all rows as a whole."""

    def __init__(self):
        super().__init__()
        self.first, self.drop = layers.Dense(6), layers.Dropout(0.3)
        self.last = layers.Dense(3)
        self.build((None, 4))

    def build(self, shape):
        self.first.build(shape)
        self.last.build((None, 6))

    def call(self, inputs, training=None):
        return self.last(self.drop(self.first(inputs), training=training))

    def compute_output_shape(self, shape):
        return (shape[0], 3)


@pytest.mark.parametrize("make", [Own, *slow(attending)])
def test_random_numbers_inside_of_layers(strategy, make):
    assert_as_on_one_device(strategy, sgd, make)


@pytest.mark.slow
def test_layers_are_as_they_were_after_a_step(strategy):
    with strategy.scope():
        model = model_of(sgd, lambda: encoder(layers.Dropout(0.4)))
    model.fit((X, X), batch_size=9, verbose=0)
    assert "call" not in vars(model.encoder_x.layers[1])


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (
            RunningMean,
            r"Layer 'running_mean\w*' must not update its variable '.*/mean'",
        ),
        (CountedRows, r"Layer 'counted_rows\w*' must not update .* '.*/count'"),
        (OfTheGlobalSeed, "must not draw random numbers from the global seed"),
    ],
)
def test_layers_that_see_a_part_of_the_rows_are_refused(strategy, layer, message):
    with strategy.scope():
        model = model_of(sgd, lambda: encoder(layer()))
    with pytest.raises(ValueError, match=message) as error:
        model.fit((X, X), batch_size=6, verbose=0)
    assert "in user code" not in str(error.value)
    model_of(sgd, lambda: encoder(layer())).fit((X, X), batch_size=6, verbose=0)


class Dropped(kim.critics.InnerProductCritic):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.drop = layers.Dropout(0.5)


@pytest.mark.parametrize(
    ("optimizer", "options", "message"),
    [
        (
            lambda: optimizers.SGD(use_ema=True, ema_overwrite_frequency=2),
            {},
            "received ema_overwrite_frequency=2",
        ),
        (
            lambda: optimizers.LossScaleOptimizer(
                optimizers.SGD(gradient_accumulation_steps=2)
            ),
            {},
            "received gradient_accumulation_steps=2",
        ),
        (
            lambda: optimizers.LossScaleOptimizer(
                optimizers.LossScaleOptimizer(optimizers.SGD(clipnorm=1.0))
            ),
            {},
            "must not clip gradients that carry a loss scale",
        ),
        (sgd, {"critic": Dropped()}, "Layer 'drop.*' must not draw random numbers"),
        (
            sgd,
            {"encoder_chunk_size": 4},
            "encoder_chunk_size must be None .*received 4",
        ),
    ],
    ids=["overwriting", "accumulation", "scale of a scale", "critic", "chunks"],
)
def test_what_replicas_cannot_follow_is_refused(strategy, optimizer, options, message):
    with strategy.scope():
        model = kim.InfoMax(encoder(layers.Dropout(0.4)), **options)
        model.compile(optimizer(), "infonce")
    with pytest.raises(ValueError, match=message):
        model.fit((X, X), batch_size=6, verbose=0)


def test_eagerly_only_what_is_declared_is_known(strategy):
    with strategy.scope():
        model = model_of(sgd, lambda: encoder(Counter()), run_eagerly=True)
        with pytest.raises(ValueError, match="nor by anything in a run_eagerly model"):
            model.fit((X, X), batch_size=9, verbose=0)


@pytest.mark.parametrize(
    ("steps", "validated"),
    [(3, False), pytest.param(4, True, marks=pytest.mark.slow)],
)
def test_steps_of_a_call_may_differ_in_rows(strategy, steps, validated):
    # In one call: two batches of six rows and one of three, of which one replica has
    # two, and in evaluation such of five and four.
    options = {"batch_size": 6, "epochs": 2, "shuffle": False, "verbose": 0}
    views = np.concatenate([X, X[:6]]), np.concatenate([X[::-1], X[3:]])
    if validated:
        options |= {"validation_data": (views,), "validation_batch_size": 5}
    found = []
    for scope, of_call in ((ONE_DEVICE.scope(), 1), (strategy.scope(), steps)):
        with scope:
            model = model_of(sgd, steps_per_execution=of_call)
        history = model.fit(views, **options).history
        assert int(model.optimizer.iterations.numpy()) == 6
        found.append([*model.get_weights(), *map(np.asarray, history.values())])
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)


def test_batches_of_one_size_are_known_before_the_run(strategy):
    data = tf.data.Dataset.from_tensor_slices(((X[:8], X[:8]),))
    for drop, known in ((True, True), (False, False)):
        batches = data.batch(4, drop_remainder=drop)
        iterator = iter(strategy.experimental_distribute_dataset(batches))
        assert replicas._is_static(iterator.element_spec) == known


@pytest.mark.parametrize(
    ("loss", "weights", "rows"),
    [("nwj", None, 9), ("infonce", np.arange(9.0), 9), ("ce", None, 3)],
    ids=["nwj", "weights", "crossentropy"],
)
def test_single_batches_are_shared_among_replicas(strategy, loss, weights, rows):
    views = X[:rows], X[:rows, ::-1].copy()
    weights = None if weights is None else weights[:rows]
    found = []
    for scope in (ONE_DEVICE.scope(), strategy.scope()):
        with scope:
            model = model_of(sgd)
            model.compile(sgd(), loss, metrics=["accuracy"])
        found.append(
            [
                np.array(model.train_on_batch(views, sample_weight=weights)),
                np.array(model.test_on_batch(views, sample_weight=weights)),
                model.predict_on_batch(views),
                model.predict_on_batch(X[:1]),
                *model.get_weights(),
            ]
        )
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("steps", [1, 2])
def test_callbacks_see_metrics_of_all_replicas(strategy, steps):
    found = []
    for scope in (ONE_DEVICE.scope(), strategy.scope()):
        logs = []
        look = keras.callbacks.LambdaCallback(
            on_train_batch_end=lambda batch, logs, seen=logs: seen.append({**logs})
        )
        with scope:
            model = model_of(sgd, metrics=["accuracy"], steps_per_execution=steps)
        model.fit((X, X), batch_size=5, shuffle=False, verbose=0, callbacks=look)
        found.append([list(of_batch.values()) for of_batch in logs])
    np.testing.assert_allclose(*found, rtol=1e-9)


@pytest.mark.slow
def test_losses_as_metrics_on_replicas(strategy):
    losses = [kim.losses.NWJ(), keras.losses.SparseCategoricalCrossentropy(True)]
    found = []
    for scope in (ONE_DEVICE.scope(), strategy.scope()):
        with scope:
            model = model_of(
                sgd, metrics=losses, weighted_metrics=[kim.losses.DonskerVaradhan()]
            )
        options = {"sample_weight": np.arange(9.0), "batch_size": 5, "verbose": 0}
        found.append(model.evaluate((X, X[::-1].copy()), **options))
    np.testing.assert_allclose(*found, rtol=1e-9)


def with_memory():
    view, index = keras.Input((4,)), keras.Input((), dtype="int32")
    encodings = {
        "x": layers.Dense(3)(view),
        "y": layers.Dense(3, trainable=False)(view),
        "index": layers.Identity()(index),
    }
    network = keras.Model([view, index], encodings)
    term = kim.MemoryTerm("x", "y", "index", examples=7, num_negatives=4)
    return kim.InfoMax(network=network, terms=[term])


@pytest.mark.parametrize("loss", ["infonce", *slow("nwj", "donsker_varadhan")])
def test_a_replica_without_rows_when_run_eagerly(strategy, loss):
    # The second batch is three rows, all for one of two replicas.
    weights = []
    for scope in (ONE_DEVICE.scope(), strategy.scope()):
        keras.utils.set_random_seed(0)
        with scope:
            model = kim.InfoMax(encoder())
            model.compile(sgd(), loss, run_eagerly=True)
        model.fit((X, X[:, ::-1].copy()), batch_size=6, shuffle=False, verbose=0)
        weights.append(model.get_weights())
    for a, b in zip(*weights, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("run_eagerly", [True, False])
def test_a_memory_on_a_replica_without_rows(strategy, run_eagerly):
    # One row is left for the second batch, and for one of two replicas.
    views, index = X[:7], np.arange(7, dtype="int32")
    wrong = np.where(index == 4, 7, index)  # In the rows of the second replica.
    weights = []
    for scope in (ONE_DEVICE.scope(), strategy.scope()):
        keras.utils.set_random_seed(0)
        with scope:
            model = with_memory()
            model.compile(sgd(), "infonce", run_eagerly=run_eagerly)
        before = model.get_weights()
        data = tf.data.Dataset.from_tensor_slices(((views, wrong),)).batch(6)
        with pytest.raises(ValueError, match="less than examples=7"):
            model.fit(data, verbose=0)
        # A failure of one replica leaves nothing behind that would stop the next run.
        model.set_weights(before)
        data = tf.data.Dataset.from_tensor_slices(((views, index),)).batch(6)
        model.fit(data, verbose=0)
        weights.append(model.get_weights())
    for a, b in zip(*weights, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)  # The bank is float32.


def test_a_keras_whose_metrics_do_not_add_up_is_refused(strategy, monkeypatch):
    monkeypatch.setattr(backends, "keras_before", lambda *release: release == (3, 10))
    with strategy.scope(), pytest.raises(ValueError, match="must be 3.10 or newer; re"):
        kim.InfoMax(encoder())


def test_other_strategies_are_refused():
    other = tf.distribute.experimental.CentralStorageStrategy(["CPU:0", "CPU:1"])
    with other.scope(), pytest.raises(ValueError, match="'CentralStorageStrategy'"):
        kim.InfoMax(encoder())
    servers = object.__new__(tf.distribute.ParameterServerStrategy)
    servers.scope = other.scope
    with pytest.raises(ValueError, match="received 'ParameterServerStrategyV2'"):
        kim.execution.strategies.check(servers)
    with tf.distribute.OneDeviceStrategy("CPU:0").scope():
        kim.InfoMax(encoder())
