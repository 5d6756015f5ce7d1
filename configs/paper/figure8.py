"""Figure 8: the critics of Figure 3 on CIFAR-10.

    python -m trainers.sweep --config=configs/paper/figure8.py:quick \
        --workdir=runs/figure8 --seeds=1 --results=docs/paper/results.csv

The full budget is 63,000 steps at learning rate 1e-5: about a quarter of an hour per
run on two cores, and six runs per seed. Quick takes 6,000 steps. Each run first fits
the pixel baseline, which takes minutes. Expect (Tschannen et al., 2020, appendix G) the
orders of Figure 3, at accuracies between 0.26 and 0.36.
"""

from keras_infomax.programs.configuration import configuration


def get_config(variant=""):
    return configuration(
        variant,
        "figure8",
        grid={
            "critic": ("bilinear", "separable", "mlp"),
            "bound": ("infonce", "nwj"),
        },
        quick={"steps": 6_000, "eval_every": 2_000},
        dataset="cifar10",
        learning_rate=1e-5,
        steps=63_000,
        eval_every=3_000,
        stopped_probe=True,
    )
