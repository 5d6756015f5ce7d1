"""Two towers: images of digits and sentences about them, in one space.

    python -m trainers.train --config=configs/two_towers.py --workdir=runs/two_towers

CLIP on the embedded digits, each with one of 270 sentences, such as "a bold three
leaning right": 23 words, made by `datasets.load("digits_and_words")`. Five minutes on
two busy cores. Every evaluation measures retrieval between test images and sentences in
both directions, and the accuracy of classification by prompts (`zero_shot_accuracy`);
the figures of two seeds are in docs/other_data.md. SigLIP: `--config.bound=siglip` and
`--config.options.critic=siglip`.

The method is `keras_infomax.methods.two_towers`, whose arguments are `config.options`:
Radford et al., 2021, https://arxiv.org/abs/2103.00020.
"""

from keras_infomax.programs.configuration import configuration


def get_config(variant=""):
    return configuration(
        variant,
        "two_towers",
        quick={"steps": 250, "eval_every": 125},
        smoke={"dataset": "digits_and_words"},
        experiment="two_towers",
        dataset="digits_and_words",
        views="parts",
        bound="infonce_symmetric",
        learning_rate=1e-3,
        steps=1_000,
        eval_every=250,
        options={
            "encoder": ("convnet", "tokens"),
            "encoder_units": ((32, 64), (64, 64)),
            "encoding_dim": 64,
            "critic": "clip",
        },
    )
