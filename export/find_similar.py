"""`keras-infomax find-similar`, from a checkout."""

import sys

from keras_infomax.programs import command

if __name__ == "__main__":
    command.run("find-similar")
else:
    # One module by two names, so that what is set in one holds in the other.
    from keras_infomax.programs.downstream import finding_similar

    sys.modules[__name__] = finding_similar
