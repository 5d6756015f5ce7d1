"""Real searches by keras-tuner, on a few digits."""

import copy
import csv
import dataclasses
import inspect
import json
import shutil
import socket
import threading

import keras
import keras_tuner
import numpy as np
import pytest
from keras_tuner.src.distribute import oracle_client
from keras_tuner.src.engine import conditions
from run_checks import SMALL, hyper_parameters_of, logged

import keras_infomax as kim
from keras_infomax import files, training, tuning
from keras_infomax.execution import plan
from keras_infomax.files import writing
from keras_infomax.probes import LogisticProbe
from keras_infomax.training import runs
from keras_infomax.training.settings import Settings
from keras_infomax.tuning import workers

pytestmark = pytest.mark.filterwarnings(
    r"ignore:(currentThread|getName)\(\) is:DeprecationWarning"
)

FAST = {**SMALL, "steps": 1, "eval_every": 1}
SPACE = {"critic": ["bilinear", "mlp"], "bound": ["infonce", "nwj"]}


def config(space=SPACE, settings=FAST, **search):
    return {**settings, "space": space, "search": {"max_trials": 3, **search}}


@pytest.fixture
def fits(monkeypatch):
    """Settings of every trial that is trained; `stop_at` interrupts one of them."""

    class Fits(list):
        stop_at = None

    fitted, fit = Fits(), tuning.HyperModel.fit

    def counted(self, hp, model, **options):
        if len(fitted) == fitted.stop_at:
            fitted.stop_at = None
            raise KeyboardInterrupt
        fitted.append(self.settings(hp))
        return fit(self, hp, model, **options)

    monkeypatch.setattr(tuning.HyperModel, "fit", counted)
    return fitted


def table(workdir):
    with open(workdir / "trials.csv", newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_a_trial_is_a_run_of_its_settings(digits, tmp_path, monkeypatch):
    chosen, choose = [], plan.choose
    monkeypatch.setattr(
        plan,
        "choose",
        lambda *a, **k: chosen.append(choose(*a, **k)) or chosen[-1],
    )
    space = {"critic": ["mlp"], "critic_units": [[9]], "learning_rate": [1e-3]}
    settings = {**SMALL, "steps": 120, "eval_every": 40}
    asked = config(space, settings, max_trials=1, validation=0, objective="val_mi")
    (trial,) = tuning.search(asked, tmp_path / "search", digits)
    settings = tuning.best_settings(tuning.Search.resolve(asked), trial)
    assert (settings.critic, settings.critic_units) == ("mlp", (9,))
    training.train({**settings.as_dict(), "steps": 120}, tmp_path / "run", digits)
    # Several steps in a call in both, though keras-tuner's callback sees batches.
    assert chosen == [plan.Execution(steps=20)] * 2
    rows = runs.read_metrics(tmp_path / "run" / "metrics.csv")[1:]
    assert trial.score == max(row["val_mi"] for row in rows)
    (row,) = (row for row in rows if row["step"] == trial.steps)
    assert trial.score == row["val_mi"]
    for name in ("mi", "loss", "probe_accuracy", "raw_baseline"):
        assert trial.metrics[name] == row[name]


OTHER_METHODS = ("grid", "hyperband", "bayesian")
ASKED_SPACE = {
    **SPACE,
    "learning_rate": {"min": 1e-4, "max": 1e-2, "sampling": "log"},
}


@pytest.fixture(scope="module")
def searched(digits, tmp_path_factory):
    workdir = tmp_path_factory.mktemp("searched")
    return workdir, tuning.search(config(ASKED_SPACE), workdir, digits)


def test_trials_are_ranked_by_the_objective(searched):
    workdir, trials = searched
    scores = [trial.score for trial in trials]
    assert scores == sorted(scores, reverse=True)
    for trial in trials:
        assert trial.score == trial.metrics["probe_accuracy"]
        assert 1e-4 <= trial.values["learning_rate"] <= 1e-2
    rows = table(workdir)
    assert [row["rank"] for row in rows] == ["1", "2", "3"]
    assert [float(row["probe_accuracy"]) for row in rows] == scores
    assert [float(row["score"]) for row in rows] == scores
    assert [row["critic"] for row in rows] == [t.values["critic"] for t in trials]
    best = tuning.to_text(trials).splitlines()[1].split()
    assert best[:3] == ["1", trials[0].name, f"{scores[0]:.4g}"]


def test_tensor_board_has_the_curves_and_the_settings_of_every_trial(searched):
    workdir, trials = searched
    for trial in trials:
        folder = workdir / "tensorboard" / trial.name / "execution0"
        (settings,) = hyper_parameters_of(folder)
        assert settings["critic"] == trial.values["critic"]
        assert settings["learning_rate"] == trial.values["learning_rate"]
        curve = [value for _, value in logged(folder)["held_out"]["probe_accuracy"]]
        assert np.float32(trial.score) in np.float32(curve)


def test_the_page_of_plots_has_a_mark_for_every_trial(searched, tmp_path):
    _, trials = searched
    failed = tuning.Trial("9", {"critic": "mlp"}, failure="ValueError: no")
    tuning.report([*trials, failed], tmp_path / "new")
    picture = tmp_path / "new" / "trials.png"
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert len(table(tmp_path / "new")) == 4


@pytest.mark.parametrize(
    "method",
    ["random", *(pytest.param(m, marks=pytest.mark.slow) for m in OTHER_METHODS)],
)
def test_a_search_that_was_interrupted_ends_as_one_left_alone(
    method, digits, tmp_path, fits
):
    space = {**SPACE, "learning_rate": {"min": 1e-4, "max": 1e-2, "sampling": "log"}}
    if method == "grid":
        space = {"encoding_dim": [4, 6, 8]}
    settings = {**FAST, "steps": 3 if method == "hyperband" else 1}
    asked = config(space, settings, method=method, objective="val_loss")
    calm = tuning.search(asked, tmp_path / "calm", digits)
    whole, last = list(fits), 1 if method != "hyperband" else 3
    for stop in (0, last):
        fits.clear()
        fits.stop_at = stop
        with pytest.raises(KeyboardInterrupt):
            tuning.search(asked, tmp_path / "stopped", digits)
    again = tuning.search(asked, tmp_path / "stopped", digits)
    assert fits == whole
    assert again == calm
    assert [t.score for t in again] == sorted(t.score for t in again)
    # Finished, it is not started over.
    fits.clear()
    assert tuning.search(asked, tmp_path / "stopped", digits) == again
    assert fits == []
    if method == "hyperband":
        # One of the bracket of three is trained on; two more are of full length.
        assert len(again) == 6
        rates = [t.values["learning_rate"] for t in again]
        assert len(set(rates)) == 5
        first, second = (t for t in again if rates.count(t.values["learning_rate"]) > 1)
        assert max(first.steps, second.steps) > 1
    else:
        assert len(again) == 3


@pytest.mark.slow
def test_a_grid_is_every_combination_once(digits, tmp_path):
    space = {"critic": ["bilinear", "mlp"], "critic_units": {"mlp": [(4,), (5,)]}}
    asked = config(space, method="grid", max_trials=100)
    trials = tuning.search(asked, tmp_path, digits)
    found = sorted((t.values["critic"], t.values.get("critic_units")) for t in trials)
    assert found == [("bilinear", None), ("mlp", (4,)), ("mlp", (5,))]


def test_more_trials_can_be_asked_for_and_other_things_cannot(digits, tmp_path, fits):
    (first,) = tuning.search(config(max_trials=1), tmp_path, digits)
    two = tuning.search(config(max_trials=2), tmp_path, digits)
    assert len(fits) == len(two) == 2
    assert first in two
    for other, key in (
        (config({**SPACE, "seed": [0, 1]}), "space"),
        (config(seed=1), "seed"),
        (config(settings={**FAST, "noise": 0.5}), "settings"),
    ):
        with pytest.raises(ValueError, match=f"holds another search .*{key}: "):
            tuning.search(other, tmp_path, digits)


DAMAGED = {
    "search.json": ["", "[]", "null", "{}", '{"settings": 3}'],
    "trials/oracle.json": ["", "[]", "{}"],
    "trials/tuner0.json": ["{", "null"],
    "trials/trial_1/trial.json": ["", "{}", "[]"],
    "best/config.json": ["", "null"],
}


@pytest.mark.parametrize("name", list(DAMAGED))
def test_damaged_files_of_a_search_are_named(searched, tmp_path, digits, name):
    (workdir, trials), asked = searched, config(ASKED_SPACE)
    workdir = shutil.copytree(workdir, tmp_path / "search")
    (path,) = workdir.glob(name) if name != "best/config.json" else (workdir / name,)
    path.parent.mkdir(exist_ok=True)
    for text in DAMAGED[name]:
        path.write_text(text)
        with pytest.raises(ValueError, match="may be damaged") as error:
            if path.parent.name == "best":
                tuning.train_best(asked, workdir, trials, digits)
            else:
                tuning.search(asked, workdir, digits)
        assert str(workdir) in str(error.value)
        assert "\n" not in str(error.value)
        if text != "{}":
            assert str(path) in str(error.value)


def test_a_search_goes_on_where_its_data_were_moved(searched, digits, tmp_path):
    (workdir, trials), asked = searched, config(ASKED_SPACE)
    workdir = shutil.copytree(workdir, tmp_path / "search")
    asked["data_dir"] = "/moved"
    assert tuning.search(asked, workdir, digits) == trials


@pytest.mark.slow
def test_trials_that_diverge_are_recorded_and_the_search_goes_on(digits, tmp_path):
    # Four in a row, where keras-tuner alone gives up after three.
    space = {"learning_rate": [1e30, 1e31, 1e32, 1e33, 1e-3]}
    asked = config(space, {**FAST, "steps": 4}, method="grid", max_trials=5)
    trials = tuning.search(asked, tmp_path, digits)
    rates = [trial.values["learning_rate"] for trial in trials]
    assert rates == [1e-3, 1e30, 1e31, 1e32, 1e33]
    for trial in trials[1:]:
        assert trial.score is None
        assert "ValueError: " in trial.failure
        assert "finite" in trial.failure
    rows = table(tmp_path)
    assert [row["rank"] for row in rows] == ["1", "", "", "", ""]
    assert rows[1]["failure"] == trials[1].failure
    assert "failed: trial" in tuning.to_text(trials)


def bayesian(folder, direction="max"):
    """An oracle of one number between 0 and 1, with what it has done in the folder."""
    asked = config(
        {"noise": {"min": 0.0, "max": 1.0}},
        method="bayesian",
        objective="val_loss",
        direction=direction,
        max_trials=6,
        options={"num_initial_points": 2},
    )
    oracle = tuning.Search.resolve(asked).oracle()
    hp = keras_tuner.HyperParameters()
    hp.Float("noise", 0.0, 1.0)
    oracle.update_space(hp)
    oracle.verbose = 0
    oracle._set_project_dir(folder, "trials")
    if (folder / "trials").exists():
        oracle.reload()
    return oracle


def ask(oracle, count):
    """Numbers that the oracle tries: they are their scores, but above 0.5 they fail."""
    tried = []
    for _ in range(count):
        trial = oracle.create_trial("tuner0")
        number = trial.hyperparameters.get("noise")
        trial.status = "FAILED" if number > 0.5 else "COMPLETED"
        if trial.status == "COMPLETED":
            oracle.update_trial(trial.trial_id, {"val_loss": number})
        oracle.end_trial(trial)
        tried.append(float(number))
    return tried


@pytest.mark.parametrize("direction", ["min", "max"])
def test_failures_count_as_the_worst_success_in_a_bayesian_search(direction, tmp_path):
    oracle = bayesian(tmp_path, direction)
    numbers = np.array(ask(oracle, 3))
    good = numbers <= 0.5
    assert good.sum() == 2
    worst = numbers[good].min() if direction == "max" else numbers[good].max()
    sign = -1 if direction == "max" else 1
    _, losses = oracle._vectorize_trials()
    np.testing.assert_allclose(losses, sign * np.where(good, numbers, worst))


def test_a_bayesian_search_that_goes_on_asks_what_it_would_have_asked(tmp_path):
    whole = ask(bayesian(tmp_path / "whole"), 6)
    # keras-tuner alone would ask for a number that fails again and again.
    assert len({round(number, 3) for number in whole}) == 6
    assert max(number for number in whole if number <= 0.5) > 0.3
    parts = [n for count in (4, 2) for n in ask(bayesian(tmp_path / "parts"), count)]
    assert parts == whole


@pytest.mark.slow
def test_a_search_without_a_success_says_why(digits, tmp_path):
    asked = config({"target": [50.0, 60.0], "bound": ["infonce"]}, max_trials=2)
    with pytest.raises(ValueError, match="Every trial failed") as error:
        tuning.search(asked, tmp_path, digits)
    for target in (50.0, 60.0):
        assert f"target={target} nats cannot be reached" in str(error.value)
    assert [row["score"] for row in table(tmp_path)] == ["", ""]


def test_the_objective_must_be_logged(digits, tmp_path):
    asked = config(objective="val_accuracy")
    with pytest.raises(ValueError, match="logged, .*raw_baseline, .*'val_accuracy'"):
        tuning.search(asked, tmp_path, digits)


@pytest.mark.parametrize(
    ("search", "message"),
    [
        ({"method": "ranom"}, "Write, for example, config.search.method='random'"),
        ({"objective": "log_condition_60"}, "direction must be 'max' or 'min'"),
        ({"max_trials": 0}, "max_trials must be a positive integer"),
        ({"validation": 1.0}, r"validation must be in \[0, 1\)"),
        ({"validation": "0.2"}, r"validation must be in \[0, 1\)"),
        ({"seed": None}, "seed must be an integer from 0 .* received None"),
        ({"trials": 3}, "Unknown key config.search.trials. Did you mean 'max_trials'"),
        ({"options": {"factr": 2}}, "options must be arguments .*'factr'"),
    ],
)
def test_mistakes_are_refused_before_anything_is_written(search, message, tmp_path):
    data = kim.datasets.from_arrays(
        (np.zeros((8, 4, 4, 1), "float32"), np.arange(8) % 2),
        (np.zeros((8, 4, 4, 1), "float32"), np.arange(8) % 2),
    )
    with pytest.raises(ValueError, match=message):
        tuning.search(config(**search), tmp_path / "workdir", data)
    assert not (tmp_path / "workdir").exists()


def test_what_takes_labels_is_no_objective_without_them(digits, tmp_path):
    unlabelled = dataclasses.replace(digits, train_labels=None, test_labels=None)
    with pytest.raises(ValueError, match="takes labels, and 'digits' has none"):
        tuning.search(config(), tmp_path / "workdir", unlabelled)
    assert not (tmp_path / "workdir").exists()
    asked = config(max_trials=1, objective="val_mi")
    (trial,) = tuning.search(asked, tmp_path / "workdir", unlabelled)
    assert trial.score == trial.metrics["val_mi"]
    assert "probe_accuracy" not in trial.metrics
    tuning.report([trial], tmp_path / "report")
    assert (tmp_path / "report" / "trials.png").exists()


def test_a_search_is_no_single_run():
    with pytest.raises(
        ValueError, match="a search over critic, bound.*trainers.search"
    ):
        Settings.resolve(config())


def test_what_chooses_is_not_what_judges(digits):
    data = tuning.held_out(digits, 0.2, seed=3)
    assert len(data.test_images) == len(data.test_labels) == 60
    assert len(data.train_images) == len(data.train_labels) == 240
    images = np.concatenate([data.test_images, data.train_images])
    labels = np.concatenate([data.test_labels, data.train_labels])

    def in_order(images, labels):
        return sorted(
            (i.tobytes(), int(k)) for i, k in zip(images, labels, strict=True)
        )

    assert in_order(images, labels) == in_order(
        digits.train_images, digits.train_labels
    )
    again = tuning.held_out(digits, 0.2, seed=3)
    np.testing.assert_array_equal(again.test_labels, data.test_labels)
    assert tuning.held_out(digits, 0) is digits


@pytest.mark.slow
def test_the_best_is_trained_anew_and_exported(digits, tmp_path):
    space = {"learning_rate": [1e-3, 3e-3]}
    asked = config(space, method="grid")
    trials = tuning.search(asked, tmp_path, digits)
    last = tuning.train_best(asked, tmp_path, trials, digits)
    assert last["step"] == trials[0].steps
    written = json.loads((tmp_path / "best" / "config.json").read_text())
    assert written["learning_rate"] == trials[0].values["learning_rate"]
    model = keras.saving.load_model(tmp_path / "best" / "model.keras")
    view = kim.views.Halves()(kim.datasets.to_float(digits.test_images))[0]
    np.testing.assert_allclose(
        kim.saved_model.load(tmp_path / "encoder")(view),
        model.encoder_x(view),
        atol=1e-5,
    )
    before = (tmp_path / "best" / "model.keras").stat().st_mtime_ns
    assert tuning.train_best(asked, tmp_path, trials, digits) == last
    assert (tmp_path / "best" / "model.keras").stat().st_mtime_ns == before
    # Another best replaces it.
    tuning.train_best(asked, tmp_path, trials[::-1], digits)
    written = json.loads((tmp_path / "best" / "config.json").read_text())
    assert written["learning_rate"] == trials[1].values["learning_rate"]


@pytest.mark.slow
def test_a_method_is_searched_by_its_options(digits, tmp_path):
    settings = {
        **FAST,
        "experiment": "metric_learning",
        "views": "whole",
        "bound": "multi_class_n_pair",
        "options": {"encoder": "mlp", "encoder_units": (8,)},
    }
    for key in ("encoder_units", "encoding_dim"):
        settings.pop(key)
    asked = config({"options": {"encoding_dim": [4, 6]}}, settings, method="grid")
    trials = tuning.search(asked, tmp_path, digits)
    assert {t.values["options.encoding_dim"] for t in trials} == {4, 6}
    best = tuning.best_settings(tuning.Search.resolve(asked), trials[0])
    assert best.options == {
        "encoder": "mlp",
        "encoder_units": (8,),
        "encoding_dim": trials[0].values["options.encoding_dim"],
    }


# Several processes.


def test_a_workdir_is_of_one_search_at_a_time(searched, monkeypatch):
    workdir, trials = searched
    monkeypatch.setattr(writing, "_PATIENCE_SECONDS", 0.0)
    with (
        files.locked(workdir),
        pytest.raises(ValueError, match="one, which is searchi"),
    ):
        tuning.train_best(config(), workdir, trials)


def free_address(monkeypatch, identity):
    """A port that nobody listens at, in keras-tuner's variables."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    for name, value in (("IP", "127.0.0.1"), ("PORT", str(port))):
        monkeypatch.setenv(f"KERASTUNER_ORACLE_{name}", value)
    monkeypatch.setenv("KERASTUNER_TUNER_ID", identity)
    return "127.0.0.1", port


def test_a_worker_without_a_chief_says_so(digits, tmp_path, monkeypatch, capsys):
    _, port = free_address(monkeypatch, "tuner0")
    monkeypatch.setattr(oracle_client, "TIMEOUT", 0.5)  # Instead of an hour.
    with pytest.raises(ConnectionError, match=f"127.0.0.1:{port}, does not answer"):
        tuning.search(config(), tmp_path, digits)
    assert f"tuner0 asks the chief at 127.0.0.1:{port}" in capsys.readouterr().out
    assert list(tmp_path.glob("search.json")) == []


def test_a_chief_needs_a_port_of_its_own(digits, tmp_path, monkeypatch):
    address = free_address(monkeypatch, "chief")
    with socket.create_server(address):
        with pytest.raises(ConnectionError, match="Choose another KERASTUNER_ORACLE_P"):
            tuning.search(config(), tmp_path, digits)


@pytest.mark.parametrize("missing", ["ORACLE_IP", "ORACLE_PORT", "TUNER_ID"])
def test_part_of_an_address_is_refused(missing, tmp_path, monkeypatch):
    free_address(monkeypatch, "tuner0")
    monkeypatch.delenv(f"KERASTUNER_{missing}")
    with pytest.raises(ValueError, match=f"KERASTUNER_{missing} not set"):
        tuning.search(config(), tmp_path / "workdir")
    assert not (tmp_path / "workdir").exists()


def test_conditions_are_sent_without_prints(capsys):
    condition = conditions.Parent("critic", ["mlp"])
    with workers.connected():
        sent = condition.to_proto()
    assert sent.parent.name == "critic"
    assert capsys.readouterr().out == ""


# keras-tuner's own tuners.


def views(images, labels):
    halves = kim.views.Halves()(kim.datasets.to_float(images))
    return keras.ops.convert_to_numpy(halves[0]), labels


def package_callbacks(digits, folder):
    train = views(digits.train_images, digits.train_labels)
    test = views(digits.test_images, digits.test_labels)
    made = {
        "ConditionNumbers": kim.callbacks.ConditionNumbers(train[0][:2]),
        "LinearProbe": kim.callbacks.LinearProbe(train, test),
        "LiveCurves": kim.callbacks.LiveCurves(path=folder / "curves.png"),
        "Probes": kim.callbacks.Probes(train, test, {"near": "neighbours"}),
        "RepresentationGauges": kim.callbacks.RepresentationGauges(train[0][:16]),
        "Retrieval": kim.callbacks.Retrieval((train[0][:16], train[0][16:32]), ks=(1,)),
        "StopOnNonFinite": kim.callbacks.StopOnNonFinite(),
        "TensorBoard": kim.callbacks.TensorBoard(folder / "tensorboard"),
        "ZeroShot": kim.callbacks.ZeroShot(
            *test, train[0][:20].reshape(10, 2, *train[0].shape[1:])
        ),
    }
    assert made.keys() == {
        name
        for name in kim.callbacks.__all__
        if inspect.isclass(vars(kim.callbacks)[name])
    }
    return list(made.values())


@pytest.mark.slow
def test_the_hypermodel_and_all_callbacks_serve_in_any_tuner(digits, tmp_path):
    held = []

    def further(settings):
        held.append(settings.critic)
        log = keras.callbacks.LambdaCallback(
            on_epoch_end=lambda epoch, logs: logs.update(epochs=epoch + 1.0)
        )
        log.lock = threading.Lock()  # Which nobody can copy.
        return [log]

    tuner = keras_tuner.RandomSearch(
        tuning.HyperModel(FAST, SPACE, digits, callbacks=further),
        objective=keras_tuner.Objective("probe_accuracy", "max"),
        max_trials=2,
        directory=tmp_path,
        seed=1,
    )
    callbacks = package_callbacks(digits, tmp_path)
    tuner.search(verbose=0, callbacks=callbacks)
    trials = tuner.oracle.get_best_trials(2)
    assert [trial.status for trial in trials] == ["COMPLETED"] * 2
    assert held == [
        tuner.oracle.trials[name].hyperparameters.get("critic") for name in ("0", "1")
    ]
    for trial in trials:
        assert trial.metrics.get_last_value("epochs") in (1.0,)
        assert 0 < trial.metrics.get_last_value("near_accuracy") < 1
    encoder = tuner.get_best_models()[0].encoder_x
    x, labels = views(digits.train_images, digits.train_labels)
    x_test, labels_test = views(digits.test_images, digits.test_labels)
    probe = LogisticProbe().fit(np.asarray(encoder(x)), labels)
    accuracy = probe.score(np.asarray(encoder(x_test)), labels_test)
    assert accuracy == pytest.approx(trials[0].score, abs=0.5 / len(labels_test))


def test_callbacks_are_copied_after_use_and_share_no_state(digits, tmp_path):
    model = training.make_experiment(Settings.resolve(FAST), digits).model
    data = views(digits.train_images[:32], digits.train_labels[:32])[0]
    for callback in package_callbacks(digits, tmp_path):
        model.fit((data, data), batch_size=16, verbose=0, callbacks=[callback])
        copied = copy.deepcopy(callback)
        assert type(copied) is type(callback)
        model.fit((data, data), batch_size=16, verbose=0, epochs=2, callbacks=[copied])
        if hasattr(callback, "history"):
            assert (len(callback.history), len(copied.history)) == (2, 3)
