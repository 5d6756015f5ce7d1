"""Distribution strategies by name, for runs on one or many devices."""

from __future__ import annotations

import contextlib
import json
import os
from typing import Any

import keras

from keras_infomax import backends
from keras_infomax.checks import lookup, refusal
from keras_infomax.lazy_tensorflow import tf


def get(name: str) -> tf.distribute.Strategy | OneProcess:
    """Makes the strategy that a name stands for.

    A process must make it before its first TensorFlow operation, and only once.

    Args:
        name: `"one_device"`, the default strategy of TensorFlow; `"mirrored"`, all
            GPUs of this machine, or all logical CPU devices where there is none;
            `"multi_worker"`, all processes that the environment variable `TF_CONFIG`
            names; or `"auto"`: several workers if `TF_CONFIG` is set, mirrored if there
            are several GPUs, and else one device.

    On JAX and PyTorch the first and the last stand for this process alone, and the
    others are refused.

    Raises:
        ValueError: If the name is unknown or stands for nothing on this backend, or
            `TF_CONFIG` is needed and missing, or does not name workers, this one among
            them.

    Example:
    >>> get("one_device").num_replicas_in_sync
    1
    """
    make = lookup("strategy", name, _STRATEGIES)
    if backends.is_tensorflow():
        return make()
    if name in ("mirrored", "multi_worker"):
        backends.needs(
            f"strategy={name!r}",
            backends.TENSORFLOW,
            instead="Write strategy='one_device'; on JAX a keras.distribution that is "
            "set before the model is made shares its batches among devices.",
        )
    return OneProcess()


class OneProcess:
    """Stands for a `tf.distribute` strategy where the backend is another."""

    num_replicas_in_sync = 1
    cluster_resolver: Any = None

    def scope(self) -> contextlib.AbstractContextManager:
        """A context that changes nothing."""
        return contextlib.nullcontext()


def is_chief(strategy: tf.distribute.Strategy | OneProcess) -> bool:
    """Whether this process is the one of its strategy that writes files.

    Args:
        strategy: The strategy that the process trains under.
    """
    resolver = strategy.cluster_resolver
    task = None if resolver is None else resolver.task_type
    return task in (None, "chief") or (task == "worker" and resolver.task_id == 0)


def is_chief_of(model: keras.Model) -> bool:
    """Whether this process is the one that writes the files of a model's run.

    Args:
        model: Keras model; on JAX and PyTorch each process writes.
    """
    strategy = getattr(model, "distribute_strategy", None)
    return strategy is None or is_chief(strategy)


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
    check_tf_config(os.environ["TF_CONFIG"])
    return tf.distribute.MultiWorkerMirroredStrategy()


def _auto() -> tf.distribute.Strategy:
    if "TF_CONFIG" in os.environ:
        return _multi_worker()
    several = len(tf.config.list_physical_devices("GPU")) > 1
    return _mirrored() if several else tf.distribute.get_strategy()


def check_tf_config(text: str) -> None:
    """Raises where TensorFlow would wait for others, or train alone without a word.

    Args:
        text: The environment variable `TF_CONFIG`.

    Raises:
        ValueError: If it is no JSON of workers, a chief at most, and one of them.

    Example:
    >>> check_tf_config(
    ...     '{"cluster": {"worker": ["a:12345", "b:12345"]},'
    ...     ' "task": {"type": "worker", "index": 0}}'
    ... )
    """
    try:
        config = json.loads(text)
    except ValueError as error:
        raise _unfit_tf_config("JSON", text) from error
    cluster, task = (_part(config, name) for name in ("cluster", "task"))
    if not isinstance(cluster, dict) or not cluster:
        raise _unfit_tf_config("an object with a cluster of workers", text)
    unknown = sorted(cluster.keys() - {"chief", "worker"})
    if unknown:
        raise _unfit_tf_config(
            "a cluster of the jobs 'worker' and 'chief' alone", ", ".join(unknown)
        )
    for job, addresses in cluster.items():
        if not _are_addresses(addresses):
            raise _unfit_tf_config(
                f"a list of addresses host:port for the job {job!r}", addresses
            )
    if len(cluster.get("chief", ())) > 1:
        raise _unfit_tf_config("one chief at most", cluster["chief"])
    addresses = [address for job in cluster.values() for address in job]
    if len(set(addresses)) < len(addresses):
        raise _unfit_tf_config("an address of its own for each worker", addresses)
    job, index = _part(task, "type"), _part(task, "index")
    # As TensorFlow does, a number or its digits.
    known = [(j, str(i)) for j in cluster for i in range(len(cluster[j]))]
    if (job, str(index)) not in known:
        raise _unfit_tf_config("a task that is one of the cluster", task)


def _part(config: Any, name: str) -> Any:
    return config.get(name) if isinstance(config, dict) else None


def _are_addresses(values: Any) -> bool:
    def is_address(value):
        host, _, port = value.rpartition(":") if isinstance(value, str) else ("",) * 3
        return bool(host) and port.isdecimal()

    return isinstance(values, list) and bool(values) and all(map(is_address, values))


def _unfit_tf_config(expected: str, received: Any) -> ValueError:
    return refusal(
        "The environment variable TF_CONFIG",
        expected,
        received,
        """Type export TF_CONFIG='{"cluster": {"worker": ["host0:12345", """
        """"host1:12345"]}, "task": {"type": "worker", "index": 0}}' with the """
        "addresses of all workers and the index of this one, or unset TF_CONFIG.",
    )


def check(strategy: tf.distribute.Strategy) -> None:
    """Raises where nobody knows whether replicas would train what one device does.

    Args:
        strategy: The strategy that a model is made under.

    Raises:
        ValueError: If it is none of those that `get` makes, nor one of one device; or
            if it is one of several replicas, whose metrics Keras before 3.10 does not
            add up.
    """
    known = (
        tf.distribute.MirroredStrategy,
        tf.distribute.MultiWorkerMirroredStrategy,
        tf.distribute.OneDeviceStrategy,
    )
    if not isinstance(strategy, known) and _is_any(strategy):
        raise refusal(
            "The strategy of a model",
            "a MirroredStrategy or a MultiWorkerMirroredStrategy",
            type(strategy).__name__,
            "Make the model under tf.distribute.MirroredStrategy().scope(), or under "
            "no strategy.",
        )
    if strategy.num_replicas_in_sync > 1 and backends.keras_before(3, 10):
        raise refusal(
            "The Keras of a strategy of several replicas",
            "3.10 or newer",
            keras.__version__,
            "Metrics of older ones do not add up: update Keras, or take one device.",
        )


def _is_any(strategy: tf.distribute.Strategy) -> bool:
    """Whether it is a strategy, and not what TensorFlow has where there is none."""
    with strategy.scope():
        return tf.distribute.has_strategy()


_STRATEGIES = {
    "one_device": lambda: tf.distribute.get_strategy(),
    "mirrored": _mirrored,
    "multi_worker": _multi_worker,
    "auto": _auto,
}
