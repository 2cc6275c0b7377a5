"""The published numbers of the two papers, and what the runs measured of them."""
