"""Signals of six sensors during four sports, with causal convolutions.

    python -m trainers.train --config=configs/motions.py --workdir=runs/motions

BasicMotions of the package aeon: `pip install "keras_infomax[programs,signals]"`, with
40 signals to train and 40 to test. The views are `signals`; the encoding is the last
state of the signal. Two minutes on two busy cores.
"""

from keras_infomax.programs.configuration import configuration


def get_config(variant=""):
    return configuration(
        variant,
        "motions",
        smoke={"dataset": "digits_as_signals"},
        dataset="aeon:BasicMotions",
        views="signals",
        encoder="causal_convnet",
        encoder_units=(32, 32, 32, 32),
        encoding_dim=32,
        shared_encoder=True,
        critic="cosine",
        temperature=0.2,
        bound="infonce_symmetric",
        batch_size=32,
        learning_rate=1e-3,
        steps=600,
        eval_every=200,
    )
