"""What the samples of the codes have in common: small declarations around the lines that matter."""

from __future__ import annotations

__all__ = ["PRELUDE", "in_flow", "spec"]

PRELUDE = """\
orch 1
type Note { text: Text  score: Float }
contract Draft(topic: Text) -> Note
contract Check(note: Note) -> Note
agent ann fulfills Draft, Check { timeout = 30s }
agent bob fulfills Draft, Check { timeout = 30s }
effect publish(note: Note) -> Url { key = note.text }
"""


def spec(body: str) -> str:
    """The declarations of the samples, then `body`."""
    return PRELUDE + body.strip("\n") + "\n"


def in_flow(statements: str) -> str:
    """The declarations of the samples, and a flow from a topic to a Note with these statements."""
    lines = "".join(f"  {line}\n" for line in statements.strip("\n").splitlines())
    return spec(f"flow work(topic: Text) -> Note {{\n{lines}}}")
