import importlib.util
import json

import pytest
from conftest import ROOT

from keras_infomax.settings import Settings

CONFIGS = sorted((ROOT / "configs").rglob("*.py"))


def load(path, variant=""):
    specification = importlib.util.spec_from_file_location("config", path)
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module, module.get_config(variant)


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
class TestEveryConfig:
    def test_resolves_and_names_its_command(self, path):
        module, config = load(path)
        settings = Settings.resolve(config)
        assert f"--config={path.relative_to(ROOT)}" in module.__doc__
        json.dumps(settings.as_dict())

    def test_smoke_takes_seconds_and_keeps_the_kind(self, path):
        full = Settings.resolve(load(path)[1])
        smoke = Settings.resolve(load(path, "smoke")[1])
        assert smoke.dataset == "digits"
        assert smoke.steps <= 20
        for key in ("encoder", "critic", "bound", "target", "views", "batch_size"):
            assert getattr(smoke, key) == getattr(full, key)

    def test_unknown_variants_are_refused(self, path):
        with pytest.raises(ValueError, match="Unknown variant 'smok'"):
            load(path, "smok")


def test_budgets_of_the_paper():
    mnist = Settings.resolve(load(ROOT / "configs/mnist_halves.py")[1])
    cifar10 = Settings.resolve(load(ROOT / "configs/cifar10_halves.py")[1])
    assert (mnist.steps, mnist.batch_size, mnist.learning_rate) == (21_000, 128, 1e-4)
    assert (cifar10.steps, cifar10.learning_rate) == (63_000, 1e-5)
