"""SimSiam: predicts one augmented view from the other, without its gradient.

    python -m trainers.train --config=configs/simsiam.py --workdir=runs/simsiam

On the embedded digits; `:quick` is its first 400 steps. The probe reads the encodings
of whole images, before the heads. No mutual information is reported.

The method is `keras_infomax.methods.simsiam`, whose arguments are `config.options`:
Chen and He, 2021, https://arxiv.org/abs/2011.10566.
"""

from keras_infomax.programs.configuration import configuration


def get_config(variant=""):
    return configuration(
        variant,
        "simsiam",
        quick={"steps": 400, "eval_every": 100},
        experiment="simsiam",
        views="augmented",
        bound="cosine_distance",
        learning_rate=1e-3,
        steps=3_000,
        eval_every=500,
        options={
            "encoder": "convnet",
            "encoding_dim": 128,
            "projection_units": (256, 256),
            "prediction_units": (64, 256),
        },
    )
