import pathlib
import runpy
import sys

import keras
import numpy as np
import pytest
import scipy.optimize
import scipy.special
import sklearn.linear_model

from keras_infomax import datasets, probes
from keras_infomax.probes import LogisticProbe, encode, softmax_regression
from keras_infomax.probes.encoding import encode_all


def blobs(rows, seed=0, spread=1.0, classes=3, dim=5):
    """Overlapping Gaussian classes: no classifier separates them."""
    random = np.random.default_rng(seed)
    labels = random.integers(classes, size=rows)
    centres = np.random.default_rng(99).normal(size=(classes, dim))
    return centres[labels] + spread * random.normal(size=(rows, dim)), labels


def encoder_with_state():
    return keras.Sequential(
        [
            keras.Input((5,)),
            keras.layers.Dense(7, activation="relu"),
            keras.layers.BatchNormalization(),
            keras.layers.Dropout(0.5),
            keras.layers.Dense(3),
        ]
    )


class Restless(keras.layers.Layer):
    """Counts its calls in a weight, whatever `training` says."""

    def build(self, shape):
        self.calls = self.add_weight(shape=(), trainable=False, name="calls")

    def call(self, inputs):
        self.calls.assign_add(1.0)
        return inputs


class Traced(keras.layers.Layer):
    """Counts how often Python runs through it."""

    traces = 0

    def call(self, inputs):
        self.traces += 1
        return inputs


@pytest.mark.parametrize("batch_size", [1, 4, 10, 100])
def test_encodings_are_those_of_predict_for_any_batch_size(batch_size):
    encoder, (views, _) = encoder_with_state(), blobs(10)
    encodings = encode(encoder, views, batch_size)
    assert encodings.dtype == np.float32
    np.testing.assert_allclose(
        encodings, encoder.predict(views, verbose=0), rtol=1e-5, atol=1e-6
    )


def test_encoding_leaves_statistics_and_seeds_alone():
    encoder, (views, _) = encoder_with_state(), blobs(10)
    before = [np.array(variable) for variable in encoder.variables]
    assert len(before) == 9  # Two dense layers, four of the batch norm, one seed.
    encode(encoder, views)
    for variable, old in zip(encoder.variables, before, strict=True):
        np.testing.assert_array_equal(variable, old)


def test_an_encoder_that_moves_in_inference_mode_is_refused_by_name():
    encoder = keras.Sequential([keras.Input((5,)), Restless(name="restless")])
    with pytest.raises(RuntimeError, match="1 variable.*restless/calls"):
        encode(encoder, np.ones((4, 5)))


def test_an_unbuilt_encoder_that_moves_is_refused_too():
    with pytest.raises(RuntimeError, match="calls"):
        encode(Restless(), np.ones((4, 5)))


def test_sets_may_differ_in_rows_shape_and_dtype():
    encoder = keras.Sequential([keras.layers.GlobalAveragePooling1D()])
    sets = np.ones((3, 2, 4)), np.full((5, 7, 4), 2), np.zeros((3, 2, 4))
    found = encode_all(encoder, sets)
    for views, encodings in zip(sets, found, strict=True):
        assert encodings.dtype == np.float32
        np.testing.assert_array_equal(encodings, views.mean(axis=1))


def test_the_remainder_batch_does_not_trace_the_encoder_again():
    layer = Traced()
    encoder = keras.Sequential([keras.Input((5,)), layer])
    built = layer.traces
    encode(encoder, np.ones((25, 5)), batch_size=10)
    assert layer.traces == built + 1


def test_probe_after_probe_does_not_warn_of_retracing(caplog):
    encoder = keras.Sequential([keras.Input((5,)), keras.layers.Dense(2)])
    with caplog.at_level("WARNING"):
        for _ in range(8):
            encode(encoder, np.ones((25, 5)), batch_size=10)
    assert "retracing" not in caplog.text


def test_half_precision_encodings_come_out_as_float32():
    keras.config.set_dtype_policy("mixed_bfloat16")
    encoder = keras.Sequential([keras.Input((5,)), keras.layers.Dense(3)])
    assert encode(encoder, np.ones((4, 5))).dtype == np.float32


def test_integer_views_reach_the_encoder_as_integers():
    table = keras.layers.Embedding(3, 2)
    encoder = keras.Sequential([table, keras.layers.Flatten()])
    encodings = encode(encoder, np.array([[2, 0]]))
    weights = np.array(table.embeddings)
    np.testing.assert_array_equal(encodings, [[*weights[2], *weights[0]]])


def test_encodings_that_are_not_vectors_are_refused():
    with pytest.raises(ValueError, match=r"\(rows, dim\); received \(None, 4, 5\)"):
        encode(keras.layers.Identity(), np.ones((2, 4, 5)))
    twice = keras.layers.Lambda(lambda x: [x, x])
    with pytest.raises(ValueError, match=r"\(rows, dim\); received"):
        encode(twice, np.ones((2, 5)))


def test_encodings_that_are_not_finite_are_refused():
    views = np.ones((6, 2))
    views[3, 1] = np.nan
    views[5, 0] = -np.inf
    with pytest.raises(ValueError, match="2 of 6 rows, first in row 3"):
        encode(keras.layers.Identity(), views, batch_size=2)


@pytest.mark.parametrize(
    ("views", "batch_size", "message"),
    [
        (np.ones(5), 10, r"views .* received shape \(5,\)"),
        (np.ones((0, 5)), 10, r"views .* received shape \(0, 5\)"),
        (np.ones((4, 5)), 0, "batch_size .* received 0"),
        (np.ones((4, 5)), 2.5, "batch_size .* received 2.5"),
    ],
)
def test_encode_names_the_wrong_argument(views, batch_size, message):
    with pytest.raises(ValueError, match=message):
        encode(keras.layers.Identity(), views, batch_size)


def penalised_regression(x, labels, C):
    """Class probabilities at the optimum, from the definition, in float64."""
    dim, classes = x.shape[1], labels.max() + 1
    onehot = np.eye(classes)[labels]

    def objective(flat):
        weights, intercept = np.split(flat.reshape(dim + 1, classes), [dim])
        log_p = scipy.special.log_softmax(x @ weights + intercept, axis=1)
        value = np.sum(weights**2) / 2 - C * np.sum(onehot * log_p)
        residual = np.exp(log_p) - onehot
        gradient = [weights + C * x.T @ residual, C * residual.sum(0, keepdims=True)]
        return value, np.concatenate(gradient).ravel()

    start = np.zeros((dim + 1) * classes)
    result = scipy.optimize.minimize(objective, start, jac=True, method="Newton-CG")
    assert np.abs(objective(result.x)[1]).max() < 1e-3 * C
    best = result.x
    weights, intercept = np.split(best.reshape(dim + 1, classes), [dim])
    return scipy.special.softmax(x @ weights + intercept, axis=1)


@pytest.mark.parametrize("C", [0.1, 10.0])
@pytest.mark.parametrize(
    ("tolerance", "error"), [(probes.TOLERANCE, 1e-2), (1e-6, 1e-3)]
)
def test_the_probe_finds_the_optimum_of_its_definition(C, tolerance, error):
    x, labels = blobs(300)
    scaled = (x - x.min(0)) / (x.max(0) - x.min(0))
    expected = penalised_regression(scaled, labels, C)
    probe = LogisticProbe(C, tolerance=tolerance).fit(x, labels)
    found = probe.pipeline.predict_proba(x.astype("float32"))
    np.testing.assert_allclose(found, expected, atol=error)
    clear = np.ptp(np.sort(expected)[:, 1:], axis=1) > 2 * error
    assert np.mean(clear) > 0.95
    np.testing.assert_array_equal(probe.predict(x)[clear], expected.argmax(1)[clear])
    assert probe.score(x, labels) == np.mean(probe.predict(x) == labels)


def test_the_default_tolerance_has_converged_on_the_pixels_of_the_demo():
    data = datasets.load("digits")
    train, test = data.train_images[:, :14] / 255, data.test_images[:, :14] / 255
    default, optimal = (
        probe.fit(train, data.train_labels)
        for probe in (LogisticProbe(), LogisticProbe(tolerance=1e-7))
    )
    # Stopped at three times the default, one row would be of another class.
    np.testing.assert_array_equal(default.predict(test), optimal.predict(test))
    informations = [p.information(test, data.test_labels) for p in (default, optimal)]
    assert informations[0] == pytest.approx(informations[1], abs=0.0005)


def test_too_many_features_for_whitening_have_the_same_optimum(monkeypatch):
    x, labels = blobs(300, dim=12)
    x = x.astype("float32")
    arguments = (x - x.min(0), labels, 3, 10.0, 1e-6, 1000)
    weights, intercept, iterations = softmax_regression.fit(*arguments)
    monkeypatch.setattr(softmax_regression, "_MOST_WHITENED", 11)
    plain_weights, plain_intercept, _ = softmax_regression.fit(*arguments)
    assert iterations > 3
    np.testing.assert_allclose(weights, plain_weights, atol=2e-3)
    # Intercepts are determined up to one constant.
    np.testing.assert_allclose(
        intercept - intercept.mean(),
        plain_intercept - plain_intercept.mean(),
        atol=1e-2,
    )


def test_two_classes_are_penalised_as_in_scikit_learn():
    x, labels = blobs(300)
    x = ((x - x.min(0)) / np.ptp(x, axis=0)).astype("float32")
    labels = labels > 0
    probe = LogisticProbe(0.1, tolerance=1e-6).fit(x, labels.astype(int))
    expected = sklearn.linear_model.LogisticRegression(C=0.1, tol=1e-8).fit(x, labels)
    found = probe.pipeline[-1]
    np.testing.assert_allclose(found.coef_, expected.coef_, atol=2e-3)
    np.testing.assert_allclose(found.intercept_, expected.intercept_, atol=2e-3)


def test_correlated_features_cost_no_more_iterations():
    x, labels = blobs(300, dim=8)
    left, right = np.linalg.qr(np.random.default_rng(1).normal(size=(2, 8, 8)))[0]
    mixed = x @ (left * np.logspace(0, -3, 8)) @ right
    counts = [
        softmax_regression.fit(f.astype("float32"), labels, 3, 1e6, 1e-4, 1000)[2]
        for f in (x, mixed)
    ]
    assert counts[1] < 1.5 * counts[0]


def test_the_default_is_the_papers_penalty():
    assert LogisticProbe().C == 10.0


def test_separable_classes_are_told_apart_and_others_are_not():
    x, labels = blobs(500, spread=0.01)
    unseen, unseen_labels = blobs(500, seed=1, spread=0.01)
    probe = LogisticProbe().fit(x, labels)
    assert probe.score(unseen, unseen_labels) == 1.0
    # Three balanced classes: chance is 1/3, and 500 rows have a deviation of 0.021.
    shuffled = np.random.default_rng(2).permutation(unseen_labels)
    assert abs(probe.score(unseen, shuffled) - 1 / 3) < 4 * 0.021


def test_scale_and_offset_of_a_feature_do_not_matter():
    x, labels = blobs(300)
    other = x * [1e-3, 1.0, 1e3, -1.0, 1.0] + [0.0, 10.0, 0.0, 0.0, -5.0]
    np.testing.assert_array_equal(
        LogisticProbe().fit(x, labels).predict(x),
        LogisticProbe().fit(other, labels).predict(other),
    )


def test_a_constant_feature_is_not_blown_up():
    # The second feature tells the classes apart by 1e-9, far below the 1.2e-6 that
    # count as a range; stretched to [0, 1] it would give accuracy 1.
    random = np.random.default_rng(0)
    labels = np.arange(400) % 2
    x = np.stack([random.normal(size=400), labels * 1e-9], axis=1)
    assert LogisticProbe().fit(x, labels).score(x, labels) < 0.6
    x[:, 1] *= 1e4
    assert LogisticProbe().fit(x, labels).score(x, labels) == 1.0


def test_a_feature_constant_in_training_is_ignored_in_testing():
    x, labels = blobs(300)
    x[:, 2] = 0.7
    probe = LogisticProbe().fit(x, labels)
    changed = x.copy()
    changed[:, 2] = 1e3
    np.testing.assert_array_equal(probe.predict(changed), probe.predict(x))


def test_two_fits_agree_bit_by_bit_and_the_second_forgets_the_first():
    x, labels = blobs(300)
    once = LogisticProbe().fit(x, labels)
    twice = LogisticProbe().fit(*blobs(100, seed=5, dim=2)).fit(x, labels)
    np.testing.assert_array_equal(once.pipeline[-1].coef_, twice.pipeline[-1].coef_)


def test_views_of_any_rank_are_flattened():
    x, labels = blobs(300, dim=12)
    flat = LogisticProbe().fit(x, labels)
    images = x.reshape(300, 2, 3, 2)
    assert LogisticProbe().fit(images, labels).score(images, labels) == flat.score(
        x, labels
    )


def test_labels_need_not_start_at_zero():
    x, labels = blobs(300)
    predicted = LogisticProbe().fit(x, labels * 10 - 7).predict(x)
    assert set(predicted) == {-7, 3, 13}


X, LABELS = blobs(20)


@pytest.mark.parametrize(
    ("x", "labels", "message"),
    [
        (X, np.ones(20, int), "labels .*two classes; received only class 1"),
        (X, LABELS[:-1], r"one label per row, shape \(20,\); .*\(19,\)"),
        (X, LABELS[:, None], r"one label per row.*reshape\(-1\)"),
        (X, LABELS.astype(float), "integer labels; received float64"),
        (X, np.array(["a", "b"] * 10), "labels of x must be integers"),
        (np.where(X > 1, np.nan, X), LABELS, "finite in float32"),
        (np.where(X > 1, 1e300, X), LABELS, "finite in float32"),
        (X[:0], LABELS[:0], r"at least one row; received shape \(0, 5\)"),
        (X[:, :0], LABELS, r"at least one row.*received shape \(20, 0\)"),
        (X[0], LABELS[:5], r"shape \(rows, ...\).*received shape \(5,\)"),
    ],
)
def test_fit_says_what_is_wrong_with_the_data(x, labels, message):
    with pytest.raises(ValueError, match=message):
        LogisticProbe().fit(x, labels)


def test_an_unfitted_probe_reports_nothing():
    with pytest.raises(ValueError, match="must be fitted"):
        LogisticProbe().predict(X)
    with pytest.raises(ValueError, match="must be fitted"):
        LogisticProbe().score(X, LABELS)


def test_test_rows_must_be_as_wide_as_training_rows():
    probe = LogisticProbe().fit(X, LABELS)
    with pytest.raises(ValueError, match="5 features per row.*received 4"):
        probe.predict(X[:, 1:])
    with pytest.raises(ValueError, match="5 features per row.*received 4"):
        probe.score(X[:, 1:], LABELS)


def test_score_checks_its_rows():
    probe = LogisticProbe().fit(X, LABELS)
    with pytest.raises(ValueError, match="one label per row"):
        probe.score(X, LABELS[1:])
    with pytest.raises(ValueError, match="finite"):
        probe.predict(np.full((2, 5), np.inf))


@pytest.mark.parametrize("C", [0.0, -1.0, float("nan")])
def test_the_penalty_must_be_positive(C):
    with pytest.raises(ValueError, match="C must be positive"):
        LogisticProbe(C)


def test_importing_the_probes_does_not_import_scikit_learn(monkeypatch):
    # Keras imports it where it can, so its presence proves nothing: forbid it.
    for name in ("sklearn", "threadpoolctl"):
        monkeypatch.setitem(sys.modules, name, None)
    modules = {
        path.stem: runpy.run_path(str(path))
        for path in pathlib.Path(probes.__file__).parent.glob("*.py")
    }
    for module, name in (("logistic", "LogisticProbe"), ("mlp", "MLPProbe")):
        with pytest.raises(ImportError):
            modules[module][name]().fit(X, LABELS)


@pytest.mark.slow
def test_the_pixel_baseline_of_top_halves_is_that_of_the_paper(tfds_data_dir):
    tfds = pytest.importorskip("tensorflow_datasets")

    def top_halves(split):
        images, labels = tfds.as_numpy(
            tfds.load(
                "mnist",
                split=split,
                data_dir=tfds_data_dir,
                download=False,
                as_supervised=True,
                batch_size=-1,
            )
        )
        return images[:, :14] / 255, labels

    probe = LogisticProbe().fit(*top_halves("train"))
    # "About 85 %" in the paper; the converged optimum is 0.8495.
    assert probe.score(*top_halves("test")) == pytest.approx(0.8495, abs=0.002)


def test_a_solver_that_is_stopped_early_reads_less_of_ill_conditioned_features():
    random = np.random.default_rng(0)
    labels = random.integers(0, 2, 2000)
    strong = random.normal(size=2000)
    # The class lies in the small difference of two large, nearly equal features.
    x = np.stack([strong, strong + 0.02 * (labels - 0.5)], axis=1)
    converged = probes.LogisticProbe(C=1e4).fit(x, labels).score(x, labels)
    stopped = probes.LogisticProbe(C=1e4, solver="saga", tolerance=0.1)
    assert stopped.fit(x, labels).score(x, labels) < converged - 0.2
    assert converged > 0.95
