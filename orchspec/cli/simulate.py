"""`orch simulate`: the KPIs of a scenario, each with its interval."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from orchspec.cli.again import simulated_otherwise
from orchspec.cli.common import NOT_WELL, UNDECIDED, WELL, Misuse, Terminal, orch_command
from orchspec.cli.files import NewFile, read_text, write_text
from orchspec.cli.leavings import Case, Leavings
from orchspec.cli.plans import compiler_of, refuse, set_option, settings_of
from orchspec.cli.progress import shown
from orchspec.cli.studying import study_options, sweep_option
from orchspec.cli.sweeps import combinations
from orchspec.cli.swings import print_swings, settings_to_try, swings_of, watched_of
from orchspec.cli.whatif import play

if TYPE_CHECKING:
    from orchspec.simulator.study import Study

__all__ = ["command"]


@orch_command("simulate")
@click.argument("file")
@click.argument("scenario", required=False)
@study_options(runs="Measure at least so many runs.", charts="Write the charts, each as PNG and SVG.")
@set_option
@sweep_option("Once for each value of a param or attribute; also K=a,b,c. Several: once for each combination.")
@click.option(
    "--from-journal",
    "journal",
    metavar="STORE",
    help="In place of a scenario the runs of a store: what would have been, with what is --set.",
)
@click.option("--flow", metavar="NAME", help="Whose runs, with --from-journal.")
@click.option(
    "--sensitivity",
    "swings",
    multiple=True,
    metavar="K=A..B",
    help="How far a KPI moves with a param or attribute alone, at A and at B; also K=a,b. Several: one after another.",
)
@click.option("--of", "watched", metavar="KPI", help="What --sensitivity watches.  [default: p95(latency)]")
@click.option(
    "--check-determinism", is_flag=True, help="Simulate twice, the second time in other processes, and compare."
)
@click.option(
    "--journals",
    type=NewFile(),
    metavar="FILE",
    help="Write the records of the first replication, as orch journal --all does.",
)
def command(
    terminal: Terminal,
    file: str,
    scenario: str | None,
    settings: tuple[str, ...],
    sweeps: tuple[str, ...],
    swings: tuple[str, ...],
    watched: str | None,
    jobs: int,
    journal: str | None,
    flow: str | None,
    check_determinism: bool,
    resume: str | None,
    report: str | None,
    charts: str | None,
    journals: str | None,
    **how: Any,
) -> int:
    """Simulates a scenario of a spec, and judges what it expects.

    Without SCENARIO the only one. Ends with 1 when an expectation failed or a second simulation came out otherwise,
    with 4 when an expectation stayed undecided, or an interrupt came before all values were simulated; what is done is
    kept. FILE may be - for standard input.
    """
    if journal is not None or flow is not None:
        others = (scenario, sweeps, swings, how["runs"], how["queue_max"], check_determinism)
        alone = not any((*others, report, charts, resume, journals))
        return play(terminal, file, journal, flow, settings_of(settings), how["seed"], alone=alone)
    if sweeps and swings:
        raise Misuse("--sweep tries every combination, --sensitivity each setting alone; give one of them")
    if watched and not swings:
        raise Misuse("--of says what --sensitivity watches; give that, too: --sensitivity NAME=a..b")
    if (sweeps or swings) and journals is not None:
        raise Misuse("--journals writes the records of one simulation; leave --sweep and --sensitivity out", "usage")
    of = watched_of(watched or "p95(latency)") if swings else None
    tried = settings_to_try(swings) if swings else combinations(sweeps)
    cases = _cases(terminal, file, scenario, settings_of(settings), tried, "--sensitivity" if swings else "--sweep")
    if cases is None:
        return NOT_WELL
    keep = of is not None or report is not None or charts is not None or check_determinism
    studies = _simulate(terminal, cases, scenario, jobs or None, resume, how, keep=keep)
    if len(studies) < len(cases):
        again = "; --resume goes on from there" if resume is not None else ""
        terminal.say(f"interrupted: {len(studies)} of {len(cases)} values were simulated{again}")
    otherwise = check_determinism and simulated_otherwise(terminal, studies, scenario, jobs or None, how)
    repeated = {"--set": settings, "--sweep": sweeps, "--sensitivity": swings, "--of": watched}
    repeated |= {"--runs": how["runs"], "--seed": how["seed"], "--queue-max": how["queue_max"]}
    found = swings_of(studies, tried, of) if of is not None else None
    Leavings(file, report, charts, repeated).write(terminal, studies, found)
    if journals is not None:
        _write_journals(terminal, journals, studies[0], **how)
    _print(terminal, studies, found, swept=bool(sweeps))
    judged = studies[:1] if swings else studies
    if otherwise or any(study.failed for _, study in judged):
        return NOT_WELL
    cut = len(studies) < len(cases)
    return UNDECIDED if cut or any(study.undecided for _, study in judged) else WELL


def _cases(
    terminal: Terminal,
    file: str,
    scenario: str | None,
    settings: dict[str, str],
    tried: list[dict[str, str]],
    option: str,
) -> list[Case] | None:
    """The spec, compiled once for each of what is tried; None after reporting its errors."""
    from orchspec.compiler.asked import Asked

    for name in dict.fromkeys(name for extra in tried for name in extra):
        if name in settings:
            raise Misuse(f"--set gives {name}, which is varied; leave one out")
    compile_ = compiler_of(file, read_text(file))
    cases = []
    for extra in tried:
        compiled = compile_({**settings, **extra}, Asked(scenario))
        if compiled.plan is None:
            refuse(terminal, file, compiled, dict.fromkeys(extra, option))
            return None
        label = ", ".join(f"{name}={value}" for name, value in extra.items())
        cases.append(Case({**settings, **extra}, extra, compiled, label))
    return cases


def _simulate(
    terminal: Terminal,
    cases: list[Case],
    scenario: str | None,
    jobs: int | None,
    resume: str | None,
    how: dict[str, Any],
    *,
    keep: bool,
) -> list[tuple[Case, Study]]:
    """The studies of the cases, as many as there are when the user has seen enough."""
    from orchspec import __version__
    from orchspec.simulator.kept import Kept
    from orchspec.simulator.study import REPLICATIONS, ScenarioError, find_scenario, simulate
    from orchspec.simulator.workers import Workers

    studies: list[tuple[Case, Study]] = []
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
                    if resume is not None:
                        terminal.say(f"{resume} keeps what is done; the same command goes on from there")
                    raise
                break
            if not keep:
                study.forget()
            studies.append((case, study))
            if study.interrupted:
                break
    return studies


def _write_journals(
    terminal: Terminal,
    journals: str,
    simulated: tuple[Case, Study],
    *,
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
    how: dict[str, Any] = {"runs": runs, "queue_max": queue_max, "size": study.size}
    stage = stage_of(plan, study.scenario, seed, case.compiled.folder, **how)
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
    from orchspec.simulator.table import print_document, print_sweep

    console = terminal.console()
    if swept:
        print_sweep([(case.label, study.document) for case, study in studies], console)
    else:
        print_document(documents[0], console)
