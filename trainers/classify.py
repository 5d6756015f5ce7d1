"""`keras-infomax probe-export`, from a checkout."""

import sys

from keras_infomax.programs import command

if __name__ == "__main__":
    command.run("probe-export")
else:
    # One module by two names, so that what is set in one holds in the other.
    from keras_infomax.programs import probe_export

    sys.modules[__name__] = probe_export
