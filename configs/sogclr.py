"""SogCLR: SimCLR for small batches, with moving averages for each image.

    python -m trainers.train --config=configs/sogclr.py --workdir=runs/sogclr

On the embedded digits, in batches of 32; `:quick` is its first 400 steps. The probe
reads the encodings of whole images, before the projection head. For other data, set
`--config.options.examples` to the number of training images.

The method is `keras_infomax.methods.sogclr`, whose arguments are `config.options`:
Yuan et al., 2022, https://arxiv.org/abs/2202.12387.
"""

from keras_infomax.programs.configuration import configuration


def get_config(variant=""):
    return configuration(
        variant,
        "sogclr",
        quick={"steps": 400, "eval_every": 100},
        experiment="sogclr",
        views="augmented",
        bound="decoupled_infonce",
        batch_size=32,
        learning_rate=1e-3,
        steps=3_000,
        eval_every=500,
        options={
            "examples": 4000,
            "encoder": "convnet",
            "encoding_dim": 128,
            "projection_units": (128, 64),
            "temperature": 0.2,
            "momentum": 0.1,
        },
    )
