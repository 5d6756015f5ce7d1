"""What an estimate is made of: columns, margins, canonical features, errors."""

import math

import numpy as np
import pytest
from scipy import stats

from keras_infomax import bounds, distributions, version
from keras_infomax.estimation import benchmark, columns, doubts, evaluation, references
from keras_infomax.estimation.canonical import Canonical
from keras_infomax.estimation.infonce import symmetric_infonce

RNG = np.random.default_rng(0)


def test_columns_are_read_by_their_kind():
    table = np.array([[0.5, 2], [1.5, 3], [0.25, 2], [7.5, 3]])
    found = columns.read("x", table)
    assert found.numbers.shape == (4, 2)
    assert found.is_continuous
    words = columns.read("x", np.array(["b", "a", "b", "a"]))
    assert words.classes.ravel().tolist() == [1, 0, 1, 0]
    many = columns.read("x", np.arange(500))
    assert many.numbers.shape == (500, 1)
    few = columns.read("x", np.array([5, 9] * 50))
    assert few.classes.max() == 1
    images = columns.read("x", np.full((3, 4, 4, 1), 51, "uint8"))
    assert images.images.max() == pytest.approx(0.2)
    for wrong in (np.array([1.0, math.nan]), 3.0, np.array(list("abcdefgh")), [[1], 2]):
        with pytest.raises(ValueError, match=r"^x must"):
            columns.read("x", wrong)


def test_tables_are_read_by_column():
    class Frame:
        columns = ("age", "group")
        dtypes = ("float", "object")

        def __getitem__(self, name):
            return {"age": [1.5, 2.5, 3.5, 9.0], "group": ["a", "b"] * 2}[name]

    found = columns.read("x", Frame())
    assert found.numbers.shape == found.classes.shape == (4, 1)


def test_copula_margins_are_those_of_ranks():
    values = np.exp(RNG.normal(size=(4001, 1)))
    side = columns.read("x", values)
    train = np.arange(3000)
    mapped = columns.Margins("copula").fit(side, train).numbers(side)[:, 0]
    ranks = stats.rankdata(values[train, 0])
    expected = stats.norm.ppf((ranks - 0.5) / 3000)
    np.testing.assert_allclose(mapped[train], expected, atol=1e-4)
    # Held-out values keep their order, beyond all known ones, too.
    order = np.argsort(values[:, 0])
    assert np.all(np.diff(mapped[order]) >= 0)
    beyond = columns.read("x", np.array([[-5.0], [1e9]]))
    low, high = (
        columns.Margins("copula")
        .fit(side, train)
        .numbers(
            columns.Columns(
                "x", np.vstack([side.numbers, beyond.numbers]), side.classes[:0]
            )
        )[-2:, 0]
    )
    assert low < mapped.min() < mapped.max() < high


def test_standard_margins_and_classes():
    values = np.stack([RNG.normal(3, 5, 200), np.full(200, 2.0)], axis=1)
    side = columns.read("x", values)
    mapped = columns.Margins("standard").fit(side, np.arange(200)).all(side)
    assert mapped.std(axis=0) == pytest.approx([1, 0], abs=1e-5)
    classes = columns.read("x", np.array([0, 2, 1, 1] * 10))
    hot = columns.Margins("copula").fit(classes, np.arange(40)).all(classes)
    np.testing.assert_array_equal(hot[:4], [[1, 0, 0], [0, 0, 1], [0, 1, 0], [0, 1, 0]])


def test_canonical_features_are_the_density_ratio():
    made = distributions.gaussian(3, 0.7)
    x, y = (v.astype("float64") for v in made.sample(200_000, seed=1))
    fitted = Canonical(x, y)
    assert fitted.mutual_information == pytest.approx(made.mutual_information, abs=0.01)
    left, right = fitted.features(x[:50], y[:40])
    both = stats.multivariate_normal(np.zeros(6), made.covariance)
    one = stats.multivariate_normal(np.zeros(3), np.eye(3))
    pairs = np.concatenate(
        [np.repeat(x[:50], 40, axis=0), np.tile(y[:40], (50, 1))], axis=1
    )
    expected = both.logpdf(pairs) - one.logpdf(pairs[:, :3]) - one.logpdf(pairs[:, 3:])
    found = (left.astype("float64") @ right.T).ravel()
    np.testing.assert_allclose(found, expected, atol=0.2)


def test_noise_has_no_canonical_correlations():
    x, y = RNG.normal(size=(2, 400, 12))
    assert Canonical(x, y).mutual_information == pytest.approx(0, abs=0.02)
    # A column that repeats another one is no trouble.
    repeated = Canonical(np.hstack([x, x[:, :1]]), x[:, :1] + 0.1 * y[:, :1])
    assert repeated.mutual_information > 1.5


def test_symmetric_infonce_is_the_bound_of_both_directions():
    scores = RNG.normal(size=(30, 30)).astype("float32")
    scores[3, 7] = -np.inf
    expected = sum(np.mean(bounds.infonce(scores, axis=axis)) for axis in (0, 1)) / 2
    assert symmetric_infonce(scores) == pytest.approx(expected, abs=1e-5)


def held(rows=120, groups=None, seed=0):
    rng = np.random.default_rng(seed)
    scores = (rng.normal(size=(rows, rows)) + 2 * np.eye(rows)).astype("float32")
    groups = np.arange(rows) if groups is None else groups
    return evaluation.HeldOut(scores, 0.1 * rng.normal(size=rows), groups, 2.5)


@pytest.mark.parametrize(
    "method", ["infonce", "nwj", "tuba", "donsker_varadhan", "smile"]
)
def test_errors_from_sums_are_those_of_leaving_out(method):
    scores = held(groups=np.arange(120) // 3)
    scores.scores[5, 9] = -np.inf
    estimate = evaluation.ESTIMATORS[method]
    values = np.array([estimate(scores.without(block)) for block in scores.blocks()])
    count = len(values)
    if method in ("nwj", "donsker_varadhan", "smile"):
        # The one baseline of all rows is that of all rows.
        assert count == 20
    expected = np.sqrt((count - 1) / count * np.sum((values - values.mean()) ** 2))
    assert evaluation.error(method, scores) == pytest.approx(expected, rel=0.1)


def test_intervals_are_two_sided():
    # Student's t of 19 degrees of freedom, and of 1: tan(0.45 pi).
    assert evaluation.quantile(20, 0.95) == pytest.approx(2.093024, abs=1e-6)
    assert evaluation.quantile(2, 0.9) == pytest.approx(math.tan(0.45 * math.pi))


def test_blocks_keep_groups_together():
    groups = np.repeat(np.arange(40), 3)[np.random.default_rng(0).permutation(120)]
    blocks = held(groups=groups).blocks()
    assert np.sum(blocks, axis=0).tolist() == [1] * 120
    for block in blocks:
        assert not set(groups[block]) & set(groups[~block])


def test_the_largest_score_keeps_the_bound_from_exploding():
    true = RNG.normal(3, 1, 500)
    scores = RNG.normal(-2, 1, (500, 300))
    scores[0, :3] = 60.0
    cut = evaluation.largest_score(scores, true)
    assert 2 < cut < true.max() + 1e-9

    def donsker_varadhan(largest):
        kept = np.minimum(scores, largest)
        return np.minimum(true, largest).mean() - math.log(np.exp(kept).mean())

    assert donsker_varadhan(cut) > donsker_varadhan(math.inf) + 20


def test_permutations_deal_groups_whole():
    scores = held(groups=np.arange(120) // 2)
    drawn = evaluation.permuted(scores, 500, np.random.default_rng(0))
    assert drawn[0] == pytest.approx(np.mean(np.diagonal(scores.scores)))
    assert np.mean(drawn >= drawn[0]) == pytest.approx(1 / 501)
    # Under independence the true pairs are one of many orders.
    free = evaluation.HeldOut(RNG.normal(size=(60, 60)), np.zeros(60), np.arange(60))
    drawn = evaluation.permuted(free, 400, np.random.default_rng(1))
    assert 0.01 < np.mean(drawn >= drawn[0]) <= 1


def naive_ksg(x, y, k):
    """From the definition: the largest difference of a column, row by row."""
    rows = len(x)
    psi = 0.0
    for i in range(rows):
        dx = np.abs(x - x[i]).max(axis=1)
        dy = np.abs(y - y[i]).max(axis=1)
        both = np.sort(np.maximum(dx, dy)[np.arange(rows) != i])
        radius = both[k - 1]
        counts = [np.sum(d < radius) - 1 for d in (dx, dy)]
        psi += sum(float(_digamma(c + 1)) for c in counts) / rows
    return float(_digamma(k) + _digamma(rows)) - psi


def _digamma(value):
    from scipy import special

    return special.digamma(value)


def test_ksg_is_its_definition():
    x, y = distributions.gaussian(2, 0.7).sample(150, seed=1)
    x, y = x.astype("float64"), y.astype("float64")
    for k in (1, 3, 5):
        assert references.ksg(x, y, k) == pytest.approx(naive_ksg(x, y, k), abs=1e-9)


def test_ksg_finds_what_gaussians_share():
    made = distributions.gaussian(correlation=0.8)
    x, y = (v.astype("float64") for v in made.sample(4000, seed=2))
    value, error = references.ksg(x, y), references.ksg_error(x, y)
    assert 0.005 < error < 0.05
    assert abs(value - made.mutual_information) < 4 * error


@pytest.mark.parametrize(
    ("changed", "word"),
    [
        ({"value": 5.5, "ceiling": 6.0}, "ceiling"),
        ({"value": math.nan}, "exploded"),
        ({"error": 2.0}, "variance"),
        ({"value": 7.0}, "too few for this estimate"),
        ({"gap": 2.0}, "overfits"),
        ({"bounds": {"infonce": 1.0, "donsker_varadhan": 3.0}}, "disagree"),
    ],
)
def test_doubts(changed, word):
    plain = {
        "method": "donsker_varadhan",
        "value": 2.0,
        "error": 0.05,
        "ceiling": math.inf,
        "bounds": {"infonce": 1.95, "donsker_varadhan": 2.0},
        "gap": 0.1,
        "held_out": 400,
    }
    assert doubts.of_value(**plain) == []
    found = doubts.of_value(**{**plain, **changed})
    assert any(word in doubt for doubt in found)


def test_doubts_about_rows():
    x, y = RNG.normal(size=(2, 300, 2))

    def of(x, y, grouped=False):
        return doubts.of_rows(columns.read("x", x), columns.read("y", y), grouped)

    assert of(x, y) == []
    (copies,) = of(np.vstack([x, x[:40]]), np.vstack([y, y[:40]]))
    assert copies.startswith("40 rows are copies")
    (series,) = of(np.cumsum(x, axis=0), np.cumsum(y, axis=0))
    assert "time series" in series
    assert of(np.cumsum(x, axis=0), np.cumsum(y, axis=0), grouped=True) == []


def test_tasks_by_their_numbers():
    assert benchmark.task("uniform:3:5").mutual_information == pytest.approx(5)
    assert benchmark.task("student:3:5:5").degrees == 3
    assert benchmark.task("1v1-additive-0.1").name == "1v1-additive-0.1"
    with pytest.raises(ValueError, match="name must be a name and numbers"):
        benchmark.task("gaussian:a:b")


def test_a_benchmark_goes_on_where_it_stopped(tmp_path, capsys):
    settings = {
        "tasks": ["gaussian:1:0.5"],
        "rows": [100],
        "seeds": [0],
        "methods": ["gaussian"],
        "steps": 0,
    }
    path = benchmark.run(settings, tmp_path)
    first = path.read_text()
    assert first.splitlines()[0] == ",".join(benchmark.COLUMNS)
    benchmark.run({**settings, "seeds": [0, 1]}, tmp_path)
    table = benchmark.read(path)
    assert path.read_text().startswith(first)
    assert [row["seed"] for row in table] == ["0", "1"]
    assert {row["commit"] for row in table} == {version.commit()}
    assert capsys.readouterr().out.count("1 estimates") == 2
    mean = np.mean([float(row["value"]) for row in table])
    assert f"| {mean:.2f} |" in benchmark.summary(table)
    assert len(benchmark.draw(table).axes[0].lines) == 2
    with pytest.raises(ValueError, match="settings must have the keys"):
        benchmark.run({"tasks": []}, tmp_path)
