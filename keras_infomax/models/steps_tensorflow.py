"""Steps on TensorFlow: on replicas, several in a call, compiled by XLA."""

from typing import Any

import keras

from keras_infomax import private
from keras_infomax.execution import (
    distribution,
    fusion,
    non_finite,
    plan,
    replica_checks,
    replica_losses,
    replicas,
    strategies,
)
from keras_infomax.lazy_tensorflow import tf


class Steps(keras.Model):
    """Steps that run as `plan.choose` decides, and record the first non-finite step.

    There is one compiled function for each `plan.Execution`; see `_by_execution`.
    """

    train_function: Any
    test_function: Any
    predict_function: Any
    _run: plan.Run | None
    _asked: dict[str, Any]

    @property
    def _execution(self) -> plan.Execution:
        raise NotImplementedError

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        strategies.check(self.distribute_strategy)
        self._first_broken_step = non_finite.FirstBrokenStep()

    @property
    def first_broken_step(self) -> int | None:
        """First step of `fit` with a non-finite loss or weight, or `None`.

        `callbacks.StopOnNonFinite` reports it.
        """
        return self._first_broken_step.value

    @first_broken_step.setter
    def first_broken_step(self, step: int | None) -> None:
        self._first_broken_step.value = step

    def checked_compilation(self, loss, metrics, steps, jit_compile):
        """The `jit_compile` for Keras.

        Raises:
            ValueError: If XLA would have to compile a model that computes in chunks.
        """
        if not fusion.has_chunks(self, loss, metrics):
            return jit_compile
        if jit_compile not in ("auto", False, None):
            raise ValueError(
                "jit_compile must be off if rows are computed in chunks, since XLA "
                f"cannot compile their loops; received jit_compile={jit_compile!r}. "
                "Leave it at its default, or leave out chunk_size and "
                "encoder_chunk_size."
            )
        return False

    def plan_fit(self, arguments, asked):
        """How `fit` runs these arguments."""
        length = plan.length(
            arguments["x"],
            arguments["batch_size"],
            arguments["epochs"],
            arguments["steps_per_epoch"],
            plan.steps_taken(self.optimizer),
            arguments["initial_epoch"],
        )
        chosen = plan.choose(self, length, arguments["callbacks"], **asked)
        # Keras reads a batch to build a model, and weights each row by its class.
        in_blocks = chosen.fused and self.built and arguments["class_weight"] is None
        blocks = fusion.blocks(arguments["x"], chosen.steps) if in_blocks else None
        return plan.Run(chosen, blocks)

    def plan_evaluation(self, steps, callbacks, asked):
        """How `evaluate` runs."""
        return plan.Run(
            plan.of_evaluation(
                self.steps_per_execution,
                steps,
                callbacks,
                asked["steps_per_execution"],
            )
        )

    def begin_run(self):
        """Does nothing: variables always hold their values."""

    def predict_on_batch(self, x):
        return super().predict_on_batch(replicas.split(x, self.distribute_strategy))

    def _by_execution(self, make):
        """Function of data that runs the execution of the present run.

        There is one compiled function for each execution, kept until the model is
        compiled again. So a run never calls a function that was compiled for another
        execution.
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
            # Some checks depend on the current strategy.
            with self.distribute_strategy.scope():
                replica_checks.refuse_what_differs(self)

        def make():
            if is_distributed:
                return replicas.step_function(self, self._watched_train_step)
            # A callback may have compiled the model again, with parts that XLA cannot
            # compile.
            fused = self._execution.fused and plan.can_fuse(
                self, self._asked["jit_compile"]
            )
            wrap = fusion.fused_function if fused else fusion.unfused_function
            function = wrap(self, self._watched_train_step)
            return lambda data: function(self._in_blocks(data))

        if self.train_function is None or force:
            self.train_function = self._by_execution(make)

    def _in_blocks(self, batches):
        """Data to iterate over: those of Keras, or the stacked batches of a stream."""
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
            super(Steps, self).make_predict_function(force=True)
            made, self.predict_function = self.predict_function, function
            return made

        if self.predict_function is None or force:
            self.predict_function = self._by_execution(make)

    def _watched_train_step(self, data):
        results = self.train_step(data)
        self._first_broken_step.note(
            plan.iterations(self.optimizer),
            # A running mean: once it is NaN, it stays NaN.
            results.get("loss", 0.0),
            self.trainable_variables,
        )
        return results


class PairSteps(private.BuiltBeforeFit):
    """Steps of a model that scores pairs of views; see `steps`."""

    def train_step(self, data):
        views, _, weights = self.unpacked(data)
        with tf.GradientTape() as tape, replica_losses.collecting_losses(self, views):
            with self.scoring():
                outputs = self(views, training=True)
            self.check_trainable()
            loss = self.compute_loss(views, None, outputs, weights, training=True)
            scaled_loss = self.optimizer.scale_loss(loss)
        gradients = tape.gradient(scaled_loss, self.trainable_variables)
        # Otherwise a variable may be updated before a slow branch of the loss has read
        # it, such as a discriminator that no gradient depends on.
        with tf.control_dependencies([loss]):
            gradients = [None if g is None else tf.identity(g) for g in gradients]
        gradients = replica_losses.summed(gradients, self.optimizer)
        self.optimizer.apply_gradients(
            zip(gradients, self.trainable_variables, strict=True)
        )
        self.end_step()
        return self._report(loss, views, outputs, weights)

    def test_step(self, data):
        views, _, weights = self.unpacked(data)
        with replica_losses.collecting_losses(self, views):
            with self.scoring():
                outputs = self(views, training=False)
            loss = self.compute_loss(views, None, outputs, weights, training=False)
        return self._report(loss, views, outputs, weights)

    def predict_step(self, data):
        views, _, _ = keras.utils.unpack_x_y_sample_weight(data)
        return self.representation_of(views)

    def _report(self, loss, views, outputs, weights):
        loss = distribution.total(loss)
        rows = tf.shape(keras.tree.flatten(views)[0])[0]
        for metric in self.metrics:
            if metric.name == "loss":
                metric.update_state(loss, sample_weight=rows)
        self.update_estimates(outputs, weights)
        return self.compute_metrics(views, None, outputs, weights)
