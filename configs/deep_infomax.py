"""DeepInfoMax: an image's encoding and its feature map, globally and locally.

    python -m trainers.train --config=configs/deep_infomax.py \
        --workdir=runs/deep_infomax

On the embedded digits; `:quick`, its first 250 steps, takes a little over a minute
on two busy cores. The probe reads the encodings of whole images: 0.91 by then
(two seeds), against 0.879 for their pixels. The full 3,000 steps were not run.
`--config.dataset=cifar10` uses CIFAR-10.

`--config.bound=infonce` or `donsker_varadhan` are the paper's other bounds, and
`--config.options.critic=concat_and_convolve` its other critic.

The method is `keras_infomax.methods.deep_infomax`, whose arguments are
`config.options`: Hjelm et al., 2019, https://arxiv.org/abs/1808.06670.
"""

from keras_infomax.programs.configuration import configuration


def get_config(variant=""):
    return configuration(
        variant,
        "deep_infomax",
        quick={"steps": 250, "eval_every": 50},
        experiment="deep_infomax",
        views="whole",
        bound="jensen_shannon",
        learning_rate=1e-3,
        steps=3_000,
        eval_every=500,
        options={
            "critic": "encode_and_dot",
            "critic_units": 128,
            "global_weight": 0.5,
            "local_weight": 1.0,
            "prior_weight": 0.1,
        },
    )
