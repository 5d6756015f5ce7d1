"""Two augmentations of an image, a shared encoder and a projection head.

    python -m trainers.train --config=configs/augmented_views.py \
        --workdir=runs/augmented_views

On the embedded digits; `--config.dataset=cifar10` takes CIFAR-10. The probe reads the
encodings of whole images, and its baseline their pixels. The method is
`keras_infomax.methods.augmented_views`, whose arguments are `config.options`:
Chen et al., 2020, https://arxiv.org/abs/2002.05709.
"""

from trainers.configuration import configuration


def get_config(variant=""):
    return configuration(
        variant,
        "augmented_views",
        quick={"steps": 500, "eval_every": 250},
        experiment="augmented_views",
        views="augmented",
        bound="infonce_symmetric",
        learning_rate=1e-3,
        steps=3_000,
        eval_every=500,
        options={
            "encoder": "convnet",
            "encoding_dim": 128,
            "temperature": 0.2,
        },
    )
