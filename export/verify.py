"""`keras-infomax verify`, from a checkout."""

import sys

from keras_infomax.programs import command

if __name__ == "__main__":
    command.run("verify")
else:
    # One module by two names, so that what is set in one holds in the other.
    from keras_infomax.programs import verify

    sys.modules[__name__] = verify
