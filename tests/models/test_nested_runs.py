"""What callbacks call in the middle of a run leaves that run as it was."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import keras_infomax as kim
from keras_infomax.execution import plan

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (40, 4, 4, 1), np.uint8)
STEPS, EPOCHS = 12, 3


@pytest.fixture(autouse=True)
def fewer_steps_suffice(monkeypatch):
    monkeypatch.setattr(plan, "_FEWEST_TO_GROUP", 8)
    monkeypatch.setattr(plan, "_FEWEST_TO_FUSE", 16)


class Counted(kim.InfoMax):
    """Counts how often its steps are traced."""

    traced = 0

    def train_step(self, data):
        self.traced += 1
        return super().train_step(data)

    def test_step(self, data):
        self.traced += 1
        return super().test_step(data)


def infomax(dropout=False, **options):
    keras.utils.set_random_seed(0)
    hidden = [layers.Dropout(0.0)] if dropout else []  # Not known to gain by XLA.
    encoder = keras.Sequential(
        [keras.Input((2, 4, 1)), layers.Flatten(), *hidden, layers.Dense(3)]
    )
    model = Counted(encoder)
    model.compile(keras.optimizers.SGD(0.05), kim.losses.InfoNCE(), **options)
    return model


def stream(steps):
    return kim.datasets.pairs(IMAGES, "halves", 8, num_steps=steps)


def plain(steps):
    """The same without blocks."""
    return stream(steps).map(lambda views: (views,))


OTHER = next(iter(kim.datasets.pairs(IMAGES[::-1], "halves", 8, seed=1)))[0]


class At(keras.callbacks.Callback):
    """Calls a function of the model at a hook, but not from within itself."""

    def __init__(self, hook, function):
        super().__init__()
        self.function, self.is_calling, self.executions = function, False, []
        setattr(self, hook, self.call)

    def on_epoch_begin(self, epoch, logs=None):
        self.executions.append(self.model._execution)

    def call(self, *args, **kwargs):
        if not self.is_calling:
            self.is_calling = True
            try:
                self.function(self.model, *args)
            finally:
                self.is_calling = False


def fit(model, data, *callbacks, **options):
    options = {"epochs": EPOCHS, "steps_per_epoch": STEPS, **options}
    return model.fit(
        data(STEPS * EPOCHS), callbacks=list(callbacks), verbose=0, **options
    ).history


def steps_of(model):
    return int(model.optimizer.iterations.numpy())


def train_on_batch(model, *_):
    model.train_on_batch(OTHER)


def short_fit(model, *_):
    model.fit(stream(3), verbose=0)


def long_fit(model, *_):
    fit(model, stream, epochs=2, validation_data=stream(2))


def look(model, *_):
    model.evaluate(OTHER, batch_size=8, verbose=0)
    model.predict(OTHER[0], verbose=0)
    model.test_on_batch(OTHER)
    model.predict_on_batch(OTHER[0])


def failing_fit(model, *_):
    with pytest.raises(ZeroDivisionError):
        fail = At("on_test_begin", lambda *_: 1 / 0)
        fit(model, stream, fail, epochs=1, validation_data=stream(1))


@pytest.mark.parametrize(
    ("hook", "function", "more"),
    [
        ("on_epoch_end", train_on_batch, 3),
        ("on_train_begin", train_on_batch, 1),
        ("on_test_end", train_on_batch, 3),
        ("on_epoch_end", short_fit, 9),
        ("on_test_begin", long_fit, 72),
        ("on_epoch_end", failing_fit, 36),
        ("on_test_end", look, 0),
    ],
    ids=range(7),
)
def test_a_run_takes_its_steps_whatever_is_called_in_between(hook, function, more):
    found = []
    for options in ({}, {"steps_per_execution": 1, "jit_compile": False}):
        model, callback = infomax(**options), At(hook, function)
        history = fit(model, stream, callback, validation_data=stream(5))
        steps = options.get("steps_per_execution", 12)
        assert callback.executions[-1] == plan.Execution(steps, steps > 1)
        assert steps_of(model) == STEPS * EPOCHS + more
        assert model._run is None
        assert model.steps_per_execution == 1
        found.append((history, model.get_weights()))
    for name, values in found[1][0].items():
        np.testing.assert_allclose(found[0][0][name], values, rtol=1e-4)
    for a, b in zip(found[0][1], found[1][1], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=2e-5)


@pytest.mark.parametrize("hook", ["on_epoch_begin", "on_train_batch_end"])
@pytest.mark.parametrize("data", [stream, plain])
def test_a_look_in_between_changes_nothing(hook, data):
    histories, weights = [], []
    for function in (lambda *_: None, look):
        model = infomax(dropout=True)
        callback = At(hook, function)
        options = {"epochs": 2, "steps_per_epoch": 6, "validation_data": stream(5)}
        histories.append(fit(model, data, callback, **options))
        weights.append(model.get_weights())
    assert histories[0] == histories[1]
    for a, b in zip(*weights, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.slow
def test_a_look_in_between_changes_nothing_on_replicas(strategy):
    histories = []
    for function in (lambda *_: None, look):
        with strategy.scope():
            model = infomax(dropout=True)
        callback = At("on_train_batch_begin", function)
        histories.append(fit(model, plain, callback, epochs=1, steps_per_epoch=3))
        assert int(model.optimizer.iterations.numpy()) == 3
    for name, values in histories[0].items():
        np.testing.assert_allclose(histories[1][name], values, rtol=1e-6)


def test_an_inner_run_neither_stops_the_outer_one_nor_shares_its_history():
    def stopped(model, *_):
        stop = At("on_epoch_end", lambda inner, *_: setattr(inner, "stop_training", 1))
        assert len(fit(model, stream, stop)["loss"]) == 1

    model = infomax(dropout=True)
    assert len(fit(model, stream, At("on_epoch_end", stopped))["loss"]) == EPOCHS
    assert steps_of(model) == 2 * EPOCHS * STEPS

    def stop_then_fit(model, *_):
        model.stop_training = True
        short_fit(model)

    history = fit(model, stream, At("on_epoch_end", stop_then_fit))
    assert len(history["loss"]) == len(model.history.history["loss"]) == 1


def test_a_model_of_its_own_is_trained_in_between():
    other = infomax(dropout=True)
    model = infomax(dropout=True)
    fit(model, stream, At("on_epoch_end", lambda *_: fit(other, stream)))
    assert steps_of(model) == STEPS * EPOCHS
    assert steps_of(other) == STEPS * EPOCHS**2


@pytest.mark.parametrize("stop", [KeyboardInterrupt, ValueError])
def test_a_run_that_was_broken_off_leaves_nothing_behind(stop):
    def break_off(model, batch, *_):
        raise stop

    model = infomax(dropout=True)
    with pytest.raises(stop):
        fit(model, stream, At("on_epoch_end", break_off), validation_data=stream(5))
    assert steps_of(model) == STEPS
    assert model._run is None
    assert model.steps_per_execution == 1
    fit(model, stream)
    assert steps_of(model) == STEPS * (1 + EPOCHS)


def test_a_run_goes_on_with_what_a_callback_compiles():
    def compile_slower(model, epoch, *_):
        if epoch == 0:
            model.compile(keras.optimizers.SGD(0.0), kim.losses.InfoNCE())
            kept.append(model.get_weights())
        elif epoch == 1:  # Neither this metric nor steps of 5 fit into the program.
            model.compile(
                keras.optimizers.SGD(0.05),
                kim.losses.InfoNCE(),
                metrics=[spread],
                steps_per_execution=5,
            )

    def spread(partners, scores):
        found = tf.numpy_function(lambda s: s.std(axis=1), [scores], tf.float32)
        return tf.ensure_shape(found, [None])

    kept, model = [], infomax()
    callback = At("on_epoch_end", compile_slower)
    history = fit(model, stream, callback, At("on_epoch_begin", keep(kept)))
    assert history.keys() >= {"loss", "mi"}
    assert steps_of(model) == STEPS  # Those of the last epoch, by the last optimizer.
    assert model.steps_per_execution == 5
    # Not a step of the second epoch, whose rate is 0, was one of the first optimizer.
    for a, b in zip(kept[0], kept[1], strict=True):
        np.testing.assert_array_equal(a, b)
    assert not np.array_equal(kept[1][0], model.get_weights()[0])


def keep(weights):
    return lambda model, epoch, *_: epoch == 2 and weights.append(model.get_weights())


@pytest.mark.parametrize("options", [{}, {"steps_per_execution": 1}])
def test_what_is_frozen_in_between_waits_for_compile(options):
    def freeze(model, *_):
        model.encoder_x.trainable = False
        model.test_on_batch(OTHER)
        weights.append(model.get_weights())

    weights, model = [], infomax(dropout=True, **options)
    fit(model, stream, At("on_epoch_end", freeze))
    assert steps_of(model) == STEPS * EPOCHS
    assert not np.array_equal(weights[0][0], weights[1][0])


def test_nothing_is_traced_again_for_what_another_call_has_chosen():
    model = infomax(dropout=True)
    traced = []
    for _ in range(2):
        fit(model, stream, validation_data=stream(5))
        model.train_on_batch(OTHER)
        model.evaluate(stream(5), verbose=0)
        model.test_on_batch(OTHER)
        traced.append(model.traced)
    assert traced[0] == traced[-1]
    model.make_train_function(force=True)
    fit(model, stream)
    model.compile(keras.optimizers.SGD(0.05), kim.losses.InfoNCE())
    fit(model, stream)
    assert model.traced >= traced[0] + 2


def test_a_resumed_fit_has_no_initial_epoch_of_an_earlier_one(tmp_path):
    model = infomax(dropout=True)
    backup = keras.callbacks.BackupAndRestore(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        fit(model, stream, backup, At("on_epoch_begin", interrupt_in_epoch_2))
    fit(model, stream, backup)  # One epoch was left.
    assert steps_of(model) == STEPS * EPOCHS
    fit(model, stream)
    assert steps_of(model) == 2 * STEPS * EPOCHS


def interrupt_in_epoch_2(model, epoch, *_):
    if epoch == 2:
        raise KeyboardInterrupt


def test_checkpoints_are_saved_at_their_steps(tmp_path):
    model = infomax(dropout=True)
    pattern = str(tmp_path / "{epoch}-{batch}.weights.h5")
    save = keras.callbacks.ModelCheckpoint(
        pattern, save_weights_only=True, save_freq=10
    )
    fit(model, stream, save)
    names = {"1-10.weights.h5", "2-8.weights.h5", "3-6.weights.h5"}
    assert {path.name for path in tmp_path.iterdir()} == names


class WatchesTests(keras.callbacks.ModelCheckpoint):
    tests = trained = 0

    def on_test_batch_end(self, batch, logs=None):
        self.tests += 1

    def on_train_batch_begin(self, batch, logs=None):
        self.trained += 1


def test_whoever_looks_at_batches_sees_them(tmp_path):
    model, watch = infomax(dropout=True), WatchesTests(str(tmp_path / "m.keras"))
    fit(model, stream, watch, validation_data=stream(5))
    assert (watch.trained, watch.tests) == (STEPS * EPOCHS, 5 * EPOCHS)
    counts = keras.callbacks.LambdaCallback(
        on_test_batch_end=lambda batch, logs: seen.append(batch)
    )
    seen, executions = [], At("on_test_end", lambda *_: None)
    fit(model, stream, [[counts, executions]], validation_data=stream(5))
    assert seen == [0, 1, 2, 3, 4] * EPOCHS
    # Training has nobody who looks.
    assert executions.executions == [plan.Execution(12)] * EPOCHS


def test_an_evaluation_of_a_part_ends_with_it():
    model = infomax(dropout=True)
    evaluated = []

    def evaluate(model, *_):
        of_part = model.evaluate(stream(12), steps=5, verbose=0, return_dict=True)
        evaluated.append(of_part["mi"])

    callback = At("on_epoch_end", evaluate)
    history = fit(
        model, stream, callback, validation_data=stream(12), validation_steps=5
    )
    expected = model.evaluate(stream(5), verbose=0, return_dict=True)["mi"]
    assert history["val_mi"][-1] == pytest.approx(expected, rel=1e-5)
    assert evaluated == pytest.approx(history["val_mi"], rel=1e-5)


def generator():
    for (views,) in stream(STEPS):
        yield (tuple(view.numpy() for view in views),)


@pytest.mark.parametrize(
    ("data", "epochs"),
    [
        (lambda: stream(STEPS).filter(lambda *_: True), 3),  # Of unknown length.
        (generator, 1),
        (lambda: stream(STEPS).repeat(2).take(STEPS), 3),
    ],
    ids=["unknown length", "generator", "known length"],
)
@pytest.mark.parametrize("steps", ["auto", 5])
@pytest.mark.filterwarnings("ignore:Your input ran out of data")
def test_all_data_are_taken_wherever_they_come_from(data, epochs, steps):
    model = infomax(dropout=True, steps_per_execution=steps)
    callback = At("on_epoch_end", train_on_batch)
    history = model.fit(
        data(), epochs=epochs, callbacks=[callback], shuffle=False, verbose=0
    ).history
    # The end of the data is no step: what needs no data would run in it.
    assert steps_of(model) == (STEPS + 1) * epochs
    twin = infomax(dropout=True)
    expected = twin.fit(stream(STEPS), verbose=0).history
    assert history["mi"][0] == pytest.approx(expected["mi"][0], rel=1e-5)
    results = [
        each.evaluate(data, verbose=0, return_dict=True)["mi"]
        for each, data in ((model, data()), (model, stream(STEPS)))
    ]
    assert results[0] == pytest.approx(results[1], rel=1e-5)
