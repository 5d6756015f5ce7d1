"""Runs a program that defines flags of its own, as the benchmarks do."""

from keras_infomax.programs.running import run

__all__ = ["run"]
