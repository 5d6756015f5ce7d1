"""Random views of signals `(rows, steps, channels)`: crops and masks."""

import keras
from keras import ops

from keras_infomax import checks
from keras_infomax.views import draws, random_views

_SIGNALS = "float signals (rows, steps, channels) of known size"


@keras.saving.register_keras_serializable(package="keras_infomax")
class RandomTimeCrop(random_views.RandomView):
    """Crops a random part of each signal, and resizes it to a fixed number of steps.

        length = round(steps * uniform(scale)), at least 1

    The position is uniform over all that fit. Resizing is linear, with antialiasing if
    the part shrinks. All channels have the same crop. Inference resizes the whole
    signal.

    Args:
        scale: Smallest and largest fraction of the steps that is kept.
        steps: Number of steps of the result. Defaults to that of the signals.
        seed: Integer seed, or `None`; see `RandomView`.
        **kwargs: Passed to `keras.layers.Layer`.

    Call arguments:
        signals: Float tensor `(rows, steps, channels)` of known size.
        seed: Two integers that decide all draws, or `None` for seeds of its own.
        training: Whether to crop.

    Returns:
        Tensor `(rows, steps, channels)` of the dtype of the signals.

    Raises:
        ValueError: If an argument is not as described.

    Example:
    >>> RandomTimeCrop((0.5, 1.0), steps=64)(ops.ones((8, 100, 6)), seed=(3, 0)).shape
    TensorShape([8, 64, 6])
    """

    ranks = (3,)
    expected = _SIGNALS

    def __init__(self, scale=(0.5, 1.0), steps=None, seed=None, **kwargs):
        super().__init__(seed, **kwargs)
        self.scale = checks.interval("scale", scale, most=1.0)
        self.steps = checks.positive_integer("steps", steps, 64, optional=True)

    def transform(self, signals, seed):
        spans = self.spans(ops.shape(signals)[0], signals.shape[1], seed)
        start, length = ops.unstack(ops.cast(spans, "float32"), axis=1)
        return self._stretched(signals, start, length)

    def unchanged(self, signals):
        if self.steps is None:
            return signals
        length = ops.full((1,), signals.shape[1], "float32")
        return self._stretched(signals, 0.0 * length, length)

    def spans(self, rows, steps, seed):
        """The crops of signals for a seed.

        Args:
            rows: Number of signals.
            steps: Number of steps of the signals.
            seed: Two integers.

        Returns:
            int32 tensor `(rows, 2)`: first step and length of each part.
        """
        numbers = draws.uniform(draws.checked_seed(seed), rows, 2)
        parts = random_views.between(*self.scale, numbers[:, 0])
        length = ops.round(steps * parts)
        length = ops.clip(length, 1.0, float(steps))
        start = random_views.place(numbers[:, 1], steps - length)
        return ops.cast(ops.stack([start, length], axis=1), "int32")

    def _stretched(self, signals, start, length):
        steps = signals.shape[1]
        matrices = random_views.resizing(start, length, steps, self.steps or steps)
        return ops.matmul(matrices, signals)

    def compute_output_shape(self, input_shape):
        rows, steps, channels = input_shape
        return (rows, self.steps or steps, channels)

    def get_config(self):
        return {**super().get_config(), "scale": self.scale, "steps": self.steps}


@keras.saving.register_keras_serializable(package="keras_infomax")
class RandomTimeMask(random_views.RandomView):
    """Sets a random span of each signal to zero, in all of its channels.

    Its length is uniform from 0 to `share` of the steps, and its position is uniform
    over all that fit. For signals of mean 0, this fills the span with the mean.

    Args:
        share: Largest fraction of the steps that is masked.
        seed: Integer seed, or `None`; see `RandomView`.
        **kwargs: Passed to `keras.layers.Layer`.

    Call arguments:
        signals: Float tensor `(rows, steps, channels)` of known size.
        seed: Two integers that decide all draws, or `None` for seeds of its own.
        training: Whether to mask.

    Returns:
        Tensor of the shape and dtype of the signals.

    Raises:
        ValueError: If `share` is not in [0, 1].

    Example:
    >>> RandomTimeMask(0.5)(ops.ones((8, 100, 6)), seed=(3, 0)).shape
    TensorShape([8, 100, 6])

    Reference:
        Park et al., 2019, "SpecAugment", section 2, https://arxiv.org/abs/1904.08779.
    """

    ranks = (3,)
    expected = _SIGNALS

    def __init__(self, share=0.2, seed=None, **kwargs):
        super().__init__(seed, **kwargs)
        self.share = checks.probability("share", share, example=0.2)

    def transform(self, signals, seed):
        steps = signals.shape[1]
        numbers = draws.uniform(seed, ops.shape(signals)[0], 2)
        most = int(self.share * steps)
        length = ops.minimum(ops.floor(numbers[:, :1] * (most + 1.0)), float(most))
        start = random_views.place(numbers[:, 1:], steps - length)
        step = ops.arange(steps, dtype="float32")[None]
        masked = (step >= start) & (step < start + length)
        return ops.where(masked[..., None], 0.0, signals)

    def get_config(self):
        return {**super().get_config(), "share": self.share}
