"""The topology of a plan as a picture: who does what, in which pattern, and what is handed over on the way."""

from __future__ import annotations

__all__: list[str] = []
