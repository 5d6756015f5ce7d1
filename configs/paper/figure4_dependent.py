"""Figure 4, right: negatives that depend on each other, on a Gaussian of known MI.

    python -m trainers.sweep --config=configs/paper/figure4_dependent.py \
        --workdir=runs/figure4_dependent --seeds=1 --results=docs/paper/results.csv

Expect (Tschannen et al., 2020, section 4 and appendix E) estimates of independent pairs
that rise to the true 0.0204 nats and, but for their scatter, no further, and estimates
of dependent ones far above it.
"""

from trainers.configuration import configuration


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
