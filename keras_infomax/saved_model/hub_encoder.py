"""A SavedModel in the style of TensorFlow Hub as a Keras layer."""

from __future__ import annotations

import contextlib
import pathlib
import shutil
import tempfile
import weakref
from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from keras_infomax import backends, checks, files, private, structures
from keras_infomax.files import manifest
from keras_infomax.lazy_tensorflow import tf
from keras_infomax.saved_model import archives, safety, traces

# What TensorFlow reads of an export, and what a reader may not have changed.
SAVED_MODEL_PARTS = ("saved_model.pb", "fingerprint.pb", "variables", "assets")


@keras.saving.register_keras_serializable(package="keras_infomax")
class HubEncoder(keras.layers.Layer):
    """Any SavedModel in the style of TensorFlow Hub as a layer of Keras 3.

    It does for Keras 3 what `hub.KerasLayer` does for Keras 2; `hub.KerasLayer` does
    not work in Keras 3. The SavedModel may come from `saved_model.export`, `tf_keras`,
    a `tf.Module`, or anything else whose object can be called as `object(inputs)` or
    `object(inputs, training=...)`.

    A frozen layer changes nothing: weights and the statistics of batch normalization
    stay as they are, and dropout is off. Prefer this layer to `keras.layers.TFSMLayer`
    wherever the encoder takes part in training. `TFSMLayer` changes statistics even
    when frozen, drops regularization losses, and names its variables so that an
    optimizer cannot be built inside `fit`. For inference alone, `TFSMLayer` is enough,
    and needs no keras_infomax.

    A SavedModel is a program of TensorFlow's operations, and some operations read and
    write files. If you create this layer yourself, you trust the author of the
    SavedModel, as TensorFlow's notes on security say. A `.keras` file with this layer
    loads the SavedModel from the same `handle`, and needs no such trust: in Keras's
    safe mode, the default, every function of the SavedModel is checked first. The
    SavedModel is refused if a function could do more than compute, or if TensorFlow
    might exchange one function for another (`api_implements`, as in the LSTM of
    tf_keras). The layer then loads a private copy of what was checked, and runs no
    Python of the file. (`TFSMLayer` refuses all SavedModels in safe mode. Its users
    must turn safe mode off, and with it Keras's guard against Python in a `.keras`
    file.) The check does not protect against faults in TensorFlow's own kernels, or
    against a program that takes all time or memory.

    Args:
        handle: Folder of a SavedModel, or a `.tar.gz` of one.
        trainable: Whether weights and statistics move in training.
        **kwargs: Passed to `keras.layers.Layer`.

    Call arguments:
        inputs: Tensor of the shape that the SavedModel takes, for our exports views
            `(rows, ...)`, or a tuple, list or dictionary of tensors, if that is what it
            takes. Where it takes floats, any dtype of numbers does.
        training: Whether to run in training mode, if the layer is trainable and the
            SavedModel has such a mode.

    Returns:
        What the SavedModel returns, for our exports encodings `(rows, dim)`, with
        floats in the layer's compute dtype.

    Raises:
        ValueError: If there is no such SavedModel at `handle`, if it is damaged, if
            an archive would write outside of its folder, if `trainable` is asked of a
            SavedModel that was saved for inference only, or if a `.keras` file loads
            one in safe mode that could do more than compute.

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
        backends.needs("HubEncoder", backends.TENSORFLOW)
        # Autocasting would round the views to half precision before the encoder.
        handle = checks.path("handle", handle, "exports/encoder")
        trainable = checks.boolean("trainable", trainable)
        super().__init__(trainable=trainable, autocast=False, **kwargs)
        self.handle = handle
        folder = _folder_of(self, self.handle)
        self._saved = _load_root(folder, self.handle)
        self._traces = traces.of(self._saved.__call__, self.handle)
        modes = {trace.training for trace in self._traces} - {None}
        if modes and not {False, bool(trainable)} <= modes:
            raise ValueError(
                "handle must be a SavedModel that can be called with training=False, "
                "and with training=True if trainable is true; received "
                f"{self.handle!r}, traced for training={modes.pop()} only, and "
                f"trainable={trainable}."
            )
        if isinstance(spec := self.view_spec, structures.Spec):
            self.input_spec = keras.layers.InputSpec(shape=spec.shape)
        self.build(None)

    @property
    def view_spec(self):
        """What it takes, a structure of specifications; `None` for several of them."""
        return traces.view_of(self._traces)

    def build(self, input_shape):
        trainable = _listed(self._saved, "trainable_variables")
        everything = _unique([*_listed(self._saved, "variables"), *trainable])
        ids = {id(v) for v in trainable}
        self._shared = [_share(v, id(v) in ids) for v in everything]
        moving = [v for v in self._shared if v.trainable]
        # A surrounding model asks the variables, not this layer, what is trainable.
        for variable in moving:
            variable.trainable = self.trainable
        penalties = list(getattr(self._saved, "regularization_losses", None) or ())
        if penalties and moving:
            # Hung on a variable, it counts in any model, and while it is trainable.
            moving[0].regularizer = _Penalties(penalties)

    def call(self, inputs, training=False):
        _, inputs = structures.arranged(self.view_spec, inputs)
        tensors = map(tf.convert_to_tensor, keras.tree.flatten(inputs))
        fitting = [self._fitting(*part) for part in enumerate(tensors)]
        inputs = keras.tree.pack_sequence_as(inputs, fitting)
        mode = bool(training) and self.trainable
        trace = traces.choose(self._traces, inputs, mode)
        return keras.tree.map_structure(self._cast, trace(inputs))

    def _fitting(self, part, tensor):
        dtype = traces.dtype_for(self._traces, part, tensor.dtype)
        return tensor if tensor.dtype == dtype else ops.cast(tensor, dtype.name)

    def _cast(self, output):
        floats = output.dtype.is_floating
        return ops.cast(output, self.compute_dtype) if floats else output

    def get_config(self):
        return {**super().get_config(), "handle": self.handle}

    @classmethod
    def from_config(cls, config):
        # A config is data, which may be anybody's, as for TFSMLayer. Keras's own
        # from_config makes a TypeError of whatever is wrong with the SavedModel.
        with private.safe_mode(private.in_safe_mode() is not False):
            return cls(**config)


class _Penalties(keras.regularizers.Regularizer):
    """The losses that a SavedModel lists, whatever variable they hang on."""

    def __init__(self, losses):
        self._losses = losses

    def __call__(self, x):
        return tf.add_n([loss() for loss in self._losses])


def _folder_of(owner: Any, handle: str) -> str:
    """Folder of the SavedModel; a temporary one lasts as long as its owner."""
    path = pathlib.Path(handle)
    if not path.is_file() and not (path.is_dir() and files.has_wildcards(path)):
        return handle
    scratch = tempfile.mkdtemp(prefix="keras_infomax-")
    # Assets are read when the layer is part of a new export, long after loading.
    weakref.finalize(owner, shutil.rmtree, scratch, ignore_errors=True)
    folder = pathlib.Path(scratch) / "unpacked"
    if path.is_file():
        archives.unpack(path, folder)
    else:
        files.link(path, folder)
    return str(folder)


def _load_root(folder: str, handle: str) -> Any:
    safe_mode = private.in_safe_mode()
    if safe_mode:
        safety.check_local(handle)
    # First: a lost saved_model.pb would look like a folder that never had one.
    named = handle if pathlib.Path(handle).is_dir() else folder
    manifest.check(named, *SAVED_MODEL_PARTS)
    safety.check_regular(folder, handle, (*SAVED_MODEL_PARTS, "saved_model.pbtxt"))
    try:
        found = tf.saved_model.contains_saved_model(folder)
    except tf.errors.OpError:  # It knows some schemes of addresses, but not http.
        found = False
    if not found:
        raise ValueError(
            "handle must be a folder with a SavedModel, or a .tar.gz with one at its "
            f"root; received {handle!r}, which holds none. What lies on a server must "
            "be downloaded first."
        )
    with contextlib.ExitStack() as scratch:
        if safe_mode:
            folder = scratch.enter_context(safety.harmless_copy(folder, handle))
        try:
            root = tf.saved_model.load(folder)
        except Exception as error:  # Damaged files raise errors of many kinds.
            raise ValueError(
                f"{handle} cannot be read; it may be damaged: {error}"
            ) from error
    # callable() would ask the class, which has __call__ whatever was saved.
    if not getattr(getattr(root, "__call__", None), "concrete_functions", None):  # noqa: B004
        raise ValueError(
            "handle must be a SavedModel that can be called as object(inputs); "
            f"received {handle!r} without __call__, or with one that was never traced. "
            "Write Keras models with keras_infomax.saved_model.export, not with "
            "model.export."
        )
    return root


def _listed(root: Any, name: str) -> list[tf.Variable]:
    """Variables that the object lists, or else those that its functions use.

    The properties of a `tf.Module` are not saved with it.
    """
    if hasattr(root, name):
        return list(getattr(root, name))
    functions = root.__call__.concrete_functions
    return _unique([v for function in functions for v in getattr(function, name)])


def _unique(variables: Sequence[tf.Variable]) -> list[tf.Variable]:
    return list({id(v): v for v in variables}.values())


def _share(variable: tf.Variable, trainable: bool) -> keras.Variable:
    """Keras variable with the same storage as `variable`."""
    # TensorFlow appends ":0", which optimizers may not use in their names.
    name = variable.name.partition(":")[0].replace("/", "_")
    return private.variable_of(variable, trainable, name)
