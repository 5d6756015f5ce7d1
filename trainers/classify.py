"""`keras-infomax probe-export`, from a checkout."""

import sys

from keras_infomax.programs import command

if __name__ == "__main__":
    command.run("probe-export")
else:
    # One module with two names, so that both share all attributes.
    from keras_infomax.programs import probe_export

    sys.modules[__name__] = probe_export
