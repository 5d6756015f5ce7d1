"""Crops, mirror images, colors and blur, each by its definition."""

import colorsys
import math

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops
from PIL import Image

import keras_infomax as kim
from keras_infomax.views import draws

V = kim.views
SEED = (3, 1)
IMAGES = np.random.default_rng(0).random((6, 12, 18, 3), dtype="float32")
LAYERS = {
    "crop": lambda **o: V.RandomResizedCrop((9, 7), (0.2, 0.9), (0.5, 2.5), **o),
    "flip": lambda **o: V.RandomHorizontalFlip(0.4, **o),
    "jitter": lambda **o: V.RandomColorJitter(0.3, 0.4, 0.5, 0.2, 0.7, **o),
    "gray": lambda **o: V.RandomGrayscale(0.4, **o),
    "solarize": lambda **o: V.RandomSolarize(0.4, 0.6, **o),
    "blur": lambda **o: V.RandomGaussianBlur((0.5, 1.5), 5, 0.7, **o),
}
every_layer = pytest.mark.parametrize("name", LAYERS)


def numpy(tensor):
    return ops.convert_to_numpy(tensor)


def numbers_of(rows, count, seed=SEED):
    return numpy(draws.uniform(draws.checked_seed(seed), rows, count)).astype("float64")


@every_layer
def test_seed_alone_decides_in_eager_mode_in_tf_data_and_for_each_row(name):
    layer = LAYERS[name]()
    first = numpy(layer(IMAGES, seed=SEED))
    np.testing.assert_array_equal(numpy(layer(IMAGES, seed=SEED)), first)
    np.testing.assert_array_equal(numpy(layer(IMAGES[:2], seed=SEED)), first[:2])
    streamed = tf.data.Dataset.from_tensors(IMAGES).map(
        lambda images: layer(images, seed=tf.constant(SEED, tf.int64))
    )
    np.testing.assert_allclose(
        streamed.get_single_element(), first, rtol=1e-5, atol=1e-6
    )
    others = [numpy(layer(IMAGES, seed=(s, s))) for s in range(9)]
    assert max(np.abs(first - other).mean() for other in others) > 0.01


@every_layer
def test_in_a_model_it_counts_its_own_seeds_and_rests_in_inference(name, tmp_path):
    image = keras.Input(IMAGES.shape[1:])
    layer = LAYERS[name](seed=4)
    model = keras.Model(image, layer(image))
    rested = numpy(model(IMAGES, training=False))
    np.testing.assert_array_equal(model.predict(IMAGES, verbose=0), rested)
    assert model.output_shape == (None, *rested.shape[1:])
    if name == "crop":
        expected = ops.image.resize(IMAGES, (9, 7), antialias=True)
        np.testing.assert_allclose(rested, expected, atol=1e-6)
    else:
        np.testing.assert_array_equal(rested, IMAGES)
    drawn = [numpy(model(IMAGES, training=True)) for _ in range(6)]
    assert max(np.abs(one - drawn[0]).max() for one in drawn) > 0.01
    again = LAYERS[name](seed=4)
    np.testing.assert_allclose(numpy(again(IMAGES)), drawn[0], atol=1e-6)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.layers[-1].get_config() == layer.get_config()


@every_layer
def test_keeps_the_dtype_and_refuses_pixels_up_to_255(name):
    keras.config.set_dtype_policy("mixed_bfloat16")
    layer = LAYERS[name]()
    exact = numpy(layer(IMAGES, seed=SEED))
    assert exact.dtype == "float32"
    half = layer(IMAGES.astype("float16"), seed=SEED)
    assert half.dtype == "float16"
    np.testing.assert_allclose(numpy(half), exact, atol=2e-2)
    with pytest.raises(ValueError, match="received uint8. Scale pixels"):
        layer((255 * IMAGES).astype("uint8"), seed=SEED)
    with pytest.raises(ValueError, match=r"rows, height, width, channels.*\(6, 12"):
        layer(IMAGES[:, :, :, 0], seed=SEED)


def crop_by_definition(numbers, height, width, scale, ratio):
    """Top, left, height and width of one crop; written from the definition."""
    for attempt in range(10):
        area = height * width * (scale[0] + (scale[1] - scale[0]) * numbers[attempt])
        low, high = math.log(ratio[0]), math.log(ratio[1])
        aspect = math.exp(low + (high - low) * numbers[10 + attempt])
        h, w = round(math.sqrt(area / aspect)), round(math.sqrt(area * aspect))
        if 0 < h <= height and 0 < w <= width:
            return (
                int(numbers[20] * (height - h + 1)),
                int(numbers[21] * (width - w + 1)),
                h,
                w,
            )
    if width / height < ratio[0]:
        h, w = round(width / ratio[0]), width
    elif width / height > ratio[1]:
        h, w = height, round(height * ratio[1])
    else:
        h, w = height, width
    return (height - h) // 2, (width - w) // 2, h, w


@pytest.mark.parametrize(
    ("height", "width", "scale", "ratio"),
    [
        (32, 32, (0.08, 1.0), (3 / 4, 4 / 3)),
        (20, 50, (0.2, 0.9), (0.5, 1.5)),
        (50, 20, (0.5, 1.0), (0.9, 1.1)),
        (60, 9, (0.9, 1.0), (3 / 4, 4 / 3)),
    ],
)
def test_crops_are_those_of_the_definition(height, width, scale, ratio):
    crop = V.RandomResizedCrop(scale=scale, ratio=ratio)
    boxes = numpy(crop.boxes(400, height, width, SEED))
    expected = [
        crop_by_definition(each, height, width, scale, ratio)
        for each in numbers_of(400, 22)
    ]
    # Areas at a half may round the other way in float32.
    assert np.mean((boxes == expected).all(axis=1)) > 0.99
    top, left, h, w = boxes.T
    assert (boxes >= (0, 0, 1, 1)).all()
    assert (top + h <= height).all()
    assert (left + w <= width).all()


def test_area_ratio_and_place_have_their_distributions():
    rows, size = 20_000, 1000
    scale, ratio = (0.1, 0.4), (0.5, 2.0)
    crop = V.RandomResizedCrop(scale=scale, ratio=ratio)
    top, left, h, w = numpy(crop.boxes(rows, size, size, (5, 6))).T.astype("float64")
    # All of them fit, so that each of these is uniform.
    for values, low, high in (
        (h * w / size**2, *scale),
        (np.log(w / h), *map(math.log, ratio)),
        ((top + 0.5) / (size - h + 1), 0, 1),
        ((left + 0.5) / (size - w + 1), 0, 1),
    ):
        uniform = np.sort((values - low) / (high - low))
        distance = np.abs(uniform - (np.arange(rows) + 0.5) / rows).max()
        # Kolmogorov's distance at one in ten thousand, and the rounding to pixels.
        assert distance < 2.2 / math.sqrt(rows) + 0.003
    drawn = np.stack([h * w, w / h, top / (size - h), left / (size - w)])
    correlations = np.abs(np.corrcoef(drawn) - np.eye(4))
    assert correlations.max() < 4 / math.sqrt(rows)


def test_crops_are_resized_as_by_pillow():
    crop = V.RandomResizedCrop((9, 14), (0.1, 1.0), (0.4, 2.5))
    images = np.random.default_rng(1).random((40, 30, 21, 2), dtype="float32")
    found = numpy(crop(images, seed=SEED))
    boxes = numpy(crop.boxes(40, 30, 21, SEED))
    for image, (top, left, h, w), result in zip(images, boxes, found, strict=True):
        for channel in range(2):
            part = image[top : top + h, left : left + w, channel]
            resized = Image.fromarray(part).resize((14, 9), Image.Resampling.BILINEAR)
            np.testing.assert_allclose(
                result[..., channel], np.asarray(resized), atol=1e-5
            )


def test_a_crop_passes_gradients_to_its_pixels():
    crop = V.RandomResizedCrop(4, (0.3, 0.6))
    images = tf.constant(IMAGES[:, :12, :12])
    with tf.GradientTape() as tape:
        tape.watch(images)
        total = tf.reduce_sum(crop(images, seed=SEED))
    gradient = tape.gradient(total, images).numpy()[..., 0]
    boxes = numpy(crop.boxes(6, 12, 12, SEED))
    for each, (top, left, h, w) in zip(gradient, boxes, strict=True):
        # Weights of each result sum to one, and those outside of the crop are none.
        assert each.sum() == pytest.approx(16, rel=1e-5)
        assert each[top : top + h, left : left + w].sum() == pytest.approx(16, rel=1e-5)


def test_flips_mirror_their_share():
    images = np.broadcast_to(IMAGES[:1], (1000, 12, 18, 3))
    found = numpy(V.RandomHorizontalFlip(0.3)(images, seed=SEED))
    mirrored = (found == images[:, :, ::-1]).all(axis=(1, 2, 3))
    kept = (found == images).all(axis=(1, 2, 3))
    assert (mirrored ^ kept).all()
    assert mirrored.mean() == pytest.approx(0.3, abs=4 * math.sqrt(0.3 * 0.7 / 1000))


def jitter_by_definition(image, numbers, strengths, hue):
    """One image; written from the definition, pixel by pixel where it is the hue."""
    factors = [
        max(0.0, 1 - s) + (1 + s - max(0.0, 1 - s)) * u
        for s, u in zip(strengths, numbers, strict=False)
    ]
    kinds = list(np.argsort(numbers[3:6]))
    kinds.insert(int(4 * numbers[6]), 3)
    for kind in kinds:
        gray = image @ [0.299, 0.587, 0.114]
        if kind == 3:
            turned = []
            for pixel in image.reshape(-1, 3):
                h, s, v = colorsys.rgb_to_hsv(*pixel)
                h = (h - hue + 2 * hue * numbers[7]) % 1
                turned.append(colorsys.hsv_to_rgb(h, s, v))
            image = np.reshape(turned, image.shape)
            continue
        base = (0.0, gray.mean(), gray[..., None])[kind]
        image = np.clip(factors[kind] * image + (1 - factors[kind]) * base, 0, 1)
    return image


def test_jitter_is_that_of_the_definition_in_every_order():
    images = np.random.default_rng(2).random((120, 4, 3, 3), dtype="float32")
    images[0] = 0.5  # No color, no hue.
    strengths = (0.3, 1.4, 0.6)
    jitter = V.RandomColorJitter(*strengths, hue=0.3, probability=0.8)
    found = numpy(jitter(images, seed=SEED))
    numbers = numbers_of(120, 9)
    orders = {(*np.argsort(each[3:6]), int(4 * each[6])) for each in numbers}
    assert len(orders) == 24
    changed = numbers[:, 8] < 0.8
    assert 0.6 < changed.mean() < 0.95
    for image, each, result, change in zip(
        images, numbers, found, changed, strict=True
    ):
        expected = image
        if change:
            expected = jitter_by_definition(
                image.astype("float64"), each, strengths, 0.3
            )
        np.testing.assert_allclose(result, expected, atol=2e-5)


def test_gray_images_are_jittered_without_their_colors():
    gray = IMAGES[..., :1]
    jitter = V.RandomColorJitter(0.3, 0.4, 0, 0, probability=1.0)
    found = numpy(jitter(gray, seed=SEED))
    for image, each, result in zip(gray, numbers_of(6, 9), found, strict=True):
        colored = np.repeat(image.astype("float64"), 3, axis=-1)
        expected = jitter_by_definition(colored, each, (0.3, 0.4, 0.0), 0.0)
        np.testing.assert_allclose(result[..., 0], expected[..., 0], atol=1e-5)
    for layer in (V.RandomColorJitter(), V.RandomGrayscale()):
        with pytest.raises(ValueError, match=r"three channels; received.*12, 18, 1"):
            layer(gray, seed=SEED)


def test_grayscale_and_solarize_hit_their_share():
    images = np.broadcast_to(IMAGES[:1], (1000, 12, 18, 3))
    for layer, changed in (
        (
            V.RandomGrayscale(0.3),
            np.repeat(images @ np.float32([0.299, 0.587, 0.114])[:, None], 3, axis=-1),
        ),
        (
            V.RandomSolarize(0.4, probability=0.3),
            np.where(images >= 0.4, 1 - images, images),
        ),
    ):
        found = numpy(layer(images, seed=SEED))
        hit = np.isclose(found, changed, atol=1e-6).all(axis=(1, 2, 3))
        kept = (found == images).all(axis=(1, 2, 3))
        assert (hit ^ kept).all()
        assert hit.mean() == pytest.approx(0.3, abs=4 * math.sqrt(0.21 / 1000))


@pytest.mark.parametrize("kernel_size", [None, 5])
def test_blur_is_a_sum_over_mirrored_neighbors(kernel_size):
    low, high = 0.5, 1.5
    found = numpy(
        V.RandomGaussianBlur((low, high), kernel_size, 1.0)(IMAGES, seed=SEED)
    )
    radius = 2 if kernel_size else 5
    padding = ((0, 0), (radius, radius), (radius, radius), (0, 0))
    padded = np.pad(IMAGES.astype("float64"), padding, mode="reflect")
    for row, number in enumerate(numbers_of(6, 2)[:, 0]):
        sigma = low + (high - low) * number
        offsets = np.arange(-radius, radius + 1)
        weights = np.exp(-(offsets[:, None] ** 2 + offsets**2) / (2 * sigma**2))
        weights /= weights.sum()
        expected = sum(
            weights[i, j] * padded[row, i : i + 12, j : j + 18]
            for i in range(2 * radius + 1)
            for j in range(2 * radius + 1)
        )
        np.testing.assert_allclose(found[row], expected, atol=1e-5)


def test_blur_of_small_images_and_its_share():
    tiny = np.random.default_rng(0).random((500, 2, 3, 1), dtype="float32")
    found = numpy(V.RandomGaussianBlur((1.0, 3.0), probability=0.3)(tiny, seed=SEED))
    kept = (found == tiny).all(axis=(1, 2, 3))
    assert kept.mean() == pytest.approx(0.7, abs=4 * math.sqrt(0.21 / 500))
    assert np.abs(found - tiny)[~kept].max() > 0.1


@pytest.mark.parametrize("name", ["simclr", "moco", "digits"])
@pytest.mark.parametrize(("size", "channels"), [(16, 1), (16, 3), (70, 3)])
def test_recipes_suit_all_images(name, size, channels):
    images = np.random.default_rng(0).random((4, size, size, channels), "float32")
    views_of = V.get(name)
    small, colored = size < 64, channels == 3
    expected = V.Augmented(V.RECIPES[name](small, colored))(images, seed=SEED)
    for mine, other in zip(views_of(images, seed=SEED), expected, strict=True):
        assert mine.shape == images.shape
        np.testing.assert_array_equal(mine, other)
        assert 0 <= numpy(mine).min() <= numpy(mine).max() <= 1 + 1e-6


def test_recipes_are_those_of_the_papers():
    def told(layers):
        found = []
        for layer in layers:
            config = layer.get_config()
            for key in ("name", "trainable", "dtype", "seed"):
                config.pop(key, None)
            found.append((type(layer).__name__, config))
        return found

    crop = {"size": None, "ratio": (3 / 4, 4 / 3)}
    large = told(V.RECIPES["simclr"](False, True))
    names = [name.removeprefix("Random") for name, _ in large]
    assert names == [
        *("ResizedCrop", "HorizontalFlip", "ColorJitter", "Grayscale", "GaussianBlur")
    ]
    assert large[0][1] == {**crop, "scale": (0.08, 1.0)}
    assert large[2][1] == {
        **dict.fromkeys(("brightness", "contrast", "saturation", "probability"), 0.8),
        "hue": 0.2,
    }
    assert large[3][1] == {"probability": 0.2}
    assert large[4][1] == {
        "sigma": (0.1, 2.0),
        "kernel_size": None,
        "probability": 0.5,
    }
    small = told(V.RECIPES["simclr"](True, True))
    assert [name for name, _ in small] == [name for name, _ in large[:4]]
    assert (small[2][1]["brightness"], small[2][1]["hue"]) == (0.4, 0.1)
    moco = told(V.RECIPES["moco"](False, True))
    assert moco[0][1] == {**crop, "scale": (0.2, 1.0)}
    assert (moco[1][1]["saturation"], moco[1][1]["hue"]) == (0.4, 0.1)
    assert moco[-1] == ("RandomHorizontalFlip", {"probability": 0.5})
    assert not any("Flip" in name for name, _ in told(V.RECIPES["digits"](True, False)))


def test_a_recipe_in_tf_data_and_from_its_config():
    views_of = V.get("digits")
    again = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(views_of)
    )
    assert again.get_config() == views_of.get_config()
    expected = again(IMAGES, seed=SEED)
    streamed = tf.data.Dataset.from_tensors(IMAGES).map(
        lambda x: views_of(x, seed=SEED)
    )
    for mine, other in zip(streamed.get_single_element(), expected, strict=True):
        np.testing.assert_allclose(mine, other, atol=1e-5)
    with pytest.raises(
        ValueError, match="Unknown layers 'simcrl'. Did you mean 'simclr"
    ):
        V.Augmented("simcrl")


def test_layers_of_both_kinds_go_together():
    mixed = [V.RandomHorizontalFlip(1.0), *V.augmentations(0, 0.2, 0, 0, 0)]
    ramp = np.broadcast_to(np.linspace(0, 1, 20, dtype="float32"), (6, 8, 20))
    first, second = map(numpy, V.Augmented(mixed)(ramp[..., None], seed=SEED))
    assert np.abs(first - second).max() > 0.05
    # Mirrored, and moved by four columns at most.
    middle = np.diff(first[:, 4, 5:15, 0], axis=1)
    np.testing.assert_allclose(middle, -1 / 19, atol=1e-5)


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: V.RandomResizedCrop(scale=(0.5, 1.5)), "scale must be a pair.*<= 1"),
        (lambda: V.RandomResizedCrop(ratio=(2, 1)), "ratio must be a pair of numbers"),
        (lambda: V.RandomResizedCrop(ratio=1.0), "ratio must be a pair of numbers"),
        (lambda: V.RandomGaussianBlur(kernel_size=4), "kernel_size must be an odd"),
        (lambda: V.RandomColorJitter(hue=0.6), r"hue must be in \[0, 0.5\]"),
        (lambda: V.RandomSolarize(threshold=2), "threshold must be in"),
    ],
)
def test_unfit_arguments_are_refused(make, match):
    with pytest.raises(ValueError, match=match):
        make()
