"""All bounds on Gaussians of 20 dimensions with 2 to 10 nats.

    keras-infomax mi-benchmark --config=mi/staircase --workdir=runs/staircase
    python -m trainers.mi_benchmark --config=configs/mi/staircase.py \
        --workdir=runs/staircase

The staircase of Poole et al., 2019, as estimates from 10,000 rows instead of a stream.
About ten minutes on two cores; a repeated command continues where it stopped. A bound
with a ceiling saturates below the log of the held-out rows, 8.1 nats. The others follow
the true value further, with more variance.
"""

from keras_infomax.programs.configuration import benchmark


def get_config(variant=""):
    return benchmark(
        variant,
        tasks=[f"gaussian:20:{nats}" for nats in (2, 4, 6, 8, 10)],
        rows=[10_000],
        seeds=[0],
    )
