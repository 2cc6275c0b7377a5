"""The data sets, one module each, and `catalogue` with their entries."""
