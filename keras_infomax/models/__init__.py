"""The models that `fit` trains, the terms of their losses, and their views.

This room decides which encodings are scored, by which critic, and with which negatives.
How scores are computed and turned into a loss is decided elsewhere.
"""

from keras_infomax.models.averages import MovingAverageTerm
from keras_infomax.models.base import BaseModel
from keras_infomax.models.infomax import InfoMax
from keras_infomax.models.labels import LabelTerm
from keras_infomax.models.memory import MemoryTerm
from keras_infomax.models.momentum import MomentumEncoder
from keras_infomax.models.queue import QueueTerm
from keras_infomax.models.terms import Term

__all__ = [
    "BaseModel",
    "InfoMax",
    "LabelTerm",
    "MemoryTerm",
    "MomentumEncoder",
    "MovingAverageTerm",
    "QueueTerm",
    "Term",
]
