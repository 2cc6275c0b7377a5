"""The version of snnlab."""

__version__ = "0.1.0"
