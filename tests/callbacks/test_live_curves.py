import sys
import types

import numpy as np
import pytest

import keras_infomax as kim
from keras_infomax.callbacks import LinearProbe, LiveCurves
from keras_infomax.plots import drawing

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(64, 6)).astype("float32")
Y = (X + 0.1 * RANDOM.normal(size=X.shape)).astype("float32")
LABELS = (X[:, 0] > 0).astype(int)


def infomax():
    model = kim.InfoMax(kim.encoders.mlp((6,), (8,), 4))
    model.compile("adam", "infonce")
    return model


def fit(callbacks, epochs=3):
    return infomax().fit(
        (X, Y), batch_size=16, epochs=epochs, callbacks=callbacks, verbose=0
    )


@pytest.fixture
def notebook(monkeypatch):
    """What is displayed, as if Jupyter had started this process."""
    displayed = []
    # Matplotlib looks at IPython once, with the first figure, and this is none.
    drawing.new_figure(1, 1)

    class Handle:
        def update(self, figure):
            displayed.append(("update", figure))

    def display(figure, display_id):
        displayed.append(("display", figure))
        return Handle()

    shell = types.ModuleType("IPython")
    shell.get_ipython = lambda: types.SimpleNamespace(kernel=object())
    shell.display = types.SimpleNamespace(display=display)
    monkeypatch.setitem(sys.modules, "IPython", shell)
    return displayed


def points(axes):
    return {line.get_label(): line.get_xydata().tolist() for line in axes.lines}


def test_one_picture_changes_and_ends_as_the_history(notebook):
    probe = LinearProbe((X, LABELS), (X, LABELS), every=2)
    history = fit([probe, LiveCurves(probe, batch_size=16, seconds=0)]).history
    # One after every epoch, and one at the end.
    assert [kind for kind, _ in notebook] == ["display", *["update"] * 3]
    information, accuracy = notebook[-1][1].axes
    mi = [[epoch, value] for epoch, value in enumerate(history["mi"], 1)]
    assert points(information) == {
        "training batches": mi,
        "ceiling": [[epoch, np.log(16)] for epoch in range(4)],
    }
    assert points(accuracy) == {
        "encodings": [list(pair) for pair in probe.history],
        "raw views": [[epoch, probe.raw_baseline] for epoch in range(4)],
    }
    assert [position for position, _ in probe.history] == [0, 1, 2]


def test_pictures_are_no_more_frequent_than_asked(notebook):
    fit([LiveCurves(seconds=3600)])
    # After the first epoch, and at the end.
    assert [kind for kind, _ in notebook] == ["display", "update"]
    (axes,) = notebook[-1][1].axes
    assert list(points(axes)) == ["training batches"]


def test_a_second_fit_has_a_picture_of_its_own(notebook):
    live = LiveCurves(seconds=3600)
    for _ in range(2):
        fit([live], epochs=1)
    assert [kind for kind, _ in notebook] == ["display", "update"] * 2
    (axes,) = notebook[-1][1].axes
    assert len(points(axes)["training batches"]) == 1


def test_a_file_is_drawn_without_a_notebook(tmp_path):
    path = tmp_path / "curves.png"
    fit([LiveCurves(path=path)])
    assert path.read_bytes().startswith(b"\x89PNG")
    assert [*tmp_path.iterdir()] == [path]


def test_nowhere_to_draw_is_refused():
    with pytest.raises(ValueError, match="^path must be a file"):
        fit([LiveCurves()])


def test_a_probe_that_comes_later_is_refused(tmp_path):
    probe = LinearProbe((X, LABELS), (X, LABELS))
    live = LiveCurves(probe, path=tmp_path / "curves.png")
    with pytest.raises(ValueError, match="^probe must be .* listed before"):
        fit([live, probe])


def test_steps_go_on_running_several_in_a_call(tmp_path):
    live = LiveCurves(path=tmp_path / "curves.png")
    calls = []

    class Counting(kim.InfoMax):
        def make_train_function(self, force=False):
            calls.append(self.steps_per_execution)
            return super().make_train_function(force)

    model = Counting(kim.encoders.mlp((6,), (8,), 4))
    model.compile("adam", "infonce", steps_per_execution=4)
    model.fit((X, Y), batch_size=16, callbacks=[live], verbose=0)
    assert calls == [4]
