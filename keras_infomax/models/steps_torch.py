"""Steps on PyTorch: Keras's own step, in eager mode, on one device."""

import keras

from keras_infomax import backends
from keras_infomax.execution import distribution
from keras_infomax.models.steps_keras import KerasPairSteps, KerasSteps


class Steps(KerasSteps):
    """Steps that run as in Keras, one in a call."""

    def checked_compilation(self, loss, metrics, steps, jit_compile):
        """The `jit_compile` for Keras.

        Raises:
            ValueError: If the step is to be compiled, or several steps are to run in a
                call.
        """
        for argument, value, taken in (
            ("jit_compile", jit_compile, ("auto", False, None)),
            ("steps_per_execution", steps, ("auto", 1)),
        ):
            if value not in taken:
                backends.needs(
                    f"{argument}={value!r}",
                    *(backends.TENSORFLOW, backends.JAX),
                    instead="Leave it at its default.",
                )
        return jit_compile

    def check_processes(self):
        distribution.refuse_processes_of_torch()

    def begin_run(self):
        """Does nothing: variables always hold their values."""


class PairSteps(KerasPairSteps):
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

    def predict_step(self, data):
        views, _, _ = keras.utils.unpack_x_y_sample_weight(data)
        return self.representation_of(views)
