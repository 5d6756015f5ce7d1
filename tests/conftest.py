import dataclasses
import os
import pathlib

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import pytest

BACKENDS = ("tensorflow", "jax", "torch")
BACKEND = keras.config.backend()

if BACKEND == "tensorflow":
    import tensorflow as tf

    # Before any TensorFlow operation: two logical devices stand for two accelerators.
    tf.config.set_logical_device_configuration(
        tf.config.list_physical_devices("CPU")[0],
        [tf.config.LogicalDeviceConfiguration()] * 2,
    )

ROOT = pathlib.Path(__file__).resolve().parent.parent


def pytest_ignore_collect(collection_path):
    """Leaves out, on JAX and PyTorch, files without a test that runs there."""
    if BACKEND == "tensorflow" or collection_path.suffix != ".py":
        return None
    text = collection_path.read_text(encoding="utf-8")
    return None if "pytest.mark.backends" in text else True


def pytest_collection_modifyitems(config, items):
    """Keeps the tests that run on this backend: without a mark, TensorFlow's."""
    kept = []
    for item in items:
        mark = item.get_closest_marker("backends")
        on = ("tensorflow",) if mark is None else mark.args or BACKENDS
        if not on or not set(on) <= set(BACKENDS):
            raise pytest.UsageError(
                f"{item.nodeid} must run on some of the backends "
                f"{', '.join(BACKENDS)}; its mark says {', '.join(map(repr, on))}."
            )
        if BACKEND in on:
            kept.append(item)
    left_out = [item for item in items if item not in kept]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = kept


@pytest.fixture(autouse=True)
def seeded():
    """Starts each test from the same seed and in float32."""
    from keras_infomax import private

    private.set_random_seed(0)
    yield
    keras.config.set_dtype_policy("float32")


@pytest.fixture
def wide():
    """Has what a test computes in float64 be computed so on every backend."""
    from backend_cases import floats

    with floats("float64"):
        yield


@pytest.fixture(scope="session")
def strategy():
    """The one mirrored strategy: a second object in a process aborts TensorFlow."""
    if BACKEND != "tensorflow":
        pytest.skip("tf.distribute is TensorFlow's alone")
    if tuple(map(int, keras.__version__.split(".")[:2])) < (3, 10):
        pytest.skip("several replicas need Keras 3.10")
    return tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])


@pytest.fixture(scope="session")
def tfds_data_dir():
    """A folder with prepared MNIST and CIFAR-10, where the machine has one."""
    beside = ROOT.parent / "shared" / "data" / "tensorflow_datasets"
    folder = pathlib.Path(os.environ.get("TFDS_DATA_DIR", beside))
    if not (folder / "mnist").is_dir():
        pytest.skip(f"no prepared TensorFlow Datasets in {folder}")
    return str(folder)


@pytest.fixture(scope="session")
def digits():
    """A few digits, so that probes are fitted in no time."""
    from keras_infomax import datasets

    whole = datasets.load("digits")
    return dataclasses.replace(
        whole,
        train_images=whole.train_images[:300],
        train_labels=whole.train_labels[:300],
        test_images=whole.test_images[:150],
        test_labels=whole.test_labels[:150],
    )


@pytest.fixture(scope="module")
def encoder():
    """A small trained encoder with everything that an export must carry."""
    from export_checks import make_trained_encoder

    return make_trained_encoder()


@pytest.fixture(scope="module")
def exported(encoder, tmp_path_factory):
    """Folder of its export."""
    from keras_infomax import saved_model

    path = tmp_path_factory.mktemp("exports") / "encoder"
    saved_model.export(encoder, path)
    return str(path)
