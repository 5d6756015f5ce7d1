"""The module from which configs of earlier versions import `configuration`."""

from keras_infomax.programs.configuration import configuration

__all__ = ["configuration"]
