"""Watches a training run: measures its encoder, stops it when its numbers break."""

from keras_infomax.callbacks.condition_numbers import ConditionNumbers
from keras_infomax.callbacks.non_finite import StopOnNonFinite
from keras_infomax.callbacks.probes import LinearProbe, Probes

__all__ = ["ConditionNumbers", "LinearProbe", "Probes", "StopOnNonFinite"]
