"""An exported encoder as a Keras layer; `saved_model.load` makes it."""

import os
from typing import Any

import keras
import tensorflow as tf
from keras import ops
from keras.src.saving import serialization_lib


@keras.saving.register_keras_serializable(package="keras_infomax")
class HubEncoder(keras.layers.Layer):
    """An exported encoder as a layer of Keras 3, frozen or fine-tuned.

    Frozen means that nothing moves: neither weights nor the statistics of batch
    normalisation, and dropout is off. Prefer it to `keras.layers.TFSMLayer` wherever
    the encoder takes part in training: that layer moves statistics although frozen,
    drops regularisation losses, and its variables have names with which an optimizer
    cannot be built inside `fit`. For inference alone `TFSMLayer` does, and needs no
    keras_infomax.

    A SavedModel can run code of its author's. As for `TFSMLayer`, a `.keras` file with
    this layer therefore loads with `safe_mode=False` only, from the same `handle`.

    Args:
        handle: Folder that `saved_model.export` wrote.
        trainable: Whether weights and statistics move in training.
        **kwargs: Passed to `keras.layers.Layer`.

    Call arguments:
        inputs: Views `(rows, ...)` of any float dtype; they are computed in float32.
        training: Whether to run in training mode, if the layer is trainable.

    Returns:
        Encodings `(rows, dim)` in the layer's compute dtype.

    Raises:
        ValueError: If there is no such export at `handle`.

    Example:
    >>> import tempfile
    >>> from keras_infomax import saved_model
    >>> encoder = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    >>> folder = tempfile.mkdtemp() + "/encoder"
    >>> saved_model.export(encoder, folder)
    >>> layer = HubEncoder(folder, trainable=False)
    >>> classifier = keras.Sequential([layer, keras.layers.Dense(10)])
    >>> classifier(ops.ones((3, 4))).shape
    TensorShape([3, 10])
    """

    def __init__(self, handle, trainable=True, **kwargs):
        # Autocasting would round the views to half precision before the encoder.
        super().__init__(trainable=trainable, autocast=False, **kwargs)
        self.handle = os.fspath(handle)
        self._saved = _load_root(self.handle)
        signature = self._saved.signatures["serving_default"]
        view = signature.structured_input_signature[1]["inputs"]
        self._encoding_size = signature.structured_outputs["encoding"].shape[-1]
        self.input_spec = keras.layers.InputSpec(shape=tuple(view.shape))
        self.build(tuple(view.shape))

    def build(self, input_shape):
        ids = {id(v) for v in self._saved.trainable_variables}
        self._shared = [_share(v, id(v) in ids) for v in self._saved.variables]
        moving = [v for v in self._shared if v.trainable]
        # A surrounding model asks the variables, not this layer, what is trainable.
        for variable in moving:
            variable.trainable = self.trainable
        penalties = list(self._saved.regularization_losses)
        if penalties and moving:
            # Hung on a variable, it counts in any model, and while it is trainable.
            moving[0].regularizer = lambda _: tf.add_n([loss() for loss in penalties])

    def call(self, inputs, training=False):
        training = bool(training) and self.trainable
        encodings = self._saved(ops.cast(inputs, "float32"), training=training)
        return ops.cast(encodings, self.compute_dtype)

    def compute_output_shape(self, input_shape):
        return (input_shape[0], self._encoding_size)

    def get_config(self):
        return {**super().get_config(), "handle": self.handle}

    @classmethod
    def from_config(cls, config):
        # Keras tells only its own code whether it loads in safe mode.
        if serialization_lib.in_safe_mode():
            raise ValueError(
                f"HubEncoder loads the SavedModel {config['handle']!r}, which can run "
                "code of its author's; safe_mode=True forbids that. If you trust it, "
                "pass safe_mode=False to keras.saving.load_model."
            )
        return cls(**config)


def _share(variable: tf.Variable, trainable: bool) -> keras.Variable:
    """Keras variable with the same storage as `variable`."""
    # TensorFlow appends ":0", which optimizers may not use in their names.
    name = variable.name.partition(":")[0].replace("/", "_")
    return keras.Variable(
        variable,
        shape=variable.shape,
        dtype=variable.dtype.name,
        trainable=trainable,
        name=name,
    )


def _load_root(path: str) -> Any:
    if not tf.saved_model.contains_saved_model(path):
        raise ValueError(
            "path must be a folder with a SavedModel written by "
            f"keras_infomax.saved_model.export; received {path!r}, which holds none. "
            "An archive must be unpacked first."
        )
    try:
        root = tf.saved_model.load(path)
    except Exception as error:  # Damage shows in as many ways as there are files.
        raise ValueError(
            f"{path} cannot be read; it may be damaged: {error}"
        ) from error
    promised = ("variables", "trainable_variables", "regularization_losses", "serve")
    missing = [name for name in ("__call__", *promised) if not hasattr(root, name)]
    if missing:
        raise ValueError(
            "path must be a SavedModel that can be called as encoder(inputs, "
            f"training=False) and carries {', '.join(promised)}; received {path!r} "
            f"without {', '.join(missing)}. Write it with "
            "keras_infomax.saved_model.export, not with model.export."
        )
    return root
