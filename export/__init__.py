"""Programs that export, run from a checkout with `python -m`.

Without this file an installed package called `export` would win.
"""

import os
import signal
import sys

# Before TensorFlow starts: its notes on the machine would bury the program's output.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

if sys.argv[0] == "-m":
    # A program is being started. Until it runs, there is nothing to tidy up, and a
    # traceback of imports would tell its user nothing.
    def _stop(number, frame):
        os.write(2, b"stopped; repeat the command\n")
        os._exit(128 + number)

    for _number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(_number, _stop)
