"""Losses, metrics and weights of terms: what `compile` takes, and what it refuses."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import keras_infomax as kim
from keras_infomax.execution import fusion

ROWS = 16
X = np.random.default_rng(0).normal(size=(ROWS, 6)).astype("float32")
CROSSENTROPY = keras.losses.SparseCategoricalCrossentropy


def infomax(*args, **options):
    keras.utils.set_random_seed(0)
    model = kim.InfoMax(keras.Sequential([keras.Input((6,)), layers.Dense(4)]))
    model.compile("sgd", *args, **{"run_eagerly": True, **options})
    return model


def of_two_terms(locations=False, **options):
    a, b = keras.Input((6,)), keras.Input((6,))
    v = layers.Reshape((2, 3))(b) if locations else layers.Dense(3)(b)
    network = keras.Model([a, b], {"u": layers.Dense(3)(a), "v": v})
    terms = [kim.Term("u", "v", name="forth")]
    if not locations:
        terms.append(kim.Term("v", "u", name="back", weight=0.5))
    model = kim.InfoMax(network=network, terms=terms)
    model.compile("sgd", "infonce", **{"run_eagerly": True, **options})
    return model


def evaluated(model):
    return model.test_on_batch((X, X), return_dict=True)


def crossentropy(model):
    scores = model((X, X)).numpy().astype("float64")
    return np.mean(np.log(np.exp(scores).sum(axis=1)) - np.diag(scores))


@pytest.mark.parametrize(
    "loss",
    [
        "sparse_categorical_crossentropy",
        "SparseCategoricalCrossentropy",
        "crossentropy",
        "ce",
        CROSSENTROPY,
        CROSSENTROPY(from_logits=True),
        {
            "class_name": "SparseCategoricalCrossentropy",
            "config": {"from_logits": True},
        },
        functools.partial(
            keras.losses.sparse_categorical_crossentropy, from_logits=True
        ),
    ],
)
def test_the_crossentropy_of_keras_takes_scores_as_logits(loss):
    model = infomax(loss)
    assert evaluated(model)["loss"] == pytest.approx(crossentropy(model), rel=1e-5)


def test_a_loss_may_be_a_class():
    model = infomax(kim.losses.NWJ)
    estimate = np.mean(kim.bounds.nwj(model((X, X))))
    assert evaluated(model)["mi"] == pytest.approx(estimate, rel=1e-5)


@pytest.mark.parametrize(
    "loss",
    [
        CROSSENTROPY(),
        keras.losses.sparse_categorical_crossentropy,
        functools.partial(keras.losses.sparse_categorical_crossentropy, axis=-1),
    ],
    ids=["object", "function", "partial"],
)
def test_a_loss_of_probabilities_is_refused(loss):
    with pytest.raises(ValueError, match=r"loss must take scores as logits.*from_logi"):
        infomax(loss)


@pytest.mark.parametrize(
    "loss",
    [
        "mse",
        "binary_crossentropy",
        "CategoricalCrossentropy",
        "ctc",
        keras.losses.MeanSquaredError(),
        keras.losses.CategoricalCrossentropy(from_logits=True),
        keras.losses.hinge,
    ],
)
def test_a_loss_that_compares_arrays_of_one_shape_is_refused(loss):
    with pytest.raises(ValueError, match=r"take partners .* and scores.*Use 'infonce'"):
        infomax(loss)


@pytest.mark.parametrize("loss", [3, ["infonce"], {"mi": "infonce"}])
def test_what_is_no_loss_is_refused(loss):
    with pytest.raises(ValueError, match="loss must be one loss of partners"):
        infomax(loss)


def test_metrics_by_name_take_scores_as_logits():
    names = ["sparse_categorical_crossentropy", "ce", "accuracy", "acc"]
    model = infomax("infonce", metrics=[*names, lambda p, s: tf.reduce_max(s)])
    logs = evaluated(model)
    scores = model((X, X)).numpy()
    accuracy = np.mean(scores.argmax(axis=1) == np.arange(ROWS))
    expected = [crossentropy(model)] * 2 + [accuracy] * 2
    assert [logs[name] for name in names] == pytest.approx(expected, rel=1e-5)
    assert logs["lambda"] == pytest.approx(scores.max(), rel=1e-5)


WRAPPED = keras.metrics.MeanMetricWrapper


@pytest.mark.parametrize("argument", ["metrics", "weighted_metrics"])
@pytest.mark.parametrize(
    ("metric", "message"),
    [
        (keras.metrics.SparseCategoricalCrossentropy(), "take scores as logits"),
        (keras.metrics.sparse_categorical_crossentropy, "take scores as logits"),
        ("mse", "take partners .* and scores.*Use 'accuracy'"),
        (keras.metrics.AUC(), "take partners .* and scores"),
        (keras.metrics.Mean(), "take partners .* and scores"),
        (keras.metrics.categorical_accuracy, "take partners .* and scores"),
        (WRAPPED(keras.metrics.categorical_accuracy), "take partners .* and scores"),
        (
            WRAPPED(keras.metrics.sparse_categorical_crossentropy),
            "take scores as logits",
        ),
        ("accuracyy", "Unknown metric 'accuracyy'. Did you mean 'accuracy'"),
        (3, "must be metrics, functions .*received 3"),
    ],
)
def test_metrics_that_take_something_else_are_refused(argument, metric, message):
    with pytest.raises(ValueError, match=message):
        infomax("infonce", **{argument: [metric]})


def test_a_metric_may_be_the_mean_of_a_function():
    functions = {
        "own": WRAPPED(lambda p, s: tf.reduce_max(s, axis=1), "own"),
        "acc": WRAPPED(keras.metrics.sparse_categorical_accuracy, "acc"),
        "ce": WRAPPED(
            keras.metrics.sparse_categorical_crossentropy, "ce", from_logits=True
        ),
    }
    model = infomax("infonce", metrics=[*functions.values()])
    logs, scores = evaluated(model), model((X, X)).numpy()
    accuracy = np.mean(scores.argmax(axis=1) == np.arange(ROWS))
    expected = [scores.max(axis=1).mean(), accuracy, crossentropy(model)]
    assert [logs[name] for name in functions] == pytest.approx(expected, rel=1e-5)


def test_metrics_of_several_terms():
    by_name = evaluated(of_two_terms(metrics={"back": ["accuracy"]}))
    assert "back_accuracy" in by_name
    assert "forth_accuracy" not in by_name
    # A list follows the terms, and not their names in the order of letters.
    model = of_two_terms(metrics=["accuracy", ["ce"]])
    assert {"forth_accuracy", "back_ce"} <= set(evaluated(model))
    for metrics, message in (
        (["accuracy"], r"must name a term, as \{'forth': \['accuracy'\]\}"),
        ({"up": ["accuracy"]}, "name terms of the model, forth, back; received 'up'"),
        ("accuracy", r"a list of metrics, such as \['accuracy'\]"),
    ):
        with pytest.raises(ValueError, match=message):
            of_two_terms(metrics=metrics)


def test_metrics_and_losses_of_keras_take_one_partner_for_each_row():
    with pytest.raises(ValueError, match=r"Metrics of Keras .*one partner.*\(16, 2\)"):
        evaluated(of_two_terms(locations=True, metrics=["accuracy"]))
    model = of_two_terms(locations=True)
    model.compile("sgd", "ce", run_eagerly=True)
    with pytest.raises(ValueError, match=r"A loss of Keras must have one partner"):
        evaluated(model)


@pytest.mark.parametrize(
    ("loss_weights", "factors"),
    [
        (None, (1, 1)),
        (0, (0, 0)),
        (3, (3, 3)),
        (np.float32(0.5), (0.5, 0.5)),
        ({"back": 4.0}, (1, 4)),
        ([0.25, 2], (0.25, 2)),
    ],
)
def test_loss_weights_multiply_those_of_the_terms(loss_weights, factors):
    logs = evaluated(of_two_terms(loss_weights=loss_weights))
    expected = -factors[0] * logs["mi_forth"] - factors[1] * 0.5 * logs["mi_back"]
    assert logs["loss"] == pytest.approx(expected, rel=1e-5)
    mi = logs["mi_forth"] + 0.5 * logs["mi_back"]
    assert logs["mi"] == pytest.approx(mi, rel=1e-5)


def test_a_loss_of_no_weight_trains_nothing():
    model = infomax("infonce", loss_weights=0.0)
    before = model.get_weights()
    model.fit((X, X), batch_size=8, verbose=0)
    for value, other in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(value, other)


@pytest.mark.parametrize(
    ("loss_weights", "message"),
    [
        ({"up": 1.0}, "name terms of the model, forth, back; received 'up'"),
        ([1.0], r"one number for each of the 2 terms, forth, back"),
        (float("nan"), "must be a finite number"),
        (True, "must be a finite number"),
        (
            {"back": "much"},
            "must be a finite number, or .*By term, it is {'forth': 0.5}",
        ),
    ],
)
def test_wrong_loss_weights_are_refused(loss_weights, message):
    with pytest.raises(ValueError, match=message):
        of_two_terms(loss_weights=loss_weights)


@pytest.mark.parametrize(
    ("argument", "choices"),
    [
        ("run_eagerly", "True or False;"),
        ("jit_compile", "True, False, 'auto' or None;"),
        ("auto_scale_loss", "True or False;"),
    ],
)
@pytest.mark.parametrize("value", ["no", 1, [True]])
def test_switches_are_booleans(argument, choices, value):
    with pytest.raises(ValueError, match=f"{argument} must be {choices}"):
        infomax("infonce", **{argument: value})


def test_all_options_are_saved(tmp_path):
    keras.config.set_dtype_policy("mixed_float16")
    model = infomax(
        "ce",
        loss_weights=0.5,
        metrics=["ce", "accuracy"],
        weighted_metrics=["ce"],
        auto_scale_loss=False,
    )
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.run_eagerly
    assert type(loaded.optimizer) is keras.optimizers.SGD
    assert evaluated(loaded) == evaluated(model)
    assert {"ce", "weighted_ce", "accuracy"} <= set(evaluated(loaded))


def test_a_file_with_a_loss_that_is_refused_now_gives_its_encoder(tmp_path):
    model = infomax("infonce")
    config = model.get_compile_config()
    with pytest.warns(UserWarning, match="loaded, but not compiled.*as logits"):
        model.compile_from_config(
            {**config, "loss": keras.saving.serialize_keras_object(CROSSENTROPY())}
        )


@pytest.mark.parametrize(
    "loss",
    [
        kim.losses.InfoNCE(),
        kim.losses.NWJ(),
        kim.losses.TargetLoss("nwj", 2.0),
        CROSSENTROPY(from_logits=True),
    ],
    ids=["infonce", "nwj", "target", "keras"],
)
@pytest.mark.parametrize("weighted", [False, True])
def test_a_loss_as_a_metric_is_a_mean_over_rows(loss, weighted, tmp_path):
    # Batches of ten rows and of six, of which the mean over batches is another one.
    argument = "weighted_metrics" if weighted else "metrics"
    model = infomax("infonce", **{argument: [loss]})
    weights = np.linspace(0, 2, ROWS).astype("float32")
    parts = []
    for part in (slice(10), slice(10, ROWS)):
        scores, counts = model((X[part], X[part])), weights[part]
        if weighted:
            value = loss(np.arange(len(counts)), scores, counts) / counts.mean()
            parts.append((float(value), counts.sum()))
        else:
            parts.append((float(loss(np.arange(len(counts)), scores)), len(counts)))
    values, counts = zip(*parts, strict=True)
    expected = np.average(values, weights=counts)
    assert expected != pytest.approx(np.mean(values), rel=1e-3)
    options = {"sample_weight": weights, "batch_size": 10, "verbose": 0}
    found = model.evaluate((X, X), return_dict=True, **options)
    assert found[loss.name] == pytest.approx(expected, rel=1e-5)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    again = loaded.evaluate((X, X), return_dict=True, **options)
    assert again == pytest.approx(found, rel=1e-5)


def test_a_loss_of_keras_as_a_metric_takes_one_partner_for_each_row():
    model = of_two_terms(True, metrics=[CROSSENTROPY(from_logits=True)])
    with pytest.raises(ValueError, match="must have one partner for each row"):
        evaluated(model)


def test_a_metric_in_chunks_is_not_compiled_by_xla():
    # XLA would compute the last, smaller chunk of other rows, and say nothing.
    in_chunks = kim.losses.InfoNCE(chunk_size=7)
    for chunked in (in_chunks, kim.losses.TargetLoss(in_chunks, 1.0)):
        with pytest.raises(ValueError, match="jit_compile must be off"):
            infomax("infonce", metrics=[chunked], jit_compile=True, run_eagerly=False)
        model = infomax("infonce", weighted_metrics=[chunked], run_eagerly=False)
        assert not fusion.gains(model)
    assert fusion.gains(infomax("infonce", metrics=["acc"], run_eagerly=False))


def test_estimates_are_computed_in_the_dtype_of_the_loss():
    losses = kim.losses.InfoNCE(), kim.losses.InfoNCE(dtype="float64")
    weights = np.linspace(0, 2, ROWS)
    one, other = (
        infomax(loss).test_on_batch((X, X), sample_weight=weights) for loss in losses
    )
    np.testing.assert_allclose(one, other, rtol=1e-5)


@pytest.mark.parametrize("name", ["infonse", "InfoNCE"])
def test_the_message_on_an_unknown_loss_calls_it_so(name):
    with pytest.raises(ValueError, match=f"Unknown loss '{name}'.*loss='infonce'"):
        infomax(name)


@pytest.mark.parametrize("loss", ["mine", kim.losses.TargetLoss("mine", 1.0)])
def test_a_state_that_several_terms_would_mix_is_refused(loss):
    model = of_two_terms()
    with pytest.raises(ValueError, match="no state .*, forth, back, .*'donsker"):
        model.compile("sgd", loss)
    model.compile("sgd", "donsker_varadhan", run_eagerly=True)
    one = of_two_terms(locations=True)
    one.compile("sgd", "mine", run_eagerly=True)
