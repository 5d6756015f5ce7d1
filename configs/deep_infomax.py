"""DeepInfoMax: an image's encoding against its own feature map, globally and locally.

    python -m trainers.train --config=configs/deep_infomax.py \
        --workdir=runs/deep_infomax

On the embedded digits; `--config.dataset=cifar10` takes CIFAR-10. The probe reads the
encodings of whole images, and its baseline their pixels. The method is
`keras_infomax.methods.deep_infomax`, whose arguments are `config.options`:
Hjelm et al., 2019, https://arxiv.org/abs/1808.06670.
"""

from trainers.configuration import configuration


def get_config(variant=""):
    return configuration(
        variant,
        "deep_infomax",
        quick={"steps": 500, "eval_every": 250},
        experiment="deep_infomax",
        views="whole",
        bound="jensen_shannon",
        learning_rate=1e-3,
        steps=3_000,
        eval_every=500,
        options={
            "critic": "concat_and_convolve",
            "critic_units": 128,
            "global_weight": 0.5,
            "local_weight": 1.0,
            "prior_weight": 0.1,
        },
    )
