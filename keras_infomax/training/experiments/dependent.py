"""The experiment with dependent negatives: Gaussian pairs of known MI.

A pair `(x, y)` of numbers is the sum of a vector that may be shared by pairs and a
vector of its own. If each pair has another first vector, pairs are independent, as the
bounds require. If all pairs of a batch share it, each pair has the same distribution as
before, but the negatives of a row carry information about it. Then the estimates exceed
the mutual information.
"""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np

from keras_infomax import datasets, models
from keras_infomax.checks import lookup
from keras_infomax.lazy_tensorflow import tf
from keras_infomax.training.experiments import building, effects, parts
from keras_infomax.training.settings import Settings

# Covariances of the vector that may be shared, and of the other one.
SHARED = np.array([[1.0, -0.5], [-0.5, 1.0]])
OWN = np.array([[1.0, 0.9], [0.9, 1.0]])

# Whether all pairs of a batch share a vector.
DATASETS = {"gaussian_iid": False, "gaussian_dependent": True}

# The estimate of one batch of 128 has a deviation of 0.02 nats, the size of the MI.
_HELD_OUT_BATCHES = 500


def dependent(
    settings: Settings, data: datasets.Dataset | None = None
) -> building.Experiment:
    """A critic without encoders, trained by a bound on pairs of Gaussian numbers.

    Args:
        settings: Settings with `dataset` `"gaussian_iid"` or `"gaussian_dependent"`.
            Settings of views and encoders are refused.
        data: Must be `None`; the experiment draws its own data.

    Raises:
        ValueError: If the settings are invalid, or `data` is given.

    Reference:
        Tschannen et al., 2020, section 4 and appendix E,
        https://arxiv.org/abs/1907.13625.
    """
    effects.check_effect(
        settings,
        (
            *(*effects.OF_ENCODERS, *effects.OF_VIEWS),
            *("encoder_chunk_size", "options", "select"),
            *("stopped_probe", "warm_up_steps"),
        ),
        f"the experiment {settings.experiment!r}, which has no encoder",
    )
    if data is not None:
        raise ValueError(
            "data must be None for the experiment 'dependent', which draws its own; "
            f"received {data.name!r}. Choose the kind by config.dataset."
        )
    lookup("dataset", settings.dataset, DATASETS)
    loss = parts.make_loss(settings)
    numbers = keras.Sequential([keras.Input((1,)), keras.layers.Identity()])
    model = models.InfoMax(numbers, critic=parts.make_critic(settings))
    model.compile(
        optimizer=parts.make_optimizer(settings.learning_rate),
        loss=loss,
    )

    def batches(start_step, num_steps):
        steps = tf.data.Dataset.range(start_step, start_step + num_steps)

        def batch(step):
            seed = (settings.seed, step)
            return (draw(settings.dataset, settings.batch_size, seed),)

        return steps.map(
            batch, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True
        ).prefetch(tf.data.AUTOTUNE)

    ceiling = loss.ceiling(settings.batch_size)
    return building.Experiment(
        model=model,
        batches=batches,
        # Training counts steps from 0, so it never uses a negative number.
        held_out=batches(-_HELD_OUT_BATCHES, _HELD_OUT_BATCHES),
        mi_ceiling=ceiling if math.isfinite(ceiling) else None,
        true_mi=true_mi(),
    )


def draw(dataset: str, rows: int, seed: Any) -> tuple[tf.Tensor, tf.Tensor]:
    """Draws one batch of pairs.

    Args:
        dataset: `"gaussian_iid"` or `"gaussian_dependent"`.
        rows: Number of pairs.
        seed: Two integers, as for TensorFlow's stateless operations. The same seed
            gives the same batch.

    Returns:
        Tensors x and y, `(rows, 1)` each.

    Raises:
        ValueError: If the data set is unknown.

    Example:
    >>> x, y = draw("gaussian_dependent", rows=128, seed=(0, 7))
    >>> x.shape, y.shape
    (TensorShape([128, 1]), TensorShape([128, 1]))
    """
    is_shared = lookup("dataset", dataset, DATASETS)
    seeds = tf.unstack(tf.random.split(seed))
    shared = _normal(SHARED, 1 if is_shared else rows, seeds[0])
    x, y = tf.split(shared + _normal(OWN, rows, seeds[1]), 2, axis=1)
    return x, y


def true_mi() -> float:
    """Mutual information of x and y of one pair, in nats; the same for both kinds.

        -log(1 - correlation^2) / 2

    Example:
    >>> round(true_mi(), 6)
    0.020411
    """
    ((variance_x, covariance), (_, variance_y)) = SHARED + OWN
    return -0.5 * math.log1p(-(covariance**2) / (variance_x * variance_y))


def batch_mi(rows: int) -> float:
    """Mutual information of one y and all x of a dependent batch, in nats.

    InfoNCE is a lower bound on this quantity, whether or not the pairs of a batch are
    independent. For independent pairs it equals `true_mi`. For pairs that share a
    vector it is larger, and so the estimate may be. It is the same for one x and all y.

    Args:
        rows: Number of pairs in the batch.

    Example:
    >>> round(batch_mi(128), 4)
    0.3695

    Reference:
        Tschannen et al., 2020, appendix D, https://arxiv.org/abs/1907.13625.
    """
    of_x = np.full((rows, rows), SHARED[0, 0]) + OWN[0, 0] * np.eye(rows)
    with_y = np.full(rows, SHARED[0, 1])
    with_y[0] += OWN[0, 1]
    variance = SHARED[1, 1] + OWN[1, 1]
    unexplained = variance - with_y @ np.linalg.solve(of_x, with_y)
    return 0.5 * math.log(variance / unexplained)


def _normal(covariance: np.ndarray, rows: int, seed: tf.Tensor) -> tf.Tensor:
    """Draws vectors of mean zero, `(rows, 2)`."""
    factor = tf.constant(np.linalg.cholesky(covariance), tf.float32)
    return tf.matmul(
        tf.random.stateless_normal((rows, 2), seed), factor, transpose_b=True
    )
