"""Contrastive multiview coding: all pairs of views of an image.

    python -m trainers.train --config=configs/cmc.py --workdir=runs/cmc

About a minute and a half on two cores, on the embedded digits, whose views are the
four quadrants. The probe reads the encodings of whole images: 0.91 after all 1,000
steps (two seeds), against 0.879 for their pixels. Untrained encoders have 0.90. The
best accuracy, 0.95, is that of step 250, since the encoders soon overfit the 4,000
digits; see `val_mi`. `--config.dataset=cifar10` uses lightness and colors as views.

For a memory bank: `--config.options.examples=4000 --config.bound=infonce`, and
`--config.learning_rate=1e-4`, since encodings must change slowly.

The method is `keras_infomax.methods.cmc`, whose arguments are `config.options`:
Tian et al., 2019, https://arxiv.org/abs/1906.05849.
"""

from keras_infomax.programs.configuration import configuration


def get_config(variant=""):
    return configuration(
        variant,
        "cmc",
        quick={"steps": 250, "eval_every": 125},
        experiment="cmc",
        views="whole",
        bound="infonce_symmetric",
        learning_rate=1e-3,
        steps=1_000,
        eval_every=250,
        options={
            "encoder": "convnet",
            "encoder_units": (32, 64),
            "encoding_dim": 64,
            "temperature": 0.1,
            "graph": "full",
            "examples": 0,
            "num_negatives": 1024,
            "momentum": 0.5,
        },
    )
