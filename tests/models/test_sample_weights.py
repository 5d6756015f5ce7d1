"""Weights of pairs: rows that count less, against loops over the definition."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import keras_infomax as kim
from keras_infomax import bounds, losses

RNG = np.random.default_rng(0)
ROWS = 24
X = RNG.normal(size=(ROWS, 6)).astype("float32")
Y = (X[:, :4] + 0.5 * RNG.normal(size=(ROWS, 4))).astype("float32")
WEIGHTS = RNG.uniform(0.1, 2, ROWS).astype("float32")
WEIGHTS[3] = 0.0

SCORES = RNG.normal(0, 2, (6, 8)).astype("float32")
PARTNERS = np.array([3, 1, 0, 7, 5, 2])
COUNTS = np.array([1, 0, 3, 1, 2, 0])

# Rows that count twice are rows that are there twice: their columns are the same.
BY_ROW = {
    "infonce": losses.InfoNCE,
    "infonce in chunks": lambda: losses.InfoNCE(chunk_size=4),
    "nwj": losses.NWJ,
    "donsker_varadhan": losses.DonskerVaradhan,
    "jensen_shannon": losses.JensenShannon,
    "multi_class_n_pair": losses.MultiClassNPair,
    "triplet": lambda: losses.Triplet(margin=1.0),
    "target": lambda: losses.TargetLoss("nwj", 0.3),
}


@pytest.mark.parametrize("name", list(BY_ROW))
def test_a_row_of_weight_two_counts_as_two_rows(name):
    loss = BY_ROW[name]()
    repeated = np.repeat(np.arange(6), COUNTS)
    expected = float(loss(PARTNERS[repeated], SCORES[repeated]))
    weighted = float(loss(PARTNERS, SCORES, COUNTS))
    assert weighted == pytest.approx(COUNTS.mean() * expected, rel=1e-5)
    estimate = float(loss.estimate(PARTNERS[repeated], SCORES[repeated]))
    weights = COUNTS.astype("float32")
    assert float(loss.estimate(PARTNERS, SCORES, weights)) == pytest.approx(
        estimate, rel=1e-5
    )


@pytest.mark.parametrize("name", list(BY_ROW))
def test_weights_of_one_and_of_zero(name):
    loss = BY_ROW[name]()
    assert float(loss(PARTNERS, SCORES, np.ones(6))) == pytest.approx(
        float(loss(PARTNERS, SCORES)), rel=1e-6
    )
    scores = tf.Variable(SCORES)
    with tf.GradientTape() as tape:
        nothing = loss(PARTNERS, scores, np.zeros(6))
    assert float(nothing) == 0
    np.testing.assert_array_equal(tape.gradient(nothing, scores), np.zeros((6, 8)))


@pytest.mark.parametrize("name", ["donsker_varadhan", "smile", "mine"])
def test_a_batch_of_which_no_row_counts_is_as_if_it_were_not_there(name):
    few, all_rows = [infomax(name) for _ in range(2)]
    weights = np.repeat([0.0, 1.0], ROWS // 2).astype("float32")
    second = slice(ROWS // 2, None)
    known = few.fit((X[second], Y[second]), shuffle=False, verbose=0).history
    found = all_rows.fit(
        (X, Y), sample_weight=weights, batch_size=ROWS // 2, shuffle=False, verbose=0
    ).history
    np.testing.assert_allclose(found["mi"], known["mi"], rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(found["loss"], np.divide(known["loss"], 2), rtol=1e-4)
    for a, b in zip(few.get_weights(), all_rows.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)
    states = [[float(v) for v in m.loss.variables] for m in (few, all_rows)]
    np.testing.assert_allclose(*states, rtol=1e-4)


def test_losses_that_look_at_columns_weigh_the_mean_alone():
    scores, partners = SCORES[:, :6], np.array([3, 1, 0, 5, 4, 2])
    terms = [bounds.infonce(scores, partners, axis).numpy() for axis in (0, 1)]
    expected = -np.mean(COUNTS * (terms[0] + terms[1]) / 2)
    symmetric = losses.InfoNCE(axis=(0, 1))
    assert float(symmetric(partners, scores, COUNTS)) == pytest.approx(expected)
    lifted = losses.LiftedStructure(margin=1.0)
    by_row = np.zeros(6)
    for i, p in enumerate(partners):
        others = [scores[i, j] for j in range(6) if j != p]
        others += [scores[k, p] for k in range(6) if k != i]
        excess = np.log(np.sum(np.exp(1 + np.array(others)))) - scores[i, p]
        by_row[i] = max(0, excess) ** 2 / 2
    assert float(lifted(partners, scores)) == pytest.approx(by_row.mean(), rel=1e-5)
    expected = np.mean(COUNTS * by_row)
    assert float(lifted(partners, scores, COUNTS)) == pytest.approx(expected, rel=1e-5)


def test_rows_of_several_partners():
    partners = np.stack([PARTNERS, (PARTNERS + 1) % 8], axis=1)
    values = np.mean(bounds.infonce(SCORES, partners), axis=1)
    value = float(losses.InfoNCE()(partners, SCORES, COUNTS))
    assert value == pytest.approx(-np.mean(COUNTS * values), rel=1e-5)


def encoder(dim):
    return keras.Sequential([keras.Input((dim,)), layers.Dense(5)])


def infomax(loss="infonce", **options):
    keras.utils.set_random_seed(1)
    model = kim.InfoMax(encoder(6), encoder(4))
    model.compile(keras.optimizers.SGD(0.2), loss, **options)
    return model


def twin_of(model, loss, epochs, batch):
    """Weights after plain gradient descent on a function of scores and weights."""
    variables = [tf.Variable(v) for v in model.get_weights()]
    for start in list(range(0, ROWS, batch)) * epochs:
        rows = slice(start, start + batch)
        with tf.GradientTape() as tape:
            kernel_x, bias_x, kernel_y, bias_y, critic = variables
            x, y = X[rows] @ kernel_x + bias_x, Y[rows] @ kernel_y + bias_y
            value = loss(x @ critic @ tf.transpose(y), WEIGHTS[rows])
        for v, g in zip(variables, tape.gradient(value, variables), strict=True):
            v.assign_sub(0.2 * g)
    return [v.numpy() for v in variables]


def naive_infonce(scores, weights):
    """- sum_i w_i (log n + s_ii - log sum_j exp s_ij) / n."""
    n = len(weights)
    total = 0.0
    for i in range(n):
        row = np.log(n) + scores[i, i] - tf.reduce_logsumexp(scores[i])
        total -= weights[i] * row / n
    return total


def naive_target(scores, weights):
    """mean(w) |sum_i w_i b_i / sum_i w_i - 0.7|, b the InfoNCE bound."""
    estimate = -naive_infonce(scores, weights / weights.mean())
    return weights.mean() * abs(estimate - 0.7)


def arrays_of(model, **options):
    return model.fit(
        (X, Y),
        sample_weight=WEIGHTS,
        batch_size=8,
        shuffle=False,
        verbose=0,
        validation_data=((X, Y), None, WEIGHTS),
        **options,
    )


def pairs():
    data = tf.data.Dataset.from_tensor_slices(((X, Y), WEIGHTS)).batch(8)
    options = tf.data.Options()
    options.experimental_distribute.auto_shard_policy = (
        tf.data.experimental.AutoShardPolicy.OFF
    )
    return data.with_options(options).map(lambda views, w: (views, None, w))


def dataset_of(model, **options):
    return model.fit(
        pairs(), shuffle=False, verbose=0, validation_data=pairs(), **options
    )


@pytest.mark.parametrize("fit", [arrays_of, dataset_of])
@pytest.mark.parametrize(
    ("loss", "naive"),
    [
        ("infonce", naive_infonce),
        (kim.losses.TargetLoss("infonce", 0.7), naive_target),
        ("sparse_categorical_crossentropy", None),
    ],
    ids=["infonce", "target", "of keras"],
)
def test_steps_are_those_of_a_naive_twin(loss, naive, fit):
    def crossentropy(scores, weights):
        losses_of_rows = tf.reduce_logsumexp(scores, 1) - tf.linalg.diag_part(scores)
        return tf.reduce_sum(weights * losses_of_rows) / len(weights)

    model = infomax(loss)
    expected = twin_of(model, naive or crossentropy, epochs=2, batch=8)
    fit(model, epochs=2)
    for value, other in zip(model.get_weights(), expected, strict=True):
        np.testing.assert_allclose(value, other, rtol=1e-4, atol=1e-6)


def test_the_history_has_weighted_means():
    model = infomax(metrics=["accuracy"], weighted_metrics=["accuracy", "ce"])
    history = arrays_of(model).history
    hits, bits, crossentropies = [], [], []
    for start in range(0, ROWS, 8):
        scores = model((X[start : start + 8], Y[start : start + 8])).numpy()
        hits.append(scores.argmax(1) == np.arange(8))
        bits.append(bounds.infonce(scores).numpy())
        crossentropies.append(np.log(8) - bits[-1])
    hits, bits, crossentropies = map(np.concatenate, (hits, bits, crossentropies))
    expected = {
        "val_loss": -np.sum(WEIGHTS * bits) / ROWS,
        "val_mi": np.average(bits, weights=WEIGHTS),
        "val_accuracy": hits.mean(),
        "val_weighted_accuracy": np.average(hits, weights=WEIGHTS),
        "val_ce": np.average(crossentropies, weights=WEIGHTS),
    }
    for name, value in expected.items():
        assert history[name] == pytest.approx([value], rel=1e-5), name
    logs = model.evaluate(
        (X, Y), sample_weight=WEIGHTS, batch_size=8, verbose=0, return_dict=True
    )
    assert logs["mi"] == pytest.approx(expected["val_mi"], rel=1e-5)
    whole = np.average(bounds.infonce(model((X, Y))), weights=WEIGHTS)
    for method in (model.test_on_batch, model.train_on_batch):
        model.reset_metrics()  # Older Keras adds up what batches have lost.
        logs = method((X, Y), sample_weight=WEIGHTS, return_dict=True)
        assert logs["mi"] == pytest.approx(whole, rel=1e-5)


@pytest.mark.parametrize(
    "loss",
    [
        "target",
        pytest.param("donsker_varadhan", marks=pytest.mark.slow),
        pytest.param("infonce", marks=pytest.mark.slow),
        pytest.param("infonce_symmetric", marks=pytest.mark.slow),
        pytest.param("of keras", marks=pytest.mark.slow),
    ],
)
def test_weights_on_replicas_equal_those_on_one_device(strategy, loss):
    made = {
        "target": lambda: kim.losses.TargetLoss("infonce", 1.0),
        "of keras": lambda: "sparse_categorical_crossentropy",
    }.get(loss, lambda: loss)

    def train():
        model = infomax(made(), weighted_metrics=["accuracy"])
        return dataset_of(model, epochs=2).history, model.get_weights()

    expected_history, expected = train()
    with strategy.scope():
        history, weights = train()
    for name, values in expected_history.items():
        np.testing.assert_allclose(history[name], values, rtol=1e-4, err_msg=name)
    for a, b in zip(expected, weights, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


def test_locations_have_the_weight_of_their_example():
    views = keras.Input((4, 3))
    network = keras.Model(views, {"u": layers.Dense(5)(views), "v": views})
    term = kim.Term("u", "v", critic="bilinear", name="mi")
    model = kim.InfoMax(network=network, terms=[term])
    model.compile("sgd", "infonce", run_eagerly=True)
    maps = RNG.normal(size=(6, 4, 3)).astype("float32")
    logs = model.test_on_batch(maps, sample_weight=COUNTS, return_dict=True)
    partners, scores = term(network(maps))
    by_row = bounds.infonce(scores, partners).numpy().reshape(6, 4)
    expected = np.average(by_row.mean(axis=1), weights=COUNTS)
    assert logs["mi"] == pytest.approx(expected, rel=1e-5)
    loss = -np.mean(by_row.mean(axis=1) * COUNTS)
    assert logs["loss"] == pytest.approx(loss, rel=1e-5)


class Plain(kim.losses.ScoreLoss):
    """A user's loss that knows nothing of weights."""

    def value(self, partners, scores):
        return -tf.reduce_mean(bounds.infonce(scores, partners))


@pytest.mark.parametrize(
    ("loss", "message"),
    [
        (Plain(), r"take weights of rows.*Plain\.value.*scores, weights=None\)"),
        (lambda partners, scores: tf.reduce_sum(scores), "if there is a sample_w"),
    ],
    ids=["loss", "function"],
)
def test_losses_that_cannot_weigh_rows_are_refused(loss, message):
    model = infomax(loss, run_eagerly=True)
    with pytest.raises(ValueError, match=message):
        model.train_on_batch((X, Y), sample_weight=WEIGHTS)
    model.train_on_batch((X, Y))


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (WEIGHTS[:5], r"one number for each of the 24 pairs; .*\(5,\)"),
        (-WEIGHTS, "finite numbers of at least 0; received numbers from -"),
        (np.full(ROWS, np.nan), "finite numbers of at least 0"),
        ({"mi": WEIGHTS}, r"received a dictionary with the keys \['mi'\]"),
        ("equal", "received 'equal'"),
    ],
    ids=["few", "negative", "nan", "dictionary", "word"],
)
def test_what_is_no_weight_is_refused(weights, message):
    with pytest.raises(ValueError, match=message):
        infomax().fit((X, Y), sample_weight=weights, verbose=0)


@pytest.mark.parametrize("eagerly", [False, True])
def test_weights_of_a_dataset_are_checked_when_run(eagerly):
    data = tf.data.Dataset.from_tensors(((X, Y), (), -WEIGHTS))
    with pytest.raises(ValueError, match=r"at least 0; received numbers from -1\.\d+"):
        infomax(run_eagerly=eagerly).fit(data, verbose=0)


def test_weights_beside_a_dataset_are_refused_with_the_right_form():
    with pytest.raises(ValueError, match=r"elements \(\(x, y\), None, weights\)"):
        infomax().fit(pairs(), sample_weight=WEIGHTS, verbose=0)
