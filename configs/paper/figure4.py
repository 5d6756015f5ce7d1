"""Figures 4 (a, b) and 7: MLP and ConvNet encoders at the same estimate of MI.

    python -m trainers.sweep --config=configs/paper/figure4.py --workdir=runs/figure4 \
        --seeds=2 --results=docs/paper/results.csv

21,000 steps: on two cores, three minutes per run for the MLP, well over half an hour
for the ConvNet, with four runs of each per seed. Expect (Tschannen et al., 2020,
section 3.3) a distance to the target near 0 after 7,000 steps, and the ConvNet clearly
above the MLP.
"""

from keras_infomax.programs.configuration import configuration


def get_config(variant=""):
    return configuration(
        variant,
        "figure4",
        grid={
            "encoder": ("mlp", "convnet"),
            "bound": ("infonce", "nwj"),
            "target": (2.0, 4.0),
        },
        quick={"steps": 4_000, "eval_every": 1_000},
        dataset="mnist",
        steps=21_000,
        eval_every=1_000,
        stopped_probe=True,
    )
