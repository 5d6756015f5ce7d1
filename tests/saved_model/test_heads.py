"""A projection head in an export: there if asked for, and apart from the encoder."""

import csv
import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from export_checks import VIEW, make_encoder, make_views, moved, read_card, snapshot

import keras_infomax as kim
from keras_infomax import backends, measures, saved_model
from keras_infomax.programs import verify


def small_encoder():
    return keras.Sequential(
        [keras.Input(VIEW), keras.layers.Flatten(), keras.layers.Dense(6)]
    )


def make(method, **options):
    build = kim.methods.METHODS[method]
    return build(VIEW, encoder=small_encoder(), projection_units=(5, 3), **options)


@pytest.mark.parametrize(
    ("method", "output", "options"),
    [
        ("simclr", "projection", {}),
        ("sogclr", "projection", {"examples": 8}),
        ("moco", "query_a", {}),
        ("byol", "projection", {"prediction_units": (3,)}),
        ("vicreg", "projection_a", {}),
    ],
)
def test_the_head_of_a_method_maps_the_representation(method, output, options):
    model, views = make(method, **options), make_views(7)
    projected = model.projection_head(model.encoder_x(views))
    assert projected.shape == (7, 3)
    index = (np.arange(7),) if method == "sogclr" else ()
    found = model.encode((views, views, *index))[output]
    np.testing.assert_allclose(projected, found, rtol=1e-6)


def test_the_head_of_a_critic_is_its_projection():
    model, views = make("augmented_views"), make_views(7)
    projected = model.projection_head(model.encoder_x(views))
    of_head = kim.critics.CosineCritic(0.2)(projected, projected)
    np.testing.assert_allclose(model((views, views)), of_head, rtol=1e-5)


def test_models_without_a_head_have_none():
    assert kim.InfoMax(small_encoder()).projection_head is None
    assert kim.methods.deep_infomax((8, 8, 1)).projection_head is None


@pytest.fixture
def exported(tmp_path):
    model = make("simclr")
    head = model.projection_head
    saved_model.export(model.encoder_x, tmp_path / "out", head=head)
    return model, tmp_path / "out"


def test_an_exported_head_projects_and_stays_apart(exported):
    model, path = exported
    views = make_views(9)
    encodings = model.encoder_x(views)
    projections = model.projection_head(encodings)
    root = tf.saved_model.load(str(path))
    found = root.signatures["project"](inputs=tf.constant(views))
    np.testing.assert_allclose(found["encoding"], encodings, rtol=1e-6)
    np.testing.assert_allclose(found["projection"], projections, rtol=1e-6)
    np.testing.assert_allclose(root.head(encodings), projections, rtol=1e-6)
    # 24 x 6 + 6 of the encoder; 6 x 5 + 5 and 5 x 3 + 3 of the head.
    sizes = [v.shape.num_elements() for v in root.variables]
    assert sizes == [144, 6]
    assert sum(v.shape.num_elements() for v in root.head_variables) == 53
    layer = saved_model.load(path)
    np.testing.assert_allclose(layer(views), encodings, rtol=1e-6)
    assert [v.shape for v in layer.trainable_variables] == [(24, 6), (6,)]
    # Gradients reach both, if both are asked for.
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(root.head(root(views, training=True), training=True) ** 2)
    both = [*root.trainable_variables, *root.head_trainable_variables]
    assert all(g is not None for g in tape.gradient(loss, both))
    card = read_card(path)
    assert (card["encoding_size"], card["projection_size"]) == (6, 3)
    page = (path / "README.md").read_text()
    assert "| `project` | views, and returns `projection` `float32 (rows, 3)`" in page


def test_an_export_without_a_head_says_nothing_of_one(tmp_path):
    saved_model.export(small_encoder(), tmp_path / "out")
    root = tf.saved_model.load(str(tmp_path / "out"))
    assert sorted(root.signatures) == ["encode", "serving_default"]
    assert read_card(tmp_path / "out")["projection_size"] is None
    assert "project" not in (tmp_path / "out" / "README.md").read_text()


def test_fine_tuning_moves_the_encoder_alone(exported):
    _, path = exported
    layer = saved_model.load(path)
    head = layer._saved.head_variables
    model = keras.Sequential([layer, keras.layers.Dense(2)])
    model.compile("adam", "mse")
    before, of_head = snapshot(layer.trainable_variables), snapshot(head)
    model.fit(make_views(8), np.ones((8, 2)), verbose=0)
    assert moved(before, layer.trainable_variables) == [True, True]
    assert not any(moved(of_head, head))


def test_a_head_that_takes_no_encodings_is_refused(tmp_path):
    for head, message in (
        (keras.layers.Embedding, "head must be a Keras layer"),
        (keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)]), r"\(rows, 6\)"),
        (keras.layers.Reshape((2, 3)), r"\(rows, dim\); .* gives \(None, 2, 3\)"),
    ):
        with pytest.raises(ValueError, match=f"(?s){message}"):
            saved_model.export(small_encoder(), tmp_path / "out", head=head)
    assert not (tmp_path / "out").exists()


def test_a_workdir_is_exported_with_its_head(tmp_path):
    workdir = tmp_path / "run"
    workdir.mkdir()
    make("simclr").save(workdir / "model.keras")
    config = {"dataset": "digits", "experiment": "simclr", "views": "augmented"}
    (workdir / "config.json").write_text(json.dumps(config))
    with open(workdir / "metrics.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, measures.NAMES)
        writer.writeheader()
        writer.writerow({"step": 10, "mi": 1.5})
    formats = ("saved_model", "keras")
    path = tmp_path / "out"
    saved_model.export_workdir(workdir, path, formats=formats, head=True)
    model = keras.saving.load_model(workdir / "model.keras")
    views = make_views(4)
    # What is written for Keras begins another run, and is the representation.
    again = kim.encoders.pretrained(str(path), VIEW)
    np.testing.assert_array_equal(again(views), model.encoder_x(views))
    kim.InfoMax(small_encoder()).save(workdir / "model.keras")
    with pytest.raises(ValueError, match="head must be False .* no projection head"):
        saved_model.export_workdir(workdir, tmp_path / "other", head=True)


@pytest.mark.slow
def test_a_head_is_verified_without_this_package(exported):
    found = {(r["format"], r["entry"]): r for r in verify.verify(exported[1])}
    assert found["saved_model", "project"]["difference"] < 1e-5


@pytest.mark.skipif(
    backends.keras_before(3, 15), reason="older Keras finds classes by their module"
)
def test_what_keras_cannot_load_again_is_not_written(tmp_path):
    with pytest.raises(ValueError, match="(?s)Keras cannot load .* Register its"):
        saved_model.export(
            make_encoder(), tmp_path / "out", formats=("saved_model", "keras")
        )
    assert not (tmp_path / "out").exists()
