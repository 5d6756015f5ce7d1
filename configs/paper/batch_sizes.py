"""Batch sizes up to 512, on the critics of Figure 3.

    python -m trainers.sweep --config=configs/paper/batch_sizes.py:quick \
        --workdir=runs/batch_sizes --seeds=1 --results=docs/paper/results.csv

The paper has no figure for this; a footnote says that batch sizes up to 512 gave
consistent results (Tschannen et al., 2020, section 3). Expect the order of Figure 3 for
every size, and InfoNCE estimates that rise with its ceiling, the log of the size. Sizes
below and above the 128 of Figure 3 are run for the same number of steps; quick takes
3,000. The time of a step with the MLP critic grows with the square of the size.
"""

from keras_infomax.programs.configuration import configuration


def get_config(variant=""):
    return configuration(
        variant,
        "batch_sizes",
        grid={
            "batch_size": (64, 256, 512),
            "bound": ("infonce", "nwj"),
            "critic": ("bilinear", "separable", "mlp"),
        },
        quick={"steps": 3_000, "eval_every": 1_000},
        dataset="mnist",
        steps=21_000,
        eval_every=1_000,
        stopped_probe=True,
    )
