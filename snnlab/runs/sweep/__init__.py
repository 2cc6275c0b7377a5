"""Sweeps: many runs of one notebook, on this machine or on SLURM, and what they cost."""
