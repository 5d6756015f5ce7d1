"""Programs that train and compare, run from a checkout with `python -m`.

Without this file an installed package called `trainers` would win.
"""
