"""Which images trials are measured on."""

import dataclasses

import numpy as np

from keras_infomax import checks, datasets


def held_out(
    data: datasets.ImageDataset, part: float, seed: int = 0
) -> datasets.ImageDataset:
    """A data set whose test split is a random part of the training split.

    The data that choose a trial must not be the data that judge it in the end.

    Args:
        data: The data set.
        part: Part of the training images; 0 returns the data set as it is.
        seed: Seed of the choice.
    """
    checks.instance(
        "data",
        data,
        datasets.ImageDataset,
        "a data set",
        "Make one with datasets.load or datasets.from_arrays.",
    )
    part = checks.probability("part", part, "[)", 0.2)
    seed = checks.seed("seed", seed)
    if part == 0:
        return data
    rows = len(data.train_images)
    order = np.random.default_rng(seed).permutation(rows)
    test, train = np.split(order, [round(part * rows)])
    labels = data.train_labels
    return dataclasses.replace(
        data,
        train_images=data.train_images[train],
        train_labels=None if labels is None else labels[train],
        test_images=data.train_images[test],
        test_labels=None if labels is None else labels[test],
    )
