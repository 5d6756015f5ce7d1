"""Settings that would change nothing are refused, whatever the experiment."""

import pytest

from keras_infomax import training


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"experiment": "cpc", "critic": "mlp"}, "critic .* no effect on the method"),
        ({"experiment": "cmc", "encoding_dim": 8}, "encoding_dim .* received 8"),
        ({"experiment": "supervised", "bound": "nwj"}, "bound .* which has no critic"),
        ({"experiment": "adversarial", "target": 2.0}, "target .* which has no critic"),
        (
            {
                "experiment": "dependent",
                "dataset": "gaussian_iid",
                "encoder": "convnet",
            },
            "encoder .* which has no encoder.*Its default is 'mlp'",
        ),
        ({"coupled_noise": False}, "coupled_noise .* no effect on views without noise"),
        ({"warm_up_steps": 5}, "warm_up_steps .* received 5"),
        (
            {"experiment": "supervised", "options": {"depth": 3}},
            "options .* received {'depth': 3}",
        ),
        ({"experiment": "adversarial", "encoder_chunk_size": 8}, "encoder_chunk_size"),
        (
            {"experiment": "dependent", "dataset": "gaussian_iid", "noise": 0.1},
            "noise .* which has no encoder",
        ),
        ({"bound": "vicreg", "critic": "mlp"}, "critic .* which scores no pairs"),
        ({"bound": "vicreg", "target": 2.0}, "target .* which scores no pairs"),
    ],
    ids=str,
)
def test_settings_without_effect_are_refused(settings, message, digits):
    data = None if settings.get("experiment") == "dependent" else digits
    settings = training.Settings.resolve(settings)
    with pytest.raises(ValueError, match=f"config.{message}"):
        training.make_experiment(settings, data)


def test_a_loss_on_encodings_is_trained_from_settings(digits, tmp_path):
    settings = {"bound": "vicreg", "steps": 4, "eval_every": 2, "batch_size": 32}
    last = training.train(settings, tmp_path, digits)
    assert last["loss"] > 0
    assert last["mi"] is last["val_mi"] is last["mi_ceiling"] is None
    assert last["probe_accuracy"] > 0
