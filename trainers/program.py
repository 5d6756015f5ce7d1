"""Runs a program with its own flags, such as a benchmark."""

from keras_infomax.programs.running import run

__all__ = ["run"]
