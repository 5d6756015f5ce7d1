"""Callbacks that measure the encoder, display a run, or stop it at NaN or infinity.

A callback decides when to measure; the measures are in `probes` and `encoders`.
"""

from keras_infomax.callbacks.condition_numbers import ConditionNumbers
from keras_infomax.callbacks.live_curves import LiveCurves
from keras_infomax.callbacks.non_finite import StopOnNonFinite
from keras_infomax.callbacks.probes import LinearProbe, Probes
from keras_infomax.callbacks.representation_gauges import RepresentationGauges
from keras_infomax.callbacks.retrieval import Retrieval, ZeroShot
from keras_infomax.callbacks.tensorboard import TensorBoard

__all__ = [
    "ConditionNumbers",
    "LinearProbe",
    "LiveCurves",
    "Probes",
    "RepresentationGauges",
    "Retrieval",
    "StopOnNonFinite",
    "TensorBoard",
    "ZeroShot",
]
