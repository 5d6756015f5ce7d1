"""`keras-infomax demo`, from a checkout: what `make demo` runs."""

import sys

from keras_infomax.programs import command

if __name__ == "__main__":
    command.run("demo")
else:
    # One module with two names, so that both share all attributes.
    from keras_infomax.programs import demo

    sys.modules[__name__] = demo
