"""CMC by its formulas: pairs of views, both directions, and exports."""

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf
from method_checks import check_export, check_loss_and_gradients

import keras_infomax as kim

RNG = np.random.default_rng(0)
COLOUR = RNG.random((5, 8, 8, 3), dtype="float32")
GREY = COLOUR[..., :1]


def small(input_shape, output_dim):
    return kim.encoders.mlp(input_shape, (6,), output_dim)


def cmc(image_shape=(8, 8, 1), **options):
    options = {"encoder": small, "encoding_dim": 3, "temperature": 0.5, **options}
    model = kim.methods.cmc(image_shape, **options)
    model.compile("sgd", kim.losses.InfoNCE(axis=(0, 1)))
    return model


def contrastive_loss(anchors, others, temperature):
    """L of the first view to the second (Tian et al., 2019, equation 2), in nats."""
    anchors = anchors / np.linalg.norm(anchors, axis=1, keepdims=True)
    others = others / np.linalg.norm(others, axis=1, keepdims=True)
    total = 0.0
    for i in range(len(anchors)):
        h = [np.exp(anchors[i] @ other / temperature) for other in others]
        total -= np.log(h[i] / sum(h))
    return total / len(anchors)


def both_ways(encodings, x, y):
    forward = contrastive_loss(encodings[x], encodings[y], 0.5)
    return forward + contrastive_loss(encodings[y], encodings[x], 0.5)


VIEWS = [f"view_{i}" for i in range(4)]


@pytest.mark.parametrize(
    ("graph", "pairs"),
    [
        ("full", list(itertools.combinations(VIEWS, 2))),
        ("core", [("view_0", view) for view in VIEWS[1:]]),
    ],
)
def test_loss_is_the_sum_over_pairs_of_both_directions(graph, pairs):
    def from_formula(encodings):
        return sum(both_ways(encodings, *pair) / 2 - np.log(5) for pair in pairs)

    model = cmc(graph=graph)
    assert [(term.x, term.y) for term in model.terms] == pairs
    check_loss_and_gradients(model, GREY, from_formula)


def test_lightness_and_colours_are_the_views_of_colour_images():
    model = cmc((8, 8, 3))
    (term,) = model.terms
    inputs = [layer.input.shape for layer in model.network.layers[-3:-1]]
    assert {shape[-1] for shape in inputs} == {1, 2}
    check_loss_and_gradients(
        model,
        COLOUR,
        lambda encodings: both_ways(encodings, "view_0", "view_1") / 2 - np.log(5),
    )


def test_the_representation_is_all_encodings():
    model = cmc()
    encodings = model.encode(GREY)
    expected = np.concatenate([encodings[view] for view in VIEWS], axis=1)
    np.testing.assert_array_equal(encodings["representation"], expected)
    np.testing.assert_allclose(
        model.predict(GREY, verbose=0), expected, rtol=1e-4, atol=1e-6
    )


def test_each_view_has_an_encoder_of_its_own():
    halves = cmc(views="halves")
    assert len(halves.trainable_variables) == 2 * 4
    same = np.concatenate([GREY[:, :4], GREY[:, :4]], axis=1)
    encodings = halves.encode(same)
    assert np.abs(encodings["view_0"] - encodings["view_1"]).max() > 0.01


def test_views_may_be_a_layer():
    model = cmc(views=kim.views.Halves(axis=2))
    np.testing.assert_array_equal(model.network.layers[1](GREY)[1], GREY[:, :, 4:])


def test_a_memory_bank_has_both_directions_as_terms():
    model = cmc((8, 8, 3), examples=9, num_negatives=7, momentum=0.25)
    assert [(term.x, term.y, term.weight) for term in model.terms] == [
        ("view_0", "view_1", 0.5),
        ("view_1", "view_0", 0.5),
    ]
    model.compile("sgd", kim.losses.InfoNCE())
    index = np.arange(5, dtype="int32")
    banks = [term.bank.numpy() for term in model.terms]
    encodings = {k: np.array(v) for k, v in model.encode((COLOUR, index)).items()}
    drawn = [
        tf.random.stateless_uniform((7,), t.draw.numpy(), 0, 9, tf.int32).numpy()
        for t in model.terms
    ]
    loss = model.train_on_batch((COLOUR, index), return_dict=True)["loss"]
    expected = 0.0
    for name, bank, draws in zip(("view_0", "view_1"), banks, drawn, strict=True):
        x = encodings[name]
        x = x / np.linalg.norm(x, axis=1, keepdims=True)
        for i in range(5):
            others = [j for j in range(5) if j != i] + [j for j in draws if j != i]
            scores = bank[[i, *others]] @ x[i] / 0.5
            odds = scores[0] - np.log(np.exp(scores).sum())
            expected -= 0.5 * (odds + np.log(len(scores))) / 5
    assert loss == pytest.approx(expected, rel=1e-4)


def test_exports_take_whole_images(tmp_path):
    check_export(cmc((8, 8, 3)), COLOUR, tmp_path)
    memory = cmc((8, 8, 3), examples=9)
    check_export(memory, COLOUR, tmp_path)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"views": "quarters"}, "Unknown views 'quarters'.*'quadrants'"),
        ({"graph": "ring"}, "graph must be 'full' or 'core'; received 'ring'"),
        ({"encoder": "conv"}, "Unknown encoder 'conv'"),
        ({"temperature": 0}, "temperature must be positive"),
        ({"views": "lab"}, "must be float sRGB"),
    ],
)
def test_options_are_checked(options, message):
    with pytest.raises(ValueError, match=message):
        cmc(**options)


def test_bound_of_both_directions_by_name():
    loss = kim.losses.get("infonce_symmetric")
    assert loss.axis == (0, 1)
    with keras.saving.custom_object_scope({}):
        assert type(loss).from_config(loss.get_config()).axis == (0, 1)
