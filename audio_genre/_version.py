"""The version, in a file of its own so that no part of the package imports its face."""

__version__ = "0.1.0"
