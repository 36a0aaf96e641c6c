"""The state machine of `orchspec.testing.machine`: Hypothesis chooses what happens next to an engine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from orchspec.simulator.chaos.interleaving import Interleaving
from orchspec.simulator.checkers import Violation, check_all

if TYPE_CHECKING:
    from orchspec.compiler.plan import Plan

__all__ = ["EngineMachine", "machine_of"]

_WHICH: Final = st.integers(0, 7)
_HOLD: Final = st.booleans()
_SEED_MAX: Final = 1_000
_RUNS_MAX: Final = 3
_CALM_MAX: Final = 8


class EngineMachine(RuleBasedStateMachine):
    """Kernel, dispatcher and all that the engine holds, under any legal interleaving.

    Every rule is something that may happen outside; `held` leaves its commit under way, so that the next rule happens
    before that is durable. At the end everybody answers, every run has to end, and every checker is asked.
    """

    plan: ClassVar[Plan]
    flow: ClassVar[str]
    folder: ClassVar[Path | None]
    broken: ClassVar[type[AssertionError]]

    def __init__(self) -> None:
        super().__init__()
        self.driver: Interleaving | None = None
        self.crashes = self.cancels = 0

    @initialize(
        seed=st.integers(1, _SEED_MAX),
        calm=st.integers(0, _CALM_MAX),
        crashes=st.integers(0, 3),
        cancels=st.integers(0, 1),
    )
    def arrive(self, seed: int, calm: int, crashes: int, cancels: int) -> None:
        """The first run, which goes well for a while; inputs and outputs are made from their types, by the seed.

        What ends a story comes seldom, or little else would ever happen.
        """
        self.crashes, self.cancels = crashes, cancels
        given = next((scenario.given for scenario in self.plan.scenarios if scenario.flow == self.flow), {})
        self.driver = Interleaving(self.plan, self.flow, folder=self.folder, seed=seed, given=given)
        self.driver.begin()
        self.driver.settle()
        for _ in range(calm):
            self.driver.go_on()

    def _go_on(self, held: bool) -> None:
        assert self.driver is not None
        if held:
            self.driver.handle()
        else:
            self.driver.settle()

    @property
    def _outside(self) -> Any:
        assert self.driver is not None
        return self.driver.outside

    @precondition(lambda self: len(self.driver.chronicle.runs) < _RUNS_MAX)
    @rule(held=_HOLD)
    def one_more_run(self, held: bool) -> None:
        """Another client comes."""
        assert self.driver is not None
        self.driver.begin()
        self._go_on(held)

    @precondition(lambda self: self._outside.open)
    @rule(which=_WHICH, how=st.integers(0, 7), held=_HOLD)
    def somebody(self, which: int, how: int, held: bool) -> None:
        """Whoever was asked answers: an agent, a target, a person, who was asked whether, who sends a signal."""
        self._outside.somebody(which, how)
        self._go_on(held)

    @precondition(lambda self: self._outside.late)
    @rule(which=_WHICH)
    def late_request(self, which: int) -> None:
        """A request that nobody awaits any more lands."""
        self._outside.land(which)

    @rule(held=_HOLD)
    def time(self, held: bool) -> None:
        """Time passes until the next timer."""
        assert self.driver is not None
        self.driver.pass_time()
        self._go_on(held)

    @precondition(lambda self: self.crashes)
    @rule(durable=st.booleans())
    def crash(self, durable: bool) -> None:
        """The process dies, with a commit under way perhaps."""
        assert self.driver is not None
        self.crashes -= 1
        self.driver.crash(durable=durable)
        self.driver.settle()

    @precondition(lambda self: self.cancels)
    @rule(which=_WHICH, held=_HOLD)
    def cancel(self, which: int, held: bool) -> None:
        """Somebody calls a run off."""
        assert self.driver is not None
        self.cancels -= 1
        self.driver.cancel(which)
        self._go_on(held)

    def teardown(self) -> None:
        """Nothing goes wrong any more: every run has to end, and everything has to hold."""
        if self.driver is None:
            return
        found: list[Violation] = check_all(self.driver.finish())
        if found:
            raise self.broken(found, [])


def machine_of(plan: Plan, flow: str, folder: Path | None, broken: type[AssertionError]) -> type[RuleBasedStateMachine]:
    """See `orchspec.testing.machine`."""
    held = {"plan": plan, "flow": flow, "folder": folder, "broken": broken, "__doc__": EngineMachine.__doc__}
    return type(f"Machine_{flow.replace('.', '_')}", (EngineMachine,), held)
