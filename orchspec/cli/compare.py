"""`orch compare`: flows beside each other, under one load and the same draws."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from orchspec.cli.common import NOT_WELL, UNDECIDED, WELL, Misuse, Terminal, did_you_mean, orch_command
from orchspec.cli.files import STDIN, read_text, shown_name, write_text
from orchspec.cli.pictures import save_charts
from orchspec.cli.plans import compiler_of, refuse, set_option, settings_of
from orchspec.cli.progress import Bar, shown
from orchspec.cli.studying import again, fault_option, study_options, sweep_option
from orchspec.cli.sweeps import combinations

if TYPE_CHECKING:
    from orchspec.compiler.load import Compiled
    from orchspec.compiler.plan import Plan
    from orchspec.contest import Entry
    from orchspec.simulator.compare_report import Compared
    from orchspec.simulator.comparing import Contender
    from orchspec.simulator.drawing import Chart

__all__ = ["command"]


@dataclass(slots=True)
class _Round:
    """One value of a sweep, or all there is: what was set, and who took part."""

    swept: dict[str, str]
    contenders: list[Contender]
    notes: list[str]


@orch_command("compare")
@click.argument("file")
@click.argument("names", nargs=-1, metavar="[FLOW | FILE:FLOW | SCENARIO]...")
@click.option("--flow", "flows", multiple=True, metavar="NAME", help="A flow, as if it stood among the arguments.")
@click.option("--scenario", metavar="TITLE", help="Whose load, inputs and faults all are under.")
@click.option(
    "--with",
    "variants",
    multiple=True,
    metavar="K=V[,K=V]",
    help="One more contender: the first flow with other values for params or attributes.",
)
@fault_option
@set_option
@sweep_option("Compare once for each value.")
@study_options(runs="Measure at least so many runs of each.", charts="Write charts, each as PNG and SVG.")
def command(
    terminal: Terminal,
    file: str,
    names: tuple[str, ...],
    flows: tuple[str, ...],
    scenario: str | None,
    variants: tuple[str, ...],
    settings: tuple[str, ...],
    sweeps: tuple[str, ...],
    jobs: int,
    resume: str | None,
    report: str | None,
    charts: str | None,
    **how: Any,
) -> int:
    """Compares flows under the same load and the same draws.

    FILE has the scenario. Compared are the flows that are named, of FILE or of another (FILE:FLOW); without names all
    flows that the scenarios of FILE are about. Each difference comes with its interval, and who is best is told where
    it is seen. FILE may be - for standard input.
    """
    from orchspec.api import SpecError
    from orchspec.contest import NotComparable
    from orchspec.simulator.study import ScenarioError

    fixed = settings_of(settings)
    swept = combinations(sweeps)
    for name in swept[0]:
        if name in fixed:
            raise Misuse(f"--set and --sweep both give {name}; leave one out")
    compilers: dict[str | None, Callable[..., Compiled]] = {None: compiler_of(file, read_text(file))}
    plan = compilers[None]({**fixed, **swept[0]}).plan
    if plan is None:
        refuse(terminal, file, compilers[None]({**fixed, **swept[0]}), dict.fromkeys(swept[0], "--sweep"))
        return NOT_WELL
    entries, titled = _entries(plan, file, (*names, *flows), variants, compilers)
    chosen = scenario or titled
    how |= {"settings": fixed}
    try:
        rounds = _carry_out(terminal, compilers, entries, chosen, swept, jobs or None, resume, how)
    except (ScenarioError, NotComparable) as error:
        raise Misuse(str(error), error.code) from None
    except SpecError as error:
        from orchspec.compiler.load import Compiled

        given_by = {
            **dict.fromkeys(swept[0], "--sweep"),
            **{name: "--with" for each in entries for name in each.settings},
        }
        refuse(terminal, file, Compiled(None, error.diagnostics, None), given_by)
        return NOT_WELL
    compared = _compared(rounds)
    drawn = _charts(compared, swept=bool(sweeps)) if report is not None or charts is not None else []
    if report is not None:
        repeated: dict[str, Any] = {"--flow": flows, "--scenario": scenario, "--with": variants}
        repeated |= {"--fault": how["faults"]}
        repeated |= {"--set": settings, "--sweep": sweeps, "--runs": how["runs"], "--seed": how["seed"]}
        command = again(("compare", file, *names), {**repeated, "--queue-max": how["queue_max"]})
        _report(terminal, file, compilers, compared, report, drawn, command)
    if charts is not None:
        save_charts(terminal, charts, drawn)
    _show(terminal, compared, swept=bool(sweeps))
    return WELL if len(rounds) == len(swept) else UNDECIDED


# ------------------------------------------------------------------ who takes part


def _entries(
    plan: Plan, file: str, words: tuple[str, ...], variants: tuple[str, ...], compilers: dict[str | None, Any]
) -> tuple[list[Entry], str | None]:
    """Who is compared, and the scenario where one of the words is its title."""
    from orchspec.contest import Entry, entries_of

    titles = {each.name for each in plan.scenarios}
    entries: list[Entry] = []
    title = None
    for word in words:
        other, colon, flow = word.rpartition(":")
        if word in plan.flows:
            entries.append(Entry(word, word))
        elif word in titles:
            title = word
        elif colon and other.endswith(".orch"):
            if other not in compilers and other != file:
                compilers[other] = compiler_of(other, read_text(other))
            entries.append(Entry(word if other != file else flow, flow, None if other == file else other))
        else:
            hint = did_you_mean(word, [*plan.flows, *titles]) or f"; it has {', '.join(plan.flows)}"
            raise Misuse(f"{shown_name(file)} has no flow or scenario {word}{hint}", "no_flow")
    if not entries:
        scenario = next((each for each in plan.scenarios if each.name == title), None)
        named = [scenario.flow] if scenario is not None and variants else entries_of(plan, ())
        entries = [Entry(name, name) for name in named[: 1 if variants else None]]
    for written in variants:
        own = settings_of((part for part in written.split(",") if part.strip()), "--with")
        label = ", ".join(f"{name}={value}" for name, value in own.items())
        entries.append(Entry(f"{entries[0].flow} ({label})", entries[0].flow, entries[0].file, own))
    entries = list({entry.name: entry for entry in entries}.values())
    if len(entries) < 2:
        raise Misuse(
            f"a comparison takes two flows at least, found {len(entries)}; name them, of {', '.join(plan.flows)}, or "
            "give a flow other settings: --with scout.slots=8"
        )
    if file == STDIN and any(entry.file == STDIN for entry in entries):
        raise Misuse("standard input is read once; name a file")
    return entries, title


def _carry_out(
    terminal: Terminal,
    compilers: Mapping[str | None, Any],
    entries: list[Entry],
    scenario: str | None,
    swept: list[dict[str, str]],
    jobs: int | None,
    resume: str | None,
    how: dict[str, Any],
) -> list[_Round]:
    from orchspec import __version__
    from orchspec.contest import contend
    from orchspec.simulator.kept import Kept
    from orchspec.simulator.workers import Workers

    rounds: list[_Round] = []
    kept = Kept(resume, __version__) if resume is not None else None
    with shown(terminal, "compiling") as bar, Workers(jobs, kept) as workers:
        for extra in swept:
            label = "".join(f", {name}={value}" for name, value in extra.items())
            settings = {**how["settings"], **extra}
            told = {**how, "settings": settings, "workers": workers, "progress": bar}
            contenders, notes = contend(compilers, entries, scenario, started=partial(_tell, bar, label), **told)
            if len(contenders) < len(entries) or workers.stopping:
                terminal.say(f"interrupted: {len(rounds)} of {len(swept)} comparisons were made")
                if len(contenders) == len(entries):
                    rounds.append(_Round(extra, contenders, notes))
                break
            rounds.append(_Round(extra, contenders, notes))
    if not rounds:
        raise KeyboardInterrupt
    return rounds


def _tell(bar: Bar, label: str, name: str) -> None:
    bar.tell(f"{name}{label}")


# ------------------------------------------------------------------ what is left behind


def _compared(rounds: list[_Round]) -> list[Compared]:
    from orchspec.simulator.compare_report import Compared
    from orchspec.simulator.comparing import compare

    return [Compared(each.swept, each.contenders, compare(each.contenders), each.notes) for each in rounds]


def _charts(compared: list[Compared], *, swept: bool) -> list[Chart]:
    from orchspec.simulator.compare_charts import compare_charts
    from orchspec.simulator.sweep_charts import Point, sweep_charts

    if not swept:
        return compare_charts(compared[0].contenders, compared[0].lines)
    return sweep_charts(
        [Point({"flow": each.name, **one.swept}, each.study.document) for one in compared for each in one.contenders]
    )


def _report(
    terminal: Terminal,
    file: str,
    compilers: Mapping[str | None, Any],
    compared: list[Compared],
    report: str,
    drawn: list[Chart],
    command: str,
) -> None:
    from orchspec.capacity import compiled_plan
    from orchspec.cli.leavings import drawn_flow, origin_of
    from orchspec.simulator.compare_report import render_comparison
    from orchspec.simulator.study import find_scenario

    contenders = compared[0].contenders
    graphs = {
        each.name: drawn_flow(compiled_plan(compilers[each.about["file"]](each.about["settings"])), each.about["flow"])
        for each in contenders
    }
    plan = compiled_plan(compilers[None]())
    scenario = find_scenario(plan, contenders[0].study.document["scenario"])
    origin = origin_of(file, plan, scenario, command)
    write_text(report, render_comparison(compared, origin=origin, graphs=graphs, charts=drawn))
    terminal.say(f"{report}: the report")


def _show(terminal: Terminal, compared: list[Compared], *, swept: bool) -> None:
    from orchspec.simulator.compare_table import print_comparison
    from orchspec.simulator.comparing import comparison_json

    if terminal.json:
        documents = [
            {"parameters": each.swept, **comparison_json(each.contenders, each.lines, each.notes)} for each in compared
        ]
        terminal.document(documents if swept else documents[0])
        return
    console = terminal.console()
    for each in compared:
        if swept:
            console.print(each.label, style="bold", markup=False)
        print_comparison(each.contenders, each.lines, console)
        for note in each.notes:
            console.print(f"note: {note}", style="yellow", markup=False)
