"""Lowering: a checked spec becomes a plan, one module for each kind of thing that is lowered."""
