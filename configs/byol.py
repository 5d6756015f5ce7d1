"""BYOL: predicts one augmented view from the other, by a moving average.

    python -m trainers.train --config=configs/byol.py --workdir=runs/byol

On the embedded digits; `:quick` is its first 400 steps. The probe reads the encodings
of whole images, before the heads. No mutual information is reported. As in the paper,
`--config.options.momentum=0.996 --config.options.rising_steps=3000`.

The method is `keras_infomax.methods.byol`, whose arguments are `config.options`:
Grill et al., 2020, https://arxiv.org/abs/2006.07733.
"""

from keras_infomax.programs.configuration import configuration


def get_config(variant=""):
    return configuration(
        variant,
        "byol",
        quick={"steps": 400, "eval_every": 100},
        experiment="byol",
        views="augmented",
        bound="cosine_distance",
        learning_rate=1e-3,
        steps=3_000,
        eval_every=500,
        options={
            "encoder": "convnet",
            "encoding_dim": 128,
            "projection_units": (256, 64),
            "prediction_units": (256, 64),
            "momentum": 0.99,
            "rising_steps": 0,
        },
    )
