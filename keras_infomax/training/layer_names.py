"""Makes Keras's automatic names of layers reproducible."""

import collections
import contextlib
from collections.abc import Iterator

from keras_infomax import private


@contextlib.contextmanager
def counted_anew() -> Iterator[None]:
    """Makes Keras count layers from the start, whatever was made before.

    TensorFlow's arithmetic optimizer adds terms in an order that depends on the names
    of operations. So the same model with a layer `dense_10` instead of `dense_1` may
    round differently, and end with weights that differ in the last digit.

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
        # Layers that are made later get names that neither count has used.
        for name, count in before.items():
            within[name] = max(within[name], count)
