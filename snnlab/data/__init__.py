"""Data sets as batches `(T, B, ...)`: `registry` finds and loads them, `splits` has their parts."""
