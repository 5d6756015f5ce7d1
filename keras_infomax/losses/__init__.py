"""Keras losses that maximize a lower bound on mutual information, or hold it.

Other losses are functions of the encodings themselves, and do not estimate mutual
information.

`loss(partners, scores)` follows the Keras order, `y_true` first: partners are the
columns of the true pairs, scores come from a critic. Under a `tf.distribute` strategy
the estimate is that of the global batch: it is reduced over replicas before any
non-linear function. The loss is divided by the number of replicas, as in built-in
losses.
"""

from keras_infomax.losses.barlow_twins import BarlowTwins
from keras_infomax.losses.base import (
    BoundLoss,
    LossMetric,
    ScoreLoss,
    UpperBoundLoss,
    in_step,
    mean_over_rows,
)
from keras_infomax.losses.baselines import FLO, TUBA, FlatNCE, Interpolated
from keras_infomax.losses.by_name import LOSSES, get
from keras_infomax.losses.cosine_distance import CosineDistance
from keras_infomax.losses.decoupled_infonce import DecoupledInfoNCE
from keras_infomax.losses.densities import CLUB, BarberAgakov, LeaveOneOut
from keras_infomax.losses.divergences import MINE, SMILE, JensenShannonInformation
from keras_infomax.losses.encodings import EncodingLoss
from keras_infomax.losses.estimates import (
    NWJ,
    DonskerVaradhan,
    InfoNCE,
    JensenShannon,
)
from keras_infomax.losses.masks import SemiHard
from keras_infomax.losses.metric_learning import (
    LiftedStructure,
    MultiClassNPair,
    Triplet,
)
from keras_infomax.losses.siglip import SigLIP
from keras_infomax.losses.supcon import SupCon
from keras_infomax.losses.target import TargetLoss
from keras_infomax.losses.vicreg import VICReg

__all__ = [
    "CLUB",
    "FLO",
    "LOSSES",
    "MINE",
    "NWJ",
    "SMILE",
    "TUBA",
    "BarberAgakov",
    "BarlowTwins",
    "BoundLoss",
    "CosineDistance",
    "DecoupledInfoNCE",
    "DonskerVaradhan",
    "EncodingLoss",
    "FlatNCE",
    "InfoNCE",
    "Interpolated",
    "JensenShannon",
    "JensenShannonInformation",
    "LeaveOneOut",
    "LiftedStructure",
    "LossMetric",
    "MultiClassNPair",
    "ScoreLoss",
    "SemiHard",
    "SigLIP",
    "SupCon",
    "TargetLoss",
    "Triplet",
    "UpperBoundLoss",
    "VICReg",
    "get",
    "in_step",
    "mean_over_rows",
]
