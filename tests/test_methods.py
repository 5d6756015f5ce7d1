"""Every method as a user would run it, and its terms by their definitions."""

import math

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
}


def build(name, **options):
    model = kim.methods.METHODS[name](SHAPE, **{**SMALL[name], **options})
    model.compile(keras.optimizers.Adam(1e-3), kim.losses.InfoNCE())
    return model


def views_of(model):
    count = 2 if model.network is None else len(model.network.inputs)
    return (tuple(IMAGES[::step] for step in (1, -1))[:count],)


@pytest.mark.parametrize("name", sorted(kim.methods.METHODS))
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


def infonce(positive, negatives):
    """Log odds of a true pair among its negatives, in nats."""
    total = np.exp(positive) + np.exp(negatives).sum()
    return math.log(1 + len(negatives)) + positive - math.log(total)


def test_local_negatives_of_deep_infomax_are_the_locations_of_other_images():
    model = build("deep_infomax")
    encodings = model.encode(IMAGES[:3])
    term = next(term for term in model.terms if term.name == "local")
    codes = np.array(encodings["global"])
    maps = np.array(encodings["local"])
    locations = maps.reshape(3, -1, maps.shape[-1])
    scores = np.stack([term.critic(codes, places).numpy() for places in locations])
    # scores[j, i, l] rates code i against location l of image j.
    expected = np.mean(
        [
            infonce(scores[i, i, place], np.delete(scores[:, i], i, axis=0).ravel())
            for i in range(3)
            for place in range(locations.shape[1])
        ]
    )
    partners, rated = term(encodings)
    estimate = float(np.mean(kim.bounds.infonce(rated, partners)))
    assert estimate == pytest.approx(expected, rel=1e-4, abs=1e-5)


@pytest.mark.parametrize("negatives", ["same_position", "all_positions"])
def test_predictions_of_cpc(negatives):
    model = build("cpc", predicted_steps=2, negatives=negatives)
    encodings = model.encode(IMAGES[:3])
    patches = np.array(encodings["patches_1"])
    contexts = np.array(encodings["context_1"])
    steps = patches.shape[1]
    term = model.terms[0]
    kernel = term.critic.get_weights()[0]
    scores = np.einsum("itd,de,jue->itju", contexts, kernel, patches)
    values = []
    for i in range(3):
        for t in range(steps):
            others = (
                np.delete(scores[i, t, :, t], i)
                if negatives == "same_position"
                else np.delete(scores[i, t].ravel(), i * steps + t)
            )
            values.append(infonce(scores[i, t, i, t], others))
    partners, rated = term(encodings)
    estimate = float(np.mean(kim.bounds.infonce(rated, partners)))
    assert estimate == pytest.approx(np.mean(values), rel=1e-4, abs=1e-5)


def test_pairs_of_views_of_cmc():
    model = build("cmc", graph="core", temperature=0.5)
    assert [term.name for term in model.terms] == [
        "view_0_view_1",
        "view_0_view_2",
        "view_0_view_3",
    ]
    assert len(build("cmc", graph="full").terms) == 6
    encodings = model.encode(IMAGES[:4])
    x, y = (
        np.array(encodings[name])
        / np.linalg.norm(encodings[name], axis=1, keepdims=True)
        for name in ("view_0", "view_1")
    )
    _, scores = model.terms[0](encodings)
    np.testing.assert_allclose(scores, x @ y.T / 0.5, rtol=1e-4, atol=1e-5)


def test_shared_metric_is_the_multi_class_n_pair_loss():
    model = build("metric_learning")
    encodings = model.encode(IMAGES[:5])
    anchors, positives = (np.array(encodings[n]) for n in ("anchor", "positive"))
    scores = anchors @ positives.T
    expected = np.mean(np.log(np.exp(scores - np.diag(scores)[:, None]).sum(axis=1)))
    partners, rated = model.terms[0](encodings)
    loss = float(kim.losses.MultiClassNPair()(partners, rated))
    assert loss == pytest.approx(expected, rel=1e-4)


def test_augmentations_depend_on_their_seed_alone():
    augmented = kim.views.get("augmented")
    a, b = augmented(IMAGES[:4], seed=(3, 1))
    again, _ = augmented(IMAGES[:4], seed=(3, 1))
    other, _ = augmented(IMAGES[:4], seed=(3, 2))
    np.testing.assert_array_equal(a, again)
    assert np.abs(np.array(a) - np.array(b)).max() > 1e-2
    assert np.abs(np.array(a) - np.array(other)).max() > 1e-2


def test_lab_of_known_colours():
    known = {
        (1, 1, 1): (100, 0, 0),
        (0, 0, 0): (0, 0, 0),
        (1, 0, 0): (53.24, 80.09, 67.20),
        (0, 1, 0): (87.73, -86.18, 83.18),
        (0, 0, 1): (32.30, 79.19, -107.86),
    }
    colours = np.array(list(known), "float32")
    lab = kim.colour.rgb_to_lab(colours)
    np.testing.assert_allclose(lab, list(known.values()), atol=0.02)
    lightness, chroma = kim.colour.LabViews()(colours[:, None, None])
    np.testing.assert_allclose(lightness[:, 0, 0, 0] * 100, lab[:, 0], atol=1e-4)
    np.testing.assert_allclose(chroma[:, 0, 0] * 110, lab[:, 1:], atol=1e-3)


def test_options_of_a_method_are_checked():
    with pytest.raises(ValueError, match=r"config.options.temprature.*'temperature'"):
        kim.training.train(
            {"experiment": "cmc", "views": "whole", "options": {"temprature": 1}},
            "nowhere",
        )
