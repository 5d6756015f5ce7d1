"""Losses and their gradients, against those of other packages; see `peer_losses.py`."""

import json
import pathlib

import numpy as np
import peer_losses as peers
import pytest
import tensorflow as tf
from keras import ops

import keras_infomax as kim

FOUND = json.loads(pathlib.Path(__file__).with_name("peer_losses.json").read_text())


def scored(loss, critic, x="views", y="swapped", term=kim.Term, **options):
    """A loss of both views and classes, as a term of a model has it."""
    loss = kim.losses.get(loss)
    loss = type(loss).from_config({**loss.get_config(), "dtype": "float64"})
    # A term in float64, and all that it holds.
    term = term(x, y, critic=critic, dtype="float64", **options)

    def value(a, b, classes):
        encodings = {
            "a": a,
            "b": b,
            "views": ops.stack([a, b], axis=1),
            "swapped": ops.stack([b, a], axis=1),
            "classes": ops.convert_to_tensor(classes),
        }
        if isinstance(loss, kim.losses.EncodingLoss):
            return loss(*term.pair(encodings))
        return loss(*term(encodings, training=True))

    return value


def cosine(temperature=peers.TEMPERATURE, **options):
    return kim.critics.CosineCritic(temperature, dtype="float64", **options)


def siglip():
    # Of weights that are learned, where they start.
    scale = {"temperature": 1 / peers.SCALE, "learned_temperature": True}
    return scored("siglip", cosine(**scale, bias=peers.BIAS), "a", "b")


def clip():
    scale = {"temperature": 1 / peers.SCALE, "learned_temperature": True}
    return scored("infonce_symmetric", cosine(**scale), "a", "b")


def supcon(x="views", y="swapped"):
    by_class = {"term": kim.models.LabelTerm, "labels": "classes"}
    return scored("supcon", cosine(), x, y, **by_class)


def supcon_of_one_view():
    """The view itself is no partner of its own."""
    loss = kim.losses.SupCon(dtype="float64")

    def value(a, b, classes):
        others = ~np.eye(len(classes), dtype=bool)
        scores = ops.where(others, cosine()(a, a), -np.inf)
        return loss((classes[:, None] == classes[None]) & others, scores)

    return value


# Ours, and what theirs has more than it.
OURS = {
    "lightly_nt_xent": (lambda: scored("nt_xent", cosine()), 0),
    "metric_learning_nt_xent": (lambda: scored("infonce", cosine()), np.log(15)),
    "lightly_decoupled": (lambda: scored("decoupled_infonce", cosine()), 0),
    "metric_learning_supcon": (supcon, 0),
    "metric_learning_supcon_of_one_view": (supcon_of_one_view, 0),
    "lightly_barlow_twins": (lambda: scored("barlow_twins", "cosine", "a", "b"), 0),
    "lightly_vicreg": (lambda: scored("vicreg", "cosine", "a", "b"), 0),
    "lightly_cosine": (lambda: scored("cosine_distance", "cosine", "a", "b"), -1),
    "open_clip_clip": (clip, np.log(8)),
    "open_clip_siglip": (siglip, 0),
}


def differentiated(value, a, b, classes):
    a, b = tf.constant(a), tf.constant(b)
    with tf.GradientTape() as tape:
        tape.watch([a, b])
        loss = value(a, b, classes)
    gradients = tape.gradient(loss, [a, b])
    return float(loss), [0 * a if g is None else g for g in gradients]


def check(ours, theirs, rows=8):
    make, more = OURS[ours]
    value, gradients = differentiated(make(), *peers.encodings(rows))
    assert value + more == pytest.approx(theirs["value"], rel=1e-6)
    for gradient, expected in zip(gradients, theirs["gradients"], strict=True):
        scale = np.abs(expected).max()
        np.testing.assert_allclose(gradient, expected, rtol=1e-5, atol=1e-6 * scale)


@pytest.mark.parametrize("name", OURS)
def test_values_and_gradients_are_those_that_are_kept(name):
    check(name, FOUND["losses"][name])


@pytest.mark.parametrize("name", OURS)
def test_values_and_gradients_are_those_of_other_packages(name):
    pytest.importorskip("torch")
    package = {"lightly": "lightly", "metric": "pytorch_metric_learning"}
    pytest.importorskip(package.get(name.split("_")[0], "open_clip"))
    check(name, peers.computed(getattr(peers, name)))


def test_two_views_have_more_negatives_than_one():
    """At 64 examples and a temperature of 1/2, as SimCLR has it and as CLIP has it."""
    a, b, classes = peers.encodings(64)
    both = float(scored("nt_xent", cosine())(a, b, classes))
    assert both == pytest.approx(FOUND["nt_xent_of_64"], rel=1e-6)
    other = scored("multi_class_n_pair", cosine(), "a", "b")
    unit_a, unit_b = (v / np.linalg.norm(v, axis=1, keepdims=True) for v in (a, b))
    scores = unit_a @ unit_b.T / peers.TEMPERATURE
    expected = np.mean(np.log(np.exp(scores).sum(axis=1)) - np.diag(scores))
    assert float(other(a, b, classes)) == pytest.approx(expected, rel=1e-6)
    assert both - expected > 0.6


def test_every_loss_that_is_kept_is_compared():
    assert {loss.__name__ for loss in peers.LOSSES} == set(FOUND["losses"])
    # The queue: `models/test_momentum.py`.
    assert {*OURS, "lightly_queue"} == set(FOUND["losses"])
