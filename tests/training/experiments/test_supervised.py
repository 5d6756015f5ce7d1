import keras
import numpy as np
import pytest
import run_checks
from run_checks import assert_resumes

import keras_infomax as kim
from keras_infomax import datasets, probes, saved_model, training
from keras_infomax.training import runs
from keras_infomax.training.experiments import supervised
from keras_infomax.training.experiments.supervised import Classifier

SMALL = {**run_checks.SMALL, "experiment": "supervised"}


def top(images):
    return keras.ops.convert_to_numpy(kim.views.Halves()(datasets.to_float(images))[0])


def test_labels_travel_with_the_views_in_the_order_of_the_pairs(digits):
    options = {"seed": 3, "start_step": 7, "num_steps": 5}
    images, labels = digits.train_images, digits.train_labels
    labelled = datasets.labelled(images, labels, "halves", 32, **options)
    pairs = datasets.pairs(images, "halves", 32, **options)
    known = dict(zip((x.tobytes() for x in top(images)), labels, strict=True))
    assert len(labelled) == 5
    for (x, labels_of_x), ((x_of_pair, _),) in zip(labelled, pairs, strict=True):
        np.testing.assert_array_equal(x, x_of_pair)
        assert [known[view.tobytes()] for view in x.numpy()] == list(labels_of_x)


@pytest.mark.parametrize("class_weight", [None, {0: 3.0, 1: 0.0}])
def test_classes_are_weighted_however_steps_run(class_weight):
    # Weights are of batches, which blocks of a stream would pass by.
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (32, 4, 4, 1), np.uint8)
    data = datasets.labelled(images, np.arange(32) % 2, "halves", 8, num_steps=12)
    trained = []
    for jit_compile in (False, True):
        keras.utils.set_random_seed(0)
        model = Classifier(kim.encoders.mlp((2, 4, 1), (5,), 3), num_classes=2)
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile("sgd", loss, steps_per_execution=4, jit_compile=jit_compile)
        model.fit(data, class_weight=class_weight, shuffle=False, verbose=0)
        trained.append(model.get_weights())
    for plain, fused in zip(*trained, strict=True):
        np.testing.assert_allclose(plain, fused, rtol=1e-4, atol=1e-6)


def test_labels_must_be_one_for_each_image(digits):
    with pytest.raises(ValueError, match="labels must be one for each of its 300"):
        datasets.labelled(digits.train_images, digits.test_labels, "halves", 32)


def test_the_classifier_is_a_linear_layer_on_the_encodings():
    model = Classifier(kim.encoders.mlp((4,), (8,), 6), num_classes=3)
    views = np.random.default_rng(0).normal(size=(5, 4)).astype("float32")
    kernel, bias = model.head.get_weights()
    expected = model.encoder_x.predict(views, verbose=0) @ kernel + bias
    np.testing.assert_allclose(model.predict(views, verbose=0), expected, rtol=1e-5)
    copy = Classifier.from_config(model.get_config())
    copy.set_weights(model.get_weights())
    np.testing.assert_allclose(copy.predict(views, verbose=0), expected, rtol=1e-5)


def test_a_run_resumes_and_records_the_accuracy_on_all_test_rows(
    digits, tmp_path, monkeypatch
):
    workdir = assert_resumes(SMALL, digits, tmp_path, monkeypatch)
    rows = runs.read_metrics(workdir / "metrics.csv")
    assert [row["step"] for row in rows] == [0, 8, 16, 24]
    assert all(row["mi"] is row["mi_ceiling"] is None for row in rows)
    assert rows[-1]["loss"] < rows[1]["loss"]
    model = keras.saving.load_model(workdir / "model.keras")
    encodings = [
        model.encoder_x.predict(top(images), verbose=0)
        for images in (digits.train_images, digits.test_images)
    ]
    kernel, bias = model.head.get_weights()
    predictions = np.argmax(encodings[1] @ kernel + bias, axis=1)
    # 150 rows, of which batches of 32 would leave out 22.
    accuracy = np.mean(predictions == digits.test_labels)
    assert rows[-1]["test_accuracy"] == pytest.approx(accuracy, abs=1e-9)
    probe = probes.LogisticProbe().fit(encodings[0], digits.train_labels)
    accuracy = probe.score(encodings[1], digits.test_labels)
    assert rows[-1]["probe_accuracy"] == pytest.approx(accuracy, abs=1 / 150)

    saved_model.export_workdir(workdir, tmp_path / "encoder")
    exported = saved_model.load(tmp_path / "encoder")(top(digits.test_images))
    np.testing.assert_allclose(exported, encodings[1], rtol=1e-4, atol=1e-5)
    page = (tmp_path / "encoder" / "README.md").read_text(encoding="utf-8")
    assert "Trained with labels" in page
    with pytest.raises(ValueError, match='encoder must be "x"'):
        saved_model.export_workdir(workdir, tmp_path / "other", encoder="y")


@pytest.mark.parametrize("encoder", ["mlp", "convnet"])
def test_learns_the_digits(encoder, tmp_path):
    units = {"mlp": (100,), "convnet": (8, 16)}[encoder]
    row = training.train(
        {
            "experiment": "supervised",
            "encoder": encoder,
            "encoder_units": units,
            "learning_rate": 3e-3,
            "steps": 300,
            "eval_every": 300,
        },
        tmp_path,
    )
    assert row["test_accuracy"] > 0.8
    assert row["probe_accuracy"] > 0.8


def test_unlabelled_images_are_refused(digits, tmp_path):
    unlabelled = datasets.from_arrays(
        (digits.train_images, digits.train_labels),
        (digits.test_images, None),
        name="unlabelled",
    )
    with pytest.raises(ValueError, match="'supervised' needs labels.*'unlabelled'"):
        training.train(SMALL, tmp_path, unlabelled)


def test_images_of_one_class_are_refused(digits, tmp_path):
    labels = np.zeros(300, int)
    alike = datasets.from_arrays(
        (digits.train_images, labels), (digits.test_images, labels[:150])
    )
    with pytest.raises(ValueError, match="'supervised' needs at least two classes"):
        training.train(SMALL, tmp_path, alike)


def test_batches_that_do_not_fit_are_refused(digits, tmp_path):
    with pytest.raises(ValueError, match="test images, 150; .*--config.batch_size=128"):
        training.train({**SMALL, "batch_size": 200}, tmp_path, digits)


def test_the_encoder_is_that_of_the_settings(digits):
    settings = kim.training.Settings.resolve({**SMALL, "views": "left_right"})
    model = supervised.supervised(settings, digits).model
    assert model.encoder_x.input_shape == (None, 28, 14, 1)
    assert model.head.input_shape == (None, 12)
    assert model.head.output_shape == (None, 10)
