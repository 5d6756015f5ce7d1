"""Figure 9: the encoders of Figure 4 on CIFAR-10.

    python -m trainers.sweep --config=configs/paper/figure9.py:quick \
        --workdir=runs/figure9 --seeds=1 --results=docs/paper/results.csv

The full budget is 63,000 steps at learning rate 1e-5: hours per run for the ConvNet on
two cores, and four runs of each encoder per seed. Quick takes 6,000 steps. Expect
(Tschannen et al., 2020, appendix G) the order of Figure 4, at accuracies between 0.15
and 0.40.
"""

from keras_infomax.programs.configuration import configuration


def get_config(variant=""):
    return configuration(
        variant,
        "figure9",
        grid={
            "encoder": ("mlp", "convnet"),
            "bound": ("infonce", "nwj"),
            "target": (2.0, 4.0),
        },
        quick={"steps": 6_000, "eval_every": 2_000},
        dataset="cifar10",
        learning_rate=1e-5,
        steps=63_000,
        eval_every=3_000,
        stopped_probe=True,
    )
