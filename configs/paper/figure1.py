"""Figure 1 (a, b): bijective encoders, trained to raise an MI that is fixed.

    python -m trainers.sweep --config=configs/paper/figure1.py:quick \
        --workdir=runs/figure1 --seeds=1 --results=docs/paper/results.csv

The full budget is 21,000 steps of almost half a second on two cores: three hours per
run, and two runs per seed. Quick takes 2,000 steps. Expect (Tschannen et al., 2020,
section 3.1) that estimate and accuracy rise nevertheless, from the pixels' 0.85 toward
0.89.
"""

from keras_infomax.programs.configuration import configuration


def get_config(variant=""):
    return configuration(
        variant,
        "figure1",
        grid={"bound": ("infonce", "nwj")},
        quick={"steps": 2_000, "eval_every": 500},
        dataset="mnist",
        encoder="realnvp",
        steps=21_000,
        eval_every=1_000,
        stopped_probe=True,
    )
