"""A Keras model that chooses how its training steps run."""

import contextlib
import dataclasses
from typing import Any

import keras

from keras_infomax import private
from keras_infomax.callbacks import StopOnNonFinite
from keras_infomax.execution import plan
from keras_infomax.models import fit_arguments, inputs
from keras_infomax.models.steps import Steps


@dataclasses.dataclass(frozen=True)
class _Given:
    """Arguments of `compile`, hidden from Keras, which tracks the metrics itself."""

    metrics: Any = None
    weighted_metrics: Any = None


class BaseModel(Steps):
    """Base of the models here: `fit` runs their steps as the backend plans them.

    The two options of `compile` that concern execution default to `"auto"`, and are
    saved as they were given.

    Callbacks may call any method during a run, including the one that called them. The
    choices of a run end with it; see `_running`.
    """

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self._asked: dict[str, Any] = {
            "steps_per_execution": "auto",
            "jit_compile": "auto",
        }
        self._metrics_given = _Given()
        self._run: plan.Run | None = None

    @property
    def compiled_metrics_given(self) -> tuple[Any, Any]:
        """The metrics that `compile` was given, and the weighted ones."""
        return self._metrics_given.metrics, self._metrics_given.weighted_metrics

    def compile(
        self,
        optimizer="rmsprop",
        loss=None,
        loss_weights=None,
        metrics=None,
        weighted_metrics=None,
        run_eagerly=False,
        steps_per_execution="auto",
        jit_compile="auto",
        auto_scale_loss=True,
    ):
        """As `keras.Model.compile`, except for two arguments.

        Args:
            optimizer: As for `keras.Model.compile`.
            loss: As for `keras.Model.compile`.
            loss_weights: As for `keras.Model.compile`.
            metrics: As for `keras.Model.compile`.
            weighted_metrics: As for `keras.Model.compile`.
            run_eagerly: As for `keras.Model.compile`.
            steps_per_execution: Number of training steps in one call. No callback is
                called between them. By default several steps, up to 32, if the run has
                at least 100 steps and no callback needs every step.
            jit_compile: Whether XLA compiles all functions of the model, and the steps
                of one call into one program. By default as in Keras, that is, not on
                CPUs. An exception is training of at least 500 steps of models without
                convolutions, which gain by it.
            auto_scale_loss: As for `keras.Model.compile`.

        Raises:
            ValueError: If `steps_per_execution` is neither `"auto"` nor a positive
                number, or XLA would have to compile a model that computes in chunks.
        """
        steps_per_execution = plan.checked_steps(steps_per_execution)
        by_keras = self.checked_compilation(
            loss, (metrics, weighted_metrics), steps_per_execution, jit_compile
        )
        self._asked = {
            "steps_per_execution": steps_per_execution,
            "jit_compile": jit_compile,
        }
        super().compile(
            optimizer,
            loss,
            loss_weights,
            metrics,
            weighted_metrics,
            run_eagerly,
            self._execution.steps,
            by_keras,
            auto_scale_loss,
        )
        if not metrics is weighted_metrics is None:
            # As in Keras, which otherwise keeps the metrics of an earlier call.
            self._metrics_given = _Given(metrics, weighted_metrics)
        if self._run is not None:
            # Called by a callback: its run continues with the new parts, in as many
            # steps a call.
            self.make_train_function()
            self.make_test_function()
            self.make_predict_function()

    def get_compile_config(self):
        config = super().get_compile_config()
        return {**config, **self._asked} if config else config

    def save(self, *args, **kwargs):
        # Keras empties the file before it calls get_config, which may raise.
        self.get_config()
        super().save(*args, **kwargs)

    def compile_from_config(self, config):
        self.compile(**keras.saving.deserialize_keras_object(config))
        if self.built and self.optimizer is not None:
            self.optimizer.build(self.trainable_variables)

    def fit(
        self,
        x=None,
        y=None,
        batch_size=None,
        epochs=1,
        verbose="auto",
        callbacks=None,
        validation_split=0.0,
        validation_data=None,
        shuffle=True,
        class_weight=None,
        sample_weight=None,
        initial_epoch=0,
        steps_per_epoch=None,
        validation_steps=None,
        validation_batch_size=None,
        validation_freq=1,
    ):
        fit_arguments.check_compiled("fit", self)
        given = self.checked_arguments("fit", _given(locals()))
        given["callbacks"] = _with_watch(given["callbacks"], self)
        with self._running("fit", self.plan_fit(given, self._asked)):
            self.first_broken_step = None
            private.forget_restored_epoch(self)
            return super().fit(**given)

    def evaluate(
        self,
        x=None,
        y=None,
        batch_size=None,
        verbose="auto",
        sample_weight=None,
        steps=None,
        callbacks=None,
        return_dict=False,
        **kwargs,
    ):
        fit_arguments.check_compiled("evaluate", self)
        given = self.checked_arguments("evaluate", _given(locals()))
        given |= given.pop("kwargs")
        run = self.plan_evaluation(given["steps"], given["callbacks"], self._asked)
        if private.is_in_fit(kwargs):
            private.set_steps_of_validation(self, run.execution.steps)
        with self._running("evaluate", run):
            return super().evaluate(**given)

    def predict(self, x, batch_size=None, verbose="auto", steps=None, callbacks=None):
        given = self.checked_arguments("predict", _given(locals()))
        with self._running("predict", plan.as_asked(self._asked)):
            return super().predict(**given)

    def train_on_batch(
        self, x, y=None, sample_weight=None, class_weight=None, return_dict=False
    ):
        given = self.checked_arguments("train_on_batch", _given(locals()))
        with self._running("train_on_batch"):
            return super().train_on_batch(**given)

    def test_on_batch(self, x, y=None, sample_weight=None, return_dict=False):
        given = self.checked_arguments("test_on_batch", _given(locals()))
        with self._running("test_on_batch"):
            return super().test_on_batch(**given)

    def predict_on_batch(self, x):
        given = self.checked_arguments("predict_on_batch", _given(locals()))
        with self._running("predict_on_batch"):
            return super().predict_on_batch(**given)

    def checked_arguments(self, method, given):
        """Checks the arguments of a method of Keras, and returns those to call it with.

        Args:
            method: Name of the method, such as `"fit"`.
            given: All of its arguments, by name.

        Returns:
            Dictionary of the same names.

        Raises:
            ValueError: If an argument is invalid.
        """
        return given

    @contextlib.contextmanager
    def _running(self, method, run=None):
        """Runs a method of Keras as planned, possibly during another run."""
        outer = self._run
        kept = self._kept(method) if outer else contextlib.nullcontext()
        with inputs.as_value_errors(), kept:
            self._run = run or plan.Run()
            self.steps_per_execution = self._execution.steps
            try:
                yield
            finally:
                self._run = outer
                self.steps_per_execution = self._execution.steps

    @contextlib.contextmanager
    def _kept(self, method):
        """Restores what a method changes, for the run during which it is called."""
        self.begin_run()
        attributes = private.state_of_run(self, method)
        metrics = [(variable, variable.numpy()) for variable in self.metrics_variables]
        broken = self.first_broken_step
        try:
            yield
        finally:
            for name, value in attributes.items():
                setattr(self, name, value)
            self.reset_metrics()  # The method may have built some metrics.
            for variable, value in metrics:
                variable.assign(value)
            if method == "fit":
                self.first_broken_step = broken

    @property
    def _execution(self):
        """How steps run now: as the present run has planned, or as `compile` says."""
        return (self._run or plan.as_asked(self._asked)).execution


def _given(values):
    """The arguments of a method, from its local variables."""
    return {k: v for k, v in values.items() if k not in ("self", "__class__")}


def _with_watch(callbacks, model):
    """The callbacks of a run, with one that stops it at NaN or infinity."""
    callbacks = fit_arguments.checked_callbacks(callbacks)
    is_list_of_keras = isinstance(callbacks, keras.callbacks.CallbackList)
    of_run = callbacks.callbacks if is_list_of_keras else callbacks
    if not any(isinstance(c, StopOnNonFinite) for c in of_run):
        # Otherwise NaN in the data might be unnoticed: a fused ReLU turns it into zero.
        of_run.insert(0, StopOnNonFinite())
        if is_list_of_keras:  # Keras has set the model of the other callbacks.
            of_run[0].set_model(model)
    return callbacks
