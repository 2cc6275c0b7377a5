"""Figures: plots, interactive panels, the monitor of a training, and export with alt text."""
