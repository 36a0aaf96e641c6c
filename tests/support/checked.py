"""Texts that are checked: what was found out of a sound one, and the codes of what is wrong with another."""

from orchspec.compiler.check import check
from orchspec.grammar.source import Source

__all__ = ["HEAD", "checked", "codes", "flow"]

HEAD = """orch 1
type Note { text: Text  score: Float  tag: Text? }
contract Draft(topic: Text, tone: Text = "plain", note: Note?) -> Note
contract Check(note: Note) -> Note
agent ann fulfills Draft, Check { timeout = 30s  attempts = 2 }
agent bob fulfills Draft, Check
effect save(note: Note) -> Text { key = note.text }
"""


def checked(text, settings=None):
    """What the checks found out of a text, which must have no errors."""
    result = check(Source("sample.orch", text), settings)
    assert result.ok, "\n".join(f"{item.span} {item.code.id} {item.message}" for item in result.diagnostics)
    return result.checked


def flow(statements, head=HEAD):
    """The same of statements of the flow `work`, below a head with those it may ask."""
    return checked(f"{head}flow work(topic: Text, topics: List<Text>) -> Note {{\n{statements}\n}}\n")


def codes(text, settings=None):
    """The ids of all that is told of a text, as it is told."""
    return [item.code.id for item in check(Source("sample.orch", text), settings).diagnostics]
