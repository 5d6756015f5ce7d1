"""How a trial is trained, whoever has chosen its settings."""

from collections.abc import Iterable
from typing import Any

import keras

from keras_infomax import callbacks as watching
from keras_infomax.training import experiments
from keras_infomax.training.settings import Settings


def fit(
    experiment: experiments.Experiment,
    settings: Settings,
    callbacks: Iterable[keras.callbacks.Callback],
    epochs: int | None = None,
    initial_epoch: int = 0,
    verbose: Any = 0,
) -> keras.callbacks.History:
    """Trains as `training.train` would, in epochs of `eval_every` steps.

    Args:
        experiment: What the settings train.
        settings: The settings.
        callbacks: They come last, and find in the logs what the measuring callbacks
            know.
        epochs: Epochs in all. Defaults to those that make up `steps`.
        initial_epoch: Epochs that the model has been trained before.
        verbose: As for `keras.Model.fit`.

    Returns:
        The history.

    Raises:
        ValueError: If a number is not finite any more.
    """
    every = settings.eval_every
    epochs = settings.steps // every if epochs is None else epochs
    return experiment.model.fit(
        experiment.batches(initial_epoch * every, (epochs - initial_epoch) * every),
        epochs=epochs,
        initial_epoch=initial_epoch,
        steps_per_epoch=every,
        validation_data=experiment.held_out,
        callbacks=[
            watching.StopOnNonFinite(),
            *experiment.measuring,
            _LogMeasurements(experiment.measuring),
            *callbacks,
        ],
        shuffle=False,
        verbose=verbose,
    )


class _LogMeasurements(keras.callbacks.Callback):
    """Logs what measuring callbacks know beside what they log themselves."""

    def __init__(self, measuring):
        super().__init__()
        self.measuring = measuring

    def on_epoch_end(self, epoch, logs=None):
        for callback in self.measuring:
            for name, value in callback.measurements.items():
                if value is not None:
                    logs[name] = value
