"""Checks the views that a dataset gives to a model.

Static properties are checked before a run, all others during it.
"""

import contextlib
import re
import textwrap

import keras
import numpy as np
from keras import ops

from keras_infomax import backends, structures
from keras_infomax.lazy_tensorflow import tf


def unpack(data):
    """Unpacks a dataset element into views and weights.

    Args:
        data: Element of a dataset, as Keras gives it to `train_step`: `((x, y),)` or
            `((x, y), None, weights)`. `()` may replace `None`, and the whole tuple may
            be the only element of another one, which is the form of arrays.

    Returns:
        Pair of the views and the weights of their rows, or `None`.

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
        "as inputs, targets and weights. Map the dataset with lambda x, y: ((x, y),), "
        "and pass arrays as fit((x, y))."
    )


def checked_weights(sample_weight, views):
    """Checks the weights of the rows of a batch.

    Args:
        sample_weight: Tensor `(rows,)` or `(rows, 1)`, or `None`.
        views: Structure of tensors `(rows, ...)`.

    Returns:
        Float tensor `(rows,)`, or `None`.

    Raises:
        ValueError: If its static shape is another.
        InvalidArgumentError: At run time, if a weight is negative or not finite, or
            their number is not that of the rows.
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
    view = keras.tree.flatten(views)[0]
    counts = [ops.shape(tensor)[0] for tensor in (weights, ops.convert_to_tensor(view))]
    weights = asserted(
        counts[0] == counts[1],
        "sample_weight must hold one number for each pair; received {} for {} pairs.",
        counts,
        weights,
    )
    return asserted(
        ops.all(ops.logical_and(ops.isfinite(weights), weights >= 0)),
        "sample_weight must be finite numbers of at least 0; received numbers from {} "
        "to {}.",
        # With an initial value, since a replica may have no rows.
        [ops.min(weights, initial=np.inf), ops.max(weights, initial=-np.inf)],
        weights,
    )


def checked_pair(views, encoder_x, encoder_y):
    """Checks the two views of two encoders, and converts them to tensors.

    Args:
        views: The pair to check.
        encoder_x: Encoder of the first view; see `structures.of`.
        encoder_y: Encoder of the second view.

    Raises:
        ValueError: If they are not a pair, the encoders do not take them, or their
            static lengths differ.
    """
    if not isinstance(views, (tuple, list)) or len(views) != 2:
        raise ValueError(
            "Dataset elements must be ((x, y),), a tuple that holds one pair of views; "
            f"received {structures.described(views)} in place of the pair. Map the "
            "dataset with lambda x, y: ((x, y),), and pass arrays as fit((x, y)). One "
            "view alone is encoded by predict(x) or encoder_x(x)."
        )
    x, y = (
        checked_view(f"View {name}", encoder, view)
        for name, encoder, view in zip("xy", (encoder_x, encoder_y), views, strict=True)
    )
    rows = {structures.rows_of(part) for part in keras.tree.flatten((x, y))} - {None}
    if len(rows) > 1:
        raise ValueError(
            "The views x and y must have the same number of rows, since row i of both "
            f"are views of example i; received {structures.described((x, y))}."
        )
    return x, y


def checked_inputs(network, views):
    """Checks the views of a network, and converts them to tensors.

    Args:
        network: Functional Keras model.
        views: Structure with one tensor for each input of the network.

    Raises:
        ValueError: If the network does not take them.
    """
    expected = structures.of(network)
    return structures.checked(
        "The views", expected, _tensors(views), "the network takes them"
    )


def checked_view(argument, encoder, view):
    """Checks one view of an encoder, and converts it to a structure of tensors.

    Args:
        argument: Name of the view, for messages.
        encoder: Keras model or layer that takes it.
        view: Structure of tensors or arrays.

    Raises:
        ValueError: If it has another structure, dtype or shape.
    """
    return structures.checked(argument, structures.of(encoder), _tensors(view))


def view_to_encode(every, one, pick, views):
    """The view that an encoder takes, given alone or among all views.

    Args:
        every: `structures.Spec`s of all views.
        one: `structures.Spec`s of the view.
        pick: Function from all views to this one.
        views: The views to choose from.

    Raises:
        ValueError: If it is neither.
    """
    is_every, arranged = structures.arranged(every, views)
    if is_every:
        return pick(arranged)
    is_one, arranged = structures.arranged(one, views)
    if is_one:
        return arranged
    raise ValueError(
        f"predict takes all views as fit does, {structures.described(every)}, or only "
        f"the one that it encodes, {structures.described(one)}; received "
        f"{structures.described(views)}. Give them by the same names or in the same "
        "order."
    )


def _tensors(views):
    def tensor(view):
        is_one = ops.is_tensor(view) or isinstance(view, keras.KerasTensor)
        return view if is_one else ops.convert_to_tensor(view)

    return keras.tree.map_structure(tensor, views)


def asserted(holds, message, found, values):
    """Returns values after an assertion about them.

    Args:
        holds: The condition: a boolean, or a boolean scalar tensor if it is known only
            at run time.
        message: Message if it does not hold, with `{}` in the place of each of `found`.
        found: Numbers, or scalar tensors.
        values: Float tensor.

    Raises:
        ValueError: If it is known before the run that the condition does not hold.
        InvalidArgumentError: At run time, if it does not hold; `as_value_errors`
            converts it to a `ValueError`. XLA, and so JAX, has no assertions; there,
            the values become NaN.
    """
    known = _known(holds)
    if known is not None:
        if not known:
            raise ValueError(message.format(*map(_known_number, found)))
        return values
    if not backends.is_tensorflow():
        return ops.where(holds, values, np.nan)
    # Otherwise an operation on the values may fail first, with an obscure message.
    with tf.control_dependencies([tf.debugging.Assert(holds, [message, *found])]):
        checked = tf.where(holds, values, tf.constant(np.nan, values.dtype))
    return tf.ensure_shape(checked, values.shape)


def _known(holds):
    """A boolean, or `None` if it is known only at run time."""
    if isinstance(holds, bool):
        return holds
    if backends.is_tensorflow():
        return bool(holds) if tf.executing_eagerly() else None
    try:
        return bool(ops.convert_to_numpy(holds))
    except (NotImplementedError, RuntimeError, TypeError):
        return None  # A tracer has no value.


def _known_number(number):
    return number if isinstance(number, int) else ops.convert_to_numpy(number)[()]


@contextlib.contextmanager
def as_value_errors():
    """Converts errors of a step to plain `ValueError`s.

    These are errors of `asserted` inside a graph, and errors that AutoGraph has wrapped
    in lines of code.
    """
    try:
        yield
    except ValueError as error:
        *_, message = re.split(r"\n    (?:\w*\.)*ValueError: ", str(error))
        if not str(error).startswith("in user code:"):
            raise
        raise ValueError(textwrap.dedent("    " + message).strip()) from error
    except _invalid_argument() as error:
        failed = re.search(r"\[([^\]]*\{\}[^\]]*)\]((?: \[[^\]]*\])+)", str(error))
        if failed is None:
            raise
        message, found = failed.groups()
        raise ValueError(message.format(*found.strip(" []").split("] ["))) from None


def _invalid_argument():
    """Errors of TensorFlow inside a graph; none on other backends."""
    return tf.errors.InvalidArgumentError if backends.is_tensorflow() else ()


def _is_weighted(x):
    """Whether these are views and weights in the form of `fit_data`."""
    return isinstance(x, (tuple, list)) and len(x) == 3 and _is_empty(x[1])


def _is_nothing(part):
    if part is None or _is_empty(part):
        return True
    return backends.is_tensorflow() and isinstance(part, tf.experimental.Optional)


def _is_empty(part):
    return isinstance(part, (tuple, list, dict)) and not part
