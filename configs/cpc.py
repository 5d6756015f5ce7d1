"""Contrastive predictive coding: what the patches above tell of those below.

    python -m trainers.train --config=configs/cpc.py --workdir=runs/cpc

On the embedded digits; `--config.dataset=cifar10` takes CIFAR-10. The probe reads the
encodings of whole images, and its baseline their pixels. The method is
`keras_infomax.methods.cpc`, whose arguments are `config.options`:
van den Oord et al., 2018, https://arxiv.org/abs/1807.03748.
"""

from trainers.configuration import configuration


def get_config(variant=""):
    return configuration(
        variant,
        "cpc",
        quick={"steps": 250, "eval_every": 125},
        experiment="cpc",
        views="whole",
        bound="infonce",
        learning_rate=1e-3,
        steps=1_000,
        eval_every=250,
        options={
            "patch_size": 14,
            "encoder": "convnet",
            "encoder_units": (32, 64),
            "encoding_dim": 128,
            "predicted_steps": 3,
            "context": "gru",
            "negatives": "same_position",
            "representation": "patches",
        },
    )
