"""Widgets of the panels: controls, a fast canvas, fast axes and artists that move."""
