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
    """Makes a strategy from its name.

    Call it once per process, before the first TensorFlow operation.

    Args:
        name: `"one_device"`, the default strategy of TensorFlow; `"mirrored"`, all GPUs
            of this machine, or all logical CPU devices if there is no GPU;
            `"multi_worker"`, all processes in the environment variable `TF_CONFIG`; or
            `"auto"`: several workers if `TF_CONFIG` is set, mirrored if there are
            several GPUs, and otherwise one device.

    On JAX and PyTorch, `"one_device"` and `"auto"` mean this process only, and the
    others are refused.

    Raises:
        ValueError: If the name is unknown or not supported by this backend, or if
            `TF_CONFIG` is needed and missing or does not name workers including this
            one.

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
            instead="Write strategy='one_device'. To split batches among devices of "
            "JAX, set a keras.distribution before the model is made.",
        )
    return OneProcess()


class OneProcess:
    """Replaces a `tf.distribute` strategy on other backends."""

    num_replicas_in_sync = 1
    cluster_resolver: Any = None

    def scope(self) -> contextlib.AbstractContextManager:
        """A context that changes nothing."""
        return contextlib.nullcontext()


def is_chief(strategy: tf.distribute.Strategy | OneProcess) -> bool:
    """Whether this process is the one that writes files under its strategy.

    Args:
        strategy: The strategy under which the process trains.
    """
    resolver = strategy.cluster_resolver
    task = None if resolver is None else resolver.task_type
    return task in (None, "chief") or (task == "worker" and resolver.task_id == 0)


def is_chief_of(model: keras.Model) -> bool:
    """Whether this process writes the files of a model's run.

    Args:
        model: Keras model; on JAX and PyTorch every process writes.
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
    """Raises if TensorFlow would wait for other workers, or silently train alone.

    Args:
        text: Value of the environment variable `TF_CONFIG`.

    Raises:
        ValueError: If it is not JSON that names workers, at most one chief, and a task
            among them.

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
            "a cluster of the jobs 'worker' and 'chief' only", ", ".join(unknown)
        )
    for job, addresses in cluster.items():
        if not _are_addresses(addresses):
            raise _unfit_tf_config(
                f"a list of addresses host:port for the job {job!r}", addresses
            )
    if len(cluster.get("chief", ())) > 1:
        raise _unfit_tf_config("at most one chief", cluster["chief"])
    addresses = [address for job in cluster.values() for address in job]
    if len(set(addresses)) < len(addresses):
        raise _unfit_tf_config("a different address for each worker", addresses)
    job, index = _part(task, "type"), _part(task, "index")
    # TensorFlow accepts an index as a number or as text.
    known = [(j, str(i)) for j in cluster for i in range(len(cluster[j]))]
    if (job, str(index)) not in known:
        raise _unfit_tf_config("a task that is in the cluster", task)


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
    """Refuses strategies that are not known to train as one device does.

    Args:
        strategy: The strategy under which a model is made.

    Raises:
        ValueError: If it is not a strategy that `get` makes, nor one of one device; or
            if it has several replicas, and Keras is older than 3.10.
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
    """Whether it is a real strategy, and not TensorFlow's default one."""
    with strategy.scope():
        return tf.distribute.has_strategy()


_STRATEGIES = {
    "one_device": lambda: tf.distribute.get_strategy(),
    "mirrored": _mirrored,
    "multi_worker": _multi_worker,
    "auto": _auto,
}
