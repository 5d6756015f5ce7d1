"""SimCLR: the negatives of a view are both views of all other images.

    python -m trainers.train --config=configs/simclr.py --workdir=runs/simclr

On the embedded digits; `:quick` is its first 400 steps. The probe reads the encodings
of whole images, before the projection head. `--config.bound=decoupled_infonce` gives
DCL, `--config.bound=nt_xent` the published loss.

The method is `keras_infomax.methods.simclr`, whose arguments are `config.options`:
Chen et al., 2020, https://arxiv.org/abs/2002.05709.
"""

from keras_infomax.programs.configuration import configuration


def get_config(variant=""):
    return configuration(
        variant,
        "simclr",
        quick={"steps": 400, "eval_every": 100},
        experiment="simclr",
        views="augmented",
        bound="infonce",
        learning_rate=1e-3,
        steps=3_000,
        eval_every=500,
        options={
            "encoder": "convnet",
            "encoding_dim": 128,
            "projection_units": (128, 64),
            "temperature": 0.2,
            "learned_temperature": False,
        },
    )
