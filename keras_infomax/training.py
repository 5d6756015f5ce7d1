"""The one recipe: settings and a workdir in, a trained and judged encoder out."""

import math
import os
import time
from collections.abc import Mapping
from typing import Any

import keras

from keras_infomax import (
    callbacks,
    critics,
    datasets,
    encoders,
    losses,
    models,
    plots,
    runs,
    views,
)
from keras_infomax.settings import Settings

# Steps run in one call of a compiled function: Python's share of a step becomes small.
_MAX_STEPS_PER_EXECUTION = 16


def train(
    config: Mapping[str, Any],
    workdir: str | os.PathLike,
    data: datasets.ImageDataset | None = None,
) -> runs.Row:
    """Trains encoders by mutual information, and leaves everything in a workdir.

    Evaluates before the first step and every `eval_every` steps: MI on training
    batches and on held-out batches of the same size, and the accuracy of a linear
    probe on the encodings of view x, against the same probe on its pixels. Each
    evaluation is a checkpoint. Called again after it was interrupted, the run goes on
    and ends with the weights and metrics of an uninterrupted one; called again after
    it finished, it changes nothing. See `runs` for the files.

    Args:
        config: Keys and values of `settings.Settings`; what is left out is default.
        workdir: Folder of the run, made if it does not exist.
        data: Data set to use instead of loading `config.dataset`. An unlabelled one
            is trained on without a probe.

    Returns:
        The last row of the metrics: `step`, `mi` and `val_mi` in nats, `mi_ceiling`
        (`None` where the bound has none), `probe_accuracy`, `pixel_baseline`, ...

    Raises:
        ValueError: If the config or the data are unfit, the workdir belongs to another
            run or cannot be written to, or training meets a value that is not finite.

    Example:
        >>> train({"steps": 3000, "eval_every": 500}, "runs/digits")  # doctest: +SKIP
    """
    settings = Settings.resolve(config)
    run = runs.Run(workdir, settings.as_dict())
    if run.finished:
        run.rows = runs.read_metrics(run.metrics_path)
        print(f"{run.workdir} has finished already, at step {run.rows[-1]['step']}.")
        return run.rows[-1]
    plots.check_installed()
    keras.utils.set_random_seed(settings.seed)
    if data is None:
        data = datasets.load(
            settings.dataset,
            data_dir=settings.data_dir,
            split_seed=settings.split_seed,
            image_size=settings.image_size,
        )
    views_of = views.get(settings.views)
    loss = make_loss(settings)
    model = make_model(settings, data, views_of)
    model.compile(
        # Epsilon as in the paper's TensorFlow 1; Keras's own default is 1e-7.
        optimizer=keras.optimizers.Adam(settings.learning_rate, epsilon=1e-8),
        loss=loss,
        steps_per_execution=_steps_per_execution(settings.eval_every),
    )
    model.optimizer.build(model.trainable_variables)
    held_out = datasets.pairs(
        data.test_images, views_of, settings.batch_size, seed=settings.seed
    )
    step = run.restore(model)
    if step:
        print(f"Resuming {run.workdir} at step {step} of {settings.steps}.")
    probe = _probe(data, views_of)
    if probe and run.rows:
        probe.pixel_baseline = run.rows[-1]["pixel_baseline"]
    recorder = _Recorder(run, settings, loss, held_out, probe)
    try:
        model.fit(
            datasets.pairs(
                data.train_images,
                views_of,
                settings.batch_size,
                seed=settings.seed,
                start_step=step,
                num_steps=settings.steps - step,
            ),
            initial_epoch=step // settings.eval_every,
            epochs=settings.steps // settings.eval_every,
            steps_per_epoch=settings.eval_every,
            validation_data=held_out,
            callbacks=[probe, recorder] if probe else [recorder],
            shuffle=False,
            verbose=0,
        )
        run.finish(model)
    finally:
        run.close()
    return run.rows[-1]


def make_loss(settings: Settings) -> losses.BoundLoss:
    """The loss that the settings name.

    Raises:
        ValueError: If the bound is unknown, or cannot reach the target with batches
            of this size.
    """
    bound = losses.get(settings.bound)
    if settings.target is None:
        return bound
    loss = losses.TargetLoss(bound, settings.target)
    loss.check_reachable(settings.batch_size)
    return loss


def make_model(
    settings: Settings, data: datasets.ImageDataset, views_of: Any
) -> models.InfoMax:
    """The model that the settings name, for the views of these images.

    Raises:
        ValueError: If a name is unknown, the views are not two, or a critic takes no
            `critic_units`.
    """
    example = views_of(datasets.to_float(data.train_images[:1]))
    if len(example) != 2:
        raise ValueError(
            f"config.views must make two views; received {len(example)} from "
            f"{settings.views!r}."
        )
    make_encoder = encoders.get(settings.encoder)
    units = () if settings.encoder_units is None else (settings.encoder_units,)
    dim = {} if settings.encoding_dim is None else {"output_dim": settings.encoding_dim}

    critic_options = {}
    if settings.critic_units is not None:
        critic_options["hidden_units"] = settings.critic_units

    def encoder(view):
        return make_encoder(view.shape[1:], *units, **dim)

    return models.InfoMax(
        encoder(example[0]),
        None if settings.shared_encoder else encoder(example[1]),
        critics.get(settings.critic, **critic_options),
    )


def _steps_per_execution(eval_every: int) -> int:
    # A divisor: executions that overlap an evaluation would train too far.
    return next(
        n for n in range(_MAX_STEPS_PER_EXECUTION, 0, -1) if eval_every % n == 0
    )


def _probe(data: datasets.ImageDataset, views_of: Any) -> callbacks.LinearProbe | None:
    if data.train_labels is None or data.test_labels is None:
        return None

    def view_x(images):
        return keras.ops.convert_to_numpy(views_of(datasets.to_float(images))[0])

    return callbacks.LinearProbe(
        train=(view_x(data.train_images), data.train_labels),
        test=(view_x(data.test_images), data.test_labels),
    )


class _Recorder(keras.callbacks.Callback):
    """Records each evaluation in the run, and tells how far it is.

    Comes after the probe in the list of callbacks, whose result it records.
    """

    def __init__(self, run, settings, loss, held_out, probe):
        super().__init__()
        self.run = run
        self.settings = settings
        self.held_out = held_out
        self.probe = probe
        ceiling = loss.ceiling(settings.batch_size)
        self.ceiling = ceiling if math.isfinite(ceiling) else None

    def on_train_begin(self, logs=None):
        self.started = time.monotonic()
        self.first_step = self.run.rows[-1]["step"] if self.run.rows else 0

    def on_epoch_begin(self, epoch, logs=None):
        if not self.run.rows:
            results = self.model.evaluate(self.held_out, return_dict=True, verbose=0)
            self.model.reset_metrics()  # Or this epoch's means would include it.
            self.record(0, {f"val_{name}": value for name, value in results.items()})

    def on_epoch_end(self, epoch, logs=None):
        step = (epoch + 1) * self.settings.eval_every
        self.record(step, logs)
        elapsed = time.monotonic() - self.started
        left = elapsed * (self.settings.steps - step) / (step - self.first_step)
        print(f"  {elapsed:.0f} s, about {left:.0f} s to go", flush=True)

    def record(self, step, logs):
        row = {**logs, "step": step, "mi_ceiling": self.ceiling}
        if self.probe is not None:
            row["probe_accuracy"] = self.probe.history[-1][1]
            row["pixel_baseline"] = self.probe.pixel_baseline
        self.run.record(self.model, row)
        print(_progress(self.run.rows[-1], self.settings.steps), flush=True)


def _progress(row: runs.Row, steps: int) -> str:
    """One line on an evaluation."""
    parts = [f"step {row['step']:>{len(str(steps))}}/{steps}"]
    if row["mi"] is not None:
        parts.append(f"MI {row['mi']:.3f}")
    ceiling = "" if row["mi_ceiling"] is None else f" of {row['mi_ceiling']:.3f}"
    parts.append(f"held out {row['val_mi']:.3f}{ceiling} nats")
    if row["probe_accuracy"] is not None:
        parts.append(
            f"probe {row['probe_accuracy']:.4f} (pixels {row['pixel_baseline']:.4f})"
        )
    return "  ".join(parts)
