"""Augmentations of images, and the recipe that is trained on them."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers
from run_checks import assert_resumes

import keras_infomax as kim

RNG = np.random.default_rng(0)
GREY = RNG.random((6, 12, 12, 1), dtype="float32")
COLOUR = RNG.random((6, 12, 12, 3), dtype="float32")
EVERY = {
    "flip": True,
    "saturation": 0.4,
    "hue": 0.1,
    "grey": 0.5,
    "fill_mode": "reflect",
}


def one(images, seed=(3, 1), **strengths):
    """First view by one augmentation alone."""
    off = dict.fromkeys(
        ("zoom", "translation", "rotation", "brightness", "contrast"), 0
    )
    augmented = kim.views.Augmented(kim.views.augmentations(**{**off, **strengths}))
    return augmented(images, seed=seed)[0].numpy()


@pytest.mark.parametrize("every", [{}, EVERY], ids=["digits", "photographs"])
def test_seed_alone_decides_in_eager_mode_and_in_tf_data(every):
    augmented = kim.views.Augmented(kim.views.augmentations(**every))
    images = COLOUR if every else GREY
    first, again = (np.stack(augmented(images, seed=(3, 1))) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    streamed = tf.data.Dataset.from_tensors(images).map(
        lambda x: augmented(x, seed=(3, 1))
    )
    np.testing.assert_allclose(
        streamed.get_single_element(), first, rtol=1e-5, atol=1e-6
    )
    other = np.stack(augmented(images, seed=(3, 2)))
    assert np.abs(first - other).mean() > 0.05
    assert np.abs(first[0] - first[1]).mean() > 0.05
    assert first.min() >= 0
    assert first.max() <= 1


def test_layers_draw_apart_and_images_apart():
    # One integer as seed would make Keras shift both ways alike.
    images = np.zeros((40, 21, 21, 1), "float32")
    images[:, 10, 10] = 1
    moved = one(images, translation=0.3)
    rows, columns = (
        (moved[..., 0].sum(axis=axis) * np.arange(21)).sum(axis=1) - 10
        for axis in (2, 1)
    )
    assert np.ptp(rows) > 5
    assert abs(np.corrcoef(rows, columns)[0, 1]) < 0.5
    assert max(np.abs(rows).max(), np.abs(columns).max()) <= 0.3 * 21 + 1e-3


def test_brightness_adds_one_number_to_an_image():
    images = np.full((200, 2, 2, 1), 0.5, "float32")
    added = one(images, brightness=0.2) - 0.5
    assert np.ptp(added, axis=(1, 2, 3)).max() < 1e-6
    assert -0.2 <= added.min() < -0.18
    assert 0.18 < added.max() <= 0.2


def test_contrast_scales_both_ways_about_the_mean():
    images = np.array([0.4, 0.6], "float32").reshape(1, 1, 2, 1).repeat(200, axis=0)
    changed = one(images, contrast=0.3)
    factors = (changed[:, 0, 1, 0] - changed[:, 0, 0, 0]) / 0.2
    np.testing.assert_allclose(changed.mean(axis=(1, 2, 3)), 0.5, rtol=1e-5)
    assert 0.7 <= factors.min() < 0.72
    assert 1.28 < factors.max() <= 1.3 + 1e-5


def test_saturation_scales_both_ways():
    # Saturation 1/2 in the sense of HSV, value 0.8.
    images = np.full((300, 1, 1, 3), (0.8, 0.4, 0.4), "float32")
    changed = one(images, saturation=0.4)[:, 0, 0]
    factors = (1 - changed[:, 1] / changed[:, 0]) / 0.5
    assert 0.6 - 1e-4 <= factors.min() < 0.63
    assert 1.37 < factors.max() <= 1.4 + 1e-4


def test_grey_and_flip_hit_their_share():
    images = np.broadcast_to(COLOUR[:1], (400, 12, 12, 3))
    grey = np.ptp(one(images, grey=0.3), axis=3).max(axis=(1, 2)) < 1e-6
    # Four standard errors.
    assert np.mean(grey) == pytest.approx(0.3, abs=4 * np.sqrt(0.3 * 0.7 / 400))
    flipped = (one(images, flip=True) == images[:, :, ::-1]).all(axis=(1, 2, 3))
    assert np.mean(flipped) == pytest.approx(0.5, abs=4 * np.sqrt(0.25 / 400))


def test_strength_zero_leaves_a_layer_out():
    made = kim.views.augmentations(0, 0.1, 0, 0, 0)
    assert [type(layer) for layer in made] == [layers.RandomTranslation]
    np.testing.assert_array_equal(one(GREY), GREY)


def test_augmented_views_come_back_from_their_config():
    augmented = kim.views.get("augmented_photographs")
    serialized = keras.saving.serialize_keras_object(augmented)
    assert serialized["registered_name"] == "keras_infomax>Augmented"
    again = keras.saving.deserialize_keras_object(serialized)
    assert again.get_config() == augmented.get_config()
    np.testing.assert_array_equal(
        again(COLOUR, seed=(0, 1))[1], augmented(COLOUR, seed=(0, 1))[1]
    )


def test_colours_decide_how_images_are_augmented():
    augmented = kim.views.get("augmented")
    for images, layers_of in (
        (GREY, kim.views.augmentations()),
        (COLOUR, kim.views.photographic()),
    ):
        expected = kim.views.Augmented(layers_of)(images, seed=(3, 1))
        for mine, other in zip(augmented(images, seed=(3, 1)), expected, strict=True):
            np.testing.assert_array_equal(mine, other)
    copy = kim.views.Augmented.from_config(augmented.get_config())
    np.testing.assert_array_equal(copy(COLOUR, seed=(3, 1))[1], other)


def test_grey_images_cannot_be_recoloured():
    with pytest.raises(ValueError, match=r"random_hue.* need images in color.*12, 1"):
        kim.views.get("augmented_photographs")(GREY, seed=(3, 1))


def test_precision_of_pixels_is_kept_under_every_policy():
    keras.config.set_dtype_policy("mixed_bfloat16")
    for view in kim.views.get("augmented")(GREY, seed=(0, 1)):
        assert view.dtype == tf.float32


# Keras 3.8 has no AugMix.
OF_NO_SEED = [
    getattr(layers, name)((0, 1))
    for name in ("RandAugment", "AugMix")
    if hasattr(layers, name)
]


@pytest.mark.parametrize("layer", [*OF_NO_SEED, layers.Dense(3)])
def test_layers_that_no_seed_reaches_are_refused(layer):
    with pytest.raises(ValueError, match="take a seed in get_random_transformation"):
        kim.views.Augmented([layer])


@pytest.mark.slow
# Random views, random locations in the network, random draws of a layer's losses.
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("augmented_views", {"encoding_dim": 8, "projection_units": (8,)}),
        pytest.param(
            "amdim",
            {"filters": 2, "encoding_dim": 8, "projection_dim": 8},
            marks=pytest.mark.slow,
        ),
        pytest.param(
            "deep_infomax",
            {"filters": (2, 3), "hidden_units": 8, "critic_units": 8},
            marks=pytest.mark.slow,
        ),
    ],
    ids=["augmented_views", "amdim", "deep_infomax"],
)
def test_interrupted_runs_end_as_uninterrupted_ones(
    name, options, digits, tmp_path, monkeypatch
):
    config = {
        "experiment": name,
        "options": options,
        "views": "whole" if name == "deep_infomax" else "augmented",
        "batch_size": 16,
        "steps": 6,
        "eval_every": 2,
    }
    assert_resumes(config, digits, tmp_path, monkeypatch)


def test_symmetric_infonce_by_name():
    scores = RNG.normal(size=(5, 5)).astype("float32")
    loss = kim.losses.get("infonce_symmetric")
    diagonal = np.diag(scores)
    both = [
        np.log(5) + np.mean(diagonal - np.log(np.exp(scores).sum(axis=axis)))
        for axis in (0, 1)
    ]
    assert float(loss(np.arange(5), scores)) == pytest.approx(-np.mean(both), rel=1e-5)


def test_backbone_of_keras_applications_by_name():
    model = kim.methods.augmented_views((32, 32, 3), encoder="MobileNetV3Small")
    assert model.encoder_x.output_shape == (None, 576)
    # Its own preprocessing would shrink pixels in [0, 1] to nothing.
    assert not [x for x in model.encoder_x.layers if isinstance(x, layers.Rescaling)]
    copy = type(model.encoder_x).from_config(model.encoder_x.get_config())
    found = [x for x in copy.layers if isinstance(x, layers.BatchNormalization)]
    # Of 0.999, encodings in inference would tell nothing for thousands of steps.
    assert {(x.momentum, x.synchronized) for x in found} == {(0.9, True)}


def test_backbone_refuses_images_that_are_too_small():
    with pytest.raises(ValueError, match=r"'Xception' cannot take.*config.image_size"):
        kim.methods.augmented_views((32, 32, 3), encoder="Xception")


def test_unknown_encoder_suggests_the_nearest():
    with pytest.raises(ValueError, match="Did you mean 'MobileNetV2'"):
        kim.methods.augmented_views((32, 32, 3), encoder="MobilNetV2")


def test_no_projection_is_refused():
    with pytest.raises(
        ValueError, match="projection_units must be .* at least one; received"
    ):
        kim.methods.augmented_views((12, 12, 1), projection_units=())
