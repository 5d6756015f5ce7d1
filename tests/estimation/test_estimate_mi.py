"""`estimate_mi` on rows of known mutual information."""

import json
import math
import re

import keras
import numpy as np
import pytest

import keras_infomax as kim
from keras_infomax import distributions
from keras_infomax.estimation import MIEstimate, read_csv
from keras_infomax.estimation.benchmark import task


def estimate(made, rows, draw=0, **options):
    x, y = made.sample(rows, draw)
    return kim.estimate_mi(x, y, **{"verbose": False, **options})


@pytest.fixture(scope="module")
def found():
    """Of what a Gaussian cannot tell: a class, and an interval that it moves."""
    return estimate(
        distributions.Mixture([[0, -2], [-3, 2], [3, 2]], [0.2 * np.eye(2)] * 3),
        1500,
        folds=2,
        steps=450,
        batch_size=128,
    )


def test_a_critic_finds_what_no_correlation_tells(found):
    truth = distributions.Mixture(
        [[0, -2], [-3, 2], [3, 2]], [0.2 * np.eye(2)] * 3
    ).mutual_information
    assert truth > 0.6
    # A line through the modes finds nothing.
    assert found.history[0]["val_mi"][0] < 0.05
    low, high = found.interval
    assert 0.4 < found.value < truth + 0.05
    assert low < found.value < high
    assert found.bits == pytest.approx(found.value / math.log(2))
    assert found.ceiling == pytest.approx(math.log(750))
    assert found.p_value == pytest.approx(1 / 201)
    assert 0.4 < found.bounds["donsker_varadhan"] < truth + 0.1
    assert set(found.bounds) == set(kim.estimation.METHODS) - {"ksg", "gaussian"}
    assert float(found) == found.value


def test_the_history_tells_of_each_training(found):
    assert len(found.history) == 2
    for history in found.history:
        assert history["step"][0] == 0
        assert max(history["val_mi"]) > history["val_mi"][0] + 0.2


def test_one_line_and_one_picture(found):
    assert re.fullmatch(
        r"<MI 0\.\d{3} nats, 95% \[0\.\d{3}, 0\.\d{3}\], infonce, 1500 rows, "
        r"ceiling 6\.62(, \d warnings?)?>",
        repr(found),
    )
    axes = found.plot().axes[0]
    assert axes.get_ylabel() == "mutual information [nats]"
    assert len(axes.lines) == 2 * 2 + 2
    assert json.loads(json.dumps(found.as_dict(), allow_nan=False))["rows"] == 1500


@pytest.mark.parametrize("seed", [1])
@pytest.mark.parametrize("method", ["infonce", "donsker_varadhan", "nwj", "gaussian"])
def test_intervals_hold_what_gaussians_share(method, seed):
    made = distributions.gaussian(correlation=0.7)
    options = {} if method == "gaussian" else {"steps": 0}
    found = estimate(made, 1200, seed, method=method, **options)
    low, high = found.interval
    assert low < made.mutual_information < high
    assert high - low < 0.2


@pytest.mark.parametrize("name", ["half_cube", "normal_cdf", "wiggly"])
def test_copula_margins_leave_the_estimate_as_it_is(name):
    base = distributions.gaussian(correlation=0.7)
    plain = estimate(base, 800, 3, method="gaussian").value
    mapped = distributions.transformed(base, name)
    value = estimate(mapped, 800, 3, method="gaussian").value
    assert value == pytest.approx(plain, abs=1e-4)


def test_independent_rows_share_nothing():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 400, 2))
    found = kim.estimate_mi(x, y, steps=0, verbose=False)
    assert abs(found.value) < 0.02
    assert found.p_value > 0.05


@pytest.mark.parametrize("method", ["gaussian", "ksg", "infonce"])
def test_conditions(method):
    """X - Z - Y is a chain, and I(X; Y) is all of Z's."""
    rng = np.random.default_rng(0)
    z = rng.normal(size=2000)
    x, y = z + 0.6 * rng.normal(size=2000), z + 0.6 * rng.normal(size=2000)
    options = {"steps": 0} if method == "infonce" else {}
    alone = kim.estimate_mi(x, y, method, verbose=False, **options)
    given = kim.estimate_mi(x, y, method, z=z, verbose=False, **options)
    correlation = 1 / 1.36
    truth = -0.5 * math.log(1 - correlation**2)
    assert alone.value == pytest.approx(truth, abs=0.06)
    assert abs(given.value) < 0.06
    assert given.interval[0] < 0 < given.interval[1]
    assert math.isnan(given.p_value)


def test_groups_widen_the_interval():
    """Each row comes ten times: as if there were a tenth of them."""
    x, y = distributions.gaussian(correlation=0.7).sample(150, seed=1)
    groups = np.repeat(np.arange(150), 10)
    x, y = (np.repeat(v, 10, axis=0) for v in (x, y))
    x = x + 1e-3 * np.random.default_rng(0).normal(size=x.shape).astype("float32")
    naive, grouped = (
        kim.estimate_mi(x, y, steps=0, groups=g, verbose=False) for g in (None, groups)
    )

    def width(found):
        return found.interval[1] - found.interval[0]

    assert width(grouped) > 2 * width(naive)
    assert grouped.interval[0] < -0.5 * math.log(1 - 0.49) < grouped.interval[1]
    assert any("time series" in doubt for doubt in naive.warnings)


def test_an_estimate_at_its_ceiling_says_so():
    found = estimate(task("gaussian:5:9"), 400, steps=0, folds=2)
    assert found.value < found.ceiling == pytest.approx(math.log(200))
    assert any("ceiling" in doubt for doubt in found.warnings)
    assert found.bounds["donsker_varadhan"] > found.value + 1


@pytest.mark.slow
def test_classes_and_texts():
    made = distributions.Discrete([[0.45, 0.05], [0.1, 0.4]])
    x, y = made.sample(1500, seed=1)
    names = np.array(["no", "yes"])[x[:, 0]]
    found = kim.estimate_mi(
        names, y[:, 0] == 1, steps=100, folds=2, batch_size=100, verbose=False
    )
    assert found.interval[0] < made.mutual_information < found.interval[1]


def test_datasets_of_pairs():
    import tensorflow as tf

    x, y = distributions.gaussian(2, 0.7).sample(200, seed=1)
    pairs = tf.data.Dataset.from_tensor_slices((x, y))
    expected = kim.estimate_mi(x, y, method="gaussian").value
    for data in (pairs, pairs.batch(64), pairs.batch(64).map(lambda *pair: (pair,))):
        assert kim.estimate_mi(data, method="gaussian").value == pytest.approx(expected)


def test_the_same_seed_gives_the_same_estimate():
    made = distributions.gaussian(correlation=0.5)
    first, again = (estimate(made, 200, 1, steps=0).value for _ in range(2))
    assert first == again
    assert estimate(made, 200, 1, steps=0, seed=1).value != first


@pytest.mark.slow
def test_images_through_a_convnet():
    made = distributions.DigitPairs(1, 0.05)
    found = estimate(made, 2000, folds=1, steps=400, batch_size=128)
    assert abs(found.value - made.mutual_information) < 0.15


def test_an_encoder_of_ones_own():
    x, y = distributions.gaussian(1, 0.8).sample(300, seed=1)
    keras.utils.set_random_seed(0)
    encoder = keras.Sequential([keras.Input((1,)), keras.layers.Dense(5)])
    found = kim.estimate_mi(
        x, y, encoder_x=encoder, folds=1, steps=20, batch_size=64, verbose=False
    )
    assert np.isfinite(found.value)


ENCODER = keras.Sequential([keras.Input((1,)), keras.layers.Dense(2)])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"y": np.zeros(99)}, "same number of rows.*100 of x, 99 of y"),
        ({"x": np.zeros(9), "y": np.zeros(9)}, "at least 50 rows; received 9"),
        ({"method": "info_nce"}, "method must be .*'info_nce'. .* method='infonce'"),
        ({"groups": np.arange(5)}, "groups must be one number or text"),
        ({"groups": np.arange(100) // 20}, "groups must have at least 10"),
        ({"folds": 60}, "folds must be at most half"),
        ({"method": "ksg", "folds": 3}, "folds must be left out with method='ksg'"),
        ({"method": "gaussian", "steps": 9}, "steps must be left out with method="),
        ({"method": "ksg", "permutations": 9}, "permutations must be left out with m"),
        ({"z": np.arange(100), "permutations": 9}, "permutations must be .* with z"),
        (
            {"method": "gaussian", "groups": np.arange(100) // 5, "permutations": 9},
            "permutations must be left out with groups",
        ),
        ({"steps": 0, "batch_size": 32}, "batch_size must be left out with steps=0"),
        ({"steps": 0, "encoder_x": ENCODER}, "encoder_x must be .* with steps=0"),
        ({"level": 1.0}, "level must be"),
        ({"margins": "ranks"}, "margins must be"),
        ({"y": np.full(100, math.nan)}, "y must be finite"),
        ({"y": None}, "y must be given"),
    ],
)
def test_what_cannot_be_is_refused(options, message):
    given = {"x": np.arange(100.0), "y": np.arange(100.0) ** 2, **options}
    with pytest.raises(ValueError, match=message):
        kim.estimate_mi(given.pop("x"), given.pop("y"), **given)


def test_columns_of_a_csv_file(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("a,b,c\n1,0.5,x\n2,1e3,y\n")
    x, y, none = read_csv(path, ["a", "b"], ["c"], [])
    assert x["a"].tolist() == [1, 2]
    assert x["b"].tolist() == [0.5, 1000]
    assert y["c"].tolist() == ["x", "y"]
    assert none.columns == []
    for wanted, message in (
        ([["d"]], "no column 'd'"),
        ([["a"], ["a"]], "'a' must be given once"),
    ):
        with pytest.raises(ValueError, match=message):
            read_csv(path, *wanted)
    path.write_text("a,b\n1\n")
    with pytest.raises(ValueError, match="Line 2"):
        read_csv(path, ["a"])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "method"),
    [
        ("1v1-normal-0.75", "infonce"),
        ("gaussian:2:1", "donsker_varadhan"),
        ("uniform:1:0.4", "nwj"),
        ("1v1-normal-0.75", "gaussian"),
    ],
)
def test_intervals_cover(name, method):
    """Nominal 95 of 100, between 90 and 99 of them over 200 seeds."""
    made = task(name)
    options = {} if method == "gaussian" else {"steps": 0}
    hits = 0
    for seed in range(200):
        found = estimate(
            made, 1000, seed, method=method, seed=seed, permutations=0, **options
        )
        hits += found.interval[0] <= made.mutual_information <= found.interval[1]
    assert 180 <= hits <= 198


def test_results_are_plain():
    found = MIEstimate(1.0, (0.5, 1.5), 0.9, "ksg", 60, warnings=["a", "b"])
    assert (
        repr(found) == "<MI 1.000 nats, 90% [0.500, 1.500], ksg, 60 rows, 2 warnings>"
    )
    assert found.as_dict()["ceiling"] is None
