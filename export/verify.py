"""`keras-infomax verify`, from a checkout."""

import sys

from keras_infomax.programs import command

if __name__ == "__main__":
    command.run("verify")
else:
    # One module with two names, so that both share all attributes.
    from keras_infomax.programs import verify

    sys.modules[__name__] = verify
