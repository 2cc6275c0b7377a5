"""The checks of `snnlab doctor`: packages, torch, Jupyter and folders."""
