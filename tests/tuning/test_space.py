import json

import keras_tuner
import pytest

from keras_infomax import critics, encoders
from keras_infomax.training.settings import Settings
from keras_infomax.tuning import Space


def declared(space, settings=None, **values):
    """What counts after keras-tuner has chosen these values."""
    resolved = Space.resolve(space, settings or Settings())
    hp = keras_tuner.HyperParameters()
    resolved.declare(hp)
    hp.values.update(values)
    hp.ensure_active_values()
    return {".".join(path): value for path, value in resolved.declare(hp).items()}


def test_choices_come_back_as_they_were_given():
    space = {
        "target": [None, 2.0],
        "encoder_units": [[30], (30, 20)],
        "shared_encoder": [True, False],
        "batch_size": [32, 64],
        "seed": {"min": 0, "max": 3},
    }
    chosen = {
        "target": "2.0",
        "encoder_units": "(30, 20)",
        "shared_encoder": "False",
        "batch_size": 64,
        "seed": 3,
    }
    found = declared(space, **chosen)
    assert found == {
        "target": 2.0,
        "encoder_units": (30, 20),
        "shared_encoder": False,
        "batch_size": 64,
        "seed": 3,
    }
    assert declared(space)["target"] is None
    json.dumps(found)


@pytest.mark.parametrize("critic", sorted(critics.CRITICS))
def test_sizes_and_temperature_count_with_the_critics_that_take_them(critic):
    space = {
        "critic": sorted(critics.CRITICS),
        "critic_units": {"mlp": [(5,)], "separable": [(7,)]},
        "temperature": [0.3],
    }
    expected = {"critic": critic}
    if critic in ("mlp", "separable"):
        expected["critic_units"] = {"mlp": (5,), "separable": (7,)}[critic]
    if critic in ("cosine", "clip", "siglip"):
        expected["temperature"] = 0.3
    assert declared(space, critic=critic) == expected


def test_every_choice_of_a_dependent_setting_builds():
    space = {"critic": list(critics.CRITICS), "critic_units": [(5,)]}
    (_, units) = Space.resolve(space, Settings()).dimensions
    assert units.kinds == ("separable", "mlp", "conditional_gaussian")
    for kind in units.kinds:
        critics.get(kind, hidden_units=(5,))


def test_ranges_are_those_of_keras_tuner():
    space = {
        "learning_rate": {"min": 1e-4, "max": 1e-1, "sampling": "log"},
        "batch_size": {"min": 32, "max": 128, "step": 2, "sampling": "log"},
    }
    hp = keras_tuner.HyperParameters()
    Space.resolve(space, Settings()).declare(hp)
    rate, size = hp.space
    assert rate.prob_to_value(0.5) == pytest.approx(10**-2.5)
    assert list(size.values) == [32, 64, 128]


def test_options_of_methods_vary():
    space = {"options": {"temperature": [0.1, 0.2]}, "seed": [0, 1]}
    assert declared(space, **{"options.temperature": 0.2}) == {
        "options.temperature": 0.2,
        "seed": 0,
    }


@pytest.mark.parametrize(
    ("space", "message"),
    [
        ({}, "must have a setting to vary"),
        ({"critc": ["mlp"]}, "critc is unknown. Did you mean 'critic'"),
        ({"steps": [10, 20]}, "config.space.steps cannot vary"),
        ({"critic": "mlp"}, "must be a list of choices, or a mapping"),
        ({"critic": []}, "must be a list of choices, or a mapping"),
        ({"seed": [0, 0]}, "must have choices that differ"),
        ({"seed": {"min": 0}}, "a mapping with min and max"),
        ({"seed": {"min": 1, "max": 1}}, "numbers min < max; received 1 and 1"),
        ({"noise": {"min": "0", "max": "1"}}, "numbers min < max"),
        ({"noise": {"min": 0, "max": 1, "sampling": "log"}}, "must be positive"),
        ({"noise": {"min": 1, "max": 2, "sampling": "lin"}}, "'linear', 'log'"),
        ({"temperature": [0.1]}, "of which there is none; received values for 'bil"),
        (
            {"critic": ["mlp"], "critic_units": {"bilinear": [(5,)]}},
            "takes it, 'mlp'; received values for 'bilinear'",
        ),
    ],
)
def test_what_cannot_be_searched_is_refused(space, message):
    with pytest.raises(ValueError, match="config.space|space must") as error:
        Space.resolve(space, Settings())
    assert message in str(error.value)


def test_what_is_pretrained_is_a_choice_with_sizes_of_its_own(tmp_path):
    path = str(tmp_path / "start.keras")
    encoders.mlp((14, 28, 1), (3,), 4).save(path)
    fixed = Settings.resolve({"encoder": path})
    space = Space.resolve(
        {"encoder": ["mlp", path], "encoder_units": [[8], [16]]}, fixed
    )
    assert [d.kinds for d in space.dimensions] == [(), ("mlp",)]
    new = space.applied(fixed, {("encoder",): "mlp", ("encoder_units",): (8,)})
    assert (new.encoder_units, new.encoder_digest) == ((8,), None)
    again = space.applied(new, {("encoder",): path, ("encoder_units",): None})
    assert again.encoder_digest == fixed.encoder_digest == encoders.digest(path)
