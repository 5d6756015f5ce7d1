"""The memory bank: what is scored, what is remembered, and by whom."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_infomax as kim
from keras_infomax import private

RNG = np.random.default_rng(0)
EXAMPLES, DRAWN, DIM = 12, 20, 3
X = RNG.normal(size=(4, DIM)).astype("float32")
Y = RNG.normal(size=(4, DIM)).astype("float32")
INDEX = np.array([5, 0, 11, 3], "int32")
ENCODINGS = {"x": X, "y": Y, "index": INDEX}


def unit(vectors):
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def memory_term(**kwargs):
    options = {"num_negatives": DRAWN, "critic": kim.critics.CosineCritic(0.5)}
    return kim.MemoryTerm("x", "y", "index", EXAMPLES, **{**options, **kwargs})


def built(**kwargs):
    term = memory_term(**kwargs)
    term.build({name: value.shape for name, value in ENCODINGS.items()})
    return term


def drawn_by(term):
    """The rows that the next call in training will draw."""
    seed = term.draw.numpy()
    return tf.random.stateless_uniform((DRAWN,), seed, 0, EXAMPLES, tf.int32).numpy()


def test_bank_starts_with_random_directions():
    bank = built().bank.numpy()
    np.testing.assert_allclose(np.linalg.norm(bank, axis=1), 1, rtol=1e-5)
    assert np.abs(built().bank.numpy() - bank).max() > 0.1
    private.set_random_seed(0)
    np.testing.assert_array_equal(built().bank, bank)


def test_training_scores_against_rows_of_the_bank():
    term = built()
    bank, drawn = term.bank.numpy(), drawn_by(term)
    partners, scores = term(ENCODINGS, training=True)
    np.testing.assert_array_equal(partners, [0, 1, 2, 3])
    columns = np.concatenate([INDEX, drawn])
    expected = unit(X) @ bank[columns].T / 0.5
    # Examples of the batch are drawn as well, but are no negatives of themselves.
    assert np.isin(INDEX, drawn).any()
    for i, j in np.ndindex(*expected.shape):
        if columns[j] == INDEX[i] and j != i:
            expected[i, j] = -np.inf
    np.testing.assert_allclose(scores, expected, rtol=1e-4, atol=1e-5)


def test_training_moves_the_rows_of_the_batch_alone():
    term = built(momentum=0.25)
    expected = term.bank.numpy()
    term(ENCODINGS, training=True)
    expected[INDEX] = unit(0.25 * expected[INDEX] + 0.75 * unit(Y))
    np.testing.assert_allclose(term.bank, expected, rtol=1e-5, atol=1e-6)


def test_a_fresh_bank_makes_the_scores_of_the_batch():
    term = built(momentum=0.0)
    term(ENCODINGS, training=True)
    _, scores = term(ENCODINGS, training=True)
    expected = unit(X) @ unit(Y).T / 0.5
    np.testing.assert_allclose(scores[:, :4], expected, rtol=1e-4, atol=1e-5)


def test_each_step_draws_anew():
    term = built()
    draws = []
    for _ in range(2):
        draws.append(drawn_by(term))
        term(ENCODINGS, training=True)
    assert (draws[0] != draws[1]).any()
    assert term.draw.numpy()[1] == 2


def test_evaluation_pairs_views_and_leaves_the_bank_alone():
    term = built()
    term(ENCODINGS, training=True)
    bank, draw = term.bank.numpy(), term.draw.numpy()
    first, second = (term(ENCODINGS, training=False)[1].numpy() for _ in range(2))
    np.testing.assert_array_equal(first, second)
    np.testing.assert_allclose(first[:, :4], unit(X) @ unit(Y).T / 0.5, rtol=1e-4)
    rows = first[:, 4:]
    cosines = unit(X) @ bank.T / 0.5
    for column in range(DRAWN):
        distances = np.abs(cosines - rows[:, column : column + 1]).max(axis=0)
        assert distances.min() < 1e-5
    np.testing.assert_array_equal(term.bank, bank)
    np.testing.assert_array_equal(term.draw, draw)


def test_no_gradient_enters_the_bank_or_its_encodings():
    term = built()
    x, y = tf.Variable(X), tf.Variable(Y)
    with tf.GradientTape() as tape:
        tape.watch(term.bank.value)
        partners, scores = term({"x": x, "y": y, "index": INDEX}, training=True)
        loss = kim.losses.InfoNCE()(partners, scores)
    of_x, of_y = tape.gradient(loss, [x, y])
    assert of_y is None
    assert np.isfinite(of_x).all()
    assert np.abs(of_x).max() > 1e-3
    assert term.trainable_variables == []


def test_half_precision_keeps_the_bank_in_float32():
    keras.config.set_dtype_policy("mixed_bfloat16")
    term = built()
    half = {**ENCODINGS, "x": tf.cast(X, "bfloat16"), "y": tf.cast(Y, "bfloat16")}
    _, scores = term(half, training=True)
    assert scores.dtype == tf.bfloat16
    assert term.bank.dtype == "float32"


IMAGES = RNG.random((24, 8, 8, 3), dtype="float32")


def cmc(**options):
    model = kim.methods.cmc(
        (8, 8, 3),
        encoder="mlp",
        encoding_dim=4,
        examples=24,
        num_negatives=6,
        **options,
    )
    model.compile(keras.optimizers.SGD(0.1), kim.losses.InfoNCE())
    return model


def batches(**options):
    return kim.datasets.pairs(IMAGES, "whole", 8, index=True, **options)


def test_the_index_tells_the_images():
    ((images, index),) = next(iter(batches(seed=3)))
    assert index.dtype == tf.int32
    np.testing.assert_array_equal(images, IMAGES[index.numpy()])


def test_encoders_learn_from_the_bank():
    latent = RNG.normal(size=(80, 4))
    images = np.concatenate([latent, latent], axis=1)
    images += 0.1 * RNG.normal(size=images.shape)
    images = (images - images.min()) / np.ptp(images)
    images = images.astype("float32").reshape(80, 2, 4, 1)
    model = kim.methods.cmc(
        (2, 4, 1),
        views="halves",
        encoder="mlp",
        encoder_units=(32,),
        encoding_dim=4,
        examples=64,
        num_negatives=32,
    )
    model.compile(keras.optimizers.Adam(1e-3), kim.losses.InfoNCE())
    history = model.fit(
        kim.datasets.pairs(images[:64], "whole", 16, index=True, num_steps=400),
        validation_data=kim.datasets.pairs(images[64:], "whole", 16, index=True),
        epochs=2,
        steps_per_epoch=200,
        verbose=0,
    ).history
    assert history["val_mi"][-1] > 1.0


def test_a_model_resumes_where_it_stopped(tmp_path):
    whole, interrupted = cmc(), cmc()
    interrupted.set_weights(whole.get_weights())
    whole.fit(batches(num_steps=6), verbose=0)
    interrupted.fit(batches(num_steps=3), verbose=0)
    interrupted.save(tmp_path / "model.keras")
    resumed = keras.saving.load_model(tmp_path / "model.keras")
    resumed.fit(batches(start_step=3, num_steps=3), verbose=0)
    for a, b in zip(whole.get_weights(), resumed.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_replicas_remember_what_one_device_would(strategy):
    def trained():
        keras.utils.set_random_seed(1)
        model = cmc()
        history = model.fit(
            batches(num_steps=4),
            validation_data=batches(),
            verbose=0,
        ).history
        return model.get_weights(), history

    expected, expected_history = trained()
    with strategy.scope():
        weights, history = trained()
    for name, values in expected_history.items():
        np.testing.assert_allclose(history[name], values, rtol=1e-4, err_msg=name)
    assert len(weights) == len(expected)
    for a, b in zip(expected, weights, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=2e-5)


def test_a_recipe_gives_the_index(digits, tmp_path):
    row = kim.training.train(
        {
            "experiment": "cmc",
            "views": "whole",
            "batch_size": 50,
            "steps": 4,
            "eval_every": 2,
            "options": {"encoder": "mlp", "views": "halves", "examples": 300},
        },
        tmp_path,
        data=digits,
    )
    bank = keras.saving.load_model(tmp_path / "model.keras").terms[0]
    assert row["step"] == 4
    assert bank.draw.numpy()[1] == 4


@pytest.mark.parametrize("jit_compile", [False, True])
@pytest.mark.parametrize("shift", [3, -3])
def test_examples_without_a_row_are_refused(shift, jit_compile):
    images = np.random.default_rng(0).random((8, 8, 8, 3), dtype="float32")
    index = np.arange(8) + shift
    model = kim.methods.cmc((8, 8, 3), encoder="mlp", encoding_dim=4, examples=8)
    model.compile("sgd", kim.losses.InfoNCE(), jit_compile=jit_compile)
    # XLA drops assertions, and leaves NaN to be found.
    found = "bank" if jit_compile else f"examples=8, .*received {shift} to {7 + shift}"
    with pytest.raises(ValueError, match=found):
        model.fit((images, index), batch_size=8, verbose=0)


def test_a_recipe_checks_the_size_of_the_bank(digits, tmp_path):
    config = {
        "experiment": "cmc",
        "views": "whole",
        "batch_size": 50,
        "options": {"encoder": "mlp", "views": "halves", "examples": 299},
    }
    with pytest.raises(
        ValueError,
        match="number of training examples, 300; received 299. .*options.examples=300",
    ):
        kim.training.train(config, tmp_path, data=digits)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_negatives": 0}, "num_negatives must be a positive integer"),
        ({"momentum": 1.0}, "momentum must be in \\[0, 1\\)"),
        ({"mask": kim.losses.SemiHard()}, "draws its negatives from the bank.*mask="),
    ],
)
def test_arguments_are_checked(options, message):
    with pytest.raises(ValueError, match=message):
        memory_term(**options)


def test_encodings_are_checked():
    with pytest.raises(ValueError, match="must return an encoding 'index'"):
        memory_term()({"x": X, "y": Y})
    with pytest.raises(ValueError, match="takes encodings of shape"):
        memory_term()({**ENCODINGS, "y": Y[:, None], "x": X[:, None]})


def test_config_keeps_everything():
    term = memory_term(momentum=0.3, weight=0.5, name="bank")
    copy = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(term)
    )
    assert copy.get_config() == term.get_config()
    assert (copy.examples, copy.momentum, copy.weight) == (EXAMPLES, 0.3, 0.5)
