import math

import keras
import numpy as np
import pytest
from gradient_checks import array, gradient
from keras import ops

from keras_infomax import bounds

pytestmark = pytest.mark.backends


def naive_infonce(scores, partners):
    """From the definition, in float64: one softmax a row."""
    rows, columns = scores.shape
    values = []
    for i in range(rows):
        denominator = sum(math.exp(scores[i, j]) for j in range(columns)) / columns
        values.append(math.log(math.exp(scores[i, partners[i]]) / denominator))
    return np.array(values)


def naive_nwj(scores, partners):
    """From the definition, in float64: the true pair left out of the marginal."""
    rows, columns = scores.shape
    values = []
    for i in range(rows):
        others = [math.exp(scores[i, j]) for j in range(columns) if j != partners[i]]
        values.append(scores[i, partners[i]] - math.exp(-1) * np.mean(others))
    return np.array(values)


NAIVE = {bounds.infonce: naive_infonce, bounds.nwj: naive_nwj}
BOTH = pytest.mark.parametrize("bound", list(NAIVE))


def random_scores(rows, columns, seed=1):
    return np.random.default_rng(seed).normal(0.3, 1.5, (rows, columns))


@BOTH
@pytest.mark.parametrize(("rows", "columns"), [(5, 5), (3, 7), (7, 4), (1, 2)])
def test_equals_the_definition(bound, rows, columns):
    scores = random_scores(rows, columns)
    partners = np.random.default_rng(2).integers(0, columns, rows)
    values = bound(scores.astype("float32"), partners)
    assert values.shape == (rows,)
    np.testing.assert_allclose(values, NAIVE[bound](scores, partners), rtol=2e-5)


@BOTH
def test_partners_default_to_the_diagonal(bound):
    scores = random_scores(4, 6).astype("float32")
    np.testing.assert_array_equal(bound(scores), bound(scores, [0, 1, 2, 3]))
    assert not np.allclose(bound(scores), bound(scores, [1, 2, 3, 4]))


@pytest.mark.parametrize(("rows", "columns"), [(5, 5), (4, 7)])
def test_transposed_infonce_equals_the_definition(rows, columns):
    scores = random_scores(rows, columns)
    partners = np.random.default_rng(2).permutation(columns)[:rows]
    expected = [
        math.log(rows)
        + scores[i, partners[i]]
        - math.log(sum(math.exp(scores[k, partners[i]]) for k in range(rows)))
        for i in range(rows)
    ]
    values = bounds.infonce(scores.astype("float32"), partners, axis=0)
    np.testing.assert_allclose(values, expected, rtol=2e-5)


def test_axis_must_be_one_of_the_two():
    with pytest.raises(ValueError, match="axis must be 1"):
        bounds.infonce(np.zeros((3, 3), "float32"), axis=2)


def test_infonce_of_constant_scores_is_zero():
    np.testing.assert_allclose(bounds.infonce(ops.full((6, 6), 3.7)), 0, atol=1e-6)


def test_infonce_ignores_a_constant_added_to_a_row():
    scores = random_scores(5, 5).astype("float32")
    shifted = scores + np.array([[0.0], [3.0], [-2.0], [10.0], [0.5]], "float32")
    np.testing.assert_allclose(
        bounds.infonce(shifted), bounds.infonce(scores), atol=1e-5
    )


def test_infonce_of_a_strong_diagonal_is_its_ceiling():
    scores = 1e4 * (2 * np.eye(9, dtype="float32") - 1)
    np.testing.assert_allclose(bounds.infonce(scores), math.log(9), rtol=1e-6)


def test_infonce_is_finite_for_the_worst_scores():
    scores = 1e4 * (1 - 2 * np.eye(9, dtype="float32"))
    expected = math.log(9) - (2e4 + math.log(8))
    np.testing.assert_allclose(bounds.infonce(scores), expected, rtol=1e-6)


def test_nwj_of_zero_and_of_unit_scores():
    np.testing.assert_allclose(bounds.nwj(ops.zeros((4, 4))), -math.exp(-1), rtol=1e-6)
    np.testing.assert_allclose(bounds.nwj(ops.ones((4, 4))), 0, atol=1e-6)


def test_nwj_is_finite_wherever_its_value_is():
    separated = 1e4 * (2 * np.eye(5, dtype="float32") - 1)
    np.testing.assert_allclose(bounds.nwj(separated), 1e4)
    # exp(89) overflows float32; a hundredth of it does not.
    columns = 101
    scores = np.full((1, columns), -1e4, "float32")
    scores[0, 0], scores[0, 1] = 1e4, 90.0
    expected = 1e4 - math.exp(89) / (columns - 1)
    np.testing.assert_allclose(bounds.nwj(scores), [expected], rtol=1e-5)


@BOTH
def test_gradients_equal_finite_differences(bound):
    scores = random_scores(3, 4)
    partners = np.array([2, 0, 3])
    found = gradient(lambda s: ops.mean(bound(s, partners)), scores.astype("float32"))
    numerical = np.zeros_like(scores)
    for index in np.ndindex(*scores.shape):
        step = np.zeros_like(scores)
        step[index] = 1e-5
        above = NAIVE[bound](scores + step, partners).mean()
        below = NAIVE[bound](scores - step, partners).mean()
        numerical[index] = (above - below) / 2e-5
    np.testing.assert_allclose(found, numerical, atol=2e-5)


@BOTH
def test_gradients_are_finite_for_huge_scores(bound):
    scores = 1e4 * (2 * np.eye(4, dtype="float32") - 1)
    assert np.isfinite(gradient(lambda s: ops.mean(bound(s)), scores)).all()


@BOTH
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_is_computed_in_float32(bound, dtype):
    scores = ops.cast(random_scores(64, 64), dtype)
    values = bound(scores)
    assert keras.backend.standardize_dtype(values.dtype) == "float32"
    wide = array(ops.cast(scores, "float32")).astype("float64")
    exact = NAIVE[bound](wide, np.arange(64))
    np.testing.assert_allclose(values, exact, rtol=1e-4)


@pytest.mark.backends("tensorflow")
@BOTH
@pytest.mark.parametrize("jit_compile", [False, True])
def test_shapes_may_be_unknown_when_traced(bound, jit_compile):
    import tensorflow as tf

    specification = tf.TensorSpec([None, None], tf.float32)
    function = tf.function(
        bound, input_signature=[specification], jit_compile=jit_compile
    )
    for rows, columns in ((4, 4), (3, 8)):
        scores = random_scores(rows, columns)
        expected = NAIVE[bound](scores, np.arange(rows))
        np.testing.assert_allclose(
            function(scores.astype("float32")), expected, rtol=2e-5
        )


@pytest.mark.backends("tensorflow")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_agrees_with_tensorflow_probability():
    from tensorflow_probability.python.vi import mutual_information

    scores = random_scores(16, 16).astype("float32")
    np.testing.assert_allclose(
        np.mean(bounds.infonce(scores)),
        mutual_information.lower_bound_info_nce(scores),
        rtol=1e-5,
    )
    np.testing.assert_allclose(
        np.mean(bounds.nwj(scores)),
        mutual_information.lower_bound_nguyen_wainwright_jordan(scores),
        rtol=1e-5,
    )


class TestGaussians:
    """Correlated Gaussian pairs, whose information and best critic are known."""

    rows, correlation, dims = 4096, 0.6, 2
    true_mi = -0.5 * dims * math.log(1 - correlation**2)

    def density_ratio(self):
        """log p(y_j | x_i) / p(y_j), the critic that makes both bounds tight."""
        rng = np.random.default_rng(3)
        x = rng.normal(size=(self.rows, self.dims))
        noise = rng.normal(size=x.shape)
        rho, variance = self.correlation, 1 - self.correlation**2
        y = rho * x + math.sqrt(variance) * noise
        squares = np.square(y[None] - rho * x[:, None]) / variance - np.square(y)[None]
        ratio = -0.5 * (squares + math.log(variance)).sum(-1)
        return ratio.astype("float32")

    # Four standard errors of the joint term, rho * sqrt(dims / rows).
    tolerance = 4 * correlation * math.sqrt(dims / rows)

    def test_infonce_recovers_the_information(self):
        estimate = np.mean(array(bounds.infonce(self.density_ratio())))
        assert estimate == pytest.approx(self.true_mi, abs=self.tolerance)

    def test_nwj_recovers_the_information(self):
        estimate = np.mean(array(bounds.nwj(self.density_ratio() + 1)))
        assert estimate == pytest.approx(self.true_mi, abs=self.tolerance)


@BOTH
class TestBadInput:
    def test_matched_pairs_alone(self, bound):
        with pytest.raises(ValueError, match=r"scores .*matrix.*received .*\(8,\)"):
            bound(np.zeros(8, "float32"))

    def test_no_negatives(self, bound):
        with pytest.raises(ValueError, match="at least 2 columns"):
            bound(np.zeros((1, 1), "float32"))

    @pytest.mark.backends("tensorflow")
    def test_no_negatives_when_traced(self, bound):
        import tensorflow as tf

        with pytest.raises(ValueError, match="at least 2 columns"):
            tf.function(bound).get_concrete_function(tf.TensorSpec([None, 1]))

    def test_rows_without_a_diagonal(self, bound):
        with pytest.raises(ValueError, match="more rows than columns"):
            bound(np.zeros((5, 3), "float32"))

    @pytest.mark.parametrize("partners", [[0, 3], [-1, 0]])
    def test_partner_out_of_range(self, bound, partners):
        with pytest.raises(ValueError, match=r"partners must lie in \[0, 3\)"):
            bound(np.zeros((2, 3), "float32"), partners)

    def test_partners_of_another_length(self, bound):
        with pytest.raises(ValueError, match="one column for each row"):
            bound(np.zeros((2, 3), "float32"), [0, 1, 2])


@BOTH
def test_partners_are_asked_for_where_one_row_has_no_column(bound):
    with pytest.raises(ValueError, match="partners must be given"):
        bound(np.zeros((4, 3), "float32"))


def test_weights_count_negatives_of_a_row_so_often():
    scores = random_scores(3, 5).astype("float32")
    sums, counts = map(array, bounds.log_sums(bounds.split(scores)[1]))
    weighted = bounds.log_mean_exp(sums, counts, weights=[2.0, 0.0, 3.0])
    repeated = np.take(sums, [0, 0, 2, 2, 2]), np.take(counts, [0, 0, 2, 2, 2])
    assert float(weighted) == pytest.approx(float(bounds.log_mean_exp(*repeated)))
