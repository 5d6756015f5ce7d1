"""Measures during training how hard the encoder is to invert."""

from keras_infomax import checks
from keras_infomax.callbacks.common import Measuring, encoder_of
from keras_infomax.encoders.condition_numbers import (
    PERCENTILES,
    LogConditionNumbers,
    checked_views,
    jacobians,
    log_condition_numbers,
)


class ConditionNumbers(Measuring):
    """Logs during training how hard the encoder is to invert.

    Before the first step and then every few epochs, it computes the Jacobian of the
    encoding of each view, in inference mode, and the logarithm of its condition number;
    see `encoders.log_condition_numbers`. For the identity this is 0.

    The logs of each epoch get `log_condition_min`, `log_condition_20`, `_40`, `_60`,
    `_80` and `log_condition_max`, percentiles over the views without interpolation, and
    `singular_examples`, the number of views whose Jacobian is singular. Such views have
    no condition number and are left out of the percentiles. If all views are singular,
    the percentiles are missing. The first epoch is always measured, and epochs without
    a measurement log NaN; see `Probes` for the effect on other callbacks.

    Args:
        views: Float views of the encoder, `(rows, ...)`. 128 half digits take some
            seconds for each measurement.
        encoder: Name of the model's attribute to measure. Defaults to `"encoder_x"`.
        every: Positive integer, the number of epochs between two measurements.
            Defaults to 1.

    Attributes:
        history: List of pairs `(epochs, LogConditionNumbers)` of the last `fit`, where
            `epochs` is the number of completed epochs.

    Raises:
        ValueError: If `every` is not a positive integer, or the views are not an array
            of floats.

    Example:
    ```python
    conditions = kim.callbacks.ConditionNumbers(x[:128])
    history = model.fit(pairs, epochs=10, callbacks=[conditions]).history
    history["log_condition_60"]
    ```

    Reference:
        Tschannen et al., 2020, "On Mutual Information Maximization for Representation
        Learning", Figure 2. https://arxiv.org/abs/1907.13625
    """

    def __init__(self, views, encoder="encoder_x", every=1):
        super().__init__(every)
        self.views = checked_views(views)
        self.encoder = checks.text("encoder", encoder, "encoder_x")

    def _measure(self) -> LogConditionNumbers:
        encoder = encoder_of(self.model, self.encoder)
        return log_condition_numbers(jacobians(encoder, self.views))

    def _values(self, measurement: LogConditionNumbers) -> dict[str, float | None]:
        return {
            **{
                f"log_condition_{name}": measurement.percentile(percent)
                for name, percent in PERCENTILES.items()
            },
            "singular_examples": measurement.singular,
        }

    def _arrays(self):
        return (self.views,)
