"""Critics: layers that score every x against every y.

A critic is called as `critic(x, y)` with encodings `(rows, dim_x)` and
`(columns, dim_y)` and returns scores `(rows, columns)`; rows and columns may differ.
Every critic works with every bound. Default sizes are those of the paper.
"""

from keras_infomax.critics.base import Critic, ensure_built, takes_partners
from keras_infomax.critics.baselines import BaselineCritic
from keras_infomax.critics.by_name import CRITICS, get
from keras_infomax.critics.densities import ConditionalGaussian
from keras_infomax.critics.encode_and_dot import EncodeAndDotCritic, NearIdentity
from keras_infomax.critics.inner_products import (
    BilinearCritic,
    CosineCritic,
    DistanceCritic,
    InnerProductCritic,
)
from keras_infomax.critics.mlp import MLPCritic
from keras_infomax.critics.separable import SeparableCritic
from keras_infomax.critics.wrappers import ProjectedCritic, SoftClippedCritic

__all__ = [
    "CRITICS",
    "BaselineCritic",
    "BilinearCritic",
    "ConditionalGaussian",
    "CosineCritic",
    "Critic",
    "DistanceCritic",
    "EncodeAndDotCritic",
    "InnerProductCritic",
    "MLPCritic",
    "NearIdentity",
    "ProjectedCritic",
    "SeparableCritic",
    "SoftClippedCritic",
    "ensure_built",
    "get",
    "takes_partners",
]
