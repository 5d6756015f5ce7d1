"""The root object of an export's SavedModel, and its signatures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from keras_infomax import structures
from keras_infomax.lazy_tensorflow import tf
from keras_infomax.saved_model import serving


def trace(
    encoder: keras.layers.Layer,
    views: Any,
    raw: serving.Preprocessing | None,
    head: keras.layers.Layer | None = None,
) -> tuple[tf.train.Checkpoint, dict[str, Any]]:
    """Traces an encoder for views, in training and inference, and for raw inputs.

    Args:
        encoder: The built encoder.
        views: What it takes, a structure of `tf.TensorSpec`s whose names are those of
            the inputs of the signature `encode`.
        raw: What makes views of raw inputs; `None` if they are views.
        head: What makes projections of encodings, kept apart; `None` for none.

    Returns:
        The root, which is called, and the signatures `encode` and `serving_default`,
        and `project` of a head.

    Raises:
        ValueError: If the encoder does not map a view to a vector, raw inputs do not
            become views, or the head does not map encodings to vectors.
    """

    @tf.function
    def call(inputs, training=False):
        # Half precision stays inside: not every consumer has it.
        return tf.cast(encoder(inputs, training=training), tf.float32)

    alike = _alike(views)

    def endpoint(training):
        # Of several structures there cannot be one signature.
        options = {"input_signature": alike} if len(alike) == 1 else {}

        @tf.function(**options)
        def serve(inputs):
            return call(inputs, training=training)

        for structure in alike:
            serve.get_concrete_function(structure)
        return serve

    @tf.function
    def encode(**tensors):
        return {"encoding": call(_as_views(views, tensors), training=False)}

    for training in (False, True):
        for structure in alike:
            traced = call.get_concrete_function(structure, training=training)
            _check_encodings(traced.output_shapes, views)
    specs = keras.tree.flatten(views)
    signatures = {
        "encode": encode.get_concrete_function(**{spec.name: spec for spec in specs})
    }
    # Not a tf.Module, whose trainable_variables is read-only. Keras 3 leaves the seeds
    # of random layers out of `weights`.
    root = tf.train.Checkpoint()
    root.__call__ = call
    root.serve = endpoint(training=False)
    root.serve_training = endpoint(training=True)
    root.variables = [v.value for v in encoder.variables]
    root.trainable_variables = [v.value for v in encoder.trainable_variables]
    root.regularization_losses = [
        _regularization(v) for v in encoder.trainable_variables if v.regularizer
    ]
    root.preprocessing_variables = raw.variables if raw else []
    # Tables that look up texts, for instance, which are no variables.
    root.resources = [*_resources(encoder), *(_resources(raw.function) if raw else ())]
    if raw is None:
        signatures["serving_default"] = signatures["encode"]
    else:
        signatures["serving_default"] = _trace_raw(raw, call, views)
    if head is not None:
        signatures["project"] = _trace_head(root, head, call, views)
    return root, signatures


def _trace_head(root: Any, head: keras.layers.Layer, call: Any, views: Any):
    """Hangs a head on the root, and returns the signature that runs it.

    Its variables are no part of `variables`: whoever fine-tunes the encoder leaves them
    alone.
    """
    size = call.get_concrete_function(views, training=False).output_shapes[-1]

    @tf.function
    def project(encodings, training=False):
        return tf.cast(head(encodings, training=training), tf.float32)

    encodings = tf.TensorSpec((None, size), tf.float32, name="encodings")
    for training in (False, True):
        try:
            traced = project.get_concrete_function(encodings, training=training)
        except Exception as error:  # Layers raise errors of many kinds.
            raise ValueError(
                f"head must map encodings of shape (rows, {size}) to projections; "
                f"received {head.name!r}, which does not: "
                f"{' '.join(str(error).split())[:200]}"
            ) from error
        shape = traced.output_shapes
        if shape.rank != 2 or shape[-1] is None:
            raise ValueError(
                "head must map encodings to projections of shape (rows, dim); received "
                f"{head.name!r}, which gives {tuple(shape)}."
            )
    root.head = project
    root.head_variables = [v.value for v in head.variables]
    root.head_trainable_variables = [v.value for v in head.trainable_variables]

    @tf.function
    def encode_and_project(**tensors):
        encoding = call(_as_views(views, tensors), training=False)
        return {"encoding": encoding, "projection": project(encoding)}

    specs = keras.tree.flatten(views)
    return encode_and_project.get_concrete_function(**{s.name: s for s in specs})


def _alike(views: Any) -> Sequence[Any]:
    """The structures that stand for one another: with tuples, and with lists."""
    with_tuples = _with(tuple, views)
    with_lists = _with(list, views)
    # A dictionary of tensors is the same in both.
    return [with_tuples] if with_tuples == with_lists else [with_tuples, with_lists]


def _with(sequence: type, views: Any) -> Any:
    if isinstance(views, dict):
        return {key: _with(sequence, part) for key, part in views.items()}
    if isinstance(views, (tuple, list)):
        return sequence(_with(sequence, part) for part in views)
    return views


def _as_views(views: Any, tensors: dict[str, tf.Tensor]) -> Any:
    # Signatures do not compare shapes: three channels would pass for three rows.
    def part(spec):
        return tf.ensure_shape(tensors[spec.name], spec.shape)

    return keras.tree.map_structure(part, views)


def _check_encodings(shape: Any, views: Any) -> None:
    if isinstance(shape, tf.TensorShape) and shape.rank == 2 and shape[-1] is not None:
        return
    taken = structures.of_tensors(views)
    words = structures.described(taken)
    if isinstance(taken, structures.Spec):
        words = words.removeprefix(f"{taken.dtype} ")
    found = tuple(shape) if isinstance(shape, tf.TensorShape) else shape
    raise ValueError(
        "encoder must map a view to encodings of shape (rows, dim); received shape "
        f"{found} for views {words}. Pool or flatten its output."
    )


def _trace_raw(raw: serving.Preprocessing, call: Any, views: Any):
    """Signature from raw inputs to encodings."""

    @tf.function(input_signature=[raw.spec])
    def serve_raw(inputs):
        found = raw.function(tf.ensure_shape(inputs, raw.spec.shape))
        fits, found = structures.arranged(structures.of_tensors(views), found)
        given = keras.tree.flatten(found)
        expected = keras.tree.flatten(views)
        if not fits or not all(map(_is_like, given, expected)):
            raise ValueError(
                f"preprocessing must give {_described(views)}; received "
                f"{_described(found)} for raw inputs {raw.spec.shape}. Correct it, or "
                "raw_shape."
            )
        shaped = [
            tf.ensure_shape(*pair)
            for pair in zip(given, [spec.shape for spec in expected], strict=True)
        ]
        found = keras.tree.pack_sequence_as(views, shaped)
        return {"encoding": call(found, training=False)}

    return serve_raw.get_concrete_function()


def _is_like(tensor: Any, spec: tf.TensorSpec) -> bool:
    return tensor.dtype == spec.dtype and spec.shape.is_compatible_with(tensor.shape)


def _described(views: Any) -> str:
    if structures.is_structure(views):
        return f"views {structures.described(views)}"
    kind = "views of" if isinstance(views, tf.TensorSpec) else "of"
    return f"{views.dtype.name} {kind} shape {views.shape}"


def _resources(part: Any) -> list[Any]:
    if not isinstance(part, (keras.Layer, tf.Module)):
        return []
    resource = tf.saved_model.experimental.TrackableResource
    found = tf.train.TrackableView(part).descendants()
    return [each for each in found if isinstance(each, resource)]


def _regularization(variable):
    @tf.function(input_signature=[])
    def loss():
        return tf.cast(variable.regularizer(variable), tf.float32)

    return loss
