"""CPC by its formulas: who predicts whom, on images and on signals."""

import math

import keras
import numpy as np
import pytest
from method_checks import check_export, check_loss_and_gradients

import keras_infomax as kim

RNG = np.random.default_rng(0)
IMAGES = RNG.random((3, 6, 6, 1), dtype="float32")


def small(input_shape, output_dim):
    return kim.encoders.mlp(input_shape, (8,), output_dim)


def cpc(input_shape=(6, 6, 1), **options):
    options = {
        "patch_size": 4,
        "encoder": small,
        "encoding_dim": 2,
        "context_dim": 3,
        "predicted_steps": 2,
        **options,
    }
    model = kim.methods.cpc(input_shape, **options)
    model.compile(keras.optimizers.Adam(1e-2), kim.losses.InfoNCE())
    return model


def kept(negatives, i, t, j, u):
    return {
        "same_position": t == u,
        "other_examples": i != j,
        "all_positions": True,
        "same_example": i == j,
    }[negatives] or (i, t) == (j, u)


@pytest.mark.parametrize("negatives", kim.models.terms.NEGATIVES)
def test_loss_is_the_mean_over_steps(negatives):
    model = cpc(negatives=negatives)
    kernels = [term.critic.get_weights()[0].astype(float) for term in model.terms]

    def from_formula(encodings):
        """Equation 4 of van den Oord et al., 2018, less log of the candidates."""
        total = 0.0
        for k, kernel in enumerate(kernels, start=1):
            contexts, later = encodings[f"context_{k}"], encodings[f"patches_{k}"]
            rows, steps = contexts.shape[:2]
            for i, t in np.ndindex(rows, steps):
                scores = {
                    (j, u): contexts[i, t] @ kernel @ later[j, u]
                    for j, u in np.ndindex(rows, steps)
                    if kept(negatives, i, t, j, u)
                }
                odds = scores[i, t] - np.log(sum(map(np.exp, scores.values())))
                total -= (odds + np.log(len(scores))) / (rows * steps * len(kernels))
        return total

    check_loss_and_gradients(model, IMAGES, from_formula)


def test_step_k_pairs_the_context_with_the_patch_k_later():
    model = cpc(stride=1)
    cut = kim.views.patches.Patches(4, 1)(IMAGES).numpy()
    encode = next(
        layer for layer in model.network.layers if isinstance(layer, keras.Sequential)
    )
    encodings = model.encode(IMAGES)
    for k in (1, 2):
        for t in range(9 - k):
            np.testing.assert_allclose(
                encodings[f"patches_{k}"][:, t], encode(cut[:, t + k]), rtol=1e-4
            )
        np.testing.assert_array_equal(
            encodings[f"context_{k}"], encodings["context_1"][:, : 9 - k]
        )


@pytest.mark.parametrize("context", ["gru", "convolution"])
def test_contexts_see_the_past_alone(context):
    model = cpc((12, 1), patch_size=1, context=context, predicted_steps=1)
    signals = RNG.normal(size=(2, 12, 1)).astype("float32")
    changed = signals.copy()
    changed[:, 6] += 1
    before, after = (model.encode(s)["context_1"] for s in (signals, changed))
    differences = np.abs(np.array(before) - np.array(after)).max(axis=(0, 2))
    np.testing.assert_allclose(differences[:6], 0, atol=1e-6)
    assert differences[6] > 1e-4


def test_representations():
    model = cpc(stride=1)
    encodings = model.encode(IMAGES)
    assert encodings["patches"].shape == (3, 2)
    patches = kim.views.patches.Patches(4, 1)(IMAGES)
    encode = next(
        layer for layer in model.network.layers if isinstance(layer, keras.Sequential)
    )
    mean = np.mean([encode(patches[:, t]) for t in range(9)], axis=0)
    np.testing.assert_allclose(model.encoder_x(IMAGES), mean, rtol=1e-4, atol=1e-6)
    last = cpc(stride=1, representation="context")
    assert last.encoder_x(IMAGES).shape == (3, 3)


@pytest.mark.parametrize("context", ["gru", "convolution"])
def test_exports_take_whole_images(context, tmp_path):
    model = cpc(context=context, representation="context")
    check_export(model, IMAGES, tmp_path)


def autoregression(rows, coefficient, steps=10):
    """Stationary Gaussian process of order one, unit variance."""
    signals = [RNG.normal(size=(rows, 1))]
    for _ in range(steps - 1):
        noise = RNG.normal(size=(rows, 1))
        scale = math.sqrt(1 - coefficient**2)
        signals.append(coefficient * signals[-1] + scale * noise)
    return np.stack(signals, axis=1).astype("float32")


def test_estimates_of_an_autoregression_rise_to_its_information():
    coefficient = 0.9
    model = cpc((10, 1), patch_size=1, encoding_dim=8, context_dim=16)
    history = model.fit(
        (autoregression(1024, coefficient),),
        validation_data=((autoregression(1024, coefficient),),),
        batch_size=64,
        epochs=12,
        verbose=0,
    ).history
    # The process forgets all but its last value.
    true_mi = [-0.5 * math.log(1 - coefficient ** (2 * k)) for k in (1, 2)]
    # Four standard errors, if the positions of a sequence were one sample.
    tolerance = 4 * coefficient / math.sqrt(1024)
    for name, truth in zip(("step_1", "step_2"), true_mi, strict=True):
        estimates = history[f"val_mi_{name}"]
        assert max(estimates) < truth + tolerance
        assert estimates[-1] > 0.75 * truth
        assert estimates[-1] > estimates[0] + 0.1
    assert history["val_mi_step_1"][-1] > history["val_mi_step_2"][-1] + 0.1


@pytest.mark.parametrize(
    ("shape", "options", "message"),
    [
        ((6, 6, 1), {"predicted_steps": 4}, "between 1 and 3, since there are 4 pat"),
        ((6, 6, 1), {"predicted_steps": 0}, "predicted_steps must be a positive"),
        ((6, 6, 1), {"context": "lstm"}, "Unknown context 'lstm'"),
        (
            (6, 6, 1),
            {"negatives": "none"},
            "negatives must be 'other_examples', .* received 'none'",
        ),
        ((6, 6, 1), {"representation": "mean"}, "must be 'patches' or 'context'"),
        ((6, 6, 1), {"patch_size": 9}, "patch_size must be no larger than the input"),
        ((6,), {}, r"or \(steps, channels\) of signals; received \(6,\)"),
    ],
)
def test_options_are_checked(shape, options, message):
    with pytest.raises(ValueError, match=message):
        cpc(shape, **options)
