"""The paper's claims and figures, judged and drawn from a table of results.

Only `keras-infomax report` uses this room; nothing in the library needs it.
"""

from keras_infomax.paper.claims import CHANGES, CLAIMS
from keras_infomax.paper.claims_page import any_run, report
from keras_infomax.paper.figures import draw
from keras_infomax.paper.verdicts import Results, judge

__all__ = ["CHANGES", "CLAIMS", "Results", "any_run", "draw", "judge", "report"]
