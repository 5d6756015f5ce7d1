import numpy as np
import pytest

from keras_infomax.probes import NeighboursProbe, neighbours


def rows(count, seed, classes=3):
    generator = np.random.default_rng(seed)
    return generator.normal(size=(count, 6)), generator.integers(classes, size=count)


TRAIN, TEST = rows(80, seed=0), rows(30, seed=1)


def by_definition(k, temperature):
    """Probabilities from loops over rows, in float64."""
    train, labels = TRAIN
    found = []
    for row in TEST[0]:
        cosines = [
            row @ other / np.linalg.norm(row) / np.linalg.norm(other) for other in train
        ]
        nearest = np.argsort(cosines)[::-1][:k]
        votes = np.zeros(3)
        for j in nearest:
            votes[labels[j]] += np.exp(cosines[j] / temperature)
        largest = np.exp(cosines[nearest[0]] / temperature)
        found.append((votes / largest + 1 / 3) / (votes.sum() / largest + 1))
    return np.array(found)


@pytest.mark.parametrize(("k", "temperature"), [(1, 0.07), (7, 0.3), (200, 0.07)])
@pytest.mark.parametrize("block", [1, 200, 2**25])
def test_probabilities_are_those_of_the_definition(k, temperature, block, monkeypatch):
    monkeypatch.setattr(neighbours, "_BLOCK", block)
    probe = NeighboursProbe(k, temperature).fit(*TRAIN)
    np.testing.assert_allclose(
        np.exp(probe.predict_log_proba(TEST[0])),
        by_definition(k, temperature),
        rtol=1e-4,
    )


def test_the_defaults_are_those_of_the_paper():
    assert (NeighboursProbe().k, NeighboursProbe().temperature) == (200, 0.07)


def test_a_nearest_neighbour_of_itself_is_right():
    x, labels = TRAIN
    assert NeighboursProbe(k=1).fit(x, labels).score(x, labels) == 1.0


@pytest.mark.parametrize("scale", [1e-30, 1e30])
def test_lengths_do_not_matter(scale):
    probe = NeighboursProbe(k=5).fit(TRAIN[0] * scale, TRAIN[1])
    np.testing.assert_allclose(
        probe.predict_log_proba(TEST[0] / scale),
        NeighboursProbe(k=5).fit(*TRAIN).predict_log_proba(TEST[0]),
        rtol=1e-4,
    )


def test_a_row_without_a_direction_gets_the_frequencies_of_the_classes():
    probe = NeighboursProbe().fit(*TRAIN)
    found = np.exp(probe.predict_log_proba(np.zeros((1, 6))))[0]
    counts = np.bincount(TRAIN[1])
    np.testing.assert_allclose(found, (counts + 1 / 3) / 81, rtol=1e-5)
