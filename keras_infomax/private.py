"""Every use of a private API of Keras, TensorFlow, keras-tuner and the system.

A name here may change with any release of these packages. Each use is a small function
or base class that says why no public API will do, and `tests/test_private.py` says
which of them a newer release has changed. No other module uses private names; the same
tests check it.
"""

import contextlib
import ctypes
import functools
import os
import pathlib
from collections.abc import Iterator, Mapping
from typing import Any

import keras
from keras.src import backend
from keras.src.backend.common import global_state
from keras.src.saving import serialization_lib

from keras_infomax.lazy_tensorflow import tf

# Keras: layers and variables.


def layers(layer: keras.Layer, include_self: bool = True) -> list[keras.Layer]:
    """All layers in a layer, at any depth, each once.

    `keras.Model.layers` has those of a model alone, and not what is inside of them;
    other layers do not tell of their sublayers.

    Args:
        layer: Layer or model.
        include_self: Whether it is the first of them.
    """
    return list(layer._flatten_layers(include_self=include_self))


def learned_variables(layer: keras.Layer) -> list[keras.Variable]:
    """The variables of a layer that gradients change, or would if it were not frozen.

    `layer.trainable_variables` lacks those of frozen layers, and `variable.trainable`
    is false for them.

    Args:
        layer: Built layer or model.
    """
    found = {id(v) for each in layers(layer) for v in each._trainable_variables}
    return [variable for variable in layer.variables if id(variable) in found]


def has_added_losses(layer: keras.Layer) -> bool:
    """Whether a layer has added losses itself when it was called last.

    `layer.losses` has those of its sublayers, too, and of its weights.

    Args:
        layer: Layer that has been called.
    """
    return bool(layer._loss_ids)


def averaged_function(metric: keras.metrics.MeanMetricWrapper) -> tuple[Any, dict]:
    """The function that a metric averages, and the options that it is called with.

    The config of the metric names the function, but does not hold it.

    Args:
        metric: Metric made as `keras.metrics.MeanMetricWrapper(function)`.
    """
    return metric._fn, metric._fn_kwargs


def assign_at_once(variable: keras.Variable, value: Any) -> None:
    """Assigns to a variable in a `keras.StatelessScope`.

    `variable.assign` only notes the value there, and leaves the variable as it was.

    Args:
        variable: Variable.
        value: Tensor of its shape.
    """
    variable._direct_assign(value)


def set_random_seed(seed: int) -> None:
    """Seeds Python, NumPy, the backend and Keras.

    Before version 3.13 `keras.utils.set_random_seed` leaves out the global generator of
    Keras, which layers draw from that have none of their own.

    Args:
        seed: Seed of all of them.
    """
    keras.utils.set_random_seed(seed)
    global_state.set_global_attribute("global_seed_generator", None)


def variable_of(value: Any, trainable: bool, name: str) -> keras.Variable:
    """Variable of Keras that has its numbers in a `tf.Variable`.

    Before version 3.10 `keras.Variable` makes a copy of them, and nothing public else.

    Args:
        value: `tf.Variable`.
        trainable: Whether optimizers may change it.
        name: Its name, without a slash or colon.
    """
    variable = keras.Variable(
        value,
        shape=value.shape,
        dtype=value.dtype.name,
        trainable=trainable,
        name=name,
    )
    variable._value = value
    return variable


# Keras: what a run of `fit` or `evaluate` keeps on the model.

# Names that a method sets on the model and reads until it ends.
_STATE_OF = {
    "fit": ("history", "stop_training", "_initial_epoch", "_eval_epoch_iterator"),
    "evaluate": ("stop_evaluating",),
    "predict": ("stop_predicting",),
    "train_on_batch": (),
    "test_on_batch": (),
    "predict_on_batch": (),
}
_IN_FIT = "_use_cached_eval_dataset"


def state_of_run(model: keras.Model, method: str) -> dict[str, Any]:
    """What a running method has set on a model, by attribute.

    A callback may call the method again, which would change the outer run. Keras does
    not document all that a run keeps on the model.

    Args:
        model: Keras model.
        method: Name of a method that runs steps, such as `"fit"`.
    """
    return {name: getattr(model, name, None) for name in _STATE_OF[method]}


def forget_restored_epoch(model: keras.Model) -> None:
    """Has the next `fit` begin where its arguments say.

    `keras.callbacks.BackupAndRestore` sets the epoch that a run goes on with, and the
    model keeps it for the runs that follow. It has no public name.

    Args:
        model: Keras model.
    """
    model._initial_epoch = None


def is_in_fit(arguments: Mapping[str, Any]) -> bool:
    """Whether an evaluation is the validation of `fit`.

    `fit` tells `evaluate` so by a private argument, and in no other way.

    Args:
        arguments: Further keyword arguments of `evaluate`.
    """
    return bool(arguments.get(_IN_FIT))


def set_steps_of_validation(model: keras.Model, steps: int) -> None:
    """Sets how many steps of the validation of `fit` run in one call.

    `fit` keeps the iterator over the validation data, which was made for the steps of
    training; the public `steps_per_execution` does not change it.

    Args:
        model: Keras model whose `fit` evaluates now.
        steps: Number of steps.
    """
    model._eval_epoch_iterator.steps_per_execution = steps


class BuiltBeforeFit(keras.Model):
    """Model that is not built by the first batch of a run, once it is built.

    Under a strategy, `fit` and `evaluate` of Keras build from a batch that they average
    over replicas, which fails where it does not divide evenly. There is no public way
    to tell them that a model is built.
    """

    def _maybe_symbolic_build(self, iterator=None, data_batch=None):
        if not self.built:
            return super()._maybe_symbolic_build(iterator, data_batch)
        with self.distribute_strategy.scope():
            if self.optimizer is not None and not self.optimizer.built:
                self.optimizer.build(self.trainable_variables)


class BuiltBySteps(keras.Model):
    """Model whose parts are built by what a step computes, on JAX and PyTorch.

    `fit` and `evaluate` of Keras build metrics by a call of the model on a batch, whose
    result a step of ours does not take. There is no public way to build them.
    """

    def look_at(self, data: Any) -> Any:
        """Computes on a batch what a step computes, and updates the metrics."""
        raise NotImplementedError

    def _symbolic_build(self, iterator=None, data_batch=None):
        metrics = self._compile_metrics
        is_built = all(layer.built for layer in self._flatten_layers())
        if not is_built or not (metrics is None or metrics.built):
            if data_batch is None:
                # A list of batches on PyTorch, an iterator over them on JAX.
                _, _, found = next(iter(iterator))
                data_batch = (
                    found[0] if isinstance(found, list | tuple) else next(found)
                )
            symbolic = keras.tree.map_structure(
                lambda part: (
                    part
                    if part is None
                    else keras.KerasTensor(
                        part.shape, keras.backend.standardize_dtype(part.dtype)
                    )
                ),
                data_batch,
            )
            backend.compute_output_spec(self.look_at, symbolic)
        if self.optimizer is not None and not self.optimizer.built:
            self.optimizer.build(self.trainable_variables)
        self._post_build()


def ignores_batches(callback: keras.callbacks.Callback, hook: str) -> bool:
    """Whether a hook is one of Keras that does nothing which depends on each batch.

    Keras's progress bar and checkpoints define hooks of batches, and decide in private
    methods whether they do anything. A subclass may override these.

    Args:
        callback: Callback.
        hook: Name of one of its methods, such as `"on_train_batch_end"`.
    """
    callbacks = keras.callbacks

    def is_of(owner, name):
        found = getattr(getattr(callback, name, None), "__func__", None)
        return found is not None and found is getattr(owner, name, None)

    if is_of(callbacks.Callback, hook) or is_of(callbacks.CallbackList, hook):
        return True
    if is_of(callbacks.ProgbarLogger, hook):
        return is_of(callbacks.ProgbarLogger, "_update_progbar")
    savers = [callbacks.ModelCheckpoint, callbacks.BackupAndRestore]
    if hasattr(callbacks, "OrbaxCheckpoint"):  # Since Keras 3.13.
        savers.append(callbacks.OrbaxCheckpoint)
    return any(
        is_of(owner, hook)
        and is_of(owner, "_should_save_on_batch")
        and callback.save_freq == "epoch"
        for owner in savers
    )


# Keras: names and files.

# The key of a config that says which object it is of; see `marking_shared_objects`.
SHARED_OBJECT = "shared_object_id"
_COUNTS = "object_name_uids"


def name_counts() -> dict[str, int]:
    """How many objects Keras has named so far, by the first part of the name.

    `keras.backend.get_uid` counts one name on, and `keras.utils.clear_session` forgets
    far more than the counts; nothing public reads or restores all of them.
    """
    return global_state.get_global_attribute(_COUNTS) or {}


def set_name_counts(counts: dict[str, int]) -> None:
    """Has Keras go on counting from here; see `name_counts`.

    Args:
        counts: Mapping that gives 0 for what it does not hold. Keras changes it.
    """
    global_state.set_global_attribute(_COUNTS, counts)


@contextlib.contextmanager
def marking_shared_objects() -> Iterator[None]:
    """Has Keras mark the configs of objects that it sees again, by `SHARED_OBJECT`.

    Keras does so while it saves a whole model. For parts of one there is no public
    scope, and the configs of two layers do not tell whether they are one.
    """
    attribute = "shared_objects/id_to_config_map"
    if global_state.get_global_attribute(attribute) is not None:
        yield
    else:
        with serialization_lib.ObjectSharingScope():
            yield


def in_safe_mode() -> bool | None:
    """Whether Keras loads in safe mode; `None` where it does not load.

    `keras.saving.load_model` takes `safe_mode`, but does not hand it to the layers.
    """
    return serialization_lib.in_safe_mode()


def safe_mode(enabled: bool) -> contextlib.AbstractContextManager:
    """Scope in which `in_safe_mode` answers so.

    The public `keras.config.enable_unsafe_deserialization` turns safe mode off for the
    whole process, and nothing turns it on again.

    Args:
        enabled: Whether safe mode is on.
    """
    return serialization_lib.SafeModeScope(enabled)


# TensorFlow.


def merges_updates() -> bool:
    """Whether optimizers leave their replicas to update, under the present strategy.

    It decides which options of an optimizer Keras supports there. Strategies do not
    tell; Keras asks TensorFlow in this way.
    """
    return not tf.__internal__.distribute.strategy_supports_no_merge_call()


@functools.cache
def dataset_of_another() -> type:
    """Base of a dataset that has the elements of another, and methods of its own.

    Keras and strategies ask whether data are a `tf.data.Dataset`, whose constructor
    takes the private tensor of one. The base's takes the other dataset. It is made
    when it is asked for, since a process that does not use TensorFlow does not load it.
    """

    class DatasetOfAnother(tf.data.Dataset):
        def __init__(self, dataset):
            self._dataset = dataset
            super().__init__(dataset._variant_tensor)

        def _inputs(self):
            return [self._dataset]

        @property
        def element_spec(self):
            return self._dataset.element_spec

    return DatasetOfAnother


# keras-tuner, which is imported where it is used: it is an optional package.


def oracle_file(oracle: Any) -> pathlib.Path:
    """The file in which an oracle of keras-tuner keeps its state.

    Its folder is that of the search. Tuners tell their folder, oracles do not.

    Args:
        oracle: The `keras_tuner.Oracle` of a tuner.
    """
    return pathlib.Path(oracle._get_oracle_fname())


def tuner_file(tuner: Any) -> pathlib.Path:
    """The file in which a tuner of keras-tuner keeps its state.

    keras-tuner takes up a search again if it exists, and does not tell its name.

    Args:
        tuner: The `keras_tuner.Tuner`.
    """
    return pathlib.Path(tuner._get_tuner_fname())


class WritesTrials:
    """Base of oracles of keras-tuner that write the files of trials themselves.

    keras-tuner writes into the file that it reads after a crash. An oracle saves its
    state in a public method, but each trial in a private one.
    """

    def write_trial(self, trial: Any) -> None:
        """Writes what a trial has come to.

        Args:
            trial: The `keras_tuner` trial.
        """
        raise NotImplementedError

    def _save_trial(self, trial):
        self.write_trial(trial)


class LearnsFromOthers:
    """Base of Bayesian oracles of keras-tuner that choose by other trials.

    Version 1.4.8 leaves failed trials out, after it has counted those that succeeded.
    Both happen in one public method, `populate_space`.
    """

    trials: dict[str, Any]

    def trials_to_learn_from(self) -> dict[str, Any]:
        """Trials by name."""
        raise NotImplementedError

    def _vectorize_trials(self):
        trials, self.trials = self.trials, self.trials_to_learn_from()
        try:
            return super()._vectorize_trials()  # type: ignore[misc]
        finally:
            self.trials = trials


def draw_from(oracle: Any, seed: int) -> None:
    """Has a Bayesian oracle of keras-tuner draw where it looks from a seed.

    It makes its generator once, from the seed of the search, and does not save it: a
    search that goes on would draw the same numbers again.

    Args:
        oracle: The `keras_tuner.oracles.BayesianOptimizationOracle`.
        seed: Seed of the generator.
    """
    import numpy as np

    oracle._random_state = np.random.RandomState(seed)


def find_place_in_grid(oracle: Any) -> None:
    """Tells a grid search of keras-tuner which trials it has had.

    Version 1.4.8 does not save its place, and takes a grid that is loaded again for
    exhausted. The order of trials has no public name.

    Args:
        oracle: The `keras_tuner.oracles.GridSearchOracle`, just loaded.
    """
    values = {name: t.hyperparameters.values for name, t in oracle.trials.items()}
    ordered = sorted(
        values,
        key=functools.cmp_to_key(lambda a, b: oracle._compare(values[a], values[b])),
    )
    previous = None
    for name in ordered:
        oracle._ordered_ids.insert(name, previous)
        previous = name
    oracle._populate_next = ordered


@contextlib.contextmanager
def without_tracebacks_of_trials() -> Iterator[None]:
    """Has keras-tuner not print the traceback of a trial that fails.

    A failure is a result here, and recorded. The switch is no public one.
    """
    from keras_tuner.src import config

    before, config.DEBUG = config.DEBUG, False
    try:
        yield
    finally:
        config.DEBUG = before


@contextlib.contextmanager
def without_prints_of_conditions() -> Iterator[None]:
    """Keeps the screen free of what keras-tuner prints for each value it sends.

    Version 1.4.8 has a `print` left in, of values that a chief and its workers send,
    and no switch for it. All that the process prints goes to the same place.
    """
    from keras_tuner.src.engine import conditions

    conditions.print = lambda *values: None
    try:
        yield
    finally:
        del conditions.print


# The system.


def exchange(path: str | os.PathLike, other: str | os.PathLike) -> bool:
    """Swaps two paths in one step, where the system can.

    Linux can, by `renameat2`; Python has no function for it. `os.replace` replaces no
    folder that holds anything.

    Args:
        path: File or folder.
        other: The same, in the same file system.

    Returns:
        Whether it did.
    """
    # Windows has no library of None.
    library = ctypes.CDLL(None) if os.name == "posix" else None
    rename = getattr(library, "renameat2", None)
    if rename is None:
        return False
    working_folder, swap = -100, 2  # AT_FDCWD and RENAME_EXCHANGE of Linux.
    paths = os.fsencode(path), os.fsencode(other)
    return rename(working_folder, paths[0], working_folder, paths[1], swap) == 0
