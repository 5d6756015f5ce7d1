"""`keras-infomax find-similar`, from a checkout."""

import sys

from keras_infomax.programs import command

if __name__ == "__main__":
    command.run("find-similar")
else:
    # One module with two names, so that both share all attributes.
    from keras_infomax.programs.downstream import finding_similar

    sys.modules[__name__] = finding_similar
