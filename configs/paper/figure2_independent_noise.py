"""The control of Figure 2: independent noise for the two halves of an image.

    python -m trainers.sweep --config=configs/paper/figure2_independent_noise.py:quick \
        --workdir=runs/figure2_independent_noise --seeds=1 \
        --results=docs/paper/results.csv

It takes as long as Figure 2: about 3 minutes for a quick run and 15 for a full one, on
two cores.

Independent noise is not shared information. So the argument that an encoder loses
information when it becomes hard to invert (Tschannen et al., 2020, section 3.1) does
not apply. The paper names this control, but has no results for it.
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
