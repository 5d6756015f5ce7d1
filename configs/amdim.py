"""AMDIM: two augmentations of an image, compared across scales.

    python -m trainers.train --config=configs/amdim.py --workdir=runs/amdim

On the embedded digits; `:quick`, its first 200 steps, takes a minute and a half on two
busy cores. The probe reads the encodings of whole images: 0.96 by then (two seeds),
against 0.879 for their pixels, and 0.93 before training. The full 3,000 steps were not
run. `--config.dataset=cifar10` uses CIFAR-10; color images are also mirrored and
recolored.

The method is `keras_infomax.methods.amdim`, whose arguments are `config.options`:
Bachman et al., 2019, https://arxiv.org/abs/1906.00910.
"""

from keras_infomax.programs.configuration import configuration


def get_config(variant=""):
    return configuration(
        variant,
        "amdim",
        quick={"steps": 200, "eval_every": 50},
        experiment="amdim",
        views="augmented",
        bound="infonce",
        learning_rate=1e-3,
        steps=3_000,
        eval_every=500,
        options={
            "filters": 32,
            "encoding_dim": 256,
            "projection_dim": 128,
            "clip": 20.0,
            "penalty": 0.05,
        },
    )
