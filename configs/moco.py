"""MoCo: the negatives are a queue of encodings of earlier batches.

    python -m trainers.train --config=configs/moco.py --workdir=runs/moco

On the embedded digits; `:quick` is its first 400 steps. The probe reads the encodings
of whole images, before the projection head.

The method is `keras_infomax.methods.moco`, whose arguments are `config.options`:
He et al., 2020, https://arxiv.org/abs/1911.05722.
"""

from keras_infomax.programs.configuration import configuration


def get_config(variant=""):
    return configuration(
        variant,
        "moco",
        quick={"steps": 400, "eval_every": 100},
        experiment="moco",
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
            "queue_size": 1024,
            "momentum": 0.99,
            "symmetric": False,
            "learned_temperature": False,
        },
    )
