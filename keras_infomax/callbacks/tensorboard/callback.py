"""The callback that writes a training run for TensorBoard."""

import copy
import math
import pathlib
from typing import Any

import keras

from keras_infomax import backends, checks, measures, structures
from keras_infomax.callbacks.common import encoder_of, steps_of
from keras_infomax.callbacks.probes import Probes, checked_probe
from keras_infomax.callbacks.tensorboard import (
    event_files,
    hyper_parameters,
    projector,
    score_summaries,
)
from keras_infomax.execution import strategies
from keras_infomax.lazy_tensorflow import concrete, tf
from keras_infomax.probes import encode

# The TensorBoard run for summaries of single examples.
EXAMPLES = "examples"

# Number of score summaries in a training, unless `every` is given.
_LOOKS = 10

# Largest number of scored rows, since a large score matrix may not fit into memory.
_MOST_ROWS = 256


class TensorBoard(keras.callbacks.Callback):
    """Writes the training of an `InfoMax` model for TensorBoard.

    - Scalars of every epoch: training and held-out estimates in nats in one chart, with
      the ceiling of the bound; the accuracies of probes with those on the raw views;
      and all other metrics in the logs.
    - For one batch of views: histograms of the scores of true pairs and of all others,
      and the score matrix as an image.
    - The embedding projector, with the encodings of test views at the end of training,
      their labels and, for images, their pictures.
    - Hyper-parameters, so that the HParams page can compare runs.
    - A profile of some steps.

    List it after the probe, whose results it writes. Steps are those of
    `optimizer.iterations`. If a run is resumed in the same folder, events of later
    steps are removed; a model at step 0 starts with an empty folder. So no value is
    there twice. Under a `tf.distribute` strategy only the chief writes.

    keras-tuner gives each trial its own folder below `log_dir`, and writes its
    hyper-parameters there.

    Args:
        log_dir: Folder for `tensorboard --logdir`.
        views: A batch of held-out views for the model, with the batch size of training.
            The first 256 rows are scored. Defaults to `None`: no scores and no ceiling
            are shown.
        probe: The `LinearProbe` or `Probes` of the same `fit`. Defaults to `None`: no
            projector and no baseline are shown.
        every: Positive integer, the number of epochs between two summaries of scores.
            Defaults to a tenth of all epochs.
        hyper_parameters: Values by name; see `hyper_parameters.plain`.
        profile_steps: Number of steps to profile after the first execution, which
            compiles. It is rounded up to whole executions. Defaults to 0. TensorBoard
            shows the profile with the plug-in `tensorboard-plugin-profile`.
        log_scalars: Whether to write scalars. `training.train` writes them from its own
            table instead.

    Raises:
        ValueError: If `every` or `profile_steps` is out of range, or `probe` is not
            such a callback. In `fit`, if `views` are given and the model is not an
            `InfoMax`.

    Example:
    ```python
    probe = kim.callbacks.LinearProbe(train=(x, labels), test=(x_test, labels_test))
    board = kim.callbacks.TensorBoard(
        "logs", views=(x_test[:128], y_test[:128]), probe=probe
    )
    model.fit(pairs, epochs=10, validation_data=held_out, callbacks=[probe, board])
    ```
    """

    # It acts only at the end of epochs; the profiler counts the steps of a call.
    steps_between_looks = None

    def __init__(
        self,
        log_dir,
        views=None,
        probe=None,
        every=None,
        hyper_parameters=None,
        profile_steps=0,
        log_scalars=True,
    ):
        super().__init__()
        every = checks.positive_integer("every", every, 5, optional=True)
        profile_steps = checks.integer("profile_steps", profile_steps, least=0)
        if profile_steps:
            backends.needs(
                f"profile_steps={profile_steps}",
                backends.TENSORFLOW,
                instead="Leave it out, and use the profiler of the backend.",
            )
        checks.boolean("log_scalars", log_scalars)
        self.probe = checked_probe(probe)
        if hyper_parameters is not None:
            checks.mapping(
                "hyper_parameters",
                hyper_parameters,
                "Write, for example, hyper_parameters={'learning_rate': 1e-3}.",
            )
        parts = keras.tree.flatten(views)
        if views is not None and not (parts and all(map(_has_rows, parts))):
            raise checks.refusal(
                "views",
                "a batch of views as the model takes them, or None",
                views,
                "Write, for example, views=(x[:128], y[:128]).",
            )
        # keras-tuner looks for a class with this name, and sets this attribute.
        self.log_dir = checks.path("log_dir", log_dir, "logs")
        self.views = views
        self.every = every
        self.hyper_parameters = hyper_parameters
        self.profile_steps = profile_steps
        self.log_scalars = log_scalars
        self._forget()

    def _forget(self):
        """Resets the state of one `fit`, which cannot be copied."""
        self._writers: Any = None
        self._session: hyper_parameters.Session | None = None
        self._score: Any = None
        self._has_begun = False
        self._profiler = _Profiler(self.profile_steps)

    def __deepcopy__(self, memo):
        # As in Measuring: arrays and model are shared.
        for shared in (*keras.tree.flatten(self.views), self.model):
            memo[id(shared)] = shared
        copied = copy.copy(self)
        copied._forget()
        copied.__dict__.update(copy.deepcopy(copied.__dict__, memo))
        return copied

    def on_train_begin(self, logs=None):
        self._forget()
        if not strategies.is_chief_of(self.model):
            return
        if self.views is not None and not hasattr(self.model, "terms"):
            raise ValueError(
                "views must be None for a model that scores no pairs; received views "
                f"for {self.model.name!r}, a {type(self.model).__name__}."
            )
        self._writers = event_files.RunWriters(self.log_dir)
        if self.hyper_parameters is not None:
            self._session = hyper_parameters.Session(
                self.log_dir, self.hyper_parameters
            )
            self._session.start()

    def on_epoch_begin(self, epoch, logs=None):
        # Not in on_train_begin, as in Measuring.
        if self._writers is None or self._has_begun:
            return
        self._has_begun = True
        step = steps_of(self.model)
        folder = pathlib.Path(self.log_dir)
        for run in measures.CURVES if self.log_scalars else ():
            event_files.keep_until(folder / run, step or -1)
        if step == 0:
            projector.remove(folder / EXAMPLES)
        if not event_files.keep_until(folder / EXAMPLES, step or -1):
            self._show_scores(step)

    def on_train_batch_begin(self, batch, logs=None):
        if self._writers is not None:
            self._profiler.before_execution(self.log_dir)

    def on_train_batch_end(self, batch, logs=None):
        # On JAX, reading self.model copies the whole state back to the model.
        if self.profile_steps:
            self._profiler.after_execution(self.model.steps_per_execution)

    def on_epoch_end(self, epoch, logs=None):
        if self._writers is None:
            return
        completed, epochs = epoch + 1, self.params["epochs"]
        if self.log_scalars:
            self._write_scalars(logs or {})
        every = self.every or math.ceil(epochs / _LOOKS)
        if completed % every == 0 or completed == epochs:
            self._show_scores(steps_of(self.model))

    def on_train_end(self, logs=None):
        if self._writers is None:
            return
        self._profiler.stop()
        if self.probe is not None:
            self._project(self.probe)
        if self._session is not None:
            self._session.end()
        self._writers.close()

    def _write_scalars(self, logs: dict[str, float]) -> None:
        by_run: dict[str, dict[str, float]] = {run: {} for run in measures.CURVES}
        measured: dict[str, Any] = {}
        if self.probe is not None:
            measured = self.probe.measurements
            by_run[measures.RAW_VIEWS] = _baselines(self.probe)
        for metric, value in logs.items():
            if math.isnan(value):  # NaN: nothing was measured in this epoch.
                continue
            at = measures.place(metric)
            curve = measures.HELD_OUT if metric in measured else at.curve
            by_run[curve][at.chart] = value
        ceiling = self._ceiling()
        if math.isfinite(ceiling):
            by_run[measures.CEILING]["mi"] = ceiling
        for run, values in by_run.items():
            self._writers.write_scalars(run, steps_of(self.model), values)

    def _ceiling(self) -> float:
        if self.views is None:
            return math.inf
        return self.model.ceiling(structures.rows_of(self.views))

    def _show_scores(self, step: int) -> None:
        if self.views is None or not self.model.scores_pairs:
            return
        if self._score is None:
            self._score = _scorer(self.model, self.views)
        partners, scores = self._score()
        for term, matrix in scores.items():
            tag = f"scores/{term}" if len(scores) > 1 else "scores"
            summaries = score_summaries.summaries(
                tag, *map(keras.ops.convert_to_numpy, (partners[term], matrix))
            )
            self._writers.write(EXAMPLES, step, summaries)

    def _project(self, probe: Probes) -> None:
        views, labels = probe.test
        rows = projector.spread(len(labels))
        shown = structures.taken(views, rows)
        encodings = encode(encoder_of(self.model, probe.encoder), shown)
        folder = pathlib.Path(self.log_dir) / EXAMPLES
        projector.write(folder, encodings, labels[rows], shown)
        # TensorBoard looks for projectors only in folders with event files.
        self._writers.write(EXAMPLES, steps_of(self.model), [])


def _has_rows(part: Any) -> bool:
    shape = getattr(part, "shape", None)
    return shape is not None and len(shape) > 0


def _baselines(probe: Probes) -> dict[str, float]:
    """Accuracies on the raw views, by the tags of the accuracies on encodings."""
    found = probe.raw_baseline
    if isinstance(found, float):
        return {"probe_accuracy": found}
    return {f"{name}_accuracy": j.accuracy for name, j in (found or {}).items()}


def _scorer(model: Any, views: Any) -> Any:
    """A compiled function that returns partners and scores, without collectives."""
    rows = keras.tree.map_structure(
        lambda view: keras.ops.convert_to_tensor(view[:_MOST_ROWS]), views
    )

    def score():
        return model(rows, training=False, with_partners=True)

    return concrete(score) if backends.is_tensorflow() else score


class _Profiler:
    """Profiles some steps after the first execution, which compiles."""

    def __init__(self, steps: int):
        self.executions = 0
        self._left = steps
        self._runs = False

    def before_execution(self, log_dir: str) -> None:
        if self.executions == 1 and self._left > 0:
            tf.profiler.experimental.start(log_dir)
            self._runs = True

    def after_execution(self, steps: int) -> None:
        self.executions += 1
        if self._runs:
            self._left -= steps
            if self._left <= 0:
                self.stop()

    def stop(self) -> None:
        if self._runs:
            tf.profiler.experimental.stop()
            self._runs = False
