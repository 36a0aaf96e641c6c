"""Bounds of one small flow, among people and agents whose caps and timeouts are round numbers."""

from orchspec.compiler.bounds import bounds_of
from tests.support.studies import plan_of

__all__ = ["CENT", "HEAD", "ONE", "S", "bounds", "ends"]

S = 1_000_000
"""A second."""

CENT = 10**10
"""In pico-dollars."""

HEAD = """
orch 1
enum Kind { small, large }
type Plan3 { topics: List<Text> where len(topics) in 2..5  kind: Kind }
contract Split(text: Text) -> Plan3
contract Work(text: Text) -> Text
contract Choose(candidates: List<Text>) -> Text
agent lead fulfills Split { timeout = 5s  budget { cost <= $0.01  tokens <= 100 } }
agent ann fulfills Work { timeout = 10s  budget { cost <= $0.10  tokens <= 1k } }
agent bob fulfills Work, Choose { timeout = 20s  budget { cost <= $0.30  tokens <= 2k } }
human eve fulfills Work, Choose { timeout = 1h }
effect mail(text: Text) -> Text { key = text  timeout = 3s  undo = unmail(text) }
effect unmail(text: Text) { key = text  timeout = 2s }
signal reply(text: Text) -> Text
"""


def bounds(body, *, head="", params="text: Text", result="Text", flow="f", rest=""):
    """Bounds of a flow with this body, by metric."""
    text = f"{HEAD}{head}\nflow {flow}({params}) -> {result} {{\n{body}\n}}\n{rest}"
    return bounds_of(plan_of(text))[flow]


def ends(found, name):
    """The best and the worst of a metric."""
    return found[name].best, found[name].worst


ONE = "step a = Work(text) by ann return a"
