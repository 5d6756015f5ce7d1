"""The bounds of the literature: each against its definition, and a known truth."""

import inspect
import math

import keras
import numpy as np
import pytest
from backend_cases import floats
from gradient_checks import array, gradient, value_and_gradient
from keras import ops

from keras_infomax import backends, bounds, losses

pytestmark = pytest.mark.backends

RNG = np.random.default_rng(3)
SCORES = RNG.normal(0.3, 1.5, (6, 8))
PARTNERS = np.array([3, 1, 0, 7, 5, 2])
BASELINES = RNG.normal(size=6)
LEFT_OUT = np.where(RNG.random((6, 8)) < 0.2, -np.inf, SCORES)
LEFT_OUT[np.arange(6), PARTNERS] = SCORES[np.arange(6), PARTNERS]


def negatives(scores, partners, i):
    others = [scores[i, j] for j in range(scores.shape[1]) if j != partners[i]]
    return [s for s in others if s > -np.inf]


def every_negative(scores, partners):
    return sum((negatives(scores, partners, i) for i in range(len(scores))), [])


def exp_mean(values):
    return np.mean(np.exp(values))


def naive_tuba(scores, partners, log_baseline=0.0):
    a = np.zeros(len(scores)) + log_baseline
    return [
        1
        + scores[i, p]
        - a[i]
        - math.exp(-a[i]) * exp_mean(negatives(scores, partners, i))
        for i, p in enumerate(partners)
    ]


def naive_flo(scores, partners, normalizers):
    return [
        1
        - u
        - math.exp(-u)
        * exp_mean(np.array(negatives(scores, partners, i)) - scores[i, p])
        for i, (p, u) in enumerate(zip(partners, normalizers, strict=True))
    ]


def naive_interpolated(scores, partners, alpha, log_baseline=0.0):
    values = []
    for i, p in enumerate(partners):
        others = negatives(scores, partners, i)
        q = math.exp(log_baseline)
        joint = []
        for left in range(len(others)):
            kept = [scores[i, p], *others[:left], *others[left + 1 :]]
            m = alpha * exp_mean(kept) + (1 - alpha) * q
            joint.append(scores[i, p] - math.log(m))
        m = exp_mean(others)
        values.append(1 + np.mean(joint) - m / (alpha * m + (1 - alpha) * q))
    return values


def naive_smile(scores, partners, clip):
    every = np.clip(every_negative(scores, partners), -clip, clip)
    return [scores[i, p] - math.log(exp_mean(every)) for i, p in enumerate(partners)]


def naive_club(scores, partners):
    return [
        scores[i, p] - np.mean(negatives(scores, partners, i))
        for i, p in enumerate(partners)
    ]


def naive_leave_one_out(scores, partners):
    values = []
    for i, p in enumerate(partners):
        others = [k for k in range(len(scores)) if k != i and scores[k, p] > -np.inf]
        values.append(scores[i, p] - math.log(exp_mean(scores[others, p])))
    return values


NAIVE = [
    (bounds.tuba, naive_tuba, {"log_baseline": -0.7}),
    (bounds.tuba, naive_tuba, {"log_baseline": BASELINES}),
    (bounds.flo, naive_flo, {"normalizers": BASELINES}),
    (bounds.interpolated, naive_interpolated, {"alpha": 0.0, "log_baseline": 0.4}),
    (bounds.interpolated, naive_interpolated, {"alpha": 0.3, "log_baseline": -0.6}),
    (bounds.interpolated, naive_interpolated, {"alpha": 1.0}),
    (bounds.smile, naive_smile, {"clip": 0.8}),
    (bounds.club, naive_club, {}),
    (bounds.leave_one_out, naive_leave_one_out, {}),
]


@pytest.mark.parametrize("scores", [SCORES, LEFT_OUT], ids=["all", "left_out"])
@pytest.mark.parametrize(("bound", "naive", "options"), NAIVE)
def test_equals_the_definition(bound, naive, options, scores):
    found = bound(scores.astype("float32"), partners=PARTNERS, **options)
    expected = naive(scores, PARTNERS, **options)
    np.testing.assert_allclose(found, expected, rtol=3e-5, atol=1e-5)


def test_several_partners_are_no_negatives_of_each_other():
    several = np.array([[3, 1], [1, 4], [0, 2], [7, 6], [5, 0], [2, 3]])
    for bound, naive, options in NAIVE[3:6]:
        found = np.array(bound(SCORES.astype("float32"), partners=several, **options))
        for k in (0, 1):
            scores = SCORES.copy()
            scores[np.arange(6), several[:, 1 - k]] = -np.inf
            expected = naive(scores, several[:, k], **options)
            np.testing.assert_allclose(found[:, k], expected, rtol=3e-5, atol=1e-5)


def test_interpolation_keeps_its_digits_where_one_negative_is_all():
    scores = np.full((2, 4), -60.0)
    scores[0, 1], scores[1, 0] = 40.0, 41.0
    found = bounds.interpolated(scores.astype("float32"), alpha=1.0)
    expected = naive_interpolated(scores, [0, 1], 1.0)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_the_ends_of_the_interpolation():
    scores = SCORES.astype("float32")
    np.testing.assert_allclose(
        bounds.interpolated(scores, PARTNERS, alpha=0.0, log_baseline=1.0),
        bounds.nwj(scores, PARTNERS),
        rtol=1e-5,
    )
    # Of one negative left out in turn, InfoNCE of one column less.
    of_each = [
        bounds.infonce(np.delete(scores[:1], j, axis=1), [int(PARTNERS[0] - (j < 3))])
        for j in range(8)
        if j != 3
    ]
    found = bounds.interpolated(scores[:1], PARTNERS[:1], alpha=1.0)
    assert float(found[0]) == pytest.approx(np.mean(of_each), rel=1e-5)


ONE_CONTRACT = [
    *(bounds.infonce, bounds.nwj, bounds.jensen_shannon, bounds.donsker_varadhan),
    *(bounds.tuba, bounds.flo, bounds.interpolated, bounds.flat_nce, bounds.smile),
    *(bounds.jensen_shannon_information, bounds.barber_agakov, bounds.club),
    bounds.leave_one_out,
]


@pytest.mark.parametrize("bound", ONE_CONTRACT)
def test_a_bound_takes_scores_and_partners_before_all_else(bound):
    assert list(inspect.signature(bound).parameters)[:2] == ["scores", "partners"]
    scores = SCORES.astype("float32")
    np.testing.assert_array_equal(bound(scores), bound(scores, np.arange(6)))
    assert bound(scores, PARTNERS).shape == (6,)
    assert np.any(np.array(bound(scores, PARTNERS)) != np.array(bound(scores)))


def test_flo_without_normalizers_is_tuba():
    scores = SCORES.astype("float32")
    found = bounds.flo(scores, PARTNERS)
    np.testing.assert_allclose(found, bounds.tuba(scores, PARTNERS), rtol=1e-5)
    normalizers = -scores[np.arange(6), PARTNERS]
    explicit = bounds.flo(scores, PARTNERS, normalizers)
    np.testing.assert_array_equal(found, explicit)


def test_flo_of_the_best_normalizer_is_tight():
    scores = SCORES.astype("float32")
    best = [
        math.log(exp_mean(negatives(SCORES, PARTNERS, i))) - SCORES[i, p]
        for i, p in enumerate(PARTNERS)
    ]
    found = bounds.flo(scores, PARTNERS, np.array(best))
    np.testing.assert_allclose(found, -np.array(best), rtol=1e-4)
    worse = bounds.flo(scores, PARTNERS, np.array(best) + 0.1)
    assert np.all(np.array(worse) < np.array(found))


def test_flat_nce_has_the_value_of_infonce_and_the_gradient_of_the_negatives():
    scores = SCORES.astype("float32") * 12
    value, found = value_and_gradient(
        lambda s: ops.mean(bounds.flat_nce(s, PARTNERS)), scores
    )
    flat = ops.mean(bounds.infonce(scores, PARTNERS))
    assert float(value) == pytest.approx(float(flat), rel=1e-6)
    expected = np.zeros_like(SCORES)
    for i, p in enumerate(PARTNERS):
        others = np.exp(12 * SCORES[i])
        others[p] = 0
        expected[i] = -others / others.sum()
        expected[i, p] = 1
    np.testing.assert_allclose(found, expected / 6, atol=1e-6)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_least_divergence_inverts_its_definition(dtype):
    t = np.array([0.0, 1e-3, 0.02, 0.5, 2.0, 6.0, 11.0])
    q = np.exp(-t)
    given = math.log(2) - ((1 + q) * np.log1p(q) + q * t) / 2
    with floats(dtype):
        found = array(bounds.kl_of_jensen_shannon(given.astype(dtype)))
    # Other backends round their logarithms a little differently near zero.
    is_exact = backends.is_tensorflow()
    tolerance = {
        "float32": {"rtol": 2e-5, "atol": 2e-7 if is_exact else 5e-7},
        "float64": {"rtol": 1e-9, "atol": 0.0 if is_exact else 1e-15},
    }
    np.testing.assert_allclose(found, t, **tolerance[dtype])


def test_no_pair_of_distributions_falls_below_the_least_divergence():
    rng = np.random.default_rng(0)
    for concentration in (0.05, 0.3, 2.0):
        p, q = rng.dirichlet(np.full(4, concentration), size=(2, 400)) + 1e-12

        def kl(p, q):
            return np.sum(p * np.log(p / q), axis=1)

        js = (kl(p, (p + q) / 2) + kl(q, (p + q) / 2)) / 2
        with floats("float64"):
            bound = array(bounds.kl_of_jensen_shannon(js))
        assert np.all(kl(p, q) >= bound * (1 - 1e-6) - 1e-6)
    # And one on a point attains it.
    js = math.log(2) - ((1 + 0.3) * math.log(1.3) - 0.3 * math.log(0.3)) / 2
    assert float(bounds.kl_of_jensen_shannon(js)) == pytest.approx(-math.log(0.3))


def test_the_slope_of_the_least_divergence_is_that_of_differences():
    given = np.array([-0.2, 0.05, 0.3, 0.6])
    step = 1e-6
    with floats("float64"):
        found = gradient(bounds.kl_of_jensen_shannon, given)
        above, below = (
            array(bounds.kl_of_jensen_shannon(given + s)) for s in (step, -step)
        )
    np.testing.assert_allclose(found, (above - below) / (2 * step), rtol=1e-5)


# Gaussians of dimension 1 whose log density ratio is known, 24 batches of 128 rows.
RHO = 0.8
TRUE = -0.5 * math.log(1 - RHO**2)


def gaussian_scores(kind):
    rng = np.random.default_rng(5)
    x = rng.normal(size=(24, 128))
    y = RHO * x + math.sqrt(1 - RHO**2) * rng.normal(size=x.shape)
    variance = 1 - RHO**2
    x, y = x[:, :, None], y[:, None, :]
    density = -((y - RHO * x) ** 2) / (2 * variance)
    density -= 0.5 * math.log(2 * math.pi * variance)
    if kind == "density":
        return density
    return density + y**2 / 2 + 0.5 * math.log(2 * math.pi)


def of_batches(bound, scores, **options):
    """Mean over batches, and its standard error."""
    values = [float(ops.mean(bound(s.astype("float32"), **options))) for s in scores]
    return np.mean(values), np.std(values) / math.sqrt(len(values))


@pytest.mark.parametrize(
    ("bound", "options"),
    [
        (bounds.tuba, {}),
        (bounds.interpolated, {"alpha": 0.05}),
        (bounds.nwj, {}),
        (bounds.flo, {}),
        (bounds.donsker_varadhan, {}),
    ],
)
def test_unbiased_bounds_are_the_truth_at_the_best_critic(bound, options):
    scores = gaussian_scores("ratio")
    if bound is bounds.nwj:
        scores = scores + 1
    mean, error = of_batches(bound, scores, **options)
    assert error < 0.03
    assert abs(mean - TRUE) < 4 * error + (0.03 if bound is bounds.interpolated else 0)


@pytest.mark.parametrize("scale", [0.0, 0.4, 1.0, 1.3])
@pytest.mark.parametrize(
    ("bound", "options"),
    [
        (bounds.tuba, {"log_baseline": 0.3}),
        (bounds.interpolated, {"alpha": 0.4, "log_baseline": 0.3}),
        (bounds.nwj, {}),
        (bounds.flat_nce, {}),
        (bounds.infonce, {}),
        (bounds.jensen_shannon_information, {}),
    ],
)
def test_lower_bounds_do_not_exceed_the_truth_at_any_critic(bound, options, scale):
    mean, error = of_batches(bound, scale * gaussian_scores("ratio"), **options)
    assert mean < TRUE + 3 * error


def test_upper_bounds_of_the_true_density():
    scores = gaussian_scores("density")
    mean, error = of_batches(bounds.club, scores)
    assert abs(mean - RHO**2 / (1 - RHO**2)) < 4 * error < 0.3
    mean, error = of_batches(bounds.leave_one_out, scores)
    assert TRUE - 3 * error < mean < TRUE + 0.15
    entropy = 0.5 * math.log(2 * math.pi * math.e)
    mean, error = of_batches(bounds.barber_agakov, scores, entropy=entropy)
    assert abs(mean - TRUE) < 4 * error < 0.1


def test_the_rate_is_the_divergence_of_gaussians():
    means, log_variances = RNG.normal(size=(2, 3, 4))
    variances = np.exp(log_variances)
    expected = 0.5 * (means**2 + variances - 1 - log_variances).sum(axis=1)
    found = bounds.vib_rate(means, log_variances)
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    with pytest.raises(ValueError, match="means and log_variances must have one shape"):
        bounds.vib_rate(means, log_variances[:, :2])


OF_LOSSES = {
    "tuba": (losses.TUBA(log_baseline=0.4), bounds.tuba, {"log_baseline": 0.4}),
    "interpolated": (
        losses.Interpolated(alpha=0.3, log_baseline=-0.2),
        bounds.interpolated,
        {"alpha": 0.3, "log_baseline": -0.2},
    ),
    "flo": (losses.FLO(), bounds.tuba, {}),
    "flat_nce": (losses.FlatNCE(), bounds.flat_nce, {}),
    "smile": (losses.SMILE(clip=0.7), bounds.smile, {"clip": 0.7}),
    "mine": (losses.MINE(momentum=0.0), bounds.donsker_varadhan, {}),
    "jensen_shannon_information": (
        losses.JensenShannonInformation(),
        bounds.jensen_shannon_information,
        {},
    ),
    "barber_agakov": (
        losses.BarberAgakov(entropy=2.0),
        bounds.barber_agakov,
        {"entropy": 2.0},
    ),
}
MINIMIZED = {
    "club": (losses.CLUB(), bounds.club, {}),
    "leave_one_out": (losses.LeaveOneOut(), bounds.leave_one_out, {}),
}


@pytest.mark.parametrize("name", [*OF_LOSSES, *MINIMIZED])
def test_losses_are_their_bounds_in_value_and_gradient(name):
    loss, bound, options = {**OF_LOSSES, **MINIMIZED}[name]
    sign = 1 if name in MINIMIZED else -1
    scores = SCORES.astype("float32")
    value, found = value_and_gradient(lambda s: loss(PARTNERS, s), scores)
    other, expected = value_and_gradient(
        lambda s: sign * ops.mean(bound(s, partners=PARTNERS, **options)), scores
    )
    assert value == pytest.approx(other, rel=1e-5)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    estimate = float(loss.estimate(PARTNERS, scores))
    assert estimate == pytest.approx(sign * float(value), rel=1e-5)


@pytest.mark.parametrize("name", [*OF_LOSSES, *MINIMIZED])
def test_losses_round_trip(name):
    loss = {**OF_LOSSES, **MINIMIZED}[name][0]
    copy = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(loss)
    )
    assert copy.get_config() == loss.get_config()
    scores = SCORES.astype("float32")
    assert float(copy(PARTNERS, scores)) == float(loss(PARTNERS, scores))


@pytest.mark.parametrize("name", OF_LOSSES)
def test_targets_of_all_of_them(name):
    loss, *_ = OF_LOSSES[name]
    scores = SCORES.astype("float32")
    target = losses.TargetLoss(loss, 1.5)
    expected = abs(float(loss.estimate(PARTNERS, scores)) - 1.5)
    assert float(target(PARTNERS, scores)) == pytest.approx(expected, rel=1e-5)


def test_ceilings():
    assert losses.FlatNCE().ceiling(64) == pytest.approx(math.log(64))
    assert losses.Interpolated(alpha=1.0).ceiling(65) == pytest.approx(math.log(64))
    half = losses.Interpolated(alpha=0.5).ceiling(65)
    assert half == pytest.approx(1 + math.log(128))
    assert losses.Interpolated(alpha=0.0).ceiling(65) == math.inf
    # It is reached: negatives that score nothing beside the baseline.
    scores = (200 * np.eye(65) - 100).astype("float32")
    mean = float(ops.mean(bounds.interpolated(scores, alpha=0.5)))
    assert mean == pytest.approx(half, rel=1e-5)


def test_smile_can_be_trained_by_jensen_shannon():
    loss = losses.SMILE(clip=0.7, gradient="jensen_shannon")
    scores = SCORES.astype("float32")
    value, found = value_and_gradient(lambda s: loss(PARTNERS, s), scores)
    other = gradient(lambda s: losses.JensenShannon()(PARTNERS, s), scores)
    expected = -np.mean(naive_smile(SCORES, PARTNERS, 0.7))
    assert value == pytest.approx(expected, rel=1e-5)
    np.testing.assert_allclose(found, other, atol=1e-7)


# A function that JAX differentiates may not assign to a variable.
@pytest.mark.backends("tensorflow", "torch")
def test_mine_divides_by_its_moving_average():
    loss = losses.MINE(momentum=0.8)
    batches = [SCORES, SCORES * 1.5 - 1, SCORES[::-1].copy()]
    average = None
    for batch in batches:
        value, found = value_and_gradient(
            lambda s: loss(PARTNERS, s), batch.astype("float32")
        )
        mean = exp_mean(every_negative(batch, PARTNERS))
        average = mean if average is None else 0.8 * average + 0.2 * mean
        expected = np.exp(batch) / (6 * 7) / average
        expected[np.arange(6), PARTNERS] = -1 / 6
        np.testing.assert_allclose(found, expected, rtol=1e-4)
        dv = -float(
            ops.mean(bounds.donsker_varadhan(batch.astype("float32"), PARTNERS))
        )
        assert float(value) == pytest.approx(dv, rel=1e-5)
        assert float(loss.variables[0]) == pytest.approx(math.log(average), rel=1e-5)
    # What is only asked for moves nothing, nor does an evaluation.
    loss.estimate(PARTNERS, SCORES.astype("float32"))
    with losses.in_step(training=False):
        loss(PARTNERS, SCORES.astype("float32"))
    assert float(loss.variables[0]) == pytest.approx(math.log(average), rel=1e-5)


def test_mine_outlives_a_batch_that_overflows():
    loss = losses.MINE()
    loss(PARTNERS, np.full((6, 8), np.inf, "float32"))
    value = loss(PARTNERS, SCORES.astype("float32"))
    assert np.isfinite(float(value))
