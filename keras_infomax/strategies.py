"""Distribution strategies by name, for runs on one or many devices."""

import os

import tensorflow as tf

from keras_infomax.checks import lookup


def get(name: str) -> tf.distribute.Strategy:
    """Makes the strategy that a name stands for.

    A process must make it before its first TensorFlow operation, and only once.

    Args:
        name: `"one_device"`, the default strategy of TensorFlow; `"mirrored"`, all
            GPUs of this machine, or all logical CPU devices where there is none;
            `"multi_worker"`, all processes that the environment variable `TF_CONFIG`
            names; or `"auto"`: several workers if `TF_CONFIG` is set, mirrored if there
            are several GPUs, and else one device.

    Raises:
        ValueError: If the name is unknown, or `"multi_worker"` lacks `TF_CONFIG`.

    Example:
    >>> get("one_device").num_replicas_in_sync
    1
    """
    return lookup("strategy", name, _STRATEGIES)()


def is_chief(strategy: tf.distribute.Strategy) -> bool:
    """Whether this process is the one of its strategy that writes files.

    Args:
        strategy: The strategy that the process trains under.
    """
    resolver = strategy.cluster_resolver
    task = None if resolver is None else resolver.task_type
    return task in (None, "chief") or (task == "worker" and resolver.task_id == 0)


def _mirrored() -> tf.distribute.Strategy:
    gpus = tf.config.list_logical_devices("GPU")
    devices = gpus or tf.config.list_logical_devices("CPU")
    return tf.distribute.MirroredStrategy([device.name for device in devices])


def _multi_worker() -> tf.distribute.Strategy:
    if "TF_CONFIG" not in os.environ:
        raise ValueError(
            "strategy='multi_worker' needs the environment variable TF_CONFIG, which "
            "names the addresses of all workers and the task of this one; received "
            "none. Start every worker with its own, or use 'mirrored'."
        )
    return tf.distribute.MultiWorkerMirroredStrategy()


def _auto() -> tf.distribute.Strategy:
    if "TF_CONFIG" in os.environ:
        return _multi_worker()
    several = len(tf.config.list_physical_devices("GPU")) > 1
    return _mirrored() if several else tf.distribute.get_strategy()


_STRATEGIES = {
    "one_device": tf.distribute.get_strategy,
    "mirrored": _mirrored,
    "multi_worker": _multi_worker,
    "auto": _auto,
}
