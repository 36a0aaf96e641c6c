"""The numbers of a plan's nodes: statements, scenarios, tests, faults and expectations, in the order of the text."""

from __future__ import annotations

from collections.abc import Mapping

from orchspec.compiler.model import Checked
from orchspec.compiler.plan import Source
from orchspec.grammar import syntax
from orchspec.slotted import dataclass

__all__ = ["Nodes", "number_nodes"]

_NUMBERED = (
    syntax.Step,
    syntax.Arbitrate,
    syntax.Let,
    syntax.Fail,
    syntax.Checkpoint,
    syntax.Until,
    syntax.Revert,
    syntax.Wait,
    syntax.Send,
    syntax.Eval,
    syntax.Give,
    syntax.Return,
    syntax.Repeat,
    syntax.Scope,
    syntax.Route,
    syntax.Supervise,
    syntax.Peers,
    syntax.MachineDecl,
    syntax.State,
    syntax.ScenarioDecl,
    syntax.TestDecl,
    syntax.Fault,
    syntax.Expect,
)


@dataclass(frozen=True, slots=True)
class Nodes:
    """The number of each node that a plan names, and where the nodes stand."""

    ids: Mapping[syntax.Node, int]
    source: Source

    def __getitem__(self, node: syntax.Node) -> int:
        return self.ids[node]


def number_nodes(checked: Checked) -> Nodes:
    """Numbers the nodes of the files of a spec from 0: layout and comments change no number, only the spans.

    What only the imported file itself has, its tests and scenarios, is numbered too: one rule for all.
    """
    ids: dict[syntax.Node, int] = {}
    spans: list[list[int]] = []
    files: dict[str, int] = {}
    for module in checked.modules:
        place = files.setdefault(module.file.span.source.name, len(files))
        for node in syntax.statements_in(module.file):
            if isinstance(node, _NUMBERED):
                ids[node] = len(spans)
                span = node.span
                spans.append([span.line, span.column, span.end_line, span.end_column, place])
    return Nodes(ids, Source(list(files), spans))
