import numpy as np
import pytest
import scipy.integrate
import scipy.stats

from keras_infomax.probes import (
    LogisticProbe,
    MLPProbe,
    label_entropy,
    v_information,
)
from keras_infomax.probes.early_stopping import best_epoch


@pytest.mark.parametrize("classes", [1, 2, 10])
def test_the_entropy_of_equally_frequent_labels_is_the_logarithm(classes):
    labels = np.repeat(np.arange(classes), 7) * 3 - 5
    assert label_entropy(labels) == pytest.approx(np.log(classes))


def test_the_entropy_of_a_quarter():
    expected = 0.25 * np.log(4) + 0.75 * np.log(4 / 3)
    assert label_entropy([1, 0, 0, 0]) == pytest.approx(expected)


def test_a_constant_prediction_costs_its_divergence_from_the_labels():
    labels = np.array([0, 1, 1, 1])
    for p in (0.25, 0.6):
        constant = np.log(np.full((4, 2), [p, 1 - p]))
        divergence = scipy.stats.entropy([0.25, 0.75], [p, 1 - p])
        assert v_information(constant, labels, [0, 1]) == pytest.approx(-divergence)


def test_a_permutation_of_classes_and_columns_changes_nothing():
    generator = np.random.default_rng(0)
    log_p = np.log(generator.dirichlet(np.ones(3), size=20))
    labels = generator.integers(3, size=20)
    swapped = np.array([2, 0, 1])[labels] + 100
    assert v_information(log_p[:, [1, 2, 0]], swapped, [100, 101, 102]) == (
        pytest.approx(v_information(log_p, labels, [0, 1, 2]))
    )


@pytest.mark.parametrize("unseen", [-1, 1, 9])
def test_a_class_that_was_never_seen_is_infinitely_surprising(unseen):
    log_p = np.log(np.full((2, 2), 0.5))
    assert v_information(log_p, [0, unseen], [0, 2]) == -np.inf


def test_shapes_must_fit():
    with pytest.raises(ValueError, match=r"\(2, 3\); received \(2, 2\)"):
        v_information(np.zeros((2, 2)), [0, 1], [0, 1, 2])
    with pytest.raises(ValueError, match="at least one"):
        label_entropy([])


def gaussians(rows, seed, distance=1.0):
    """Two classes around plus and minus `distance`, of variance 1."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(2, size=rows)
    x = distance * (2 * labels - 1) + generator.normal(size=rows)
    return x[:, None], labels


@pytest.mark.parametrize(
    "probe", [LogisticProbe(C=1e3, tolerance=1e-6), MLPProbe(50, learning_rate=1e-2)]
)
def test_two_gaussians_are_read_to_the_last_nat(probe):
    # log p(y | x) is a logistic function of 2 x, which both families hold, so the
    # V-information is the mutual information, H(Y) - E log(1 + exp(-2 (1 + z))).
    def surprise(z):
        return np.logaddexp(0, -2 * (1 + z)) * scipy.stats.norm.pdf(z)

    expected = np.log(2) - scipy.integrate.quad(surprise, -10, 10)[0]
    assert expected == pytest.approx(0.3369, abs=1e-3)
    x, labels = gaussians(20_000, seed=1)
    probe.fit(*gaussians(20_000, seed=0))
    log_p = probe.predict_log_proba(x)[np.arange(len(x)), labels]
    error = np.std(log_p) / np.sqrt(len(x))
    # Fitting 2 weights costs 2 / 2 n nats; the network's few more are in the 0.002.
    assert probe.information(x, labels) == pytest.approx(
        expected, abs=4 * error + 0.002
    )


def losses(*values):
    """Epochs with these losses, and the number of the last as what they leave."""
    epochs = iter(values)
    count = []

    def train_epoch():
        count.append(1)
        return next(epochs)

    return train_epoch, lambda: len(count)


def test_the_best_epoch_is_kept_and_patience_counts_from_it():
    train, state = losses(3.0, 2.0, 2.5, 1.0, 1.5, 1.0, 0.5)
    assert best_epoch(train, state, epochs=7, patience=2) == 4
    assert state() == 6
    train, state = losses(3.0, 2.0, 1.0)
    assert best_epoch(train, state, epochs=2, patience=5) == 2
    train, state = losses(float("nan"), 2.0, 3.0)
    assert best_epoch(train, state, epochs=3, patience=5) == 2


def test_losses_that_are_never_finite_are_refused():
    train, state = losses(float("nan"), float("inf"), 1.0)
    with pytest.raises(ValueError, match="finite"):
        best_epoch(train, state, epochs=2, patience=5)
