"""The names that Keras gives to layers without one."""

import collections
import contextlib
from collections.abc import Iterator

from keras_infomax import private


@contextlib.contextmanager
def counted_anew() -> Iterator[None]:
    """Has Keras count layers from the first on, whatever was made before.

    TensorFlow's arithmetic optimizer adds terms up in an order that depends on the
    names of operations, so the same model with a layer `dense_10` instead of `dense_1`
    may round otherwise, and ends with other weights in the last digit.

    Example:
    >>> import keras
    >>> for _ in range(2):
    ...     with counted_anew():
    ...         print(keras.layers.Dense(3).name)
    dense
    dense
    """
    before = private.name_counts()
    within: dict[str, int] = collections.defaultdict(int)
    private.set_name_counts(within)
    try:
        yield
    finally:
        # Layers that are named later get names that neither has used.
        for name, count in before.items():
            within[name] = max(within[name], count)
