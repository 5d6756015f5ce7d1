"""The one recipe: settings and a workdir in, a trained and judged encoder out."""

import functools
import os
from collections.abc import Mapping
from typing import Any

import keras

from keras_infomax import (
    callbacks,
    checks,
    datasets,
    methods,
    models,
    plots,
    private,
)
from keras_infomax.execution import strategies
from keras_infomax.lazy_tensorflow import tf
from keras_infomax.training import experiments, layer_names, processes, runs
from keras_infomax.training.baselines import remember
from keras_infomax.training.experiments import adversarial, dependent, supervised
from keras_infomax.training.progress import Progress
from keras_infomax.training.settings import Settings

EXPERIMENTS = {
    "infomax": experiments.infomax,
    "supervised": supervised.supervised,
    "adversarial": adversarial.adversarial,
    "dependent": dependent.dependent,
    **{
        name: functools.partial(experiments.method, build=build)
        for name, build in methods.METHODS.items()
    },
}


def train(
    config: Mapping[str, Any],
    workdir: str | os.PathLike,
    data: datasets.Dataset | None = None,
    baselines: str | os.PathLike | None = None,
    profile_steps: int = 0,
) -> runs.Row:
    """Trains encoders by mutual information, and leaves everything in a workdir.

    Evaluates before the first step and every `eval_every` steps: MI on training
    batches and on held-out batches of the same size, and the accuracy of a linear
    probe on the encodings of view x, against the same probe on view x itself. Each
    evaluation is a checkpoint. Called again after it was interrupted, the run goes on
    and ends with the weights and metrics of an uninterrupted one; called again after
    it finished, it changes nothing. See `runs` for the files.

    Under the strategy `multi_worker` every worker calls this with the same arguments,
    and a workdir that all of them see: the chief alone writes there, and all resume
    from its checkpoints.

    Args:
        config: Keys and values of `settings.Settings`; what is left out is default.
        workdir: Folder of the run, made if it does not exist.
        data: Data set to use instead of loading `config.dataset`; its name is
            recorded. An unlabeled one is trained on without a probe.
        baselines: Folder in which runs on the same views share their raw baselines.
            By default each run fits its own.
        profile_steps: As for `callbacks.TensorBoard`.

    Returns:
        The last row of the metrics, or with `select="best"` the best one: `step`, `mi`
        and `val_mi` in nats, `mi_ceiling` (`None` where the bound has none),
        `probe_accuracy`, `raw_baseline`, ...

    Raises:
        ValueError: If the config or the data are unfit, the workdir belongs to another
            run or process, or to one on other data, or training meets a value that is
            not finite.
        OSError: If the workdir cannot be written to, or not any more.
        RuntimeError: If another worker is gone.

    Example:
        >>> train({"steps": 3000, "eval_every": 500}, "runs/digits")  # doctest: +SKIP
    """
    settings = experiments.named(Settings.resolve(config), data)
    checks.lookup("experiment", settings.experiment, EXPERIMENTS)
    # Before any operation of TensorFlow, or workers could not find each other.
    workdir = checks.path("workdir", workdir)
    checks.integer("profile_steps", profile_steps, least=0)
    if baselines is not None:
        baselines = checks.path("baselines", baselines, "runs/baselines")
    strategy = strategies.get(settings.strategy)
    chief = strategies.is_chief(strategy)
    run = runs.Run(workdir, settings.as_dict(), writes=chief)
    if run.finished:
        with run.saving():
            run.take_finished()
        print(f"{run.workdir} has finished already, at step {run.rows[-1]['step']}.")
        return run.result
    try:
        plots.check_installed()
        with processes.noted(lambda: f"at step {run.kept_step} of {settings.steps}"):
            return _train(run, settings, data, strategy, baselines, profile_steps)
    finally:
        # What a mistake in the settings leaves behind is empty.
        run.leave()


def _train(run, settings, data, strategy, baselines, profile_steps):
    """Trains a run to its end, from where it is."""
    chief = run.writes
    with strategy.scope():
        experiment = make_experiment(settings, data)
    model = experiment.model
    if strategy.num_replicas_in_sync > 1 and not isinstance(model, models.InfoMax):
        raise ValueError(
            f"The experiment {settings.experiment!r} trains on one device; received "
            f"strategy={settings.strategy!r}. Use strategy='one_device'."
        )
    if baselines is not None and chief:
        remember(experiment.measuring, baselines)
    progress = Progress(settings.steps, settings.eval_every)
    try:
        with run.saving():
            data = experiment.data
            step = run.restore(model, None if data is None else data.digest)
            if step:
                print(f"Resuming {run.workdir} at step {step} of {settings.steps}.")
            model.fit(
                experiment.batches(step, settings.steps - step),
                initial_epoch=step // settings.eval_every,
                epochs=settings.steps // settings.eval_every,
                steps_per_epoch=settings.eval_every,
                validation_data=experiment.held_out,
                callbacks=[
                    progress.opening,
                    callbacks.StopOnNonFinite(),
                    *experiment.measuring,
                    progress.measured,
                    _board(run, settings, experiment, profile_steps),
                    _Recorder(run, settings, experiment, progress),
                    progress,
                ],
                shuffle=False,
                verbose=0,
            )
            run.finish(model)
    except tf.errors.UnavailableError as error:
        raise RuntimeError(
            "A worker can no longer be reached, so this one stops, too. Repeat the "
            f"command on all workers: the run goes on from its last checkpoint in "
            f"{run.workdir}."
        ) from error
    finally:
        progress.clear()
        run.close()
    return run.result


def make_experiment(
    settings: Settings, data: datasets.Dataset | None = None
) -> experiments.Experiment:
    """What settings train, from their seed on: the same again with every call.

    Layers without a name get the same ones, too, on which rounding depends.

    Args:
        settings: Settings.
        data: Data set to use instead of loading `settings.dataset`.

    Returns:
        The experiment, its optimizer built.

    Raises:
        ValueError: If the settings or the data are unfit.
    """
    checks.instance(
        "settings",
        settings,
        Settings,
        "Settings",
        "Write, for example, settings=Settings(steps=3000).",
    )
    make = checks.lookup("experiment", settings.experiment, EXPERIMENTS)
    experiments.check_start(settings)
    private.set_random_seed(settings.seed)
    with layer_names.counted_anew():
        experiment = make(settings, data)
    experiment.model.optimizer.build(experiment.model.trainable_variables)
    return experiment


def _board(run, settings, experiment, profile_steps):
    """Shows all but the scalars, which the run makes of its own table."""
    probes = [c for c in experiment.measuring if isinstance(c, callbacks.LinearProbe)]
    views = None
    if isinstance(experiment.model, models.InfoMax) and experiment.held_out is not None:
        ((views,),) = experiment.held_out.take(1).as_numpy_iterator()
    return callbacks.TensorBoard(
        run.log_dir,
        views=views,
        probe=next(iter(probes), None),
        hyper_parameters=settings.as_dict(),
        profile_steps=profile_steps,
        log_scalars=False,
    )


class _Recorder(keras.callbacks.Callback):
    """Records each evaluation in the run, and tells of it.

    Comes after the measuring callbacks, whose results it records.
    """

    def __init__(self, run, settings, experiment, progress):
        super().__init__()
        self.run = run
        self.settings = settings
        self.experiment = experiment
        self.progress = progress
        probes = [c for c in experiment.measuring if isinstance(c, callbacks.Probes)]
        self._raw = "pixels" if all(p.of_images for p in probes) else "raw views"

    def on_epoch_begin(self, epoch, logs=None):
        if self.run.rows:
            return
        results = {}
        if self.experiment.held_out is not None:
            results = self.model.evaluate(
                self.experiment.held_out, return_dict=True, verbose=0
            )
            self.model.reset_metrics()  # Or this epoch's means would include it.
        self.record(0, {f"val_{name}": value for name, value in results.items()})

    def on_epoch_end(self, epoch, logs=None):
        self.record((epoch + 1) * self.settings.eval_every, logs)

    def record(self, step, logs):
        row = {
            **logs,
            "step": step,
            "mi_ceiling": self.experiment.mi_ceiling,
            "true_mi": self.experiment.true_mi,
        }
        for callback in self.experiment.measuring:
            row.update(callback.measurements)
        self.run.record(self.model, row)
        self.progress.say(_told(self.run.rows[-1], self.settings.steps, self._raw))


def _told(row: runs.Row, steps: int, raw: str) -> str:
    """One line on an evaluation."""
    parts = [f"step {row['step']:>{len(str(steps))}}/{steps}"]
    if row["mi"] is not None:
        parts.append(f"MI {row['mi']:.3f}")
    if row["val_mi"] is not None:
        ceiling = "" if row["mi_ceiling"] is None else f" of {row['mi_ceiling']:.3f}"
        parts.append(f"held out {row['val_mi']:.3f}{ceiling} nats")
    if row["probe_accuracy"] is not None:
        parts.append(f"probe {row['probe_accuracy']:.4f}")
    if row["raw_baseline"] is not None:
        parts.append(f"({raw} {row['raw_baseline']:.4f})")
    if row["test_accuracy"] is not None:
        parts.append(f"classifier {row['test_accuracy']:.4f}")
    return "  ".join(parts)
