"""The version, where packaging, exports and result files all read it."""

__version__ = "0.1.0"
