"""Which examples trials are measured on."""

import numpy as np

from keras_infomax import checks, datasets


def held_out(data: datasets.Dataset, part: float, seed: int = 0) -> datasets.Dataset:
    """A data set whose test split is a random part of the training split.

    The data that choose a trial must not be the data that judge it in the end.

    Args:
        data: The data set.
        part: Part of the training examples; 0 returns the data set as it is.
        seed: Seed of the choice.
    """
    checks.instance(
        "data",
        data,
        datasets.Dataset,
        "a data set",
        "Make one with datasets.load or datasets.from_arrays.",
    )
    part = checks.probability("part", part, "[)", 0.2)
    seed = checks.seed("seed", seed)
    if part == 0:
        return data
    rows = datasets.rows_of(data.train_examples)
    order = np.random.default_rng(seed).permutation(rows)
    test, train = np.split(order, [round(part * rows)])
    return data.held_out(train, test)
