import collections

import numpy as np
import pytest
import tensorflow as tf

from keras_infomax import datasets, protocols, views

ROWS, BATCH, STEPS = 1000, 96, 1000 // 96


def numbered(rows):
    """Images whose two halves both hold the number of the row, in two bytes."""
    number = np.arange(rows)
    bytes_of_number = np.stack([number // 256, number % 256], axis=-1).astype("uint8")
    return np.repeat(bytes_of_number[:, None, None, :], 2, axis=1)


def numbers(view):
    high, low = np.rint(np.asarray(view)[:, 0, 0, :] * 255).astype(int).T
    return high * 256 + low


def batches(**arguments):
    """The row numbers of each batch, after a check that pairs are pairs."""
    arguments = {"examples": numbered(ROWS), "batch_size": BATCH, **arguments}
    found = []
    for ((x, y),) in datasets.pairs(views="halves", **arguments):
        np.testing.assert_array_equal(numbers(x), numbers(y))
        found.append(numbers(x))
    return np.reshape(found, (-1, arguments["batch_size"]))


@pytest.mark.parametrize(("rows", "batch_size"), [(7, 7), (1000, 50), (4000, 125)])
def test_one_pass_takes_every_row_once(rows, batch_size):
    seen = batches(examples=numbered(rows), batch_size=batch_size)
    assert seen.shape == (rows // batch_size, batch_size)
    assert sorted(seen.ravel()) == list(range(rows))


def test_every_pass_has_another_order_and_another_remainder():
    first, second = np.split(batches(num_steps=2 * STEPS), 2)
    for one_pass in (first, second):
        assert len(set(one_pass.ravel())) == STEPS * BATCH
    assert (first != second).mean() > 0.9
    assert set(first.ravel()) != set(second.ravel())


def test_the_seed_decides_the_order():
    np.testing.assert_array_equal(batches(seed=3), batches(seed=3))
    assert (batches(seed=3) != batches(seed=4)).mean() > 0.9


def test_any_two_rows_are_equally_likely_to_meet():
    rows, batch_size, passes = 20, 5, 400
    seen = batches(examples=numbered(rows), batch_size=batch_size, num_steps=passes * 4)
    meetings = np.zeros((rows, rows))
    for batch in seen:
        meetings[np.ix_(batch, batch)] += 1
    probability = (batch_size - 1) / (rows - 1)
    deviation = meetings[~np.eye(rows, dtype=bool)] / passes - probability
    assert np.abs(deviation).max() < 5 * np.sqrt(probability / passes)


@pytest.mark.parametrize("start", [0, 4, STEPS, STEPS + 3])
def test_resuming_continues_the_uninterrupted_stream(start):
    whole = batches(num_steps=3 * STEPS)
    rest = batches(start_step=start, num_steps=3 * STEPS - start)
    np.testing.assert_array_equal(rest, whole[start:])


def test_a_late_start_costs_nothing():
    assert batches(start_step=10**9, num_steps=2).shape == (2, BATCH)


def test_nothing_is_left_after_the_last_step():
    assert len(batches(start_step=5, num_steps=0)) == 0


def test_without_shuffling_the_rows_keep_their_order():
    seen = batches(shuffle=False, num_steps=2 * STEPS)
    expected = np.tile(np.arange(STEPS * BATCH), 2)
    np.testing.assert_array_equal(seen.ravel(), expected)


def test_replicas_get_whole_pairs_and_together_the_global_batch(strategy):
    dataset = datasets.pairs(numbered(ROWS), "halves", BATCH, num_steps=STEPS)
    distributed = strategy.experimental_distribute_dataset(dataset)
    for ((x, y),), expected in zip(distributed, batches(), strict=True):
        x, y = map(strategy.experimental_local_results, (x, y))
        assert [len(part) for part in x] == [BATCH // 2] * 2
        np.testing.assert_array_equal(numbers(tf.concat(x, 0)), expected)
        np.testing.assert_array_equal(numbers(tf.concat(y, 0)), expected)


def noise_of(**arguments):
    """The noise of each batch."""
    images = np.zeros((40, 4, 6, 1), "uint8")
    noisy = views.Noisy("halves", 0.05)
    dataset = datasets.pairs(images, noisy, 16, **arguments)
    return np.array([x for ((x, _),) in dataset])


def test_random_views_are_new_in_each_step_and_decided_by_the_seed():
    noise = noise_of(num_steps=5)
    assert len({batch.tobytes() for batch in noise}) == 5
    np.testing.assert_array_equal(noise_of(num_steps=5), noise)
    assert (noise_of(num_steps=5, seed=1) != noise).all()


@pytest.mark.parametrize("start", [1, 2, 5])
def test_resuming_continues_the_stream_of_random_views(start):
    rest = noise_of(start_step=start, num_steps=7 - start)
    np.testing.assert_array_equal(rest, noise_of(num_steps=7)[start:])


def test_a_function_of_images_and_seed_is_called_with_the_seed_of_the_step():
    def seed_as_view(images, seed):
        return images, seed

    images = np.zeros((4, 2, 2, 1), "uint8")
    dataset = datasets.pairs(images, seed_as_view, 4, seed=3, start_step=7, num_steps=1)
    ((_, seed),) = dataset.get_single_element()
    np.testing.assert_array_equal(seed, datasets.views_seed(3, 7))


@pytest.mark.parametrize("given", ["halves", "whole", "left_right"])
def test_blocks_hold_the_same_batches(given):
    images = np.random.default_rng(0).integers(0, 256, (50, 4, 4, 1), np.uint8)
    arguments = {"batch_size": 16, "start_step": 2, "num_steps": 11}
    for dataset in (
        datasets.pairs(images, given, index=True, **arguments),
        datasets.labelled(images, np.arange(50), given, **arguments),
    ):
        batches = [tf.nest.flatten(batch) for batch in dataset]
        blocks = [tf.nest.flatten(block) for block in dataset.in_blocks(4)]
        assert [len(block[0]) for block in blocks] == [4, 4, 3]
        for part, of_first in enumerate(batches[0]):
            one_by_one = [batch[part] for batch in batches]
            stacked = np.concatenate([block[part] for block in blocks])
            np.testing.assert_array_equal(one_by_one, stacked)
            assert stacked.dtype == of_first.dtype.as_numpy_dtype


def test_views_that_may_depend_on_more_than_a_row_come_in_no_blocks():
    images = np.zeros((8, 4, 4, 1), "uint8")
    for given in (lambda pixels: (pixels, pixels[::-1]), "augmented"):
        stream = datasets.pairs(images, given, 4)
        assert not isinstance(stream, protocols.ComesInBlocks)


@pytest.mark.parametrize(
    ("changed", "numbers"),
    [
        (lambda stream: stream.take(5), range(5)),
        (lambda stream: stream.skip(4).take(3), range(4, 7)),
        (lambda stream: stream.prefetch(1).skip(9), range(9, 11)),
        (lambda stream: stream.map(lambda views: ((views[0], -views[1]),)), range(11)),
        (
            lambda stream: stream.map(lambda v: (v,), num_parallel_calls=2).take(6),
            range(6),
        ),
    ],
)
def test_a_changed_stream_comes_in_blocks_too(changed, numbers):
    images = np.random.default_rng(0).integers(0, 256, (50, 4, 4, 1), np.uint8)
    stream = datasets.pairs(images, "halves", 16, num_steps=11)
    wanted = list(stream)
    dataset = changed(stream)
    assert isinstance(dataset, datasets.BatchStream)
    assert len(dataset) == len(numbers)
    blocks = list(dataset.in_blocks(4))
    lengths = [len(tf.nest.flatten(block)[0]) for block in blocks]
    assert lengths == [min(4, len(numbers) - i) for i in range(0, len(numbers), 4)]
    for part in (0, 1):
        one_by_one = [tf.nest.flatten(batch)[part] for batch in dataset]
        stacked = np.concatenate([tf.nest.flatten(block)[part] for block in blocks])
        np.testing.assert_array_equal(one_by_one, stacked)
        of_stream = [tf.nest.flatten(wanted[number])[part] for number in numbers]
        np.testing.assert_array_equal(np.abs(stacked), np.abs(of_stream))


def test_the_earlier_name_of_examples_warns():
    images = np.zeros((8, 4, 4, 1), "uint8")
    with pytest.warns(DeprecationWarning, match="images is now examples"):
        stream = datasets.pairs(images=images, views="halves", batch_size=4)
    assert len(stream) == 2
    with pytest.warns(DeprecationWarning, match="images is now examples"):
        datasets.labelled(
            images=images, labels=np.arange(8), views="halves", batch_size=4
        )


def test_the_static_shape_and_the_length_are_known():
    dataset = datasets.pairs(
        np.zeros((60, 8, 6, 3), "uint8"), "left_right", 16, num_steps=7
    )
    view = tf.TensorSpec((16, 8, 3, 3), "float32")
    assert dataset.element_spec == ((view, view),)
    assert len(dataset) == 7


def test_views_may_be_a_layer_or_a_function():
    images = np.full((4, 2, 2, 1), 51, "uint8")
    for given in (views.Halves(axis=2), lambda pixels: (pixels, 1 - pixels)):
        ((x, y),) = next(iter(datasets.pairs(images, given, 4)))
        np.testing.assert_allclose(x, 0.2)
        np.testing.assert_allclose(y, 0.2 if y.shape[2] == 1 else 0.8)


def test_float_images_are_not_scaled_again():
    images = np.full((4, 2, 2, 1), 0.25, "float64")
    ((x, _),) = next(iter(datasets.pairs(images, "halves", 4)))
    assert x.dtype == tf.float32
    np.testing.assert_array_equal(x, np.full((4, 1, 2, 1), 0.25))


def test_sixty_thousand_images_are_stored_and_streamed():
    images = np.zeros((60_000, 28, 28, 1), "uint8")
    images[:, :, 0, 0] = np.arange(60_000)[:, None] % 251
    for ((x, y),) in datasets.pairs(images, "halves", 128, num_steps=20):
        np.testing.assert_array_equal(x, y)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"batch_size": 1}, "at least 2; received 1.*a row's negatives"),
        ({"batch_size": 1001}, "at most .* received 1001, and 1000 images"),
        (
            {"start_step": -1},
            "start_step must be an integer of at least 0; received -1",
        ),
        (
            {"num_steps": -2},
            "num_steps must be an integer of at least 0.*; received -2",
        ),
        ({"examples": np.zeros((9, 4, 4), "uint8")}, r"examples must .*\(9, 4, 4\)"),
        ({"examples": np.zeros((999, 4, 4, 1), "int32")}, "received the dtype int32"),
        ({"examples": np.zeros((999, 3, 4, 1), "uint8")}, "even height"),
    ],
)
def test_pairs_refuses_what_it_cannot_stream(arguments, message):
    with pytest.raises(ValueError, match=message):
        batches(**arguments)


def test_to_float_scales_bytes_alone_and_keeps_the_kind():
    pixels = np.array([[0, 51, 255]], "uint8")
    for given in (pixels, tf.constant(pixels)):
        scaled = datasets.to_float(given)
        assert type(scaled) is type(given)
        assert scaled.dtype == "float32"
        np.testing.assert_allclose(scaled, [[0, 0.2, 1]], rtol=1e-7)
    halves = np.array([0.5], "float64")
    assert datasets.to_float(halves) == np.float32(0.5)
    assert datasets.to_float(tf.constant(halves)).dtype == tf.float32


def test_arrays_are_kept_as_they_are():
    images = np.random.default_rng(0).random((6, 4, 4, 3))
    data = datasets.from_arrays(
        (images, [0, 1, 2, 0, 1, 2]), (images[:2], None), name="mine"
    )
    np.testing.assert_array_equal(data.train_images, images)
    np.testing.assert_array_equal(data.train_labels, [0, 1, 2, 0, 1, 2])
    assert data.test_labels is None
    assert (data.name, data.num_classes, data.class_names) == ("mine", 3, None)
    assert data.image_shape == (4, 4, 3)


def test_grey_images_get_a_channel_and_unlabelled_data_have_no_classes():
    images = np.zeros((6, 4, 4), "uint8")
    data = datasets.from_arrays((images, None), (images, None))
    assert data.train_images.shape == data.test_images.shape == (6, 4, 4, 1)
    assert data.num_classes is None


def with_values(shape=(6, 4, 4, 1), dtype="float32", **values):
    images = np.zeros(shape, dtype)
    for row, value in values.items():
        images[int(row.removeprefix("row"))].flat[1] = value
    return images


@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        (np.zeros((6, 16), "uint8"), None, r"train split of 'set'.*\(6, 16\)"),
        (np.zeros((6, 4, 4, 1), "int64"), None, "dtype int64"),
        (np.zeros((0, 4, 4, 1), "uint8"), None, "images .* must have at least one"),
        (
            with_values(row2=np.nan, row5=-np.inf),
            None,
            "'set' must be finite; received 2 values .* row 2",
        ),
        (with_values(row3=255), None, "values from 0 to 255. Scale them"),
        (with_values(row3=-1), None, "values from -1 to 0. Scale them"),
        (with_values(), [0, 1], r"each of its 6 images; received the shape \(2,\)"),
        (with_values(), np.zeros(6), "integers from 0 up; received the dtype float64"),
        (with_values(), [0, 1, 2, -1, 0, 0], "the smallest label -1"),
        (with_values(dtype="uint8"), None, "same dtype and image shape"),
        (with_values((6, 4, 2, 1)), None, "same dtype and image shape"),
        (with_values(), [0, 1, 2, 3, 0, 0], "received 3 names, and the label 3"),
    ],
)
def test_arrays_are_checked(images, labels, message):
    with pytest.raises(ValueError, match=message):
        datasets.from_arrays(
            (images, labels), (with_values(), None), "set", class_names=("a", "b", "c")
        )


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (with_values(row2=np.nan), "examples must be finite; received 1 values"),
        (with_values(row3=255), "must lie in .0, 1.; received values from 0 to 255"),
        (np.zeros((0, 4, 4, 1), "uint8"), "examples must have at least one"),
    ],
)
def test_pairs_check_their_images(images, message):
    with pytest.raises(ValueError, match=message):
        datasets.pairs(images, "halves", 2)


@pytest.mark.parametrize("batch_size", [1, 2.5, None])
def test_pairs_check_their_batch_size(batch_size):
    with pytest.raises(ValueError, match="batch_size must be an integer of at least 2"):
        datasets.pairs(with_values(), "halves", batch_size)


def test_the_test_split_is_checked_too():
    with pytest.raises(ValueError, match="test split of 'arrays' must be finite"):
        datasets.from_arrays((with_values(), None), (with_values(row0=np.inf), None))


@pytest.fixture(scope="module")
def digits():
    return datasets.load("digits")


@pytest.mark.parametrize("name", [None, "", (np.zeros((4, 2, 2, 1)), None)])
def test_what_is_no_name_is_refused(name):
    with pytest.raises(ValueError, match="name must be 'digits', 'folder:PATH' or"):
        datasets.load(name)


def test_digits_are_split_without_overlap(digits):
    assert digits.train_images.shape == (4000, 28, 28, 1)
    assert digits.test_images.shape == (1000, 28, 28, 1)
    assert digits.train_images.dtype == np.uint8
    assert digits.num_classes == 10
    assert digits.class_names == tuple("0123456789")
    train, test = (
        {image.tobytes() for image in images}
        for images in (digits.train_images, digits.test_images)
    )
    assert not train & test
    assert len(train | test) == 5000


def test_digits_are_mixed_and_keep_their_labels(digits):
    labels = np.concatenate([digits.train_labels, digits.test_labels])
    assert collections.Counter(labels) == dict.fromkeys(range(10), 500)
    assert len(set(digits.train_labels[:100])) == 10
    # A one has less ink than a zero.
    ink = [digits.train_images[digits.train_labels == digit].mean() for digit in (0, 1)]
    assert ink[0] > 2 * ink[1]


def test_the_split_seed_decides_the_split(digits):
    again, other = datasets.load("digits"), datasets.load("digits", split_seed=1)
    np.testing.assert_array_equal(again.train_images, digits.train_images)
    np.testing.assert_array_equal(again.test_labels, digits.test_labels)
    assert (other.test_labels != digits.test_labels).mean() > 0.5


@pytest.mark.parametrize("image_size", [(8,), (8, 0), (8.5, 8), (8, 8, 1)])
def test_a_wrong_image_size_is_refused(image_size):
    with pytest.raises(ValueError, match="two positive integers"):
        datasets.load("digits", image_size=image_size)
