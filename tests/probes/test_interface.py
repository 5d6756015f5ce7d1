"""What every probe promises, whatever it is made of."""

import random

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_infomax import private, probes
from keras_infomax.probes import FewLabels, FineTuning, LogisticProbe, Probe


def blobs(rows, seed, spread=1.0, classes=3, dim=5):
    """Overlapping Gaussian classes, numbered 0, 10, 20."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(classes, size=rows)
    centres = np.random.default_rng(99).normal(size=(classes, dim))
    x = centres[labels] + spread * generator.normal(size=(rows, dim))
    return x.astype("float32"), 10 * labels


def encoder():
    return keras.Sequential([keras.Input((5,)), keras.layers.Dense(4)])


QUICK = {"learning_rate": 0.01, "epochs": 30}
EVERY = {
    "linear": LogisticProbe,
    "linear_stopped": lambda: probes.get("linear_stopped"),
    "mlp": lambda: probes.MLPProbe(hidden_units=50, **QUICK),
    "neighbours": probes.NeighboursProbe,
    "few_labels": lambda: FewLabels(per_class=20, draws=3),
    "fine_tuning": lambda: FineTuning(**QUICK),
    "few_labels_to_fine_tune": lambda: FewLabels(
        FineTuning(learning_rate=0.05, epochs=50), per_class=20, draws=2
    ),
}


@pytest.fixture(params=EVERY)
def probe(request):
    return EVERY[request.param]().of(encoder())


TRAIN, TEST = blobs(400, seed=0), blobs(300, seed=1)


def test_every_part_of_the_interface_fits_the_others(probe):
    assert isinstance(probe, Probe)
    assert probe.fit(*TRAIN) is probe
    x, labels = TEST
    log_p = probe.predict_log_proba(x)
    assert log_p.shape == (300, 3)
    assert log_p.dtype == np.float64
    np.testing.assert_allclose(np.exp(log_p).sum(axis=1), 1, rtol=1e-6)
    np.testing.assert_array_equal(probe.classes, [0, 10, 20])
    np.testing.assert_array_equal(
        probe.predict(x), probe.classes[np.argmax(log_p, axis=1)]
    )
    measured = probe.measure(x, labels)
    assert measured.accuracy == probe.score(x, labels)
    assert measured.information == pytest.approx(probe.information(x, labels))
    if not isinstance(probe, FewLabels):
        assert probe.score(x, labels) == np.mean(probe.predict(x) == labels)
        entropy = probes.label_entropy(labels)
        of_label = log_p[np.arange(300), labels // 10]
        assert measured.information == pytest.approx(entropy + np.mean(of_label))
        assert measured.standard_error is None
    # Far above the 1/3 of a guess; these classes overlap.
    assert measured.accuracy > 0.6


def test_a_second_fit_of_the_same_rows_gives_the_same_answers_bit_by_bit(probe):
    first = probe.fit(*TRAIN).predict_log_proba(TEST[0])
    probe.fit(*blobs(90, seed=7))
    np.testing.assert_array_equal(probe.fit(*TRAIN).predict_log_proba(TEST[0]), first)


def test_global_random_states_and_names_are_left_alone(probe):
    def draws():
        drawn = random.random(), np.random.rand(), keras.random.normal((2,))  # noqa: NPY002
        return [np.array(each).tolist() for each in drawn]

    def number():
        return int(keras.layers.Dense(1).name.rpartition("_")[2])

    private.set_random_seed(3)
    expected = draws()
    first = number()
    private.set_random_seed(3)
    probe.fit(*TRAIN).score(*TEST)
    assert draws() == expected
    assert number() == first + 1


def test_widely_separated_classes_give_all_of_the_labels_entropy(probe):
    probe.fit(*blobs(400, seed=0, spread=0.01))
    x, labels = blobs(300, seed=1, spread=0.01)
    judgement = probe.measure(x, labels)
    assert judgement.accuracy == 1.0
    entropy = probes.label_entropy(labels)
    # Regularised or stopped early, none is ever quite sure.
    assert 0.5 * entropy < judgement.information <= entropy


def test_labels_that_have_nothing_to_do_with_the_rows_give_no_information(probe):
    x, _ = TRAIN
    generator = np.random.default_rng(5)
    probe.fit(x, generator.integers(3, size=400))
    information = probe.information(TEST[0], generator.integers(3, size=300))
    # A guess costs nothing; an overfitted guess costs, and chance gives 300 rows
    # at most a few hundredths of a nat.
    assert information < 0.04
    if not isinstance(probe, FewLabels):
        assert information > -0.3


def test_an_unfitted_probe_reports_nothing(probe):
    for ask in (
        lambda: probe.predict(TEST[0]),
        lambda: probe.predict_log_proba(TEST[0]),
        lambda: probe.score(*TEST),
        lambda: probe.information(*TEST),
        lambda: probe.measure(*TEST),
    ):
        with pytest.raises(ValueError, match=f"{type(probe).__name__} must be fitted"):
            ask()


def test_bad_rows_are_refused(probe):
    x, labels = TRAIN
    with pytest.raises(ValueError, match="two classes; received only class 0"):
        probe.fit(x, labels * 0)
    with pytest.raises(ValueError, match="finite in float32"):
        probe.fit(np.where(x > 1, np.nan, x), labels)
    probe.fit(x, labels)
    with pytest.raises(ValueError, match="5 features per row.*received 4"):
        probe.predict(x[:, 1:])
    with pytest.raises(ValueError, match="one label per row"):
        probe.information(x, labels[1:])


@pytest.mark.parametrize("name", probes.PROBES)
def test_names_give_new_probes(name):
    assert probes.get(name) is not probes.get(name)


def test_the_notebooks_protocol_has_a_name():
    stopped = probes.get("linear_stopped")
    assert (stopped.solver, stopped.tolerance, stopped.C) == ("saga", 0.1, 10.0)


def test_an_unknown_name_is_told_the_nearest():
    with pytest.raises(ValueError, match="Did you mean 'neighbours'"):
        probes.get("neighbour")
    probe = LogisticProbe()
    assert probes.get(probe) is probe


class Accuracies:
    """The least that a probe can be."""

    def fit(self, x, labels):
        self.width = np.shape(x)[1]
        return self

    def score(self, x, labels):
        return self.width / 10


def test_judging_fits_frozen_probes_on_encodings_and_others_on_views():
    network = encoder()
    judged = {
        "linear": LogisticProbe(),
        "least": Accuracies(),
        "tuned": FineTuning(epochs=3),
        "few": FewLabels(FineTuning(epochs=3), fraction=0.5, draws=2),
    }
    found = probes.judge(judged, network, TRAIN, TEST)
    encoded = [(probes.encode(network, x), labels) for x, labels in (TRAIN, TEST)]
    assert list(found) == list(judged)
    assert found["linear"] == LogisticProbe().fit(*encoded[0]).measure(*encoded[1])
    assert found["least"] == probes.Judgement(0.4, None, None)
    tuned = FineTuning(network, epochs=3).fit(*TRAIN)
    assert found["tuned"] == tuned.measure(*TEST)
    few = FewLabels(FineTuning(network, epochs=3), fraction=0.5, draws=2).fit(*TRAIN)
    assert found["few"] == few.measure(*TEST)
    # What was given is not bound to the encoder.
    assert judged["tuned"].encoder is None
    assert judged["few"].probe.encoder is None


def test_the_raw_baseline_is_that_of_frozen_probes_on_views():
    judged = {"linear": LogisticProbe(), "tuned": FineTuning()}
    found = probes.judge(judged, None, TRAIN, TEST)
    assert found == {"linear": LogisticProbe().fit(*TRAIN).measure(*TEST)}


def test_one_hidden_layer_reads_what_a_linear_probe_cannot():
    generator = np.random.default_rng(0)
    x = generator.uniform(-1, 1, size=(3000, 2))
    labels = (x[:, 0] * x[:, 1] > 0).astype(int)
    linear, mlp = (
        probes.get(name).fit(x[:2000], labels[:2000]).measure(x[2000:], labels[2000:])
        for name in ("linear", "mlp")
    )
    assert linear.accuracy < 0.6
    assert abs(linear.information) < 0.02
    assert mlp.accuracy > 0.95
    assert mlp.information > 0.8 * np.log(2)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: probes.MLPProbe(hidden_units=0), "hidden_units .* received 0"),
        (lambda: probes.MLPProbe(learning_rate=-1.0), "learning_rate .* received -1.0"),
        (
            lambda: probes.NeighboursProbe(k=2.5),
            "k must be a positive integer; received 2.5",
        ),
        (
            lambda: probes.NeighboursProbe(temperature=0.0),
            "temperature .* received 0.0",
        ),
        (lambda: FineTuning(batch_size=True), "batch_size .* received True"),
        (lambda: FineTuning(epochs=0), "epochs .* received 0"),
    ],
)
def test_constructors_name_the_wrong_argument(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_a_diverging_network_is_one_error():
    x, labels = TRAIN
    with (
        np.errstate(all="ignore"),
        pytest.raises(ValueError, match="loss must be finite.*lower learning_rate"),
    ):
        FineTuning(encoder(), learning_rate=1e30).fit(x * 1e30, labels)


def test_probe_after_probe_does_not_warn_of_retracing(caplog):
    tf.get_logger().propagate = True
    with caplog.at_level("WARNING"):
        for _ in range(7):
            FineTuning(encoder(), epochs=1).fit(*TRAIN).score(*TEST)
    assert "retracing" not in caplog.text
