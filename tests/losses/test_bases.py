"""What a loss of one's own must define, and what is said where it does not."""

import numpy as np
import pytest
from keras import ops

from keras_infomax import losses

pytestmark = pytest.mark.backends

SCORES = np.eye(3, dtype="float32")


class Nothing(losses.ScoreLoss):
    pass


class NoBound(losses.BoundLoss):
    pass


class NoUpperBound(losses.UpperBoundLoss):
    pass


class NoValue(losses.EncodingLoss):
    pass


@pytest.mark.parametrize(
    ("loss", "missing"),
    [
        (Nothing, r"Nothing must define value\(partners, scores"),
        (
            NoBound,
            r"NoBound must define bound_of_rows\(scores, partners\), or estimate",
        ),
        (NoUpperBound, r"NoUpperBound must define bound_of_rows"),
        (NoValue, r"NoValue must define value\(x, y\)"),
    ],
)
def test_what_a_subclass_must_define_is_named(loss, missing):
    first = SCORES if loss is NoValue else np.arange(3)
    with pytest.raises(NotImplementedError, match=missing):
        loss()(first, SCORES)


def test_a_bound_of_rows_is_all_that_a_bound_needs():
    class Doubled(losses.BoundLoss):
        def bound_of_rows(self, scores, partners):
            return 2.0 * ops.arange(3, dtype="float32")

    assert float(Doubled()(np.arange(3), SCORES)) == pytest.approx(-2.0)
