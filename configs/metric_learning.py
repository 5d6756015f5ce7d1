"""Deep metric learning: one encoder maps both halves of an image to near points.

    python -m trainers.train --config=configs/metric_learning.py \
        --workdir=runs/metric_learning

Less than a minute on two cores, on the embedded digits and their top and bottom halves.
The probe reads the encodings of whole images: 0.90 after all 1,000 steps (two seeds),
against 0.879 for their pixels. `--config.options.axis=2` uses left and right halves,
`--config.dataset=cifar10` CIFAR-10.

For semi-hard triplets: `--config.bound=triplet`, and the options `metric=distance`,
`normalize=True` and `semi_hard_margin=0.2`.

The method is `keras_infomax.methods.metric_learning`, whose arguments are
`config.options`: Sohn, 2016; Tschannen et al., 2020, section 4,
https://arxiv.org/abs/1907.13625.
"""

from keras_infomax.programs.configuration import configuration


def get_config(variant=""):
    return configuration(
        variant,
        "metric_learning",
        quick={"steps": 250, "eval_every": 125},
        experiment="metric_learning",
        views="whole",
        bound="multi_class_n_pair",
        learning_rate=1e-3,
        steps=1_000,
        eval_every=250,
        options={
            "axis": 1,
            "encoder": "convnet",
            "encoder_units": (32, 64),
            "encoding_dim": 64,
            "metric": "inner_product",
            "normalize": False,
            "semi_hard_margin": 0.0,
        },
    )
