"""Supervised contrastive learning: all views of one class are true pairs.

    python -m trainers.train --config=configs/supcon.py --workdir=runs/supcon

On the embedded digits and their labels; `:quick` is its first 400 steps. The linear
probe is the classifier. No mutual information is reported.

The method is `keras_infomax.methods.supcon`, whose arguments are `config.options`:
Khosla et al., 2020, https://arxiv.org/abs/2004.11362.
"""

from keras_infomax.programs.configuration import configuration


def get_config(variant=""):
    return configuration(
        variant,
        "supcon",
        quick={"steps": 400, "eval_every": 100},
        experiment="supcon",
        views="augmented",
        bound="supcon",
        learning_rate=1e-3,
        steps=3_000,
        eval_every=500,
        options={
            "encoder": "convnet",
            "encoding_dim": 128,
            "projection_units": (128, 64),
            "temperature": 0.1,
        },
    )
