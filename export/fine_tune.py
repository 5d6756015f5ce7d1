"""`keras-infomax fine-tune`, from a checkout."""

import sys

from keras_infomax.programs import command

if __name__ == "__main__":
    command.run("fine-tune")
else:
    # One module with two names, so that both share all attributes.
    from keras_infomax.programs.downstream import fine_tuning

    sys.modules[__name__] = fine_tuning
