"""Where a critic starts: the density ratio of Gaussians, or that of a Student-t."""

import keras
import numpy as np
import pytest
from scipy import stats

import keras_infomax as kim
from keras_infomax import distributions
from keras_infomax.estimation import density_ratios
from keras_infomax.estimation.canonical import Canonical
from keras_infomax.estimation.density_ratios import StudentCopula

ALL = np.arange(3000)


def ranked(values):
    """Columns with exactly Gaussian margins."""
    return stats.norm.ppf(stats.rankdata(values, axis=0) / (len(values) + 1))


def factor(features):
    """Zero of a Gaussian; (degrees + columns) / 2 of a Student-t distribution."""
    (found,) = np.unique(features[0][:, -1])
    return found


def test_a_student_copula_is_the_density_ratio():
    made = distributions.student(degrees=4, dim=2, correlation=0.6)
    x, y = (v.astype("float64") for v in made.sample(200_000, seed=0))
    # Margins are those of Student's t, which are made Gaussian one by one.
    u, v = (stats.norm.ppf(stats.t.cdf(side, 4)) for side in (x, y))
    left, right = StudentCopula(u, v, 4.0).features(u[:50], v[:40])
    width = density_ratios.width(left)
    found = density_ratios.scores(left, right, width)
    pairs = np.concatenate(
        [np.repeat(x[:50], 40, axis=0), np.tile(y[:40], (50, 1))], axis=1
    )

    def log_density(values, dispersion):
        return stats.multivariate_t(shape=dispersion, df=4).logpdf(values)

    expected = (
        log_density(pairs, made.covariance)
        - log_density(pairs[:, :2], made.covariance[:2, :2])
        - log_density(pairs[:, 2:], made.covariance[2:, 2:])
    )
    np.testing.assert_allclose(found.ravel(), expected, atol=0.1)


def test_scores_of_pairs_and_of_tensors():
    x, y = np.random.default_rng(0).normal(size=(2, 60, 9)).astype("float32")
    found = density_ratios.scores(x, y, 3)
    inner = np.maximum(x[:, 5:8] @ y[:, 5:8].T, 0)
    expected = x[:, :5] @ y[:, :5].T - x[:, 8:] * np.log1p(inner)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    paired = density_ratios.paired_scores(x, y, 3)
    np.testing.assert_allclose(paired, np.diagonal(expected), rtol=1e-4, atol=1e-5)
    tensors = (keras.ops.convert_to_tensor(side) for side in (x, y))
    of_tensors = density_ratios.scores(*tensors, 3, keras.ops)
    np.testing.assert_allclose(of_tensors, found, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("made", "degrees"),
    [
        (distributions.gaussian(dim=3, correlation=0.8), None),
        (distributions.gaussian(dim=3, correlation=0.0), None),
        (distributions.student(degrees=3, dim=3, correlation=0.8), (2, 5)),
        # Only the scale is shared: no correlation shows it.
        (distributions.student(degrees=2, dim=3, correlation=0.0), (2, 3)),
    ],
)
def test_the_better_one_is_chosen(made, degrees):
    x, y = (ranked(side) for side in made.sample(len(ALL), seed=1))
    found = factor(density_ratios.elliptical_features(x, y, ALL, True))
    if degrees is None:
        assert found == 0
    else:
        assert degrees[0] <= 2 * found - 6 <= degrees[1]
    # What has no ranks keeps the Gaussian, and the same scores as ever.
    left, right = density_ratios.elliptical_features(x, y, ALL, False)
    of_x, of_y = Canonical(x, y).features(x, y)
    found = density_ratios.scores(left, right, density_ratios.width(left))
    np.testing.assert_array_equal(found, of_x @ of_y.T)


def test_a_shared_scale_is_found_without_training():
    made = distributions.student(degrees=2, dim=3, correlation=0.0)
    x, y = made.sample(4000, seed=0)
    found = kim.estimate_mi(x, y, steps=0)
    assert made.mutual_information > 0.29
    assert found.value == pytest.approx(made.mutual_information, abs=0.05)
    low, high = found.interval
    assert low < made.mutual_information < high + 0.02
    # Margins that are only scaled keep the Gaussian, which sees nothing.
    assert kim.estimate_mi(x, y, steps=0, margins="standard").value < 0.1
