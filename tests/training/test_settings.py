"""Which settings make which run."""

import dataclasses
import json

import numpy as np
import pytest

from keras_infomax import datasets, probes, tuning
from keras_infomax.training import settings
from keras_infomax.training.settings import Settings, identity

IMAGES_ = np.zeros((20, 4, 4, 1), "float32")
DATA = datasets.from_arrays((IMAGES_, np.arange(20) % 2), (IMAGES_, np.arange(20) % 2))
# Of every setting a value that is not its default.
OTHERS = {
    "figure": "f",
    "budget": "quick",
    "experiment": "supervised",
    "dataset": "mnist",
    "image_size": (14, 14),
    "on_error": "skip",
    "max_pixels": 1_000,
    "max_bytes": 1_000,
    "label": "species",
    "categorical": ("island",),
    "split_seed": 1,
    "views": "left_right",
    "noise": 0.1,
    "coupled_noise": False,
    "encoder": "convnet",
    "encoder_digest": "3f2a",
    "encoder_units": (3,),
    "encoding_dim": 7,
    "shared_encoder": True,
    "critic": "mlp",
    "critic_units": (5,),
    "temperature": 0.2,
    "bound": "nwj",
    "target": 2.0,
    "batch_size": 64,
    "learning_rate": 0.001,
    "warm_up_steps": 5,
    "steps": 42_000,
    "eval_every": 500,
    "jacobian_rows": 3,
    "stopped_probe": True,
    "select": "best",
    "chunk_size": 32,
    "encoder_chunk_size": 16,
    "strategy": "mirrored",
    "options": {"depth": 2},
    "seed": 1,
}


def test_every_setting_but_a_place_makes_another_run():
    plain = Settings()
    names = {field.name for field in dataclasses.fields(Settings)}
    assert set(OTHERS) == names - {"data_dir"}  # All but a place.
    keys = {name: identity(Settings(**{name: v})) for name, v in OTHERS.items()}
    assert len({identity(plain), *keys.values()}) == len(names)
    moved = Settings(data_dir="/elsewhere")
    assert identity(moved) == identity(plain)
    assert settings.differences(moved.as_dict(), plain.as_dict()) == ""


def test_equal_settings_have_one_key_and_near_ones_two():
    def of(**values):
        return identity(Settings.resolve(values))

    assert of(learning_rate=1, noise=0) == of(learning_rate=1.0, noise=0.0)
    assert of(encoder_units=[3, 4]) == of(encoder_units=(3, 4))
    assert of(learning_rate=np.float64(0.25)) == of(learning_rate=0.25)
    assert of(options={"a": [1, 2.0]}) == of(options={"a": (1.0, 2)})
    assert of(target=2.0) == of(target=2)
    assert of(target=2.0)[settings.KEY.index("target")] == "2"
    # They look the same in six digits.
    assert of(target=2.0000001) != of(target=2.0)
    assert of(learning_rate=1e-4) != of(learning_rate=1.0000001e-4)
    assert json.loads(of(learning_rate=0.1 + 0.2)[-1])["learning_rate"] == 0.1 + 0.2


def test_settings_of_numpy_become_plain():
    found = Settings.resolve(
        {
            "seed": np.int64(3),
            "learning_rate": np.float32(0.5),
            "encoder_units": np.array([3, 4]),
            "options": {"depth": np.int32(2)},
        }
    )
    assert json.loads(json.dumps(found.as_dict()))["options"] == {"depth": 2}
    assert found.encoder_units == (3, 4)
    assert (type(found.seed), type(found.learning_rate)) == (int, float)


IMAGES = np.zeros((20, 4, 4, 1), "uint8")


@pytest.mark.parametrize("seed", [None, -1, 0.5, "0", True, 2**32], ids=str)
@pytest.mark.parametrize(
    ("argument", "call"),
    [
        ("config.seed", lambda seed: Settings(seed=seed)),
        ("config.split_seed", lambda seed: Settings(split_seed=seed)),
        ("split_seed", lambda seed: datasets.load("digits", split_seed=seed)),
        ("split_seed", lambda seed: datasets.load("folder:/nowhere", None, seed)),
        ("seed", lambda seed: datasets.pairs(IMAGES, "halves", 4, seed=seed)),
        (
            "seed",
            lambda seed: datasets.labelled(
                IMAGES, np.zeros(20, int), "halves", 4, seed=seed
            ),
        ),
        ("seed", lambda seed: probes.FewLabels(per_class=1, seed=seed)),
        ("seed", lambda seed: probes.FineTuning(seed=seed)),
        ("seed", lambda seed: probes.MLPProbe(seed=seed)),
        ("seed", lambda seed: tuning.searching.held_out(DATA, 0.2, seed)),
    ],
    ids=lambda value: None if callable(value) else value,
)
def test_a_seed_is_given_or_refused(argument, call, seed):
    # None would split and draw anew whenever a run goes on.
    with pytest.raises(ValueError, match=rf"^{argument} must be an integer from 0 to"):
        call(seed)
