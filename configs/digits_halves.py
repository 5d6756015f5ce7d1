"""Top against bottom halves of 5,000 embedded digits: what `make demo` trains.

    python -m trainers.train --config=configs/digits_halves.py --workdir=runs/digits

Less than a minute on two cores. Expect the probe 3 to 6 points above the pixels.
"""

from keras_infomax.programs.configuration import configuration


def get_config(variant=""):
    return configuration(
        variant, "digits_halves", dataset="digits", steps=3_000, eval_every=500
    )
