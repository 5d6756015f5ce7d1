"""Steps on JAX: Keras's own step, compiled as a whole.

Under a `keras.distribution` a batch is the global batch, so nothing is gathered.
"""

import jax
import keras

from keras_infomax.models.steps_keras import KerasPairSteps, KerasSteps


class Steps(KerasSteps):
    """Steps that run as in Keras, in one process or in several of one distribution."""

    def checked_compilation(self, loss, metrics, steps, jit_compile):
        """The `jit_compile` for Keras; JAX can also compile loops over chunks."""
        return jit_compile

    def check_processes(self):
        if jax.process_count() > 1 and keras.distribution.distribution() is None:
            raise ValueError(
                "fit needs a keras.distribution if JAX has several processes; received "
                f"{jax.process_count()} processes and none, so each would train its "
                "own model. Call keras.distribution.set_distribution("
                "keras.distribution.DataParallel()) before the model is made."
            )

    def begin_run(self):
        """Copies the state of the present run to the model, before another run."""
        self.jax_state_sync()


class PairSteps(KerasPairSteps):
    """Steps of a model that scores pairs of views; see `steps`."""

    @property
    def non_trainable_variables(self):
        # Includes the state of a loss. JAX loses variables that a step does not return.
        of_loss = getattr(getattr(self, "loss", None), "variables", ())
        return [*super().non_trainable_variables, *of_loss]

    def train_step(self, state, data):
        self.check_trainable()
        with self.scoring():
            logs, state = super().train_step(state, self.unpacked(data))
        trainable_variables, non_trainable_variables, *others = state
        values = self._mapped(trainable_variables, non_trainable_variables)
        with keras.StatelessScope(state_mapping=values) as scope:
            self.end_step()
        moved = [scope.get_current_value(v) for v in self.non_trainable_variables]
        return logs, (trainable_variables, moved, *others)

    def test_step(self, state, data):
        with self.scoring():
            return super().test_step(state, self.unpacked(data))

    def predict_step(self, state, data):
        trainable_variables, non_trainable_variables = state
        views, _, _ = keras.utils.unpack_x_y_sample_weight(data)
        values = self._mapped(trainable_variables, non_trainable_variables)
        with keras.StatelessScope(state_mapping=values):
            return self.representation_of(views), non_trainable_variables

    def _mapped(self, trainable_variables, non_trainable_variables):
        """Pairs of variables and values for a stateless scope."""
        return [
            *zip(self.trainable_variables, trainable_variables, strict=True),
            *zip(self.non_trainable_variables, non_trainable_variables, strict=True),
        ]
