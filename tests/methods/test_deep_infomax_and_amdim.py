"""DeepInfoMax and AMDIM against their losses, written out."""

import math

import keras
import numpy as np
import pytest
import tensorflow as tf
from method_checks import check_loss_and_gradients

import keras_infomax as kim
from keras_infomax.methods.amdim import RandomLocation

RNG = np.random.default_rng(0)
IMAGES = RNG.random((8, 16, 16, 1), dtype="float32")
OTHERS = RNG.random((8, 16, 16, 1), dtype="float32")
ROWS = 4


def deep_infomax(loss="jensen_shannon", **options):
    small = {"filters": (3, 4), "hidden_units": 8, "encoding_dim": 5, "critic_units": 6}
    model = kim.methods.deep_infomax((16, 16, 1), **{**small, **options})
    model.compile(keras.optimizers.SGD(0.01), kim.losses.get(loss))
    return model


def amdim(penalty=0.05, clip=20.0):
    model = kim.methods.amdim(
        (16, 16, 1), 3, encoding_dim=6, projection_dim=5, penalty=penalty, clip=clip
    )
    model.compile(keras.optimizers.SGD(0.01), kim.losses.InfoNCE())
    return model


def softplus(values):
    return np.log1p(np.exp(values))


def pairs_of(term, encodings):
    """Scores `(image of x, image of y, location)`, one image of y at a time."""
    x = np.array(encodings[term.x])
    y = np.array(encodings[term.y]).reshape(ROWS, -1, encodings[term.y].shape[-1])
    return np.stack([np.array(term.critic(x, y[j])) for j in range(ROWS)], axis=1)


def naive_loss(name, scores):
    """Hjelm et al., 2019, section 3: all locations of other images are negatives."""
    off = ~np.eye(ROWS, dtype=bool)
    true, false = scores[~off], scores[off]
    if name == "jensen_shannon":
        return np.mean(softplus(-true)) + np.mean(softplus(false)) - 2 * math.log(2)
    if name == "donsker_varadhan":
        return np.log(np.mean(np.exp(false))) - np.mean(true)
    negatives = (ROWS - 1) * scores.shape[2]
    values = [
        scores[i, i, place]
        - np.log(np.exp(scores[i, i, place]) + np.exp(scores[i][off[i]]).sum())
        for i in range(ROWS)
        for place in range(scores.shape[2])
    ]
    return -np.mean(values) - math.log(1 + negatives)


@pytest.mark.parametrize("loss", ["jensen_shannon", "donsker_varadhan", "infonce"])
@pytest.mark.parametrize("critic", ["encode_and_dot", "concat_and_convolve"])
def test_deep_infomax_is_the_weighted_sum_of_its_terms(critic, loss):
    model = deep_infomax(loss, critic=critic, global_weight=0.3, local_weight=0.7)
    encodings = model.encode(IMAGES[:ROWS])
    assert [term.name for term in model.terms] == ["global", "local"]
    whole, local = (pairs_of(term, encodings) for term in model.terms)
    assert whole.shape == (ROWS, ROWS, 1)
    assert local.shape == (ROWS, ROWS, 16)
    expected = 0.3 * naive_loss(loss, whole) + 0.7 * naive_loss(loss, local)
    logs = model.test_on_batch(IMAGES[:ROWS], return_dict=True)
    # In inference, the prior adds nothing.
    assert logs["loss"] == pytest.approx(expected, rel=1e-3, abs=1e-4)


def test_gradients_of_deep_infomax_are_those_of_the_sum_written_out():
    model = deep_infomax(critic="concat_and_convolve", prior_weight=0.0)
    variables = model.trainable_variables

    def written_out():
        encodings = model.encode(IMAGES[:ROWS], training=True)
        total = 0.0
        for term in model.terms:
            y = encodings[term.y]
            y = tf.reshape(y, (-1, y.shape[-1]))
            scores = tf.reshape(term.critic(encodings[term.x], y), (ROWS, ROWS, -1))
            eye = tf.eye(ROWS, dtype=tf.bool)
            true, false = scores[eye], scores[~eye]
            total += term.weight * (
                tf.reduce_mean(tf.nn.softplus(-true))
                + tf.reduce_mean(tf.nn.softplus(false))
            )
        return total

    with tf.GradientTape() as tape:
        expected = tape.gradient(written_out(), [v.value for v in variables])
    before = [v.numpy() for v in variables]
    model.train_on_batch(IMAGES[:ROWS])
    for variable, start, gradient in zip(variables, before, expected, strict=True):
        moved = (start - variable.numpy()) / 0.01
        np.testing.assert_allclose(moved, gradient, rtol=0.02, atol=2e-4)


def test_prior_matching_adds_its_losses_in_training_alone():
    model = deep_infomax(prior_weight=0.5)
    model.train_on_batch(IMAGES[:ROWS])
    network = model.network
    network(IMAGES[:ROWS], training=True)
    assert len(network.losses) == 2
    network(IMAGES[:ROWS], training=False)
    assert network.losses == []
    exported = {v.path for v in model.encoder_x.variables}
    assert not [path for path in exported if "prior" in path or "term" in path]
    assert len(model.encoder_x.layers) < len(network.layers)


def test_parts_of_weight_zero_are_left_out():
    assert [t.name for t in deep_infomax(global_weight=0).terms] == ["local"]
    model = deep_infomax(local_weight=0, prior_weight=0)
    assert [t.name for t in model.terms] == ["global"]
    assert "prior" not in model.network.output
    with pytest.raises(ValueError, match="both 0, which leaves nothing to train"):
        deep_infomax(global_weight=0, local_weight=0)


@pytest.mark.parametrize(
    ("local_layer", "message"),
    [
        (0, "local_layer must be a positive integer; received 0"),
        (3, "local_layer must be.* from 1 to 2"),
    ],
)
def test_local_layer_must_be_a_convolution(local_layer, message):
    with pytest.raises(ValueError, match=message):
        deep_infomax(local_layer=local_layer)


def test_sizes_of_the_papers():
    digits = kim.methods.deep_infomax((28, 28, 1), critic_units=8)
    assert digits.network.output["local"].shape == (None, 7, 7, 128)
    colour = kim.methods.deep_infomax(
        (32, 32, 3), (64, 128, 256), 4, hidden_units=8, critic_units=8
    )
    assert colour.network.output["local"].shape == (None, 8, 8, 128)
    assert digits.encoder_x.output_shape == colour.encoder_x.output_shape == (None, 64)


def test_scales_of_amdim():
    for side, fine, coarse in ((28, 6, 4), (32, 7, 5), (64, 7, 5)):
        model = kim.methods.amdim((side, side, 1), 2, encoding_dim=3, projection_dim=4)
        shapes = {name: x.shape[1:] for name, x in model.network.output.items()}
        assert shapes["fine_a"] == (fine, fine, 4)
        assert shapes["coarse_b"] == (coarse, coarse, 4)
        assert shapes["global_a"] == shapes["point_b"] == (4,)
        assert model.encoder_x.output_shape == (None, 3)
    with pytest.raises(ValueError, match="at least 5 pixels"):
        kim.methods.amdim((64, 6, 1))


@pytest.mark.parametrize("clip", [0.5, 20.0])
def test_amdim_is_the_mean_over_directions_of_the_sum_of_tasks(clip):
    model = amdim(penalty=0.2, clip=clip)
    # Bright enough for scores that the clipping bends.
    views = (100 * IMAGES[:ROWS], 100 * OTHERS[:ROWS])
    encodings = model.encode(views)
    total, largest = 0.0, 0.0
    for source, target in (
        ("global", "coarse"),
        ("global", "fine"),
        ("point", "coarse"),
    ):
        for here, there in ("ab", "ba"):
            x = np.array(encodings[f"{source}_{here}"])
            y = np.array(encodings[f"{target}_{there}"]).reshape(ROWS, -1, 5)
            raw = np.einsum("id,jld->ijl", x, y) / np.sqrt(5)
            loss = naive_loss("infonce", clip * np.tanh(raw / clip))
            total += 0.5 * (loss + 0.2 * np.mean(raw**2))
            largest = max(largest, np.abs(raw).max())
    assert largest > 3
    logs = model.test_on_batch(views, return_dict=True)
    assert logs["loss"] == pytest.approx(total, rel=1e-4)


def test_gradients_of_amdim_pass_the_clipping_and_the_penalty():
    model = kim.methods.amdim(
        (8, 8, 1), 2, encoding_dim=2, projection_dim=2, clip=0.5, penalty=0.2
    )
    model.compile("sgd", kim.losses.InfoNCE())
    rows = 2

    def from_formula(encodings):
        """Bachman et al., 2019, section 3, less log of the candidates."""
        total = 0.0
        for source, target in (
            ("global", "coarse"),
            ("global", "fine"),
            ("point", "coarse"),
        ):
            for here, there in ("ab", "ba"):
                x = encodings[f"{source}_{here}"]
                y = encodings[f"{target}_{there}"].reshape(rows, -1, 2)
                raw = np.einsum("id,jld->ijl", x, y) / np.sqrt(2)
                scores = 0.5 * np.tanh(raw / 0.5)
                total += 0.5 * 0.2 * np.mean(raw**2)
                for true, others in ((scores[i, i], scores[i, 1 - i]) for i in (0, 1)):
                    of_others = np.exp(others).sum()
                    odds = true - np.log(np.exp(true) + of_others)
                    total -= 0.5 * np.mean(odds + np.log(1 + len(others))) / rows
        return total

    views = (20 * IMAGES[:rows, :8, :8], 20 * OTHERS[:rows, :8, :8])
    check_loss_and_gradients(model, views, from_formula)


def test_both_views_of_amdim_share_one_encoder_which_is_exported_alone():
    model = amdim()
    encodings = model.encode((IMAGES, IMAGES))
    np.testing.assert_array_equal(encodings["encoding_a"], encodings["encoding_b"])
    np.testing.assert_allclose(
        model.encoder_x(IMAGES), encodings["encoding_a"], rtol=1e-5, atol=1e-6
    )
    trunk = {id(v) for v in model.network.get_layer("trunk").variables}
    assert {id(v) for v in model.encoder_x.variables} == trunk


def test_random_location_draws_all_and_takes_the_middle_in_inference():
    maps = np.arange(9, dtype="float32").reshape(1, 3, 3, 1).repeat(400, axis=0)
    layer = RandomLocation(seed=0)
    np.testing.assert_array_equal(layer(maps, training=False), np.full((400, 1), 4))
    counts = np.bincount(np.array(layer(maps, training=True))[:, 0].astype(int))
    # Five standard errors of a count of 400 / 9.
    np.testing.assert_allclose(counts, 400 / 9, atol=5 * np.sqrt(400 / 9 * 8 / 9))


@pytest.mark.parametrize("name", ["deep_infomax", "amdim"])
def test_encoder_is_exported(name, tmp_path):
    model = deep_infomax() if name == "deep_infomax" else amdim()
    kim.saved_model.export(model.encoder_x, tmp_path / "encoder")
    loaded = tf.saved_model.load(str(tmp_path / "encoder"))
    np.testing.assert_allclose(
        loaded(IMAGES), model.encoder_x(IMAGES), rtol=1e-4, atol=1e-5
    )


def trained_weights(batch_norm_free):
    keras.utils.set_random_seed(1)
    model = deep_infomax(prior_weight=0.0, **batch_norm_free)
    data = tf.data.Dataset.from_tensor_slices(((IMAGES,),)).batch(8)
    options = tf.data.Options()
    options.experimental_distribute.auto_shard_policy = (
        tf.data.experimental.AutoShardPolicy.OFF
    )
    model.fit(data.with_options(options), epochs=3, verbose=0)
    return model.get_weights()


@pytest.mark.parametrize("critic", ["encode_and_dot", "concat_and_convolve"])
def test_weights_on_two_devices_are_those_of_one(strategy, critic):
    expected = trained_weights({"critic": critic})
    with strategy.scope():
        found = trained_weights({"critic": critic})
    for a, b in zip(expected, found, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4)
