"""Bounds on mutual information, as pure functions of a score matrix.

A bound takes scores `(rows, columns)`, where `scores[i, j]` rates the pair
`(x_i, y_j)`, and returns one value for each true pair, in nats; their mean is the
estimate. `partners[i]` is the column that holds row i's true pair, so one formula
serves one device, where it is the diagonal, and many, where the columns are the global
batch.

Two things make the formulas serve encodings of many locations as well. A row may have
several true pairs, `partners` of shape `(rows, positives)`; none of them is a negative
of another. And a score of minus infinity leaves its pair out: it is no negative, and is
not counted as one.

InfoNCE cannot exceed the logarithm of the number of columns. NWJ and Donsker-Varadhan
have no such ceiling, at the price of variance: they exponentiate raw scores. Between
them stand TUBA and FLO, which normalize scores by what a critic learns, I_alpha, which
mixes InfoNCE into them, and SMILE, which clips. The upper bounds take log densities for
scores.
"""

from keras_infomax.bounds.baselines import flo, interpolated, tuba
from keras_infomax.bounds.clipped import smile
from keras_infomax.bounds.densities import (
    barber_agakov,
    club,
    leave_one_out,
    vib_rate,
)
from keras_infomax.bounds.divergences import (
    jensen_shannon_information,
    kl_of_jensen_shannon,
)
from keras_infomax.bounds.lower import (
    donsker_varadhan,
    flat_nce,
    infonce,
    jensen_shannon,
    nwj,
)
from keras_infomax.bounds.scores import (
    checked,
    checked_partners,
    checked_scores,
    log_mean_exp,
    log_odds,
    log_sums,
    partner_mask,
    split,
)

__all__ = [
    "barber_agakov",
    "checked",
    "checked_partners",
    "checked_scores",
    "club",
    "donsker_varadhan",
    "flat_nce",
    "flo",
    "infonce",
    "interpolated",
    "jensen_shannon",
    "jensen_shannon_information",
    "kl_of_jensen_shannon",
    "leave_one_out",
    "log_mean_exp",
    "log_odds",
    "log_sums",
    "nwj",
    "partner_mask",
    "smile",
    "split",
    "tuba",
    "vib_rate",
]
