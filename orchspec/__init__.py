"""Orch: a declarative language for orchestrating many agents, with a durable runtime and a simulator of the same plan."""

__version__ = "0.1.0"
