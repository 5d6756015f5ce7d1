"""Programs that train and compare, run from a checkout with `python -m`.

They are the programs of `keras-infomax`; see `keras_infomax.programs`. Without this
file, an installed package named `trainers` would be imported instead.
"""

import sys

from keras_infomax.programs import starting

if sys.argv[0] == "-m":  # Only when a program is started.
    starting.begin()
