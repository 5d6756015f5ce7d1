"""The root object of an export's SavedModel, and its signatures."""

from typing import Any

import keras
import tensorflow as tf

from keras_infomax import serving


def trace(
    encoder: keras.layers.Layer,
    view_shape: tuple[int | None, ...],
    raw: serving.Preprocessing | None,
) -> tuple[tf.train.Checkpoint, dict[str, Any]]:
    """Traces an encoder for views, in training and inference, and for raw inputs.

    Args:
        encoder: The built encoder.
        view_shape: Shape of a view without the rows.
        raw: What makes views of raw inputs; `None` if they are views.

    Returns:
        The root, which is called, and the signatures `encode` and `serving_default`.

    Raises:
        ValueError: If the encoder does not map a view to a vector, or raw inputs do
            not become views.
    """
    views = tf.TensorSpec((None, *view_shape), tf.float32, name="inputs")

    @tf.function
    def call(inputs, training=False):
        # Half precision stays inside: not every consumer has it.
        return tf.cast(encoder(inputs, training=training), tf.float32)

    @tf.function(input_signature=[views])
    def serve(inputs):
        return call(inputs, training=False)

    @tf.function(input_signature=[views])
    def serve_training(inputs):
        return call(inputs, training=True)

    @tf.function(input_signature=[views])
    def encode(inputs):
        # Signatures do not compare shapes: three channels would pass for three rows.
        inputs = tf.ensure_shape(inputs, views.shape)
        return {"encoding": call(inputs, training=False)}

    for training in (False, True):
        shape = call.get_concrete_function(views, training=training).output_shapes
        if shape.rank != 2 or shape[-1] is None:
            raise ValueError(
                "encoder must map a view to encodings of shape (rows, dim); received "
                f"shape {tuple(shape)} for views (rows, {str(view_shape)[1:]}. Pool or "
                "flatten its output."
            )
    signatures = {"encode": encode.get_concrete_function()}
    # Not a tf.Module, whose trainable_variables is read-only. Keras 3 leaves the seeds
    # of random layers out of `weights`.
    root = tf.train.Checkpoint()
    root.__call__ = call
    root.serve = serve
    root.serve_training = serve_training
    root.variables = [v.value for v in encoder.variables]
    root.trainable_variables = [v.value for v in encoder.trainable_variables]
    root.regularization_losses = [
        _regularization(v) for v in encoder.trainable_variables if v.regularizer
    ]
    root.preprocessing_variables = raw.variables if raw else []
    if raw is None:
        signatures["serving_default"] = signatures["encode"]
    else:
        signatures["serving_default"] = _trace_raw(raw, call, views.shape)
    return root, signatures


def _trace_raw(raw: serving.Preprocessing, call: Any, views_shape: tf.TensorShape):
    """Signature from raw inputs to encodings."""

    @tf.function(input_signature=[raw.spec])
    def serve_raw(inputs):
        views = raw.function(tf.ensure_shape(inputs, raw.spec.shape))
        if views.dtype != tf.float32 or not views_shape.is_compatible_with(views.shape):
            raise ValueError(
                "preprocessing must give float32 views of shape "
                f"{views_shape}; received {views.dtype.name} of shape {views.shape} "
                f"for raw inputs {raw.spec.shape}. Correct it, or raw_shape."
            )
        views = tf.ensure_shape(views, views_shape)
        return {"encoding": call(views, training=False)}

    return serve_raw.get_concrete_function()


def _regularization(variable):
    @tf.function(input_signature=[])
    def loss():
        return tf.cast(variable.regularizer(variable), tf.float32)

    return loss
