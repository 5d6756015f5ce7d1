"""Detects a collapse of the encoder without labels."""

import math

import numpy as np
from keras import ops

from keras_infomax import bounds, checks, probes
from keras_infomax.callbacks.common import Measuring, encoder_of


class RepresentationGauges(Measuring):
    """Logs during training how well encodings fill their space.

    Before the first step and then every few epochs or steps, it encodes views in
    inference mode. For the encodings of x, the logs of each epoch contain

    - `uniformity`: 0 if all directions are equal, lower if they are spread evenly,
    - `effective_rank`: the effective number of dimensions,
    - `dead_dimensions`: the fraction of dimensions that are constant over all rows,

    and for pairs, if y is given,

    - `alignment`: the distance of the directions of a pair, if both encodings have the
      same size,
    - `mi_over_ceiling`: InfoNCE of the model's scores of these pairs, divided by the
      log of their number. Near 1 the estimate cannot rise further.

    A collapsed encoder has an effective rank near 1 and a uniformity near 0 in the
    first epoch. The first epoch is always measured, and epochs without a measurement
    log NaN; see `Probes` for the effect on other callbacks.

    Args:
        x: Views of the encoder, `(rows, ...)`; a few hundred are enough.
        y: The other views of the same rows, or `None`.
        encoder: Name of the model's attribute that encodes x.
        encoder_y: Name of the model's attribute that encodes y.
        every: Positive integer, the number of epochs or steps between measurements.
        unit: `"epoch"` or `"step"`.

    Attributes:
        history: List of pairs of positions and dictionaries of the last `fit`.

    Raises:
        ValueError: If an argument has the wrong type, or x and y do not have the same
            number of rows, at least two.

    Example:
    ```python
    gauges = kim.callbacks.RepresentationGauges(x[:256], y[:256])
    history = model.fit(pairs, epochs=10, callbacks=[gauges]).history
    history["effective_rank"]
    ```

    Reference:
        Wang and Isola, 2020, https://arxiv.org/abs/2005.10242; Garrido et al., 2023,
        https://arxiv.org/abs/2210.02885.
    """

    def __init__(
        self,
        x,
        y=None,
        encoder="encoder_x",
        encoder_y="encoder_y",
        every=1,
        unit="epoch",
    ):
        super().__init__(every, unit)
        self.x, self.y = _views("x", x), None if y is None else _views("y", y)
        if self.y is not None and len(self.x) != len(self.y):
            raise ValueError(
                "x and y must have the same number of rows, since row i of both is one "
                f"pair; received {len(self.x)} and {len(self.y)}. Cut them to one "
                "length."
            )
        self.encoder = checks.text("encoder", encoder, "encoder_x")
        self.encoder_y = checks.text("encoder_y", encoder_y, "encoder_y")

    def _measure(self):
        encodings = probes.encode(encoder_of(self.model, self.encoder), self.x)
        found = {
            "uniformity": probes.uniformity(encodings),
            "effective_rank": probes.effective_rank(encodings),
            "dead_dimensions": probes.dead_dimensions(encodings),
        }
        if self.y is None:
            return found
        others = probes.encode(encoder_of(self.model, self.encoder_y), self.y)
        if others.shape == encodings.shape:
            found["alignment"] = probes.alignment(encodings, others)
        critic = getattr(self.model, "critic", None)
        if critic is not None:
            scores = critic(*map(ops.convert_to_tensor, (encodings, others)))
            value = ops.convert_to_numpy(ops.mean(bounds.infonce(scores)))
            found["mi_over_ceiling"] = float(value) / math.log(len(self.x))
        return found

    def _values(self, measurement):
        return dict(measurement)

    def _arrays(self):
        return (self.x, self.y)


def _views(argument, values):
    expected = "an array of views (rows, ...) of at least 2 rows"
    advice = f"Give a few hundred views, for example {argument}=images[:256]."
    found = checks.array(argument, values, expected, advice)
    if found.ndim < 2 or len(found) < 2 or not np.isfinite(found).all():
        raise checks.refusal(argument, expected, values, advice)
    return found
