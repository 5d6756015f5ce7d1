"""Contrastive multiview coding: views of an image, whichever two are compared.

    python -m trainers.train --config=configs/cmc.py --workdir=runs/cmc

On the embedded digits; `--config.dataset=cifar10` takes CIFAR-10. The probe reads the
encodings of whole images, and its baseline their pixels. The method is
`keras_infomax.methods.cmc`, whose arguments are `config.options`:
Tian et al., 2019, https://arxiv.org/abs/1906.05849.
"""

from trainers.configuration import configuration


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
        },
    )
