"""Compiled steps under a strategy.

To build a model, Keras 3.15 averages the first batch over replicas, which fails if the
batch does not divide evenly. It can neither run several steps per execution on replicas
nor reduce the results of several workers. These functions replace those parts.
"""

import itertools
import types

import keras

from keras_infomax.execution import random_layers, replica_checks
from keras_infomax.lazy_tensorflow import tf


def step_function(model, step):
    """Compiles a step for all replicas of a model's strategy.

    Args:
        model: Keras model; reads `distribute_strategy`, `steps_per_execution`,
            `jit_compile`, `run_eagerly`.
        step: Function from one replica's data to a dictionary of results that are equal
            on all replicas.

    Returns:
        Function of a data iterator. It runs `steps_per_execution` steps, fewer at the
        end of the data, and returns the results of the last one.
    """
    strategy, steps = model.distribute_strategy, model.steps_per_execution
    # It has no Python control flow on tensors, and a conversion would take a second.
    step = tf.autograph.experimental.do_not_convert(step)
    if model.jit_compile:  # One replica only; refused on several.
        step = tf.function(step, jit_compile=True, reduce_retracing=True)

    several_replicas = strategy.num_replicas_in_sync > 1

    def run(data):
        networks = replica_checks.networks(model) if several_replicas else ()
        with random_layers.called_with_all_rows(networks):
            outputs = strategy.run(step, args=(data,))
        return keras.tree.map_structure(
            lambda value: strategy.experimental_local_results(value)[0], outputs
        )

    one = run if model.run_eagerly else tf.function(run, reduce_retracing=True)

    def one_step(iterator):
        results = one(_batch_of_all(iterator, strategy))
        # The model's own metrics see the whole batch, compiled metrics only a part.
        of_parts = bool(keras.tree.flatten(model.compiled_metrics_given))
        single = isinstance(iterator, types.GeneratorType)
        if several_replicas and (of_parts or single):
            return model.get_metrics_result()
        return results

    if steps == 1:
        return one_step

    def several(iterator):
        count = tf.constant(0)
        for _ in tf.range(steps):
            # Guarded, so that no update runs after the end of the data.
            data = iterator.get_next_as_optional()
            if data.has_value():
                run(data.get_value())
                count += 1
        return count

    compiled = several if model.run_eagerly else tf.function(several)

    def one_by_one(iterator):
        count = 0
        for batch in itertools.islice(iterator, steps):
            one(batch)
            count += 1
        return count

    def function(iterator):
        # In one call, a collective accepts only the shape of its first use.
        varies = several_replicas and not _is_static(iterator.element_spec)
        call = one_by_one if varies else compiled
        if not int(call(iterator)):
            raise StopIteration
        return model.get_metrics_result()

    return function


def _batch_of_all(iterator, strategy):
    """The next batch, split for the replicas even if Keras does not split it."""
    data = next(iterator)
    # Batches of datasets are distributed already; `*_on_batch` makes a generator.
    if not isinstance(iterator, types.GeneratorType):
        return data
    while data[-1] is None:
        data = data[:-1]
    return split(tuple(() if part is None else part for part in data), strategy)


def split(batch, strategy):
    """Splits a batch for the replicas, as datasets are split.

    Args:
        batch: Structure of arrays or tensors, the same in all workers.
        strategy: The strategy of a model.

    Returns:
        Structure of distributed values; the batch itself with one replica.
    """
    count = strategy.num_replicas_in_sync
    if count == 1:
        return batch
    batch = keras.tree.map_structure(tf.convert_to_tensor, batch)

    def part(context):
        def of(tensor):
            size = -(-int(tensor.shape[0]) // count)
            start = size * context.replica_id_in_sync_group
            return tensor[start : start + size]

        return keras.tree.map_structure(of, batch)

    return strategy.experimental_distribute_values_from_function(part)


def _is_static(specs):
    parts = tf.nest.flatten(specs, expand_composites=True)
    return all(part.shape.is_fully_defined() for part in parts)
