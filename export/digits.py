"""The digits and models in the examples of downstream use."""

import sys

from keras_infomax.programs.downstream import digits

sys.modules[__name__] = digits
