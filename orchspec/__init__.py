"""Orch: a declarative language for orchestrating agents, a durable runtime and a simulator of the same plan."""

__all__ = ["__version__"]

__version__ = "0.1.0"
