"""`orch simulate`: the KPIs of a scenario, each with its interval."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from orchspec.cli.common import NOT_WELL, UNDECIDED, WELL, Misuse, Terminal, orch_command
from orchspec.cli.files import STDIN
from orchspec.cli.leavings import Case, Leavings
from orchspec.cli.plans import compile_spec, refuse, set_option, settings_of
from orchspec.cli.sweeps import combinations
from orchspec.cli.swings import print_swings, settings_to_try, swings_of, watched_of

if TYPE_CHECKING:
    from orchspec.simulator.study import Study

__all__ = ["command"]

_Progress = Callable[[int, int], None]


@orch_command("simulate")
@click.argument("file")
@click.argument("scenario", required=False)
@click.option("--runs", type=click.IntRange(1, 100_000_000), metavar="N", help="Measure at least so many runs.")
@click.option("--seed", type=int, default=1, show_default=True, metavar="N", help="Same seed, same bytes.")
@set_option
@click.option(
    "--sweep",
    "sweeps",
    multiple=True,
    metavar="K=A..B",
    help="Once for each value of a param or attribute; also K=a,b,c. Several: once for each combination.",
)
@click.option("--jobs", type=click.IntRange(0, 256), default=0, metavar="N", help="Processes.  [default: as it pays]")
@click.option(
    "--queue-max",
    type=click.IntRange(1, 1_000_000_000),
    metavar="N",
    help="Refuse new runs while N tasks wait, as the runtime does with queue_max.",
)
@click.option(
    "--sensitivity",
    "swings",
    multiple=True,
    metavar="K=A..B",
    help="How far a KPI moves with a param or attribute alone, at A and at B; also K=a,b. Several: one after another.",
)
@click.option("--of", "watched", metavar="KPI", help="What --sensitivity watches.  [default: p95(latency)]")
@click.option("--report", metavar="F.html", help="Write one self-contained page.")
@click.option("--charts", metavar="DIR", help="Write the charts as PNG and SVG.")
def command(
    terminal: Terminal,
    file: str,
    scenario: str | None,
    settings: tuple[str, ...],
    sweeps: tuple[str, ...],
    swings: tuple[str, ...],
    watched: str | None,
    report: str | None,
    charts: str | None,
    **how: Any,
) -> int:
    """Simulates a scenario of a spec, and judges what it expects.

    Without SCENARIO the only one. Ends with 1 when an expectation failed, with 4 when one stayed undecided. An
    interrupt keeps what is done. FILE may be - for standard input.
    """
    if sweeps and swings:
        raise Misuse("--sweep tries every combination, --sensitivity each setting alone; give one of them")
    if watched and not swings:
        raise Misuse("--of says what --sensitivity watches; give that, too: --sensitivity NAME=a..b")
    of = watched_of(watched or "p95(latency)") if swings else None
    tried = settings_to_try(swings) if swings else combinations(sweeps)
    cases = _cases(terminal, file, settings_of(settings), tried)
    if cases is None:
        return NOT_WELL
    studies = _simulate_all(terminal, cases, scenario, how)
    repeated = {"--set": settings, "--sweep": sweeps, "--sensitivity": swings, "--of": watched}
    repeated |= {"--runs": how["runs"], "--seed": how["seed"], "--queue-max": how["queue_max"]}
    found = swings_of(studies, tried, of) if of is not None else None
    Leavings(file, report, charts, repeated).write(terminal, studies, found)
    _print(terminal, studies, found, swept=bool(sweeps))
    judged = studies[:1] if swings else studies
    if any(study.failed for _, study in judged):
        return NOT_WELL
    return UNDECIDED if any(study.undecided for _, study in judged) else WELL


def _simulate_all(
    terminal: Terminal, cases: list[Case], scenario: str | None, how: dict[str, Any]
) -> list[tuple[Case, Study]]:
    """Simulates one case after another; an interrupt keeps those that are done."""
    studies: list[tuple[Case, Study]] = []
    try:
        for number, case in enumerate(cases, 1):
            told = f"{number} of {len(cases)}, {case.label or 'as it is'}" if len(cases) > 1 else "simulating"
            with _progress(terminal, told) as progress:
                study = _simulate(case, scenario, progress, **{**how, "jobs": how["jobs"] or None})
            studies.append((case, study))
            if study.interrupted:
                break
    except KeyboardInterrupt:
        if not studies:
            raise
    if len(studies) < len(cases):
        terminal.say(f"interrupted: {len(studies)} of {len(cases)} values were simulated")
    return studies


def _cases(terminal: Terminal, file: str, settings: dict[str, str], tried: list[dict[str, str]]) -> list[Case] | None:
    """The spec, compiled once for each of what is tried; None after reporting its errors."""
    if len(tried) > 1 and file == STDIN:
        told = "a sweep compiles the spec once for each value, and standard input is read once; name a file"
        raise Misuse(told)
    for name in dict.fromkeys(name for extra in tried for name in extra):
        if name in settings:
            raise Misuse(f"--set gives {name}, which is varied; leave one out")
    cases = []
    for extra in tried:
        compiled = compile_spec(file, {**settings, **extra})
        if compiled.plan is None:
            refuse(terminal, file, compiled)
            return None
        label = ", ".join(f"{name}={value}" for name, value in extra.items())
        cases.append(Case({**settings, **extra}, compiled, label))
    return cases


def _simulate(case: Case, scenario: str | None, progress: _Progress | None, **how: Any) -> Study:
    from orchspec.simulator.study import ScenarioError, find_scenario, simulate

    plan = case.compiled.plan
    assert plan is not None
    try:
        find_scenario(plan, scenario)
    except ScenarioError as error:
        raise Misuse(str(error), error.code) from None
    return simulate(
        plan,
        scenario,
        folder=case.compiled.folder,
        parameters=case.settings,
        progress=progress,
        **how,
    )


@contextmanager
def _progress(terminal: Terminal, told: str) -> Iterator[_Progress | None]:
    """A bar on standard error, where that is a terminal; it leaves nothing behind."""
    import sys

    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(stderr=True, no_color=not terminal.colored(err=True))
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(told, total=None)
        yield lambda done, planned: bar.update(task, completed=done, total=planned)


def _print(
    terminal: Terminal, studies: list[tuple[Case, Study]], swings: dict[str, Any] | None, *, swept: bool
) -> None:
    documents = [study.document for _, study in studies]
    if terminal.json:
        base = documents if swept else documents[0]
        terminal.document(base if swings is None else {**swings, "document": base})
        return
    if swings is not None:
        print_swings(terminal, swings)
        return
    from rich.console import Console

    from orchspec.simulator.table import print_document, print_sweep

    console = Console(no_color=not terminal.colored(), highlight=False)
    if swept:
        print_sweep([(case.label, study.document) for case, study in studies], console)
    else:
        print_document(documents[0], console)
