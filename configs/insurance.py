"""SCARF on a table of numbers and categories of 20,190 insured people.

    python -m trainers.train --config=configs/insurance.py --workdir=runs/insurance

`randhie` of the package statsmodels: `pip install "keras_infomax[programs,tables]"`.
The self-rated health of a person is categorical; the encoder has a vector for each
category. The probe predicts whether a plan has a deductible for individuals (`idp`).
Half a minute on two busy cores.
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
