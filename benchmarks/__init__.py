"""Timed comparisons, run from a checkout with `python -m`."""
