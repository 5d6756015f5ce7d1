"""AMDIM: two augmentations of an image, compared across scales.

    python -m trainers.train --config=configs/amdim.py --workdir=runs/amdim

On the embedded digits; `--config.dataset=cifar10` takes CIFAR-10. The probe reads the
encodings of whole images, and its baseline their pixels. The method is
`keras_infomax.methods.amdim`, whose arguments are `config.options`:
Bachman et al., 2019, https://arxiv.org/abs/1906.00910.
"""

from trainers.configuration import configuration


def get_config(variant=""):
    return configuration(
        variant,
        "amdim",
        quick={"steps": 500, "eval_every": 250},
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
