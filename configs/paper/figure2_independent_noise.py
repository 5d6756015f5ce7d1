"""The control of Figure 2: noise that the two halves of an image do not share.

    python -m trainers.sweep --config=configs/paper/figure2_independent_noise.py:quick \
        --workdir=runs/figure2_independent_noise --seeds=1 \
        --results=docs/paper/results.csv

As long as Figure 2: some 3 minutes a quick run, some 15 a full one, on two cores.

Noise that is not shared is no information to lose: the argument that an encoder loses
some when it becomes hard to invert (Tschannen et al., 2020, section 3.1) falls away.
The paper names this control and has no results for it.
"""

from keras_infomax.programs.configuration import configuration


def get_config(variant=""):
    return configuration(
        variant,
        "figure2_independent_noise",
        grid={"bound": ("infonce", "nwj")},
        quick={"steps": 4_000, "eval_every": 1_000},
        dataset="mnist",
        noise=0.05,
        coupled_noise=False,
        encoder="skip_mlp",
        critic="bilinear",
        steps=21_000,
        eval_every=1_000,
        jacobian_rows=128,
        stopped_probe=True,
    )
