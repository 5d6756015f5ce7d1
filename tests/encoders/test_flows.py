import keras
import numpy as np
import pytest
import tensorflow as tf
from layer_checks import check_saving

import keras_infomax as kim
from keras_infomax.encoders.flows import RealNVP

KINDS = pytest.mark.parametrize("affine", [False, True], ids=["additive", "affine"])


def make_flow(shape=(2, 3), affine=False, couplings=4, trained=True, **options):
    """A small flow, by default with weights of the size that training gives them."""
    options = {"hidden_units": (16, 12), "seed": 1, **options}
    flow = RealNVP(couplings, affine=affine, **options)
    flow.build((None, *shape))
    if trained:
        perturb(flow)
    return flow


def perturb(flow):
    rng = np.random.default_rng(2)
    for kernels in flow.kernels:
        deviation = 0.7 / np.sqrt(kernels.shape[1])
        kernels.assign(rng.normal(0, deviation, kernels.shape))
    for biases in flow.biases:
        biases.assign(rng.normal(0, 0.1, biases.shape))


def make_views(shape=(2, 3), rows=50, seed=3):
    return np.random.default_rng(seed).random((rows, *shape), dtype="float32")


@KINDS
def test_equals_its_formula(affine):
    flow, views = make_flow((7,), affine), make_views((7,)).astype("float64")
    h, log_det = views, 0
    for index, permutation in enumerate(np.array(flow.permutations)):
        h = h[:, permutation]
        kept, changed = h[:, :3], h[:, 3:]
        hidden = kept
        for layer in range(3):
            kernel, bias = flow.kernels[layer][index], flow.biases[layer][index]
            hidden = hidden @ np.array(kernel) + np.array(bias)
            hidden = np.maximum(hidden, 0) if layer < 2 else hidden
        scale, shift = np.ones_like(changed), hidden
        if affine:
            shift = hidden[:, 4:]
            scale = 0.001 + 0.999 * np.log1p(np.exp(hidden[:, :4]) * (np.e - 1))
        h = np.concatenate([kept, changed * scale + shift], axis=1)
        log_det = log_det + np.log(scale).sum(axis=1)
    np.testing.assert_allclose(flow(views), h, atol=1e-5)
    np.testing.assert_allclose(flow.log_det_jacobian(views), log_det, atol=1e-5)


@KINDS
@pytest.mark.parametrize("shape", [(2,), (5,), (2, 3), (3, 4, 1)])
def test_inverse_restores_the_views(affine, shape):
    flow, views = make_flow(shape, affine, couplings=10), make_views(shape)
    encodings = flow(views)
    assert np.abs(encodings - views.reshape(encodings.shape)).max() > 0.5
    np.testing.assert_allclose(flow.inverse(encodings), views, atol=1e-5)


@KINDS
def test_encodings_are_those_of_their_inverse(affine):
    flow = make_flow((6,), affine, couplings=10)
    encodings = np.random.default_rng(0).normal(size=(50, 6)).astype("float32")
    np.testing.assert_allclose(flow(flow.inverse(encodings)), encodings, atol=2e-5)


@pytest.mark.parametrize(
    ("affine", "parameters"), [(False, 13922040), (True, 16938480)]
)
def test_flow_of_the_paper_is_the_identity_first_and_invertible_later(
    affine, parameters
):
    flow, views = RealNVP(affine=affine), make_views((14, 28, 1), rows=32)
    encodings = flow(views)
    assert sum(np.prod(w.shape) for w in flow.trainable_weights) == parameters
    composed = np.arange(392)
    for permutation in np.array(flow.permutations):
        composed = composed[permutation]
    # Kernels of deviation 1e-4 shift by some 1e-9. Each of 30 affine scales is 1 up to
    # the rounding of float32, 1e-7.
    np.testing.assert_allclose(
        encodings, views.reshape(32, 392)[:, composed], atol=5e-6 if affine else 1e-7
    )
    np.testing.assert_allclose(flow.inverse(encodings), views, atol=1e-5)
    perturb(flow)
    moved = flow(views)
    assert np.abs(moved - encodings).max() > 1
    np.testing.assert_allclose(flow.inverse(moved), views, atol=2e-5)


@KINDS
@pytest.mark.parametrize("dim", [2, 7])
def test_log_determinant_is_that_of_the_jacobian(affine, dim):
    flow = make_flow((dim,), affine, dtype="float64")
    views = tf.constant(make_views((dim,), rows=10), "float64")
    with tf.GradientTape() as tape:
        tape.watch(views)
        encodings = flow(views)
    _, expected = np.linalg.slogdet(tape.batch_jacobian(encodings, views))
    np.testing.assert_allclose(flow.log_det_jacobian(views), expected, atol=1e-10)
    assert (np.abs(expected).max() > 0.1) == affine


def test_scale_is_bounded_away_from_zero():
    flow = make_flow((4,), affine=True, couplings=1)
    flow.biases[-1].assign([[-1000.0, -1000.0, 0.5, 0.5]])
    views = make_views((4,))
    log_det = flow.log_det_jacobian(views)
    np.testing.assert_allclose(log_det, 2 * np.log(0.001) * np.ones(50), rtol=1e-5)
    np.testing.assert_allclose(flow.inverse(flow(views)), views, atol=2e-4)


@KINDS
def test_gradients_are_finite_and_reach_every_weight(affine):
    flow, views = make_flow(affine=affine), make_views()
    with tf.GradientTape() as tape:
        moments = tf.reduce_mean(flow(views) ** 2)
        loss = moments - tf.reduce_mean(flow.log_det_jacobian(views))
    for gradient in tape.gradient(loss, flow.trainable_variables):
        assert np.isfinite(gradient).all()
        # A coupling without effect would have no gradient at all.
        assert np.abs(gradient).reshape(4, -1).max(axis=1).min() > 0


def test_permutations_differ_between_couplings_and_flows():
    flows = [make_flow((20,), seed=None) for _ in range(2)]
    permutations = np.concatenate([flow.permutations for flow in flows])
    assert len(np.unique(permutations, axis=0)) == 8
    np.testing.assert_array_equal(np.sort(permutations), [np.arange(20)] * 8)


def test_permutations_follow_the_seed_of_keras():
    permutations = []
    for _ in range(2):
        keras.utils.set_random_seed(5)
        permutations.append(make_flow((20,), seed=None).permutations)
    np.testing.assert_array_equal(*permutations)


@KINDS
def test_a_copy_from_the_config_has_the_same_permutations(affine):
    flow = make_flow(affine=affine, seed=None, name="flow")
    copy = RealNVP.from_config(flow.get_config())
    assert copy.get_config() == flow.get_config()
    copy.build((None, 2, 3))
    np.testing.assert_array_equal(copy.permutations, flow.permutations)


@KINDS
def test_weights_carry_the_permutations(affine, tmp_path):
    flow, views = make_flow(affine=affine), make_views()
    flow.save_weights(tmp_path / "flow.weights.h5")
    loaded, assigned = (
        make_flow(affine=affine, seed=8),
        make_flow(affine=affine, seed=9),
    )
    loaded.load_weights(tmp_path / "flow.weights.h5")
    assigned.set_weights(flow.get_weights())
    for copy in (loaded, assigned):
        np.testing.assert_array_equal(copy(views), flow(views))
        np.testing.assert_allclose(copy.inverse(flow(views)), views, atol=1e-5)


@KINDS
def test_saves(affine, tmp_path):
    flow, views = make_flow(affine=affine, seed=None), make_views()
    # As after set_weights from a flow of another seed.
    flow.permutations.assign(np.array(flow.permutations)[::-1])
    loaded = check_saving(flow, views, tmp_path)
    assert loaded.output_shape == (None, 6)
    np.testing.assert_array_equal(
        loaded.inverse(flow(views)), flow.inverse(flow(views))
    )
    np.testing.assert_array_equal(
        loaded.log_det_jacobian(views), flow.log_det_jacobian(views)
    )


@KINDS
def test_exports(affine, tmp_path):
    flow, views = make_flow(affine=affine), make_views()
    kim.saved_model.export(flow, tmp_path / "export")
    restored = tf.saved_model.load(tmp_path / "export")
    np.testing.assert_allclose(restored(views), flow(views), atol=1e-6)
    assert len(restored.trainable_variables) == 6
    layer = kim.saved_model.load(tmp_path / "export")
    np.testing.assert_allclose(layer(views), flow(views), atol=1e-6)
    assert [v.dtype for v in layer.non_trainable_variables] == ["int32"]


def test_is_a_layer_among_others():
    flow = make_flow()
    model = keras.Sequential([keras.Input((2, 3)), flow, keras.layers.Dense(2)])
    assert model.output_shape == (None, 2)
    views = make_views()
    np.testing.assert_allclose(model(views), model.layers[-1](flow(views)), atol=1e-6)


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision_leaves_it_in_float32(policy):
    full, views = make_flow(affine=True), make_views()
    keras.config.set_dtype_policy(policy)
    flow = make_flow(affine=True)
    surrounding = keras.Sequential([keras.Input((2, 3), dtype="float32"), flow])
    np.testing.assert_array_equal(flow(views), full(views))
    np.testing.assert_array_equal(surrounding(views), full(views))
    assert keras.ops.dtype(flow.inverse(flow(views))) == "float32"


@KINDS
def test_a_bijection_leaves_the_bound_alone(affine):
    """InfoNCE of Gaussian pairs is unchanged if the critic undoes the flows."""
    rows, dims, correlation = 1500, 4, 0.8
    x, noise = np.random.default_rng(0).normal(size=(2, rows, dims))
    y = correlation * x + np.sqrt(1 - correlation**2) * noise

    def log_density_ratio(x, y):
        inner, lost = correlation * x @ y.T, correlation**2 / 2
        norms = (x**2).sum(axis=1)[:, None] + (y**2).sum(axis=1)[None, :]
        return (inner - lost * norms) / (1 - correlation**2)

    flow_x, flow_y = (make_flow((dims,), affine, seed=seed) for seed in (1, 2))
    encodings_x, encodings_y = flow_x(x), flow_y(y)
    scores = log_density_ratio(
        np.array(flow_x.inverse(encodings_x), "float64"),
        np.array(flow_y.inverse(encodings_y), "float64"),
    )
    bound = np.mean(kim.bounds.infonce(scores))
    direct = np.mean(kim.bounds.infonce(log_density_ratio(x, y)))
    np.testing.assert_allclose(bound, direct, atol=1e-5)
    # Four standard errors.
    truth = -0.5 * dims * np.log(1 - correlation**2)
    assert abs(bound - truth) < 4 * correlation * np.sqrt(dims / rows)
    unmatched = log_density_ratio(np.array(encodings_x), np.array(encodings_y))
    assert np.mean(kim.bounds.infonce(unmatched)) < truth - 0.5


@pytest.mark.parametrize(
    ("affine", "policy"), [(False, "float32"), (True, "mixed_float16")]
)
def test_trains_and_stays_invertible(affine, policy):
    keras.config.set_dtype_policy(policy)
    encoders = [make_flow(affine=affine, trained=False, seed=seed) for seed in (1, 2)]
    start = encoders[0].get_weights()
    model = kim.InfoMax(*encoders)
    model.compile(optimizer=keras.optimizers.Adam(0.01), loss=kim.losses.InfoNCE())
    x = make_views(rows=320)
    history = model.fit((x, x + 0.1), batch_size=32, epochs=4, verbose=0).history
    assert history["mi"][-1] > history["mi"][0] + 0.3
    for flow in encoders:
        np.testing.assert_allclose(flow.inverse(flow(x)), x, atol=2e-5)
    *weights, permutations = encoders[0].get_weights()
    assert all((new != old).any() for new, old in zip(weights, start, strict=False))
    np.testing.assert_array_equal(permutations, start[-1])


@pytest.mark.slow
def test_trains_under_a_strategy(strategy):
    with strategy.scope():
        flow = make_flow(trained=False)
        model = kim.InfoMax(flow)
        model.compile(optimizer="adam", loss=kim.losses.InfoNCE())
    x = make_views(rows=32)
    history = model.fit((x, x), batch_size=16, verbose=0).history
    assert np.isfinite(history["loss"]).all()
    np.testing.assert_allclose(flow.inverse(flow(x)), x, atol=1e-5)


@pytest.mark.parametrize("argument", ["couplings", "hidden_units"])
@pytest.mark.parametrize("size", [0, -1, 2.5])
def test_sizes_must_be_positive_integers(argument, size):
    value = (8, size) if argument == "hidden_units" else size
    with pytest.raises(ValueError, match=f"{argument} must be .*{size}"):
        RealNVP(**{argument: value})


@pytest.mark.parametrize("shape", [(), (1,), (None, 4)])
def test_views_must_have_two_halves(shape):
    with pytest.raises(ValueError, match="static shape that holds at least two values"):
        RealNVP(couplings=1).build((None, *shape))


def test_views_of_another_size_are_refused():
    flow = make_flow((2, 3))
    views = make_views((3,), rows=4)
    with pytest.raises(ValueError, match="incompatible with the layer"):
        flow(views)
    with pytest.raises(tf.errors.InvalidArgumentError):
        flow.log_det_jacobian(views)


@pytest.mark.parametrize("method", ["inverse", "log_det_jacobian"])
def test_methods_need_a_built_flow(method):
    with pytest.raises(ValueError, match="must be built"):
        getattr(RealNVP(couplings=1), method)(make_views((6,)))
