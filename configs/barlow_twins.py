"""Barlow Twins: two augmented views, whose units agree and are uncorrelated.

    python -m trainers.train --config=configs/barlow_twins.py \
        --workdir=runs/barlow_twins

On the embedded digits; `:quick` is its first 400 steps. The probe reads the encodings
of whole images, before the projection head. No mutual information is reported.

The method is `keras_infomax.methods.barlow_twins`, whose arguments are
`config.options`: Zbontar et al., 2021, https://arxiv.org/abs/2103.03230.
"""

from keras_infomax.programs.configuration import configuration


def get_config(variant=""):
    return configuration(
        variant,
        "barlow_twins",
        quick={"steps": 400, "eval_every": 100},
        experiment="barlow_twins",
        views="augmented",
        bound="barlow_twins",
        learning_rate=1e-3,
        steps=3_000,
        eval_every=500,
        options={
            "encoder": "convnet",
            "encoding_dim": 128,
            "projection_units": (256, 256, 256),
        },
    )
