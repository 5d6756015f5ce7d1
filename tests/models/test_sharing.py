"""Layers that parts of a model share stay one when it is saved and loaded."""

import copy
import json

import keras
import numpy as np
import pytest
from keras import layers

import keras_infomax as kim
from keras_infomax.training.experiments import supervised

SIZE = 6


def make_views(rows=64):
    random = np.random.default_rng(0)
    x = random.normal(size=(rows, SIZE)).astype("float32")
    return x, x + 0.1 * random.normal(size=x.shape).astype("float32")


def sequential(*parts):
    return keras.Sequential([keras.Input((SIZE,)), *parts])


def functional(*parts):
    inputs = outputs = keras.Input((SIZE,))
    for part in parts:
        outputs = part(outputs)
    return keras.Model(inputs, outputs)


def network(*encoders):
    views = [keras.Input((SIZE,)) for _ in encoders]
    names = "uvw"[: len(encoders)]
    return keras.Model(
        views, {n: e(v) for n, e, v in zip(names, encoders, views, strict=True)}
    )


def one_critic_in_terms():
    critic = kim.critics.BilinearCritic()
    terms = [kim.Term(*pair, critic) for pair in ("uv", "vu", "uu")]
    return kim.InfoMax(
        network=network(layers.Dense(4), layers.Dense(4)), terms=terms
    ), 3


def critic_in_a_critic():
    inner = kim.critics.BilinearCritic()
    clipped = kim.critics.SoftClippedCritic(inner)
    terms = [kim.Term("u", "v", inner), kim.Term("v", "u", clipped)]
    return kim.InfoMax(
        network=network(layers.Dense(4), layers.Dense(4)), terms=terms
    ), 3


def same_encoder_twice():
    encoder = sequential(layers.Dense(4))
    return kim.InfoMax(encoder, encoder), 2


def trunk_in_sequential_encoders():
    trunk = sequential(layers.Dense(5, "tanh"))
    return kim.InfoMax(
        sequential(trunk, layers.Dense(4)), sequential(trunk, layers.Dense(4))
    ), 4


def trunk_in_functional_encoders():
    trunk = functional(layers.Dense(5, "tanh"), layers.BatchNormalization())
    return kim.InfoMax(
        functional(trunk, layers.Dense(4)), functional(trunk, layers.Dense(4))
    ), 4


def layers_in_functional_and_sequential_encoders():
    first, last = layers.Dense(5, "tanh"), layers.Dense(4)
    return kim.InfoMax(
        functional(first, layers.Dense(5), last), sequential(first, last)
    ), 4


def one_input_and_two_ends():
    view = keras.Input((SIZE,))
    trunk = layers.Dense(5, "tanh")(view)
    return kim.InfoMax(
        keras.Model(view, layers.Dense(4)(trunk)),
        keras.Model(view, layers.Dense(4)(trunk)),
    ), 4


def head_in_encoder_and_critic():
    head = sequential(layers.Dense(SIZE))
    critic = kim.critics.ProjectedCritic(kim.critics.BilinearCritic(), head)
    return kim.InfoMax(functional(head, layers.Dense(SIZE)), critic=critic), 3


def trunk_in_networks_of_a_network():
    trunk = layers.Dense(5, "tanh")
    inside = functional(trunk, layers.Dense(4)), functional(layers.Dense(SIZE), trunk)
    last = functional(inside[0], layers.Dense(5))
    terms = [kim.Term("u", "v"), kim.Term("v", "w")]
    return kim.InfoMax(network=network(*inside, last), terms=terms), 6


MODELS = [
    one_critic_in_terms,
    critic_in_a_critic,
    same_encoder_twice,
    trunk_in_sequential_encoders,
    trunk_in_functional_encoders,
    layers_in_functional_and_sequential_encoders,
    one_input_and_two_ends,
    head_in_encoder_and_critic,
    trunk_in_networks_of_a_network,
]


def data_of(model):
    x, y = make_views()
    count = 2 if model.network is None else len(model.network.inputs)
    return (x, y, x)[:count]


def kernels(model):
    """Number of different kernels."""
    return len({id(v) for v in model.trainable_variables if v.path.endswith("kernel")})


@pytest.mark.parametrize("make", MODELS, ids=lambda make: make.__name__)
def test_a_shared_layer_is_one_after_loading(make, tmp_path):
    keras.utils.set_random_seed(0)
    model, expected = make()
    model.compile("adam", "infonce", run_eagerly=True)
    data = data_of(model)
    model.fit(data, batch_size=32, shuffle=False, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert len(loaded.weights) == len(model.weights)
    assert kernels(loaded) == kernels(model) == expected
    for going_on in (model, loaded):
        going_on.fit(data, batch_size=32, shuffle=False, verbose=0)
    for left, right in zip(model.weights, loaded.weights, strict=True):
        np.testing.assert_array_equal(left, right, err_msg=left.path)
    # And once more, since what was loaded is made in another way.
    loaded.save(tmp_path / "again.keras")
    again = keras.saving.load_model(tmp_path / "again.keras")
    assert kernels(again) == expected
    np.testing.assert_array_equal(
        again.evaluate(data, batch_size=32, verbose=0),
        model.evaluate(data, batch_size=32, verbose=0),
    )


def test_a_model_made_anew_takes_the_weights(tmp_path):
    (model, _), (other, _) = (one_critic_in_terms() for _ in range(2))
    model.save(tmp_path / "model.keras")
    model.save_weights(tmp_path / "model.weights.h5")
    for name in ("model.keras", "model.weights.h5"):
        for weight in other.weights:
            weight.assign(weight + 1)
        other.load_weights(tmp_path / name)
        for left, right in zip(model.weights, other.weights, strict=True):
            np.testing.assert_array_equal(left, right, err_msg=left.path)


def test_copies_and_configs_keep_shared_layers_one():
    model, expected = trunk_in_functional_encoders()
    config = model.get_config()
    assert kernels(kim.InfoMax.from_config(config)) == expected
    assert kernels(kim.InfoMax.from_config(json.loads(json.dumps(config)))) == expected
    made = copy.deepcopy(model)
    assert kernels(made) == expected
    assert made.encoder_x.layers[1] is made.encoder_y.layers[1]
    assert made.encoder_x.layers[1] is not model.encoder_x.layers[1]


def test_what_is_frozen_stays_frozen():
    trunk = layers.Dense(5)
    model = kim.InfoMax(
        functional(trunk, layers.Dense(4)), functional(trunk, layers.Dense(4))
    )
    trunk.trainable = False
    model.encoder_y.trainable = False
    loaded = kim.InfoMax.from_config(model.get_config())
    for each in (model, loaded):
        assert [v.trainable for v in each.encoder_x.weights] == [False] * 2 + [True] * 2
        assert each.encoder_y.trainable_weights == []
        assert each.critic.trainable


def test_a_config_without_shared_layers_is_as_keras_makes_it():
    encoders = sequential(layers.Dense(4)), functional(layers.Dense(4))
    config = kim.InfoMax(*encoders).get_config()
    for name, encoder in zip(("encoder_x", "encoder_y"), encoders, strict=True):
        assert config[name] == keras.saving.serialize_keras_object(encoder)
    assert "shar" not in json.dumps(config)


def test_a_classifier_keeps_layers_that_parts_of_its_encoder_share(tmp_path):
    trunk = layers.Dense(SIZE)
    encoder = functional(sequential(trunk), functional(trunk, layers.Dense(3)))
    model = supervised.Classifier(encoder, 2)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert kernels(loaded) == kernels(model) == 3
    x, _ = make_views(4)
    np.testing.assert_array_equal(loaded(x), model(x))


@keras.saving.register_keras_serializable(package="tests")
class Hiding(layers.Layer):
    """Has a layer that its config does not tell of."""

    def __init__(self, hidden=None, **kwargs):
        super().__init__(**kwargs)
        self.hidden = [hidden or layers.Dense(SIZE)]

    def build(self, input_shape):
        if not self.hidden[0].built:
            self.hidden[0].build(input_shape)

    def call(self, inputs):
        return self.hidden[0](inputs)

    def get_config(self):
        return layers.Layer.get_config(self)


@pytest.mark.parametrize("other", ["critic", "hiding"])
def test_what_a_file_could_not_keep_one_is_refused(other, tmp_path):
    head = layers.Dense(SIZE, name="head")
    hiding = Hiding(head, name="hiding")
    if other == "critic":
        inner = kim.critics.BilinearCritic()
        critic = kim.critics.ProjectedCritic(inner, head)
        model = kim.InfoMax(sequential(hiding), critic=critic)
    else:
        model = kim.InfoMax(sequential(hiding), sequential(Hiding(head)))
    (tmp_path / "model.keras").write_text("an earlier model")
    with pytest.raises(
        ValueError, match="Layer 'head' is a part of '.*hiding"
    ) as error:
        model.save(tmp_path / "model.keras")
    assert "get_config" in str(error.value)
    assert (tmp_path / "model.keras").read_text() == "an earlier model"


def test_what_a_layer_has_for_itself_may_be_hidden(tmp_path):
    model = kim.InfoMax(sequential(Hiding()), sequential(Hiding()))
    model.save(tmp_path / "model.keras")
    assert kernels(keras.saving.load_model(tmp_path / "model.keras")) == 3
