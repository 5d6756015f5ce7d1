"""Estimates mutual information from rows, and warns of unreliable estimates."""

from keras_infomax.estimation.csv_files import Table, read_csv
from keras_infomax.estimation.estimator import METHODS, estimate_mi
from keras_infomax.estimation.result import MIEstimate

__all__ = ["METHODS", "MIEstimate", "Table", "estimate_mi", "read_csv"]
