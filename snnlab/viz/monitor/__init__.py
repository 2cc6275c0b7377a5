"""A training that is watched while it runs: `monitor.watch` with its callback, view and widgets."""
