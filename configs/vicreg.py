"""VICReg: two augmented views, with varied and uncorrelated units.

    python -m trainers.train --config=configs/vicreg.py --workdir=runs/vicreg

On the embedded digits; `:quick` is its first 400 steps. The probe reads the encodings
of whole images, before the projection head. No mutual information is reported.

The method is `keras_infomax.methods.vicreg`, whose arguments are `config.options`:
Bardes, Ponce and LeCun, 2022, https://arxiv.org/abs/2105.04906.
"""

from keras_infomax.programs.configuration import configuration


def get_config(variant=""):
    return configuration(
        variant,
        "vicreg",
        quick={"steps": 400, "eval_every": 100},
        experiment="vicreg",
        views="augmented",
        bound="vicreg",
        learning_rate=1e-3,
        steps=3_000,
        eval_every=500,
        options={
            "encoder": "convnet",
            "encoding_dim": 128,
            "projection_units": (256, 256, 256),
        },
    )
