"""Programs that export, run from a checkout with `python -m`.

Without this file an installed package called `export` would win.
"""
