"""Lab by published values, by its inverse, and as two views."""

import keras
import numpy as np
import pytest
from gradient_checks import array, gradient

from keras_infomax.views import color

pytestmark = pytest.mark.backends

RNG = np.random.default_rng(0)
# Of sRGB under D65, as published by calculators of colour (Lindbloom).
PUBLISHED = {
    (0, 0, 0): (0, 0, 0),
    (1, 1, 1): (100, 0, 0),
    (0.5, 0.5, 0.5): (53.389, 0, 0),
    (1, 0, 0): (53.241, 80.092, 67.203),
    (0, 1, 0): (87.735, -86.183, 83.179),
    (0, 0, 1): (32.297, 79.188, -107.860),
    (1, 1, 0): (97.139, -21.554, 94.478),
}


def test_published_values():
    colours = np.array(list(PUBLISHED), "float32")
    lab = color.rgb_to_lab(colours)
    np.testing.assert_allclose(lab, list(PUBLISHED.values()), atol=0.01)


def rgb_of(lab):
    """The inverse, in float64 from the definition."""
    lightness, a, b = np.moveaxis(lab, -1, 0)
    y = (lightness + 16) / 116
    roots = np.stack([y + a / 500, y, y - b / 200], axis=-1)
    ratios = np.where(roots > 6 / 29, roots**3, 3 * (6 / 29) ** 2 * (roots - 4 / 29))
    matrix = np.array(
        [
            [0.4124564, 0.3575761, 0.1804375],
            [0.2126729, 0.7151522, 0.0721750],
            [0.0193339, 0.1191920, 0.9503041],
        ]
    )
    linear = ratios * matrix.sum(axis=1) @ np.linalg.inv(matrix).T
    linear = np.maximum(linear, 0)
    return np.where(
        linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055
    )


def test_lab_can_be_inverted():
    images = RNG.random((4, 5, 6, 3)).astype("float32")
    images[0] *= 0.05  # The linear parts near black.
    lab = np.array(color.rgb_to_lab(images), "float64")
    np.testing.assert_allclose(rgb_of(lab), images, atol=2e-4)


def test_grey_has_no_colour():
    greys = np.repeat(np.linspace(0, 1, 50, dtype="float32")[:, None], 3, axis=1)
    lab = array(color.rgb_to_lab(greys))
    np.testing.assert_allclose(lab[:, 1:], 0, atol=1e-3)
    assert (np.diff(lab[:, 0]) > 0).all()


def test_gradients_are_finite_at_black():
    found = gradient(
        lambda images: color.rgb_to_lab(images)[:, 0], np.zeros((1, 3), "float32")
    )
    # 116 / (3 (6/29)^2 12.92) times the share of each channel in Y.
    expected = 116 * 841 / 108 / 12.92 * np.array([[0.2126729, 0.7151522, 0.0721750]])
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_views_are_scaled_and_saved(tmp_path):
    images = RNG.random((4, 5, 6, 3)).astype("float32")
    inputs = keras.Input((5, 6, 3))
    model = keras.Model(inputs, color.LabViews()(inputs))
    model.save(tmp_path / "model.keras")
    lightness, chroma = keras.saving.load_model(tmp_path / "model.keras")(images)
    lab = np.array(color.rgb_to_lab(images))
    np.testing.assert_allclose(lightness, lab[..., :1] / 100, rtol=1e-5)
    np.testing.assert_allclose(chroma, lab[..., 1:] / 110, rtol=1e-4, atol=1e-6)


def test_half_precision_is_computed_in_float32():
    keras.config.set_dtype_policy("mixed_float16")
    images = RNG.random((3, 2, 2, 3)).astype("float16")
    lightness, _ = color.LabViews()(images)
    expected = color.rgb_to_lab(images.astype("float32"))[..., :1] / 100
    np.testing.assert_allclose(lightness, expected, rtol=1e-5)


@pytest.mark.parametrize(
    "images",
    [np.zeros((2, 4, 4, 1), "float32"), np.zeros((2, 4, 4, 3), "uint8")],
    ids=["grey", "integers"],
)
def test_only_float_colour_images(images):
    with pytest.raises(ValueError, match="must be float sRGB of shape"):
        color.LabViews()(images)
