"""Studies of Optuna over the space that `search` gives to keras-tuner."""

import pytest
from run_checks import SMALL

from keras_infomax import training, tuning
from keras_infomax.training import runs
from keras_infomax.training.settings import Settings
from keras_infomax.tuning import trials

optuna = pytest.importorskip("optuna")

FAST = {**SMALL, "steps": 16, "eval_every": 8}
SPACE = {
    "critic": ["bilinear", "mlp", "cosine"],
    "critic_units": {"mlp": [[4], [4, 4]]},
    "temperature": {"min": 0.1, "max": 1.0, "sampling": "log"},
    "batch_size": {"min": 16, "max": 32, "step": 8},
    "target": [None, 2.0],
}


@pytest.fixture(autouse=True)
def silent():
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    yield
    optuna.logging.set_verbosity(before)


def objective(data, space=SPACE, settings=FAST, **options):
    return tuning.StudyObjective(settings, space, data, **options)


def chosen(data, params):
    return objective(data).settings(optuna.trial.FixedTrial(params))


def test_a_trial_chooses_what_counts_with_its_critic(digits):
    rest = {"batch_size": 24, "target": 2.0}
    found = chosen(digits, {"critic": "mlp", "mlp.critic_units": "(4, 4)"} | rest)
    of = {**FAST, "dataset": digits.name, "batch_size": 24, "target": 2.0}
    assert found == Settings.resolve({**of, "critic": "mlp", "critic_units": (4, 4)})
    found = chosen(digits, {"critic": "cosine", "temperature": 0.25} | rest)
    assert found == Settings.resolve({**of, "critic": "cosine", "temperature": 0.25})
    assert chosen(digits, {"critic": "bilinear"} | rest).critic_units is None


def test_the_space_of_optuna_is_that_of_the_config(digits):
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    made = objective(digits)
    seen = {}
    for _ in range(40):
        trial = study.ask()
        made.settings(trial)
        seen |= trial.distributions
        assert ("temperature" in trial.params) == (trial.params["critic"] == "cosine")
    found = optuna.distributions
    assert seen == {
        "critic": found.CategoricalDistribution(("bilinear", "mlp", "cosine")),
        "mlp.critic_units": found.CategoricalDistribution(("(4,)", "(4, 4)")),
        "temperature": found.FloatDistribution(0.1, 1.0, log=True),
        "batch_size": found.IntDistribution(16, 32, step=8),
        "target": found.CategoricalDistribution((None, 2.0)),
    }


def test_a_trial_is_a_run_and_its_value_the_best_evaluation(digits, tmp_path):
    made = objective(digits, {"critic": ["mlp"]}, metric="val_mi", validation=0)
    study = optuna.create_study(direction="maximize")
    study.optimize(made, n_trials=1)
    (trial,) = study.trials
    training.train({**FAST, "critic": "mlp"}, tmp_path, digits)
    rows = [r for r in runs.read_metrics(tmp_path / "metrics.csv") if r["step"]]
    reported = trial.intermediate_values
    assert reported == {row["step"]: pytest.approx(row["val_mi"]) for row in rows}
    best = max(rows, key=lambda row: row["val_mi"])
    assert trial.value == pytest.approx(best["val_mi"])
    assert trial.user_attrs["steps"] == best["step"]
    assert trial.user_attrs["metrics"]["mi"] == pytest.approx(best["mi"])
    settings = made.best_settings(study)
    expected = {**FAST, "critic": "mlp", "steps": best["step"], "dataset": digits.name}
    assert settings == Settings.resolve(expected)


class Scripted:
    """In the place of training: logs values that are known."""

    def __init__(self, *values, metric="probe_accuracy"):
        self.values = [list(of_trial) for of_trial in values]
        self.metric = metric

    def __call__(self, experiment, settings, callbacks):
        for epoch, value in enumerate(self.values.pop(0)):
            if value is None:
                raise ValueError("The loss is nan at step 9.")
            for callback in callbacks:
                callback.on_epoch_end(epoch, {self.metric: value, "mi": value + 1})


@pytest.fixture
def study_of(digits, monkeypatch):
    def make(scripted, direction="maximize", **options):
        monkeypatch.setattr(trials, "fit", scripted)
        monkeypatch.setattr(
            "keras_infomax.tuning.studies.make_experiment", lambda *_: None
        )
        made = objective(digits, {"critic": ["mlp", "bilinear"]}, direction=direction)
        study = optuna.create_study(direction=direction, **options)
        study.optimize(made, n_trials=len(scripted.values), catch=ValueError)
        return made, study

    return make


def test_a_pruner_ends_trials_by_the_probe(study_of):
    pruner = optuna.pruners.MedianPruner(n_startup_trials=1, n_warmup_steps=0)
    scripted = Scripted([0.5, 0.75, 0.625], [0.25, 0.875, 1.0], [0.625, 0.5, 0.75])
    made, study = study_of(scripted, pruner=pruner)
    assert [t.state.name for t in study.trials] == ["COMPLETE", "PRUNED", "PRUNED"]
    # The second is below the first, and the third falls below the median of both.
    assert study.trials[1].intermediate_values == {8: 0.25}
    assert study.trials[2].intermediate_values == {8: 0.625, 16: 0.5}
    assert (study.best_value, study.best_trial.user_attrs["steps"]) == (0.75, 16)
    assert made.best_settings(study).steps == 16


@pytest.mark.parametrize(
    ("direction", "value", "steps"), [("maximize", 0.75, 16), ("minimize", 0.25, 24)]
)
def test_the_best_is_that_of_the_direction(direction, value, steps, study_of):
    _, study = study_of(Scripted([0.5, 0.75, 0.25]), direction)
    assert (study.best_value, study.best_trial.user_attrs["steps"]) == (value, steps)


def test_studies_end_in_the_table_of_searches(study_of, tmp_path):
    pruner = optuna.pruners.ThresholdPruner(lower=0.25)
    made, study = study_of(Scripted([0.5], [0.125], [None], [0.75]), pruner=pruner)
    found = made.trials(study)
    assert [(t.name, t.score, t.steps, t.failure) for t in found] == [
        ("3", 0.75, 8, ""),
        ("0", 0.5, 8, ""),
        ("1", None, 8, "pruned"),
        ("2", None, None, "fail"),
    ]
    assert found[0].metrics == {"probe_accuracy": 0.75, "mi": 1.75}
    assert found[0].values == {"critic": study.trials[3].params["critic"]}
    tuning.write_table(found, tmp_path / "trials.csv")
    assert (tmp_path / "trials.csv").read_text().startswith("rank,trial,score,steps,")
    assert "<td>pruned</td>" in found._repr_html_()
    assert repr(found) == tuning.to_text(found)


def test_a_metric_that_is_not_logged_is_refused(digits, monkeypatch):
    monkeypatch.setattr(trials, "fit", Scripted([0.5], metric="val_mi"))
    monkeypatch.setattr("keras_infomax.tuning.studies.make_experiment", lambda *_: None)
    study = optuna.create_study(direction="maximize")
    with pytest.raises(ValueError, match=r"^metric must be .* mi, val_mi; .*'probe"):
        study.optimize(objective(digits), n_trials=1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {
                "space": {
                    "learning_rate": {"min": 1e-4, "max": 1.0, "step": 10.0}
                    | {"sampling": "log"}
                }
            },
            "space.learning_rate must be linear",
        ),
        (
            {
                "space": {
                    "learning_rate": {"min": 0.1, "max": 1.0}
                    | {"sampling": "reverse_log"}
                }
            },
            "space.learning_rate must be li",
        ),
        ({"direction": "max"}, "^direction must be"),
        ({"metric": ""}, "^metric must be"),
        ({"validation": 1.0}, "^validation must be"),
        ({"seed": -1}, "^seed must be"),
        ({"data": 3}, "^data must be"),
        ({"settings": 3}, "^settings must be"),
        ({"space": {}}, "config.space must have"),
    ],
)
def test_bad_arguments_are_refused(options, message, digits):
    given = {"settings": FAST, "space": SPACE, "data": digits, **options}
    with pytest.raises(ValueError, match=message):
        tuning.StudyObjective(**given)


def test_without_optuna_one_line_says_what_to_install(digits, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda *_: None)
    with pytest.raises(ImportError, match=r'pip install "keras_infomax\[optuna\]"'):
        objective(digits)
