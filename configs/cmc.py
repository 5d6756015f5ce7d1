"""Contrastive multiview coding: views of an image, whichever two are compared.

    python -m trainers.train --config=configs/cmc.py --workdir=runs/cmc

About a minute and a half on two cores, on the embedded digits, whose views are the
four quadrants. The probe reads the encodings of whole images: 0.91 after all 1,000
steps (two seeds), against 0.879 of their pixels. Encoders that are not trained at all
make 0.90; the best, 0.95, are those of step 250, for the 4,000 digits are soon learned
by heart: see `val_mi`. `--config.dataset=cifar10` takes lightness and colors.

A memory bank: `--config.options.examples=4000 --config.bound=infonce`, and
`--config.learning_rate=1e-4`, since encodings must not outrun the bank.

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
