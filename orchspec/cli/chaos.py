"""`orch chaos`: faults injected into a spec's flows until something breaks that must hold."""

from __future__ import annotations

import dataclasses
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

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
    how = {
        "examples": (0 if exhaustive else _EXAMPLES) if examples is None else examples,
        "exhaustive": exhaustive,
        "pairs": (_PAIRS if exhaustive else 0) if pairs is None else pairs,
    }
    aim = _Aim(file, plan, folder, runs, seed)
    return _search(terminal, aim, chosen, how, junit=junit, pytest_file=pytest_file, schedules=Path(schedules))


@dataclasses.dataclass(frozen=True)
class _Aim:
    """What is explored: a spec, and how many runs meet each other under which seed."""

    file: str
    plan: Plan
    folder: Path | None
    runs: int
    seed: int


def _search(
    terminal: Terminal,
    aim: _Aim,
    chosen: list[str],
    how: dict[str, Any],
    *,
    junit: str | None,
    pytest_file: str | None,
    schedules: Path,
) -> int:
    """Looks for schedules of faults that break something, and writes down what they are."""
    from orchspec.simulator.chaos.failure import failure_name, pytest_function, pytest_module

    plan = aim.plan
    written: dict[int, str] = {}
    tests: list[str] = []

    def keep(made: Explored) -> None:
        for found in made.found:
            path = schedules / f"{failure_name(plan.name, made.flow, found)}.schedule"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(_schedule(aim, made.flow, found).as_json(), "utf-8")
            written[id(found)] = str(path)
            tests.append(pytest_function(plan, aim.file, made.flow, found.seed, found, _given(plan, made.flow)))
        if not terminal.json:
            show(terminal, plan, aim.folder, made, written)

    explored = _each(terminal, chosen, lambda flow, advance: _explore(aim, flow, progress=advance, **how), keep)
    if pytest_file is not None and tests:
        write_text(pytest_file, pytest_module(tests))
        terminal.say(f"{len(tests)} failing {'test' if len(tests) == 1 else 'tests'} in {pytest_file}")
    if junit is not None:
        from orchspec.cli.junit import chaos_xml

        write_text(junit, chaos_xml(plan.name, explored))
    if terminal.json:
        terminal.document(document(plan, [made for made, _ in explored], written))
    every = [found for made, _ in explored for found in made.found]
    if any(not found.liveness for found in every):
        return NOT_WELL
    return LIVENESS_BROKEN if every else _well(terminal, explored)


class _Cut(Protocol):
    """What was made of a flow."""

    @property
    def cut(self) -> bool:
        """Whether the user had seen enough."""


Made = TypeVar("Made", bound=_Cut)


def _each(
    terminal: Terminal,
    chosen: Iterable[str],
    make: Callable[[str, Progress | None], Made],
    keep: Callable[[Made], None],
) -> list[tuple[Made, float]]:
    """What is made of each flow, and in how many seconds; nothing of the others once one was cut."""
    done: list[tuple[Made, float]] = []
    for flow in chosen:
        began = time.perf_counter()
        with _bar(terminal, flow) as advance:
            made = make(flow, advance)
        done.append((made, time.perf_counter() - began))
        keep(made)
        if made.cut:
            break
    return done


def _well(terminal: Terminal, done: Iterable[tuple[_Cut, float]]) -> int:
    """What was interrupted has shown nothing wrong, and not that all is well."""
    if not any(made.cut for made, _ in done):
        return WELL
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
    from orchspec.simulator.chaos.mutate import mutate

    how |= {} if examples is None else {"examples": examples}
    done = _each(
        terminal,
        chosen,
        lambda flow, advance: mutate(plan, flow, folder=folder, given=_given(plan, flow), progress=advance, **how),
        lambda made: None if terminal.json else show(terminal, plan, folder, made),
    )
    if junit is not None:
        from orchspec.cli.junit import mutation_xml

        write_text(junit, mutation_xml(plan, done))
    if terminal.json:
        terminal.document(document(plan, [made for made, _ in done]))
    return _well(terminal, done)


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

    drawn = _EXAMPLES if examples is None else examples
    done = _each(
        terminal,
        chosen,
        lambda flow, advance: semantic(
            Explorer(plan, flow, folder=folder, given=_given(plan, flow), **how), drawn, advance
        ),
        lambda made: None if terminal.json else show(terminal, plan, folder, made),
    )
    if junit is not None:
        from orchspec.cli.junit import mast_xml

        write_text(junit, mast_xml(plan.name, done))
    if terminal.json:
        terminal.document(document(plan, [made for made, _ in done]))
    return NOT_WELL if any(made.found for made, _ in done) else _well(terminal, done)


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
    """The flows that a part of a plan calls."""
    from orchspec.compiler.plan import FlowStep

    if isinstance(value, list | tuple):
        return {name for each in value for name in _called(each)}
    if dataclasses.is_dataclass(value):
        own = {value.flow} if isinstance(value, FlowStep) else set()
        return own | {name for each in dataclasses.fields(value) for name in _called(getattr(value, each.name))}
    return set()


def _explore(aim: _Aim, flow: str, **how: Any) -> Explored:
    from orchspec.proving import proven_of
    from orchspec.simulator.chaos.explore import Explorer

    given, proven = _given(aim.plan, flow), proven_of(aim.plan, flow)
    explorer = Explorer(aim.plan, flow, folder=aim.folder, seed=aim.seed, runs=aim.runs, given=given, proven=proven)
    return explorer.explore(**how)


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
    """What the first scenario of a flow gives it."""
    return next((scenario.given for scenario in plan.scenarios if scenario.flow == flow), {})


def _schedule(aim: _Aim, flow: str, found: Found) -> Schedule:
    """The file that reproduces a failure, with the digest of what happens then."""
    from orchspec.simulator.chaos.chronicle import Chronicler
    from orchspec.simulator.chaos.schedule import Schedule, digest_of

    given = _given(aim.plan, flow)
    again = Chronicler(aim.plan, flow, folder=aim.folder, seed=found.seed, runs=found.runs, given=given)
    return Schedule(
        spec=aim.file,
        plan_hash=aim.plan.hash,
        flow=flow,
        seed=found.seed,
        runs=found.runs,
        faults=found.faults,
        broken=found.violation.as_json(),
        digest=digest_of(again.chronicle(found.faults)),
        given=given,
    )
