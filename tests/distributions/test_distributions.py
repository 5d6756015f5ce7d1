"""Samplers of known mutual information: each truth is found in a second way."""

import math

import numpy as np
import pytest
from scipy import stats

from keras_infomax import distributions

D = distributions


def mean_and_error(values):
    return np.mean(values), np.std(values) / math.sqrt(len(values))


def test_gaussians_of_any_covariance():
    rng = np.random.default_rng(0)
    root = rng.normal(size=(5, 5))
    covariance = root @ root.T + np.eye(5)
    made = D.gaussian(covariance=covariance, dim_x=2)
    x, y = made.sample(200_000, seed=1)
    np.testing.assert_allclose(np.cov(np.hstack([x, y]).T), covariance, atol=0.15)
    both = stats.multivariate_normal(np.zeros(5), covariance)
    of_x = stats.multivariate_normal(np.zeros(2), covariance[:2, :2])
    of_y = stats.multivariate_normal(np.zeros(3), covariance[2:, 2:])
    ratios = both.logpdf(np.hstack([x, y])) - of_x.logpdf(x) - of_y.logpdf(y)
    mean, error = mean_and_error(ratios)
    assert abs(mean - made.mutual_information) < 4 * error < 0.02


def test_gaussians_by_correlation_and_by_information():
    made = D.gaussian(dim=4, correlation=-0.6, pairs=3)
    assert made.mutual_information == pytest.approx(-1.5 * math.log(1 - 0.36))
    assert D.gaussian(7, mutual_information=9.5).mutual_information == pytest.approx(
        9.5
    )
    x, y = made.sample(50_000, seed=3)
    expected = np.diag([-0.6, -0.6, -0.6, 0.0])
    np.testing.assert_allclose(np.corrcoef(x.T, y.T)[:4, 4:], expected, atol=0.02)


@pytest.mark.parametrize(("degrees", "dim"), [(1.0, 1), (2.0, 3), (4.5, 2)])
def test_student_is_the_mean_of_its_density_ratio(degrees, dim):
    made = D.student(degrees, dim, correlation=0.4)
    x, y = made.sample(200_000, seed=2)
    matrix = made.covariance
    both = stats.multivariate_t(np.zeros(2 * dim), matrix, degrees)
    one = stats.multivariate_t(np.zeros(dim), np.eye(dim), degrees)
    ratios = both.logpdf(np.hstack([x, y])) - one.logpdf(x) - one.logpdf(y)
    mean, error = mean_and_error(np.asarray(ratios, "float64"))
    assert abs(mean - made.mutual_information) < 4 * error < 0.02
    wanted = D.student(degrees, dim, mutual_information=2.5)
    assert wanted.mutual_information == pytest.approx(2.5)


@pytest.mark.parametrize("noise", [0.1, 0.5, 0.75])
def test_additive_noise_integrates_its_density(noise):
    made = D.AdditiveNoise(noise)
    # H(Y) - H(N), the first over a grid: the density of a sum of two uniforms.
    grid = np.linspace(-noise, 1 + noise, 400_001)
    overlap = np.minimum(grid + noise, 1) - np.maximum(grid - noise, 0)
    density = np.clip(overlap, 0, None) / (2 * noise)
    entropy = -np.sum(density * np.log(np.where(density > 0, density, 1)))
    entropy *= grid[1] - grid[0]
    expected = entropy - math.log(2 * noise)
    assert made.mutual_information == pytest.approx(expected, abs=1e-4)
    x, y = made.sample(10_000, seed=2)
    assert np.abs(y - x).max() <= noise
    assert stats.kstest(y[:, 0] - x[:, 0], "uniform", (-noise, 2 * noise)).pvalue > 0.01


def test_tables():
    table = np.array([[3, 1, 0], [0, 2, 4]])
    made = D.Discrete(table)
    x, y = made.sample(100_000, seed=1)
    counts = np.zeros((2, 3))
    np.add.at(counts, (x[:, 0], y[:, 0]), 1)
    np.testing.assert_allclose(counts / 1e5, table / 10, atol=0.01)
    p = counts / 1e5
    apart = np.outer(p.sum(1), p.sum(0))
    found = sum(
        a * math.log(a / b) for a, b in zip(p.flat, apart.flat, strict=True) if a
    )
    assert found == pytest.approx(made.mutual_information, abs=0.01)
    assert x.dtype == "int64"


def test_a_class_and_an_interval():
    made = D.ClassAndInterval(4)
    x, y = made.sample(50_000, seed=0)
    # The density of y is the number of intervals that hold it, of height 1 / 8.
    held = [np.sum((y >= c) & (y <= c + 2), axis=1) for c in range(4)]
    ratios = np.log(0.5) - np.log(np.sum(held, axis=0) / 8)
    mean, error = mean_and_error(ratios)
    assert abs(mean - made.mutual_information) < 4 * error
    assert np.all((y - x >= 0) & (y - x <= 2))


def test_zero_inflated_counts():
    made = D.ZeroInflated(0.3)
    x, y = made.sample(100_000, seed=4)
    x, y = x[:, 0].astype("float64"), y[:, 0]
    given = 0.7 * stats.poisson.pmf(y, x) + 0.3 * (y == 0)
    apart = 0.7 * 0.5 ** (y + 1.0) + 0.3 * (y == 0)
    mean, error = mean_and_error(np.log(given / apart))
    assert abs(mean - made.mutual_information) < 4 * error < 0.02


def test_mixtures():
    means = np.array([[-1.0, 0.5], [2.0, -1.0], [0.0, 3.0]])
    covariances = np.array(
        [[[1, 0.6], [0.6, 1]], [[0.5, 0], [0, 2]], [[1, -0.5], [-0.5, 0.8]]]
    )
    weights = np.array([2.0, 1.0, 3.0])
    made = D.Mixture(means, covariances, weights)
    x, y = (v[:, 0].astype("float64") for v in made.sample(100_000, seed=1))

    def density(axes, values):
        return sum(
            w * stats.multivariate_normal(m[axes], c[np.ix_(axes, axes)]).pdf(values)
            for w, m, c in zip(weights / 6, means, covariances, strict=True)
        )

    both = density([0, 1], np.stack([x, y], axis=1))
    mean, error = mean_and_error(np.log(both / density([0], x) / density([1], y)))
    assert abs(mean - made.mutual_information) < 4 * error < 0.02


MAPPED = [("asinh", 1), ("half_cube", 2), ("normal_cdf", 2), ("wiggly", 1)]


@pytest.mark.parametrize(("name", "dim"), [*MAPPED, ("bimodal", 2)])
def test_maps_of_numbers_rise(name, dim):
    base = D.gaussian(dim, 0.7)
    made = D.transformed(base, name)
    assert made.mutual_information == base.mutual_information
    before, after = base.sample(5000, seed=1), made.sample(5000, seed=1)
    for b, a in zip(before, after, strict=True):
        for k in range(dim):
            order = np.argsort(b[:, k])
            assert np.all(np.diff(a[order, k].astype("float64")) >= 0)
            assert len(np.unique(a[:, k])) > 4900


def test_spirals_turn_and_swiss_rolls_unroll():
    base = D.gaussian(4, 0.5)
    x, y = base.sample(500, seed=1)
    for before, after in zip(
        (x, y), D.transformed(base, "spiral").sample(500, seed=1), strict=True
    ):
        norms = np.linalg.norm(before, axis=1)
        np.testing.assert_allclose(np.linalg.norm(after, axis=1), norms, rtol=1e-4)
    # By the angle that its docstring says, about the first two axes of x.
    turned = D.transformed(base, "spiral").sample(500, seed=1)[0]
    angle = np.sum(x.astype("float64") ** 2, axis=1) / 4
    expected = np.cos(angle) * x[:, 0] - np.sin(angle) * x[:, 1]
    np.testing.assert_allclose(turned[:, 0], expected, atol=1e-4)
    np.testing.assert_array_equal(turned[:, 2:], x[:, 2:])
    rolled = D.task("swissroll_x-normal_cdf-1v1-normal-0.75").sample(1000, seed=1)[0]
    radius = np.linalg.norm(21 * rolled, axis=1)
    u = (radius / (1.5 * math.pi) - 1) / 2
    flat = D.task("normal_cdf-1v1-normal-0.75").sample(1000, seed=1)[0]
    np.testing.assert_allclose(u, flat[:, 0], atol=1e-4)


def test_bimodal_margins():
    x, y = D.bimodal(0.75).sample(20_000, seed=0)

    def cdf(weights, centers):
        return lambda v: sum(
            w * stats.norm.cdf(v - c) for w, c in zip(weights, centers, strict=True)
        )

    assert stats.kstest(x[:, 0], cdf((0.3, 0.7), (0, 5))).pvalue > 0.01
    assert stats.kstest(y[:, 0], cdf((0.5, 0.5), (-1, 3))).pvalue > 0.01


def test_the_forty_tasks():
    # What benchmark-mi 0.1.3 says of its own.
    known = {
        "1v1-normal-0.75": 0.41333928659,
        "1v1-additive-0.75": 1 / 3,
        "student-identity-1-1-1": 0.22417142753,
        "asinh-student-identity-5-5-2": 0.44815067692,
        "multinormal-dense-25-25-0.5": 1.29218372166,
        "spiral-normal_cdf-multinormal-sparse-25-25-2-2.0": 1.02165124753,
    }
    assert len(D.TASKS) == 40
    for name, expected in known.items():
        assert D.task(name).mutual_information == pytest.approx(expected)
    for name in D.TASKS:
        x, y = D.task(name).sample(10)
        assert len(x) == len(y) == 10
        assert np.isfinite(x).all()


def test_samples_are_those_of_their_seed():
    made = D.student(2.0, 3)
    first, again, other = (made.sample(20, seed=s) for s in (5, 5, 6))
    np.testing.assert_array_equal(first[0], again[0])
    assert not np.allclose(first[1], other[1])
    assert first[0].dtype == "float32"


def test_digits_are_passed_on_with_errors():
    made = D.DigitPairs(digits=2, error=0.25)
    entropy = -(0.25 * math.log(0.25) + 0.75 * math.log(0.75))
    assert made.mutual_information == pytest.approx(2 * (math.log(2) - entropy))
    assert D.DigitPairs(3, 0.5).mutual_information == pytest.approx(0.0)
    x, y = made.sample(2000, seed=1)
    assert x.shape == y.shape == (2000, 28, 56, 1)
    assert x.dtype == "float32"
    assert x.max() == 1
    # A zero is hollow in the middle, and a one is not.
    middle = [(v[:, 12:16, 12:16].mean(axis=(1, 2, 3)) > 0.3) for v in (x, y)]
    assert np.mean(middle[0] != middle[1]) == pytest.approx(0.25, abs=0.05)


def test_tasks_of_others():
    class Task:
        id = "theirs"

        def sample(self, rows, seed):
            x = np.random.default_rng(seed).normal(size=rows)
            return x, 2 * x

        def mutual_information(self):
            return 3.0

    made = D.adapted(Task())
    x, y = made.sample(7, seed=1)
    assert (made.name, made.mutual_information) == ("theirs", 3.0)
    np.testing.assert_array_equal(y, 2 * x)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: D.gaussian(2, 0.5, 3.0), "correlation must be left out where"),
        (lambda: D.gaussian(2, 1.0), "correlation must be between -1 and 1"),
        (lambda: D.gaussian(2, pairs=3), "pairs must be at most dim=2"),
        (lambda: D.gaussian(covariance=[[1, 2], [2, 1]]), "covariance must be a symm"),
        (lambda: D.gaussian(dim_x=1), "dim_x must be left out"),
        (lambda: D.gaussian(1, mutual_information=30), "must be less than 18 nats"),
        (lambda: D.student(1, 1, mutual_information=0.1), "at least 0.2242 nats"),
        (lambda: D.task("1v1-normal"), "Did you mean '1v1-normal-0.75'"),
        (lambda: D.transformed(D.gaussian(), "spiral").sample(3), "spiral takes at"),
        (lambda: D.gaussian().sample(0), "rows must be a positive integer"),
    ],
)
def test_what_cannot_be_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
