"""InfoMax.fit of this package, with data through `datasets.pairs`."""

from collections.abc import Callable

import keras

import keras_infomax as kim
from benchmarks import peers
from keras_infomax import datasets
from keras_infomax.training import experiments

# From so many steps on, a model is trained as long runs train it.
_STEPS_OF_A_LONG_RUN = 640


def make(critic: str) -> kim.InfoMax:
    """The model, compiled with no options but those of the paper."""
    keras.utils.set_random_seed(0)
    model = kim.InfoMax(
        kim.encoders.mlp((14, 28, 1)), kim.encoders.mlp((14, 28, 1)), critic
    )
    model.compile(experiments.make_optimizer(1e-4), loss=kim.losses.InfoNCE())
    return model


def prepare(critic: str, batch_size: int) -> Callable[[int], None]:
    """See `peers`."""
    images = peers.images().reshape(-1, 28, 28, 1)
    model = make(critic)
    # As if that many had been taken: how steps run depends on how many there are.
    model.optimizer.iterations.assign(_STEPS_OF_A_LONG_RUN)

    def train(steps):
        pairs = datasets.pairs(images, "halves", batch_size, num_steps=steps)
        model.fit(pairs, verbose=0)

    return train
