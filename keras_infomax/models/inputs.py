"""The views that a dataset hands to a model, checked at the border.

What is known before a run is checked before it, all else while it runs.
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
        # With a start, as a replica may have no rows.
        [ops.min(weights, initial=np.inf), ops.max(weights, initial=-np.inf)],
        weights,
    )


def checked_pair(views, encoder_x, encoder_y):
    """The two views of two encoders, as tensors.

    Args:
        views: What should be a pair.
        encoder_x: What takes the first; see `structures.of`.
        encoder_y: What takes the second.

    Raises:
        ValueError: If they are no pair, not what the encoders take, or of different
            length, as far as that is known.
    """
    if not isinstance(views, (tuple, list)) or len(views) != 2:
        raise ValueError(
            "Dataset elements must be ((x, y),), a tuple that holds one pair of views; "
            f"received {structures.described(views)} where the pair should be. Map the "
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
            "The views x and y must have the same number of rows, row i of both being "
            f"views of example i; received {structures.described((x, y))}."
        )
    return x, y


def checked_inputs(network, views):
    """The views that a network takes, as tensors.

    Args:
        network: Functional Keras model.
        views: Structure of as many tensors as it has inputs.

    Raises:
        ValueError: If they are not what it takes.
    """
    expected = structures.of(network)
    return structures.checked(
        "The views", expected, _tensors(views), "the network takes them"
    )


def checked_view(argument, encoder, view):
    """One view as the encoder takes it, a structure of tensors.

    Args:
        argument: What to call it in messages.
        encoder: Keras model or layer.
        view: Structure of tensors or arrays.

    Raises:
        ValueError: If it is another structure, or of another dtype or shape.
    """
    return structures.checked(argument, structures.of(encoder), _tensors(view))


def view_to_encode(every, one, pick, views):
    """The view that an encoder takes, given by itself or among all of them.

    Args:
        every: `structures.Spec`s of all views.
        one: Those of the view.
        pick: Function from all views to the one.
        views: What is given.

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
        f"predict takes all views as fit does, {structures.described(every)}, or the "
        f"one that it encodes, {structures.described(one)}; received "
        f"{structures.described(views)}. Give them by the same names or in the same "
        "order."
    )


def _tensors(views):
    def tensor(view):
        is_one = ops.is_tensor(view) or isinstance(view, keras.KerasTensor)
        return view if is_one else ops.convert_to_tensor(view)

    return keras.tree.map_structure(tensor, views)


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
            `ValueError` of that. XLA, and so JAX, has no assertions: the values are
            NaN there.
    """
    known = _known(holds)
    if known is not None:
        if not known:
            raise ValueError(message.format(*map(_known_number, found)))
        return values
    if not backends.is_tensorflow():
        return ops.where(holds, values, np.nan)
    # Without the order, an operation on the values may fail first, obscurely.
    with tf.control_dependencies([tf.debugging.Assert(holds, [message, *found])]):
        checked = tf.where(holds, values, tf.constant(np.nan, values.dtype))
    return tf.ensure_shape(checked, values.shape)


def _known(holds):
    """A boolean, or `None` where only a run can tell."""
    if isinstance(holds, bool):
        return holds
    if backends.is_tensorflow():
        return bool(holds) if tf.executing_eagerly() else None
    try:
        return bool(ops.convert_to_numpy(holds))
    except (NotImplementedError, RuntimeError, TypeError):
        return None  # Of a function that is traced, for its shapes or to compile it.


def _known_number(number):
    return number if isinstance(number, int) else ops.convert_to_numpy(number)[()]


@contextlib.contextmanager
def as_value_errors():
    """Makes a plain `ValueError` of what a step raises.

    That is, of what `asserted` raises from within a graph, and of errors that AutoGraph
    has wrapped in lines of code.
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
    """What TensorFlow raises from within a graph; nothing on another backend."""
    return tf.errors.InvalidArgumentError if backends.is_tensorflow() else ()


def _is_weighted(x):
    """Whether these are views and weights as `fit_data` puts them together."""
    return isinstance(x, (tuple, list)) and len(x) == 3 and _is_empty(x[1])


def _is_nothing(part):
    if part is None or _is_empty(part):
        return True
    return backends.is_tensorflow() and isinstance(part, tf.experimental.Optional)


def _is_empty(part):
    return isinstance(part, (tuple, list, dict)) and not part
