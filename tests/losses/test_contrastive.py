"""Losses of contrastive learning, against their definitions written as loops."""

import keras
import numpy as np
import pytest
from gradient_checks import gradient, value_and_gradient
from keras import ops

import keras_infomax as kim
from keras_infomax.losses import DecoupledInfoNCE, SigLIP, SupCon

pytestmark = pytest.mark.backends

RNG = np.random.default_rng(0)
ROWS, COLUMNS = 5, 7
SCORES = RNG.normal(scale=2, size=(ROWS, COLUMNS))
SCORES[1, [0, 4]] = SCORES[3, 6] = -np.inf
PARTNERS = np.array([2, 1, 0, 5, 6])
SEVERAL = np.array([[2, 0], [1, 3], [0, 6], [5, 1], [6, 2]])
OF_CLASS = RNG.random((ROWS, COLUMNS)) < 0.4
OF_CLASS[2] = False
WEIGHTS = np.array([0.5, 2.0, 3.0, 0.0, 1.0])


def sigmoid_of(scores, partners):
    total = 0.0
    for i, row in enumerate(scores):
        for j, score in enumerate(row):
            sign = 1 if j in np.atleast_1d(partners[i]) else -1
            total -= 0 if score == -np.inf else -np.log1p(np.exp(-sign * score))
    return total / len(scores)


def decoupled(scores, partners):
    values = []
    for row, of_row in zip(scores, partners, strict=True):
        of_row = np.atleast_1d(of_row)
        negatives = [np.exp(s) for j, s in enumerate(row) if j not in of_row]
        values.append([np.log(sum(negatives)) - row[p] for p in of_row])
    return np.mean(values)


def supervised(scores, of_class, weights=None):
    values, counted = [], []
    for i, row in enumerate(scores):
        kept = [j for j in range(len(row)) if of_class[i, j] and row[j] > -np.inf]
        if kept:
            total = sum(np.exp(s) for s in row)
            values.append(-np.mean([np.log(np.exp(row[p]) / total) for p in kept]))
            counted.append(1.0 if weights is None else weights[i])
    return np.average(values, weights=counted)


@pytest.mark.parametrize("partners", [PARTNERS, SEVERAL], ids=["one", "several"])
@pytest.mark.parametrize(
    ("kind", "definition"), [(SigLIP, sigmoid_of), (DecoupledInfoNCE, decoupled)]
)
def test_losses_of_partners_are_their_definitions(kind, definition, partners, wide):
    expected = definition(SCORES, partners)
    for chunk_size in (None, 2):
        loss = kind(dtype="float64", chunk_size=chunk_size)
        assert float(loss(partners, SCORES)) == pytest.approx(expected, rel=1e-12)


def weighted_pairs(scores, partners, sigma, weights=None):
    """DCLW, with the weights of true pairs, whose mean is 1."""
    rows = np.arange(len(scores))[:, None]
    positives = scores[rows, np.reshape(partners, (len(scores), -1))]
    density = np.exp(positives / sigma)
    counted = np.ones(len(scores)) if weights is None else weights
    of_pairs = np.repeat(counted[:, None], positives.shape[1], axis=1)
    of_positives = 2 - density / np.average(density, weights=of_pairs)
    values = []
    for row, of_row, found in zip(scores, positives, of_positives, strict=True):
        negatives = [np.exp(s) for s in row if s not in of_row]
        values.append(np.mean(np.log(sum(negatives)) - found * of_row))
    return np.average(values, weights=counted), of_positives


@pytest.mark.parametrize("partners", [PARTNERS, SEVERAL], ids=["one", "several"])
def test_the_weighted_form_counts_like_pairs_for_less(partners, wide):
    expected, of_pairs = weighted_pairs(SCORES, partners, 1.5)
    assert of_pairs.mean() == pytest.approx(1, abs=1e-12)
    assert of_pairs.min() < 0 < 1 < of_pairs.max() < 2
    for chunk_size in (None, 2):
        loss = DecoupledInfoNCE(dtype="float64", chunk_size=chunk_size, sigma=1.5)
        assert float(loss(partners, SCORES)) == pytest.approx(expected, rel=1e-12)
    again = DecoupledInfoNCE.from_config(loss.get_config())
    assert (again.sigma, again.chunk_size) == (1.5, 2)
    of_rows, _ = weighted_pairs(SCORES, partners, 1.5, WEIGHTS)
    found = float(loss(partners, SCORES, sample_weight=WEIGHTS))
    assert found == pytest.approx(of_rows * WEIGHTS.mean(), rel=1e-12)
    # Where all weigh alike, they weigh nothing.
    alike = DecoupledInfoNCE(dtype="float64", sigma=1e9)
    plain = DecoupledInfoNCE(dtype="float64")
    assert float(alike(partners, SCORES)) == pytest.approx(
        float(plain(partners, SCORES)), rel=1e-7
    )


def test_no_gradient_enters_the_weights(wide):
    loss = DecoupledInfoNCE(dtype="float64", sigma=1.5)
    _, of_pairs = weighted_pairs(SCORES, PARTNERS, 1.5)
    found = gradient(lambda scores: loss(PARTNERS, scores), SCORES)
    of_true = found[np.arange(ROWS), PARTNERS]
    np.testing.assert_allclose(of_true, -of_pairs[:, 0] / ROWS, rtol=1e-12)


def test_weights_of_large_scores_are_finite():
    scores = np.array([[1e4, 0.0], [0.0, -1e4]], "float32")
    loss = DecoupledInfoNCE(sigma=0.5)
    value, found = value_and_gradient(lambda scores: loss([0, 1], scores), scores)
    # Weights of 0 and 2: what is alike already counts for nothing.
    assert float(value) == pytest.approx((0 + 2e4) / 2)
    np.testing.assert_array_equal(found[[0, 1], [0, 1]], [0.0, -1.0])
    with pytest.raises(ValueError, match="sigma must be positive"):
        DecoupledInfoNCE(sigma=0)


def test_supcon_is_its_definition(wide):
    for chunk_size in (None, 2):
        loss = SupCon(dtype="float64", chunk_size=chunk_size)
        expected = supervised(SCORES, OF_CLASS)
        assert float(loss(OF_CLASS, SCORES)) == pytest.approx(expected, rel=1e-12)
        # A weight of a row without partners counts nothing.
        weighted = supervised(SCORES, OF_CLASS, WEIGHTS) * WEIGHTS.mean()
        found = float(loss(OF_CLASS, SCORES, sample_weight=WEIGHTS))
        assert found == pytest.approx(weighted, rel=1e-12)


def test_supcon_of_partners_is_that_of_their_columns(wide):
    loss = SupCon(dtype="float64")
    mask = np.zeros((ROWS, COLUMNS), bool)
    np.put_along_axis(mask, SEVERAL, True, axis=1)
    assert float(loss(SEVERAL, SCORES)) == float(loss(mask, SCORES))
    # Of one partner, it is the cross-entropy of the columns.
    finite = np.where(np.isinf(SCORES), -3.0, SCORES)
    one = kim.losses.get("nt_xent")(PARTNERS, finite)
    assert float(loss(PARTNERS, finite)) == pytest.approx(float(one), rel=1e-6)


@pytest.mark.parametrize("name", ["siglip", "decoupled_infonce", "supcon"])
def test_gradients_are_those_of_finite_differences(name, wide):
    loss = type(kim.losses.get(name))(dtype="float64")
    partners = OF_CLASS if name == "supcon" else PARTNERS
    gradients = []
    for of_all in (loss, type(loss)(dtype="float64", chunk_size=2)):
        gradients.append(gradient(lambda s, of_all=of_all: of_all(partners, s), SCORES))
    found = gradients[0]
    np.testing.assert_allclose(gradients[1], found, rtol=1e-12, atol=1e-15)
    step = 1e-6
    for place in np.ndindex(SCORES.shape):
        there, here = SCORES.copy(), SCORES.copy()
        there[place] += step
        here[place] -= step
        slope = (float(loss(partners, there)) - float(loss(partners, here))) / 2 / step
        assert found[place] == pytest.approx(slope, abs=1e-8)


@pytest.mark.parametrize("name", ["siglip", "decoupled_infonce", "supcon"])
def test_rows_of_nothing_but_a_true_pair_have_finite_gradients(name):
    scores = np.full((2, 3), -np.inf, "float32")
    scores[[0, 1], [1, 0]] = 1e4, -1e4
    value, found = value_and_gradient(lambda s: kim.losses.get(name)([1, 0], s), scores)
    assert np.isfinite(value)
    assert np.isfinite(found).all()


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
@pytest.mark.parametrize("name", ["siglip", "decoupled_infonce", "supcon"])
def test_half_precision_is_reduced_in_float32(name, policy):
    scores = ops.cast(np.tile([300.0, -250.0, 7.0, 1.0], (4, 1)), policy[6:])
    loss = type(kim.losses.get(name))(dtype=policy)
    found = loss([0, 1, 2, 3], scores)
    assert keras.backend.standardize_dtype(found.dtype) == "float32"
    wide = kim.losses.get(name)([0, 1, 2, 3], ops.cast(scores, "float32"))
    assert float(found) == pytest.approx(float(wide), rel=1e-6)


def test_barlow_twins_is_its_definition(wide):
    x, y = RNG.normal(size=(2, 9, 4))
    expected = 0.0
    for i, j in np.ndindex(4, 4):
        u, v = x[:, i] - x[:, i].mean(), y[:, j] - y[:, j].mean()
        deviations = [np.sqrt(np.mean(w**2) + 1e-5) for w in (u, v)]
        correlation = np.mean(u * v) / np.prod(deviations)
        expected += (1 - correlation) ** 2 if i == j else 0.3 * correlation**2
    loss = kim.losses.BarlowTwins(redundancy=0.3, dtype="float64")
    assert float(loss(x, y)) == pytest.approx(expected, rel=1e-12)


def test_what_is_no_partner_is_refused():
    with pytest.raises(ValueError, match="y_true must be of the shape of the scores"):
        SupCon()(OF_CLASS[:, :3], SCORES)
    with pytest.raises(ValueError, match="y_true must be a boolean matrix"):
        SupCon()(SCORES, SCORES)
    with pytest.raises(ValueError, match="y_true must be integers.* Use SupCon"):
        SigLIP()(ops.convert_to_tensor(OF_CLASS), SCORES)


@pytest.mark.parametrize("name", ["siglip", "decoupled_infonce", "nt_xent"])
def test_a_model_is_trained_and_told_its_mi(name):
    x = RNG.normal(size=(64, 6)).astype("float32")
    encoders = [kim.encoders.mlp((6,), (16,), 8) for _ in range(2)]
    model = kim.InfoMax(*encoders, critic="siglip" if name == "siglip" else "cosine")
    model.compile("adam", name)
    data = (x, x + 0.1)
    history = model.fit(data, batch_size=32, epochs=8, verbose=0).history
    assert history["loss"][-1] < history["loss"][0]
    assert history["mi"][0] < history["mi"][-1] <= np.log(32)


def test_supcon_as_a_metric_is_a_mean_over_rows():
    metric = kim.losses.LossMetric(SupCon())
    metric.update_state(OF_CLASS[:2], SCORES[:2])
    metric.update_state(OF_CLASS[3:], SCORES[3:])
    expected = [supervised(SCORES[a:b], OF_CLASS[a:b]) for a, b in ((0, 2), (3, 5))]
    assert float(metric.result()) == pytest.approx(np.mean(expected), rel=1e-6)
