"""All options of `fit`, `evaluate` and `predict`: each works, or is refused."""

import re

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import keras_infomax as kim

X = np.random.default_rng(0).normal(size=(65, 6)).astype("float32")
Y = X[:, ::-1].copy()


def infomax(encoder=None, **options):
    keras.utils.set_random_seed(0)
    encoder = encoder or keras.Sequential([keras.Input((6,)), layers.Dense(4)])
    model = kim.InfoMax(encoder, **options)
    model.compile(keras.optimizers.SGD(0.1), "infonce", run_eagerly=True)
    return model


def views(rows):
    return X[:rows], Y[:rows]


def fit(data=None, **options):
    """Weights and history after a pass over the data in order."""
    model = infomax()
    options = {"shuffle": False, "verbose": 0, **options}
    history = model.fit(views(64) if data is None else data, **options).history
    return model.get_weights(), history


def assert_equal(result, expected):
    assert_same_history(result[1], expected[1])
    for value, other in zip(result[0], expected[0], strict=True):
        np.testing.assert_allclose(value, other, rtol=1e-6)


def assert_same_history(history, expected):
    assert set(history) == set(expected)
    for name, values in expected.items():
        assert history[name] == pytest.approx(values, rel=1e-5), name


class Batches(keras.utils.PyDataset):
    """Batches of 32 pairs, with or without the place of targets."""

    def __init__(self, rows, targets=()):
        super().__init__()
        self.rows, self.targets = rows, targets

    def __len__(self):
        return -(-self.rows // 32)

    def __getitem__(self, index):
        part = slice(32 * index, min(self.rows, 32 * index + 32))
        return ((X[part], Y[part]), *self.targets)


LEFT_OUT = "One row is left out.*negatives"


def test_a_remainder_of_one_row_is_left_out_with_one_warning():
    expected = fit(batch_size=32, epochs=2)
    with pytest.warns(UserWarning, match=LEFT_OUT) as warned:
        result = fit(views(65), batch_size=32, epochs=2)
    assert [each.filename for each in warned] == [__file__]
    assert_equal(result, expected)
    with pytest.warns(UserWarning, match=LEFT_OUT):
        result = fit(
            views(65), batch_size=32, epochs=2, sample_weight=[1.0] * 64 + [9.0]
        )
    assert_equal(result, expected)


def test_a_remainder_of_one_row_of_other_data():
    expected = fit(batch_size=32)
    with pytest.warns(UserWarning, match=LEFT_OUT) as warned:
        assert_equal(fit(Batches(65)), expected)
    assert [each.filename for each in warned] == [__file__]
    batches = (Batches(65)[i] for i in range(3))
    with pytest.warns(UserWarning, match=LEFT_OUT):
        assert_equal(fit(batches, steps_per_epoch=2), expected)
    assert_equal(fit(Batches(64, targets=(None,))), expected)


def test_a_remainder_of_one_row_in_evaluation():
    model = infomax()
    expected = model.evaluate(views(64), batch_size=32, verbose=0)
    with pytest.warns(UserWarning, match=LEFT_OUT) as warned:
        assert model.evaluate(views(65), batch_size=32, verbose=0) == expected
    assert warned[0].filename == __file__
    for held_out in ((views(65),), Batches(65)):
        with pytest.warns(UserWarning, match=LEFT_OUT):
            _, history = fit(batch_size=32, validation_data=held_out)
        _, whole = fit(batch_size=32, validation_data=(views(64),))
        assert_same_history(history, whole)
    # One row has an encoding, with or without negatives.
    assert len(model.predict(X, batch_size=32, verbose=0)) == 65


def test_a_memory_bank_takes_a_single_row():
    index = keras.Input((), dtype="int32")
    a, b = keras.Input((6,)), keras.Input((6,))
    dense = layers.Dense(4)
    outputs = {"x": dense(a), "y": dense(b), "index": index}
    term = kim.MemoryTerm("x", "y", "index", examples=65, num_negatives=8)
    model = kim.InfoMax(network=keras.Model([a, b, index], outputs), terms=[term])
    model.compile("sgd", "infonce", run_eagerly=True)
    data = (*views(65), np.arange(65, dtype="int32"))
    model.fit(data, batch_size=32, verbose=0)
    assert int(model.optimizer.iterations) == 3


def test_the_split_is_that_of_keras():
    result = fit(validation_split=0.25, batch_size=16)
    expected = fit(views(48), batch_size=16, validation_data=((X[48:64], Y[48:64]),))
    assert_equal(result, expected)
    weights = [*np.linspace(0, 2, 64)]
    result = fit(validation_split=0.25, batch_size=16, sample_weight=weights)
    expected = fit(
        views(48),
        batch_size=16,
        sample_weight=weights[:48],
        validation_data=((X[48:64], Y[48:64]), None, weights[48:]),
    )
    assert_equal(result, expected)


def test_validation_has_a_batch_size_of_its_own():
    _, history = fit(batch_size=32, validation_data=(views(64),))
    _, smaller = fit(
        batch_size=32, validation_data=(views(64),), validation_batch_size=16
    )
    _, fewer = fit(batch_size=32, validation_data=(views(64),), validation_steps=1)
    model = infomax()
    model.fit(views(64), batch_size=32, shuffle=False, verbose=0)
    for size, rows, found in ((32, 64, history), (16, 64, smaller), (32, 32, fewer)):
        loss, mi = model.evaluate(views(rows), batch_size=size, verbose=0)
        assert found["val_loss"] == pytest.approx([loss], rel=1e-5)
        assert found["val_mi"] == pytest.approx([mi], rel=1e-5)


@pytest.mark.parametrize("method", ["fit", "evaluate", "predict"])
def test_a_callback_needs_no_list(method):
    class Count(keras.callbacks.Callback):
        ended = 0

        def on_train_end(self, logs=None):
            self.ended += 1

        on_test_end = on_predict_end = on_train_end

    count = Count()
    data = X if method == "predict" else views(64)
    getattr(infomax(), method)(data, callbacks=count, verbose=0)
    assert count.ended == 1
    for wrong in (3, [Count], "log"):
        with pytest.raises(ValueError, match="callbacks must be a keras.callbacks.Ca"):
            getattr(infomax(), method)(data, callbacks=wrong, verbose=0)


def test_an_epoch_that_is_past_trains_nothing():
    model = infomax()
    assert model.fit(views(64), epochs=2, initial_epoch=2, verbose=0).history == {}
    assert int(model.optimizer.iterations) == 0


PAIRS = r"Pass arrays as {}\(\(x, y\)\), or a dataset whose elements are \(\(x, y\),\)"
DATASET = tf.data.Dataset.from_tensor_slices((views(64),)).batch(32)
LABELED = DATASET.map(lambda pair: (pair, pair[0]))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"x": X, "y": Y}, f"y must be None.*{PAIRS.format('fit')}"),
        ({"class_weight": {0: 1.0}}, "class_weight must be None.*Use sample_weight"),
        ({"x": None}, f"x must be given.*{PAIRS.format('fit')}"),
        ({"x": LABELED}, "received a tuple of 2.*lambda x, y, weights"),
        ({"x": (X, Y[:60])}, "same number of rows.*received 60 and 65"),
        ({"validation_data": (X, Y)}, r"Pass arrays as validation_data=\(\(x, y\),\)"),
        ({"validation_data": (views(64), Y)}, r"validation_data=\(\(x, y\),\)"),
        ({"validation_data": LABELED}, "received a tuple of 2"),
        ({"validation_data": ((X, Y[:60]),)}, "same number of rows"),
        ({"validation_split": 1.5}, r"validation_split must be in \[0, 1\)"),
        ({"validation_split": 0.99}, "leave at least 2 rows of 64"),
        ({"x": DATASET, "validation_split": 0.5}, "validation_split needs arrays"),
        ({"validation_steps": 2}, "validation_steps needs validation_data"),
        ({"validation_batch_size": 2}, "validation_batch_size needs validation_data"),
        ({"x": DATASET, "batch_size": 32}, "batch_size must be None if.*validation"),
        (
            {"validation_data": DATASET, "validation_batch_size": 32},
            "validation_batch_size must be None if the data come in batches",
        ),
        ({"batch_size": 1}, "at least 2 rows.*received batch_size=1"),
        ({"x": views(1)}, "at least 2 rows.*received rows=1"),
        ({"batch_size": 0}, "batch_size must be a positive integer.*; received 0"),
        ({"batch_size": 2.5}, "batch_size must be a positive integer"),
        ({"batch_size": True}, "batch_size must be a positive integer"),
        ({"epochs": -1}, "epochs must be an integer of at least 0"),
        ({"epochs": "3"}, "epochs must be an integer"),
        ({"epochs": None}, "epochs must be an integer of at least 0; received None"),
        ({"initial_epoch": -1}, "initial_epoch must be an integer"),
        ({"initial_epoch": None}, "initial_epoch must be an integer"),
        ({"x": Batches(1)}, "at least 2 rows.*received rows=1"),
        (
            {"validation_split": 0.5, "sample_weight": [1.0] * 63},
            "sample_weight must hold one number for each of the 64 pairs",
        ),
        ({"steps_per_epoch": 0}, "steps_per_epoch must be a positive integer"),
        ({"steps_per_epoch": -1}, "steps_per_epoch must be a positive integer"),
        ({"validation_freq": 0}, "validation_freq must be a positive integer"),
        ({"validation_freq": [1, "b"]}, "validation_freq must be a positive integer"),
        ({"shuffle": "yes"}, "shuffle must be True, False or 'batch'"),
        ({"verbose": "yes"}, "verbose must be 'auto', 0, 1 or 2"),
    ],
    ids=lambda value: re.sub(r"\W+", " ", str(value))[:30] if value else "",
)
def test_options_without_effect_are_refused_before_the_first_step(options, message):
    model = infomax()
    with pytest.raises(ValueError, match=message):
        model.fit(**{"x": views(64), "verbose": 0, **options})
    assert int(model.optimizer.iterations) == 0


@pytest.mark.parametrize(
    ("method", "options", "message"),
    [
        ("evaluate", {"x": X, "y": Y}, f"y must be None.*{PAIRS.format('evaluate')}"),
        ("evaluate", {"x": views(64), "steps": 0}, "steps must be a positive integer"),
        ("evaluate", {"x": DATASET, "batch_size": 8}, "batch_size must be None"),
        ("predict", {"x": X, "batch_size": 0}, "batch_size must be a positive integer"),
        ("predict", {"x": X, "steps": -1}, "steps must be a positive integer"),
        ("train_on_batch", {"x": X, "y": Y}, "y must be None"),
        ("test_on_batch", {"x": X, "y": Y}, "y must be None"),
        (
            "train_on_batch",
            {"x": views(64), "class_weight": {0: 1.0}},
            "class_weight must be None",
        ),
    ],
)
def test_options_of_other_methods(method, options, message):
    with pytest.raises(ValueError, match=message):
        getattr(infomax(), method)(**options)


def test_nothing_to_train_is_said():
    frozen = keras.Sequential([keras.Input((6,)), layers.Dense(4)])
    frozen.trainable = False
    model = infomax(frozen, critic="inner_product")
    for train in (model.fit, model.train_on_batch):
        with pytest.raises(ValueError, match=r"nothing to train.*encoder_x.trainable"):
            train(views(64))
    assert np.isfinite(model.evaluate(views(64), verbose=0)).all()


def test_no_optimizer_is_said():
    model = infomax()
    model.compile(None, "infonce", run_eagerly=True)
    for train in (model.fit, model.train_on_batch):
        with pytest.raises(ValueError, match="compiled with an optimizer"):
            train(views(64))
    assert np.isfinite(model.evaluate(views(64), verbose=0)).all()


def test_a_model_without_an_optimizer_is_saved(tmp_path):
    model = infomax()
    model.compile(None, "infonce")
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.optimizer is None
    expected = model.evaluate(views(64), verbose=0)
    assert loaded.evaluate(views(64), verbose=0) == expected


def test_export_says_what_to_type():
    with pytest.raises(ValueError, match=r"saved_model\.export\(model\.encoder_x, 'f'"):
        infomax().export("f")


@pytest.mark.parametrize("size", [0, -1, 2.5, True, "all"])
def test_chunk_sizes_are_checked_whenever_they_are_set(size):
    model = infomax()
    with pytest.raises(ValueError, match="encoder_chunk_size must be a positive int"):
        model.encoder_chunk_size = size
    model.encoder_chunk_size = 7
    assert model.get_config()["encoder_chunk_size"] == 7


def test_an_encoder_is_no_critic():
    encoders = [keras.Sequential([keras.Input((6,)), layers.Dense(4)]) for _ in "abc"]
    with pytest.raises(ValueError, match=r"critic\(x, y\).*the Sequential .*bilinear"):
        kim.InfoMax(*encoders)
    with pytest.raises(ValueError, match=r"critic\(x, y\).*the Dense"):
        kim.Term("a", "b", layers.Dense(3))


LISTS = X[:4].tolist(), Y[:4].tolist()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda m: m.fit(LISTS), "x must be arrays"),
        (lambda m: m.fit((X, LISTS[1])), "x must be arrays"),
        (lambda m: m.fit(views(8), validation_data=(LISTS,)), "validation_data must"),
        (lambda m: m.evaluate(LISTS), "x must be arrays"),
        (lambda m: m.predict(LISTS[0]), "x must be arrays"),
        (lambda m: m.train_on_batch(LISTS), "x must be arrays"),
        (lambda m: m.test_on_batch(LISTS), "x must be arrays"),
        (lambda m: m.predict_on_batch(LISTS[0]), "x must be arrays"),
        (lambda m: m.predict(X[:0]), "at least one row"),
        (lambda m: m.predict_on_batch(X[:0]), "at least one row"),
        (lambda m: m.train_on_batch(views(1)), "at least 2 rows.*received 1"),
        (lambda m: m.test_on_batch(views(1)), "at least 2 rows.*received 1"),
        (
            lambda m: m.test_on_batch(views(4), sample_weight=[1.0] * 3),
            "for each of the 4 pairs",
        ),
    ],
    ids=range(13),
)
def test_what_is_no_batch_is_refused_in_one_line(call, message):
    with pytest.raises(ValueError, match=message) as caught:
        call(infomax())
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300
