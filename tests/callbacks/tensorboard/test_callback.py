import copy
import math

import keras
import keras_tuner
import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import text_format
from run_checks import hyper_parameters_of, logged
from tensorboard.plugins.projector import ProjectorConfig

import keras_infomax as kim
from keras_infomax.callbacks import LinearProbe, Probes, TensorBoard
from keras_infomax.callbacks.tensorboard import event_files, projector, score_summaries
from keras_infomax.execution import strategies


def labelled(rows, seed):
    """Three classes of float32 views `(rows, 2, 4)`."""
    random = np.random.default_rng(seed)
    labels = random.integers(3, size=rows)
    centres = np.random.default_rng(99).normal(size=(3, 2, 4))
    return (centres[labels] + random.normal(size=(rows, 2, 4))).astype("f4"), labels


TRAIN, TEST = labelled(60, seed=0), labelled(40, seed=1)
VIEWS = (TEST[0][:8], TEST[0][8:16])


def infomax(**options):
    model = kim.InfoMax(kim.encoders.mlp((2, 4), hidden_units=(8,), output_dim=2))
    model.compile(keras.optimizers.Adam(0.01), loss=kim.losses.InfoNCE(), **options)
    model.optimizer.build(model.trainable_variables)
    return model


def pairs():
    """Four batches of eight pairs of views."""
    x, _ = labelled(32, seed=2)
    noise = np.random.default_rng(3).normal(size=x.shape).astype("float32")
    return tf.data.Dataset.from_tensor_slices(((x, x + noise / 2),)).batch(8)


def fit(callbacks, model=None, epochs=3, **options):
    model = model or infomax()
    return model.fit(
        pairs(),
        epochs=epochs,
        verbose=0,
        callbacks=callbacks,
        **options,
    )


def steps(log_dir):
    """Steps of every tag of every run."""
    return {
        run: {tag: [step for step, _ in values] for tag, values in tags.items()}
        for run, tags in logged(log_dir).items()
    }


def test_the_logs_are_shown_with_ceiling_and_baseline(tmp_path):
    probe = LinearProbe(TRAIN, TEST)
    board = TensorBoard(tmp_path, VIEWS, probe)
    history = fit([probe, board], validation_data=pairs().take(2)).history
    found = logged(tmp_path)
    places = {
        ("train", "loss"): history["loss"],
        ("train", "mi"): history["mi"],
        ("held_out", "loss"): history["val_loss"],
        ("held_out", "mi"): history["val_mi"],
        ("held_out", "probe_accuracy"): history["probe_accuracy"],
        ("held_out", "probe_information"): history["probe_information"],
        ("ceiling", "mi"): [math.log(8)] * 3,
        ("raw_views", "probe_accuracy"): [probe.raw_baseline] * 3,
    }
    assert {
        (run, tag) for run, tags in found.items() for tag in tags if run != "examples"
    } == set(places)
    for (run, tag), values in places.items():
        assert found[run][tag] == list(
            zip([4, 8, 12], map(pytest.approx, values), strict=True)
        )


def test_several_probes_have_a_baseline_each(tmp_path):
    probe = Probes(TRAIN, TEST, {"near": "neighbours", "line": "linear"})
    history = fit([probe, TensorBoard(tmp_path, probe=probe)], epochs=1).history
    found = logged(tmp_path)
    for name in ("near", "line"):
        tag = f"{name}_accuracy"
        assert found["held_out"][tag] == [(4, pytest.approx(history[tag][0]))]
        baseline = probe.raw_baseline[name].accuracy
        assert found["raw_views"][tag] == [(4, pytest.approx(baseline))]
    assert "ceiling" not in found


@pytest.mark.parametrize(
    ("epochs", "every", "looks"),
    [(20, None, range(0, 21, 2)), (3, None, range(4)), (5, 3, [0, 3, 5])],
)
def test_scores_are_looked_at_ten_times_or_as_often_as_asked(
    epochs, every, looks, tmp_path
):
    fit([TensorBoard(tmp_path, VIEWS, every=every)], epochs=epochs)
    (found,) = [tags for run, tags in steps(tmp_path).items() if run == "examples"]
    assert set(found) == {
        "scores/true_pairs",
        "scores/other_pairs",
        "scores/matrix",
    }
    for at in found.values():
        assert at == [4 * epoch for epoch in looks]


def test_a_model_of_several_terms_shows_each(tmp_path):
    inputs = [keras.Input((2, 4)), keras.Input((2, 4))]
    encoder = kim.encoders.mlp((2, 4), hidden_units=(8,), output_dim=3)
    x, y = map(encoder, inputs)
    model = kim.InfoMax(
        network=keras.Model(inputs, {"x": x, "y": y}),
        terms=[kim.Term("x", "y", "inner_product"), kim.Term("y", "x", "bilinear")],
    )
    model.compile("adam", loss=kim.losses.InfoNCE())
    history = fit([TensorBoard(tmp_path, VIEWS)], model, epochs=1).history
    found = logged(tmp_path)
    assert {tag.rpartition("/")[0] for tag in found["examples"]} == {
        "scores/x_y",
        "scores/y_x",
    }
    assert set(found) == {"train", "ceiling", "examples"}
    # That of both terms, whose columns are the rows of the views.
    most = pytest.approx(2 * np.log(len(VIEWS[0])))
    assert found["ceiling"]["mi"] == [(4, most)]
    for tag in ("mi", "mi/x_y", "mi/y_x"):
        metric = tag.replace("mi/", "mi_").replace("mi", "mi")
        assert found["train"][tag] == [(4, pytest.approx(history[metric][0]))]


def test_showing_does_not_change_training(tmp_path):
    weights = []
    for watching in ([], [TensorBoard(tmp_path, VIEWS)]):
        keras.utils.set_random_seed(1)
        model = infomax()
        fit(watching, model)
        weights.append(model.get_weights())
    for without, shown in zip(*weights, strict=True):
        np.testing.assert_array_equal(without, shown)


def test_a_run_that_goes_on_has_every_step_once(tmp_path):
    keras.utils.set_random_seed(1)
    model, saved = infomax(), tmp_path / "state.weights.h5"
    board = TensorBoard(tmp_path / "logs", VIEWS)
    fit([board], model, epochs=2)
    model.save_weights(saved)
    fit([board], model, epochs=4, initial_epoch=2)
    whole = logged(tmp_path / "logs")

    # As if the process had died after the fourth epoch, before it saved anything.
    torn = max((tmp_path / "logs" / "train").glob("events*"))
    torn.write_bytes(torn.read_bytes()[:-7])
    resumed = infomax()
    resumed.load_weights(saved)
    again = TensorBoard(tmp_path / "logs", VIEWS)
    fit([again], resumed, epochs=4, initial_epoch=2)
    found = logged(tmp_path / "logs")
    for run, tags in whole.items():
        for tag, values in tags.items():
            for (step, a), (step_again, b) in zip(values, found[run][tag], strict=True):
                assert step == step_again
                np.testing.assert_array_equal(a, b)
    assert steps(tmp_path / "logs")["train"]["loss"] == [4, 8, 12, 16]


def test_a_new_model_in_the_same_folder_starts_afresh(tmp_path):
    for epochs in (3, 1):
        fit([TensorBoard(tmp_path, VIEWS)], epochs=epochs)
    found = steps(tmp_path)
    assert found["train"]["loss"] == found["ceiling"]["mi"] == [4]
    assert found["examples"]["scores/matrix"] == [0, 4]


def test_files_of_others_are_kept(tmp_path):
    """A log directory may be one of data, with folders of the names of our runs."""
    for name in ("train/0/digit.png", "examples/notes.txt", "model.hparams"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("mine")
    probe = LinearProbe(TRAIN, TEST)
    for last in (probe, None):
        board = TensorBoard(tmp_path, VIEWS, last, hyper_parameters={"a": 1})
        fit([probe, board], epochs=1)
        projected = tmp_path / "examples" / "projector_config.pbtxt"
        assert projected.exists() == (last is not None)
    for name in ("train/0/digit.png", "examples/notes.txt", "model.hparams"):
        assert (tmp_path / name).read_text() == "mine"
    assert steps(tmp_path)["train"]["loss"] == [4]


def test_events_behind_a_tear_and_after_a_step_are_dropped(tmp_path):
    writers = event_files.RunWriters(tmp_path)
    for step in (0, 5, 10):
        writers.write_scalars("train", step, {"loss": step / 10})
    writers.close()
    (path,) = (tmp_path / "train").iterdir()
    path.write_bytes(path.read_bytes()[:-3])
    (tmp_path / "train" / f".{path.name}").write_bytes(path.read_bytes())
    assert event_files.keep_until(tmp_path / "train", 5)
    assert logged(tmp_path) == {"train": {"loss": [(0, 0.0), (5, 0.5)]}}
    assert [p.name for p in (tmp_path / "train").iterdir()] == [path.name]
    assert event_files.keep_until(tmp_path / "train", 0)
    assert logged(tmp_path)["train"]["loss"] == [(0, 0.0)]
    assert not event_files.keep_until(tmp_path / "train", -1)
    assert not (tmp_path / "train").exists()
    assert not event_files.keep_until(tmp_path / "nowhere", 7)


@pytest.mark.slow
def test_two_replicas_show_what_one_device_does(strategy, tmp_path):
    for name, scope in (
        ("one", tf.distribute.get_strategy().scope()),
        ("two", strategy.scope()),
    ):
        keras.utils.set_random_seed(1)
        with scope:
            model = infomax()
        fit([TensorBoard(tmp_path / name, VIEWS)], model, epochs=1)
    one, two = logged(tmp_path / "one"), logged(tmp_path / "two")
    assert one.keys() == two.keys()
    for run, tags in one.items():
        for tag, values in tags.items():
            if tag != "scores/matrix":
                for (step, a), (also, b) in zip(values, two[run][tag], strict=True):
                    assert step == also
                    np.testing.assert_allclose(a, b, atol=1e-4)


def test_only_the_chief_writes(tmp_path, monkeypatch):
    monkeypatch.setattr(strategies, "is_chief", lambda strategy: False)
    probe = LinearProbe(TRAIN, TEST)
    board = TensorBoard(tmp_path, VIEWS, probe, None, {"a": 1}, profile_steps=2)
    fit([probe, board])
    assert not list(tmp_path.iterdir())


def test_a_used_callback_can_be_copied(tmp_path):
    probe = LinearProbe(TRAIN, TEST)
    board = TensorBoard(tmp_path / "one", VIEWS, probe, hyper_parameters={"a": 1})
    fit([probe, board], epochs=2)
    copied_probe, copied = copy.deepcopy([probe, board])
    assert copied.probe is copied_probe
    assert copied.views[0] is VIEWS[0]
    copied.log_dir = str(tmp_path / "two")
    fit([copied_probe, copied], epochs=1)
    assert steps(tmp_path / "one")["train"]["loss"] == [4, 8]
    assert steps(tmp_path / "two")["train"]["loss"] == [4]


class Searched(keras_tuner.HyperModel):
    def build(self, hp):
        model = infomax()
        model.optimizer.learning_rate = hp.Choice("learning_rate", [0.01, 0.1])
        return model

    def fit(self, hp, model, *args, **kwargs):
        return model.fit(*args, **kwargs)


@pytest.mark.slow
@pytest.mark.filterwarnings(r"ignore:(currentThread|getName)\(\) is:DeprecationWarning")
def test_keras_tuner_shows_a_run_and_its_hyper_parameters_for_each_trial(tmp_path):
    tuner = keras_tuner.GridSearch(
        Searched(),
        objective=keras_tuner.Objective("mi", "max"),
        directory=tmp_path / "search",
    )
    board = TensorBoard(tmp_path / "logs", VIEWS)
    tuner.search(pairs(), epochs=2, callbacks=[board], verbose=0)
    folders = sorted((tmp_path / "logs").glob("*/execution0"))
    assert len(folders) == 2
    rates = [
        value["learning_rate"] for f in folders for value in hyper_parameters_of(f)
    ]
    assert sorted(rates) == [0.01, 0.1]
    for folder in folders:
        assert steps(folder)["train"]["mi"] == [4, 8]


def test_a_resumed_run_is_one_session(tmp_path):
    for _ in range(2):
        fit([TensorBoard(tmp_path, hyper_parameters={"rate": 0.5})], epochs=1)
    assert hyper_parameters_of(tmp_path) == [{"rate": 0.5}]


def test_steps_are_profiled_on_request(tmp_path):
    fit([TensorBoard(tmp_path, profile_steps=2)])
    (profile,) = (tmp_path / "plugins" / "profile").glob("*/*.xplane.pb")
    assert b"MatMul" in profile.read_bytes()


def test_pictures_show_scores_by_their_size():
    scores = np.zeros((2, 4), "float32")
    scores[0, 1], scores[1, 2] = 9, -np.inf
    image = score_summaries.picture(scores)
    assert image.shape == (64, 128, 3)
    cells = image[::32, ::32]
    np.testing.assert_array_equal(cells[0, 1], [253, 231, 37])
    np.testing.assert_array_equal(cells[0, 0], [68, 1, 84])
    np.testing.assert_array_equal(cells[1, 2], [200, 200, 200])
    assert score_summaries.picture(np.zeros((300, 900))).shape == (256, 256, 3)
    true, others = score_summaries.split([[1, 0], [2, 3]], scores)
    assert sorted(true) == [0, 0, 9]
    assert sorted(others) == [0] * 4


def test_sprites_hold_images_row_by_row():
    images = np.arange(5 * 2 * 3, dtype="float32").reshape(5, 2, 3, 1)
    sheet = projector.sprite(images)
    assert sheet.shape == (6, 9, 1)
    expected = np.round(255 * images / 29)
    for row in range(5):
        top, left = 2 * (row // 3), 3 * (row % 3)
        np.testing.assert_array_equal(
            sheet[top : top + 2, left : left + 3], expected[row]
        )
    assert not sheet[2:4, 6:].any()  # 5 images on 9 places.


@pytest.mark.parametrize(
    ("shape", "shown"),
    [
        ((5, 2, 3, 1), [3, 2]),
        ((5, 3, 6000, 1), [2000, 1]),
        ((5, 3), []),
        ((5, 3, 3, 2), []),
    ],
)
def test_images_are_shown_no_larger_than_a_browser_can(shape, shown, tmp_path):
    views = np.zeros(shape, "float32")
    projector.write(tmp_path, np.zeros((5, 2)), np.arange(5), views)
    config = ProjectorConfig()
    text_format.Parse((tmp_path / "projector_config.pbtxt").read_text(), config)
    assert config.embeddings[0].sprite.single_image_dim == shown
    assert (tmp_path / "sprite.png").exists() == bool(shown)
    if shown:
        sheet = tf.io.decode_png((tmp_path / "sprite.png").read_bytes())
        assert sheet.shape == (3 * shown[1], 3 * shown[0], 1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"every": 0}, "every must be a positive integer, or None; received 0"),
        ({"profile_steps": -1}, "profile_steps must be an integer of at least 0"),
        ({"probe": "linear"}, "probe must be a LinearProbe or Probes callback"),
    ],
)
def test_bad_arguments_are_refused(options, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        TensorBoard(tmp_path, **options)


def test_views_are_refused_for_a_model_without_scores(tmp_path):
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
    model.compile("sgd", loss="mse")
    with pytest.raises(ValueError, match="views must be None for a model that scores"):
        model.fit(
            np.ones((8, 4)), np.ones((8, 3)), callbacks=[TensorBoard(tmp_path, VIEWS)]
        )


def test_any_model_shows_its_scalars(tmp_path):
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
    model.compile("sgd", loss="mse")
    history = model.fit(
        np.ones((8, 4)), np.ones((8, 3)), verbose=0, callbacks=[TensorBoard(tmp_path)]
    ).history
    expected = [(1, pytest.approx(history["loss"][0]))]
    assert logged(tmp_path) == {"train": {"loss": expected}}
