"""Views that are more than one float tensor, from `fit` to an export."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers
from structure_checks import (
    BYTES,
    CATEGORIES,
    ENCODERS,
    FLAGS,
    LABELS,
    NUMBERS,
    ROWS,
    TABLE,
    TOKENS,
    X,
    Y,
    by_hand,
    dense,
    infomax,
    network,
    of_bytes,
    of_flags,
    of_table,
    of_tokens,
    of_words,
)

import keras_infomax as kim
from keras_infomax import structures
from keras_infomax.callbacks import (
    ConditionNumbers,
    LinearProbe,
    Probes,
    TensorBoard,
)
from keras_infomax.probes import FewLabels, FineTuning, LogisticProbe, encode
from keras_infomax.structures import Spec


@pytest.mark.parametrize("kind", ENCODERS)
def test_predictions_are_those_of_the_encoder(kind):
    make, view = ENCODERS[kind]
    model = infomax(make())
    if kind == "words":
        logs = model.fit((view, X), validation_data=((view, X),), verbose=0).history
        assert set(logs) == {"loss", "mi", "val_loss", "val_mi"}
    loss = model.evaluate((view, X), batch_size=ROWS, verbose=0, return_dict=True)
    scores = model((view, X))
    assert scores.shape == (ROWS, ROWS)
    assert loss["mi"] == pytest.approx(np.mean(kim.bounds.infonce(scores)), abs=1e-5)
    expected = by_hand(model.encoder_x, view)
    for given in ((view, X), view):
        np.testing.assert_array_equal(model.predict(given, verbose=0), expected)


def test_predictions_of_datasets():
    model = infomax(of_table())
    expected = by_hand(model.encoder_x, TABLE)
    for element in ((TABLE, X), TABLE):
        data = tf.data.Dataset.from_tensor_slices((element,)).batch(32)
        np.testing.assert_array_equal(model.predict(data, verbose=0), expected)


def test_networks_take_views_by_their_names():
    model = network(dict)
    views = {"apple": Y, "zebra": X}
    model.fit(views, batch_size=32, verbose=0)
    expected = model.encoder_x.predict(X, verbose=0)
    for given in (views, X, {"zebra": X}):
        np.testing.assert_array_equal(model.predict(given, verbose=0), expected)
    np.testing.assert_array_equal(model(views), model(dict(reversed(views.items()))))


@pytest.mark.parametrize("views", [(X, Y), [X, Y], {"apple": X}, {"a": X, "b": Y}])
def test_views_without_the_names_of_the_network_are_refused(views):
    model = network(dict)
    expected = r"\{'apple': float32 \(rows, 6\), 'zebra': float32 \(rows, 6\)\}"
    with pytest.raises(ValueError, match=rf"predict takes.*{expected}.*received"):
        model.predict(views, verbose=0)
    for call in (model, lambda v: model.fit(v, verbose=0)):
        with pytest.raises(ValueError, match=rf"^The views must be {expected}.*$"):
            call(views)


def test_networks_of_lists_take_positions_or_names():
    model = network(list)
    expected = model.encoder_x.predict(X, verbose=0)
    for given in ((X, Y), [X, Y], {"apple": Y, "zebra": X}, X):
        np.testing.assert_array_equal(model.predict(given, verbose=0), expected)
    with pytest.raises(ValueError, match=r"predict takes all.*received \(float32 "):
        model.predict((X, Y, X), verbose=0)


def test_names_find_an_index_whatever_its_dtype():
    x, y = keras.Input((6,), name="x"), keras.Input((6,), name="y")
    index = keras.Input((), dtype="int32", name="index")
    encodings = {"x": layers.Dense(4)(x), "y": layers.Dense(4)(y), "index": index}
    model = kim.InfoMax(
        network=keras.Model([x, index, y], encodings), terms=[kim.Term("x", "y")]
    )
    model.compile("adam", "infonce")
    views = {"x": X, "y": Y, "index": np.arange(ROWS)}
    model.fit(views, batch_size=32, verbose=0)
    np.testing.assert_array_equal(model(views), model((X, np.arange(ROWS), Y)))


def test_a_representation_of_a_view_of_parts(tmp_path):
    cat, num = keras.Input((3,), dtype="int32", name="cat"), keras.Input((5,))
    item = keras.Input((6,), name="item")
    taken = {"item": item, "user": {"cat": cat, "num": num}}
    encodings = {"user": of_table()({"cat": cat, "num": num})}
    encodings["item"] = layers.Dense(4)(item)
    model = kim.InfoMax(
        network=keras.Model(taken, encodings), terms=[kim.Term("user", "item")]
    )
    model.compile("adam", "infonce")
    views = {"user": TABLE, "item": X}
    model.fit(views, batch_size=32, verbose=0)
    assert set(model.encoder_x.input) == {"cat", "num"}
    expected = model.encoder_x.predict(TABLE, verbose=0)
    model.save(tmp_path / "model.keras")
    for one in (model, keras.saving.load_model(tmp_path / "model.keras")):
        for given in (views, TABLE):
            np.testing.assert_array_equal(one.predict(given, verbose=0), expected)


def test_chunks_of_integers():
    model = infomax(of_tokens(), encoder_chunk_size=32)
    whole = kim.InfoMax(model.encoder_x, model.encoder_y, model.critic)
    np.testing.assert_allclose(model((TOKENS, X)), whole((TOKENS, X)), atol=1e-6)
    model.fit((TOKENS, X), batch_size=48, verbose=0)


def test_parts_of_different_length():
    data = ({**TABLE, "cat": CATEGORIES[:5]}, X)
    with pytest.raises(ValueError, match=r"same number of rows.*'cat': int64 \(5, 3\)"):
        infomax(of_table())(data)


def test_one_view_is_not_scored():
    with pytest.raises(ValueError, match=r"^Dataset elements.*predict\(x\).*$"):
        infomax(dense())(X)


@keras.saving.register_keras_serializable(package="tests")
class OfParts(layers.Layer):
    """Declares nothing: what it takes is known once it has been called."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.embedding, self.dense = layers.Embedding(50, 4), layers.Dense(4)

    def build(self, input_shape):
        self.embedding.build(input_shape["tokens"])
        self.dense.build((None, 4 + input_shape["num"][-1]))

    def call(self, view):
        means = keras.ops.mean(self.embedding(view["tokens"]), axis=1)
        return self.dense(keras.ops.concatenate([means, view["num"]], axis=-1))


def test_encoders_that_declare_nothing(tmp_path):
    model = infomax(OfParts())
    view = {"tokens": TOKENS, "num": NUMBERS}
    model.fit((view, X), batch_size=32, verbose=0)
    expected = model.predict((view, X), verbose=0)
    np.testing.assert_array_equal(model.predict(view, verbose=0), expected)
    found = encode(model.encoder_x, view)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded.predict(view, verbose=0), expected)
    assert loaded.optimizer.iterations == 3
    with pytest.raises(ValueError, match=r"'tokens': a tensor \(rows, 7\).*'other'"):
        model.predict({"other": TOKENS, "num": NUMBERS}, verbose=0)


def test_a_table_that_looks_up_what_it_was_built_with():
    lazy = keras.Sequential([layers.Embedding(50, 8), layers.GlobalMaxPooling1D()])
    model = infomax(lazy)
    model.fit((TOKENS, X), batch_size=32, verbose=0)
    expected = lazy.predict(TOKENS, verbose=0)
    np.testing.assert_array_equal(model.predict(TOKENS, verbose=0), expected)


# What is not a view.


@pytest.mark.parametrize(
    ("make", "view", "message"),
    [
        (of_tokens, X, r"int32 \(rows, 7\).*received float32 \(32, 6\)\. Cast"),
        (of_tokens, BYTES, r"int32 \(rows, 7\).*received uint8 \(32, 3, 3, 1\)"),
        (of_flags, FLAGS[:, :4], r"bool \(rows, 5\).*received bool \(32, 4\)"),
        (of_bytes, BYTES.astype("int32"), r"uint8 \(rows, 3, 3, 1\).*received int32"),
        (of_words, X, r"string \(rows, 1\).*received float32"),
        (dense, TABLE, r"float32 \(rows, 6\).*received \{'cat': int64 \(32, 3\)"),
        (dense, X > 0, r"float32 \(rows, 6\).*received bool .*Cast"),
        (of_table, X, r"\{'cat': int32 \(rows, 3\), 'num': float32 \(rows, 5\)\}"),
        (
            of_table,
            {"cat": CATEGORIES, "num": CATEGORIES},
            r"part 'num', must be a floating.*float32 \(rows, 5\).*received int64",
        ),
        (
            lambda: of_table(list),
            (NUMBERS, CATEGORIES),
            r"part 'cat', must be int32 \(rows, 3\).*received float32 \(32, 5\)",
        ),
    ],
)
def test_the_message_has_what_was_expected_and_received(make, view, message):
    model = infomax(make())
    with pytest.raises(ValueError, match=rf"^View x.*{message}") as error:
        model.fit((view, X), batch_size=32, verbose=0)
    assert "\n" not in str(error.value)
    for word in ("image", "pixel", "255"):
        assert word not in str(error.value)
    with pytest.raises(ValueError, match=r"^(View x|predict takes)"):
        model.predict(view, verbose=0)


def test_images_are_told_to_be_scaled():
    model = infomax(kim.encoders.mlp((3, 3, 1), (4,), 4))
    probe = LinearProbe((BYTES, LABELS), (BYTES, LABELS))
    message = r"floating point tensor.*uint8.*Scale images to \[0, 1\].*x / 255"
    for call in (
        lambda: model.fit((BYTES, X), verbose=0),
        lambda: model.predict(BYTES, verbose=0),
        lambda: model.fit((BYTES / np.float32(255), X), callbacks=[probe], verbose=0),
    ):
        with pytest.raises(ValueError, match=message):
            call()


# Probes.


def expected_score(encoder, view):
    encodings = by_hand(encoder, view)
    train, test = slice(0, 64), slice(64, None)
    probe = LogisticProbe().fit(encodings[train], LABELS[train])
    return probe.score(encodings[test], LABELS[test])


def split(view):
    return [
        (keras.tree.map_structure(lambda part, s=s: part[s], view), LABELS[s])
        for s in (slice(0, 64), slice(64, None))
    ]


@pytest.mark.parametrize("kind", ENCODERS)
def test_probes_are_those_on_encodings_made_by_hand(kind, capsys):
    make, view = ENCODERS[kind]
    model = infomax(make())
    probe = LinearProbe(*split(view))
    logs = model.fit((view, X), batch_size=48, callbacks=[probe]).history
    expected = expected_score(model.encoder_x, view)
    assert logs["probe_accuracy"] == [pytest.approx(expected)]
    printed = capsys.readouterr().out
    assert ("pixel baseline" in printed) == (kind == "bytes")
    if kind == "words":
        assert probe.raw_baseline is None
        return
    flat = [np.reshape(part, (ROWS, -1)) for part in keras.tree.flatten(view)]
    raw = np.concatenate([part.astype("float32") for part in flat], axis=1)
    (x, labels), (x_test, labels_test) = split(raw)
    baseline = LogisticProbe().fit(x, labels).score(x_test, labels_test)
    assert probe.raw_baseline == baseline


def test_probes_that_fine_tune_take_views_of_parts():
    tuned = FineTuning(of_table(), learning_rate=0.05, epochs=30)
    train, test = split(TABLE)
    assert tuned.fit(*train).score(*train) > 0.7
    assert tuned.predict(test[0]).shape == (32,)
    few = FewLabels(FineTuning(epochs=2), per_class=8, draws=2).of(of_table(list))
    assert few.fit(*train).measure(*test).accuracy <= 1
    with pytest.raises(ValueError, match=r"x must be \{'cat': int32 \(rows, 3\)"):
        tuned.fit(NUMBERS, LABELS)


def test_encodings_of_parts_are_those_of_the_encoder():
    encoder = of_table(list)
    expected = by_hand(encoder, TABLE)
    for view in (TABLE, (CATEGORIES, NUMBERS), [CATEGORIES, NUMBERS]):
        found = encode(encoder, view, batch_size=32)
        np.testing.assert_array_equal(found, expected)
    with pytest.raises(ValueError, match="the same number of rows in all parts"):
        encode(encoder, (CATEGORIES, NUMBERS[:5]))


@pytest.mark.parametrize(
    ("pair", "message"),
    [
        ((TABLE, LABELS[:3]), r"train must have one label per row, shape \(96,\)"),
        (({**TABLE, "num": NUMBERS * np.nan}, LABELS), "train must be finite"),
        (({**TABLE, "num": NUMBERS[:4]}, LABELS), "train must have the same number"),
    ],
)
def test_labelled_views_of_parts_are_checked(pair, message):
    with pytest.raises(ValueError, match=message):
        Probes(pair, (TABLE, LABELS), {"linear": "linear"})
    with pytest.raises(ValueError, match=r"shape of train, \{'cat'.*received \(7,\)"):
        Probes((TABLE, LABELS), (TOKENS, LABELS), {"linear": "linear"})


def test_tensor_board_shows_views_of_parts(tmp_path):
    model = infomax(of_table())
    probe = LinearProbe(*split(TABLE))
    board = TensorBoard(tmp_path, (TABLE, X), probe, every=1)
    model.fit((TABLE, X), batch_size=48, callbacks=[probe, board], verbose=0)
    assert {path.name for path in tmp_path.iterdir()} == {
        *("train", "held_out", "ceiling", "raw_views", "examples")
    }
    table = np.loadtxt(tmp_path / "examples" / "encodings.tsv", delimiter="\t")
    expected = by_hand(model.encoder_x, split(TABLE)[1][0])
    np.testing.assert_allclose(table, expected, rtol=1e-6)


@pytest.mark.parametrize("views", [TABLE, TOKENS, (X, NUMBERS)])
def test_condition_numbers_are_of_one_array_of_floats(views):
    with pytest.raises(ValueError, match=r"views must be floats.*no Jacobian"):
        ConditionNumbers(views)


# The structures themselves.


def test_what_layers_take():
    assert structures.of(of_tokens()).dtype == "int32"
    assert str(structures.of(of_words())) == "string (rows, 1)"
    assert structures.of(layers.Dense(3)) is None
    built = layers.Dense(3)
    built.build((None, 5))
    assert structures.of(built) == Spec("inputs", (None, 5), None, declared=False)
    found = structures.of(of_table(list))
    said = "(cat: int32 (rows, 3), num: float32 (rows, 5))"
    assert structures.described(found) == said


@pytest.mark.parametrize(
    ("dtype", "taken"),
    [
        ("float32", {"float16", "float32", "float64"}),
        ("int32", {"bool", "uint8", "int32", "int64"}),
        ("uint8", {"bool", "uint8"}),
        ("bool", {"bool"}),
    ],
)
def test_dtypes_that_lose_nothing_are_taken(dtype, taken):
    every = ("bool", "uint8", "int32", "int64", "float16", "float32", "float64")
    for given in every:
        view = np.zeros((2, 3), given)
        spec = Spec("x", (None, 3), dtype)
        if given in taken:
            assert structures.checked("View x", spec, view) is view
        else:
            with pytest.raises(ValueError, match=f"received {given}"):
                structures.checked("View x", spec, view)
