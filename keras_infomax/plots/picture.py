"""The figures that are drawn here. Importing this imports Matplotlib."""

import io

from matplotlib.figure import Figure


class Picture(Figure):
    """A figure of its own, not pyplot's: no display, and no global state.

    Notebooks show it where it is the last value of a cell, as they do those of pyplot.
    """

    def _repr_png_(self) -> bytes:
        written = io.BytesIO()
        self.savefig(written, format="png", dpi=96)
        return written.getvalue()
