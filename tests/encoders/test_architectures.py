import keras
import numpy as np
import pytest
import tensorflow as tf
from layer_checks import check_layer, check_saving

import keras_infomax as kim
from keras_infomax import encoders

IMAGES = np.random.default_rng(0).random((5, 14, 28, 1), dtype="float32")


@pytest.mark.parametrize(
    ("name", "shape", "parameters"),
    [
        ("mlp", (14, 28, 1), 238_300),
        ("mlp", (392,), 238_300),
        ("mlp", (16, 32, 3), 581_500),
        ("convnet", (14, 28, 1), 219_748),
        ("convnet", (16, 32, 3), 222_948),
    ],
)
def test_parameters_are_those_of_the_paper(name, shape, parameters):
    encoder = encoders.get(name)(shape)
    assert encoder.count_params() == parameters
    assert encoder.output_shape == (None, 100)


def test_mlp_equals_its_formula():
    encoder = encoders.mlp((14, 28, 1), hidden_units=(8, 6), output_dim=3)
    hidden = IMAGES.reshape(5, 392)
    k1, b1, k2, b2, k3, b3 = encoder.get_weights()
    expected = np.maximum(np.maximum(hidden @ k1 + b1, 0) @ k2 + b2, 0) @ k3 + b3
    np.testing.assert_allclose(encoder(IMAGES), expected, rtol=1e-4, atol=1e-6)


def test_normalization_equals_its_formula():
    layer = encoders.FeatureMapNormalization(epsilon=0.01)
    maps = np.random.default_rng(1).normal(2, 3, (4, 3, 5, 6)).astype("float32")
    layer.build(maps.shape)
    gain, bias = np.arange(6) + 0.5, np.arange(6) - 2.0
    layer.set_weights([gain, bias])
    outputs = layer(maps)
    for example, output in zip(maps.astype("float64"), outputs, strict=True):
        normalized = (example - example.mean()) / (example.std() + 0.01)
        np.testing.assert_allclose(
            output, normalized * gain + bias, rtol=2e-4, atol=1e-4
        )


def test_normalization_of_a_blank_map_has_finite_gradients():
    layer = encoders.FeatureMapNormalization()
    maps = tf.zeros((2, 3, 3, 4))
    with tf.GradientTape() as tape:
        tape.watch(maps)
        outputs = layer(maps)
        loss = tf.reduce_sum(outputs[:, 0, 0, 0])
    np.testing.assert_array_equal(outputs, np.zeros((2, 3, 3, 4)))
    assert np.isfinite(tape.gradient(loss, maps)).all()


def test_normalization_layer_contract():
    maps = np.random.default_rng(1).normal(2, 3, (4, 3, 5, 6)).astype("float32")
    check_layer(encoders.FeatureMapNormalization(epsilon=0.5), maps)


@pytest.mark.parametrize(
    ("name", "dim"), [("mlp", 7), ("convnet", 7), ("skip_mlp", 392)]
)
def test_encoders_save(name, dim, tmp_path):
    encoder = encoders.get(name)((14, 28, 1), output_dim=dim)
    loaded = check_saving(encoder, IMAGES, tmp_path)
    assert loaded.output_shape == (None, dim)


def test_realnvp_saves(tmp_path):
    encoder = encoders.realnvp((14, 28, 1), (8,), output_dim=392, couplings=2, seed=3)
    loaded = check_saving(encoder, IMAGES, tmp_path)
    assert loaded.output_shape == (None, 392)
    np.testing.assert_allclose(loaded.inverse(encoder(IMAGES)), IMAGES, atol=1e-6)


def test_realnvp_takes_the_options_of_the_flow():
    encoder = encoders.realnvp((6,), (8, 4), couplings=3, affine=True, seed=5)
    config = encoder.get_config()
    assert config["hidden_units"] == (8, 4)
    assert (config["couplings"], config["affine"], config["seed"]) == (3, True, 5)


@pytest.mark.parametrize(
    ("shape", "hidden_layers", "parameters"),
    [((14, 28, 1), 4, 770_280), ((392,), 4, 770_280), ((3,), 0, 12)],
)
def test_skip_mlp_has_the_parameters_of_the_paper(shape, hidden_layers, parameters):
    encoder = encoders.skip_mlp(shape, hidden_layers)
    assert encoder.count_params() == parameters


def test_skip_mlp_equals_its_formula():
    encoder = encoders.skip_mlp((14, 28, 1), hidden_layers=2)
    rng = np.random.default_rng(0)
    encoder.set_weights([rng.normal(0, 0.05, w.shape) for w in encoder.weights])
    h = IMAGES.reshape(5, 392)
    k1, b1, k2, b2, k3, b3 = encoder.get_weights()
    h = np.maximum(h @ k1 + b1, 0) + h
    h = np.maximum(h @ k2 + b2, 0) + h
    np.testing.assert_allclose(encoder(IMAGES), h @ k3 + b3 + h, rtol=1e-4, atol=1e-5)


def test_skip_mlp_starts_as_the_identity():
    encoder = encoders.skip_mlp((14, 28, 1))
    # Five layers add 1e-4 times the norm of the view, 11, and a normal number each.
    np.testing.assert_allclose(encoder(IMAGES), IMAGES.reshape(5, 392), atol=0.02)


def test_skip_mlp_trains():
    model = kim.InfoMax(encoders.skip_mlp((6,)))
    model.compile(optimizer=keras.optimizers.Adam(0.01), loss=kim.losses.InfoNCE())
    x, noise = np.random.default_rng(0).normal(size=(2, 320, 6)).astype("float32")
    views = x, x + 0.3 * noise
    history = model.fit(views, batch_size=32, epochs=4, verbose=0).history
    assert history["mi"][-1] > history["mi"][0] + 1


@pytest.mark.parametrize("name", ["realnvp", "skip_mlp"])
def test_encoders_that_keep_the_size_refuse_another(name):
    with pytest.raises(ValueError, match=rf"output_dim.*None or 6.*{name}.*100"):
        encoders.get(name)((2, 3), output_dim=100)


@pytest.mark.parametrize("hidden_layers", [-1, 2.0, (300, 300)])
def test_skip_mlp_takes_a_number_of_layers(hidden_layers):
    with pytest.raises(ValueError, match="hidden_layers must be an integer"):
        encoders.skip_mlp((6,), hidden_layers)


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_convnet_runs_in_half_precision(policy):
    full = encoders.convnet((14, 28, 1), filters=(8, 16), output_dim=5)
    keras.config.set_dtype_policy(policy)
    half = encoders.convnet((14, 28, 1), filters=(8, 16), output_dim=5)
    half.set_weights(full.get_weights())
    np.testing.assert_allclose(
        keras.ops.cast(half(IMAGES), "float32"), full(IMAGES), atol=0.05
    )


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("mlp", {"input_shape": 784}, "input_shape must be the shape of a view.*784"),
        ("mlp", {"input_shape": (None, 28, 1)}, "must be static for mlp"),
        ("mlp", {"hidden_units": 300}, "hidden_units must be positive integers.*300"),
        ("mlp", {"output_dim": 0}, "output_dim must be a positive integer.*0"),
        (
            "convnet",
            {"input_shape": 28},
            "input_shape must be .height, width, channels",
        ),
        ("convnet", {"filters": (64, 0)}, "filters must be positive integers"),
        ("convnet", {"output_dim": 2.5}, "output_dim must be a positive integer"),
    ],
)
def test_sizes_that_are_none(name, arguments, message):
    with pytest.raises(ValueError, match=message):
        encoders.get(name)(**{"input_shape": (14, 28, 1), **arguments})


def test_shapes_may_be_those_of_tensors():
    shape = tf.constant(IMAGES).shape[1:]
    assert encoders.mlp(shape, [8], np.int64(4)).output_shape == (None, 4)
    assert encoders.convnet((None, None, 1), [8], 4).output_shape == (None, 4)


def test_convnet_needs_channels():
    with pytest.raises(ValueError, match=r"\(height, width, channels\).*\(14, 28\)"):
        encoders.convnet((14, 28))


def test_unknown_encoder_suggests_the_nearest():
    with pytest.raises(ValueError, match="Did you mean 'convnet'"):
        encoders.get("convnt")
