"""Estimators on distributions of known mutual information, for several sample sizes.

    keras-infomax mi-benchmark --config=mi/benchmark --workdir=runs/mi
    python -m trainers.mi_benchmark --config=configs/mi/benchmark.py --workdir=runs/mi

About half an hour on two cores; a repeated command continues where it stopped. Every
estimate should be near the true value, a column of the table, and its interval should
contain the true value in 95 of 100 cases.
"""

from keras_infomax.programs.configuration import benchmark


def get_config(variant=""):
    return benchmark(
        variant,
        tasks=[
            "gaussian:3:5",
            "student:3:5:5",
            "uniform:3:5",
            "gaussian:5:10",
            "1v1-normal-0.75",
            "1v1-additive-0.1",
            "1v1-bimodal-0.75",
            "student-identity-5-5-2",
            "multinormal-sparse-25-25-2-2.0",
            "spiral-multinormal-sparse-3-3-2-2.0",
        ],
        rows=[10_000, 1_000],
        seeds=[0, 1],
    )
