"""The tour that `orch demo` gives: what it does is in `tour`, where it puts things in `folder`."""

from __future__ import annotations

__all__: list[str] = []
