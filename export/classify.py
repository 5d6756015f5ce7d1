"""`keras-infomax classify`, from a checkout."""

import sys

from keras_infomax.programs import command

if __name__ == "__main__":
    command.run("classify")
else:
    # One module by two names, so that what is set in one holds in the other.
    from keras_infomax.programs.downstream import classifying

    sys.modules[__name__] = classifying
