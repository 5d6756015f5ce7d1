"""Encoders that follow others, and queues of what they make: MoCo and BYOL."""

import keras
import numpy as np
import peer_losses
import pytest
import tensorflow as tf

import keras_infomax as kim

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(2, 4, 3)).astype("float32")
SIZE = 10


def unit(vectors):
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def queue_term(**options):
    options = {"critic": kim.critics.CosineCritic(0.5), **options}
    term = kim.models.QueueTerm("x", "y", SIZE, **options)
    term.build({"x": X.shape, "y": Y.shape})
    return term


@pytest.mark.parametrize("batch_negatives", [False, True])
def test_rows_are_told_from_what_is_in_the_queue(batch_negatives):
    term = queue_term(batch_negatives=batch_negatives)
    queue = term.queue.numpy()
    np.testing.assert_allclose(np.linalg.norm(queue, axis=1), 1, rtol=1e-5)
    partners, scores = term({"x": X, "y": Y}, training=True)
    np.testing.assert_array_equal(partners, np.arange(4))
    expected = unit(X) @ np.concatenate([unit(Y), queue]).T / 0.5
    if not batch_negatives:
        expected[:, :4][~np.eye(4, dtype=bool)] = -np.inf
    np.testing.assert_allclose(scores, expected, rtol=1e-5, atol=1e-6)
    # So many columns of each row are not left out.
    assert term.columns(4) == SIZE + (4 if batch_negatives else 1)
    assert np.isfinite(scores).sum(axis=1).tolist() == [term.columns(4)] * 4


def test_what_comes_first_leaves_first():
    term = queue_term()
    expected = list(term.queue.numpy())
    place = 0
    for rows in (4, 3, 4, 1, 4):  # Round its end twice.
        y = RNG.normal(size=(rows, 3)).astype("float32")
        term({"x": y, "y": y}, training=True)
        for row in unit(y):
            expected[place % SIZE] = row
            place += 1
        np.testing.assert_allclose(term.queue, expected, rtol=1e-5, atol=1e-6)
    assert int(term.place.numpy()) == place % SIZE


def test_evaluation_leaves_the_queue_alone():
    term = queue_term()
    before = term.get_weights()
    term({"x": X, "y": Y}, training=False)
    for a, b in zip(before, term.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_no_gradient_enters_the_keys():
    term = queue_term()
    x, y = tf.Variable(X), tf.Variable(Y)
    with tf.GradientTape() as tape:
        loss = kim.losses.InfoNCE()(*term({"x": x, "y": y}, training=True))
    of_x, of_y = tape.gradient(loss, [x, y])
    assert of_y is None
    assert np.abs(of_x).max() > 1e-3


def test_a_queue_that_is_too_short_is_refused():
    inputs = [keras.Input((3,), name=name) for name in "xy"]
    outputs = {i.name: keras.layers.Dense(2)(i) for i in inputs}
    network = keras.Model(inputs, outputs)
    term = kim.models.QueueTerm("x", "y", 3)
    model = kim.InfoMax(network=network, terms=[term])
    model.compile("sgd", "infonce")
    with pytest.raises(ValueError, match="queue_size=3 must be at least .*received 4"):
        model.fit((X, Y), batch_size=4, verbose=0)
    with pytest.raises(ValueError, match="queue holds negatives"):
        model.compile("sgd", "vicreg")
        model.fit((X, Y), batch_size=4, verbose=0)
    with pytest.raises(ValueError, match="negatives from the queue; received mask"):
        kim.models.QueueTerm("x", "y", mask=kim.losses.SemiHard())


def test_an_encoder_is_followed_step_by_step():
    view = keras.Input((5,))
    dense = keras.layers.Dense(3)
    follower = kim.models.MomentumEncoder(dense, momentum=0.8)
    network = keras.Model(view, {"x": dense(view), "y": follower(view)})
    term = kim.Term("x", "y", "inner_product")
    model = kim.InfoMax(network=network, terms=[term])
    model.compile(keras.optimizers.SGD(0.3), "infonce")
    views = RNG.normal(size=(8, 5)).astype("float32")
    averages = [w.numpy().copy() for w in dense.weights]
    for _ in range(4):
        np.testing.assert_allclose(
            follower(views), views @ averages[0] + averages[1], rtol=1e-4, atol=1e-5
        )
        before = dense.kernel.numpy()
        model.train_on_batch((views,))
        assert np.abs(dense.kernel - before).max() > 1e-3
        averages = [
            0.8 * average + 0.2 * weight.numpy()
            for average, weight in zip(averages, dense.weights, strict=True)
        ]
    for average, copy in zip(averages, follower.averages, strict=True):
        np.testing.assert_allclose(copy, average, rtol=1e-5, atol=1e-7)
    # The encoder's weights are trained, and nothing of the follower.
    assert len(model.trainable_variables) == 2


def test_what_was_frozen_at_first_is_followed_once_it_is_trained():
    encoder = keras.Sequential([keras.Input((3,)), keras.layers.Dense(4)])
    free = kim.models.MomentumEncoder(encoder, momentum=0.5)
    free.build((None, 3))
    encoder.trainable = False
    follower = kim.models.MomentumEncoder(encoder, momentum=0.5)
    assert follower(X).shape == (4, 4)
    # As many variables, in the same order, or a file of one would not fit the other.
    assert [w.shape for w in follower.averages] == [w.shape for w in free.averages]
    encoder.trainable = True
    before = [w.numpy() for w in encoder.weights]
    for weight in encoder.weights:
        weight.assign(weight + 8.0)
    follower.follow()
    for average, old in zip(follower.averages, before, strict=True):
        np.testing.assert_allclose(average, old + 4.0, rtol=1e-6)


def test_a_momentum_rises_by_half_a_cosine():
    dense = keras.layers.Dense(3)
    follower = kim.models.MomentumEncoder(dense, momentum=0.75, rising_steps=4)
    follower(X)
    dense.bias.assign([8.0, 8.0, 8.0])
    left = 8.0
    for step in range(6):
        follower.follow()
        # At 0, 1/4, 1/2 and 3/4 of the way, and at its end.
        momentum = 1 - 0.25 * (np.cos(np.pi * min(step / 4, 1)) + 1) / 2
        left *= momentum
        gap = dense.bias.numpy() - follower.averages[1].numpy()
        np.testing.assert_allclose(gap, left, rtol=1e-5)
    assert left == pytest.approx(8 * 0.75 * 0.786612 * 0.875 * 0.963388, rel=1e-5)
    again = kim.models.MomentumEncoder.from_config(follower.get_config())
    assert again.rising_steps == 4
    # A momentum that stays needs no variable, as in files of earlier versions.
    constant = kim.models.MomentumEncoder(dense, momentum=0.75)
    constant(X)
    assert len(follower.variables) == len(constant.variables) + 1


def test_statistics_of_batches_are_its_own():
    layers = [keras.layers.Dense(4), keras.layers.BatchNormalization(momentum=0.5)]
    encoder = keras.Sequential([keras.Input((3,)), *layers])
    follower = kim.models.MomentumEncoder(encoder)
    follower(X)
    mean = (X @ layers[0].kernel.numpy()).mean(axis=0)
    before = [w.numpy() for w in encoder.non_trainable_weights]
    trained = follower(X, training=True)
    np.testing.assert_allclose(trained.numpy().mean(axis=0), 0, atol=1e-5)
    states = [s.numpy() for s in follower.states if s.shape == (4,)]
    assert any(np.allclose(s, 0.5 * mean, rtol=1e-4, atol=1e-6) for s in states)
    for a, b in zip(before, encoder.non_trainable_weights, strict=True):
        np.testing.assert_array_equal(a, b)
    follower(X, training=False)
    for a, b in zip(states, follower.states, strict=False):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "float16"])
def test_in_half_precision_averages_are_float32(policy):
    keras.config.set_dtype_policy(policy)
    dense = keras.layers.Dense(3, dtype=policy)
    follower = kim.models.MomentumEncoder(dense, momentum=0.9999)
    np.testing.assert_array_equal(follower(X), dense(X))
    dense.bias.assign(np.ones(3))
    follower.follow()
    assert {average.dtype for average in follower.averages} == {"float32"}
    np.testing.assert_allclose(follower.averages[1], 1e-4, rtol=1e-3)


def made(name, **options):
    sizes = {"encoding_dim": 6, "projection_units": (8, 5)}
    if name == "moco":
        sizes |= {"queue_size": 24}
    if name in ("byol", "simsiam"):
        sizes |= {"prediction_units": (7, 5)}
    build = kim.methods.METHODS[name]
    model = build((6, 6, 1), **{"encoder": "mlp", **sizes, **options})
    loss = "infonce" if name == "moco" else "cosine_distance"
    model.compile(keras.optimizers.SGD(0.05, momentum=0.9), loss)
    return model


IMAGES = RNG.random((40, 6, 6, 1), dtype="float32")


def batches(start_step=0, num_steps=6):
    def both(images):
        return images, 1 - images

    return kim.datasets.pairs(
        IMAGES, both, 10, start_step=start_step, num_steps=num_steps
    )


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("moco", {}),
        pytest.param("byol", {}, marks=pytest.mark.slow),
        pytest.param("byol", {"rising_steps": 5}, marks=pytest.mark.slow),
    ],
)
def test_a_model_resumes_where_it_stopped(name, options, tmp_path):
    whole, interrupted = made(name, **options), made(name, **options)
    interrupted.set_weights(whole.get_weights())
    whole.fit(batches(), verbose=0)
    interrupted.fit(batches(num_steps=3), verbose=0)
    interrupted.save(tmp_path / "model.keras")
    resumed = keras.saving.load_model(tmp_path / "model.keras")
    resumed.fit(batches(3, 3), verbose=0)
    for a, b in zip(whole.get_weights(), resumed.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    steps = [int(w.numpy()) for w in resumed.weights if w.path.endswith("/step")]
    assert steps == ([6, 6] if options else [])


WITHOUT_QUEUE = [pytest.param(n, marks=pytest.mark.slow) for n in ("byol", "simsiam")]


@pytest.mark.parametrize("name", ["moco", *WITHOUT_QUEUE])
def test_replicas_follow_and_queue_as_one_device(name, strategy):
    options = {"rising_steps": 5} if name == "byol" else {}

    def trained():
        keras.utils.set_random_seed(1)
        model = made(name, **options)
        history = model.fit(
            batches(), validation_data=batches(num_steps=2), verbose=0
        ).history
        return model, history

    expected, expected_history = trained()
    with strategy.scope():
        model, history = trained()
    for key, values in expected_history.items():
        np.testing.assert_allclose(history[key], values, rtol=1e-4, err_msg=key)
    for a, b in zip(expected.weights, model.weights, strict=True):
        np.testing.assert_allclose(
            a.numpy(), b.numpy(), rtol=1e-3, atol=5e-5, err_msg=a.path
        )
    assert ("mi" in history) == (name == "moco")


def test_random_numbers_on_replicas_are_refused(strategy):
    with strategy.scope():
        encoder = keras.Sequential(
            [
                keras.Input((6, 6, 1)),
                keras.layers.Flatten(),
                keras.layers.Dropout(0.5),
                keras.layers.Dense(5),
            ]
        )
        model = made("moco", encoder=encoder)
    with pytest.raises(ValueError, match="must not draw random numbers"):
        model.fit(batches(), verbose=0)


def test_chunks_make_the_steps_of_the_whole():
    model = made("moco")
    before = model.get_weights()
    ends = []
    for size in (None, 4):
        model.set_weights(before)
        model.encoder_chunk_size = size
        model.compile(keras.optimizers.SGD(0.05), "infonce")
        model.fit(batches(), verbose=0)
        ends.append(model.get_weights())
    for a, b in zip(*ends, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)
    # With the normalization of its heads, BYOL sees the whole batch or none.
    model = made("byol")
    model.encoder_chunk_size = 4
    model.compile("sgd", "cosine_distance")
    with pytest.raises(ValueError, match="statistics of chunks"):
        model.fit(batches(), verbose=0)


@pytest.mark.parametrize("name", ["byol", "simsiam"])
def test_no_gradient_enters_the_targets(name):
    """The loss, of both directions, and its gradient by the encodings."""
    model = made(name)
    images = IMAGES[:8], 1 - IMAGES[:8]
    encodings = dict(model.encode(images, training=True))
    values = []
    for a, b in ("ab", "ba"):
        x, y = (unit(encodings[n].numpy()) for n in (f"prediction_{a}", f"target_{b}"))
        values.append(np.mean(np.sum(x * y, axis=1)))
    expected = 4 - 2 * sum(values) if name == "byol" else 1 - sum(values) / 2
    targets, outputs = model(images, training=True, as_pairs=True)
    found = model.compute_loss(images, targets, outputs)
    assert float(found) == pytest.approx(expected, rel=1e-4)
    with tf.GradientTape() as tape:
        encodings = model.encode(images, training=True)
        total = sum(tf.reduce_sum(encodings[f"target_{v}"]) for v in "ab")
    gradients = tape.gradient(total, model.trainable_variables)
    assert all(gradient is None for gradient in gradients)


def test_no_gradient_passes_through_a_followed_encoder():
    dense = keras.layers.Dense(3)
    follower = kim.models.MomentumEncoder(dense)
    view = tf.Variable(IMAGES[:4].reshape(4, -1))
    with tf.GradientTape(persistent=True) as tape:
        followed, encoded = follower(view), dense(view)
    np.testing.assert_array_equal(followed, encoded)
    assert tape.gradient(followed, view) is None
    assert np.abs(tape.gradient(encoded, view)).max() > 0


def test_what_is_exported_is_the_encoder_before_the_heads():
    for name in ("moco", "byol", "simsiam"):
        model = made(name)
        assert model.encoder_x.output_shape == (None, 6)
        parts = [layer.name for layer in model.encoder_x.layers]
        assert not [part for part in parts if "momentum" in part]


@pytest.mark.slow
def test_a_symmetric_queue_asks_both_ways():
    model = made("moco", symmetric=True)
    assert [(t.x, t.y, t.weight) for t in model.terms] == [
        ("query_a", "key_b", 0.5),
        ("query_b", "key_a", 0.5),
    ]
    history = model.fit(batches(), verbose=0).history
    assert {"mi", "mi_query_a_key_b", "mi_query_b_key_a"} <= set(history)


def test_widths_that_differ_are_refused():
    with pytest.raises(
        ValueError, match="prediction_units must be .* projection_units"
    ):
        made("byol", prediction_units=(7, 4))


def test_the_queue_of_another_package():
    import json
    import pathlib

    path = pathlib.Path(__file__).parents[1] / "losses" / "peer_losses.json"
    theirs = json.loads(path.read_text())["losses"]["lightly_queue"]
    a, b, _ = peer_losses.encodings()
    term = kim.models.QueueTerm(
        "x",
        "y",
        12,
        critic=kim.critics.CosineCritic(peer_losses.TEMPERATURE, dtype="float64"),
        dtype="float64",
    )
    term.build({"x": a.shape, "y": b.shape})
    term.queue.assign(peer_losses.bank())
    x, y = tf.constant(a), tf.constant(b)
    with tf.GradientTape() as tape:
        tape.watch(x)
        pairs = term({"x": x, "y": y}, training=True)
        loss = kim.losses.get("nt_xent")(*pairs)
    # The queue is in float32, and so is the loss.
    assert float(loss) == pytest.approx(theirs["value"], rel=1e-6)
    gradient = tape.gradient(loss, x)
    np.testing.assert_allclose(gradient, theirs["gradients"][0], rtol=1e-4, atol=1e-7)
    np.testing.assert_allclose(term.queue[:8], unit(b), rtol=1e-5, atol=1e-6)
