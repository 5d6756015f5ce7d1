"""A Keras model that chooses how its training steps run."""

import contextlib
from typing import Any

import keras

from keras_infomax import breakage, execution, fit_arguments, fusion, inputs, replicas
from keras_infomax.callbacks import StopOnNonFinite


class BaseModel(keras.Model):
    """Base of the models here: `fit` runs their steps as `execution.choose` says.

    Both options of `compile` that concern execution are `"auto"` unless they are given,
    and saved as they were given.
    """

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self._asked: dict[str, Any] = {
            "steps_per_execution": "auto",
            "jit_compile": "auto",
        }
        self._execution = execution.Execution()
        # Of the data of the present run, if they come so.
        self.blocks: fusion.Blocks | None = None
        self._first_broken_step = breakage.FirstBrokenStep()

    @property
    def first_broken_step(self) -> int | None:
        """Step of `fit` whose loss or weights broke first; `None` if none did.

        See `callbacks.StopOnNonFinite`, which tells.
        """
        return self._first_broken_step.value

    def compile(self, *args, steps_per_execution="auto", jit_compile="auto", **kwargs):
        """As `keras.Model.compile`, but for two arguments.

        Args:
            *args: Optimizer, loss, and so on, as for `keras.Model.compile`.
            steps_per_execution: Number of training steps in one call, between which no
                callback is called. By default several, up to 32, from 100 steps of
                training on, unless a callback of the run looks at every step.
            jit_compile: Whether XLA compiles all functions of the model, and the steps
                of one call into one program. By default as in Keras, not on
                processors, except for the training of models without convolutions
                from 500 steps on, which gain by it.
            **kwargs: The other arguments of `keras.Model.compile`.

        Raises:
            ValueError: If `steps_per_execution` is neither `"auto"` nor a positive
                number, or XLA shall compile a model that computes in chunks.
        """
        self._asked = {
            "steps_per_execution": execution.checked_steps(steps_per_execution),
            "jit_compile": jit_compile,
        }
        self._execution = execution.Execution()
        super().compile(
            *args,
            steps_per_execution=self._steps_asked(),
            jit_compile=jit_compile,
            **kwargs,
        )
        chunked = fusion.has_chunks(self, self.loss)
        if chunked and self.jit_compile:  # type: ignore[has-type]
            if jit_compile != "auto":
                raise ValueError(
                    "jit_compile must be off where rows are computed in chunks, whose "
                    f"loops XLA cannot compile; received jit_compile={jit_compile!r}. "
                    "Leave it at its default, or leave out chunk_size and "
                    "encoder_chunk_size."
                )
            self.jit_compile = False

    def get_compile_config(self):
        config = super().get_compile_config()
        return {**config, **self._asked} if config else config

    def compile_from_config(self, config):
        self.compile(**keras.saving.deserialize_keras_object(config))
        if self.built:
            self.optimizer.build(self.trainable_variables)

    def fit(
        self,
        x=None,
        y=None,
        batch_size=None,
        epochs=1,
        verbose="auto",
        callbacks=None,
        *,
        steps_per_epoch=None,
        initial_epoch=0,
        **kwargs,
    ):
        self._assert_compile_called("fit")
        if not isinstance(callbacks, keras.callbacks.CallbackList):
            callbacks = fit_arguments.checked_callbacks(callbacks)
            if not any(isinstance(c, StopOnNonFinite) for c in callbacks):
                # NaN in the data would go unnoticed: a fused ReLU swallows it.
                callbacks.insert(0, StopOnNonFinite())
        # Not int(iterations): a strategy's mirrored variable does not convert.
        taken = int(self.optimizer.iterations.numpy())
        epochs_left = epochs - initial_epoch
        length = execution.length(x, batch_size, epochs_left, steps_per_epoch, taken)
        chosen = execution.choose(self, length, callbacks, **self._asked)
        self._first_broken_step.forget()
        # Keras looks into a batch to build a model, and weights each by its class.
        as_it_is = self.built and kwargs.get("class_weight") is None
        in_blocks = chosen.fused and as_it_is
        blocks = fusion.blocks(x, chosen.steps) if in_blocks else None
        with inputs.as_value_errors(), self._executing(chosen, blocks):
            return super().fit(
                x,
                y,
                batch_size,
                epochs,
                verbose,
                callbacks,
                steps_per_epoch=steps_per_epoch,
                initial_epoch=initial_epoch,
                **kwargs,
            )

    def train_on_batch(self, *args, **kwargs):
        with inputs.as_value_errors(), self._executing(execution.Execution()):
            return super().train_on_batch(*args, **kwargs)

    def evaluate(self, *args, **kwargs):
        with inputs.as_value_errors():
            return super().evaluate(*args, **kwargs)

    def make_train_function(self, force=False):
        if execution.is_distributed(self):
            replicas.refuse_what_differs(self)
            make = replicas.step_function
        elif self._execution.fused:
            make = fusion.fused_function
        else:
            make = keras.Model._make_function
        if self.train_function is None or force:  # type: ignore[has-type]
            self.train_function = make(self, self._watched_train_step)

    def _watched_train_step(self, data):
        results = self.train_step(data)
        self._first_broken_step.note(
            self.optimizer.iterations,
            # The mean since the epoch began, which does not get well again.
            results.get("loss", 0.0),
            self.trainable_variables,
        )
        return results

    def make_test_function(self, force=False):
        if not execution.is_distributed(self):
            return super().make_test_function(force)
        if self.test_function is None or force:  # type: ignore[has-type]
            self.test_function = replicas.step_function(self, self.test_step)

    @contextlib.contextmanager
    def _executing(self, chosen, blocks=None):
        """Has the steps of a run executed as chosen, evaluations in it included."""
        if chosen != self._execution:
            self.train_function = None
        self._execution, self.blocks = chosen, blocks
        self._set_steps(chosen.steps)
        try:
            yield
        finally:
            self.blocks = None
            self._set_steps(self._steps_asked())

    def _set_steps(self, steps):
        if steps != self.steps_per_execution:  # type: ignore[has-type]
            # Compiled for another number, they would leave out batches, or repeat.
            self.test_function = self.predict_function = None
        self.steps_per_execution = steps

    def _steps_asked(self):
        asked = self._asked["steps_per_execution"]
        return 1 if asked == "auto" else asked
