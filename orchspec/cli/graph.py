"""`orch graph`: the topology of a spec's flows as Mermaid, DOT or SVG."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from orchspec.cli.common import NOT_WELL, WELL, Misuse, Terminal, did_you_mean, orch_command
from orchspec.cli.files import NewFile, shown_name, write_text
from orchspec.cli.plans import compile_spec, concerned, refuse, set_option, settings_of

if TYPE_CHECKING:
    from orchspec.compiler.plan import Plan
    from orchspec.graph.topology import FlowGraph

__all__ = ["command"]

_FORMATS = ("mermaid", "dot", "svg")


@orch_command("graph")
@click.argument("file")
@click.option("--format", "form", type=click.Choice(_FORMATS), help="How to draw it.  [default: by -o, else mermaid]")
@click.option("--flow", "flow", metavar="NAME", help="Only this flow; all of them unless named.")
@click.option(
    "-o",
    "output",
    type=NewFile(),
    metavar="F",
    help="Write to this file (.mmd, .dot, .svg) instead of standard output.",
)
@set_option
def command(
    terminal: Terminal, file: str, form: str | None, flow: str | None, output: str | None, settings: tuple[str, ...]
) -> int:
    """Draws the flows of a spec.

    Steps with who fulfills them and in which pattern, loops and scopes as frames, effects with their undo, and on the
    edges what is handed over. FILE may be - for standard input.
    """
    if terminal.json and (form is not None or output is not None):
        raise Misuse("--json gives the topology as data; leave out --format and -o")
    compiled = compile_spec(file, settings_of(settings))
    if compiled.plan is None:
        refuse(terminal, file, compiled)
        return NOT_WELL
    graphs = _graphs(compiled.plan, shown_name(file), flow)
    if terminal.json:
        terminal.document({"flows": [_as_json(graph) for graph in graphs]})
        return WELL
    text = _drawn(graphs, form or _format_of(output))
    if output is None:
        terminal.out(text, newline=False)
    else:
        write_text(output, text)
        terminal.say(f"{output}: {', '.join(graph.title for graph in graphs)}")
    return WELL


def _graphs(plan: Plan, name: str, flow: str | None) -> list[FlowGraph]:
    from orchspec.graph.build import graph_of

    if flow is None:
        return [graph_of(plan, each) for each in concerned(plan)]
    if flow not in plan.flows:
        hint = did_you_mean(flow, plan.flows) or f"; it has {', '.join(plan.flows) or 'none'}"
        raise Misuse(f"{name} has no flow {flow}{hint}", "no_flow")
    return [graph_of(plan, flow)]


def _format_of(output: str | None) -> str:
    ending = (output or "").rpartition(".")[2].lower()
    return {"dot": "dot", "gv": "dot", "svg": "svg"}.get(ending, "mermaid")


def _drawn(graphs: list[FlowGraph], form: str) -> str:
    if form == "svg":
        from orchspec.graph.svg import as_svg

        return as_svg(graphs)
    if form == "dot":
        from orchspec.graph.dot import as_dot

        return as_dot(graphs)
    from orchspec.graph.mermaid import as_mermaid

    return as_mermaid(graphs)


def _as_json(graph: FlowGraph) -> dict[str, Any]:
    return asdict(graph)
