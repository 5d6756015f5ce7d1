"""InfoMax.fit of this package, with data through `datasets.pairs`."""

from collections.abc import Callable

import keras

import keras_infomax as kim
from benchmarks import peers
from keras_infomax import datasets, experiments


def prepare(critic: str, batch_size: int) -> Callable[[int], None]:
    """See `peers`."""
    images = peers.images().reshape(-1, 28, 28, 1)
    keras.utils.set_random_seed(0)
    model = kim.InfoMax(
        kim.encoders.mlp((14, 28, 1)), kim.encoders.mlp((14, 28, 1)), critic
    )
    model.compile(
        experiments.make_optimizer(1e-4),
        loss=kim.losses.InfoNCE(),
        steps_per_execution=32,
        jit_compile=True,
    )

    def train(steps):
        pairs = datasets.pairs(images, "halves", batch_size, num_steps=steps)
        model.fit(pairs, verbose=0)

    return train
