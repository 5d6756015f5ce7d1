import dataclasses
import json
import math
import shutil

import keras
import numpy as np
import pytest
from PIL import Image
from run_checks import SMALL, assert_same_run, assert_same_summaries, summaries

import keras_infomax as kim
from keras_infomax import datasets, measures, private, training
from keras_infomax.execution import fusion, plan
from keras_infomax.training import comparison, experiments, runs
from keras_infomax.training.experiments import measuring, parts
from keras_infomax.training.settings import Settings


@pytest.fixture(scope="module", autouse=True)
def short_executions():
    """Lets a process die between the executions of one evaluation interval."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plan, "_FEWEST_TO_GROUP", 1)
        patch.setattr(plan, "_MOST_STEPS", 2)
        yield


@pytest.fixture(scope="module")
def finished(tmp_path_factory, digits):
    """An uninterrupted run."""
    workdir = tmp_path_factory.mktemp("finished")
    training.train(SMALL, workdir, digits)
    return workdir


def scalars(workdir):
    """Every scalar of the event files: {run: {tag: [(step, value), ...]}}."""
    return {
        run: {t: [(s, float(v)) for s, v in values] for t, values in tags.items()}
        for run, tags in summaries(workdir).items()
        if run != "examples"
    }


def snapshot(workdir):
    return {
        str(path): (path.stat().st_mtime_ns, path.stat().st_size)
        for path in workdir.rglob("*")
    }


def test_leaves_the_promised_files(finished):
    names = {path.name for path in finished.iterdir()}
    assert names == {
        "checkpoints",
        "config.json",
        "curves.png",
        "metrics.csv",
        "model.keras",
        "tensorboard",
        "versions.json",
    }
    assert (finished / "curves.png").read_bytes()[:4] == b"\x89PNG"
    config = json.loads((finished / "config.json").read_text())
    assert config["steps"] == 24
    assert config["critic"] == "bilinear"
    assert len(list((finished / "checkpoints").iterdir())) == 2


def test_metrics_have_a_row_before_training_and_one_an_evaluation(finished):
    rows = runs.read_metrics(finished / "metrics.csv")
    assert [row["step"] for row in rows] == [0, 8, 16, 24]
    assert rows[0]["mi"] is None
    assert rows[-1]["mi"] > rows[1]["mi"]
    assert {row["mi_ceiling"] for row in rows} == {math.log(32)}
    assert len({row["raw_baseline"] for row in rows}) == 1


def test_metrics_are_those_of_the_saved_model(finished, digits):
    model = keras.saving.load_model(finished / "model.keras")
    assert int(model.optimizer.iterations) == 24
    last = runs.read_metrics(finished / "metrics.csv")[-1]
    halves = kim.views.Halves()
    held_out = datasets.pairs(digits.test_images, halves, 32, seed=0)
    results = model.evaluate(held_out, return_dict=True, verbose=0)
    assert results["mi"] == pytest.approx(last["val_mi"], rel=1e-5)

    def encodings(images):
        return model.predict(halves(datasets.to_float(images))[0], verbose=0)

    probe = kim.probes.LogisticProbe().fit(
        encodings(digits.train_images), digits.train_labels
    )
    accuracy = probe.score(encodings(digits.test_images), digits.test_labels)
    assert accuracy == pytest.approx(last["probe_accuracy"], abs=1 / 150)


def test_tensorboard_has_every_evaluation_once(finished):
    rows = runs.read_metrics(finished / "metrics.csv")
    found = scalars(finished)
    steps = {
        run: {t: [s for s, _ in v] for t, v in tags.items()}
        for run, tags in found.items()
    }
    assert steps == {
        "train": {"loss": [8, 16, 24], "mi": [8, 16, 24]},
        "held_out": {
            tag: [0, 8, 16, 24]
            for tag in ("loss", "mi", "probe_accuracy", "probe_information")
        },
        "ceiling": {"mi": [0, 8, 16, 24]},
        "raw_views": {"probe_accuracy": [0, 8, 16, 24]},
    }
    shown = summaries(finished)["examples"]
    assert {t: [s for s, _ in v] for t, v in shown.items()} == {
        f"scores/{kind}": [0, 8, 16, 24]
        for kind in ("true_pairs", "other_pairs", "matrix")
    }
    values = [value for _, value in found["held_out"]["mi"]]
    assert values == pytest.approx([row["val_mi"] for row in rows])


def test_a_finished_run_is_left_alone(finished, digits, capsys):
    before = snapshot(finished)
    last = training.train(SMALL, finished, digits)
    assert snapshot(finished) == before
    assert last == runs.read_metrics(finished / "metrics.csv")[-1]
    assert "finished already, at step 24" in capsys.readouterr().out


class Killed(BaseException):
    pass


# Where the process may die, as the function that never returns and its call's number.
MOMENTS = {
    "in the first steps": ("on_train_batch_end", 1),
    "between evaluations": ("on_train_batch_end", 5),
    "before a checkpoint": ("save", 2),
    "after a checkpoint": ("_write_metrics", 3),
    "before the curves": ("plot_curves", 1),
    "before the model is saved": ("save", 5),
}


def test_a_mistake_leaves_no_empty_workdir(digits, tmp_path):
    workdir = tmp_path / "run"
    for key, value in (("critic", "mpl"), ("views", "whole"), ("bound", "nwjj")):
        with pytest.raises(ValueError, match=key):
            training.train({**SMALL, key: value}, workdir, digits)
        assert not workdir.exists()
    # What was there before stays.
    workdir.mkdir()
    with pytest.raises(ValueError, match="critic"):
        training.train({**SMALL, "critic": "mpl"}, workdir, digits)
    assert workdir.is_dir()


@pytest.mark.parametrize("moment", list(MOMENTS))
def test_an_interrupted_run_ends_as_if_it_had_not_been(
    moment, finished, digits, tmp_path, monkeypatch
):
    name, count = MOMENTS[moment]
    owner = {
        "on_train_batch_end": kim.callbacks.StopOnNonFinite,
        "save": kim.InfoMax,
        "_write_metrics": runs.Run,
        "plot_curves": runs.plots,
    }[name]
    original, calls = getattr(owner, name), []

    def dies(*args, **kwargs):
        calls.append(args)
        if len(calls) == count:
            raise Killed
        return original(*args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(owner, name, dies)
        with pytest.raises(Killed):
            training.train(SMALL, tmp_path, digits)
    assert not (tmp_path / "model.keras").exists()
    training.train(SMALL, tmp_path, digits)
    assert_same_run(tmp_path, finished)
    assert_same_summaries(tmp_path, finished)


def test_an_interrupted_run_of_fused_steps_ends_as_if_it_had_not_been(
    digits, tmp_path, monkeypatch
):
    monkeypatch.setattr(plan, "_MOST_STEPS", 4)
    monkeypatch.setattr(plan, "_FEWEST_TO_GROUP", 16)
    monkeypatch.setattr(plan, "_FEWEST_TO_FUSE", 24)
    chosen = []
    fused_function = fusion.fused_function

    def remembered(model, step):
        chosen.append(model.steps_per_execution)
        return fused_function(model, step)

    monkeypatch.setattr(fusion, "fused_function", remembered)
    calm, killed = tmp_path / "calm", tmp_path / "killed"
    training.train(SMALL, calm, digits)
    with monkeypatch.context() as patch:
        patch.setattr(runs.Run, "finish", lambda *args: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            training.train(SMALL, killed, digits)
    # What is left to do is shorter than what is fused.
    shutil.rmtree(killed / "checkpoints" / "step-000000024")
    training.train(SMALL, killed, digits)
    assert chosen == [4, 4, 4]
    assert_same_run(killed, calm)


def test_a_damaged_checkpoint_is_passed_over(
    finished, digits, tmp_path, monkeypatch, capsys
):
    with monkeypatch.context() as patch:
        patch.setattr(runs.plots, "plot_curves", lambda *args: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            training.train(SMALL, tmp_path, digits)
    newest = tmp_path / "checkpoints" / "step-000000024" / "state.keras"
    newest.write_bytes(newest.read_bytes()[:2000])
    training.train(SMALL, tmp_path, digits)
    printed = capsys.readouterr().out
    assert "step-000000024 cannot be used and is skipped" in printed
    assert "at step 16 of 24" in printed
    assert_same_run(tmp_path, finished)
    assert_same_summaries(tmp_path, finished)


def test_another_config_is_refused_with_the_keys_that_differ(finished, digits):
    before = snapshot(finished)
    with pytest.raises(ValueError, match=r"another config \(critic: 'bilinear' there"):
        training.train({**SMALL, "critic": "mlp"}, finished, digits)
    assert snapshot(finished) == before


def test_a_workdir_that_cannot_be_written(digits, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match="workdir must be a writable folder"):
        training.train(SMALL, tmp_path / "file" / "run", digits)


def test_a_value_that_is_not_finite_stops_the_run(digits, tmp_path, monkeypatch):
    # Images are checked, so it is the view that breaks those with this mark.
    images = digits.train_images.copy()
    images[:, 0, 0] = 255

    def breaking(images):
        unmarked = keras.ops.ones_like(images) - images[:, :1, :1]
        return keras.ops.divide(images, unmarked)[:, :14], images[:, 14:]

    marked = dataclasses.replace(digits, train_images=images)
    monkeypatch.setattr(parts, "make_views", lambda settings: breaking)
    monkeypatch.setattr(measuring, "make_probes", lambda *args: [])
    # Of NaN, some processors' ReLU makes 0: then the weights alone tell.
    message = "in step 1 .*(the loss is nan|kernel holds NaN)"
    with pytest.raises(ValueError, match=message):
        training.train(SMALL, tmp_path, marked)
    rows = runs.read_metrics(tmp_path / "metrics.csv")
    assert [row["step"] for row in rows] == [0]
    assert len(list((tmp_path / "checkpoints").iterdir())) == 1
    assert not (tmp_path / "model.keras").exists()


def test_unlabelled_images_are_trained_on_without_a_probe(digits, tmp_path):
    unlabelled = datasets.from_arrays(
        (digits.train_images, None), (digits.test_images, None)
    )
    last = training.train({**SMALL, "bound": "nwj"}, tmp_path, unlabelled)
    assert last["probe_accuracy"] is None
    assert last["mi_ceiling"] is None
    assert last["step"] == 24
    config = json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))
    assert config["dataset"] == "arrays"


def test_images_of_one_class_are_trained_on_without_a_probe(digits, tmp_path, capsys):
    labels = np.zeros(300, int)
    alike = datasets.from_arrays(
        (digits.train_images, labels), (digits.test_images, labels[:150])
    )
    assert training.train(SMALL, tmp_path, alike)["probe_accuracy"] is None
    out = capsys.readouterr().out
    assert "No probe: all training examples of 'arrays' are of one class." in out


def test_a_folder_is_read_as_the_config_says(tmp_path, capsys):
    for number in range(30):
        path = tmp_path / "images" / f"{number % 3}" / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        image = np.full((8, 8, 1), 8 * number)
        keras.utils.save_img(path, image, scale=False)
    (tmp_path / "images" / "0" / "bad.png").write_text("no image")
    config = {**SMALL, "dataset": f"folder:{tmp_path}/images", "batch_size": 4}
    with pytest.raises(ValueError, match="0/bad.png cannot .*--config.on_error=skip"):
        training.train(config, tmp_path / "run")
    skipping = {**config, "on_error": "skip"}
    with pytest.raises(ValueError, match="holds no images.* --config.max_pixels=64"):
        training.train({**skipping, "max_pixels": 63}, tmp_path / "run")
    with pytest.raises(ValueError, match="--config.max_bytes=1920"):
        training.train({**skipping, "max_bytes": 1919}, tmp_path / "run")
    few = {**skipping, "batch_size": 16}
    with pytest.raises(ValueError, match="test images, 6; .*--config.batch_size=4"):
        training.train(few, tmp_path / "run")
    last = training.train(
        {**skipping, "max_pixels": 64, "max_bytes": 1920}, tmp_path / "run"
    )
    assert last["probe_accuracy"] is not None
    assert "30 images of 3 classes (0 10, 1 10, 2 10)" in capsys.readouterr().out


@pytest.mark.parametrize(
    "changes",
    [
        {"critic": "separable", "critic_units": (7,)},
        {"critic": "mlp", "bound": "nwj"},
        {"bound": "infonce", "target": 1.0},
        {"shared_encoder": True, "critic": "inner_product"},
        {"critic": "cosine", "temperature": 0.3},
        {"encoder": "convnet", "encoder_units": (4, 8), "views": "left_right"},
    ],
    ids=str,
)
def test_settings_reach_the_model(changes, digits):
    settings = kim.training.Settings.resolve({**SMALL, **changes})
    model = experiments.make_model(settings, digits, kim.views.get(settings.views))
    assert type(model.critic) is kim.critics.CRITICS[settings.critic]
    assert (model.encoder_y is model.encoder_x) == settings.shared_encoder
    shape = (28, 14, 1) if settings.views == "left_right" else (14, 28, 1)
    assert model.encoder_x.input_shape == (None, *shape)
    assert model.encoder_x.output_shape == (None, 12)
    if settings.critic_units:
        assert model.critic.hidden_units == settings.critic_units
    if settings.temperature:
        assert model.critic.temperature == settings.temperature
    loss = experiments.make_loss(settings)
    bound = getattr(loss, "bound", loss)
    assert isinstance(bound, kim.losses.LOSSES[settings.bound])
    assert getattr(loss, "target", None) == settings.target


NOISY = {
    **SMALL,
    "encoder_units": (64,),
    "steps": 8,
    "eval_every": 4,
    "noise": 0.1,
    "jacobian_rows": 3,
}


@pytest.mark.slow
def test_an_interrupted_noisy_run_ends_as_if_it_had_not_been(
    digits, tmp_path, monkeypatch
):
    calm, killed = tmp_path / "calm", tmp_path / "killed"
    training.train(NOISY, calm, digits)
    with monkeypatch.context() as patch:
        patch.setattr(runs.Run, "finish", lambda *args: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            training.train(NOISY, killed, digits)
    shutil.rmtree(killed / "checkpoints" / "step-000000008")
    training.train(NOISY, killed, digits)
    assert_same_run(killed, calm)

    rows = runs.read_metrics(calm / "metrics.csv")
    assert [row["singular_examples"] for row in rows] == [0, 0, 0]
    found = scalars(calm)["train"]["log_condition/60"]
    assert found == [
        (row["step"], pytest.approx(row["log_condition_60"])) for row in rows
    ]
    settings = kim.training.Settings.resolve(NOISY)
    _, conditions = experiments.infomax(settings, digits).measuring
    encoder = keras.saving.load_model(calm / "model.keras").encoder_x
    numbers = kim.encoders.log_condition_numbers(
        kim.encoders.jacobians(encoder, conditions.views)
    )
    assert sorted(numbers.values) == pytest.approx(
        [rows[-1][f"log_condition_{name}"] for name in ("min", "60", "max")]
    )


def test_everything_measured_is_measured_on_noisy_views(digits):
    settings = kim.training.Settings.resolve(NOISY)
    blank = dataclasses.replace(
        digits,
        train_images=np.zeros_like(digits.train_images),
        test_images=np.zeros_like(digits.test_images),
    )
    experiment = experiments.infomax(settings, blank)
    probe, conditions = experiment.measuring
    ((x, y),) = next(iter(experiment.held_out))
    np.testing.assert_array_equal(x, y)
    draws = [x, probe.train[0], probe.test[0], conditions.views]
    for noise in draws:
        assert np.std(noise) == pytest.approx(0.1, rel=0.1)
    assert len({np.asarray(noise)[0].tobytes() for noise in draws}) == 4
    again = experiments.infomax(settings, blank).measuring[0]
    np.testing.assert_array_equal(again.train[0], probe.train[0])


def test_noise_may_be_drawn_for_each_view(digits):
    settings = kim.training.Settings.resolve({**NOISY, "coupled_noise": False})
    views = experiments.make_views(settings)
    assert isinstance(views, kim.views.Noisy)
    assert not views.coupled


def test_the_same_settings_make_layers_of_the_same_names(digits):
    settings = Settings(batch_size=16)
    # On names of operations depends in which order TensorFlow adds terms up.
    names = []
    for _ in range(2):
        keras.layers.Dense(3)
        model = training.make_experiment(settings, digits).model
        names.append([layer.name for layer in private.layers(model)])
    assert names[0] == names[1]
    assert keras.layers.Dense(3).name not in names[0]


def test_condition_numbers_are_measured_on_training_images(digits):
    settings = kim.training.Settings.resolve({**SMALL, "jacobian_rows": 40})
    clean = kim.views.Halves()
    (conditions,) = measuring.make_condition_numbers(settings, digits, clean)
    images = {
        image.tobytes()
        for image in np.asarray(clean(datasets.to_float(digits.train_images))[0])
    }
    chosen = {view.tobytes() for view in conditions.views}
    assert len(chosen) == 40
    assert chosen <= images


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"batch_sise": 3},
            "Unknown config key 'batch_sise'. Did you mean 'batch_size'",
        ),
        ({"batch_size": 1}, "config.batch_size must be an integer of at least 2"),
        (
            {"steps": 20},
            "config.steps must be a multiple of config.eval_every.*"
            "--config.eval_every=4, or --config.steps=24",
        ),
        ({"learning_rate": 0.0}, "config.learning_rate must be positive"),
        ({"learning_rate": None}, "config.learning_rate must be positive.*None"),
        ({"encoder_units": 300}, "hidden_units must be positive integers"),
        ({"noise": -0.1}, "config.noise must be a finite number of at least 0"),
        ({"noise": math.inf}, "config.noise must be a finite number of at least 0"),
        ({"jacobian_rows": -1}, "config.jacobian_rows must be an integer of at least"),
        ({"jacobian_rows": 301}, "at most the number of training ex.*301, and 300"),
        ({"jacobian_rows": 301}, "Use --config.jacobian_rows=300 or fewer"),
        ({"experiment": "infomix"}, "Did you mean 'infomax'"),
        ({"encoder": "mpl"}, "Unknown encoder 'mpl'. Did you mean 'mlp'"),
        ({"critic": "bilinaer"}, "Unknown critic"),
        ({"bound": "infonse"}, "Unknown bound"),
        ({"views": "halfs"}, "Unknown views"),
        (
            {"critic_units": (3,)},
            "keyword arguments passed to BilinearCritic.*hidden_units",
        ),
        (
            {"temperature": 0.3},
            "keyword arguments passed to BilinearCritic.*temperature",
        ),
        ({"critic": "cosine", "temperature": 0.0}, "temperature must be positive"),
        ({"target": 4.0}, "batch size of at least 55"),
        ({"batch_size": 301}, "at most the number of training images, 300; received"),
        ({"batch_size": 151}, "at most the number of test images, 150; received 151"),
        # 128 fits both splits.
        ({"batch_size": 301}, "Use batches that fit, --config.batch_size=128, or more"),
        ({"batch_size": 151}, "Use batches that fit, --config.batch_size=128, or more"),
    ],
    ids=str,
)
def test_bad_configs_meet_one_clear_error(changes, message, digits, tmp_path):
    with pytest.raises(ValueError, match=message):
        training.train({**SMALL, **changes}, tmp_path, digits)
    # The mistake is mended in the same workdir.
    assert not list(tmp_path.iterdir())


def test_metrics_of_an_earlier_version_are_read(tmp_path):
    (tmp_path / "metrics.csv").write_text("step,mi\n0,\n8,1.5\n")
    first, second = runs.read_metrics(tmp_path / "metrics.csv")
    assert set(first) == set(measures.NAMES)
    assert (first["mi"], second["mi"], second["step"]) == (None, 1.5, 8)
    assert second["probe_accuracy"] is None
    (tmp_path / "metrics.csv").write_text("step,mi_x_y,entropy\n0,1,2\n")
    with pytest.raises(
        ValueError, match="must have the columns.*received step, mi_x_y, entropy"
    ):
        runs.read_metrics(tmp_path / "metrics.csv")


def test_a_probe_that_stops_early_is_recorded_beside_the_converged_one(
    digits, tmp_path
):
    last = training.train({**SMALL, "stopped_probe": True}, tmp_path, digits)
    model = keras.saving.load_model(tmp_path / "model.keras", compile=False)
    train, test = (
        (images[:, :14].astype("float32") / 255, labels)
        for images, labels in (
            (digits.train_images, digits.train_labels),
            (digits.test_images, digits.test_labels),
        )
    )
    stopped = {"stopped": kim.probes.LogisticProbe(solver="saga", tolerance=0.1)}
    for column, encoder in (
        ("stopped_accuracy", model.encoder_x),
        ("stopped_raw", None),
    ):
        found = kim.probes.judge(stopped, encoder, train, test)["stopped"]
        assert last[column] == found.accuracy
    assert last["stopped_accuracy"] != last["probe_accuracy"]


def test_a_folder_that_changed_is_told_from_that_of_the_run(tmp_path, capsys):
    draw = np.random.default_rng(0)
    for name in ("a", "b"):
        (tmp_path / "images" / name).mkdir(parents=True)
        for number in range(8):
            image = Image.fromarray(draw.integers(0, 256, (8, 8), "uint8"))
            image.save(tmp_path / "images" / name / f"{number}.png")
    config = {
        **SMALL,
        "dataset": f"folder:{tmp_path / 'images'}",
        "batch_size": 2,
        "steps": 4,
        "eval_every": 2,
    }
    training.train(config, tmp_path / "run")
    (tmp_path / "run" / "model.keras").unlink()
    shutil.rmtree(tmp_path / "run/checkpoints/step-000000004")
    image = (tmp_path / "images" / "a" / "3.png").rename(tmp_path / "aside.png")
    with pytest.raises(ValueError, match="The data are not those of .*run: images"):
        training.train(config, tmp_path / "run")
    with pytest.raises(ValueError, match="The data are not those of .*run: images"):
        comparison.FinishedRun.load(tmp_path / "run")
    image.rename(tmp_path / "images" / "a" / "3.png")
    assert training.train(config, tmp_path / "run")["step"] == 4
    assert "at step 2 of 4" in capsys.readouterr().out


def test_data_that_are_none_and_steps_to_profile_are_refused(tmp_path):
    for data in (3, "digits", [1], {}):
        with pytest.raises(ValueError, match="data must be an ImageDataset"):
            training.train(SMALL, tmp_path / "run", data)
    for steps in (None, "x", -1, 2.5, True):
        with pytest.raises(ValueError, match="profile_steps must be an integer"):
            training.train(SMALL, tmp_path / "run", profile_steps=steps)
    assert list(tmp_path.iterdir()) == []
