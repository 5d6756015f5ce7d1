"""Small models, trained from weights and on batches that are equal on every backend.

    python tests/backend_cases.py

writes, on TensorFlow, the trajectories that every backend is compared with. Weights are
drawn here, by NumPy, since each backend draws others.
"""

import contextlib
import functools
import importlib
import pathlib
from unittest import mock

import keras
import numpy as np
from keras import layers

import keras_infomax as kim
from keras_infomax import backends

PATH = pathlib.Path(__file__).parent / "models" / "trajectories.npz"
RNG = np.random.default_rng(0)
X = RNG.normal(size=(48, 6))
Y = X[:, :4] + 0.3 * RNG.normal(size=(48, 4))
WEIGHTS = RNG.uniform(0.5, 1.5, size=48)
IMAGES = RNG.random(size=(16, 16, 16, 1))
LABELS = np.arange(16, dtype="int32") % 3
ROWS, EPOCHS = 8, 2
L2 = keras.regularizers.L2(2**-6)

CRITICS = {
    "inner_product": {},
    "bilinear": {},
    "separable": {"hidden_units": (7,), "output_dim": 5},
    "mlp": {"hidden_units": (7,)},
    "encode_and_dot": {"units": 8},
    "cosine": {},
    "clip": {},
    "siglip": {},
    "distance": {},
    "conditional_gaussian": {},
}
# Those of log densities, and of labels.
OTHER_BOUNDS = ("club", "leave_one_out", "supcon")
BOUNDS = sorted({*kim.losses.by_name.LOSSES} - {*OTHER_BOUNDS})
PROJECTED = {"encoding_dim": 6, "projection_units": (8, 5)}
# AMDIM draws a location in each step, and each backend draws others.
METHODS = {
    "augmented_views": PROJECTED,
    "barlow_twins": PROJECTED,
    "cmc": {"encoding_dim": 6, "examples": 16, "num_negatives": 9},
    "cpc": {"patch_size": 8, "encoding_dim": 6, "context_dim": 7},
    "deep_infomax": {
        "filters": (4, 6),
        "hidden_units": 12,
        "encoding_dim": 5,
        "critic": "concat_and_convolve",
        "critic_units": 8,
        "prior_weight": 0.0,
    },
    "metric_learning": {"encoding_dim": 6},
    "simclr": PROJECTED,
    "supcon": PROJECTED,
    "vicreg": PROJECTED,
}
OWN_LOSSES = ("barlow_twins", "supcon", "vicreg")


def encoder(dim):
    inputs = keras.Input((dim,))
    # Numbers that float32 has, too: Keras rounds some, but not on each backend.
    hidden = layers.Dense(9, "tanh", kernel_regularizer=L2)(inputs)
    return keras.Model(inputs, layers.Dense(5)(hidden))


def of_pairs(critic, loss, chunk_size=None, weights=None, **optimizer):
    known = isinstance(critic, str)
    critic = kim.critics.get(critic, **CRITICS[critic]) if known else critic()
    loss = loss() if callable(loss) else kim.losses.get(loss)
    model = kim.InfoMax(encoder(6), encoder(4), critic, encoder_chunk_size=chunk_size)
    return model, loss, ((X, Y), weights), optimizer


def of_method(name):
    model = kim.methods.METHODS[name](IMAGES.shape[1:], **METHODS[name])
    inputs = 2 if model.network is None else len(model.network.inputs)
    views = [IMAGES, IMAGES[::-1]][: inputs - model.takes_labels - model.takes_index]
    if model.takes_labels:
        views.append(LABELS)
    if model.takes_index:
        views.append(np.arange(16, dtype="int32"))
    loss = kim.losses.get(name if name in OWN_LOSSES else "infonce")
    return model, loss, (tuple(views), None), {}


def cases(critics, bounds):
    """Functions that make a model, its loss, data and options, by name."""
    return {
        f"{critic} {bound}": functools.partial(of_pairs, critic, bound)
        for critic in critics
        for bound in bounds
    }


# A critic with every bound, every critic with a bound, and what else changes a step.
CASES = {
    **cases(["bilinear"], BOUNDS),
    **cases(CRITICS, ["infonce"]),
    **cases(["conditional_gaussian"], ["club", "leave_one_out"]),
    "target": functools.partial(
        of_pairs, "bilinear", lambda: kim.losses.TargetLoss("nwj", 0.25)
    ),
    "chunks": functools.partial(
        of_pairs,
        lambda: kim.critics.MLPCritic((7, 4), chunk_size=3),
        lambda: kim.losses.InfoNCE(chunk_size=3),
        chunk_size=5,
    ),
    "weights": functools.partial(of_pairs, "bilinear", "infonce", weights=WEIGHTS),
    "clipped": functools.partial(of_pairs, "mlp", "nwj", global_clipnorm=0.125),
    **{name: functools.partial(of_method, name) for name in METHODS},
}


@contextlib.contextmanager
def floats(dtype):
    """Has Keras compute in a dtype, in 64 bits where these are asked for.

    On JAX and PyTorch Keras rounds float64 to 32 bits in most operations, which would
    hide whether two backends compute the same; so its table of these is emptied.
    """
    wide = dtype == "float64" and not backends.is_tensorflow()
    with contextlib.ExitStack() as scopes:
        if wide and backends.name() == backends.JAX:
            scopes.enter_context(importlib.import_module("jax").enable_x64(True))
        if wide:
            rounded = "keras.src.backend.common.dtypes.BIT64_TO_BIT32_DTYPE"
            scopes.enter_context(mock.patch.dict(rounded, {"float64": "float64"}))
        keras.config.set_floatx(dtype)
        keras.config.set_dtype_policy(dtype)
        try:
            yield
        finally:
            keras.config.set_floatx("float32")
            keras.config.set_dtype_policy("float32")


def set_weights(model):
    """Gives a model weights that depend on their shapes and order alone."""
    generator = np.random.default_rng(1)
    values = []
    for variable in model.weights:
        value = keras.ops.convert_to_numpy(variable).copy()
        if variable.name == "draw":
            value[:] = 5, 0
        elif value.dtype.kind == "f" and value.ndim > 1:
            value = generator.normal(size=value.shape) / np.sqrt(value.shape[0])
        values.append(value)
    model.set_weights(values)


def train(make, dtype="float64"):
    """What every epoch has lost and estimated, and the weights in the end."""
    with floats(dtype):
        model, loss, (views, weights), options = make()
        model.compile(keras.optimizers.SGD(2**-7, momentum=0.875, **options), loss)
        set_weights(model)
        views = keras.tree.map_structure(
            lambda of: of.astype(dtype) if of.dtype.kind == "f" else of, views
        )
        history = model.fit(
            views,
            sample_weight=weights,
            batch_size=ROWS,
            epochs=EPOCHS,
            shuffle=False,
            verbose=0,
        ).history
        weights = [np.ravel(w) for w in model.get_weights() if w.dtype.kind == "f"]
        # Of each the length and the first numbers, lest the file be large.
        told = [np.append(np.linalg.norm(w), w[:8]) for w in weights]
        return {**history, "weights": np.concatenate(told)}


def main():
    found = {}
    for name, make in CASES.items():
        for key, values in train(make).items():
            found[f"{name}|{key}"] = np.asarray(values)
    np.savez_compressed(PATH, **found)
    print(f"{len(found)} arrays of {backends.name()} are in {PATH}")


if __name__ == "__main__":
    main()
