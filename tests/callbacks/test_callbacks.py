import contextlib
import copy
import csv
import re

import keras
import keras_tuner
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from keras_infomax import InfoMax
from keras_infomax.callbacks import LinearProbe, Probes, StopOnNonFinite
from keras_infomax.encoders.architectures import mlp
from keras_infomax.execution import plan
from keras_infomax.losses import InfoNCE
from keras_infomax.probes import (
    FineTuning,
    Judgement,
    LogisticProbe,
    MLPProbe,
    NeighboursProbe,
    encode,
    judge,
)


def labelled(rows, seed):
    """Three overlapping classes of two-dimensional float32 views, `(rows, 2, 4)`."""
    random = np.random.default_rng(seed)
    labels = random.integers(3, size=rows)
    centres = np.random.default_rng(99).normal(size=(3, 2, 4))
    views = centres[labels] + random.normal(size=(rows, 2, 4))
    return views.astype("float32"), labels


TRAIN, TEST = labelled(60, seed=0), labelled(200, seed=1)


def infomax(steps_per_execution=1):
    model = InfoMax(mlp((2, 4), hidden_units=(8,), output_dim=2))
    model.compile(
        keras.optimizers.Adam(0.01),
        loss=InfoNCE(),
        steps_per_execution=steps_per_execution,
    )
    return model


def pairs():
    """Eight batches of eight pairs of views."""
    x, _ = labelled(64, seed=2)
    noise = np.random.default_rng(3).normal(size=x.shape).astype("float32")
    return tf.data.Dataset.from_tensor_slices(((x, x + noise / 2),)).batch(8)


def by_hand(model):
    encoder = model.encoder_x
    probe = LogisticProbe().fit(encode(encoder, TRAIN[0]), TRAIN[1])
    return probe.score(encode(encoder, TEST[0]), TEST[1])


class Scripted:
    """A probe whose accuracies are known: the raw baseline, the start, and so on."""

    def __init__(self, *accuracies):
        self.accuracies = list(accuracies)

    def fit(self, x, labels):
        return self

    def score(self, x, labels):
        return self.accuracies.pop(0)


def scripted(*accuracies, **kwargs):
    return LinearProbe(TRAIN, TEST, probe=Scripted(*accuracies), **kwargs)


def numbered(**kwargs):
    """A callback whose nth probe gives n / 100; the start of training gives 0."""
    return scripted(0.99, *(n / 100 for n in range(50)), **kwargs)


def positions(callback):
    return [position for position, _ in callback.history]


def test_the_history_is_that_of_a_probe_by_hand():
    model, callback = infomax(), LinearProbe(TRAIN, TEST)
    start = by_hand(model)
    history = model.fit(pairs(), epochs=3, verbose=0, callbacks=[callback]).history
    accuracies = [accuracy for _, accuracy in callback.history]
    assert positions(callback) == [0, 1, 2, 3]
    assert accuracies[0] == start
    assert accuracies[-1] == by_hand(model)
    assert len(set(accuracies)) > 1
    assert history["probe_accuracy"] == accuracies[1:]


def test_another_encoder_and_another_probe_may_be_chosen():
    encoders = [mlp((2, 4), hidden_units=(8,), output_dim=dim) for dim in (2, 3)]
    model = InfoMax(*encoders)
    model.compile("adam", loss=InfoNCE())
    probe = LogisticProbe(C=0.5)
    callback = LinearProbe(TRAIN, TEST, encoder="encoder_y", probe=probe)
    model.fit(pairs(), verbose=0, callbacks=[callback])
    expected = LogisticProbe(C=0.5).fit(encode(encoders[1], TRAIN[0]), TRAIN[1])
    assert callback.history[-1][1] == expected.score(
        encode(encoders[1], TEST[0]), TEST[1]
    )
    np.testing.assert_array_equal(probe.pipeline[-1].coef_, expected.pipeline[-1].coef_)


def test_probing_does_not_change_training():
    weights = []
    for callbacks in ([], [LinearProbe(TRAIN, TEST)]):
        keras.utils.set_random_seed(1)
        model = infomax()
        model.fit(pairs(), epochs=2, verbose=0, callbacks=callbacks)
        weights.append(model.get_weights())
    for without, probed in zip(*weights, strict=True):
        np.testing.assert_array_equal(without, probed)


def test_the_raw_baseline_is_reported_once(capsys):
    model, callback = infomax(), LinearProbe(TRAIN, TEST)
    assert callback.raw_baseline is None
    for _ in range(2):
        model.fit(pairs(), verbose=2, callbacks=[callback])
    expected = LogisticProbe().fit(*TRAIN).score(*TEST)
    assert callback.raw_baseline == expected
    printed = capsys.readouterr().out
    assert printed.count(f"LinearProbe: raw baseline {expected:.4f}\n") == 1
    assert printed.count("baseline") == 1
    with pytest.warns(DeprecationWarning, match="pixel_baseline is now raw_baseline"):
        assert callback.pixel_baseline == expected


def test_a_silent_fit_stays_silent(capsys):
    infomax().fit(pairs(), verbose=0, callbacks=[numbered()])
    assert capsys.readouterr().out == ""


def test_an_epoch_logs_what_was_measured_at_its_end_alone():
    callback = numbered(every=2)
    history = infomax().fit(pairs(), epochs=5, verbose=0, callbacks=[callback])
    # The first epoch is probed, too: nothing would ever be better than NaN.
    assert callback.history == [(0, 0.0), (1, 0.01), (2, 0.02), (4, 0.03)]
    np.testing.assert_array_equal(
        history.history["probe_accuracy"], [0.01, 0.02, np.nan, 0.03, np.nan]
    )


def test_measurements_are_of_the_weights_as_they_are():
    found = []

    class Read(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            found.append(callback.measurements["probe_accuracy"])

        on_epoch_end = on_epoch_begin

    callback = numbered(every=2)
    infomax().fit(pairs(), epochs=4, verbose=0, callbacks=[callback, Read()])
    #                first       second      third       fourth epoch
    assert found == [0.0, 0.01, None, 0.02, None, None, None, 0.03]
    assert callback.measurements["raw_baseline"] == 0.99


def test_resumed_epochs_are_counted_from_where_they_resume():
    callback = numbered(every=2)
    infomax().fit(pairs(), initial_epoch=3, epochs=6, verbose=0, callbacks=[callback])
    assert positions(callback) == [3, 4, 6]


@pytest.mark.parametrize(
    ("every", "steps_per_execution", "expected"),
    [
        (3, 1, [0, 3, 6, 8, 9, 12, 15]),
        (8, 1, [0, 8, 16]),
        (20, 1, [0, 8]),
        (6, 4, [0, 8, 12]),  # Executions end at 4, 8, 12 and 16.
        (1, 4, [0, 4, 8, 12, 16]),
        (5, 3, [0, 6, 8, 11, 16]),  # And here at 3, 6, 8, 11, 14 and 16.
    ],
)
def test_steps_are_counted_over_epochs(every, steps_per_execution, expected):
    callback = numbered(every=every, unit="step")
    model = infomax(steps_per_execution)
    history = model.fit(pairs(), epochs=2, verbose=0, callbacks=[callback]).history
    assert positions(callback) == expected
    # Epochs end at 8 and 16, and an accuracy of other weights is not theirs.
    accuracies = dict(callback.history)
    np.testing.assert_array_equal(
        history["probe_accuracy"], [accuracies[8], accuracies.get(16, np.nan)]
    )


def test_a_second_fit_starts_a_new_history_and_goes_on_counting_steps():
    model, callback = infomax(), numbered(every=6, unit="step")
    model.fit(pairs(), verbose=0, callbacks=[callback])
    assert callback.history == [(0, 0.0), (6, 0.01), (8, 0.02)]
    model.fit(pairs(), verbose=0, callbacks=[callback])
    assert callback.history == [(8, 0.03), (12, 0.04), (16, 0.05)]


def test_a_restored_run_is_probed_after_its_weights_are_back(tmp_path):
    def fit(model, callbacks):
        backup = keras.callbacks.BackupAndRestore(tmp_path, delete_checkpoint=False)
        callbacks = [*callbacks, backup]
        model.fit(pairs(), epochs=4, verbose=0, callbacks=callbacks)

    def interrupt(epoch, logs):
        if epoch == 2:
            raise KeyboardInterrupt

    first, callback = infomax(), LinearProbe(TRAIN, TEST)
    stop = keras.callbacks.LambdaCallback(on_epoch_begin=interrupt)
    with pytest.raises(KeyboardInterrupt):
        fit(first, [callback, stop])
    second, resumed = infomax(), LinearProbe(TRAIN, TEST)
    assert by_hand(second) != by_hand(first)
    fit(second, [resumed])
    assert resumed.history[0] == callback.history[-1] == (2, by_hand(first))
    assert positions(resumed) == [2, 3, 4]


def test_callbacks_listed_after_it_see_the_accuracy(tmp_path):
    model = infomax()
    file = tmp_path / "log.csv"
    monitor = {"monitor": "probe_accuracy", "mode": "max"}
    callbacks = [
        scripted(0.5, 0.1, 0.3, 0.7, 0.6, 0.6, 0.9),
        keras.callbacks.CSVLogger(file),
        keras.callbacks.ModelCheckpoint(
            tmp_path / "{epoch}.keras", save_best_only=True, **monitor
        ),
        keras.callbacks.EarlyStopping(patience=2, **monitor),
    ]
    model.fit(pairs(), epochs=10, verbose=0, callbacks=callbacks)
    with file.open() as rows:
        logged = [float(row["probe_accuracy"]) for row in csv.DictReader(rows)]
    assert logged == [0.3, 0.7, 0.6, 0.6]
    saved = sorted(path.name for path in tmp_path.glob("*.keras"))
    assert saved == ["1.keras", "2.keras"]


@pytest.mark.parametrize(
    ("every", "unit"), [(2, "epoch"), (3, "epoch"), (3, "step"), (16, "step")]
)
def test_kept_weights_have_the_accuracy_they_were_kept_for(tmp_path, every, unit):
    model = infomax()
    model.optimizer.learning_rate = 0.3  # Far enough that accuracies differ.
    probe = LinearProbe(TRAIN, TEST, every=every, unit=unit)
    best = keras.callbacks.ModelCheckpoint(
        tmp_path / "{epoch}.keras",
        monitor="probe_accuracy",
        mode="max",
        save_best_only=True,
    )
    log = keras.callbacks.CSVLogger(tmp_path / "log.csv")
    callbacks = [probe, best, log]
    history = model.fit(pairs(), epochs=6, verbose=0, callbacks=callbacks).history
    logged = history["probe_accuracy"]
    assert len(logged) == len(history["loss"]) == 6
    assert best.best == np.nanmax(logged)
    saved = {int(path.stem): path for path in tmp_path.glob("*.keras")}
    assert best.best == logged[max(saved) - 1]
    for epoch, path in saved.items():
        assert by_hand(keras.saving.load_model(path)) == logged[epoch - 1]
    with (tmp_path / "log.csv").open() as rows:
        column = [float(row["probe_accuracy"]) for row in csv.DictReader(rows)]
    np.testing.assert_array_equal(column, logged)


def test_early_stopping_waits_for_as_many_probes_as_its_patience_has_room_for():
    # Epochs 1, 2, 4 and 6 are probed; neither 4 nor 6 is better than 2.
    probe = scripted(0.5, 0.1, 0.2, 0.7, 0.6, 0.7, 0.9, every=2)
    stop = keras.callbacks.EarlyStopping(
        "probe_accuracy", mode="max", patience=4, restore_best_weights=True
    )
    weights = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: kept.append(model.get_weights())
    )
    model, kept = infomax(), []
    model.fit(pairs(), epochs=20, verbose=0, callbacks=[probe, weights, stop])
    assert (stop.stopped_epoch + 1, stop.best_epoch + 1, stop.best) == (6, 2, 0.7)
    for now, then in zip(model.get_weights(), kept[1], strict=True):
        np.testing.assert_array_equal(now, then)


def test_the_learning_rate_falls_on_a_plateau_of_probed_epochs():
    probe = scripted(0.5, 0.1, 0.2, 0.7, 0.6, 0.8, every=2)
    lower = keras.callbacks.ReduceLROnPlateau(
        "probe_accuracy", mode="max", patience=3, factor=0.5
    )
    logs = infomax().fit(pairs(), epochs=7, verbose=0, callbacks=[probe, lower]).history
    # Logged before it falls: epochs 3 to 5 are no improvement, 6 is one.
    np.testing.assert_allclose(
        logs["learning_rate"], [0.01] * 5 + [0.005] * 2, rtol=1e-6
    )


def test_a_deep_copy_shares_the_arrays_and_nothing_else():
    callback = LinearProbe(TRAIN, TEST)
    infomax().fit(pairs(), verbose=0, callbacks=[callback])
    copied = copy.deepcopy(callback)
    for mine, theirs in zip(
        (*callback.train, *callback.test), (*copied.train, *copied.test), strict=True
    ):
        assert mine is theirs
    assert copied.history == callback.history
    assert copied.history is not callback.history
    assert copied.probe is not callback.probe
    infomax().fit(pairs(), epochs=2, verbose=0, callbacks=[copied])
    assert positions(copied) == [0, 1, 2]
    assert positions(callback) == [0, 1]


class Blind(keras_tuner.HyperModel):
    """One choice: an encoder that sees its views, or one that always returns zero."""

    def build(self, hp):
        kernel = "glorot_uniform" if hp.Boolean("sees") else "zeros"
        encoder = keras.Sequential(
            [
                keras.Input((2, 4)),
                keras.layers.Flatten(),
                keras.layers.Dense(4, kernel_initializer=kernel, trainable=False),
            ]
        )
        model = InfoMax(encoder)
        model.compile("adam", loss=InfoNCE())
        # Else loading the best weights warns that it skips the optimizer's.
        model.optimizer.build(model.trainable_variables)
        return model


@pytest.mark.filterwarnings(r"ignore:(currentThread|getName)\(\) is:DeprecationWarning")
def test_keras_tuner_picks_by_the_accuracy(tmp_path):
    tuner = keras_tuner.RandomSearch(
        Blind(),
        objective=keras_tuner.Objective("probe_accuracy", "max"),
        max_trials=2,
        directory=tmp_path,
        seed=0,
    )
    tuner.search(pairs(), verbose=0, callbacks=[LinearProbe(TRAIN, TEST)])
    scores = {
        trial.hyperparameters.get("sees"): trial.score
        for trial in tuner.oracle.trials.values()
    }
    assert tuner.get_best_hyperparameters()[0].get("sees")
    # Encodings that are all zero leave the most frequent training class to guess.
    guess = np.bincount(TRAIN[1]).argmax()
    assert scores[False] == np.mean(TEST[1] == guess)
    assert scores[True] == by_hand(tuner.get_best_models()[0]) > scores[False]


def test_two_replicas_probe_as_one_device_does(strategy):
    histories = []
    for scope in (tf.distribute.get_strategy().scope(), strategy.scope()):
        keras.utils.set_random_seed(1)
        with scope:
            model = infomax()
        callback = LinearProbe(TRAIN, TEST, every=3, unit="step")
        model.fit(pairs(), verbose=0, callbacks=[callback, StopOnNonFinite()])
        histories.append(callback.history)
    one, two = histories
    assert [p for p, _ in one] == [p for p, _ in two] == [0, 3, 6, 8]
    # Weights agree to rounding: at most one of 200 test rows may change sides.
    np.testing.assert_allclose([a for _, a in one], [a for _, a in two], atol=1 / 200)


X, LABELS = TRAIN


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"train": X},
            r"train must be a pair \(x, labels\) of arrays; received ndarray",
        ),
        ({"test": (X, LABELS, LABELS)}, r"test must be a pair"),
        ({"train": (X[:4], LABELS[:3])}, r"train .*one label per row"),
        ({"test": (X, LABELS / 2)}, "test must have integer labels; received float64"),
        ({"test": (X * np.nan, LABELS)}, "test must be finite"),
        ({"train": (X, LABELS * 0)}, "train must hold at least two classes"),
        ({"test": (X[:, :1], LABELS)}, r"shape of train, \(2, 4\); received \(1, 4\)"),
        ({"test": (X[:0], LABELS[:0])}, "test .*at least one row"),
        ({"every": 0}, "every must be a positive integer; received 0"),
        ({"every": 0.5}, "every must be a positive integer; received 0.5"),
        ({"unit": "steps"}, "unit must be 'epoch' or 'step'; received 'steps'"),
    ],
)
def test_the_constructor_says_what_is_wrong(changes, message):
    with pytest.raises(ValueError, match=message):
        LinearProbe(**{"train": TRAIN, "test": TEST, **changes})


def test_an_encoder_that_the_model_lacks_is_named():
    callback = LinearProbe(TRAIN, TEST, encoder="encoder_z")
    with pytest.raises(ValueError, match="encoder must name.*'encoder_z'.*None"):
        infomax().fit(pairs(), verbose=0, callbacks=[callback])


def test_the_information_is_logged_beside_the_accuracy_where_there_is_one():
    model, callback = infomax(), LinearProbe(TRAIN, TEST)
    logs = model.fit(pairs(), verbose=0, callbacks=[callback]).history
    probe = LogisticProbe().fit(encode(model.encoder_x, TRAIN[0]), TRAIN[1])
    information = probe.information(encode(model.encoder_x, TEST[0]), TEST[1])
    assert logs["probe_information"] == [pytest.approx(information, rel=1e-6)]
    logs = infomax().fit(pairs(), verbose=0, callbacks=[numbered()]).history
    assert "probe_accuracy" in logs
    assert "probe_information" not in logs


def several(**kwargs):
    return Probes(
        TRAIN,
        TEST,
        {
            "linear": "linear",
            "wide": MLPProbe(20, epochs=5),
            "near": NeighboursProbe(k=5),
            "tuned": FineTuning(epochs=2),
        },
        **kwargs,
    )


def test_several_probes_log_what_judging_by_hand_finds():
    model, callback = infomax(), several(every=2)
    logs = model.fit(pairs(), epochs=3, verbose=0, callbacks=[callback]).history
    assert positions(callback) == [0, 1, 2]
    assert np.isnan(logs["near_accuracy"][2])
    assert np.isnan(logs["near_information"][2])
    model.fit(pairs(), epochs=2, verbose=0, callbacks=[callback])
    expected = judge(callback.probes, model.encoder_x, TRAIN, TEST)
    assert callback.history[-1] == (2, expected)
    assert callback.measurements == {
        f"{name}_{measure}": getattr(expected[name], measure)
        for name in ("linear", "wide", "near", "tuned")
        for measure in ("accuracy", "information")
    } | {
        f"{name}_raw": baseline.accuracy
        for name, baseline in judge(callback.probes, None, TRAIN, TEST).items()
    }
    assert {k for k in logs if k.endswith(("_accuracy", "_information"))} == {
        k for k in callback.measurements if not k.endswith("_raw")
    }


def test_the_raw_baseline_of_several_probes_leaves_fine_tuning_out(capsys):
    callback = several()
    infomax().fit(pairs(), verbose=2, callbacks=[callback])
    expected = judge(callback.probes, None, TRAIN, TEST)
    assert callback.raw_baseline == expected
    assert list(expected) == ["linear", "wide", "near"]
    described = ", ".join(f"{name} {j.accuracy:.4f}" for name, j in expected.items())
    assert f"Probes: raw baseline {described}\n" in capsys.readouterr().out


def test_a_linear_probe_may_be_one_that_fine_tunes(capsys):
    callback = LinearProbe(TRAIN, TEST, probe=FineTuning(epochs=2))
    logs = infomax().fit(pairs(), verbose=2, callbacks=[callback]).history
    assert callback.raw_baseline is None
    assert logs["probe_accuracy"] == [callback.history[-1][1]]
    assert "baseline" not in capsys.readouterr().out


def test_probing_with_networks_does_not_change_training():
    weights = []
    for callbacks in ([], [several()]):
        keras.utils.set_random_seed(1)
        encoder = keras.Sequential(
            [
                keras.Input((2, 4)),
                keras.layers.Flatten(),
                keras.layers.Dense(8, "relu"),
                keras.layers.BatchNormalization(),
                keras.layers.Dropout(0.5),
                keras.layers.Dense(2),
            ]
        )
        model = InfoMax(encoder)
        model.compile("adam", loss=InfoNCE())
        model.fit(pairs(), epochs=2, verbose=0, callbacks=callbacks)
        weights.append([np.array(variable) for variable in model.variables])
    for without, probed in zip(*weights, strict=True):
        np.testing.assert_array_equal(without, probed)


def test_a_deep_copy_of_several_probes_works_on():
    callback = several()
    infomax().fit(pairs(), verbose=0, callbacks=[callback])
    copied = copy.deepcopy(callback)
    assert copied.train[0] is callback.train[0]
    assert copied.history == callback.history
    assert copied.probes["wide"] is not callback.probes["wide"]
    infomax().fit(pairs(), epochs=2, verbose=0, callbacks=[copied])
    assert positions(copied) == [0, 1, 2]
    assert positions(callback) == [0, 1]


def test_two_replicas_are_judged_by_several_probes_as_one_device_is(strategy):
    found = []
    for scope in (tf.distribute.get_strategy().scope(), strategy.scope()):
        keras.utils.set_random_seed(1)
        with scope:
            model = infomax()
        callback = several(every=4, unit="step")
        model.fit(pairs(), verbose=0, callbacks=[callback])
        found.append(callback.history)
    one, two = found
    assert [p for p, _ in one] == [p for p, _ in two] == [0, 4, 8]
    for (_, mine), (_, theirs) in zip(one, two, strict=True):
        assert list(mine) == list(theirs)
        for name in mine:
            assert isinstance(mine[name], Judgement)
            assert mine[name].accuracy == pytest.approx(theirs[name].accuracy, abs=0.01)
            assert mine[name].information == pytest.approx(
                theirs[name].information, abs=1e-3
            )


@pytest.mark.parametrize(
    ("probes", "message"),
    [
        ({}, "probes must be a dictionary .* received {}"),
        (["linear"], r"probes must be a dictionary .* received \['linear'\]"),
        ({"probe": "liner"}, "Unknown probe 'liner'. Did you mean 'linear'"),
    ],
)
def test_the_probes_are_checked(probes, message):
    with pytest.raises(ValueError, match=message):
        Probes(TRAIN, TEST, probes)


def regressor(*activations, **compile_options):
    """Sequential regression: any Keras model will do for StopOnNonFinite."""
    model = keras.Sequential(
        [keras.Input((4,)), *(keras.layers.Dense(3, a) for a in activations)]
    )
    model.compile("sgd", loss="mse", **compile_options)
    return model


def batches(count, broken=None, value=np.nan):
    """Batches of four rows; one value of the `broken`-th (from 1) is replaced."""
    x = np.random.default_rng(0).normal(size=(count * 4, 4)).astype("float32")
    y = np.zeros((count * 4, 3), "float32")
    if broken:
        x[broken * 4 - 2, 1] = value
    return tf.data.Dataset.from_tensor_slices((x, y)).batch(4)


def fit(model, data, **kwargs):
    model.fit(data, verbose=0, callbacks=[StopOnNonFinite()], **kwargs)


def test_a_broken_loss_is_caught_in_its_step_and_the_weights_are_named():
    model = regressor(None)
    kernel = model.weights[0].path
    with pytest.raises(ValueError, match=rf"in step 3 the loss is nan, {kernel} holds"):
        fit(model, batches(5, broken=3))
    assert model.optimizer.iterations.numpy() == 3


def test_an_infinite_loss_is_caught_while_the_weights_are_finite():
    # The square of 1e30 overflows float32, its derivative does not.
    data = batches(5).map(lambda x, y: (x, y + 1e30))
    model = regressor(None)
    model.optimizer.learning_rate = 0.0
    with pytest.raises(ValueError, match=r"in step 1 the loss is inf\. Look"):
        fit(model, data)


def swallowing_relu(x):
    """ReLU as the fused matrix product of some CPUs computes it: 0 for NaN."""
    return ops.where(ops.isnan(x), 0.0, ops.relu(x))


@pytest.mark.parametrize(
    ("count", "broken", "steps"),
    [(5, 3, "steps 1 to 5"), (45, 25, "steps 21 to 40"), (45, 44, "steps 41 to 45")],
)
def test_weights_that_break_behind_a_finite_loss_are_caught(count, broken, steps):
    model, losses = regressor(swallowing_relu), []
    record = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: losses.append(logs["loss"])
    )
    kernel = model.weights[0].path
    with pytest.raises(
        ValueError, match=rf"in {steps} {kernel} holds NaN or infinity\."
    ):
        model.fit(
            batches(count, broken), verbose=0, callbacks=[record, StopOnNonFinite()]
        )
    assert np.isfinite(losses).all()


def test_a_broken_row_is_caught_whether_or_not_the_cpu_swallows_it():
    model = regressor("relu")
    with pytest.raises(ValueError, match=f"{model.weights[0].path} holds"):
        fit(model, batches(5, broken=3))


def test_broken_statistics_are_caught():
    model = regressor(None)
    model.add(keras.layers.BatchNormalization())
    model.compile("sgd", loss="mse")
    model.layers[-1].moving_variance.assign([1.0, np.inf, 1.0])
    with pytest.raises(ValueError, match="in steps 1 to 2 .*/moving_variance holds"):
        fit(model, batches(2))


class Sum(keras.Model):
    """The sum of layers that may have the same name, hence the same variable paths."""

    def __init__(self, *terms):
        super().__init__()
        self.terms = terms

    def call(self, inputs):
        return sum(term(inputs) for term in self.terms)


@pytest.mark.parametrize("broken", [0, 1])
def test_a_broken_variable_is_found_beside_another_of_the_same_path(broken):
    twins = [keras.layers.Dense(3, swallowing_relu, name="twin") for _ in range(2)]
    model = Sum(*twins)
    model.compile("sgd", loss="mse")
    model.fit(batches(1), verbose=0)
    assert twins[0].kernel.path == twins[1].kernel.path
    twins[broken].kernel.assign(np.full((4, 3), np.nan))
    with pytest.raises(ValueError, match="twin/kernel holds"):
        fit(model, batches(1))


def test_many_broken_variables_are_not_all_listed():
    model = regressor(*[None] * 4)
    with pytest.raises(
        ValueError, match=r"kernel holds NaN or infinity and \d+ more\. Look"
    ):
        fit(model, batches(2, broken=1))


@pytest.mark.parametrize("jit_compile", [False, True])
def test_an_execution_of_several_steps_is_reported_as_a_range(jit_compile):
    model = regressor(None, steps_per_execution=4, jit_compile=jit_compile)
    with pytest.raises(ValueError, match="in steps 5 to 8 the loss is nan"):
        fit(model, batches(12, broken=6))


def watched(activation, value, strategy=None, **compile_options):
    """What stops the training of an InfoMax whose 37th batch breaks in one row."""
    with strategy.scope() if strategy else contextlib.nullcontext():
        encoder = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
        encoder.add(keras.layers.Activation(activation))
        encoder.add(keras.layers.Dense(2))
        model = InfoMax(encoder)
        model.compile("sgd", InfoNCE(), **compile_options)
    data = batches(200, broken=37, value=value).map(lambda x, y: ((x, x + y[:, :1]),))
    with pytest.raises(ValueError, match="must keep the loss") as error:
        model.fit(data, verbose=0)
    return str(error.value)


EXECUTIONS = pytest.mark.parametrize(
    "options",
    [
        {"steps_per_execution": 1},
        {"steps_per_execution": 8},
        {"steps_per_execution": 8, "jit_compile": True},
        {},
    ],
    ids=["single steps", "several", "in one program", "chosen"],
)


@EXECUTIONS
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_model_of_ours_names_the_step_of_a_broken_loss(options, value):
    assert "in step 37 the loss is nan" in watched("linear", value, **options)


@EXECUTIONS
def test_a_model_of_ours_names_the_step_of_broken_weights(options):
    found = watched(swallowing_relu, np.nan, **options)
    assert re.search(r"in step 37 \S+/kernel holds", found)


@pytest.mark.parametrize("own", [[], [keras.callbacks.History()]], ids=len)
def test_a_list_of_keras_is_watched_too(own):
    model = InfoMax(keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)]))
    model.compile("sgd", InfoNCE())
    callbacks = keras.callbacks.CallbackList(own, add_history=True, model=model)
    views = np.full((8, 4), np.nan, "float32")
    with pytest.raises(ValueError, match="in step 1 the loss is nan"):
        model.fit((views, views), callbacks=callbacks, verbose=0)


def test_replicas_name_the_step_among_several(strategy):
    found = watched(swallowing_relu, np.nan, strategy, steps_per_execution=8)
    assert re.search(r"in step 37 \S+/kernel holds", found)


def test_a_weight_that_breaks_by_itself_is_found_with_a_range():
    # Neither in the first row nor in the first column, where each step is looked at.
    encoder = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
    encoder.add(keras.layers.Activation(swallowing_relu))
    model = InfoMax(encoder)
    model.compile("sgd", InfoNCE(), steps_per_execution=4)
    kernel = np.ones((4, 3), "float32")
    kernel[2, 1] = np.nan
    model.encoder_x.layers[0].kernel.assign(kernel)
    data = batches(12).map(lambda x, y: ((x, x),))
    with pytest.raises(ValueError, match="in steps 1 to 12 .*kernel holds NaN"):
        model.fit(data, verbose=0)


def test_sound_training_is_left_alone():
    weights = []
    for callbacks in ([], [StopOnNonFinite()]):
        keras.utils.set_random_seed(1)
        model = regressor("relu", None)
        model.fit(batches(45), epochs=2, verbose=0, callbacks=callbacks)
        weights.append(model.get_weights())
    for without, watched in zip(*weights, strict=True):
        np.testing.assert_array_equal(without, watched)


def test_steps_skipped_by_loss_scaling_do_not_stop_the_run():
    keras.config.set_dtype_policy("mixed_float16")
    model = regressor("relu", None)
    # Far above the float16 maximum of 65504: the first gradients overflow.
    optimizer = keras.optimizers.LossScaleOptimizer(
        keras.optimizers.SGD(), initial_scale=2.0**30
    )
    model.compile(optimizer, loss="mse")
    fit(model, batches(30))
    assert 0 < plan.iterations(model.optimizer).numpy() < 30


def test_a_second_fit_watches_the_second_model_and_counts_anew():
    callback = StopOnNonFinite()
    with pytest.raises(ValueError, match="in step 2 "):
        regressor(None).fit(batches(2, broken=2), verbose=0, callbacks=[callback])
    model = regressor(swallowing_relu)
    kernel = model.weights[0].path
    with pytest.raises(ValueError, match=f"in steps 1 to 20 {kernel}"):
        model.fit(batches(30, broken=20), verbose=0, callbacks=[callback])


def test_a_used_callback_can_be_copied():
    callback = StopOnNonFinite()
    regressor(None).fit(batches(2), verbose=0, callbacks=[callback])
    copied = copy.deepcopy(callback)
    with pytest.raises(ValueError, match="the loss is nan"):
        regressor(None).fit(batches(2, broken=1), verbose=0, callbacks=[copied])
