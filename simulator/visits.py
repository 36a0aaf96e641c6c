"""A visit: one run as the client sees who asked for it, and what the simulator keeps of it while it is live."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from orchspec.simulator.evals import scores_of

if TYPE_CHECKING:
    from orchspec.runtime.kernel.kernel import Kernel
    from orchspec.simulator.observe import RunObservation
    from orchspec.simulator.underway import Attempt

__all__ = ["Visit"]


class Visit:
    """One run as a client sees it.

    Attributes:
        run: Its id, under which the client asks again for as long as nobody told it how the run ended.
        seed: The key of all its draws.
        seen: What is observed of it.
        arrived_us: When it arrived, µs since the start of its clock.
        kernel: The kernel that leads it now; that of the dead engine while the orchestrator is down.
        asked: How many questions were put to people.
        measured: Whether it arrived in the window.
        result: What the run returned, JSON of the edge, once the client was told.
        answered: (place, attempt) of questions that a person has answered.
        done: (place, attempt) of outcomes that are durable; (place, 0) of effects. Kept where crashes strike.
        tasks: Attempts that are under way, by place and attempt.
        wronged: Whether something durable was sent again, or an effect that was confirmed is not in the world.
    """

    __slots__ = (
        "answered",
        "arrived_us",
        "asked",
        "committed_us",
        "done",
        "inputs",
        "kernel",
        "measured",
        "result",
        "run",
        "seed",
        "seen",
        "tasks",
        "wronged",
    )

    def __init__(self, run: str, seed: int, inputs: dict[str, Any], seen: RunObservation, arrived_us: int) -> None:
        self.run = run
        self.seed = seed
        self.inputs = inputs
        self.seen = seen
        self.arrived_us = arrived_us
        self.kernel: Kernel | None = None
        self.asked = 0
        self.measured = False
        self.result: Any = None
        self.answered: set[tuple[int, int]] = set()
        self.done: set[tuple[int, int]] = set()
        self.wronged = False
        self.committed_us = 0
        self.tasks: dict[tuple[int, int], Attempt] = {}

    def account(self) -> None:
        """Observe what the run has cost and found so far."""
        seen, kernel = self.seen, self.kernel
        seen.escalations = self.asked
        if kernel is None or kernel.account is None:
            return
        account = kernel.account
        if account.charged_pico:  # else the 0.0 that all runs share: a million runs keep a million of these
            seen.cost_usd = account.charged_pico / 1e12
        seen.tokens = account.charged_tokens
        seen.attempts = account.attempts
        seen.retries = account.retries
        if account.wasted_pico:
            seen.wasted_usd = account.wasted_pico / 1e12
        if kernel.verdicts:
            seen.scores = scores_of(kernel.program.plan, kernel.verdicts)
