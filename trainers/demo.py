"""`keras-infomax demo`, from a checkout: what `make demo` runs."""

import sys

from keras_infomax.programs import command

if __name__ == "__main__":
    command.run("demo")
else:
    # One module by two names, so that what is set in one holds in the other.
    from keras_infomax.programs import demo

    sys.modules[__name__] = demo
