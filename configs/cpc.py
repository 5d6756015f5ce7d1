"""Contrastive predictive coding: predicts lower patches from upper ones.

    python -m trainers.train --config=configs/cpc.py --workdir=runs/cpc

Three to four minutes on two cores, on the embedded digits, in nine patches of 14 x 14
that overlap by half. The probe reads the mean encoding of the patches of whole images:
0.89 after all 1,000 steps (two seeds), against 0.879 for their pixels.
`--config.dataset=cifar10` uses CIFAR-10.

`--config.options.negatives=all_positions` also takes negatives from the same image, as
published; the estimate is then not a bound. `same_example` takes only these.

The method is `keras_infomax.methods.cpc`, whose arguments are `config.options`:
van den Oord et al., 2018, https://arxiv.org/abs/1807.03748.
"""

from keras_infomax.programs.configuration import configuration


def get_config(variant=""):
    return configuration(
        variant,
        "cpc",
        quick={"steps": 250, "eval_every": 125},
        experiment="cpc",
        views="whole",
        bound="infonce",
        learning_rate=1e-3,
        steps=1_000,
        eval_every=250,
        options={
            "patch_size": 14,
            "encoder": "convnet",
            "encoder_units": (32, 64),
            "encoding_dim": 128,
            "predicted_steps": 3,
            "context": "gru",
            "negatives": "same_position",
            "representation": "patches",
        },
    )
