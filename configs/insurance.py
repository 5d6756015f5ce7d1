"""Numbers and categories of 20,190 insured: SCARF on a table of both.

    python -m trainers.train --config=configs/insurance.py --workdir=runs/insurance

`randhie` of the package statsmodels: `pip install "keras_infomax[programs,tables]"`.
What a person says of her health are categories, which the encoder has vectors for. The
probe tells plans with a deductible for individuals (`idp`) from others. Half a minute
on two busy cores.
"""

from keras_infomax.programs.configuration import configuration


def get_config(variant=""):
    return configuration(
        variant,
        "insurance",
        smoke={
            "dataset": "sklearn:breast_cancer",
            "label": None,
            "categorical": None,
        },
        dataset="statsmodels:randhie",
        label="idp",
        categorical=("hlthg", "hlthf", "hlthp"),
        views="scarf",
        encoder="table",
        encoder_units=(64, 64),
        encoding_dim=32,
        shared_encoder=True,
        critic="cosine",
        temperature=0.2,
        bound="infonce_symmetric",
        batch_size=256,
        learning_rate=1e-3,
        steps=600,
        eval_every=200,
    )
