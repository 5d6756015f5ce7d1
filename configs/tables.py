"""SCARF: a row of a table, and a copy with 60 percent of other rows' columns.

    python -m trainers.train --config=configs/tables.py --workdir=runs/tables

The thirty numbers of the breast cancer table that comes with scikit-learn. Half a
minute on two busy cores; the figures of two seeds are in docs/other_data.md. Your own
table: `--config.dataset=csv:PATH` or `parquet:PATH` and `--config.label=COLUMN`; with
categories, `--config.encoder=table`.

The views are `scarf`: Bahri et al., 2022, https://arxiv.org/abs/2106.15147.
"""

from keras_infomax.programs.configuration import configuration


def get_config(variant=""):
    return configuration(
        variant,
        "tables",
        smoke={"dataset": "sklearn:breast_cancer"},
        dataset="sklearn:breast_cancer",
        views="scarf",
        encoder="mlp",
        encoder_units=(64, 64),
        encoding_dim=32,
        shared_encoder=True,
        critic="cosine",
        temperature=0.2,
        bound="infonce_symmetric",
        batch_size=64,
        learning_rate=1e-3,
        steps=600,
        eval_every=200,
    )
