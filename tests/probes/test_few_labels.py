import numpy as np
import pytest
import scipy.stats

from keras_infomax.probes import FewLabels, LogisticProbe, NeighboursProbe, Probe
from keras_infomax.probes.draws import draw, hold_out


class Recorder(Probe):
    """Keeps what it was fitted on, and predicts the class of row 0."""

    def _fit(self, x, targets):
        self.rows, self.targets = x[:, 0].astype(int), targets

    def _logits(self, x):
        return np.eye(len(self.classes))[np.full(len(x), self.targets[0])]


# Row i holds the number i; classes 5, 6, 7 have 60, 30 and 10 rows.
X, LABELS = np.arange(100.0)[:, None], np.repeat([5, 6, 7], [60, 30, 10])


def drawn(**kwargs):
    return FewLabels(Recorder(), **kwargs).fit(X, LABELS).fitted


def counts(probe):
    return np.bincount(LABELS[probe.rows] - 5).tolist()


def test_draws_take_as_many_rows_of_every_class():
    fitted = drawn(per_class=4, draws=3)
    assert [counts(probe) for probe in fitted] == [[4, 4, 4]] * 3


@pytest.mark.parametrize(
    ("fraction", "expected"),
    [(0.5, [30, 15, 5]), (0.04, [2, 1, 1]), (0.001, [1, 1, 1]), (1, [60, 30, 10])],
)
def test_draws_take_a_fraction_of_every_class(fraction, expected):
    assert [counts(p) for p in drawn(fraction=fraction, draws=2)] == [expected] * 2


def test_draws_are_without_replacement_reproducible_and_different():
    first, again = drawn(per_class=8), drawn(per_class=8)
    other = drawn(per_class=8, seed=1)
    for mine, theirs in zip(first, again, strict=True):
        np.testing.assert_array_equal(mine.rows, theirs.rows)
        assert len(set(mine.rows)) == 24
    sets = {tuple(probe.rows) for probe in [*first, *other]}
    assert len(first) == 5
    assert len(sets) == 10


def test_every_row_is_drawn_as_often_as_any_other_of_its_class():
    generator = np.random.default_rng(0)
    times = np.zeros(100)
    for _ in range(3000):
        times[draw(LABELS, lambda rows: rows // 5, generator)] += 1
    # One in five, with a deviation of sqrt(0.2 * 0.8 / 3000) = 0.0073.
    np.testing.assert_allclose(times / 3000, 0.2, atol=4.5 * 0.0073)


def test_held_out_rows_are_a_tenth_of_every_class_or_none_can_be_spared():
    train, held_out = hold_out(LABELS, np.random.default_rng(0))
    assert np.bincount(LABELS[held_out] - 5).tolist() == [6, 3, 1]
    np.testing.assert_array_equal(np.sort([*train, *held_out]), np.arange(100))
    train, held_out = hold_out(LABELS[::10], np.random.default_rng(0))
    np.testing.assert_array_equal(train, np.arange(10))
    np.testing.assert_array_equal(held_out, np.arange(10))


def blobs(rows, seed):
    generator = np.random.default_rng(seed)
    labels = generator.integers(3, size=rows)
    centres = np.random.default_rng(99).normal(size=(3, 5))
    return centres[labels] + generator.normal(size=(rows, 5)), labels


TRAIN, TEST = blobs(500, seed=0), blobs(300, seed=1)


def test_scores_are_means_over_draws_with_students_interval():
    probe = FewLabels(NeighboursProbe(k=3), per_class=5, draws=4).fit(*TRAIN)
    scores = np.array([each.score(*TEST) for each in probe.fitted])
    assert len(set(scores)) > 1
    assert probe.score(*TEST) == np.mean(scores)
    assert probe.information(*TEST) == pytest.approx(
        np.mean([each.information(*TEST) for each in probe.fitted])
    )
    judgement = probe.measure(*TEST)
    assert judgement.standard_error == pytest.approx(scipy.stats.sem(scores))
    expected = scipy.stats.ttest_1samp(scores, 0).confidence_interval(0.9)
    assert probe.interval(*TEST, confidence=0.9) == pytest.approx(tuple(expected))


def test_the_mixture_is_the_mean_of_the_draws_probabilities():
    probe = FewLabels(per_class=5).fit(*TRAIN)
    mean = np.mean(
        [np.exp(each.predict_log_proba(TEST[0])) for each in probe.fitted], axis=0
    )
    np.testing.assert_allclose(np.exp(probe.predict_log_proba(TEST[0])), mean)


def test_all_labels_are_those_of_the_probe_itself():
    probe = FewLabels(fraction=1.0, draws=2).fit(*TRAIN)
    whole = LogisticProbe().fit(*TRAIN)
    assert probe.score(*TEST) == whole.score(*TEST)
    assert probe.interval(*TEST) == (probe.score(*TEST),) * 2
    few = FewLabels(per_class=3).fit(*TRAIN)
    assert few.score(*TEST) < whole.score(*TEST)


def test_fitting_leaves_the_given_probe_alone():
    given = LogisticProbe()
    FewLabels(given, per_class=5).fit(*TRAIN)
    assert given.pipeline is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "Exactly one .* received None and None"),
        ({"per_class": 1, "fraction": 0.1}, "Exactly one .* received 1 and 0.1"),
        ({"per_class": 0}, "per_class must be a positive integer, or None; received 0"),
        ({"fraction": 0.0}, r"fraction must be in \(0, 1\]; received 0.0"),
        ({"fraction": 1.5}, r"fraction must be in \(0, 1\]; received 1.5"),
        ({"per_class": 1, "draws": 1}, "draws must be .* at least 2; received 1"),
        (
            {"probe": "linear", "per_class": 1},
            "probe must be a Probe; received 'linear'",
        ),
    ],
)
def test_the_constructor_says_what_is_wrong(arguments, message):
    with pytest.raises(ValueError, match=message):
        FewLabels(**arguments)


def test_classes_must_have_enough_rows():
    with pytest.raises(ValueError, match="per_class=11 .* received one class with 10"):
        FewLabels(Recorder(), per_class=11).fit(X, LABELS)


def test_the_confidence_is_a_probability():
    probe = FewLabels(per_class=5).fit(*TRAIN)
    with pytest.raises(
        ValueError, match=r"confidence must be in \(0, 1\); received 95"
    ):
        probe.interval(*TEST, confidence=95)
