import copy
import math

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import keras_infomax as kim
from keras_infomax import backends

RNG = np.random.default_rng(0)
ROWS = 48
TOP = RNG.random((ROWS, 6), dtype="float32")
BOTTOM = (TOP[:, :4] + 0.1 * RNG.random((ROWS, 4))).astype("float32")


def encoder(dim, output_dim=5, **kwargs):
    return keras.Sequential(
        [
            keras.Input((dim,)),
            layers.Dense(7, activation="relu", **kwargs),
            layers.Dense(output_dim, **kwargs),
        ]
    )


def infomax(
    loss=None, optimizer=None, critic="bilinear", compile_options=None, **kwargs
):
    model = kim.InfoMax(encoder(6, **kwargs), encoder(4, 3, **kwargs), critic)
    model.compile(
        optimizer or keras.optimizers.Adam(0.01),
        loss or kim.losses.InfoNCE(),
        **(compile_options or {}),
    )
    return model


def dataset(batch_size=16):
    return tf.data.Dataset.from_tensor_slices(((TOP, BOTTOM),)).batch(batch_size)


def weights(model):
    return [np.array(w) for w in model.get_weights()]


def assert_same_weights(model, other, **tolerance):
    for a, b in zip(weights(model), weights(other), strict=True):
        np.testing.assert_allclose(a, b, **tolerance)


def test_scores_are_those_of_the_critic_on_the_encodings():
    model = infomax()
    x, y = model.encoder_x(TOP).numpy(), model.encoder_y(BOTTOM).numpy()
    expected = x @ model.critic.get_weights()[0] @ y.T
    np.testing.assert_allclose(model((TOP, BOTTOM)), expected, rtol=1e-4, atol=1e-6)


@keras.saving.register_keras_serializable("test_infomax")
class Layered(layers.Layer):
    """A critic as users write it: its sublayer makes the weights, without `build`."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.dense = layers.Dense(3)

    def call(self, x, y):
        return keras.ops.matmul(self.dense(x), keras.ops.transpose(y))


@keras.saving.register_keras_serializable("test_infomax")
class LayeredModel(keras.Model):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.dense = layers.Dense(3)

    def call(self, x, y):
        return keras.ops.matmul(self.dense(x), keras.ops.transpose(y))


@pytest.mark.parametrize("critic", [Layered, LayeredModel])
@pytest.mark.filterwarnings("ignore:.*build:UserWarning")  # Of Keras, on loading.
def test_a_critic_without_build_is_trained_and_saved(critic, tmp_path):
    model = infomax(critic=critic())
    model.fit((TOP, BOTTOM), batch_size=16, verbose=0)
    kernel, bias = model.critic.dense.get_weights()
    assert kernel.shape == (5, 3)
    assert (bias != 0).all()  # It starts at zero.
    x, y = model.encoder_x(TOP).numpy(), model.encoder_y(BOTTOM).numpy()
    scores = model((TOP, BOTTOM))
    np.testing.assert_allclose(scores, (x @ kernel + bias) @ y.T, rtol=1e-4, atol=1e-5)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded((TOP, BOTTOM)), scores)
    loaded.fit((TOP, BOTTOM), batch_size=16, verbose=0)
    assert (loaded.critic.dense.get_weights()[0] != kernel).any()


def test_a_critic_without_weights_needs_no_build():
    class Product(layers.Layer):
        def call(self, a, b):
            return keras.ops.matmul(a, keras.ops.transpose(b))

    model = kim.InfoMax(encoder(6), encoder(4), Product())
    same = kim.InfoMax(model.encoder_x, model.encoder_y, "inner_product")
    np.testing.assert_allclose(
        model((TOP, BOTTOM)), same((TOP, BOTTOM)), rtol=1e-4, atol=1e-6
    )


@pytest.mark.parametrize("critic", [kim.critics.BilinearCritic, lambda x, y: x @ y])
def test_a_critic_that_is_no_layer_is_refused(critic):
    with pytest.raises(ValueError, match=r"critic must be a layer.*call\(self, x, y\)"):
        kim.InfoMax(encoder(6), encoder(4), critic)


def test_one_step_is_gradient_descent_on_the_negated_bound():
    model = infomax(optimizer=keras.optimizers.SGD(0.5))
    variables = model.trainable_variables
    with tf.GradientTape() as tape:
        loss = -tf.reduce_mean(kim.bounds.infonce(model((TOP, BOTTOM))))
    gradients = tape.gradient(loss, variables)
    expected = [
        v.numpy() - 0.5 * g.numpy() for v, g in zip(variables, gradients, strict=True)
    ]
    logs = model.train_on_batch((TOP, BOTTOM), return_dict=True)
    assert logs["loss"] == pytest.approx(float(loss), rel=1e-5)
    assert logs["mi"] == pytest.approx(-float(loss), rel=1e-5)
    for variable, value in zip(variables, expected, strict=True):
        np.testing.assert_allclose(variable, value, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("critic", sorted(kim.critics.CRITICS))
@pytest.mark.parametrize(
    "loss",
    [kim.losses.InfoNCE(), kim.losses.NWJ(), kim.losses.TargetLoss("nwj", 1.0)],
    ids=lambda loss: loss.name,
)
def test_every_critic_meets_every_bound(critic, loss):
    # NWJ exponentiates scores, which here are as large as the units.
    options = {"units": 16} if critic == "encode_and_dot" else {}
    critic = kim.critics.get(critic, **options)
    model = kim.InfoMax(encoder(6), encoder(4), critic)
    model.compile(keras.optimizers.Adam(0.01), loss)
    history = model.fit(dataset(), epochs=15, verbose=0).history
    assert history["loss"][-1] < history["loss"][0] - 0.05


def test_history_has_the_estimate_in_nats_and_its_validation_twin():
    model = infomax(kim.losses.TargetLoss("infonce", 1.0))
    history = model.fit(dataset(), validation_data=dataset(), verbose=0).history
    assert set(history) == {"loss", "mi", "val_loss", "val_mi"}
    batches = [model((x, y)) for ((x, y),) in dataset()]
    estimates = [float(np.mean(kim.bounds.infonce(scores))) for scores in batches]
    assert history["val_mi"] == pytest.approx([np.mean(estimates)], rel=1e-5)
    distances = np.abs(np.array(estimates) - 1.0)
    assert history["val_loss"] == pytest.approx([distances.mean()], rel=1e-5)


def test_estimates_of_unequal_batches_are_weighted_by_rows():
    model = infomax()
    logs = model.evaluate(dataset(32), return_dict=True, verbose=0)
    parts = [np.mean(kim.bounds.infonce(model((x, y)))) for ((x, y),) in dataset(32)]
    assert logs["mi"] == pytest.approx((32 * parts[0] + 16 * parts[1]) / 48, rel=1e-5)


def test_shared_encoder_is_one_encoder():
    shared = encoder(6)
    model = kim.InfoMax(shared, critic=kim.critics.InnerProductCritic())
    assert model.encoder_y is model.encoder_x
    model.compile("sgd", kim.losses.InfoNCE())
    assert len(model.trainable_variables) == 4
    model.fit((TOP, TOP + 0.1), batch_size=16, verbose=0)


def test_critic_defaults_to_bilinear():
    assert isinstance(kim.InfoMax(encoder(6)).critic, kim.critics.BilinearCritic)


def test_predict_returns_encodings_of_the_first_view():
    model = infomax()
    expected = model.encoder_x(TOP)
    np.testing.assert_allclose(model.predict(TOP, verbose=0), expected, rtol=1e-5)
    np.testing.assert_allclose(
        model.predict(dataset(10), verbose=0), expected, rtol=1e-5
    )


def test_compiled_metrics_see_partners_and_scores():
    model = infomax(compile_options={"metrics": ["sparse_categorical_accuracy"]})
    logs = model.evaluate((TOP, BOTTOM), batch_size=48, return_dict=True, verbose=0)
    best = np.argmax(model((TOP, BOTTOM)), axis=1)
    expected = np.mean(best == np.arange(48))
    assert logs["sparse_categorical_accuracy"] == pytest.approx(expected)


def test_layer_losses_of_both_calls_of_a_shared_encoder():
    penalty = keras.regularizers.L2(0.3)
    shared = keras.Sequential(
        [keras.Input((6,)), layers.Dense(5, activity_regularizer=penalty)]
    )
    model = kim.InfoMax(shared)
    model.compile("sgd", kim.losses.InfoNCE())
    views = (TOP, 5 * TOP)
    logs = model.evaluate(views, batch_size=ROWS, return_dict=True, verbose=0)
    rows = 1 if backends.keras_before(3, 14) else ROWS
    squares = [np.sum(np.square(shared(view))) / rows for view in views]
    assert logs["loss"] + logs["mi"] == pytest.approx(0.3 * sum(squares), rel=1e-4)


def test_layer_losses_are_added():
    regularizer = keras.regularizers.L2(0.3)
    model = infomax(kernel_regularizer=regularizer)
    logs = model.evaluate((TOP, BOTTOM), batch_size=48, return_dict=True, verbose=0)
    kernels = [
        v
        for v in model.encoder_x.weights + model.encoder_y.weights
        if "kernel" in v.path
    ]
    penalty = 0.3 * sum(np.square(k.numpy()).sum() for k in kernels)
    assert len(kernels) == 4
    assert logs["loss"] == pytest.approx(penalty - logs["mi"], rel=1e-5)


@pytest.mark.parametrize("steps_per_execution", [1, 3])
@pytest.mark.parametrize("jit_compile", [False, True])
def test_execution_options_do_not_change_the_result(jit_compile, steps_per_execution):
    # Adam would blow up the rounding of gradients that are zero.
    optimizers = [keras.optimizers.SGD(0.3) for _ in range(2)]
    reference = infomax(optimizer=optimizers[0], compile_options={"run_eagerly": True})
    model = infomax(
        optimizer=optimizers[1],
        compile_options={
            "jit_compile": jit_compile,
            "steps_per_execution": steps_per_execution,
        },
    )
    model.set_weights(weights(reference))
    losses = [
        m.fit(dataset(), epochs=3, verbose=0).history["loss"]
        for m in (reference, model)
    ]
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-4)
    assert_same_weights(reference, model, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision_follows_float32(policy):
    reference = infomax(optimizer=keras.optimizers.SGD(0.5))
    keras.config.set_dtype_policy(policy)
    model = infomax(optimizer=keras.optimizers.SGD(0.5))
    model.set_weights(weights(reference))
    before = weights(model)
    results = [
        m.fit(dataset(), epochs=4, verbose=0).history for m in (reference, model)
    ]
    np.testing.assert_allclose(results[0]["mi"], results[1]["mi"], atol=0.03)
    # Without loss scaling undone or applied, the steps would differ by 2**15.
    start, full, half = (
        np.concatenate([np.ravel(w) for w in values])
        for values in (before, weights(reference), weights(model))
    )
    moved = np.linalg.norm(full - start)
    assert moved > 0.1
    assert np.linalg.norm(half - full) < 0.1 * moved
    assert {v.dtype for v in model.trainable_variables} == {"float32"}


def test_dropout_and_batch_normalization_run_in_their_modes():
    noisy = keras.Sequential(
        [
            keras.Input((6,)),
            layers.BatchNormalization(momentum=0.5),
            layers.Dropout(0.5),
            layers.Dense(5),
        ]
    )
    model = kim.InfoMax(noisy, encoder(4))
    model.compile(keras.optimizers.SGD(0.0), kim.losses.InfoNCE())
    evaluated = [
        model.evaluate((TOP, BOTTOM), batch_size=48, verbose=0) for _ in range(2)
    ]
    assert evaluated[0] == evaluated[1]
    np.testing.assert_array_equal(noisy.layers[0].moving_mean, np.zeros(6))
    trained = [model.train_on_batch((TOP, BOTTOM))[0] for _ in range(2)]
    assert trained[0] != trained[1]
    expected = 0.75 * TOP.mean(axis=0)  # Two updates of momentum a half.
    np.testing.assert_allclose(noisy.layers[0].moving_mean, expected, rtol=1e-5)


def noisy_infomax():
    noisy = keras.Sequential(
        [
            keras.Input((6,)),
            layers.Dense(8, kernel_regularizer="l2"),
            layers.BatchNormalization(),
            layers.Dropout(0.3, seed=5),
            layers.Dense(5),
        ]
    )
    model = kim.InfoMax(noisy, encoder(4), kim.critics.SeparableCritic((6,), 4))
    model.compile(keras.optimizers.Adam(0.01), kim.losses.TargetLoss("infonce", 1.5))
    return model


def test_saved_model_continues_where_it_stopped(tmp_path):
    model = noisy_infomax()
    model.fit(dataset(), epochs=2, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert isinstance(loaded, kim.InfoMax)
    assert int(loaded.optimizer.iterations) == 6
    assert loaded.loss.target == 1.5
    histories = [m.fit(dataset(), epochs=2, verbose=0).history for m in (model, loaded)]
    assert histories[0] == histories[1]
    assert_same_weights(model, loaded, rtol=0)


def test_shared_encoder_stays_shared_after_loading(tmp_path):
    model = kim.InfoMax(encoder(6))
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.encoder_y is loaded.encoder_x
    np.testing.assert_array_equal(loaded((TOP, TOP)), model((TOP, TOP)))


class Lazy(layers.Layer):
    """An encoder that learns its shapes from its first batch."""

    def build(self, input_shape):
        self.kernel = self.add_weight((input_shape[-1], 5), name="kernel")

    def call(self, inputs):
        return inputs @ self.kernel


def test_unbuilt_encoders_are_built_by_the_first_batch():
    model = kim.InfoMax(Lazy(), keras.Sequential([layers.Dense(3)]))
    model.compile("adam", kim.losses.InfoNCE())
    model.fit((TOP, BOTTOM), batch_size=16, verbose=0)
    assert model.critic.kernel.shape == (5, 3)


def test_keras_applications_backbone_is_an_encoder():
    backbone = keras.applications.MobileNetV2(
        (32, 32, 3), alpha=0.35, include_top=False, weights=None, pooling="avg"
    )
    model = kim.InfoMax(backbone)
    # Eagerly: tracing so deep a model takes longer than the step.
    model.compile("adam", kim.losses.InfoNCE(), run_eagerly=True)
    images = RNG.random((8, 32, 32, 3), dtype="float32")
    assert np.isfinite(model.train_on_batch((images, images))).all()
    assert model.predict(images, verbose=0).shape == (8, 1280)


def test_loss_of_the_users_own():
    class Hinge(keras.losses.Loss):
        def call(self, y_true, y_pred):
            diagonal = tf.linalg.diag_part(y_pred)[:, None]
            return tf.reduce_mean(tf.nn.relu(1.0 + y_pred - diagonal), axis=1)

    model = infomax(Hinge())
    logs = model.evaluate((TOP, BOTTOM), batch_size=48, return_dict=True, verbose=0)
    scores = model((TOP, BOTTOM)).numpy()
    expected = np.maximum(0, 1 + scores - np.diag(scores)[:, None]).mean()
    assert logs["loss"] == pytest.approx(expected, rel=1e-5)
    assert logs["mi"] == pytest.approx(np.mean(kim.bounds.infonce(scores)), rel=1e-5)


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        ("infonce", math.log(16)),
        # Their "mi" is the estimate of InfoNCE.
        ("sparse_categorical_crossentropy", math.log(16)),
        (lambda partners, scores: -tf.linalg.diag_part(scores), math.log(16)),
        ("nwj", math.inf),
        ("vicreg", math.inf),
    ],
)
def test_the_ceiling_is_that_of_the_estimate(loss, expected):
    assert infomax(loss).ceiling(16) == pytest.approx(expected)


@pytest.mark.parametrize("name", ["nwj", "sparse_categorical_crossentropy"])
def test_losses_by_name(name, tmp_path):
    model = infomax(name)
    assert isinstance(model.loss, kim.losses.NWJ) == (name == "nwj")
    model.fit((TOP, BOTTOM), batch_size=16, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    ours, theirs = (m.evaluate((TOP, BOTTOM), verbose=0) for m in (model, loaded))
    assert ours == theirs


class TestBadInput:
    def test_views_of_different_length(self):
        batch = tf.data.Dataset.from_tensors(((TOP, BOTTOM[:-1]),))
        with pytest.raises(ValueError, match="same number of rows"):
            infomax().fit(batch, verbose=0)

    def test_views_of_different_length_known_only_when_run(self):
        data = tf.data.Dataset.from_generator(
            lambda: iter([((TOP, BOTTOM[:-1]),)]),
            output_signature=((tf.TensorSpec([None, 6]), tf.TensorSpec([None, 4])),),
        )
        message = r"^The views .* same number of rows.*; received 48 and 47\.$"
        model = infomax()
        for run in (model.fit, model.evaluate):
            with pytest.raises(ValueError, match=message):
                run(data, verbose=0)

    def test_what_xla_drops_breaks_the_loss(self):
        spec = ((tf.TensorSpec([None, 6]), tf.TensorSpec([None, 4])),)
        for views in ((TOP, BOTTOM[:-1]), (TOP[:1], BOTTOM[:1])):
            data = tf.data.Dataset.from_generator(
                lambda views=views: iter([(views,)]), output_signature=spec
            )
            with pytest.raises(ValueError, match="the loss is nan"):
                infomax(compile_options={"jit_compile": True}).fit(data, verbose=0)

    def test_widths_that_the_critic_cannot_match(self):
        with pytest.raises(ValueError, match="received 5 and 3"):
            kim.InfoMax(encoder(6), encoder(4, 3), kim.critics.InnerProductCritic())

    @pytest.mark.parametrize("critic", [kim.critics.MLPCritic(), "bilinear"])
    def test_a_critic_of_other_encodings(self, critic):
        critic = kim.critics.get(critic)
        critic(np.ones((2, 5)), np.ones((2, 4)))
        with pytest.raises(ValueError, match="built for .* 5 and 4 .* 5 and 3"):
            kim.InfoMax(encoder(6), encoder(4, 3), critic)

    @pytest.mark.parametrize("wrong", ["mlp", kim.encoders.mlp, 3])
    def test_encoders_that_are_no_layers(self, wrong):
        for encoders in ([wrong], [encoder(6), wrong]):
            with pytest.raises(ValueError, match=r"encoder_[xy] must be a Keras model"):
                kim.InfoMax(*encoders)

    def test_encoders_of_several_outputs(self):
        views = keras.Input((6,))
        two = keras.Model(views, {"a": views, "b": layers.Dense(3)(views)})
        with pytest.raises(ValueError, match=r"encoder_x must give one tensor.*'a'"):
            kim.InfoMax(two)

    def test_unknown_loss(self):
        with pytest.raises(ValueError, match="Did you mean 'infonce'"):
            infomax("infonc")

    def test_feature_maps_are_no_encodings(self):
        convolution = keras.Sequential([keras.Input((8, 8, 1)), layers.Conv2D(4, 3)])
        with pytest.raises(ValueError, match="encodings of shape"):
            kim.InfoMax(convolution)

    @pytest.mark.filterwarnings("ignore::UserWarning")  # Keras guesses, too.
    def test_feature_maps_are_no_encodings_of_an_encoder_to_be_built(self):
        model = kim.InfoMax(layers.Conv2D(4, 3))
        model.compile("adam", kim.losses.InfoNCE())
        images = np.zeros((4, 8, 8, 1), "float32")
        with pytest.raises(ValueError, match=r"encoder_x must give.*\(rows, dim\)"):
            model.fit((images, images), verbose=0)

    def test_integer_views(self):
        images = np.zeros((8, 6), "uint8")
        with pytest.raises(ValueError, match=r"View x must be a floating.*uint8.*255"):
            infomax().fit((images, BOTTOM[:8]), batch_size=4, verbose=0)

    @pytest.mark.parametrize(
        "elements",
        [
            (TOP, BOTTOM),
            ((TOP, BOTTOM), TOP),
            TOP,
            {"x": TOP, "y": BOTTOM},
            ((TOP, BOTTOM, TOP),),
        ],
        ids=["pair", "with targets", "one view", "dictionary", "three views"],
    )
    def test_elements_that_are_not_a_nested_pair(self, elements):
        data = tf.data.Dataset.from_tensor_slices(elements).batch(16)
        with pytest.raises(ValueError, match=r"must be \(\(x, y\),\)"):
            infomax().fit(data, verbose=0)

    @pytest.mark.parametrize("loss", [kim.losses.InfoNCE(), kim.losses.NWJ()])
    def test_batch_size_one(self, loss):
        data = dataset().unbatch()
        for static in (False, True):
            with pytest.raises(ValueError, match=r"at least 2 rows.*received 1\."):
                infomax(loss).fit(data.batch(1, drop_remainder=static), verbose=0)

    def test_unreachable_target(self):
        data = dataset().unbatch().batch(16, drop_remainder=True)
        with pytest.raises(ValueError, match="batch size of at least 149"):
            infomax(kim.losses.TargetLoss("infonce", 5.0)).fit(data, verbose=0)

    def test_no_loss(self):
        model = kim.InfoMax(encoder(6))
        model.compile("adam")
        with pytest.raises(ValueError, match="compiled with a loss"):
            model.fit((TOP, TOP), verbose=0)

    @pytest.mark.parametrize("method", ["fit", "evaluate"])
    def test_not_compiled(self, method):
        model = kim.InfoMax(encoder(6))
        with pytest.raises(ValueError, match="call `compile"):
            getattr(model, method)((TOP, TOP), verbose=0)

    def test_unknown_critic(self):
        with pytest.raises(ValueError, match="Did you mean 'separable'"):
            kim.InfoMax(encoder(6), critic="seperable")


def test_models_can_be_copied():
    model = kim.InfoMax(encoder(6), encoder(4))
    clone = copy.deepcopy(model)
    np.testing.assert_array_equal(clone((TOP, BOTTOM)), model((TOP, BOTTOM)))


class _Penalized(keras.layers.Layer):
    """Adds a loss that no gradient waits for, as a discriminator's is to its input."""

    def build(self, input_shape):
        self.scale = self.add_weight(shape=(input_shape[-1],), initializer="ones")

    def call(self, inputs):
        penalty = tf.reduce_sum(tf.stop_gradient(self.scale.value))
        self.add_loss(tf.identity(penalty, name="branch_of_the_loss"))
        return inputs * self.scale


def _ancestors(operation):
    found, left = set(), [operation]
    while left:
        operation = left.pop()
        if operation not in found:
            found.add(operation)
            left += [tensor.op for tensor in operation.inputs]
            left += operation.control_inputs
    return found


def test_no_variable_is_updated_before_all_of_the_loss_is_known():
    encoder = keras.Sequential([keras.Input((4,)), _Penalized(), keras.layers.Dense(3)])
    model = kim.InfoMax(encoder)
    model.compile("sgd", kim.losses.InfoNCE())
    views = tf.ones((8, 4)), tf.ones((8, 4))
    graph = tf.function(model.train_step).get_concrete_function((views,)).graph
    paths = {id(v.value.handle): v.path for v in model.trainable_variables}
    handles = {
        inner.name: paths[id(outer)]
        for outer, inner in graph.captures
        if id(outer) in paths
    }
    updates = {
        handles[op.inputs[0].name]: op
        for op in graph.get_operations()
        if op.type.startswith("Assign") and op.inputs[0].name in handles
    }
    assert set(updates) == {v.path for v in model.trainable_variables}
    for update in updates.values():
        names = [operation.name for operation in _ancestors(update)]
        assert any("branch_of_the_loss" in name for name in names)


@pytest.mark.parametrize("wrong", [3, "x", [1], {}, True, keras.Sequential()])
def test_what_is_no_network_or_term_is_refused(wrong):
    term = kim.Term("u", "v")
    with pytest.raises(ValueError, match="network must be a functional keras.Model"):
        kim.InfoMax(network=wrong, terms=[term])
    with pytest.raises(
        ValueError, match="terms must be a list|takes at least one term"
    ):
        kim.InfoMax(network=keras.Sequential([keras.Input((3,))]), terms=wrong)


def test_nothing_to_predict_is_refused():
    model = kim.InfoMax(keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)]))
    nothing = np.zeros((0, 3), "float32")
    for x in (None, nothing, (nothing, nothing)):
        with pytest.raises(ValueError, match="x must be views of at least one row"):
            model.predict(x, verbose=0)
