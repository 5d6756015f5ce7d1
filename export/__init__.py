"""Programs that export, run from a checkout with `python -m`.

Without this file an installed package called `export` would win.
"""

import os

# Before TensorFlow starts: its notes on the machine would bury the program's output.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
