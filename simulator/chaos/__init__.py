"""Chaos: a flow run under a schedule of faults, everything written down, and held against what must always hold."""
