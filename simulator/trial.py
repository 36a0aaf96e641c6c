"""A test written in a spec: one run of its flow in virtual time, and what was expected of it.

The run is that of the simulator, on the simulator's clock and with its world: stubs speak where the test has some,
made outputs elsewhere, faults strike as the test says, and nothing else goes wrong. The same test gives the same run,
always. A run that does not end within 52 weeks of virtual time, or within `RECORDS_MAX` records, is given up.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal

from orchspec.compiler.plan import PlanError
from orchspec.runtime.draws import run_key, uniform
from orchspec.runtime.errors import OrchError
from orchspec.runtime.kernel.commands import AskPerson, EndRun, RunTask, TryEffect
from orchspec.runtime.kernel.program import program_of
from orchspec.runtime.made import InputMaker
from orchspec.simulator.cast import columns
from orchspec.simulator.clock import Clock, Visit
from orchspec.simulator.facts import Facts, Outcome, judge_expectation
from orchspec.simulator.faults import Faults
from orchspec.simulator.journal import Endless
from orchspec.simulator.observe import RunObservation
from orchspec.simulator.stubs import StubbedCast
from orchspec.simulator.telling import tail_of
from orchspec.simulator.world import World

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from orchspec.compiler.plan import Plan, Test
    from orchspec.runtime.recording import EventRecord

__all__ = ["RECORDS_MAX", "TestResult", "run_test"]

SECOND: Final = 1_000_000
WEEKS_52_US: Final = 52 * 7 * 24 * 3600 * SECOND
RECORDS_MAX: Final = 200_000
"""Records of a run after which it is given up: a mistake of ours must not hang a user's tests."""
_SEED: Final = 1
_RUN: Final = "test"


@dataclass(frozen=True, slots=True)
class TestResult:
    """What became of one test.

    `file` and `line` are where the test stands, `problem` says why there was nothing to judge, `error` why the run did
    not complete, `journal` is the end of its journal in short lines; `expectations` stand in the order of the text.
    """

    __test__: ClassVar[bool] = False  # pytest: no class of tests

    name: str
    flow: str
    file: str
    line: int
    verdict: Literal["passed", "failed"]
    expectations: tuple[Expected, ...]
    status: str
    latency_s: float
    problem: str | None
    error: str | None
    journal: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """The result as plain data; the end of the journal only where the test failed."""
        document = asdict(self)
        document["expectations"] = [asdict(each) for each in self.expectations]
        document["journal"] = [] if self.verdict == "passed" else list(self.journal)
        return document


@dataclass(frozen=True, slots=True)
class Expected:
    """One expectation: its text, its line, whether it `passed` or `failed`, and what was found where it failed."""

    text: str
    line: int
    verdict: Literal["passed", "failed"]
    found: str


def run_test(plan: Plan, test: Test, folder: Path | None = None) -> TestResult:
    """Run a test.

    Args:
        plan: a sealed plan.
        test: one of its tests.
        folder: where the spec stands, for files that its profiles read.

    Returns:
        The result; a test that cannot be run at all (an unreadable file, an output that nothing can make) has failed,
        and its `problem` says why.
    """
    trial = _Trial(plan, test)
    problem: str | None = None
    try:
        problem = trial.play(folder)
    except (PlanError, OrchError) as error:
        problem = str(error)
    return trial.result(problem)


class _Trial:
    """One run of a test, and what is left of it."""

    def __init__(self, plan: Plan, test: Test) -> None:
        self.plan = plan
        self.test = test
        self.facts = Facts()
        self.records: list[EventRecord] = []

    def play(self, folder: Path | None) -> str | None:
        """Let the run happen; says what went wrong with the running itself."""
        plan, test = self.plan, self.test
        data = columns(plan, folder)
        program = program_of(plan)
        cast = StubbedCast(plan, test.stubs, data, Faults(test.faults).targets)
        seed = run_key(_SEED, 0, 0, 0)
        made = InputMaker(plan, test.flow, data=data, codecs=program.codecs).make(partial(uniform, seed, 0))
        visit = Visit(_RUN, seed, made | test.given, RunObservation(0, 0.0), 0)
        world = World(program)
        ended: list[Visit] = []
        clock = Clock(plan, test.flow, cast, world, None, Faults(test.faults), seed, ended.append, watch=1)
        clock.journal.records_max = RECORDS_MAX
        clock.arrive(visit)
        problem = None
        try:
            clock.begin()
            clock.run(lambda: bool(ended), WEEKS_52_US, leaps=True)
        except Endless:
            problem = f"the run was given up after {RECORDS_MAX:,} records"
        self.records = clock.watched.get(_RUN) or clock.journal.records.get(_RUN, [])
        self._gather(visit, world, clock)
        if problem is None and not ended:
            problem = _why_unended(clock)
        return problem

    def _gather(self, visit: Visit, world: World, clock: Clock) -> None:
        facts = self.facts
        kernel = visit.kernel
        if kernel is not None:
            facts.reached = frozenset(kernel.reached)
            if kernel.account is not None:
                facts.cost_pico = kernel.account.charged_pico
                facts.tokens = kernel.account.charged_tokens
                facts.retries = kernel.account.retries
        facts.attempts, facts.calls = _counted(self.records)
        for effect in world.observe(clock.ledger()):
            facts.calls[effect.name] = effect.applied
        for record in self.records:
            for command in record.commands:
                if isinstance(command, EndRun):
                    self._end(command, record.time_us - command.waited_us)

    def _end(self, command: EndRun, ended_us: int) -> None:
        facts = self.facts
        facts.status = command.status
        facts.latency_us = ended_us
        if command.error is not None:
            step, message = command.error.get("step"), str(command.error["message"])
            facts.error = f"{message} at {step}" if step and not message.startswith(f"{step}:") else message
        if command.status == "completed":
            facts.result = program_of(self.plan).flows[self.test.flow].codec.decode_result(command.result)

    def result(self, problem: str | None) -> TestResult:
        """The verdict; where a test expects nothing, it expects that the run completes."""
        plan, test, facts = self.plan, self.test, self.facts
        codecs = program_of(plan).codecs
        outcomes: list[Outcome] = []
        if problem is None:
            outcomes = [judge_expectation(plan, test.flow, codecs, each, facts) for each in test.expects]
            if not test.expects and facts.status != "completed":
                outcomes = [Outcome(test.node, "status == completed", held=False, found=f"it was {facts.status}")]
        well = problem is None and all(outcome.held for outcome in outcomes)
        file, line = _place(plan, test.node)
        return TestResult(
            name=test.name,
            flow=test.flow,
            file=file,
            line=line,
            verdict="passed" if well else "failed",
            expectations=tuple(
                Expected(each.text, _place(plan, each.node)[1], "passed" if each.held else "failed", each.found)
                for each in outcomes
            ),
            status=facts.status,
            latency_s=facts.latency_us / SECOND,
            problem=problem,
            error=facts.error,
            journal=tuple(tail_of(self.records)),
        )


def _counted(records: Iterable[EventRecord]) -> tuple[dict[str, int], dict[str, int]]:
    """Attempts on each target, and tasks of each agent; what was sent again after a crash is the same attempt."""
    attempts: dict[str, set[tuple[int, int]]] = {}
    tasks: dict[str, set[int]] = {}
    for record in records:
        for command in record.commands:
            if isinstance(command, (RunTask, AskPerson)):
                attempts.setdefault(command.agent, set()).add((command.place, command.attempt))
                tasks.setdefault(command.agent, set()).add(command.place)
            elif isinstance(command, TryEffect):
                attempts.setdefault(command.effect, set()).add((command.place, command.attempt))
    return (
        {name: len(found) for name, found in attempts.items()},
        {name: len(found) for name, found in tasks.items()},
    )


def _why_unended(clock: Clock) -> str:
    halted = clock.halted.get(_RUN)
    if halted is not None:
        return f"the run was halted by a mistake of orch's own, please report it: {type(halted).__name__}: {halted}"
    next_us = clock.env.next_us()
    if next_us is not None and next_us > WEEKS_52_US:
        return "the run had not ended after 52 weeks of virtual time"
    return "the run did not end, and nothing was left that could go on"


def _place(plan: Plan, node: int) -> tuple[str, int]:
    """The file and the line of a node; 0 where the plan came without its source."""
    source = plan.source
    if 0 <= node < len(source.spans):
        span = source.spans[node]
        return (source.files[span[4]] if span[4] < len(source.files) else plan.name), span[0]
    return plan.name, 0
