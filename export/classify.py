"""`keras-infomax classify`, from a checkout."""

import sys

from keras_infomax.programs import command

if __name__ == "__main__":
    command.run("classify")
else:
    # One module with two names, so that both share all attributes.
    from keras_infomax.programs.downstream import classifying

    sys.modules[__name__] = classifying
