"""`orch simulate`: the KPIs of a scenario, each with its interval."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from orchspec.cli.common import NOT_WELL, UNDECIDED, WELL, Misuse, Terminal, orch_command
from orchspec.cli.files import STDIN, read_text, shown_name, write_text
from orchspec.cli.pictures import save
from orchspec.cli.plans import compiler_of, refuse, set_option, settings_of
from orchspec.cli.progress import shown
from orchspec.cli.sweeps import combinations

if TYPE_CHECKING:
    from orchspec.compiler.load import Compiled
    from orchspec.simulator.drawing import Chart
    from orchspec.simulator.report import Origin
    from orchspec.simulator.study import Study

__all__ = ["command"]


@dataclass(slots=True)
class _Case:
    """One simulation that was asked for: a compiled spec, what was set for it, and what of that is swept."""

    settings: dict[str, str]
    swept: dict[str, str]
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
@click.option("--resume", metavar="F", help="Keep what is done in F, and go on from what is there.")
@click.option("--report", metavar="F.html", help="Write one self-contained page.")
@click.option("--charts", metavar="DIR", help="Write the charts, each as PNG and SVG.")
@click.option(
    "--journals", metavar="FILE", help="Write the records of the first replication, as orch journal --all does."
)
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
    resume: str | None,
    report: str | None,
    charts: str | None,
    journals: str | None,
) -> int:
    """Simulates a scenario of a spec, and judges what it expects.

    Without SCENARIO the only one. Ends with 1 when an expectation failed, with 4 when one stayed undecided. An
    interrupt keeps what is done. FILE may be - for standard input.
    """
    if sweeps and journals is not None:
        raise Misuse("--journals writes the records of one simulation; leave --sweep out", "usage")
    cases = _cases(terminal, file, scenario, settings_of(settings), sweeps)
    if cases is None:
        return NOT_WELL
    how: dict[str, Any] = {"runs": runs, "seed": seed, "queue_max": queue_max}
    drawn = report is not None or charts is not None
    studies = _simulate(terminal, cases, scenario, jobs or None, resume, how, keep=drawn)
    if len(studies) < len(cases):
        again = "; --resume goes on from there" if resume is not None else ""
        terminal.say(f"interrupted: {len(studies)} of {len(cases)} values were simulated{again}")
    _write(terminal, file, studies, report, charts)
    if journals is not None:
        _write_journals(terminal, journals, studies[0], seed, runs, queue_max)
    _print(terminal, studies, swept=bool(sweeps))
    if any(study.failed for _, study in studies):
        return NOT_WELL
    return UNDECIDED if any(study.undecided for _, study in studies) else WELL


def _cases(
    terminal: Terminal, file: str, scenario: str | None, settings: dict[str, str], sweeps: tuple[str, ...]
) -> list[_Case] | None:
    """The spec, compiled once for each combination of the sweeps; None after reporting its errors."""
    from orchspec.compiler.asked import Asked

    swept = combinations(sweeps)
    for name in swept[0]:
        if name in settings:
            raise Misuse(f"--set and --sweep both give {name}; leave one out")
    compile_ = compiler_of(file, read_text(file))
    cases = []
    for extra in swept:
        compiled = compile_({**settings, **extra}, Asked(scenario))
        if compiled.plan is None:
            refuse(terminal, file, compiled)
            return None
        label = ", ".join(f"{name}={value}" for name, value in extra.items())
        cases.append(_Case({**settings, **extra}, extra, compiled, label))
    return cases


def _simulate(
    terminal: Terminal,
    cases: list[_Case],
    scenario: str | None,
    jobs: int | None,
    resume: str | None,
    how: dict[str, Any],
    *,
    keep: bool,
) -> list[tuple[_Case, Study]]:
    """The studies of the cases, as many as there are when the user has seen enough."""
    from orchspec import __version__
    from orchspec.simulator.kept import Kept
    from orchspec.simulator.study import REPLICATIONS, ScenarioError, find_scenario, simulate
    from orchspec.simulator.workers import Workers

    studies: list[tuple[_Case, Study]] = []
    kept = Kept(resume, __version__) if resume is not None else None
    with shown(terminal, "simulating") as bar, Workers(jobs, kept) as workers:
        for number, case in enumerate(cases, 1):
            plan = case.compiled.plan
            assert plan is not None
            try:
                find_scenario(plan, scenario)
            except ScenarioError as error:
                raise Misuse(str(error), error.code) from None
            if len(cases) > 1:
                bar.tell(f"{number} of {len(cases)}, {case.label}")
            workers.ahead = (len(cases) - number) * REPLICATIONS
            place: dict[str, Any] = {"folder": case.compiled.folder, "parameters": case.settings}
            try:
                study = simulate(plan, scenario, progress=bar, workers=workers, **place, **how)
            except KeyboardInterrupt:
                workers.stopping = True
                if not studies:
                    raise
                break
            if not keep:
                study.forget()
            studies.append((case, study))
            if study.interrupted:
                break
    return studies


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
    curves = _curves(studies)
    if charts is not None:
        save(Path(charts), curves)
        for (case, _), drawn in zip(studies, pictures, strict=True):
            folder = Path(charts) / case.label.replace("/", "per") if case.label else Path(charts)
            save(folder, drawn)
        terminal.say(f"{charts}: {len(curves) + sum(map(len, pictures))} charts, each as PNG and SVG")
    if report is not None:
        write_text(report, _page(file, studies, pictures, curves))
        terminal.say(f"{report}: the report")


def _write_journals(
    terminal: Terminal,
    journals: str,
    simulated: tuple[_Case, Study],
    seed: int,
    runs: int | None,
    queue_max: int | None,
) -> None:
    import json

    from orchspec.runtime.journal.records import Record, public_record
    from orchspec.simulator.study import stage_of

    case, study = simulated
    plan = case.compiled.plan
    assert plan is not None
    stage = stage_of(plan, study.scenario, seed, case.compiled.folder, runs=runs, queue_max=queue_max)
    kept = stage.journals(0)
    records = sorted(
        (record for each in kept.values() for record in each),
        key=lambda record: (record.time_us, record.run, record.seq),
    )
    lines = []
    for each in records:
        record = Record(each.run, each.seq, each.time_us, each.type, each.body)
        lines.append(json.dumps({"run": record.run, **public_record(record)}) + "\n")
    write_text(journals, "".join(lines))
    terminal.say(f"{journals}: {len(lines):,} records of {len(kept):,} runs")


def _curves(studies: list[tuple[_Case, Study]]) -> list[Chart]:
    from orchspec.simulator.sweep_charts import Point, sweep_charts

    return sweep_charts([Point(case.swept, study.document) for case, study in studies])


def _pictures(study: Study) -> list[Chart]:
    from orchspec.simulator.charts import charts_of, sample_chart

    sample = sample_chart(study.measures)
    return [*charts_of(study.measures), *([sample] if sample is not None else [])]


def _page(file: str, studies: list[tuple[_Case, Study]], pictures: list[list[Chart]], curves: list[Chart]) -> str:
    from dataclasses import replace

    from orchspec.simulator import page
    from orchspec.simulator.report import render, simulation_section

    if len(studies) == 1:
        case, study = studies[0]
        return render(study.document, pictures[0], origin=_origin(file, case, study))
    sections = [("Curves", "".join(page.figure(chart) for chart in curves))] if curves else []
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
