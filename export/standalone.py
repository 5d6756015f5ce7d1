"""The script that `verify` runs without this package."""

import sys

from keras_infomax.programs import standalone

sys.modules[__name__] = standalone
