"""Losses by name."""

import functools

from keras_infomax.checks import lookup
from keras_infomax.losses import (
    barlow_twins,
    baselines,
    cosine_distance,
    decoupled_infonce,
    densities,
    divergences,
    estimates,
    metric_learning,
    siglip,
    supcon,
    vicreg,
)
from keras_infomax.losses.base import ScoreLoss
from keras_infomax.losses.encodings import EncodingLoss

LOSSES = {
    "infonce": estimates.InfoNCE,
    "infonce_symmetric": functools.partial(estimates.InfoNCE, axis=(0, 1)),
    "nwj": estimates.NWJ,
    "donsker_varadhan": estimates.DonskerVaradhan,
    "jensen_shannon": estimates.JensenShannon,
    "tuba": baselines.TUBA,
    "flo": baselines.FLO,
    "interpolated": baselines.Interpolated,
    "flat_nce": baselines.FlatNCE,
    "smile": divergences.SMILE,
    "mine": divergences.MINE,
    "jensen_shannon_information": divergences.JensenShannonInformation,
    "club": densities.CLUB,
    "leave_one_out": densities.LeaveOneOut,
    "multi_class_n_pair": metric_learning.MultiClassNPair,
    "triplet": metric_learning.Triplet,
    "lifted_structure": metric_learning.LiftedStructure,
    "nt_xent": functools.partial(metric_learning.MultiClassNPair, name="nt_xent"),
    "decoupled_infonce": decoupled_infonce.DecoupledInfoNCE,
    "siglip": siglip.SigLIP,
    "supcon": supcon.SupCon,
    "vicreg": vicreg.VICReg,
    "barlow_twins": barlow_twins.BarlowTwins,
    "cosine_distance": cosine_distance.CosineDistance,
}


def get(identifier):
    """Returns a loss from an instance or a name.

    Args:
        identifier: A `ScoreLoss` or `EncodingLoss`, or a key of `LOSSES`, such as
            `"infonce"`.

    Raises:
        ValueError: If the name is unknown; the message suggests the nearest one.

    Example:
    >>> get("nwj").name
    'nwj'
    """
    if isinstance(identifier, (ScoreLoss, EncodingLoss)):
        return identifier
    return lookup("bound", identifier, LOSSES)()
