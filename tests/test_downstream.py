import csv

import keras
import numpy as np
import pytest
from conftest import ROOT

import keras_infomax as kim
from keras_infomax.programs.downstream import (
    classifying,
    digits,
    finding_similar,
    fine_tuning,
)


@pytest.fixture(scope="module")
def data():
    whole = digits.Digits.load()
    return whole._replace(
        x=whole.x[:1500],
        labels=whole.labels[:1500],
        images=whole.images[:1500],
        test_images=whole.test_images[:200],
        test_x=whole.test_x[:200],
        test_labels=whole.test_labels[:200],
    )


@pytest.fixture(scope="module")
def handle(tmp_path_factory):
    """An export that has learned nothing: what is tested does not depend on it."""
    keras.utils.set_random_seed(0)
    folder = tmp_path_factory.mktemp("export") / "encoder"
    kim.saved_model.export(kim.encoders.mlp((14, 28, 1)), folder)
    return str(folder)


def table(name):
    with open(ROOT / "docs" / "downstream" / name, newline="") as file:
        return list(csv.DictReader(file))


def test_classifiers_learn_and_leave_a_frozen_encoder_alone(handle, data):
    on_encodings, on_pixels = classifying.classify([handle], data, steps=200)
    assert (on_encodings["by"], on_pixels["by"]) == ("encodings", "pixels")
    # By chance it is a tenth.
    assert min(on_encodings["accuracy"], on_pixels["accuracy"]) > 0.4
    layer = kim.HubEncoder(handle, trainable=False)
    before = layer.get_weights()
    model = digits.classifier(layer)
    digits.accuracy_of(
        model, (data.x, data.labels), (data.test_x, data.test_labels), 2, seed=0
    )
    for old, new in zip(before, layer.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_few_labels_are_as_many_of_each_class(data):
    for size in fine_tuning.SIZES[:2]:
        chosen = fine_tuning.choose(data.labels, size, seed=3)
        assert np.bincount(data.labels[chosen]).tolist() == [size // 10] * 10
    again = fine_tuning.choose(data.labels, 100, seed=3)
    np.testing.assert_array_equal(chosen, again)
    assert set(again) != set(fine_tuning.choose(data.labels, 100, seed=4))


@pytest.mark.slow
def test_every_start_is_trained_on_every_draw(handle, data, monkeypatch, tmp_path):
    monkeypatch.setattr(fine_tuning, "SIZES", (10, 100))
    rows = fine_tuning.compare([handle], data, draws=1, steps=3)
    assert [(row["labels"], row["start"]) for row in rows] == [
        (size, start) for size in (10, 100) for start in fine_tuning.STARTS
    ]
    assert "| 100 | " in fine_tuning.summary(rows)
    fine_tuning.plot(rows, tmp_path / "few_labels.png")
    assert (tmp_path / "few_labels.png").read_bytes()[:4] == b"\x89PNG"


def test_only_what_is_fine_tuned_moves(handle):
    for start, trains in (("frozen", 0), ("fine-tuned", 6), ("from scratch", 6)):
        layer = fine_tuning.layer_of(start, handle)
        assert len(layer.trainable_variables) == trains


def test_another_network_is_no_comparison(tmp_path):
    kim.saved_model.export(kim.encoders.mlp((14, 28, 1), (8,), 4), tmp_path / "small")
    with pytest.raises(ValueError, match="exports of encoders.mlp with its default"):
        fine_tuning.layer_of("from scratch", str(tmp_path / "small"))


def test_an_encoder_of_something_else_is_refused(data, tmp_path):
    kim.saved_model.export(kim.encoders.mlp((28, 28, 1), (8,), 4), tmp_path / "whole")
    for example in (
        lambda handle: classifying.classify([handle], data, 1),
        lambda handle: fine_tuning.compare([handle], data, 1, 1),
        lambda handle: finding_similar.search(handle, data),
    ):
        with pytest.raises(ValueError, match=r"top halves, .*\(None, 28, 28, 1\)"):
            example(str(tmp_path / "whole"))


@pytest.mark.slow
def test_similar_are_those_of_the_largest_cosine(handle, data, tmp_path):
    found = finding_similar.search(handle, data)
    pixels = data.x.reshape(len(data.x), -1)
    for query in (0, 7):
        view = data.test_x[query].ravel()
        cosines = [
            view @ row / (np.linalg.norm(view) * np.linalg.norm(row)) for row in pixels
        ]
        np.testing.assert_allclose(
            np.array(cosines)[found["pixels"][query]],
            np.sort(cosines)[::-1][:10],
            rtol=1e-5,
        )
    judged = finding_similar.judge(found["pixels"], data, 0, "pixels")
    nearest = data.labels[found["pixels"][:, 0]] == data.test_labels
    assert judged["precision_at_1"] == np.mean(nearest)
    finding_similar.plot(found, data, tmp_path / "similar.png")
    assert (tmp_path / "similar.png").read_bytes()[:4] == b"\x89PNG"


def test_the_page_quotes_the_results():
    page = (ROOT / "docs/downstream.md").read_text(encoding="utf-8")
    rows = [
        {**r, "labels": int(r["labels"]), "accuracy": float(r["accuracy"])}
        for r in table("few_labels.csv")
    ]
    assert len(rows) == 3 * 3 * 3 * 3
    assert fine_tuning.summary(rows) in page
    for by in ("encodings", "pixels"):
        found = [float(r["accuracy"]) for r in table("classify.csv") if r["by"] == by]
        line = f"{np.mean(found):.3f} ({min(found):.3f} to {max(found):.3f})"
        assert f"| {by} | {line} |" in page
        near = [
            [float(r["precision_at_1"]), float(r["precision_at_10"])]
            for r in table("similar.csv")
            if r["by"] == by
        ]
        first, ten = np.mean(near, axis=0)
        assert f"| {by} | {first:.3f} | {ten:.3f} |" in page
