import keras
import numpy as np
import pytest
from gradient_checks import array, dtype_of

from keras_infomax import views

pytestmark = pytest.mark.backends

IMAGES = np.arange(2 * 4 * 6 * 3, dtype="float32").reshape(2, 4, 6, 3)


def test_axis_one_gives_top_and_bottom():
    top, bottom = views.Halves()(IMAGES)
    np.testing.assert_array_equal(top, IMAGES[:, :2])
    np.testing.assert_array_equal(bottom, IMAGES[:, 2:])


def test_axis_two_gives_left_and_right():
    left, right = views.Halves(axis=2)(IMAGES)
    np.testing.assert_array_equal(left, IMAGES[:, :, :3])
    np.testing.assert_array_equal(right, IMAGES[:, :, 3:])


@pytest.mark.backends("tensorflow")
@pytest.mark.parametrize("axis", [1, 2])
def test_symbolic_eager_and_tf_data_agree(axis):
    import tensorflow as tf

    layer = views.Halves(axis=axis)
    symbolic = layer(keras.Input((4, 6, 3)))
    dataset = tf.data.Dataset.from_tensors(IMAGES).map(layer)
    for view, streamed, announced in zip(
        layer(IMAGES), dataset.get_single_element(), symbolic, strict=True
    ):
        np.testing.assert_array_equal(view, streamed)
        assert announced.shape == (None, *view.shape[1:])


def test_unknown_height_is_cut_when_it_is_known():
    inputs = keras.Input((None, 6, 3))
    outputs = views.Halves()(inputs)
    assert [view.shape for view in outputs] == [(None, None, 6, 3)] * 2
    top, _ = keras.Model(inputs, outputs)(IMAGES)
    np.testing.assert_array_equal(top, IMAGES[:, :2])


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_keeps_the_dtype_under_every_policy(dtype):
    keras.config.set_dtype_policy("mixed_float16")
    layer = views.Halves()
    assert {dtype_of(view) for view in layer(IMAGES.astype(dtype))} == {dtype}
    assert {view.dtype for view in layer(keras.Input((4, 6, 3), dtype=dtype))} == {
        dtype
    }


@pytest.mark.parametrize(("axis", "side"), [(1, "height"), (2, "width")])
def test_odd_size_is_refused(axis, side):
    images = np.zeros((2, 5, 7, 1), "float32")
    with pytest.raises(ValueError, match=f"even {side}.*received shape .2, 5, 7, 1."):
        views.Halves(axis=axis)(images)
    with pytest.raises(ValueError, match=f"even {side}"):
        views.Halves(axis=axis)(keras.Input((5, 7, 1)))


def test_wrong_rank_is_refused():
    with pytest.raises(ValueError, match=r"\(rows, height, width, channels\)"):
        views.Halves()(np.zeros((2, 4, 6), "float32"))


@pytest.mark.parametrize("axis", [0, 3, -2, "height"])
def test_wrong_axis_is_refused(axis):
    with pytest.raises(ValueError, match="axis must be 1 or 2"):
        views.Halves(axis=axis)


def test_round_trips_through_a_saved_model(tmp_path):
    inputs = keras.Input((4, 6, 3))
    model = keras.Model(inputs, views.Halves(axis=2, name="sides")(inputs))
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert again.get_layer("sides").axis == 2
    np.testing.assert_array_equal(again(IMAGES)[1], IMAGES[:, :, 3:])


def test_get_knows_names_and_leaves_layers_and_functions_alone():
    assert [views.get(name).axis for name in ("halves", "left_right")] == [1, 2]
    for given in (views.Halves(axis=2), lambda images: (images, images)):
        assert views.get(given) is given


def test_get_refuses_what_it_does_not_know():
    with pytest.raises(ValueError, match="Unknown views 'halfs'. Did you mean 'halve"):
        views.get("halfs")
    with pytest.raises(ValueError, match="Unknown views"):
        views.get(views.Halves)


NOISE = views.Noisy(lambda images: (images, images), 0.05)
BLANK = np.zeros((50, 28, 28, 1), "float32")


def test_noise_has_the_standard_deviation_and_no_mean():
    for noise in map(array, NOISE(BLANK, seed=(0, 1))):
        # Four standard errors.
        assert np.std(noise) == pytest.approx(0.05, abs=0.05 * 4 / np.sqrt(2 * 39200))
        assert np.mean(noise) == pytest.approx(0, abs=0.05 * 4 / np.sqrt(39200))


def test_noise_is_added_to_the_views():
    images = np.random.default_rng(0).random((3, 4, 6, 1), "float32")
    noisy = views.Noisy("left_right", 0.05)
    noise = noisy(np.zeros_like(images), seed=(0, 1))
    for view, clean, drawn in zip(
        noisy(images, seed=(0, 1)), views.Halves(axis=2)(images), noise, strict=True
    ):
        np.testing.assert_allclose(view, clean + drawn, rtol=1e-6)


def test_coupled_noise_is_the_same_in_all_views():
    x, y = NOISE(BLANK, seed=(0, 1))
    np.testing.assert_array_equal(x, y)


def test_noise_that_is_not_coupled_is_not_correlated():
    noisy = views.Noisy(lambda images: (images, images), 0.05, coupled=False)
    x, y = (np.ravel(view) for view in noisy(BLANK, seed=(0, 1)))
    assert abs(np.corrcoef(x, y)[0, 1]) < 4 / np.sqrt(x.size)


def test_noise_differs_between_pixels_and_rows():
    x, _ = NOISE(BLANK, seed=(0, 1))
    assert len(np.unique(x)) > 0.99 * x.shape[0] * 28 * 28


@pytest.mark.parametrize("coupled", [True, False])
def test_the_seed_alone_decides_the_noise(coupled):
    noisy = views.Noisy("halves", 0.05, coupled)
    first, second, third = (
        np.stack(noisy(BLANK, seed=seed)) for seed in ((0, 1), (0, 1), (0, 2))
    )
    np.testing.assert_array_equal(first, second)
    assert (first != third).mean() > 0.99


@pytest.mark.backends("tensorflow")
def test_views_that_take_a_seed_get_one_of_their_own():
    import tensorflow as tf

    def random_shift(images, seed):
        shift = tf.random.stateless_normal(tf.shape(images)[:1], seed)
        return (images + shift[:, None, None, None],) * 2

    noisy, shifted, other = (
        np.asarray(views.Noisy(random_shift, stddev)(BLANK, seed=seed)[0])
        for stddev, seed in ((0.05, (0, 1)), (0.0, (0, 1)), (0.0, (0, 2)))
    )
    assert np.ptp(shifted, axis=(1, 2, 3)).max() == 0
    assert (shifted != other).all()
    noise, shifts = noisy - shifted, shifted[:, 0, 0, 0]
    assert np.std(noise) == pytest.approx(0.05, rel=0.02)
    # Equal seeds would draw the noise of the first pixels from the same numbers.
    assert abs(np.corrcoef(shifts, noise.ravel()[: len(shifts)])[0, 1]) < 0.5


@pytest.mark.backends("tensorflow")
def test_noise_in_tf_data_and_in_symbols_has_the_shape_of_the_views():
    import tensorflow as tf

    noisy = views.Noisy("halves", 0.05)
    inputs = keras.Input((28, 28, 1))
    seed = keras.Input(batch_shape=(2,), dtype="int32")
    assert [v.shape for v in noisy(inputs, seed=seed)] == [(None, 14, 28, 1)] * 2
    dataset = tf.data.Dataset.from_tensors(BLANK).map(lambda x: noisy(x, seed=(0, 1)))
    assert dataset.element_spec[0].shape == (50, 14, 28, 1)
    np.testing.assert_array_equal(
        dataset.get_single_element()[1], noisy(BLANK, seed=(0, 1))[1]
    )


# JAX has no float64 unless it is told to.
@pytest.mark.backends("tensorflow", "torch")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_noise_keeps_the_dtype_under_every_policy(dtype):
    keras.config.set_dtype_policy("mixed_float16")
    noisy = views.Noisy("halves", 0.05)
    assert dtype_of(noisy(BLANK.astype(dtype), seed=(0, 1))[0]) == dtype


def test_noisy_views_come_back_from_their_config():
    noisy = views.Noisy(views.Halves(axis=2), 0.1, coupled=False, name="grain")
    serialized = keras.saving.serialize_keras_object(noisy)
    assert serialized["registered_name"] == "keras_infomax>Noisy"
    again = keras.saving.deserialize_keras_object(serialized)
    assert again.get_config() == noisy.get_config()
    for view, expected in zip(
        again(BLANK, seed=(0, 1)), noisy(BLANK, seed=(0, 1)), strict=True
    ):
        np.testing.assert_array_equal(view, expected)


def test_coupled_noise_refuses_views_of_several_shapes():
    def whole_and_half(images):
        return images, images[:, :14]

    with pytest.raises(ValueError, match=r"one shape; received \(50, 28.*\(50, 14"):
        views.Noisy(whole_and_half, 0.05)(BLANK, seed=(0, 1))
    noisy = views.Noisy(whole_and_half, 0.05, coupled=False)(BLANK, seed=(0, 1))
    assert [view.shape[1] for view in noisy] == [28, 14]


def test_noise_refuses_what_it_cannot_be_added_to():
    with pytest.raises(ValueError, match="float images; received uint8"):
        NOISE(BLANK.astype("uint8"), seed=(0, 1))
    for stddev in (-0.1, np.nan, np.inf):
        with pytest.raises(ValueError, match="stddev must be a finite"):
            views.Noisy("halves", stddev)
