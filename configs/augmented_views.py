"""Two augmentations of an image, a shared encoder and a projection head.

    python -m trainers.train --config=configs/augmented_views.py \
        --workdir=runs/augmented_views

On the embedded digits; `:quick`, its first 400 steps, takes a little over a minute
on two busy cores. The probe reads the encodings of whole images: 0.95 by then
(two seeds), against 0.879 for their pixels. The full 3,000 steps were not run.
`--config.dataset=cifar10` uses CIFAR-10; color images are also mirrored and recolored.
The augmentations of SimCLR: `--config.views=simclr`. Your own images with a backbone of
`keras.applications`: `--config.dataset=folder:PATH`, `--config.image_size="(96, 96)"`
and `--config.options.encoder=MobileNetV2`.

The method is `keras_infomax.methods.augmented_views`, whose arguments are
`config.options`: Chen et al., 2020, https://arxiv.org/abs/2002.05709.
"""

from keras_infomax.programs.configuration import configuration


def get_config(variant=""):
    return configuration(
        variant,
        "augmented_views",
        quick={"steps": 400, "eval_every": 100},
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
