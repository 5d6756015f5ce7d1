"""Figure 4, right: dependent negatives, for a Gaussian of known MI.

    python -m trainers.sweep --config=configs/paper/figure4_dependent.py \
        --workdir=runs/figure4_dependent --seeds=1 --results=docs/paper/results.csv

On two shared cores, two runs at a time took 4 to 9 minutes.

Expect (Tschannen et al., 2020, section 4 and appendix E) estimates of independent pairs
that rise to the true 0.0204 nats, up to statistical errors, and estimates of dependent
pairs far above it. Over the last tenth of the steps, seed 0 had means of 0.0197
(InfoNCE) and 0.0199 (NWJ) for independent pairs, and 0.194 and 0.100 for dependent
pairs.
"""

from keras_infomax.programs.configuration import configuration


def get_config(variant=""):
    return configuration(
        variant,
        "figure4_dependent",
        grid={
            "dataset": ("gaussian_iid", "gaussian_dependent"),
            "bound": ("infonce", "nwj"),
        },
        quick={"steps": 2_000, "eval_every": 500},
        experiment="dependent",
        critic="mlp",
        critic_units=(10, 10, 10, 10, 10),
        steps=20_000,
        eval_every=500,
    )
