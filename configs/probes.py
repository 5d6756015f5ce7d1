"""Encoders of three critics, to be judged by every protocol of evaluation.

    python -m trainers.sweep --config=configs/probes.py:quick --workdir=runs/probes \
        --seeds=3
    python -m trainers.probe --workdir=runs/probes --output=docs/probes/probes.csv

Is the linear protocol the right one (Tschannen et al., 2020, section 5)? The second
command judges the encoders of the first by linear probes, one hidden layer, nearest
neighbors, few labels and fine-tuning, see `probes.get`, and the pixels by the same.
About ten minutes on two busy cores, of which the probes take four. Expect the linear
probe to find 4 to 6 points more in the encodings than in the pixels, and the hidden
layer and the neighbors to find less. For MNIST, put
`--config.dataset=mnist --config.steps=21000` behind the first command.
"""

from keras_infomax.programs.configuration import configuration


def get_config(variant=""):
    return configuration(
        variant,
        "probes",
        grid={"critic": ("bilinear", "separable", "mlp")},
        quick={"steps": 1_000, "eval_every": 500},
        dataset="digits",
        steps=3_000,
        eval_every=1_000,
    )
