"""Distributions of pairs whose mutual information is known exactly.

Each has `sample(rows, seed)`, which returns arrays x and y, and `mutual_information` in
nats. They serve to test and compare estimators.
"""

from keras_infomax.distributions.base import Distribution
from keras_infomax.distributions.elliptical import gaussian, student
from keras_infomax.distributions.images import DigitPairs
from keras_infomax.distributions.scalar import (
    AdditiveNoise,
    ClassAndInterval,
    Discrete,
    Mixture,
    ZeroInflated,
)
from keras_infomax.distributions.tasks import TASKS, adapted, task
from keras_infomax.distributions.transforms import (
    TRANSFORMS,
    bimodal,
    transformed,
    uniform,
)

__all__ = [
    "TASKS",
    "TRANSFORMS",
    "AdditiveNoise",
    "ClassAndInterval",
    "DigitPairs",
    "Discrete",
    "Distribution",
    "Mixture",
    "ZeroInflated",
    "adapted",
    "bimodal",
    "gaussian",
    "student",
    "task",
    "transformed",
    "uniform",
]
