"""Where configs of earlier versions import `configuration` from."""

from keras_infomax.programs.configuration import configuration

__all__ = ["configuration"]
