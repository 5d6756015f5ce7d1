"""True pairs by class: what is scored, on one device and on several."""

import keras
import numpy as np
import pytest

import keras_infomax as kim

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(2, 5, 2, 3)).astype("float32")
CLASSES = np.array([2, 0, 2, 1, 0], "int32")


def test_all_views_of_a_class_but_the_own_are_partners():
    term = kim.models.LabelTerm("x", "y", "label", "inner_product")
    partners, scores = term({"x": X, "y": Y, "label": CLASSES})
    x, y = X.reshape(10, 3), Y.reshape(10, 3)
    for i, j in np.ndindex(10, 10):
        left_out = i // 2 == j // 2 and i != j
        of_class = CLASSES[i // 2] == CLASSES[j // 2]
        expected = -np.inf if left_out else x[i] @ y[j]
        assert float(scores[i, j]) == pytest.approx(expected, rel=1e-5)
        assert bool(partners[i, j]) == (of_class and not left_out)


def test_a_location_of_x_may_have_several_of_y():
    term = kim.models.LabelTerm("x", "y", "label", "inner_product")
    partners, scores = term({"x": X[:, 0], "y": Y, "label": CLASSES})
    assert scores.shape == (5, 10)
    expected = CLASSES[:, None] == np.repeat(CLASSES, 2)[None]
    np.testing.assert_array_equal(partners, expected)


def test_what_cannot_be_is_refused():
    make = kim.models.LabelTerm
    with pytest.raises(ValueError, match="true pairs from the classes"):
        make("x", "y", "label", negatives="same_position")
    with pytest.raises(ValueError, match=r"of shape \(rows,\); received shape"):
        make("x", "y", "label")({"x": X, "y": Y, "label": CLASSES[:, None]})
    with pytest.raises(ValueError, match="must be integers; received .* float32"):
        make("x", "y", "label")({"x": X, "y": Y, "label": CLASSES.astype("float32")})
    with pytest.raises(ValueError, match="must return an encoding 'label'"):
        make("x", "y", "label")({"x": X, "y": Y})


IMAGES = RNG.random((30, 8, 8, 1), dtype="float32")
LABELS = np.arange(30) % 3


def supcon(**options):
    sizes = {"encoding_dim": 6, "projection_units": (8, 5)}
    model = kim.methods.supcon((8, 8, 1), "mlp", **sizes, **options)
    model.compile(keras.optimizers.SGD(0.05), "supcon")
    return model


def batches(**options):
    options = {"labels": LABELS, "shuffle": False, **options}
    return kim.datasets.pairs(IMAGES, lambda x: (x, 1 - x), 10, **options)


def test_the_data_set_gives_the_labels():
    ((first, second, label),) = next(iter(batches(shuffle=True, seed=4)))
    assert label.dtype == "int32"
    np.testing.assert_allclose(first + second, 1.0, atol=1e-6)
    for image, of_image in zip(first.numpy(), label.numpy(), strict=True):
        (row,) = np.flatnonzero((IMAGES == image).all(axis=(1, 2, 3)))
        assert of_image == LABELS[row]
    with pytest.raises(ValueError, match="labels must be one for each"):
        batches(labels=LABELS[:4])


def test_no_mi_is_reported_and_other_losses_are_refused():
    model = supcon()
    history = model.fit(batches(), validation_data=batches(), verbose=0).history
    assert sorted(history) == ["loss", "val_loss"]
    assert model.ceiling(10) == np.inf
    model.compile("sgd", "infonce")
    with pytest.raises(ValueError, match="integers.*Use SupCon"):
        model.fit(batches(), verbose=0)
    model.compile("sgd", "vicreg")
    with pytest.raises(ValueError, match="compile with 'supcon'"):
        model.fit(batches(), verbose=0)


def test_chunks_make_the_gradients_of_the_whole():
    model = supcon()
    before = model.get_weights()
    ends = []
    for size in (None, 4):
        model.set_weights(before)
        model.encoder_chunk_size = size
        model.compile(keras.optimizers.SGD(0.05), kim.losses.SupCon(chunk_size=size))
        model.fit(batches(), verbose=0)
        ends.append(model.get_weights())
    for a, b in zip(*ends, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


def test_replicas_find_the_classes_of_all(strategy):
    def trained():
        keras.utils.set_random_seed(1)
        model = supcon()
        history = model.fit(batches(), epochs=2, verbose=0).history
        return model.get_weights(), history["loss"]

    expected, losses = trained()
    with strategy.scope():
        weights, on_replicas = trained()
    np.testing.assert_allclose(on_replicas, losses, rtol=1e-5)
    for a, b in zip(expected, weights, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


def test_a_run_without_labels_is_refused(digits, tmp_path):
    images = digits.train_images, digits.test_images
    unlabelled = kim.datasets.from_arrays(*((split, None) for split in images))
    config = {"experiment": "supcon", "views": "augmented", "bound": "supcon"}
    with pytest.raises(ValueError, match="'supcon' needs labels.*such as 'simclr'"):
        kim.training.train(config, tmp_path, data=unlabelled)
