"""What `orch new` makes: a small spec with a test and a scenario, agents for it, a pytest file, a README."""

from __future__ import annotations

from importlib.resources import files
from typing import Final

__all__ = ["FILES", "SPEC", "starter_text"]

SPEC: Final = "answers.orch"
FILES: Final = {
    SPEC: "the spec: agents, one effect, a flow, a test, a scenario",
    "agents.py": "the agents, as plain functions; put your models in",
    "test_answers.py": "runs everything under pytest",
    "question.json": "an input to try it with",
    "README.md": "the commands to begin with",
}
"""The files of a starter, and what each is."""


def starter_text(name: str) -> str:
    """The text of one of the files."""
    # Python is kept as text: it is the starter's code, not the package's.
    kept = f"{name}.txt" if name.endswith(".py") else name
    return (files("orchspec") / "starter" / kept).read_text("utf-8")
