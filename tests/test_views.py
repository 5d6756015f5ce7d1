import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_infomax import views

IMAGES = np.arange(2 * 4 * 6 * 3, dtype="float32").reshape(2, 4, 6, 3)


def test_axis_one_gives_top_and_bottom():
    top, bottom = views.Halves()(IMAGES)
    np.testing.assert_array_equal(top, IMAGES[:, :2])
    np.testing.assert_array_equal(bottom, IMAGES[:, 2:])


def test_axis_two_gives_left_and_right():
    left, right = views.Halves(axis=2)(IMAGES)
    np.testing.assert_array_equal(left, IMAGES[:, :, :3])
    np.testing.assert_array_equal(right, IMAGES[:, :, 3:])


@pytest.mark.parametrize("axis", [1, 2])
def test_symbolic_eager_and_tf_data_agree(axis):
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
    assert {view.dtype for view in layer(IMAGES.astype(dtype))} == {tf.as_dtype(dtype)}
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
    with pytest.raises(ValueError, match="axis must be 1 .* or 2"):
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
