"""What JAX and PyTorch have in common: Keras's own steps, as `compile` was told."""

import keras

from keras_infomax import private
from keras_infomax.execution import plan


class KerasSteps(keras.Model):
    """Steps that run as in Keras, one in a call unless `compile` was told otherwise."""

    # Here NaN is not swallowed by a fused ReLU: the loss tells.
    first_broken_step = None

    def check_processes(self):
        """Refuses processes that would each train a model of their own.

        Raises:
            ValueError: If there are such processes.
        """
        raise NotImplementedError

    def plan_fit(self, arguments, asked):
        """How `fit` runs these arguments."""
        self.check_processes()
        return plan.as_asked(asked)

    def plan_evaluation(self, steps, callbacks, asked):
        """How `evaluate` runs."""
        return plan.as_asked(asked)


class KerasPairSteps(private.BuiltBySteps):
    """Model of pairs whose metrics are built by what a step scores; see `steps`."""

    def look_at(self, data):
        views, _, weights = self.unpacked(data)
        with self.scoring():
            outputs = self(views, training=False)
        return self.compute_metrics(views, None, outputs, weights)
