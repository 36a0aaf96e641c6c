"""The journal: records of runs, and the stores that keep them."""
