"""Pieces of images and signals: their order, their overlap, and what is refused."""

import keras
import numpy as np
import pytest
from gradient_checks import array, dtype_of

from keras_infomax.views import patches

pytestmark = pytest.mark.backends

IMAGES = np.arange(2 * 7 * 9 * 3, dtype="float32").reshape(2, 7, 9, 3)
SIGNALS = np.arange(2 * 11 * 2, dtype="float32").reshape(2, 11, 2)


@pytest.mark.parametrize(
    ("size", "strides", "grid"),
    [(3, 2, (3, 4)), (3, None, (2, 3)), ((2, 9), (1, 9), (6, 1)), (7, 1, (1, 3))],
)
def test_patches_come_row_by_row(size, strides, grid):
    layer = patches.Patches(size, strides)
    cut = array(layer(IMAGES))
    (height, width), (down, right) = layer.size, layer.strides
    assert cut.shape == (2, grid[0] * grid[1], height, width, 3)
    for row, column in np.ndindex(*grid):
        top, left = row * down, column * right
        np.testing.assert_array_equal(
            cut[:, row * grid[1] + column],
            IMAGES[:, top : top + height, left : left + width],
        )


@pytest.mark.parametrize(("size", "strides", "count"), [(4, 2, 4), (5, None, 2)])
def test_windows_come_in_order_of_time(size, strides, count):
    layer = patches.Windows(size, strides)
    cut = array(layer(SIGNALS))
    assert cut.shape == (2, count, size, 2)
    for window in range(count):
        start = window * layer.strides
        np.testing.assert_array_equal(cut[:, window], SIGNALS[:, start : start + size])


def test_quadrants_are_the_four_corners():
    quadrants = patches.Quadrants()(IMAGES[:, :6, :8])
    corners = [(0, 0), (0, 4), (3, 0), (3, 4)]
    for part, (top, left) in zip(quadrants, corners, strict=True):
        np.testing.assert_array_equal(part, IMAGES[:, top : top + 3, left : left + 4])


@pytest.mark.parametrize(
    ("layer", "inputs"),
    [
        (patches.Patches((3, 2), (2, 1)), IMAGES),
        (patches.Windows(4, 3), SIGNALS),
        (patches.Quadrants(), IMAGES[:, :6, :8]),
    ],
    ids=["patches", "windows", "quadrants"],
)
def test_dtype_and_shapes_are_kept_and_saved(layer, inputs, tmp_path):
    keras.config.set_dtype_policy("mixed_bfloat16")
    tensors = keras.Input(inputs.shape[1:], dtype="uint8")
    model = keras.Model(tensors, type(layer).from_config(layer.get_config())(tensors))
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    inputs = inputs.astype("uint8")
    results = keras.tree.flatten(loaded(inputs))
    announced = keras.tree.flatten(model.output)
    expected = keras.tree.flatten(layer(inputs))
    for result, symbol, value in zip(results, announced, expected, strict=True):
        assert dtype_of(result) == "uint8"
        assert symbol.dtype == "uint8"
        assert symbol.shape == (None, *result.shape[1:])
        np.testing.assert_array_equal(result, value)


@pytest.mark.parametrize("size", [0, 2.5, (3, 4, 5), (3, -1), True])
def test_sizes_are_positive_integers(size):
    with pytest.raises(ValueError, match="size must be a positive integer, or a pair"):
        patches.Patches(size)
    with pytest.raises(ValueError, match="strides must be a positive integer; rec"):
        patches.Windows(3, size)


@pytest.mark.parametrize(
    ("layer", "shape", "message"),
    [
        (patches.Patches(8), IMAGES.shape, r"pieces of size \(8, 8\) from .*7, 9, 3"),
        (patches.Patches(3), SIGNALS.shape, "height and width are known; received"),
        (patches.Windows(12), SIGNALS.shape, r"pieces of size \(12,\)"),
        (patches.Windows(3), IMAGES.shape, "whose steps are known; received shape"),
        (patches.Quadrants(), IMAGES.shape, "even height and width"),
    ],
)
def test_inputs_are_checked(layer, shape, message):
    with pytest.raises(ValueError, match=message):
        layer(np.zeros(shape, "float32"))


def test_sizes_must_be_known():
    with pytest.raises(ValueError, match="height and width are known"):
        patches.Patches(3)(keras.Input((None, 9, 3)))
