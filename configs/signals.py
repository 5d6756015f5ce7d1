"""Two random crops of a signal: nine speakers, twelve channels of two vowels.

    python -m trainers.train --config=configs/signals.py --workdir=runs/signals

JapaneseVowels of the package aeon: `pip install "keras_infomax[programs,signals]"`. The
views are crops of at least half of a signal, with noise and a gap. One convolutional
encoder maps both. About a minute on two busy cores; the figures of two seeds are in
docs/other_data.md. Your own signals: `--config.dataset=npz:PATH`.
"""

from keras_infomax.programs.configuration import configuration


def get_config(variant=""):
    return configuration(
        variant,
        "signals",
        smoke={"dataset": "digits_as_signals"},
        dataset="aeon:JapaneseVowels",
        views="signals",
        encoder="convnet_1d",
        encoder_units=(64, 128),
        encoding_dim=64,
        shared_encoder=True,
        critic="cosine",
        temperature=0.2,
        bound="infonce_symmetric",
        learning_rate=1e-3,
        steps=600,
        eval_every=200,
    )
