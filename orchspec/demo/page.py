"""The page that the tour leaves: what was shown, in the order in which it was shown."""

from __future__ import annotations

import shlex
from dataclasses import replace
from typing import TYPE_CHECKING

from orchspec.demo.tour import SPEC
from orchspec.graph.build import graph_of
from orchspec.graph.svg import as_svg
from orchspec.simulator import page as pages
from orchspec.simulator.gantt import gantt_chart
from orchspec.simulator.report import simulation_section

if TYPE_CHECKING:
    from orchspec.demo.tour import CrashStory, Tour
    from orchspec.simulator.drawing import Chart

__all__ = ["charts_of_tour", "commands", "graph_of_tour", "page_of"]

_TITLES = {
    "check": "Checked",
    "mistake": "A mistake found",
    "test": "Tested",
    "simulate": "Simulated",
    "crash": "Killed and resumed",
}


def graph_of_tour(tour: Tour) -> str:
    """The graph of the spec, as SVG."""
    return as_svg([graph_of(tour.plan, flow) for flow in tour.plan.flows])


def charts_of_tour(tour: Tour) -> list[Chart]:
    """All charts of the tour: of the simulations, one simulated run, and the run that was killed."""
    charts = [chart for simulated in tour.simulations for chart in simulated.charts]
    gantts = [*_simulated_gantt(tour), *_killed_gantt(tour)]
    return [*charts, *gantts]


def page_of(tour: Tour) -> str:
    """The page as HTML."""
    sections = [
        ("The spec and its topology", _spec(tour)),
        ("A planted mistake", _mistake(tour)),
        ("Its test", _test(tour)),
    ]
    for simulated in tour.simulations:
        scenario = str(simulated.study.document["scenario"])
        sections.append((f"Simulated: {scenario}", simulation_section(simulated.study.document, simulated.charts)))
    gantts = "".join(pages.figure(chart) for chart in _simulated_gantt(tour))
    if gantts:
        told = "The run of median length among the first of the quiet day: where its time went."
        sections.append(("One simulated run", pages.paragraph(told) + gantts))
    if tour.crash is not None:
        sections.append(("Killed twice, resumed twice", _crash(tour, tour.crash)))
    sections.append(("What to try next", _next(tour)))
    lead = "One spec, from text to plan to a simulated day to a durable run that survives being killed."
    footer = (
        f"Left by orch demo, beside {SPEC}: its plan (plan.json), the graph (graph.svg), the charts (charts/), what "
        "the simulations found (simulations/), the journal of the killed run (journal.jsonl) and its world's ledger."
    )
    return pages.page("A tour of Orch", sections, lead=lead, head=_head(tour), footer=footer)


def _head(tour: Tour) -> str:
    rows = [
        ({"html": pages.badge("ok" if step.well else "failed")}, _TITLES.get(step.name, step.name), step.told)
        for step in tour.steps
        if step.name in _TITLES
    ]
    return pages.table(("", "what", "and it was found"), rows)


def _spec(tour: Tour) -> str:
    told = (
        "Every arrow is a handoff and names what crosses it; nothing else does. Stacked cards are the same work given "
        "to several, frames are loops and scopes, dashed boxes undo what an effect did."
    )
    source = pages.details(f"The spec: {SPEC}", pages.preformatted(tour.text))
    return pages.paragraph(told) + pages.drawing(graph_of_tour(tour)) + source


def _mistake(tour: Tour) -> str:
    told = (
        "The votes of critic and lawyer may differ, and the editor may not answer in time. Without the last rule, "
        "priority([lawyer, critic]), nothing would decide then. It is found before anything runs:"
    )
    return pages.paragraph(told) + pages.preformatted(tour.diagnostics)


def _test(tour: Tour) -> str:
    rows = [
        ({"html": pages.badge(result.verdict)}, (result.name, ", ".join(each.text for each in result.expectations)))
        for result in tour.tests
    ]
    told = "Tests stand in the spec and run in virtual time, with stubs and with faults that strike as they say."
    return pages.paragraph(told) + pages.table(("verdict", "test"), rows)


def _crash(tour: Tour, crash: CrashStory) -> str:
    told = (
        "This was no simulation: orch run was a process of its own, with stand-ins for the agents and a clock sixty "
        "times as fast, and it was killed with SIGKILL, twice. Each time, orch resume went on from the journal."
    )
    rows: list[tuple[object, ...]] = [(f"kill {number}", kill) for number, kill in enumerate(crash.kills, 1)]
    rows += [
        ("publish, delivered", f"{crash.deliveries} times"),
        ("publish, applied in the world", f"{crash.applied} time{'' if crash.applied == 1 else 's'}"),
        ("result, undisturbed", str(crash.undisturbed["result"])),
        ("result, killed and resumed", str(crash.resumed["result"])),
        ("cost, undisturbed and killed", f"${crash.undisturbed['cost_usd']} and ${crash.resumed['cost_usd']}"),
        ("records in the journal", str(crash.records)),
    ]
    after = (
        "The world's ledger (killed-world.jsonl) lies outside of the store. The second delivery had the key of the "
        "first, so the target dropped it and gave the first receipt again."
    )
    figures = "".join(pages.figure(chart) for chart in _killed_gantt(tour))
    return pages.paragraph(told) + pages.table(("", ""), rows) + pages.paragraph(after) + figures


def _next(tour: Tour) -> str:
    return pages.preformatted("\n".join([f"cd {shlex.quote(str(tour.folder.path))}", *commands()]))


def commands() -> list[str]:
    """What to try next, in the folder that the tour leaves."""
    tries = (
        (f"orch check {SPEC}", "change something first: rename a step, drop a key"),
        (f'orch simulate {SPEC} "a quiet day" --seed 7', "its KPIs, each with an interval"),
        ("orch journal killed --store killed.db", "why B acted after A: every event, decision and command"),
        (f"orch graph {SPEC} -o graph.svg", "the topology; .mmd and .dot as well"),
        ("orch new my-agents", "a starter of your own"),
    )
    room = max(len(command) for command, _ in tries)
    return [f"{command:<{room}}  # {why}" for command, why in tries]


def _simulated_gantt(tour: Tour) -> list[Chart]:
    for simulated in tour.simulations[:1]:
        for replication in simulated.study.replications:
            if replication.sample_gantt:
                return [_renamed(gantt_chart(replication.sample_gantt, title="One run of a quiet day"), "quiet-run")]
    return []


def _killed_gantt(tour: Tour) -> list[Chart]:
    crash = tour.crash
    if crash is None or not crash.bars:
        return []
    return [_renamed(gantt_chart(crash.bars, crash.marks, title="The run that was killed twice"), "killed-run")]


def _renamed(chart: Chart, name: str) -> Chart:
    return replace(chart, name=name)
