"""snnlab: learn, and really run, two of the best ideas in training spiking neural networks."""

__version__ = "0.1.0"
