import dataclasses
import importlib.util
import json

import pytest
from conftest import ROOT

from keras_infomax.estimation import benchmark
from keras_infomax.training.settings import Settings
from keras_infomax.training.sweeps import Sweep
from keras_infomax.tuning import Search, Space

# Those of estimators describe no training; see below.
OF_ESTIMATORS = sorted((ROOT / "configs/mi").glob("*.py"))
CONFIGS = sorted(set((ROOT / "configs").rglob("*.py")) - set(OF_ESTIMATORS))


def load(path, variant=""):
    specification = importlib.util.spec_from_file_location("config", path)
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module, module.get_config(variant)


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
class TestEveryConfig:
    def test_resolves_and_names_its_command(self, path):
        module, config = load(path)
        assert f"--config={path.relative_to(ROOT)}" in module.__doc__
        if "space" in config:
            search = Search.resolve(config)
            assert search.settings["budget"] == "full"
            assert "python -m trainers.search" in module.__doc__
            assert Space.resolve(search.space, Settings.resolve(search.settings))
            return
        sweep = Sweep.resolve(config)
        assert sweep.settings["budget"] == "full"
        program = "trainers.sweep" if sweep.grid else "trainers.train"
        assert f"python -m {program}" in module.__doc__
        for settings in sweep.runs(seeds=2):
            json.dumps(settings.as_dict())

    def test_smoke_takes_seconds_and_keeps_the_kind(self, path):
        configs = [load(path, variant)[1] for variant in ("", "smoke")]
        if "space" in configs[0]:
            full, smoke = map(Search.resolve, configs)
            assert smoke.max_trials == 3
            assert (
                dataclasses.replace(
                    smoke, settings=full.settings, max_trials=full.max_trials
                )
                == full
            )
        else:
            full, smoke = map(Sweep.resolve, configs)
            assert smoke.grid == full.grid
        changed = {k for k, v in full.settings.items() if smoke.settings[k] != v}
        budget = {"budget", "warm_up_steps", "steps", "eval_every"}
        assert changed <= {"dataset", "image_size", "label", "categorical", *budget}
        # What comes with packages that are always there.
        assert smoke.settings["dataset"] in (
            *("digits", "digits_as_signals", "digits_and_words"),
            "sklearn:breast_cancer",
        )
        assert smoke.settings["steps"] <= 20

    def test_unknown_variants_are_refused(self, path):
        with pytest.raises(ValueError, match="Unknown variant 'smok'"):
            load(path, "smok")


@pytest.mark.parametrize("path", OF_ESTIMATORS, ids=lambda path: path.stem)
def test_configs_of_estimators(path, tmp_path):
    module, config = load(path)
    assert f"--config={path.relative_to(ROOT)}" in module.__doc__
    assert "python -m trainers.mi_benchmark" in module.__doc__
    for name in config.tasks:
        assert benchmark.task(name).mutual_information > 0
    _, smoke = load(path, "smoke")
    assert (smoke.rows, smoke.steps, len(smoke.tasks)) == ([200], 0, 1)
    table = benchmark.read(benchmark.run(smoke.to_dict(), tmp_path))
    assert {row["method"] for row in table} == set(config.methods)
    with pytest.raises(ValueError, match="Unknown variant 'smok'"):
        load(path, "smok")


def test_budgets_of_the_paper():
    mnist = Settings.resolve(load(ROOT / "configs/mnist_halves.py")[1])
    cifar10 = Settings.resolve(load(ROOT / "configs/cifar10_halves.py")[1])
    assert (mnist.steps, mnist.batch_size, mnist.learning_rate) == (21_000, 128, 1e-4)
    assert (cifar10.steps, cifar10.learning_rate) == (63_000, 1e-5)


def test_a_grid_is_no_single_run():
    with pytest.raises(ValueError, match="a grid over split_seed.*trainers.sweep"):
        Settings.resolve(load(ROOT / "configs/digits_splits.py")[1])
