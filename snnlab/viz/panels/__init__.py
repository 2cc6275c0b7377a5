"""Panels: interactive figures of a neuron, a network with delays, and event streams."""
