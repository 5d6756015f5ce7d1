"""Figures 2 and 5: encoders that may become hard to invert, on noisy MNIST halves.

    python -m trainers.sweep --config=configs/paper/figure2.py:quick \
        --workdir=runs/figure2 --seeds=1 --results=docs/paper/results.csv

Both halves of an image get the same noise. On two shared cores a step took 25 ms and an
evaluation 15 to 25 s, 5 of them for the condition numbers: about 3 minutes for a quick
run of 4,000 steps, and 15 for the full budget of 21,000.

Expect (Tschannen et al., 2020, section 3.1) estimates and accuracies that rise, the
latter from the noisy pixels' 0.84 toward 0.9. Meanwhile the encoder, at first the
identity, becomes harder to invert: all percentiles of the log condition number rise
from 0, on an axis up to 8. After 2,000 steps, seed 0 had an accuracy of 0.886 with
InfoNCE and 0.875 with NWJ, and 60 % of the images were below 2.6 and 2.0.
"""

from keras_infomax.programs.configuration import configuration


def get_config(variant=""):
    return configuration(
        variant,
        "figure2",
        grid={"bound": ("infonce", "nwj")},
        quick={"steps": 4_000, "eval_every": 1_000},
        dataset="mnist",
        noise=0.05,
        coupled_noise=True,
        encoder="skip_mlp",
        critic="bilinear",
        steps=21_000,
        eval_every=1_000,
        jacobian_rows=128,
        stopped_probe=True,
    )
