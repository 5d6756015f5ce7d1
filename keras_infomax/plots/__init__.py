"""Draws a run, its scores and its encodings with Matplotlib.

Each function returns a figure, which notebooks show and `savefig` writes. What is drawn
of the paper, of a search or of an exported encoder stands with these, and uses
`drawing`, too.
"""

from keras_infomax.plots.curves import history, plot_curves
from keras_infomax.plots.drawing import check_installed
from keras_infomax.plots.maps import encodings
from keras_infomax.plots.matrices import scores

__all__ = ["check_installed", "encodings", "history", "plot_curves", "scores"]
