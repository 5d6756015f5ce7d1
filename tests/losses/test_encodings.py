"""Losses on encodings, against their definitions written as loops."""

import itertools

import keras
import numpy as np
import pytest
from gradient_checks import array, gradient, value_and_gradient
from keras import layers, ops

import keras_infomax as kim
from keras_infomax.losses import EncodingLoss, VICReg

pytestmark = pytest.mark.backends

RNG = np.random.default_rng(0)
ROWS = 22
X = RNG.normal(size=(ROWS, 6))
Y = X[:, :4] + 0.3 * RNG.normal(size=(ROWS, 4))


def vicreg(x, y, invariance=25.0, variance=25.0, covariance=1.0, epsilon=1e-4):
    """VICReg of NumPy arrays, unit by unit."""
    rows, units = x.shape
    distance = sum((a - b) ** 2 for a, b in zip(x.flat, y.flat, strict=True))
    value = invariance * distance / (rows * units)
    for encodings in (x, y):
        means = [sum(column) / rows for column in encodings.T]
        centered = [[v - m for v in c] for c, m in zip(encodings.T, means, strict=True)]
        for i, j in itertools.product(range(units), repeat=2):
            both = zip(centered[i], centered[j], strict=True)
            moment = sum(a * b for a, b in both) / (rows - 1)
            if i == j:
                hinge = max(0.0, 1 - (moment + epsilon) ** 0.5)
                value += variance / 2 * hinge / units
            else:
                value += covariance * moment**2 / units
    return value


@pytest.mark.parametrize(
    "weights", [{}, {"invariance": 3.0}, {"variance": 0.0, "covariance": 2.0}], ids=str
)
def test_vicreg_is_its_definition(weights, wide):
    x, y = 0.7 * RNG.normal(size=(2, 9, 5))
    loss = VICReg(**weights, dtype="float64")
    assert float(loss(x, y)) == pytest.approx(vicreg(x, y, **weights), rel=1e-12)


def test_gradients_of_vicreg_are_those_of_its_definition(wide):
    x, y = 0.7 * RNG.normal(size=(2, 7, 3))
    loss = VICReg(dtype="float64")
    found = gradient(lambda given: loss(given, y), x)
    step = 1e-6
    for place in np.ndindex(x.shape):
        there, here = x.copy(), x.copy()
        there[place] += step
        here[place] -= step
        slope = (vicreg(there, y) - vicreg(here, y)) / (2 * step)
        assert found[place] == pytest.approx(slope, rel=1e-6, abs=1e-7)


def test_a_collapsed_unit_has_a_finite_gradient():
    value, found = value_and_gradient(
        lambda x: VICReg()(x, x), np.zeros((8, 3), "float32")
    )
    # All deviations are sqrt(epsilon) = 0.01.
    assert value == pytest.approx(25 * 0.99, rel=1e-6)
    assert np.isfinite(found).all()


def encoder(units, dtype=None):
    return keras.Sequential(
        [
            keras.Input((units,), dtype=dtype),
            layers.Dense(8, activation="tanh", dtype=dtype),
            layers.Dense(5, dtype=dtype),
        ]
    )


def trained(loss="vicreg", critic=None, epochs=3, batch_size=8, **options):
    keras.utils.set_random_seed(0)
    model = kim.InfoMax(encoder(6), encoder(4), critic)
    model.compile(keras.optimizers.SGD(0.002, momentum=0.9), loss, **options)
    history = model.fit(
        (X, Y),
        batch_size=batch_size,
        epochs=epochs,
        shuffle=False,
        validation_data=((X, Y),),
        verbose=0,
    ).history
    return model, history


def test_training_lowers_the_loss_and_reports_no_mi():
    model, history = trained(epochs=20)
    assert sorted(history) == ["loss", "val_loss"]
    assert history["loss"][-1] < 0.7 * history["loss"][0]
    x, y = model.encode((X.astype("float32"), Y.astype("float32"))).values()
    expected = vicreg(*(array(each).astype(float) for each in (x, y)))
    found = model.evaluate((X, Y), batch_size=ROWS, verbose=0, return_dict=True)
    assert list(found) == ["loss"]
    assert found["loss"] == pytest.approx(expected, rel=1e-5)


def test_the_critic_is_left_as_it_is():
    model, _ = trained(critic="separable")
    trained_variables = {id(v) for v in model.trainable_variables}
    assert not trained_variables & {id(v) for v in model.critic.variables}
    before = model.critic.get_weights()
    model.fit((X, Y), batch_size=8, verbose=0)
    for value, variable in zip(before, model.critic.variables, strict=True):
        np.testing.assert_array_equal(value, variable)
    # Compiled with a loss on scores, the same model trains it.
    model.compile(keras.optimizers.SGD(0.1), "infonce")
    history = model.fit((X, Y), batch_size=8, verbose=0).history
    assert sorted(history) == ["loss", "mi"]
    assert any(
        not np.array_equal(value, variable)
        for value, variable in zip(before, model.critic.variables, strict=True)
    )


def test_what_a_critic_shares_with_an_encoder_is_trained():
    head = layers.Dense(5)
    own = keras.Sequential([keras.Input((6,)), head])
    critic = kim.critics.ProjectedCritic(kim.critics.InnerProductCritic(), head)
    model = kim.InfoMax(own, own, critic)
    model.compile("sgd", "vicreg")
    assert {v.path for v in model.trainable_variables} == {v.path for v in head.weights}


@pytest.mark.backends("tensorflow")
def test_weights_on_two_replicas_equal_those_on_one_device(strategy):
    keras.config.set_dtype_policy("float64")
    expected, history = trained(VICReg(dtype="float64"), epochs=2)
    with strategy.scope():
        actual, on_replicas = trained(VICReg(dtype="float64"), epochs=2)
    for name, values in history.items():  # Metrics add up in float32.
        np.testing.assert_allclose(on_replicas[name], values, rtol=1e-6)
    for a, b in zip(expected.get_weights(), actual.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_half_precision_is_reduced_in_float32(policy):
    x, y = (ops.cast(RNG.normal(size=(16, 4)), policy[6:]) for _ in range(2))
    found = VICReg(dtype=policy)(x, y)
    assert keras.backend.standardize_dtype(found.dtype) == "float32"
    expected = vicreg(*(array(ops.cast(v, "float32")).astype(float) for v in (x, y)))
    assert float(found) == pytest.approx(expected, rel=1e-4)


def test_a_saved_model_goes_on(tmp_path):
    model, _ = trained(loss=VICReg(covariance=0.5))
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.loss.get_config() == model.loss.get_config()
    for of in (model, loaded):
        of.fit((X, Y), batch_size=8, shuffle=False, verbose=0)
    for a, b in zip(model.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_saved_model_of_encoders_that_were_built_by_data_goes_on(tmp_path):
    encoders = [keras.Sequential([layers.Dense(5)]) for _ in range(2)]
    model = kim.InfoMax(*encoders)
    model.compile(keras.optimizers.SGD(0.1), "vicreg")
    model.fit((X, Y), batch_size=8, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert len(loaded.critic.weights) == 1
    for a, b in zip(model.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


class Distance(EncodingLoss):
    """A loss of a user."""

    def value(self, x, y):
        return ops.mean(ops.square(x - y))


def of_locations(term):
    view = keras.Input((6,), name="view")
    maps = layers.Reshape((3, 4))(layers.Dense(12)(view))
    network = keras.Model(
        view, {"maps": maps, "one": layers.GlobalAveragePooling1D()(maps)}
    )
    return kim.InfoMax(network=network, terms=[term])


def test_locations_are_paired_one_by_one():
    model = of_locations(kim.Term("maps", "maps", weight=2.0))
    model.compile("sgd", Distance())
    assert model.evaluate(X, verbose=0) == 0.0
    x, y = model(ops.convert_to_tensor(X, "float32"), as_pairs=True)
    assert x["maps_maps"].shape == y["maps_maps"].shape == (3 * ROWS, 4)


@pytest.mark.parametrize(
    ("term", "message"),
    [
        (kim.Term("one", "maps"), "pairs location by location; received 1 .* and 3"),
        (kim.Term("maps", "maps", negatives="same_example"), "uses no negatives"),
        (kim.Term("one", "one", mask=kim.losses.SemiHard()), "uses no negatives"),
    ],
)
def test_terms_that_a_loss_on_encodings_cannot_take_are_refused(term, message):
    model = of_locations(term)
    model.compile("sgd", Distance())
    with pytest.raises(ValueError, match=message):
        model.fit(X, verbose=0)


def test_what_needs_scores_is_refused():
    model = kim.InfoMax(encoder(6), encoder(4))
    with pytest.raises(ValueError, match="metrics must be functions of encodings"):
        model.compile("sgd", "vicreg", metrics=["accuracy"])
    with pytest.raises(ValueError, match="sample_weight must be left out"):
        VICReg()(X, X, sample_weight=np.ones(ROWS))
    model.compile("sgd", "vicreg")
    with pytest.raises(ValueError, match="sample_weight must be left out"):
        model.fit((X, Y), sample_weight=np.ones(ROWS), verbose=0)
    with pytest.raises(ValueError, match="bound must be a loss that bounds"):
        kim.losses.TargetLoss("vicreg", 1.0)
    with pytest.raises(ValueError, match="of one shape .* Give both encoders"):
        VICReg()(X, Y)
    with pytest.raises(ValueError, match="at least 2 rows, since it .*received 1"):
        VICReg()(X[:1], X[:1])
    with pytest.raises(ValueError, match="at least 2 rows"):
        model.train_on_batch((X[:1], Y[:1]))


def test_a_metric_of_a_user_sees_the_encodings():
    def distance(x, y):
        return ops.mean(ops.square(x - y), axis=-1)

    model = kim.InfoMax(encoder(6), encoder(4))
    model.compile("sgd", Distance(), metrics=[distance])
    found = model.evaluate((X, Y), batch_size=ROWS, verbose=0, return_dict=True)
    assert found["distance"] == pytest.approx(found["loss"], rel=1e-6)
