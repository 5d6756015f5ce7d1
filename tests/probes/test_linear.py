"""How the linear probe is scaled, penalized and stopped."""

import numpy as np
import pytest
import scipy.optimize
import scipy.special
import sklearn.linear_model
import sklearn.model_selection

from keras_infomax import probes
from keras_infomax.probes import LogisticProbe


def collinear(rows, seed=0):
    """Three classes in five features, of which two are nearly the same."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(3, size=rows)
    x = rng.normal(size=(rows, 5)) + np.eye(3, 5)[labels] * [1.0, 0.7, 0.5, 0, 0]
    x[:, 4] = x[:, 0] + 0.01 * x[:, 4]
    return x.astype("float32"), labels


def optimum(x, labels, C):
    """Minimum of the penalized likelihood, by its definition."""
    classes = labels.max() + 1

    def loss(parameters):
        weights = parameters.reshape(classes, -1)
        logits = x @ weights[:, :-1].T + weights[:, -1]
        likelihood = scipy.special.log_softmax(logits, axis=1)
        picked = likelihood[np.arange(len(x)), labels].sum()
        return np.sum(weights[:, :-1] ** 2) / 2 - C * picked

    start = np.zeros(classes * (x.shape[1] + 1))
    return scipy.optimize.minimize(loss, start, method="BFGS", tol=1e-6).x.reshape(
        classes, -1
    )


@pytest.mark.parametrize("scaler", ["standardized", "whitened"])
def test_scaled_features_are_what_the_classifier_sees(scaler):
    x, labels = collinear(200)
    centered = x.astype("float64") - x.mean(axis=0, dtype="float64")
    if scaler == "standardized":
        scaled = centered / centered.std(axis=0)
    else:
        variances, axes = np.linalg.eigh(np.cov(centered.T))
        scaled = centered @ axes / np.sqrt(variances)
    weights = optimum(scaled, labels, C=0.5)
    logits = scaled @ weights[:, :-1].T + weights[:, -1]
    probe = LogisticProbe(C=0.5, scaler=scaler, tolerance=1e-7).fit(x, labels)
    assert np.allclose(
        probe.predict_log_proba(x),
        scipy.special.log_softmax(logits, axis=1),
        atol=2e-3,
    )


def test_whitening_leaves_out_directions_without_variance():
    x, labels = collinear(100)
    x = np.concatenate([x, x[:, :1] + x[:, 1:2]], axis=1)
    scaler = LogisticProbe(scaler="whitened").fit(x, labels).pipeline[0]
    scaled = scaler.transform(x)
    assert scaled.shape == (100, 5)
    assert np.allclose(np.cov(scaled.T), np.eye(5), atol=1e-2)


def test_penalty_is_chosen_by_the_accuracy_on_rows_left_out():
    x, labels = collinear(120, seed=3)
    grid = (1e-4, 1e-2, 1.0, 100.0)
    probe = LogisticProbe(C=grid).fit(x, labels)
    scaled = probe.pipeline[0].transform(x)
    # The folds are those of the probe: rows of a class in turn.
    order = np.argsort(labels, kind="stable")
    fold = np.empty(120, int)
    fold[order] = np.arange(120) % 3
    right = {}
    for C in grid:
        regression = sklearn.linear_model.LogisticRegression(
            C=C, tol=1e-8, max_iter=10**4
        )
        predicted = sklearn.model_selection.cross_val_predict(
            regression, scaled, labels, cv=sklearn.model_selection.PredefinedSplit(fold)
        )
        right[C] = np.sum(predicted == labels)
    assert len(set(right.values())) > 1
    assert probe.chosen_C == max(grid, key=right.get)
    alone = LogisticProbe(C=probe.chosen_C).fit(x, labels)
    assert np.array_equal(probe.predict_log_proba(x), alone.predict_log_proba(x))


def test_passes_of_saga_are_those_of_scikit_learn():
    x, labels = collinear(300)
    found = {}
    for passes, seed in ((1, 0), (1, 4), (50, 0)):
        probe = LogisticProbe(
            solver="saga", tolerance=1e-12, max_iterations=passes, seed=seed
        ).fit(x, labels)
        regression = sklearn.linear_model.LogisticRegression(
            C=10.0, solver="saga", tol=0.0, max_iter=passes, random_state=seed
        )
        with pytest.warns(sklearn.exceptions.ConvergenceWarning):
            regression.fit(probe.pipeline[0].transform(x), labels)
        found[passes, seed] = probe.pipeline[1].coef_
        assert np.array_equal(probe.pipeline[1].coef_, regression.coef_)
    assert not np.array_equal(found[1, 0], found[1, 4])
    converged = LogisticProbe(tolerance=1e-7).fit(x, labels).pipeline[1].coef_
    assert np.linalg.norm(found[50, 0] - converged) < np.linalg.norm(
        found[1, 0] - converged
    )


def test_linear_probes_by_name():
    assert not set(probes.LINEAR_PROBES) & set(probes.PROBES)
    assert probes.get("passes_20").max_iterations == 20
    assert probes.get("stopped_seed_2").seed == 2
    assert probes.get("stopped_whitened").scaler == "whitened"
    assert probes.get("whitened").solver == "lbfgs"
    assert max(probes.get("best_penalty").C) / min(probes.get("best_penalty").C) == 1e4


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"C": ()}, r"C must be positive and finite; received \(\)"),
        ({"C": (1.0, 0.0)}, "C must be positive and finite"),
        (
            {"scaler": "standard"},
            "scaler must be 'min_max', 'standardized' or 'whitened'; received",
        ),
        (
            {"max_iterations": 0},
            "max_iterations must be a positive integer; received 0",
        ),
    ],
)
def test_bad_arguments_are_named(arguments, said):
    with pytest.raises(ValueError, match=said):
        LogisticProbe(**arguments)
