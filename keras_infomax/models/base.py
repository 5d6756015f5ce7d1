"""A Keras model that chooses how its training steps run."""

import contextlib
import dataclasses
from typing import Any

import keras

from keras_infomax import private
from keras_infomax.callbacks import StopOnNonFinite
from keras_infomax.execution import fusion, non_finite, plan, replicas, strategies
from keras_infomax.models import fit_arguments, inputs


@dataclasses.dataclass(frozen=True)
class _Run:
    """A call of `fit`, `evaluate` and so on, as long as it lasts.

    Args:
        execution: How its steps run.
        blocks: What takes the place of the batches, if they come so.
    """

    execution: plan.Execution
    blocks: fusion.Blocks | None = None


@dataclasses.dataclass(frozen=True)
class _Given:
    """What `compile` was given, hidden from Keras, which tracks the metrics itself."""

    metrics: Any = None
    weighted_metrics: Any = None


class BaseModel(keras.Model):
    """Base of the models here: `fit` runs their steps as `plan.choose` says.

    Both options of `compile` that concern execution are `"auto"` unless they are given,
    and saved as they were given.

    Callbacks may call any method in the middle of a run, also the one that called them.
    What a run has chosen ends with it, and there is one compiled function for each
    `plan.Execution`; see `_running` and `_by_execution`.
    """

    train_function: Any
    test_function: Any
    predict_function: Any

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        strategies.check(self.distribute_strategy)
        self._asked: dict[str, Any] = {
            "steps_per_execution": "auto",
            "jit_compile": "auto",
        }
        self._metrics_given = _Given()
        self._run: _Run | None = None
        self._first_broken_step = non_finite.FirstBrokenStep()

    @property
    def first_broken_step(self) -> int | None:
        """Step of `fit` whose loss or weights broke first; `None` if none did.

        See `callbacks.StopOnNonFinite`, which tells.
        """
        return self._first_broken_step.value

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
        """As `keras.Model.compile`, but for two arguments.

        Args:
            optimizer: As for `keras.Model.compile`.
            loss: As for `keras.Model.compile`.
            loss_weights: As for `keras.Model.compile`.
            metrics: As for `keras.Model.compile`.
            weighted_metrics: As for `keras.Model.compile`.
            run_eagerly: As for `keras.Model.compile`.
            steps_per_execution: Number of training steps in one call, between which no
                callback is called. By default several, up to 32, from 100 steps of
                training on, unless a callback of the run looks at every step.
            jit_compile: Whether XLA compiles all functions of the model, and the steps
                of one call into one program. By default as in Keras, not on
                processors, except for the training of models without convolutions
                from 500 steps on, which gain by it.
            auto_scale_loss: As for `keras.Model.compile`.

        Raises:
            ValueError: If `steps_per_execution` is neither `"auto"` nor a positive
                number, or XLA shall compile a model that computes in chunks.
        """
        steps_per_execution = plan.checked_steps(steps_per_execution)
        chunked = fusion.has_chunks(self, loss, (metrics, weighted_metrics))
        if chunked and jit_compile not in ("auto", False, None):
            raise ValueError(
                "jit_compile must be off where rows are computed in chunks, whose "
                f"loops XLA cannot compile; received jit_compile={jit_compile!r}. "
                "Leave it at its default, or leave out chunk_size and "
                "encoder_chunk_size."
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
            jit_compile,
            auto_scale_loss,
        )
        if not metrics is weighted_metrics is None:
            # As in Keras, which otherwise keeps those of an earlier call.
            self._metrics_given = _Given(metrics, weighted_metrics)
        if self._run is not None:
            # By a callback: its run goes on with the new parts, as many steps a call.
            self.make_train_function()
            self.make_test_function()
            self.make_predict_function()
        if chunked and jit_compile == "auto":
            self.jit_compile = False

    def get_compile_config(self):
        config = super().get_compile_config()
        return {**config, **self._asked} if config else config

    def save(self, *args, **kwargs):
        # Keras empties the file before it asks for the config, which may be refused.
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
        callbacks = fit_arguments.checked_callbacks(callbacks)
        is_list_of_keras = isinstance(callbacks, keras.callbacks.CallbackList)
        of_run = callbacks.callbacks if is_list_of_keras else callbacks
        if not any(isinstance(c, StopOnNonFinite) for c in of_run):
            # NaN in the data would go unnoticed: a fused ReLU swallows it.
            of_run.insert(0, StopOnNonFinite())
            if is_list_of_keras:  # Keras has set the model of the others.
                of_run[0].set_model(self)
        length = plan.length(
            x,
            batch_size,
            epochs,
            steps_per_epoch,
            plan.steps_taken(self.optimizer),
            initial_epoch,
        )
        chosen = plan.choose(self, length, callbacks, **self._asked)
        # Keras looks into a batch to build a model, and weights each by its class.
        in_blocks = chosen.fused and self.built and class_weight is None
        blocks = fusion.blocks(x, chosen.steps) if in_blocks else None
        with self._running("fit", chosen, blocks):
            self._first_broken_step.value = None
            private.forget_restored_epoch(self)
            return super().fit(
                x,
                y,
                batch_size,
                epochs,
                verbose,
                callbacks,
                validation_split,
                validation_data,
                shuffle,
                class_weight,
                sample_weight,
                initial_epoch,
                steps_per_epoch,
                validation_steps,
                validation_batch_size,
                validation_freq,
            )

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
        chosen = plan.of_evaluation(
            self.steps_per_execution,
            steps,
            callbacks,
            self._asked["steps_per_execution"],
        )
        if private.is_in_fit(kwargs):
            private.set_steps_of_validation(self, chosen.steps)
        with self._running("evaluate", chosen):
            return super().evaluate(
                x,
                y,
                batch_size,
                verbose,
                sample_weight,
                steps,
                callbacks,
                return_dict,
                **kwargs,
            )

    def predict(self, *args, **kwargs):
        with self._running("predict", self._as_asked()):
            return super().predict(*args, **kwargs)

    def train_on_batch(self, *args, **kwargs):
        with self._running("train_on_batch"):
            return super().train_on_batch(*args, **kwargs)

    def test_on_batch(self, *args, **kwargs):
        with self._running("test_on_batch"):
            return super().test_on_batch(*args, **kwargs)

    def predict_on_batch(self, x):
        with self._running("predict_on_batch"):
            return super().predict_on_batch(replicas.split(x, self.distribute_strategy))

    @contextlib.contextmanager
    def _running(self, method, chosen=None, blocks=None):
        """Runs a method of Keras as chosen, maybe in the middle of another run."""
        outer = self._run
        kept = self._kept(method) if outer else contextlib.nullcontext()
        with inputs.as_value_errors(), kept:
            self._run = _Run(chosen or plan.Execution(), blocks)
            self.steps_per_execution = self._execution.steps
            try:
                yield
            finally:
                self._run = outer
                self.steps_per_execution = self._execution.steps

    @contextlib.contextmanager
    def _kept(self, method):
        """Puts back what a method changes, for the run in whose middle it is called."""
        attributes = private.state_of_run(self, method)
        metrics = [(variable, variable.numpy()) for variable in self.metrics_variables]
        broken = self.first_broken_step
        try:
            yield
        finally:
            for name, value in attributes.items():
                setattr(self, name, value)
            self.reset_metrics()  # Some may have been built only now.
            for variable, value in metrics:
                variable.assign(value)
            if method == "fit":
                self._first_broken_step.value = broken

    @property
    def _execution(self):
        """How steps run now: as the present run has chosen, or as was asked."""
        return self._run.execution if self._run else self._as_asked()

    def _as_asked(self):
        asked = self._asked["steps_per_execution"]
        return plan.Execution(1 if asked == "auto" else asked)

    def _by_execution(self, make):
        """Function of data that does what the present run executes.

        One is made for each execution, and kept until the model is compiled anew. So
        a run never calls what was compiled for the choice of another run.
        """
        made = {}

        def function(data):
            chosen = self._execution
            if chosen not in made:
                made[chosen] = make()
            return made[chosen](data)

        return function

    def make_train_function(self, force=False):
        is_distributed = plan.is_distributed(self)
        if is_distributed:
            # What Keras can do depends on the strategy that it finds.
            with self.distribute_strategy.scope():
                replicas.refuse_what_differs(self)

        def make():
            if is_distributed:
                return replicas.step_function(self, self._watched_train_step)
            # A callback may have compiled the model anew, with parts unfit for XLA.
            fused = self._execution.fused and plan.can_fuse(
                self, self._asked["jit_compile"]
            )
            wrap = fusion.fused_function if fused else fusion.unfused_function
            function = wrap(self, self._watched_train_step)
            return lambda data: function(self._in_blocks(data))

        if self.train_function is None or force:
            self.train_function = self._by_execution(make)

    def _in_blocks(self, batches):
        """What is iterated over: what Keras gives, or stacked batches of a stream."""
        blocks = self._run.blocks if self._run else None
        return batches if blocks is None else blocks.of_call(batches)

    def make_test_function(self, force=False):
        def make():
            if plan.is_distributed(self):
                return replicas.step_function(self, self.test_step)
            step = fusion.waiting_for_data(self.test_step)
            return fusion.keras_function(self, "test", step)

        if self.test_function is None or force:
            self.test_function = self._by_execution(make)

    def make_predict_function(self, force=False):
        def make():
            function = self.predict_function
            super(BaseModel, self).make_predict_function(force=True)
            made, self.predict_function = self.predict_function, function
            return made

        if self.predict_function is None or force:
            self.predict_function = self._by_execution(make)

    def _watched_train_step(self, data):
        results = self.train_step(data)
        self._first_broken_step.note(
            self.optimizer.iterations,
            # A running mean: once it is NaN, it stays NaN.
            results.get("loss", 0.0),
            self.trainable_variables,
        )
        return results
