"""Common part of JAX and PyTorch: Keras's own steps with the options of `compile`."""

import keras

from keras_infomax import private
from keras_infomax.execution import plan


class KerasSteps(keras.Model):
    """Steps that run as in Keras, one in a call unless `compile` sets a number."""

    # No fused ReLU hides NaN on these backends, so the loss shows it.
    first_broken_step = None

    def check_processes(self):
        """Refuses several processes that would each train their own model.

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
    """Model of pairs whose metrics are built from the scores of a step; see `steps`."""

    def look_at(self, data):
        views, _, weights = self.unpacked(data)
        with self.scoring():
            outputs = self(views, training=False)
        return self.compute_metrics(views, None, outputs, weights)
