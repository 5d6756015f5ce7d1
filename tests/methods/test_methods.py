"""Every method as a user would run it."""

import keras
import numpy as np
import pytest

import keras_infomax as kim

RNG = np.random.default_rng(0)
SHAPE = (16, 16, 1)
ROWS = 8
IMAGES = RNG.random((2 * ROWS, *SHAPE), dtype="float32")
SMALL = {
    "amdim": {"filters": 4, "encoding_dim": 6, "projection_dim": 8},
    "augmented_views": {"encoding_dim": 6, "projection_units": (8, 5)},
    "cmc": {"encoding_dim": 6},
    "cpc": {"patch_size": 8, "encoding_dim": 6, "context_dim": 7},
    "deep_infomax": {
        "filters": (4, 6),
        "hidden_units": 12,
        "encoding_dim": 5,
        "critic": "concat_and_convolve",
        "critic_units": 8,
    },
    "metric_learning": {"encoding_dim": 6},
    **dict.fromkeys(
        ("barlow_twins", "simclr", "supcon", "vicreg"),
        {"encoding_dim": 6, "projection_units": (8, 5)},
    ),
}
# Where InfoNCE, which all others take, is none of them.
LOSSES = {"barlow_twins": "barlow_twins", "supcon": "supcon", "vicreg": "vicreg"}


def build(name):
    model = kim.methods.METHODS[name](SHAPE, **SMALL.get(name, {}))
    model.compile(keras.optimizers.Adam(1e-3), LOSSES.get(name, "infonce"))
    return model


def views_of(model):
    count = 2 if model.network is None else len(model.network.inputs)
    labels = np.arange(len(IMAGES), dtype="int32") % 3
    return (tuple([IMAGES, IMAGES[::-1], labels][:count]),)


# Those that are made of the same parts as others.
ALIKE = ("barlow_twins", "vicreg")
NAMES = [
    pytest.param(name, marks=[pytest.mark.slow] if name in ALIKE else [])
    # Two towers take two parts of an example; see test_two_towers.py.
    for name in sorted({*kim.methods.METHODS} - {"two_towers"})
]


@pytest.mark.parametrize("name", NAMES)
def test_trains_is_saved_and_encodes_images(name, tmp_path):
    model = build(name)
    views = views_of(model)
    history = model.fit(*views, batch_size=ROWS, epochs=2, verbose=0).history
    assert np.isfinite(history["loss"]).all()
    encodings = model.encoder_x.predict(IMAGES, verbose=0)
    assert encodings.shape[0] == len(IMAGES)
    assert encodings.ndim == 2
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(
        loaded.encoder_x.predict(IMAGES, verbose=0), encodings
    )
    histories = [
        m.fit(*views, batch_size=ROWS, shuffle=False, verbose=0).history
        for m in (model, loaded)
    ]
    assert histories[0] == histories[1]


@pytest.mark.parametrize("name", NAMES)
def test_trains_in_float64(name):
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    try:
        model = build(name)
        views = keras.tree.map_structure(
            lambda v: v if v.dtype == "int32" else v.astype("float64"), views_of(model)
        )
        history = model.fit(*views, batch_size=ROWS, verbose=0).history
        assert model.encoder_x.predict(IMAGES, verbose=0).dtype == "float64"
    finally:
        keras.config.set_floatx("float32")
    assert np.isfinite(history["loss"]).all()


def test_options_of_a_method_are_checked():
    with pytest.raises(ValueError, match=r"config.options.temprature.*'temperature'"):
        kim.training.train(
            {"experiment": "cmc", "views": "whole", "options": {"temprature": 1}},
            "nowhere",
        )
