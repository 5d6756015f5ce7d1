"""How a step runs on PyTorch: Keras's own step, in eager mode, on one device."""

import keras

from keras_infomax import backends, private
from keras_infomax.execution import distribution, plan


class Steps(keras.Model):
    """Steps that run as in Keras, one in a call."""

    # Here NaN is not swallowed by a fused ReLU: the loss tells.
    first_broken_step = None

    def checked_compilation(self, loss, metrics, steps, jit_compile):
        """What Keras shall compile by.

        Raises:
            ValueError: If it shall compile, or run several steps in a call.
        """
        if jit_compile not in ("auto", False, None):
            backends.needs(
                f"jit_compile={jit_compile!r}",
                *(backends.TENSORFLOW, backends.JAX),
                instead="Leave it at its default.",
            )
        if steps not in ("auto", 1):
            backends.needs(
                f"steps_per_execution={steps!r}",
                *(backends.TENSORFLOW, backends.JAX),
                instead="Leave it at its default.",
            )
        return jit_compile

    def plan_fit(self, arguments, asked):
        """How `fit` runs these arguments."""
        distribution.refuse_processes_of_torch()
        return plan.as_asked(asked)

    def plan_evaluation(self, steps, callbacks, asked):
        """How `evaluate` runs."""
        return plan.as_asked(asked)

    def begin_run(self):
        """Nothing: variables hold their values at all times."""


class PairSteps(private.BuiltBySteps):
    """Steps of a model that scores pairs of views; see `steps`."""

    def train_step(self, data):
        self.check_trainable()
        with self.scoring():
            results = super().train_step(self.unpacked(data))
        self.end_step()
        return results

    def test_step(self, data):
        with self.scoring():
            return super().test_step(self.unpacked(data))

    def look_at(self, data):
        views, _, weights = self.unpacked(data)
        with self.scoring():
            outputs = self(views, training=False)
        return self.compute_metrics(views, None, outputs, weights)

    def predict_step(self, data):
        views, _, _ = keras.utils.unpack_x_y_sample_weight(data)
        return self.representation_of(views)
