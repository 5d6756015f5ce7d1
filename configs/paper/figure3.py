"""Figures 3 and 6: three critics under both bounds, on MNIST halves.

    python -m trainers.sweep --config=configs/paper/figure3.py --workdir=runs/figure3 \
        --seeds=3 --results=docs/paper/results.csv

Full budget: 21,000 steps, 21 evaluations. Expect (Tschannen et al., 2020, section 3.2)
InfoNCE near log 128 for every critic; NWJ highest for the MLP critic, which has the
worst accuracy, near the pixels' 0.85.
"""

from keras_infomax.programs.configuration import configuration


def get_config(variant=""):
    return configuration(
        variant,
        "figure3",
        grid={
            "critic": ("bilinear", "separable", "mlp"),
            "bound": ("infonce", "nwj"),
        },
        quick={"steps": 4_000, "eval_every": 1_000},
        dataset="mnist",
        encoder="mlp",
        steps=21_000,
        eval_every=1_000,
        stopped_probe=True,
    )
