"""Metric learning as a method: one encoder, one space, losses by their formulas."""

import math

import numpy as np
import pytest
from method_checks import check_export, check_loss_and_gradients

import keras_infomax as kim

RNG = np.random.default_rng(0)
IMAGES = RNG.random((4, 6, 6, 1), dtype="float32")


def small(input_shape, output_dim):
    return kim.encoders.mlp(input_shape, (8,), output_dim)


def metric_learning(loss, **options):
    options = {"encoder": small, "encoding_dim": 3, **options}
    model = kim.methods.metric_learning((6, 6, 1), **options)
    model.compile("sgd", loss)
    return model


def test_multi_class_n_pair():
    def from_formula(encodings):
        """Equation 7 of Sohn, 2016."""
        anchors, positives = encodings["anchor"], encodings["positive"]
        total = 0.0
        for i in range(4):
            others = sum(
                math.exp(anchors[i] @ positives[j] - anchors[i] @ positives[i])
                for j in range(4)
                if j != i
            )
            total += math.log(1 + others) / 4
        return total

    model = metric_learning(kim.losses.MultiClassNPair())
    check_loss_and_gradients(model, IMAGES, from_formula)


def test_triplet_of_distances():
    def from_formula(encodings):
        """Equation 2 of Schroff et al., 2015, over all triplets of the batch."""
        anchors, positives = encodings["anchor"], encodings["positive"]
        distances = ((anchors[:, None] - positives[None]) ** 2).sum(-1)
        violations = [
            max(0.0, distances[i, i] - distances[i, j] + 0.5)
            for i, j in np.ndindex(4, 4)
            if i != j
        ]
        return np.mean(violations)

    model = metric_learning(
        kim.losses.Triplet(margin=0.5), metric="distance", normalize=True
    )
    check_loss_and_gradients(model, IMAGES, from_formula)


def test_one_encoder_serves_both_halves():
    model = metric_learning(kim.losses.MultiClassNPair(), axis=1)
    assert len(model.trainable_variables) == 4
    same = np.concatenate([IMAGES[:, :3], IMAGES[:, :3]], axis=1)
    encodings = model.encode(same)
    np.testing.assert_allclose(
        encodings["anchor"], encodings["positive"], rtol=1e-5, atol=1e-6
    )
    assert encodings["representation"].shape == (4, 6)


def test_normalised_encodings_have_unit_length():
    model = metric_learning(kim.losses.MultiClassNPair(), normalize=True)
    lengths = np.linalg.norm(model.encode(IMAGES)["anchor"], axis=1)
    np.testing.assert_allclose(lengths, 1, rtol=1e-5)


def test_semi_hard_negatives():
    model = metric_learning(
        kim.losses.Triplet(), metric="distance", semi_hard_margin=0.3
    )
    (term,) = model.terms
    _, scores = term(model.encode(IMAGES))
    scores = np.array(scores)
    positives = np.diag(scores)[:, None]
    kept = np.isfinite(scores) & ~np.eye(4, dtype=bool)
    assert ((scores < positives) & (scores > positives - 0.3))[kept].all()
    assert not np.isfinite(scores).all()
    history = model.fit((IMAGES,), batch_size=4, verbose=0).history
    assert np.isfinite(history["loss"]).all()


def test_export(tmp_path):
    check_export(metric_learning(kim.losses.Triplet()), IMAGES, tmp_path)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"metric": "cosine"}, "Unknown metric 'cosine'"),
        ({"axis": 3}, "axis must be 1"),
        (
            {"semi_hard_margin": -1.0},
            "semi_hard_margin must be a finite number of at least 0",
        ),
    ],
)
def test_options_are_checked(options, message):
    with pytest.raises(ValueError, match=message):
        metric_learning(kim.losses.Triplet(), **options)
