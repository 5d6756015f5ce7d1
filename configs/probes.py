"""Encoders with three critics, for a comparison of evaluation protocols.

    python -m trainers.sweep --config=configs/probes.py:quick --workdir=runs/probes \
        --seeds=3
    python -m trainers.probe --workdir=runs/probes --output=docs/probes/probes.csv

Is the linear protocol the right one (Tschannen et al., 2020, section 5)? The second
command evaluates the encoders of the first, and the pixels, by linear probes, one
hidden layer, nearest neighbors, few labels and fine-tuning; see `probes.get`. About ten
minutes on two busy cores, four of them for the probes. Expect the accuracy of the
linear probe on encodings to be 4 to 6 points above that on pixels, and smaller gains
with the hidden layer and the neighbors. For MNIST, append
`--config.dataset=mnist --config.steps=21000` to the first command.
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
