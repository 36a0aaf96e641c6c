"""`orch chaos`: faults injected into a spec's flows until something breaks that must hold."""

from __future__ import annotations

import dataclasses
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from orchspec.cli.chaos_telling import document, show
from orchspec.cli.common import (
    LIVENESS_BROKEN,
    NOT_WELL,
    UNDECIDED,
    WELL,
    Misuse,
    Terminal,
    did_you_mean,
    orch_command,
)
from orchspec.cli.files import STDIN, NewFile, NewFolder, read_text, shown_name, write_text
from orchspec.cli.plans import compile_spec, refuse, set_option, settings_of

if TYPE_CHECKING:
    from orchspec.compiler.plan import Plan
    from orchspec.simulator.chaos.explore import Explored, Found, Progress
    from orchspec.simulator.chaos.schedule import Schedule
    from orchspec.simulator.chaos.withheld import Withheld

__all__ = ["command"]

_EXAMPLES: Final = 200
_PAIRS: Final = 200


@orch_command("chaos")
@click.argument("file")
@click.option("--flow", "flows", multiple=True, metavar="NAME", help="This flow alone; may be given several times.")
@click.option("--examples", type=click.IntRange(0, 10_000_000), metavar="N", help=f"Schedules to draw. [{_EXAMPLES}]")
@click.option("--exhaustive", is_flag=True, help="Every crash point and every single fault, then pairs of them.")
@click.option("--pairs", type=click.IntRange(0, 10_000_000), metavar="N", help=f"Pairs at most. [{_PAIRS}]")
@click.option("--mutate", is_flag=True, help="Take the protections away, one at a time: which does any fault need?")
@click.option("--mast", is_flag=True, help="Mistakes of agents, as often as MAST found them (arXiv 2503.13657).")
@click.option("--runs", type=click.IntRange(1, 100), default=2, show_default=True, help="Runs that meet each other.")
@click.option("--seed", type=int, default=1, show_default=True, help="Same seed, same schedules.")
@set_option
@click.option("--junit", type=NewFile(), metavar="FILE", help="Write JUnit XML.")
@click.option("--pytest", "pytest_file", type=NewFile(), metavar="FILE", help="Write failing tests.")
@click.option("--schedules", type=NewFolder(), default=".", metavar="DIR", show_default=True)
def command(
    terminal: Terminal,
    file: str,
    *,
    flows: tuple[str, ...],
    examples: int | None,
    exhaustive: bool,
    pairs: int | None,
    mutate: bool,
    mast: bool,
    runs: int,
    seed: int,
    settings: tuple[str, ...],
    junit: str | None,
    pytest_file: str | None,
    schedules: str,
) -> int:
    """Injects faults into the flows of a spec and holds what happens against S1 to S14 and L1.

    Without --exhaustive schedules are drawn, in the manner of swarm testing; with it every crash point and every
    single fault is tried, then pairs. What breaks is shrunk to the fewest faults and written to a .schedule file that
    orch replay reproduces, with --pytest as tests that fail until it is mended, too. Ctrl-C keeps what was found. Ends
    with 0 when all held, 1 when safety broke, 3 when only liveness did, 4 when it was interrupted and nothing had
    broken until then.

    With --mutate the spec itself is judged: its protections (retries, timeouts, keys, undos, validators, approvals,
    budgets, slots, rates, ...) are taken away one at a time, and what gets worse under which faults is told, with a
    score.

    With --mast agents make mistakes of the kinds and in the shares found in practice, and what became of each is told.
    """
    from orchspec.simulator.chaos.failure import failure_name, pytest_function, pytest_module

    compiled = compile_spec(file, settings_of(settings))
    if compiled.plan is None:
        refuse(terminal, file, compiled)
        return NOT_WELL
    plan, folder = compiled.plan, compiled.folder
    chosen = _flows(plan, flows)
    if mutate or mast:
        if (mutate and mast) or exhaustive or pairs is not None or pytest_file is not None:
            flag = "--mutate" if mutate else "--mast"
            raise Misuse(f"{flag} goes with --flow, --examples, --runs, --seed and --junit alone")
        how: dict[str, Any] = {"examples": examples, "runs": runs, "seed": seed, "junit": junit}
        if mutate:
            return _mutate(terminal, plan, chosen, folder, withheld=_withheld(file, settings_of(settings)), **how)
        return _semantic(terminal, plan, chosen, folder, **how)
    drawn = (0 if exhaustive else _EXAMPLES) if examples is None else examples
    paired = (_PAIRS if exhaustive else 0) if pairs is None else pairs
    explored: list[tuple[Explored, float]] = []
    written: dict[int, str] = {}
    tests: list[str] = []
    for flow in chosen:
        began = time.perf_counter()
        made = _explore(
            terminal, plan, flow, folder, examples=drawn, exhaustive=exhaustive, pairs=paired, runs=runs, seed=seed
        )
        explored.append((made, time.perf_counter() - began))
        for found in made.found:
            path = Path(schedules) / f"{failure_name(plan.name, flow, found)}.schedule"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(_schedule(file, plan, flow, folder, found).as_json(), "utf-8")
            written[id(found)] = str(path)
            tests.append(pytest_function(plan, file, flow, found.seed, found, _given(plan, flow)))
        if not terminal.json:
            show(terminal, plan, folder, made, written)
        if made.cut:
            break
    if pytest_file is not None and tests:
        write_text(pytest_file, pytest_module(tests))
        terminal.say(f"{len(tests)} failing {'test' if len(tests) == 1 else 'tests'} in {pytest_file}")
    if junit is not None:
        from orchspec.cli.junit import chaos_xml

        write_text(junit, chaos_xml(plan.name, explored))
    if terminal.json:
        terminal.document(document(plan, [each for each, _ in explored], written))
    every = [found for made, _ in explored for found in made.found]
    if any(not found.liveness for found in every):
        return NOT_WELL
    if every:
        return LIVENESS_BROKEN
    return _undecided(terminal) if any(made.cut for made, _ in explored) else WELL


def _undecided(terminal: Terminal) -> int:
    """What was interrupted has shown nothing wrong, and not that all is well."""
    terminal.say("interrupted: not everything was explored, so it is undecided")
    return UNDECIDED


def _withheld(file: str, settings: dict[str, str]) -> list[Withheld]:
    """Clauses of a spec that its text can do without, or that the compiler cannot."""
    from orchspec.removals import removals_of

    if file == STDIN:  # it was read
        return []
    return removals_of(read_text(file), shown_name(file), settings=settings, folder=Path(file).parent)


def _mutate(
    terminal: Terminal,
    plan: Plan,
    chosen: list[str],
    folder: Path | None,
    *,
    examples: int | None,
    junit: str | None,
    **how: Any,
) -> int:
    """Takes protections away, and tells which of them any fault needs."""
    from orchspec.cli.chaos_mutate import document, show
    from orchspec.simulator.chaos import mutate

    made, seconds = [], []
    how |= {} if examples is None else {"examples": examples}
    for flow in chosen:
        began = time.perf_counter()
        with _bar(terminal, flow) as advance:
            given = _given(plan, flow)
            done = mutate.mutate(plan, flow, folder=folder, given=given, progress=advance, **how)
        made.append(done)
        seconds.append(time.perf_counter() - began)
        if not terminal.json:
            show(terminal, plan, folder, done)
        if done.cut:
            break
    if junit is not None:
        from orchspec.cli.junit import mutation_xml

        write_text(junit, mutation_xml(plan, zip(made, seconds, strict=True)))
    if terminal.json:
        terminal.document(document(plan, made))
    return _undecided(terminal) if any(each.cut for each in made) else WELL


def _semantic(
    terminal: Terminal,
    plan: Plan,
    chosen: list[str],
    folder: Path | None,
    *,
    examples: int | None,
    junit: str | None,
    **how: Any,
) -> int:
    """Lets agents make the mistakes that they make, and tells what became of them."""
    from orchspec.cli.chaos_mast import document, show
    from orchspec.simulator.chaos.explore import Explorer
    from orchspec.simulator.chaos.mast import semantic

    made, seconds = [], []
    for flow in chosen:
        began = time.perf_counter()
        explorer = Explorer(plan, flow, folder=folder, given=_given(plan, flow), **how)
        with _bar(terminal, flow) as advance:
            made.append(semantic(explorer, _EXAMPLES if examples is None else examples, advance))
        seconds.append(time.perf_counter() - began)
        if not terminal.json:
            show(terminal, plan, folder, made[-1])
        if made[-1].cut:
            break
    if junit is not None:
        from orchspec.cli.junit import mast_xml

        write_text(junit, mast_xml(plan.name, zip(made, seconds, strict=True)))
    if terminal.json:
        terminal.document(document(plan, made))
    if any(each.found for each in made):
        return NOT_WELL
    return _undecided(terminal) if any(each.cut for each in made) else WELL


def _flows(plan: Plan, wanted: tuple[str, ...]) -> list[str]:
    """The flows that are explored: those named, else those that no other flow calls."""
    for name in wanted:
        if name not in plan.flows:
            raise Misuse(f"{plan.name} has no flow {name}{did_you_mean(name, plan.flows)}", "unknown_flow")
    if wanted:
        return list(wanted)
    called = {name for flow in plan.flows.values() for name in _called(flow)}
    roots = [name for name in plan.flows if name not in called]
    if not roots:
        raise Misuse(f"{plan.name} has no flow to explore", "unknown_flow")
    return roots


def _called(value: Any) -> set[str]:
    if isinstance(value, list | tuple):
        return {name for each in value for name in _called(each)}
    if dataclasses.is_dataclass(value):
        own = {value.flow} if getattr(value, "kind", "") == "flow" else set()  # type: ignore[union-attr]
        return own | {name for each in dataclasses.fields(value) for name in _called(getattr(value, each.name))}
    return set()


def _explore(terminal: Terminal, plan: Plan, flow: str, folder: Path | None, **how: Any) -> Explored:
    from orchspec.proving import proven_of
    from orchspec.simulator.chaos.explore import Explorer

    runs, seed = how.pop("runs"), how.pop("seed")
    given = _given(plan, flow)
    proven = proven_of(plan, flow)
    explorer = Explorer(plan, flow, folder=folder, seed=seed, runs=runs, given=given, proven=proven)
    with _bar(terminal, flow) as advance:
        return explorer.explore(progress=advance, **how)


@contextmanager
def _bar(terminal: Terminal, flow: str) -> Iterator[Progress | None]:
    """A bar on standard error while something is explored; none where nobody would see it."""
    if terminal.json or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Bars(*columns, console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task(flow, total=None)

        def advance(phase: str, done: int, total: int | None) -> None:
            bars.update(task, description=f"{flow}: {phase}", completed=done, total=total)

        yield advance


def _given(plan: Plan, flow: str) -> dict[str, Any]:
    return next((scenario.given for scenario in plan.scenarios if scenario.flow == flow), {})


def _schedule(file: str, plan: Plan, flow: str, folder: Path | None, found: Found) -> Schedule:
    from orchspec.simulator.chaos.chronicle import Chronicler
    from orchspec.simulator.chaos.schedule import Schedule, digest_of

    given = _given(plan, flow)
    chronicle = Chronicler(plan, flow, folder=folder, seed=found.seed, runs=found.runs, given=given).chronicle(
        found.faults
    )
    return Schedule(
        spec=file,
        plan_hash=plan.hash,
        flow=flow,
        seed=found.seed,
        runs=found.runs,
        faults=found.faults,
        broken=found.violation.as_json(),
        digest=digest_of(chronicle),
        given=given,
    )
