import re

import keras
import numpy as np
import pytest
from gradient_checks import array, gradient
from keras import ops
from layer_checks import check_layer, check_saving

from keras_infomax import critics

pytestmark = pytest.mark.backends

RNG = np.random.default_rng(0)
X = RNG.normal(size=(3, 6)).astype("float32")
Y = RNG.normal(size=(5, 4)).astype("float32")


def relu(values):
    return np.maximum(values, 0)


def test_inner_product_is_the_matrix_product():
    y = RNG.normal(size=(5, 6)).astype("float32")
    np.testing.assert_allclose(critics.InnerProductCritic()(X, y), X @ y.T, rtol=1e-5)


def test_bilinear_equals_its_formula():
    critic = critics.BilinearCritic()
    scores = array(critic(X, Y))
    (kernel,) = critic.get_weights()
    assert kernel.shape == (6, 4)
    for i in range(3):
        for j in range(5):
            assert float(scores[i, j]) == pytest.approx(X[i] @ kernel @ Y[j], rel=1e-4)


def test_separable_equals_its_formula():
    critic = critics.SeparableCritic(hidden_units=(7, 9), output_dim=2)
    scores = critic(X, Y)
    weights = [
        w + RNG.normal(size=w.shape).astype("float32") for w in critic.get_weights()
    ]
    critic.set_weights(weights)
    scores = array(critic(X, Y))

    def phi(values, layers):
        k1, b1, k2, b2, k3, b3 = layers
        return relu(relu(values @ k1 + b1) @ k2 + b2) @ k3 + b3

    expected = phi(X, weights[:6]) @ phi(Y, weights[6:]).T
    np.testing.assert_allclose(scores, expected, rtol=1e-4)


@pytest.mark.parametrize("hidden_units", [(8,), (8, 5, 3)])
def test_mlp_equals_the_concatenation_of_every_pair(hidden_units):
    critic = critics.MLPCritic(hidden_units=hidden_units)
    critic(X, Y)
    weights = [
        w + RNG.normal(size=w.shape).astype("float32") for w in critic.get_weights()
    ]
    critic.set_weights(weights)
    scores = array(critic(X, Y))
    for i in range(3):
        for j in range(5):
            hidden = np.concatenate([X[i], Y[j]])
            *inner, kernel, bias = weights
            for k, b in zip(inner[::2], inner[1::2], strict=True):
                hidden = relu(hidden @ k + b)
            np.testing.assert_allclose(
                scores[i, j], (hidden @ kernel + bias)[0], rtol=1e-4
            )


@pytest.mark.backends("tensorflow")
@pytest.mark.parametrize(
    ("hidden_units", "largest"), [((200,), 4 * 50 * 200), ((2, 3), 30 * 50 * 3)]
)
def test_mlp_never_makes_more_than_it_must(hidden_units, largest):
    import tensorflow as tf

    critic = critics.MLPCritic(hidden_units)
    critic.build((None, 6), (None, 4))

    @tf.function(jit_compile=True)
    def gradients(x, y):
        with tf.GradientTape() as tape:
            tape.watch([x, y])
            loss = tf.reduce_sum(tf.exp(critic(x, y)))
        return tape.gradient(loss, [x, y, *critic.trainable_variables])

    program = gradients.experimental_get_compiler_ir(
        tf.ones((30, 6)), tf.ones((50, 4))
    )(stage="optimized_hlo")
    shapes = re.findall(r"f32\[([\d,]+)\]", program)
    sizes = [np.prod([int(size) for size in shape.split(",")]) for shape in shapes]
    # With one hidden layer a few of the 30 rows at a time, and never 30 * 50 * 200.
    assert max(sizes) == largest


@pytest.mark.backends("tensorflow")
def test_gradients_of_gradients_of_the_mlp_are_those_of_its_definition():
    import tensorflow as tf

    critic = critics.MLPCritic((7,))
    x, y = tf.constant(X), tf.constant(Y)
    critic(x, y)

    def by_definition(x, y):
        pairs = tf.concat([tf.repeat(x[:, None], 5, 1), tf.repeat(y[None], 3, 0)], -1)
        first, last = critic.first, *critic.rest
        return tf.squeeze(last(tf.nn.relu(first(pairs))), -1)

    @tf.function
    def penalty_and_gradients(function):
        variables = [v.value for v in critic.trainable_variables]
        with tf.GradientTape() as outer:
            outer.watch([x, y])
            with tf.GradientTape() as inner:
                inner.watch([x, y])
                value = tf.reduce_sum(tf.sin(function(x, y)))
            gradients = inner.gradient(value, [x, y, *variables])
            penalty = sum(tf.reduce_sum(g**2) for g in gradients)
        return penalty, *outer.gradient(penalty, [x, y, *variables])

    found = penalty_and_gradients(critic)
    for mine, other in zip(found, penalty_and_gradients(by_definition), strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("inner_product", 0),
        ("bilinear", 10_000),
        ("separable", 40_400),
        ("mlp", 40_401),
    ],
)
def test_sizes_of_the_paper_are_the_defaults(name, parameters):
    critic = critics.get(name)
    critic.build((None, 100), (None, 100))
    assert critic.count_params() == parameters


def test_mlp_initialises_the_first_layer_as_one_concatenated_layer():
    critic = critics.MLPCritic(hidden_units=(400,))
    critic.build((None, 300), (None, 100))
    kernel = critic.get_weights()[0]
    limit = np.sqrt(6 / (300 + 100 + 400))  # Glorot uniform of the whole layer.
    assert np.abs(kernel).max() == pytest.approx(limit, rel=0.01)


@pytest.mark.parametrize(
    "critic",
    [
        critics.BilinearCritic(),
        critics.SeparableCritic(hidden_units=(), output_dim=3),
        critics.SeparableCritic(hidden_units=(11, 5), output_dim=7),
        critics.MLPCritic(hidden_units=(13, 4)),
    ],
)
def test_layer_contract(critic):
    check_layer(critic, X, Y)


def test_layer_contract_of_the_inner_product():
    check_layer(critics.InnerProductCritic(), X, X[:2] + 1)


@pytest.mark.parametrize("name", sorted(critics.CRITICS))
def test_saved_in_a_model(name, tmp_path):
    x, y = keras.Input((6,)), keras.Input((6,))
    model = keras.Model([x, y], critics.get(name)(x, y))
    check_saving(model, [X, X[:3] + 1], tmp_path)


def test_inner_product_needs_one_width():
    with pytest.raises(
        ValueError, match=r"the same size.*received 6 and 4.*BilinearCritic"
    ):
        critics.InnerProductCritic()(X, Y)


def test_feature_maps_are_no_encodings():
    with pytest.raises(ValueError, match=r"y must be encodings of shape \(rows, dim\)"):
        critics.BilinearCritic()(X, np.zeros((5, 2, 2), "float32"))


def test_mlp_without_hidden_layer_is_refused():
    with pytest.raises(ValueError, match="hidden_units must be .* at least one"):
        critics.MLPCritic(hidden_units=())


@pytest.mark.parametrize("sizes", [(0,), (10, -1), (2.5,), (True,), 100, "100"])
def test_sizes_must_be_positive_integers(sizes):
    with pytest.raises(ValueError, match="hidden_units must be positive integers"):
        critics.SeparableCritic(hidden_units=sizes)


def test_sizes_may_be_numpy_integers():
    critic = critics.SeparableCritic(np.array([4, 3]), output_dim=np.int64(2))
    assert critic.get_config()["hidden_units"] == (4, 3)
    assert critic(X, X[:2]).shape == (len(X), 2)


def test_unknown_critic_suggests_the_nearest():
    with pytest.raises(
        ValueError, match="Unknown critic 'bilinar'.*Did you mean 'bilinear'"
    ):
        critics.get("bilinar")


class TestDistances:
    near = X[:, None] - X[None, :2] - 0.1

    @pytest.mark.parametrize(("squared", "power"), [(True, 2), (False, 1)])
    def test_equal_their_definition(self, squared, power):
        y = X[:2] + 0.1
        expected = -(np.linalg.norm(self.near, axis=-1) ** power)
        scores = critics.DistanceCritic(squared=squared)(X, y)
        np.testing.assert_allclose(scores, expected, rtol=1e-4)

    @pytest.mark.parametrize("squared", [True, False])
    def test_layer_contract(self, squared):
        check_layer(critics.DistanceCritic(squared=squared), X, X[:2] + 1)

    @pytest.mark.parametrize("squared", [True, False])
    def test_gradients_are_finite_where_encodings_meet(self, squared):
        critic = critics.DistanceCritic(squared=squared)

        def same(x):
            return ops.diagonal(critic(x, 100 * X))

        np.testing.assert_array_equal(gradient(same, 100 * X), np.zeros_like(X))
        # Rounding of squares of 1e5, which the root would make a distance of 0.1.
        np.testing.assert_allclose(same(100 * X), 0, atol=0.05 if squared else 0)

    def test_gradient_of_a_distance_is_a_direction(self):
        y = X[:2] + 0.1
        critic = critics.DistanceCritic(squared=False)
        found = gradient(lambda x: critic(x, y), X)
        lengths = np.linalg.norm(self.near, axis=-1, keepdims=True)
        expected = -(self.near / lengths).sum(axis=1)
        np.testing.assert_allclose(found, expected, rtol=1e-3)


class TestLearnedTemperature:
    X = RNG.normal(size=(4, 6)).astype("float32")
    Y = RNG.normal(size=(5, 6)).astype("float32")

    def expected(self, temperature, bias=0.0):
        units = (v / np.linalg.norm(v, axis=1, keepdims=True) for v in (self.X, self.Y))
        x, y = units
        return x @ y.T / temperature + bias

    def test_scores_start_where_they_are_told(self):
        for options in ({}, {"learned_temperature": True}, {"bias": 3.0}):
            critic = critics.CosineCritic(0.25, **options)
            expected = self.expected(0.25, options.get("bias", 0.0))
            scores = array(critic(self.X, self.Y))
            np.testing.assert_allclose(scores, expected, rtol=1e-5)
        names = {"clip": (0.07, None), "siglip": (0.1, -10.0)}
        for name, (temperature, bias) in names.items():
            critic = critics.get(name)
            assert (critic.temperature, critic.bias) == (temperature, bias)
            assert critic.learned_temperature

    @pytest.mark.backends("tensorflow")
    def test_the_logarithm_of_the_scale_is_what_is_learned(self):
        import tensorflow as tf

        critic = critics.CosineCritic(0.25, learned_temperature=True, bias=1.0)
        critic.build((None, 6), (None, 6))
        with tf.GradientTape() as tape:
            total = tf.reduce_sum(critic(self.X, self.Y))
        slopes = tape.gradient(total, critic.trainable_variables)
        # By the logarithm of its scale, a product changes as much as it is.
        assert float(slopes[0]) == pytest.approx(self.expected(0.25).sum(), rel=1e-4)
        assert float(slopes[1]) == 20

    @pytest.mark.parametrize(("sign", "scale"), [(1, 100.0), (-1, 1.0)])
    def test_the_scale_is_clipped_after_a_step(self, sign, scale):
        critic = critics.CosineCritic(0.25, learned_temperature=True)
        critic.build((None, 6), (None, 6))
        optimizer = keras.optimizers.SGD(1e3)
        for _ in range(2):
            slope = ops.convert_to_tensor(-1.0 * sign)
            optimizer.apply([slope], critic.trainable_variables)
            assert np.exp(array(critic.log_scale)) == pytest.approx(scale, rel=1e-5)

    def test_half_precision_keeps_the_scale_in_float32(self):
        options = {"learned_temperature": True, "bias": -10.0}
        check_layer(critics.CosineCritic(0.013, **options), self.X, self.Y)
        critic = critics.CosineCritic(0.013, dtype="mixed_bfloat16", **options)
        scores = array(ops.cast(critic(ops.eye(6), ops.eye(6)), "float32"))
        # As near to 1 / 0.013 - 10 as half precision comes.
        assert scores[0, 0] == float(ops.cast(1 / 0.013 - 10, "bfloat16"))

    def test_configs_of_earlier_versions_load(self):
        config = critics.CosineCritic(0.3).get_config()
        for later in ("learned_temperature", "bias"):
            del config[later]
        critic = critics.CosineCritic.from_config(config)
        np.testing.assert_allclose(
            critic(self.X, self.Y), self.expected(0.3), rtol=1e-5
        )
        assert critic.weights == []

    def test_a_temperature_outside_of_the_clip_is_refused(self):
        with pytest.raises(ValueError, match=r"temperature must be in \[0.01, 1\] if"):
            critics.CosineCritic(2.0, learned_temperature=True)
