import contextlib
import importlib.util
import math
import sys
import types

import keras
import numpy as np
import pytest

import keras_infomax as kim
from keras_infomax import plots
from keras_infomax.plots import drawing, matrices

RANDOM = np.random.default_rng(0)
X, Y = (RANDOM.normal(size=(40, 6)).astype("float32") for _ in range(2))


def lines(axes):
    """Label of each curve, with its points."""
    return {
        line.get_label(): list(zip(*map(list, line.get_data()), strict=True))
        for line in axes.lines
    }


def test_a_history_is_drawn_over_epochs_with_ceiling_and_baseline():
    history = {
        "loss": [-0.5, -1.5, -2.5],
        "mi": [0.5, 1.5, 2.5],
        "val_mi": [0.25, 1.0, 1.75],
        "probe_accuracy": [0.5, math.nan, 0.75],
    }
    figure = plots.history(history, ceiling=4.0, baseline=0.625)
    information, accuracy = figure.axes
    assert lines(information) == {
        "training batches": [(1, 0.5), (2, 1.5), (3, 2.5)],
        "held out": [(1, 0.25), (2, 1.0), (3, 1.75)],
        "ceiling": [(1, 4.0), (2, 4.0), (3, 4.0)],
    }
    # What was not measured is no point.
    assert lines(accuracy) == {
        "encodings": [(1, 0.5), (3, 0.75)],
        "raw views": [(1, 0.625), (2, 0.625), (3, 0.625)],
    }
    assert (information.get_xlabel(), information.get_ylabel()) == (
        "epoch",
        "mutual information, nats",
    )


def test_the_history_of_fit_keeps_its_epochs():
    model = kim.InfoMax(kim.encoders.mlp((6,), (8,), 4))
    model.compile("adam", "vicreg")
    history = model.fit((X, Y), batch_size=20, epochs=5, initial_epoch=3, verbose=0)
    (axes,) = plots.history(history).axes
    # No estimate of information, and no probe: one panel.
    values = history.history["loss"]
    assert lines(axes) == {"training batches": [(4, values[0]), (5, values[1])]}
    assert axes.get_ylabel() == "loss"


def test_rows_of_metrics_and_other_probes_are_drawn_by_name():
    rows = [
        {"step": 0, "val_mi": 0.0, "near_accuracy": 0.5, "near_raw": 0.25},
        {"step": 8, "val_mi": 1.0, "near_accuracy": None, "near_raw": 0.25},
        {"step": 16, "val_mi": 2.0, "near_accuracy": 0.75, "near_raw": 0.25},
    ]
    information, accuracy = plots.history(rows).axes
    assert lines(information) == {"held out": [(0, 0.0), (8, 1.0), (16, 2.0)]}
    assert lines(accuracy) == {
        "near": [(0, 0.5), (16, 0.75)],
        "near, raw views": [(0, 0.25), (8, 0.25), (16, 0.25)],
    }
    colors = {line.get_color() for line in accuracy.lines}
    assert len(colors) == 1


@pytest.mark.parametrize(
    "history", [{}, {"mi": 3.0}, {"mi": [1.0], "loss": [1.0, 2.0]}, [], [{"mi": 1}], 3]
)
def test_what_is_no_history_is_refused(history):
    with pytest.raises(ValueError, match="^history must be"):
        plots.history(history)


def scored(loss="infonce"):
    model = kim.InfoMax(kim.encoders.mlp((6,), (8,), 4), critic="inner_product")
    model.compile("adam", loss)
    return model


def test_scores_are_drawn_as_they_are():
    model = scored()
    expected = keras.ops.convert_to_numpy(model((X, Y)))
    matrix, shares, *_ = plots.scores(model, (X, Y)).axes
    np.testing.assert_allclose(matrix.images[0].get_array(), expected, rtol=1e-6)
    off = ~np.eye(40, dtype=bool)
    edges = np.histogram_bin_edges(expected, 40)
    for label, values in (
        ("true pairs", np.diagonal(expected)),
        ("all others", expected[off]),
    ):
        (bars,) = (c for c in shares.containers if c[0].get_label() == label)
        counts, _ = np.histogram(values, edges)
        heights = [bar.get_height() for bar in bars]
        np.testing.assert_allclose(heights, counts / len(values), atol=1e-6)


def test_large_batches_are_scored_in_part():
    many = np.concatenate([X] * 8)
    matrix, *_ = plots.scores(scored(), (many, many)).axes
    assert matrix.images[0].get_array().shape == (256, 256)


@pytest.mark.parametrize(
    ("model", "views", "argument"),
    [
        (scored("vicreg"), (X, Y), "model"),
        (keras.layers.Dense(3), (X, Y), "model"),
        (scored(), (), "views"),
        (scored(), 3, "views"),
        (scored(), (X[:0], Y[:0]), "views"),
    ],
)
def test_what_has_no_scores_is_refused(model, views, argument):
    with pytest.raises(ValueError, match=f"^{argument} must be"):
        plots.scores(model, views)


def test_encodings_are_drawn_by_their_principal_components():
    # Three axes, of which the second varies most and the first hardly.
    encoded = np.zeros((4, 3), "float32")
    encoded[:, 1] = [-3, 3, -1, 1]
    encoded[:, 2] = [-0.5, 0.5, 1.5, -1.5]
    encoded += 7
    figure = plots.encodings(keras.layers.Identity(), encoded, ["a", "b", "a", "b"])
    (axes,) = figure.axes
    found = {
        points.get_label(): np.asarray(points.get_offsets())
        for points in axes.collections
    }
    assert list(found) == ["a", "b"]
    values = np.concatenate([found["a"], found["b"]])
    rows = encoded[[0, 2, 1, 3], 1:] - 7
    covariance = np.cov(rows.T, bias=True)
    shares, directions = np.linalg.eigh(covariance)
    np.testing.assert_allclose(values.var(axis=0), shares[::-1], rtol=1e-5)
    for column, direction in zip(values.T, directions.T[::-1], strict=True):
        sign = np.sign(direction[np.abs(direction).argmax()])
        np.testing.assert_allclose(column, rows @ direction * sign, atol=1e-5)
    share = 100 * shares[1] / shares.sum()
    assert axes.get_xlabel() == f"first component, {share:.0f} % of the variance"


def test_encodings_of_a_model_are_those_of_its_first_encoder():
    model = scored()
    (axes,) = plots.encodings(model, X).axes
    (alone,) = plots.encodings(model.encoder_x, X).axes
    points, expected = (
        np.asarray(a.collections[0].get_offsets()) for a in (axes, alone)
    )
    assert points.shape == (40, 2)
    np.testing.assert_array_equal(points, expected)


@pytest.mark.parametrize("size", [1, 2])
def test_collapsed_encodings_are_one_point(size):
    (axes,) = plots.encodings(keras.layers.Identity(), np.ones((5, size), "f4")).axes
    np.testing.assert_array_equal(axes.collections[0].get_offsets(), np.zeros((5, 2)))


def test_numbers_have_a_scale():
    values = np.linspace(0, 1, 40)
    axes, scale = plots.encodings(keras.layers.Identity(), X, values).axes
    np.testing.assert_array_equal(axes.collections[0].get_array(), values)
    assert scale.get_ylabel() == "label"


@pytest.mark.parametrize(
    ("views", "labels", "message"),
    [
        (X, np.zeros(3), "labels must be numbers or texts of shape"),
        (X, np.zeros((40, 2)), "labels must be numbers or texts of shape"),
        (X, [str(i) for i in range(40)], "labels must be at most 20 different"),
        (X[:1], None, "views must have at least 2 rows"),
    ],
)
def test_what_is_no_map_is_refused(views, labels, message):
    with pytest.raises(ValueError, match=message):
        plots.encodings(keras.layers.Identity(), views, labels)


@contextlib.contextmanager
def without(name, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(
            "importlib.util.find_spec",
            lambda found, *_, original=None: None if found == name else sys,
        )
        yield


@pytest.mark.parametrize(
    "draw",
    [
        lambda: plots.history({"mi": [1.0]}),
        lambda: plots.scores(scored(), (X, Y)),
        lambda: plots.encodings(keras.layers.Identity(), X),
        lambda: kim.callbacks.LiveCurves(),
    ],
)
def test_without_matplotlib_one_line_says_what_to_install(draw, monkeypatch):
    with without("matplotlib", monkeypatch):
        with pytest.raises(ImportError, match=r'pip install "keras_infomax\[plots\]"'):
            draw()


def test_without_umap_one_line_says_what_to_install(monkeypatch):
    with without("umap", monkeypatch):
        with pytest.raises(ImportError, match="pip install umap-learn"):
            plots.encodings(keras.layers.Identity(), X, method="umap")


def test_umap_is_drawn_if_it_is_installed(monkeypatch):
    # What it brings would hold NumPy back; so a stand-in that takes what it is given.
    class UMAP:
        def __init__(self, n_neighbors, random_state, n_jobs):
            assert (n_neighbors, random_state, n_jobs) == (min(15, len(X) - 1), 0, 1)

        def fit_transform(self, encoded):
            return encoded[:, :2] + 1

    module = types.ModuleType("umap")
    module.UMAP, module.__spec__ = UMAP, importlib.util.spec_from_loader("umap", None)
    monkeypatch.setitem(sys.modules, "umap", module)
    (axes,) = plots.encodings(keras.layers.Identity(), X, method="umap").axes
    np.testing.assert_allclose(axes.collections[0].get_offsets(), X[:, :2] + 1)
    assert axes.get_xlabel() == "first UMAP axis"


def test_figures_are_pictures_in_notebooks_and_leave_pyplot_alone(tmp_path):
    figure = plots.history({"mi": [1.0, 2.0]})
    assert figure._repr_png_().startswith(b"\x89PNG")
    drawing.save(figure, tmp_path / "curves.svg")
    assert (tmp_path / "curves.svg").read_text().startswith("<?xml")
    assert [*tmp_path.iterdir()] == [tmp_path / "curves.svg"]
    # pyplot, which keeps its figures for ever, numbers them.
    assert not hasattr(figure, "number")


def test_pairs_are_split_by_their_partners():
    scores = np.arange(12.0).reshape(3, 4)
    scores[1, 1] = -np.inf
    true, others = matrices.split([2, 0, 3], scores)
    assert true.tolist() == [2, 4, 11]
    assert others.tolist() == [0, 1, 3, 6, 7, 8, 9, 10]
