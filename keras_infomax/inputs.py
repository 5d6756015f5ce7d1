"""The views that a dataset hands to a model, checked at the border.

What is known before a run is checked then, and the rest when it is run.
"""

import contextlib
import re

import keras
import numpy as np
import tensorflow as tf
from keras import ops


def unpack(data):
    """The views and the weights of a dataset element.

    Args:
        data: Element of a dataset, as Keras gives it to `train_step`: `((x, y),)`, or
            `((x, y), None, weights)`, with `()` for `None` where a structure must have
            tensors alone, or that as one, as arrays come.

    Returns:
        Pair of the views and of the weights of their rows, `None` if they have none.

    Raises:
        ValueError: If it holds targets.
    """
    x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
    if y is None and _is_weighted(x):
        x, y, sample_weight = x
    if _is_nothing(y):
        return x, None if _is_nothing(sample_weight) else sample_weight
    raise ValueError(
        "Dataset elements must be ((x, y),), a tuple that holds one pair of views; "
        f"received a tuple of {2 if sample_weight is None else 3}, which Keras takes "
        "for inputs, targets and weights. Map the dataset with "
        "lambda x, y: ((x, y),), and pass arrays as fit((x, y))."
    )


def checked_weights(sample_weight, views):
    """Weights of the rows of a batch, once it is known that they are weights.

    Args:
        sample_weight: Tensor `(rows,)` or `(rows, 1)`, or `None`.
        views: Structure of tensors `(rows, ...)`.

    Returns:
        Float tensor `(rows,)`, or `None`.

    Raises:
        ValueError: If its shape is known to be another.
        InvalidArgumentError: When run, if a weight is negative or not finite, or they
            are more or fewer than rows.
    """
    if sample_weight is None:
        return None
    weights = ops.convert_to_tensor(sample_weight)
    shape = tuple(weights.shape)
    if len(shape) not in (1, 2) or shape[1:] not in ((), (1,)):
        raise ValueError(
            "sample_weight must hold one number for each pair; received shape "
            f"{shape}. Give weights of shape (rows,)."
        )
    weights = ops.reshape(ops.cast(weights, keras.config.floatx()), (-1,))
    view = tf.nest.flatten(views)[0]
    counts = [
        tf.shape(tensor)[0] if tensor.shape[0] is None else tensor.shape[0]
        for tensor in (weights, ops.convert_to_tensor(view))
    ]
    weights = asserted(
        counts[0] == counts[1],
        "sample_weight must hold one number for each pair; received {} for {} pairs.",
        counts,
        weights,
    )
    return asserted(
        tf.reduce_all(tf.math.is_finite(weights) & (weights >= 0)),
        "sample_weight must be finite numbers of at least 0; received numbers from {} "
        "to {}.",
        [tf.reduce_min(weights), tf.reduce_max(weights)],
        weights,
    )


def checked_pair(views):
    """The two views of two encoders, as float tensors.

    Args:
        views: What should be a pair.

    Raises:
        ValueError: If they are no pair, no floats, or of different length, as far as
            that is known.
    """
    if not isinstance(views, (tuple, list)) or len(views) != 2:
        raise ValueError(
            "Dataset elements must be ((x, y),), a tuple that holds one pair of views; "
            f"received {_describe(views)} where the pair should be. Map the dataset "
            "with lambda x, y: ((x, y),), and pass arrays as fit((x, y))."
        )
    x, y = (checked_view(name, v) for name, v in zip("xy", views, strict=True))
    if None not in (x.shape[0], y.shape[0]) and x.shape[0] != y.shape[0]:
        raise ValueError(
            "The views x and y must have the same number of rows, row i of both being "
            f"views of example i; received shapes {tuple(x.shape)} and "
            f"{tuple(y.shape)}."
        )
    return x, y


def checked_inputs(network, views):
    """Views for a network, float where it takes floats.

    Args:
        network: Functional Keras model.
        views: Structure of as many tensors as it has inputs.

    Raises:
        ValueError: If there are more or fewer, or one that should be float is not.
    """
    given = keras.tree.flatten(views)
    expected = network.inputs
    if len(given) != len(expected):
        raise ValueError(
            f"Dataset elements must hold the {len(expected)} views that the network "
            f"takes, {', '.join(v.name for v in expected)}, as ((x, y),) or (x,); "
            f"received {len(given)}."
        )
    checked = [
        checked_view(tensor.name, view)
        if keras.backend.is_float_dtype(tensor.dtype)
        else ops.convert_to_tensor(view)
        for tensor, view in zip(expected, given, strict=True)
    ]
    return (
        checked[0] if len(checked) == 1 else keras.tree.pack_sequence_as(views, checked)
    )


def checked_view(name, view):
    """One view as a float tensor.

    Args:
        name: What to call it in messages.
        view: Tensor or array.

    Raises:
        ValueError: If it is not float.
    """
    if not ops.is_tensor(view):
        view = ops.convert_to_tensor(view)
    if not keras.backend.is_float_dtype(view.dtype):
        raise ValueError(
            f"View {name} must be a floating point tensor; received dtype "
            f"{keras.backend.standardize_dtype(view.dtype)}. Scale images to [0, 1] in "
            "float32, for example x / 255."
        )
    return view


def asserted(holds, message, found, values):
    """Values, once it is known that something about them holds.

    Args:
        holds: Whether it does; a boolean scalar tensor where only a run can tell.
        message: What to say if not, with `{}` in the place of each of `found`.
        found: Numbers, or scalar tensors.
        values: Float tensor.

    Raises:
        ValueError: If it is known not to hold.
        InvalidArgumentError: When run, if it does not hold; `as_value_errors` makes a
            `ValueError` of that. XLA drops assertions, so the values are NaN there.
    """
    if tf.executing_eagerly():
        holds = bool(holds)
        found = [tf.get_static_value(number) for number in found]
    if isinstance(holds, bool):
        if not holds:
            raise ValueError(message.format(*found))
        return values
    # Without the order, an operation on the values may fail first, obscurely.
    with tf.control_dependencies([tf.debugging.Assert(holds, [message, *found])]):
        checked = tf.where(holds, values, tf.constant(np.nan, values.dtype))
    return tf.ensure_shape(checked, values.shape)


@contextlib.contextmanager
def as_value_errors():
    """Makes a plain `ValueError` of what `asserted` raises from within a graph."""
    try:
        yield
    except tf.errors.InvalidArgumentError as error:
        failed = re.search(r"\[([^\]]*\{\}[^\]]*)\]((?: \[[^\]]*\])+)", str(error))
        if failed is None:
            raise
        message, found = failed.groups()
        raise ValueError(message.format(*found.strip(" []").split("] ["))) from None


def _is_weighted(x):
    """Whether these are views and weights as `fit_arguments` puts them together."""
    return isinstance(x, (tuple, list)) and len(x) == 3 and _is_empty(x[1])


def _is_nothing(part):
    return part is None or _is_empty(part) or isinstance(part, tf.experimental.Optional)


def _is_empty(part):
    return isinstance(part, (tuple, list, dict)) and not part


def _describe(value):
    if isinstance(value, (tuple, list)):
        return f"a tuple of {len(value)}"
    if isinstance(value, dict):
        return f"a dictionary with the keys {sorted(value)}"
    return f"a tensor of shape {tuple(value.shape)}"
