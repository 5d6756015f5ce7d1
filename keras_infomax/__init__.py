"""Representation learning by mutual information maximisation, in Keras 3."""

from keras_infomax.version import __version__

__all__ = ["__version__"]
