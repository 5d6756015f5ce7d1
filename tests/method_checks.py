"""Checks of a method: its loss by a formula of its encodings, and its export."""

import keras
import numpy as np
import tensorflow as tf

import keras_infomax as kim


def check_loss_and_gradients(model, images, from_formula, step=1e-5):
    """Loss, and its gradient by every encoding that terms score, by a formula.

    Args:
        model: Compiled `InfoMax` with a network.
        images: What the network takes.
        from_formula: Function from float64 encodings to the loss.
        step: Half the distance of finite differences.
    """
    encodings = dict(model.encode(images))
    scored = sorted({name for term in model.terms for name in (term.x, term.y)})
    with tf.GradientTape() as tape:
        tape.watch([encodings[name] for name in scored])
        pairs = {term.name: term(encodings) for term in model.terms}
        loss = model.compute_loss(
            y={name: pair[0] for name, pair in pairs.items()},
            y_pred={name: pair[1] for name, pair in pairs.items()},
        )
    gradients = tape.gradient(loss, [encodings[name] for name in scored])
    wide = {name: np.array(encodings[name], "float64") for name in scored}
    np.testing.assert_allclose(loss, from_formula(wide), rtol=1e-4, atol=1e-6)
    for name, gradient in zip(scored, gradients, strict=True):
        numerical = np.zeros_like(wide[name])
        for index in np.ndindex(*numerical.shape):
            moved = [wide[name].copy(), wide[name].copy()]
            moved[0][index] += step
            moved[1][index] -= step
            above, below = (from_formula({**wide, name: m}) for m in moved)
            numerical[index] = (above - below) / (2 * step)
        np.testing.assert_allclose(
            gradient, numerical, rtol=2e-3, atol=2e-5, err_msg=name
        )


def check_export(model, images, folder):
    """The encoder of a model comes back from a SavedModel with equal encodings."""
    expected = keras.ops.convert_to_numpy(model.encoder_x(images))
    path = folder / model.name
    kim.saved_model.export(model.encoder_x, path)
    loaded = tf.saved_model.load(path)
    np.testing.assert_allclose(loaded(images), expected, rtol=1e-5, atol=1e-6)
