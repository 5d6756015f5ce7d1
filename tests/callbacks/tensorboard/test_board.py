import keras
import numpy as np
import pytest
import tensorflow as tf
from board_server import serving
from run_checks import SMALL

import keras_infomax as kim
from keras_infomax import datasets, probes, training
from keras_infomax.callbacks.tensorboard import projector, score_summaries
from keras_infomax.training import runs

SHORT = {**SMALL, "steps": 16, "stopped_probe": True}
SETTINGS = {
    "bilinear": SHORT,
    "mlp": {**SHORT, "critic": "mlp", "target": 1.5},
}


@pytest.fixture(scope="module")
def workdir(tmp_path_factory, digits):
    """Two runs, as `trainers.sweep` leaves them."""
    workdir = tmp_path_factory.mktemp("sweep")
    for name, settings in SETTINGS.items():
        training.train(settings, workdir / name, digits)
    return workdir


@pytest.fixture(scope="module")
def board(workdir):
    with serving(workdir) as board:
        # Of each run, the session, four of scalars, and the examples.
        board.wait_for_runs(6 * len(SETTINGS))
        yield board


def held_out_batch(digits):
    halves = kim.views.Halves()
    return next(iter(datasets.pairs(digits.test_images, halves, 32, seed=0)))[0]


@pytest.mark.parametrize("name", list(SETTINGS))
def test_the_server_shows_the_scalars_of_metrics_csv(name, workdir, board):
    rows = runs.read_metrics(workdir / name / "metrics.csv")
    columns = {
        ("train", "loss"): "loss",
        ("train", "mi"): "mi",
        ("held_out", "loss"): "val_loss",
        ("held_out", "mi"): "val_mi",
        ("held_out", "probe_accuracy"): "probe_accuracy",
        ("held_out", "probe_information"): "probe_information",
        ("held_out", "stopped_accuracy"): "stopped_accuracy",
        ("held_out", "stopped_information"): "stopped_information",
        ("raw_views", "probe_accuracy"): "raw_baseline",
        ("raw_views", "stopped_accuracy"): "stopped_raw",
        ("ceiling", "mi"): "mi_ceiling",
    }
    tags = board.ask("plugin/scalars/tags")
    shown = {
        (run, tag)
        for run in ("train", "held_out", "raw_views", "ceiling", "truth", "examples")
        for tag in tags.get(f"{name}/tensorboard/{run}", {})
    }
    expected = set(columns)
    if rows[0]["mi_ceiling"] is None:
        expected.discard(("ceiling", "mi"))
    assert shown == expected
    for run, tag in expected:
        points = board.ask(
            "plugin/scalars/scalars", run=f"{name}/tensorboard/{run}", tag=tag
        )
        assert [(step, value) for _, step, value in points] == [
            (row["step"], pytest.approx(row[columns[run, tag]], rel=1e-6))
            for row in rows
            if row[columns[run, tag]] is not None
        ]


def test_the_server_shows_histograms_of_true_and_other_pairs(workdir, board, digits):
    model = keras.saving.load_model(workdir / "bilinear" / "model.keras")
    x, y = held_out_batch(digits)
    scores = model((x, y), training=False).numpy()
    true = np.diag(scores)
    others = scores[~np.eye(32, dtype=bool)]
    for tag, values in (("true_pairs", true), ("other_pairs", others)):
        found = board.ask(
            "plugin/histograms/histograms",
            run="bilinear/tensorboard/examples",
            tag=f"scores/{tag}",
        )
        assert [step for _, step, _ in found] == [0, 8, 16]
        buckets = np.array(found[-1][2])
        assert buckets[:, 2].sum() == len(values)
        assert buckets[0, 0] == pytest.approx(values.min(), rel=1e-4)
        assert buckets[-1, 1] == pytest.approx(values.max(), rel=1e-4)
        counts, _ = np.histogram(values, [*buckets[:, 0], buckets[-1, 1]])
        # A value may fall on either side of the edge of a bucket.
        assert np.abs(counts - buckets[:, 2]).sum() <= 4


def test_the_server_shows_the_score_matrix_as_an_image(workdir, board, digits):
    model = keras.saving.load_model(workdir / "bilinear" / "model.keras")
    scores = model(held_out_batch(digits), training=False).numpy()
    images = board.ask(
        "plugin/images/images",
        run="bilinear/tensorboard/examples",
        tag="scores/matrix",
        sample=0,
    )
    assert [image["step"] for image in images] == [0, 8, 16]
    png = board.get(f"plugin/images/individualImage?{images[-1]['query']}")
    pixels = tf.io.decode_png(png).numpy()
    expected = score_summaries.picture(scores)
    assert pixels.shape == (128, 128, 3)
    assert np.abs(pixels.astype(int) - expected).max() <= 1


def test_the_server_projects_labelled_encodings(workdir, board, digits):
    run = "bilinear/tensorboard/examples"
    assert run in board.ask("plugin/projector/runs")
    (shown,) = board.ask("plugin/projector/info", run=run)["embeddings"]
    assert shown["tensorShape"] == [150, 12]
    encoder = keras.saving.load_model(workdir / "bilinear" / "model.keras").encoder_x
    views = kim.views.Halves()(datasets.to_float(digits.test_images))[0]
    tensor = board.get("plugin/projector/tensor", run=run, name=projector.NAME)
    np.testing.assert_allclose(
        np.frombuffer(tensor, "float32").reshape(150, 12),
        probes.encode(encoder, views),
        atol=1e-5,
    )
    labels = board.get("plugin/projector/metadata", run=run, name=projector.NAME)
    assert [int(line) for line in labels.split()] == digits.test_labels.tolist()
    assert shown["sprite"]["singleImageDim"] == [28, 14]
    png = board.get("plugin/projector/sprite_image", run=run, name=projector.NAME)
    sheet = tf.io.decode_png(png).numpy()
    assert sheet.shape == (13 * 14, 13 * 28, 1)
    # Image 14 is the second of the second row.
    np.testing.assert_array_equal(sheet[14:28, 28:56], digits.test_images[14, :14])


def test_the_server_compares_the_hyper_parameters_of_runs(workdir, board):
    experiment = board.ask("plugin/hparams/experiment", body={})
    infos = {info["name"]: info for info in experiment["hparamInfos"]}
    assert {name for name, info in infos.items() if info.get("differs")} == {"critic"}
    assert sorted(infos["critic"]["domainDiscrete"]) == ["bilinear", "mlp"]
    name = {"group": "held_out", "tag": "probe_accuracy"}
    answer = board.ask(
        "plugin/hparams/session_groups",
        body={
            "startIndex": 0,
            "sliceSize": 100,
            "allowedStatuses": ["STATUS_SUCCESS", "STATUS_RUNNING", "STATUS_UNKNOWN"],
            "colParams": [
                {"metric": name, "includeInResult": True},
                *({"hparam": hparam, "includeInResult": True} for hparam in infos),
            ],
        },
    )
    found = {}
    for group in answer["sessionGroups"]:
        (session,) = group["sessions"]
        assert group["name"] == f"{workdir.name}/{group['hparams']['critic']}"
        assert session["status"] == "STATUS_SUCCESS"
        (metric,) = [m for m in session["metricValues"] if m["name"] == name]
        found[group["hparams"]["critic"]] = metric["value"], group["hparams"]
    assert found.keys() == {"bilinear", "mlp"}
    assert found["mlp"][1]["target"] == 1.5
    assert "target" not in found["bilinear"][1]
    for run, (accuracy, values) in found.items():
        last = runs.read_metrics(workdir / run / "metrics.csv")[-1]
        assert accuracy == pytest.approx(last["probe_accuracy"], rel=1e-6)
        assert values["encoder_units"] == "(24,)"
