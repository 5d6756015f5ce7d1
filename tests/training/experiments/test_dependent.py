import functools
import math

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops
from run_checks import assert_resumes

import keras_infomax as kim
from keras_infomax import training
from keras_infomax.training.experiments import dependent

SMALL = {
    "experiment": "dependent",
    "critic": "mlp",
    "critic_units": (10,) * 5,
    "steps": 8,
    "eval_every": 4,
}
KINDS = tuple(dependent.DATASETS)


@functools.cache
def many(dataset, batches=4000, rows=2):
    """Batches of pairs, `(batches, rows, 2)`."""
    steps = tf.data.Dataset.range(batches)
    drawn = steps.map(lambda step: dependent.draw(dataset, rows, (0, step)))
    return np.concatenate(next(iter(drawn.batch(batches))), axis=-1)


def experiment(dataset, **changes):
    settings = kim.training.Settings.resolve({**SMALL, "dataset": dataset, **changes})
    return dependent.dependent(settings)


@pytest.mark.parametrize("dataset", KINDS)
def test_pairs_of_both_kinds_have_one_distribution(dataset):
    pairs = many(dataset)[:, 0]
    # Entries of a sample covariance scatter by at most sqrt(2) * 2 / sqrt(4000).
    np.testing.assert_allclose(np.cov(pairs.T), [[2.0, 0.4], [0.4, 2.0]], atol=0.15)
    np.testing.assert_allclose(pairs.mean(axis=0), [0, 0], atol=0.1)


@pytest.mark.parametrize(
    ("dataset", "between_pairs"),
    [("gaussian_iid", np.zeros((2, 2))), ("gaussian_dependent", dependent.SHARED)],
)
def test_pairs_of_a_batch_share_a_vector_or_nothing(dataset, between_pairs):
    pairs = many(dataset)
    together = np.cov(np.concatenate([pairs[:, 0], pairs[:, 1]], axis=1).T)
    np.testing.assert_allclose(together[:2, 2:], between_pairs, atol=0.15)


def test_a_dependent_batch_has_one_shared_vector():
    x, y = dependent.draw("gaussian_dependent", rows=100_000, seed=(0, 1))
    own = np.cov(x[:, 0], y[:, 0])
    # Only the vectors of their own vary within a batch.
    np.testing.assert_allclose(own, dependent.OWN, atol=0.02)
    mean = np.array([np.mean(x), np.mean(y)])
    assert np.all(np.abs(mean) > 0.05)  # Some 16 standard errors.


def test_a_batch_depends_on_its_step_and_seed_alone():
    whole, resumed, other = (
        [np.concatenate(pair, axis=1) for (pair,) in batches]
        for batches in (
            experiment("gaussian_iid").batches(0, 5),
            experiment("gaussian_iid").batches(3, 2),
            experiment("gaussian_iid", seed=1).batches(0, 5),
        )
    )
    np.testing.assert_array_equal(whole[3:], resumed)
    assert not np.isin(whole[0], whole[1]).any()
    assert not np.isin(whole[0], other[0]).any()


def test_true_mi_is_that_of_the_correlation():
    assert dependent.true_mi() == pytest.approx(-0.5 * math.log(1 - 0.2**2), rel=1e-12)
    assert dependent.true_mi() == pytest.approx(0.020411, abs=5e-7)


@pytest.mark.parametrize("rows", [1, 2, 3, 128])
def test_batch_mi_matches_its_closed_form(rows):
    # Sherman-Morrison on the covariance I + 1 1^T of all x.
    explained = 0.25 * rows - 0.09 - (0.9 - 0.5 * rows) ** 2 / (1 + rows)
    assert dependent.batch_mi(rows) == pytest.approx(
        0.5 * math.log(2 / (2 - explained)), rel=1e-10
    )


def test_batch_mi_starts_at_the_true_one_and_grows_to_a_limit():
    values = [dependent.batch_mi(rows) for rows in (1, 2, 16, 128, 2000)]
    assert values[0] == pytest.approx(dependent.true_mi())
    assert values == sorted(values)
    assert values[-1] == pytest.approx(0.5 * math.log(2 / 0.94), abs=1e-3)


class OptimalCritic(keras.layers.Layer):
    """Logarithm of the ratio of joint and product density, for independent pairs."""

    def __init__(self, correlation=0.2, offset=0.0):
        super().__init__()
        self.correlation = correlation
        self.offset = offset

    def build(self, x_shape, y_shape):
        pass

    def call(self, x, y):
        r = self.correlation
        x, y = x / math.sqrt(2), ops.transpose(y) / math.sqrt(2)
        quadratic = r**2 * (x**2 + y**2) - 2 * r * x * y
        return self.offset - math.log1p(-(r**2)) / 2 - quadratic / (2 * (1 - r**2))


@pytest.mark.parametrize("bound", ["infonce", "nwj"])
def test_independent_pairs_reach_the_true_mi_with_the_optimal_critic(bound):
    offset = 1.0 if bound == "nwj" else 0.0
    model = kim.InfoMax(
        keras.Sequential([keras.Input((1,)), keras.layers.Identity()]),
        critic=OptimalCritic(offset=offset),
    )
    model.compile(loss=kim.losses.get(bound))
    batches = experiment("gaussian_iid").batches(0, 2000)
    mi = model.evaluate(batches, return_dict=True, verbose=0)["mi"]
    # A batch of 128 scatters by 0.02 nats; InfoNCE lies 1e-4 below the truth.
    assert mi == pytest.approx(dependent.true_mi(), abs=3 * 0.02 / math.sqrt(2000))


def test_a_critic_learns_more_from_a_dependent_batch_than_there_is(tmp_path):
    row = training.train(
        {
            **SMALL,
            "dataset": "gaussian_dependent",
            "learning_rate": 3e-3,
            "batch_size": 64,
            "steps": 300,
            "eval_every": 300,
        },
        tmp_path,
    )
    # Some ten times the scatter of 500 held-out batches above the truth.
    assert row["true_mi"] + 0.02 < row["val_mi"] < dependent.batch_mi(64)


def test_the_critic_is_that_of_the_paper():
    parts = experiment("gaussian_iid", bound="nwj")
    assert parts.model.count_params() == 481
    assert parts.mi_ceiling is None
    (pair,) = next(iter(parts.held_out))
    assert [view.shape for view in pair] == [(128, 1), (128, 1)]


def test_an_interrupted_run_ends_as_if_it_had_not_been(tmp_path, monkeypatch):
    monkeypatch.setattr(dependent, "_HELD_OUT_BATCHES", 10)
    config = {**SMALL, "dataset": "gaussian_dependent"}
    assert_resumes(config, None, tmp_path, monkeypatch)


def test_unfit_settings_and_data_meet_a_clear_error(tmp_path):
    with pytest.raises(ValueError, match="Did you mean 'gaussian_iid'"):
        training.train({**SMALL, "dataset": "gausian_iid"}, tmp_path)
    digits = kim.datasets.load("digits")
    with pytest.raises(ValueError, match="data must be None .* received 'digits'"):
        training.train({**SMALL, "dataset": "gaussian_iid"}, tmp_path, digits)
