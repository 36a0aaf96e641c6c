"""`orch simulate`: the KPIs of a scenario, each with its interval."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from orchspec.cli.common import NOT_WELL, UNDECIDED, WELL, Misuse, Terminal, orch_command
from orchspec.cli.files import STDIN, shown_name, write_text
from orchspec.cli.plans import compile_spec, refuse, set_option, settings_of
from orchspec.cli.sweeps import combinations

if TYPE_CHECKING:
    from orchspec.compiler.load import Compiled
    from orchspec.simulator.drawing import Chart
    from orchspec.simulator.report import Origin
    from orchspec.simulator.study import Study

__all__ = ["command"]

_Progress = Callable[[int, int], None]


@dataclass(slots=True)
class _Case:
    """One simulation that was asked for: a compiled spec, and what was set for it."""

    settings: dict[str, str]
    compiled: Compiled
    label: str


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
@click.option("--report", metavar="F.html", help="Write one self-contained page.")
@click.option("--charts", metavar="DIR", help="Write latency, timeline, utilization and one run as PNG and SVG.")
def command(
    terminal: Terminal,
    file: str,
    scenario: str | None,
    runs: int | None,
    seed: int,
    settings: tuple[str, ...],
    sweeps: tuple[str, ...],
    jobs: int,
    queue_max: int | None,
    report: str | None,
    charts: str | None,
) -> int:
    """Simulates a scenario of a spec, and judges what it expects.

    Without SCENARIO the only one. Ends with 1 when an expectation failed, with 4 when one stayed undecided. An
    interrupt keeps what is done. FILE may be - for standard input.
    """
    cases = _cases(terminal, file, settings_of(settings), sweeps)
    if cases is None:
        return NOT_WELL
    studies: list[tuple[_Case, Study]] = []
    try:
        for number, case in enumerate(cases, 1):
            told = f"{number} of {len(cases)}, {case.label}" if len(cases) > 1 else "simulating"
            with _progress(terminal, told) as progress:
                study = _simulate(
                    case, scenario, progress, runs=runs, seed=seed, jobs=jobs or None, queue_max=queue_max
                )
            studies.append((case, study))
            if study.interrupted:
                break
    except KeyboardInterrupt:
        if not studies:
            raise
    if len(studies) < len(cases):
        terminal.say(f"interrupted: {len(studies)} of {len(cases)} values were simulated")
    _write(terminal, file, studies, report, charts)
    _print(terminal, studies, swept=bool(sweeps))
    if any(study.failed for _, study in studies):
        return NOT_WELL
    return UNDECIDED if any(study.undecided for _, study in studies) else WELL


def _cases(terminal: Terminal, file: str, settings: dict[str, str], sweeps: tuple[str, ...]) -> list[_Case] | None:
    """The spec, compiled once for each combination of the sweeps; None after reporting its errors."""
    if sweeps and file == STDIN:
        raise Misuse("--sweep compiles the spec once for each value, and standard input is read once; name a file")
    swept = combinations(sweeps)
    for name in swept[0]:
        if name in settings:
            raise Misuse(f"--set and --sweep both give {name}; leave one out")
    cases = []
    for extra in swept:
        compiled = compile_spec(file, {**settings, **extra})
        if compiled.plan is None:
            refuse(terminal, file, compiled)
            return None
        label = ", ".join(f"{name}={value}" for name, value in extra.items())
        cases.append(_Case({**settings, **extra}, compiled, label))
    return cases


def _simulate(case: _Case, scenario: str | None, progress: _Progress | None, **how: Any) -> Study:
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


# ------------------------------------------------------------------ what is left behind


def _print(terminal: Terminal, studies: list[tuple[_Case, Study]], *, swept: bool) -> None:
    documents = [study.document for _, study in studies]
    if terminal.json:
        terminal.document(documents if swept else documents[0])
        return
    from rich.console import Console

    from orchspec.simulator.table import print_document, print_sweep

    console = Console(no_color=not terminal.colored(), highlight=False)
    if swept:
        print_sweep([(case.label, study.document) for case, study in studies], console)
    else:
        print_document(documents[0], console)


def _write(
    terminal: Terminal, file: str, studies: list[tuple[_Case, Study]], report: str | None, charts: str | None
) -> None:
    if report is None and charts is None:
        return
    pictures = [_pictures(study) for _, study in studies]
    if charts is not None:
        for (case, _), drawn in zip(studies, pictures, strict=True):
            folder = Path(charts) / case.label if case.label else Path(charts)
            _save(folder, drawn)
        terminal.say(f"{charts}: {sum(map(len, pictures))} charts, each as PNG and SVG")
    if report is not None:
        write_text(report, _page(file, studies, pictures))
        terminal.say(f"{report}: the report")


def _pictures(study: Study) -> list[Chart]:
    from orchspec.simulator.charts import charts_of, sample_chart

    sample = sample_chart(study.measures)
    return [*charts_of(study.measures), *([sample] if sample is not None else [])]


def _save(folder: Path, drawn: list[Chart]) -> None:
    from orchspec.simulator.drawing import LIGHT

    folder.mkdir(parents=True, exist_ok=True)
    for chart in drawn:
        write_text(str(folder / f"{chart.name}.svg"), f"{chart.svg(LIGHT)}\n")
        (folder / f"{chart.name}.png").write_bytes(chart.png())


def _page(file: str, studies: list[tuple[_Case, Study]], pictures: list[list[Chart]]) -> str:
    from dataclasses import replace

    from orchspec.simulator import page
    from orchspec.simulator.report import render, simulation_section

    if len(studies) == 1:
        case, study = studies[0]
        return render(study.document, pictures[0], origin=_origin(file, case, study))
    sections = []
    for number, ((case, study), drawn) in enumerate(zip(studies, pictures, strict=True)):
        # Charts of several simulations on one page: their names are also those of ids.
        named = [replace(chart, name=f"{chart.name}-{number}") for chart in drawn]
        sections.append((case.label, simulation_section(study.document, named)))
    first: dict[str, Any] = studies[0][1].document
    return page.page(f"{first['scenario']}, {len(studies)} times", sections, lead=f"Flow {first['flow']}")


def _origin(file: str, case: _Case, study: Study) -> Origin:
    from orchspec import __version__
    from orchspec.graph.build import graph_of
    from orchspec.graph.svg import as_svg
    from orchspec.runtime.needs import flows_of
    from orchspec.simulator.report import Origin

    plan = case.compiled.plan
    assert plan is not None
    flows = flows_of(plan, study.scenario.flow)
    return Origin(
        file=shown_name(file),
        command=_command(file, case, study),
        source=_source(file, case, study),
        graph=as_svg([graph_of(plan, flow) for flow in flows]),
        versions={"orch": __version__},
    )


def _command(file: str, case: _Case, study: Study) -> str:
    """The command that gives the same document again."""
    context = click.get_current_context()
    words = ["orch", "simulate", file]
    if study.scenario.name:
        words.append(study.scenario.name)
    for name, value in case.settings.items():
        words += ["--set", f"{name}={value}"]
    for option, parameter in (("--runs", "runs"), ("--seed", "seed"), ("--queue-max", "queue_max")):
        given = context.params.get(parameter)
        if given is not None:
            words += [option, str(given)]
    return shlex.join(words)


def _source(file: str, case: _Case, study: Study) -> str:
    """The scenario as it was written; nothing where the text cannot be read again."""
    plan = case.compiled.plan
    assert plan is not None
    spans, node = plan.source.spans, study.scenario.node
    if file == STDIN or node >= len(spans) or spans[node][4] != 0:
        return ""
    try:
        lines = Path(file).read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError):
        return ""
    return "\n".join(lines[spans[node][0] - 1 : spans[node][2]])
