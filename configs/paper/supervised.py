"""An upper reference: both encoders of Figure 4, trained with labels.

    python -m trainers.sweep --config=configs/paper/supervised.py \
        --workdir=runs/supervised --seeds=1 --results=docs/paper/results.csv

The paper does not say how they were trained. Here this is done like everything else,
with Adam at 1e-4 for 21,000 steps of batch 128. Expect (Tschannen et al., 2020, section
3.3) a test accuracy of about 0.94 for both; the probe on their encodings should say the
same.

On two shared cores a step took 5 ms with the MLP and 165 ms with the ConvNet: 2 minutes
and an hour. Seed 0 had 0.935 (probe 0.938) with the MLP, and 0.934 (probe 0.936) with
the ConvNet after 2,000 steps.
"""

from keras_infomax.programs.configuration import configuration


def get_config(variant=""):
    return configuration(
        variant,
        "supervised",
        grid={"encoder": ("mlp", "convnet")},
        quick={"steps": 4_000, "eval_every": 1_000},
        experiment="supervised",
        dataset="mnist",
        steps=21_000,
        eval_every=1_000,
        stopped_probe=True,
    )
