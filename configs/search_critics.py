"""A search over critics, bounds, encoders and rates: does more MI help the probe?

    python -m trainers.search --config=configs/search_critics.py --workdir=runs/search

Twenty random trials on the embedded digits, about two minutes on two cores. The table
and the plots in the workdir show that the probe's accuracy depends only weakly on the
estimate of MI. `--config.search.method=bayesian` selects another method, and
`--config.search.max_trials=40` continues the search with more trials.
"""

from keras_infomax.programs.configuration import configuration


def get_config(variant=""):
    return configuration(
        variant,
        "search_critics",
        space={
            "critic": ("inner_product", "bilinear", "separable", "mlp", "cosine"),
            "critic_units": {"separable": ((100,), (200,)), "mlp": ((100,), (200,))},
            "temperature": {"min": 0.05, "max": 1.0, "sampling": "log"},
            "bound": ("infonce", "nwj"),
            "target": (None, 2.0),
            "encoder_units": ((300,), (300, 300)),
            "encoding_dim": (50, 100, 200),
            "batch_size": (64, 128, 256),
            "learning_rate": {"min": 1e-4, "max": 3e-3, "sampling": "log"},
        },
        search={
            "method": "random",
            "objective": "probe_accuracy",
            "max_trials": 20,
            "validation": 0.2,
            "seed": 0,
        },
        dataset="digits",
        steps=1_000,
        eval_every=250,
    )
