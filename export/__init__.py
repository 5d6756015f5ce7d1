"""Programs that export, and use exports, run from a checkout with `python -m`.

They are those of `keras-infomax`; see `keras_infomax.programs`. Without this file an
installed package called `export` would win.
"""

import sys

from keras_infomax.programs import starting

if sys.argv[0] == "-m":  # A program is being started.
    starting.begin()
