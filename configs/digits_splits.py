"""The demo on ten random splits of the digits into 4,000 and 1,000.

    python -m trainers.sweep --config=configs/digits_splits.py --workdir=runs/splits \
        --results=docs/demo/splits.csv

About five minutes on two cores. The baseline depends on the split, between about 0.78
and 0.81. Look at the gain of the encodings over it.
"""

from keras_infomax.programs.configuration import configuration


def get_config(variant=""):
    return configuration(
        variant,
        "digits_splits",
        grid={"split_seed": range(10)},
        dataset="digits",
        steps=3_000,
        eval_every=500,
    )
