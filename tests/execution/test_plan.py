import contextlib

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import keras_infomax as kim
from keras_infomax import backends
from keras_infomax.execution import fusion, plan

RNG = np.random.default_rng(0)
ROWS = 40
TOP = RNG.random((ROWS, 6), dtype="float32")
BOTTOM = (TOP[:, :4] + 0.1 * RNG.random((ROWS, 4))).astype("float32")


def encoder(units, *hidden):
    return keras.Sequential([keras.Input((units,)), *hidden, layers.Dense(5)])


def infomax(critic="bilinear", loss=None, hidden=(), **options):
    model = kim.InfoMax(encoder(6, *hidden), encoder(4), critic)
    # Adam would blow up the rounding of gradients that are zero.
    model.compile(
        keras.optimizers.SGD(0.05, momentum=0.9),
        loss or kim.losses.InfoNCE(),
        **options,
    )
    return model


def batches(steps, batch_size=8):
    data = tf.data.Dataset.from_tensor_slices(((TOP, BOTTOM),)).repeat()
    return data.batch(batch_size).take(steps)


def chosen(epochs, steps, ends_with_data=False, callbacks=(), model=None, **asked):
    length = plan.Length(epochs, steps, ends_with_data)
    return plan.choose(model or infomax(), length, callbacks, **asked)


@pytest.mark.parametrize(
    ("epochs", "steps", "ends_with_data", "expected"),
    [
        (1, 99, False, 1),
        (1, 100, False, 25),
        (10, 16, False, 16),
        (10, 97, False, 1),
        (10, 97, True, 32),
        (20, 12, True, 12),
        (3, 1024, False, 32),
        (3, 1000, False, 25),
        (5, None, True, 1),
    ],
)
def test_steps_of_a_call_fill_epochs_of_long_runs(
    epochs, steps, ends_with_data, expected
):
    assert chosen(epochs, steps, ends_with_data).steps == expected


class Seen(keras.callbacks.Callback):
    """Remembers how a run is executed."""

    def on_epoch_begin(self, epoch, logs=None):
        self.execution = self.model._execution


def probe(**options):
    return kim.callbacks.LinearProbe(
        (TOP, np.arange(ROWS) % 2), (TOP, ROWS * [1]), **options
    )


def own(base, hook, *args):
    """A callback of a class of a user's, which defines a hook."""
    return type("Own", (base,), {hook: lambda self, *args, **kwargs: None})(*args)


def watching(base, *args):
    return own(base, "on_train_batch_end", *args)


def with_hook(callback):
    callback.on_train_batch_begin = lambda batch, logs=None: None
    return callback


class SaysWhen(keras.callbacks.Callback):
    steps_between_looks = 4

    def on_train_batch_end(self, batch, logs=None):
        pass


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda: probe(every=1), 32),
        (lambda: probe(every=24, unit="step"), 8),
        (lambda: kim.callbacks.StopOnNonFinite(), 32),
        (lambda: keras.callbacks.ModelCheckpoint("m.keras"), 32),
        (lambda: keras.callbacks.ModelCheckpoint("m.keras", save_freq=10), 1),
        (lambda: keras.callbacks.EarlyStopping("loss"), 32),
        (lambda: keras.callbacks.LambdaCallback(on_train_batch_end=print), 1),
        (lambda: keras.callbacks.TerminateOnNaN(), 1),
        (lambda: keras.callbacks.ModelCheckpoint("m.keras", save_freq=8), 1),
        (lambda: keras.callbacks.BackupAndRestore("backup"), 32),
        (lambda: keras.callbacks.BackupAndRestore("backup", save_freq=8), 1),
        (lambda: keras.callbacks.ProgbarLogger(), 32),
        (lambda: keras.callbacks.CSVLogger("log.csv"), 32),
        (lambda: watching(keras.callbacks.Callback), 1),
        (lambda: watching(keras.callbacks.ModelCheckpoint, "m.keras"), 1),
        (lambda: watching(keras.callbacks.BackupAndRestore, "backup"), 1),
        (lambda: watching(keras.callbacks.ProgbarLogger), 1),
        (lambda: watching(kim.callbacks.StopOnNonFinite), 1),
        (lambda: own(keras.callbacks.ProgbarLogger, "_update_progbar"), 1),
        (
            lambda: own(
                keras.callbacks.ModelCheckpoint, "_should_save_on_batch", "m.keras"
            ),
            1,
        ),
        (lambda: own(keras.callbacks.EarlyStopping, "on_batch_end"), 1),
        (lambda: own(keras.callbacks.EarlyStopping, "on_epoch_end"), 32),
        (lambda: with_hook(keras.callbacks.ProgbarLogger()), 1),
        (lambda: with_hook(kim.callbacks.StopOnNonFinite()), 1),
        (lambda: [[watching(keras.callbacks.Callback)]], 1),
        (lambda: keras.callbacks.CallbackList([]), 32),
        (lambda: keras.callbacks.CallbackList([keras.callbacks.TerminateOnNaN()]), 1),
        (lambda: SaysWhen(), 4),
        (lambda: watching(SaysWhen), 1),
    ],
    ids=range(29),
)
def test_whoever_looks_at_steps_sees_them(make, expected):
    assert chosen(3, 1024, callbacks=[make()]).steps == expected
    assert chosen(3, 1024, callbacks=[make()], steps_per_execution=7).steps == 7


class OwnConstraint(keras.constraints.Constraint):
    """A constraint of a user."""


class Own(layers.Dense):
    pass


class OwnLoss(kim.losses.InfoNCE):
    pass


DECAY = keras.optimizers.schedules.ExponentialDecay(0.1, 100, 0.5)


def with_optimizer(optimizer):
    model = infomax()
    model.compile(optimizer, kim.losses.InfoNCE())
    return model


def own_metric(partners, scores):
    spread = tf.numpy_function(lambda s: s.std(axis=1), [scores], tf.float32)
    return tf.ensure_shape(spread, [None])


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        (lambda: infomax(), True),
        (lambda: infomax("separable", kim.losses.NWJ()), True),
        (lambda: infomax(hidden=[layers.Dense(3, "relu"), layers.Flatten()]), True),
        (lambda: infomax(hidden=[layers.Dropout(0.1)]), False),
        (lambda: infomax(kim.critics.MLPCritic((8,))), True),
        (lambda: infomax(kim.critics.MLPCritic((8,), chunk_size=4)), False),
        (lambda: infomax(loss=kim.losses.InfoNCE(chunk_size=4)), False),
        (lambda: infomax(hidden=[Own(3)]), False),
        (lambda: infomax(hidden=[layers.Dense(3, own_metric)]), False),
        (
            lambda: infomax(
                hidden=[layers.Dense(3, "relu", kernel_constraint="non_neg")]
            ),
            True,
        ),
        (
            lambda: infomax(
                hidden=[layers.Dense(3, kernel_constraint=OwnConstraint())]
            ),
            False,
        ),
        (
            lambda: infomax(hidden=[layers.Dense(3, activity_regularizer=own_metric)]),
            False,
        ),
        (
            lambda: infomax(
                hidden=[layers.BatchNormalization(gamma_constraint=OwnConstraint())]
            ),
            False,
        ),
        (lambda: with_optimizer(keras.optimizers.SGD(lambda: 0.1)), False),
        (lambda: with_optimizer(keras.optimizers.SGD(DECAY)), True),
        (
            lambda: with_optimizer(
                keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(lambda: 0.1))
            ),
            False,
        ),
        (lambda: infomax(loss=OwnLoss()), False),
        (
            lambda: infomax(metrics=[keras.metrics.MeanMetricWrapper(own_metric)]),
            False,
        ),
        (lambda: infomax(metrics=["sparse_categorical_accuracy"]), True),
        (lambda: infomax(metrics=["sparse_categorical_accuracy", own_metric]), False),
        (lambda: infomax(weighted_metrics=[own_metric]), False),
        (
            lambda: infomax(
                hidden=[layers.Reshape((6, 1)), layers.Conv1D(2, 3), layers.Flatten()]
            ),
            False,
        ),
        (lambda: infomax(run_eagerly=True), False),
    ],
    ids=range(23),
)
def test_models_that_gain_are_fused_in_long_runs(model, expected):
    model = model()
    assert chosen(2, 250, model=model).fused == expected
    assert not chosen(1, 499, True, model=model).fused
    assert not chosen(2, 250, model=model, jit_compile=False).fused
    # Alone in its call, a step is left to Keras.
    assert not chosen(2, 250, model=model, steps_per_execution=1).fused


def test_a_mask_of_a_user_is_not_fused():
    def model(mask):
        x, y = keras.Input((6,)), keras.Input((4,))
        network = keras.Model(
            [x, y], {"x": layers.Dense(3)(x), "y": layers.Dense(3)(y)}
        )
        model = kim.InfoMax(network=network, terms=[kim.Term("x", "y", mask=mask)])
        model.compile("sgd", kim.losses.InfoNCE())
        return model

    assert fusion.gains(model(kim.losses.SemiHard()))
    assert not fusion.gains(model(lambda partners, scores: scores))


def test_a_run_that_goes_on_is_executed_as_one_that_was_not_interrupted():
    model = infomax()
    runs = [(5, 0), (3, 200), (1, 400)]  # Epochs of 100 steps that are left, and taken.
    lengths = [plan.Length(left, 100, False, taken) for left, taken in runs]
    assert [length.total for length in lengths] == [500] * 3
    assert {plan.choose(model, length, []) for length in lengths} == {
        plan.Execution(25, fused=True)
    }


@pytest.mark.parametrize("wrap", [lambda o: o, keras.optimizers.LossScaleOptimizer])
def test_an_optimizer_that_adds_up_gradients_has_seen_all_batches(wrap):
    optimizer = wrap(keras.optimizers.SGD(0.1, gradient_accumulation_steps=4))
    model = infomax()
    model.compile(optimizer, kim.losses.InfoNCE())
    model.fit(batches(8), verbose=0)
    assert int(plan.iterations(optimizer).numpy()) == 2
    assert plan.steps_taken(optimizer) == 8


@pytest.mark.parametrize("accumulated", [None, 4])
@pytest.mark.parametrize("tells_epoch", [True, False])
def test_a_resumed_run_is_executed_as_the_whole_one(
    accumulated, tells_epoch, monkeypatch
):
    def run(model, steps, **options):
        seen = Seen()
        data = batches(steps)
        model.fit(data, steps_per_epoch=4, callbacks=[seen], verbose=0, **options)
        return seen.execution

    model = infomax()
    optimizer = keras.optimizers.SGD(0.05, gradient_accumulation_steps=accumulated)
    model.compile(optimizer, kim.losses.InfoNCE())
    with fewer_steps_suffice(monkeypatch):
        assert run(model, 8, epochs=2) == plan.Execution(4, fused=True)
        rest = {"epochs": 3, "initial_epoch": 2} if tells_epoch else {"epochs": 1}
        assert run(model, 4, **rest) == plan.Execution(4, fused=True)


def test_epochs_of_an_earlier_part_count_whatever_the_optimizer_counted():
    # Loss scaling skips steps, and a callback may take some of its own.
    lengths = [
        plan.length(batches(100), None, 5, None, taken, initial_epoch)
        for taken, initial_epoch in [(0, 0), (299, 3), (0, 3)]
    ]
    assert [length.total for length in lengths] == [500] * 3
    assert [length.epochs for length in lengths] == [5, 2, 2]


@pytest.mark.skipif(backends.keras_before(3, 10), reason="needs Keras 3.10")
def test_length_is_capped_as_keras_is_told():
    keras.config.set_max_steps_per_epoch(3)
    try:
        length = plan.length(batches(7), None, 2, None)
        assert length == plan.Length(2, 3, False)
        assert plan.length(batches(7), None, 2, 2).steps == 2
        assert plan.of_evaluation(16, None, []).steps == 3
    finally:
        keras.config.set_max_steps_per_epoch(None)


def test_length_is_told_by_the_data():
    assert plan.length(batches(7), None, 2, None) == plan.Length(2, 7, True)
    assert plan.length((TOP, BOTTOM), 16, 3, None).steps == 3
    assert plan.length((TOP, BOTTOM), None, 3, None).steps == 2
    assert plan.length(batches(7), None, 2, 5) == plan.Length(2, 5, False)
    assert plan.length(batches(7), None, 2, None, 10).total == 24
    assert plan.length(batches(7).repeat(), None, 2, None).total == 0
    assert plan.length(iter([]), None, 2, None).total == 0


def test_length_is_told_by_distributed_data(strategy):
    distributed = strategy.experimental_distribute_dataset(batches(7))
    assert plan.length(distributed, None, 2, None) == plan.Length(2, 7, True)


@pytest.mark.parametrize(
    ("critic", "loss"),
    [
        ("inner_product", kim.losses.NWJ),
        ("bilinear", kim.losses.InfoNCE),
        ("separable", kim.losses.NWJ),
        ("mlp", kim.losses.InfoNCE),
    ],
)
def test_fused_steps_are_the_steps_one_by_one(critic, loss):
    keras.utils.set_random_seed(0)
    plain = infomax(critic, loss(), steps_per_execution=1, jit_compile=False)
    fused = infomax(critic, loss(), steps_per_execution=4, jit_compile=True)
    fused.set_weights(plain.get_weights())
    # Five batches of an epoch are a call of four, and one that the data end.
    seen = Seen()
    histories = [
        m.fit(batches(5), epochs=3, callbacks=[seen], verbose=0).history
        for m in (plain, fused)
    ]
    assert seen.execution == plan.Execution(4, fused=True)
    assert int(fused.optimizer.iterations) == int(plain.optimizer.iterations) == 15
    for name, values in histories[0].items():
        np.testing.assert_allclose(histories[1][name], values, rtol=1e-4)
    for a, b in zip(plain.get_weights(), fused.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=2e-5)


def test_fused_steps_take_a_smaller_last_batch():
    plain = infomax(steps_per_execution=1, jit_compile=False)
    fused = infomax(steps_per_execution=3, jit_compile=True)
    fused.set_weights(plain.get_weights())
    for model in (plain, fused):  # Batches of 16, 16 and 8 rows.
        model.fit((TOP, BOTTOM), batch_size=16, epochs=2, shuffle=False, verbose=0)
    assert int(fused.optimizer.iterations) == 6
    for a, b in zip(plain.get_weights(), fused.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=2e-5)


def test_fused_steps_take_batches_of_different_shapes():
    def element(step):
        views = tf.random.stateless_uniform((16, 2 + step % 2, 3), [0, step])
        return ((views, views[..., ::-1]),)

    plain, fused = (
        kim.InfoMax(
            keras.Sequential(
                [
                    keras.Input((None, 3)),
                    keras.layers.Dense(4),
                    keras.layers.GlobalAveragePooling1D(),
                ]
            )
        )
        for _ in range(2)
    )
    fused.set_weights(plain.get_weights())
    for model, jit in ((plain, False), (fused, True)):
        model.compile("sgd", "infonce", steps_per_execution=3, jit_compile=jit)
        model.fit(tf.data.Dataset.range(6).map(element), verbose=0)
    for a, b in zip(plain.get_weights(), fused.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=2e-5)


@pytest.mark.parametrize(
    ("most_steps", "most_bytes"),
    # Of five batches of 8 rows and 10 columns, float32.
    [(2, 2**27), (32, 2 * 8 * 10 * 4), (32, 1)],
)
def test_calls_of_many_or_large_batches_run_in_parts(
    most_steps, most_bytes, monkeypatch
):
    monkeypatch.setattr(fusion, "_MOST_STEPS", most_steps)
    monkeypatch.setattr(fusion, "_MOST_BYTES", most_bytes)
    plain = infomax(steps_per_execution=1, jit_compile=False)
    fused = infomax(steps_per_execution=5, jit_compile=True)
    fused.set_weights(plain.get_weights())
    for model in (plain, fused):  # The second call ends with the data.
        model.fit(batches(8), epochs=2, shuffle=False, verbose=0)
    assert int(fused.optimizer.iterations) == 16
    for a, b in zip(plain.get_weights(), fused.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=2e-5)


@pytest.mark.parametrize(
    ("steps", "epochs", "steps_per_epoch", "most_bytes"),
    [
        (18, 2, None, 2**20),  # An epoch ends within a block, and the next begins anew.
        (24, 3, 8, 2**20),  # An epoch is a part of the data.
        (18, 2, None, 2 * 2 * 8 * 8 * 4),  # Blocks of two batches, two in a call.
    ],
)
def test_blocks_of_a_stream_train_as_its_batches(
    steps, epochs, steps_per_epoch, most_bytes, monkeypatch
):
    images = RNG.integers(0, 256, (30, 4, 4, 1), np.uint8)
    sizes = []
    stacked = fusion.Stacked.__iter__

    def counted(self):
        for block in stacked(self):
            sizes.append(len(block[0][0]))
            yield block

    monkeypatch.setattr(fusion.Stacked, "__iter__", counted)
    monkeypatch.setattr(fusion, "_MOST_BYTES", most_bytes)
    models = []
    for options in ({"steps_per_execution": 1}, {"jit_compile": True}):
        keras.utils.set_random_seed(0)
        model = kim.InfoMax(kim.encoders.mlp((2, 4), (5,), 3))
        options = {"steps_per_execution": 4, **options}
        model.compile(keras.optimizers.SGD(0.05), kim.losses.InfoNCE(), **options)
        history = model.fit(
            kim.datasets.pairs(images, "halves", 8, num_steps=steps),
            epochs=epochs,
            steps_per_epoch=steps_per_epoch,
            shuffle=False,
            verbose=0,
        )
        models.append((model, history.history["mi"]))
    (plain, mi_of_plain), (model, mi) = models
    assert (
        sum(sizes)
        == int(plain.optimizer.iterations)
        == len(mi) * (steps_per_epoch or steps)
    )
    assert max(sizes) == min(4, most_bytes // (8 * 16 * 4))
    assert model._run is None
    np.testing.assert_allclose(mi, mi_of_plain, rtol=1e-4)
    for a, b in zip(plain.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=2e-5)


def test_a_strategy_of_one_replica_trains_as_none(monkeypatch):
    plain = infomax(steps_per_execution=1)
    with tf.distribute.OneDeviceStrategy("CPU:0").scope():
        model = infomax()
        compiled = infomax(steps_per_execution=2, jit_compile=True)
    for each in (model, compiled):
        each.set_weights(plain.get_weights())
    with fewer_steps_suffice(monkeypatch):
        for each, steps in ((plain, 1), (model, 5), (compiled, 2)):
            seen = Seen()
            data = batches(5)
            each.fit(data, epochs=2, validation_data=data, callbacks=[seen], verbose=0)
            assert seen.execution == plan.Execution(steps)
    for each in (model, compiled):
        assert int(each.optimizer.iterations.numpy()) == 10
        for a, b in zip(plain.get_weights(), each.get_weights(), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-3, atol=2e-5)


@contextlib.contextmanager
def fewer_steps_suffice(monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(plan, "_FEWEST_TO_GROUP", 4)
        patch.setattr(plan, "_FEWEST_TO_FUSE", 8)
        yield


def test_evaluation_sees_all_data_whatever_was_chosen(monkeypatch):
    model = infomax()
    seen = Seen()
    before = model.evaluate(batches(5), verbose=0, return_dict=True)
    with fewer_steps_suffice(monkeypatch):
        history = model.fit(
            batches(4),
            epochs=2,
            validation_data=batches(5),
            callbacks=[seen],
            verbose=0,
        ).history
    assert seen.execution == plan.Execution(4, fused=True)
    after = model.evaluate(batches(5), verbose=0, return_dict=True)
    twin = infomax()
    twin.set_weights(model.get_weights())
    expected = twin.evaluate(batches(5), verbose=0, return_dict=True)
    assert after["mi"] == pytest.approx(expected["mi"], rel=1e-5)
    assert history["val_mi"][-1] == pytest.approx(expected["mi"], rel=1e-5)
    assert after["mi"] != pytest.approx(before["mi"], rel=1e-3)
    encodings = model.predict(TOP, batch_size=16, verbose=0)
    np.testing.assert_allclose(encodings, model.encoder_x(TOP), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("asked", [{}, {"steps_per_execution": 4}])
def test_single_batches_are_trained_on_before_and_after_a_run(asked, monkeypatch):
    model, plain = infomax(**asked), infomax(steps_per_execution=1)
    model.set_weights(plain.get_weights())
    batch = (TOP[:8], BOTTOM[:8])
    with fewer_steps_suffice(monkeypatch):
        for each in (model, plain):
            each.train_on_batch(batch)
            each.fit(batches(8), verbose=0)
            loss, mi = each.train_on_batch(batch)
            assert mi == pytest.approx(-loss, rel=1e-5)
            assert int(each.optimizer.iterations) == 10
    for a, b in zip(plain.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=2e-5)


def test_what_was_asked_is_saved(tmp_path):
    default = infomax()
    asked = infomax(steps_per_execution=3, jit_compile=True)
    for model, steps, jit in ((default, "auto", "auto"), (asked, 3, True)):
        model.fit(batches(1), verbose=0)
        model.save(tmp_path / "m.keras")
        loaded = keras.models.load_model(tmp_path / "m.keras")
        config = loaded.get_compile_config()
        assert (config["steps_per_execution"], config["jit_compile"]) == (steps, jit)
        assert loaded.steps_per_execution == (1 if steps == "auto" else steps)
        assert loaded.optimizer.built


@pytest.mark.parametrize("steps", [0, -1, 1.5, True, "many"])
def test_a_number_of_steps_is_positive(steps):
    with pytest.raises(ValueError, match="steps_per_execution must be a positive"):
        infomax(steps_per_execution=steps)


def test_a_number_of_steps_may_be_that_of_numpy():
    model = infomax(steps_per_execution=np.int64(3))
    assert model.steps_per_execution == 3
    assert type(model.get_compile_config()["steps_per_execution"]) is int


def test_a_model_is_as_it_was_where_compile_refuses():
    model = infomax()
    model.encoder_chunk_size = 4
    with pytest.raises(ValueError, match="jit_compile must be off"):
        model.compile("adam", "nwj", jit_compile=True)
    assert isinstance(model.loss, kim.losses.InfoNCE)
    assert not model.jit_compile


class Derived(kim.critics.BilinearCritic):
    """Of a class that gains, but perhaps not itself."""


class Asking(kim.critics.BilinearCritic):
    gains_by_xla = True


@pytest.mark.parametrize(
    ("critic", "gains"),
    [(kim.critics.BilinearCritic, True), (Derived, False), (Asking, True)],
)
def test_a_class_says_itself_that_it_gains_by_xla(critic, gains):
    assert fusion.gains(infomax(critic())) is gains
    assert chosen(10, 97, True, model=infomax(critic())).fused is gains


def test_metrics_are_known_until_others_are_compiled():
    model = infomax(metrics=[own_metric])
    model.compile("sgd", kim.losses.InfoNCE())  # Keras keeps those that it has.
    assert own_metric in keras.tree.flatten(model.compiled_metrics_given)
    assert not fusion.gains(model)
    model.compile("sgd", kim.losses.InfoNCE(), metrics=[])
    assert own_metric not in keras.tree.flatten(model.compiled_metrics_given)
    assert fusion.gains(model)


@pytest.mark.parametrize("kind", ["train", "test"])
def test_keras_compiles_the_step_that_it_is_given(kind):
    model, seen = infomax(), []
    own = getattr(model, f"{kind}_function")

    def step(data):
        seen.append(data)
        return {"given": tf.constant(7.0)}

    function = fusion.keras_function(model, kind, step)
    assert float(function(iter(batches(2)))["given"]) == 7
    assert len(seen) == 1  # Traced.
    # The model is as it was.
    assert f"{kind}_step" not in vars(model)
    assert getattr(model, f"{kind}_function") is own
    vars(model)[f"{kind}_step"] = step  # By its user.
    fusion.keras_function(model, kind, lambda data: {})
    assert vars(model)[f"{kind}_step"] is step
