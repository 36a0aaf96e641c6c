"""Runs that do not end, since what keeps them from it does not: when a replication gives up waiting for them.

What is in doubt is sent again for as long as it takes (ADR 10). Where a fault that has no end strikes each time, that
is for ever, and each run that comes joins those that try: a load under it grows, and so does what it takes to simulate.
The kernel and the engine decide nothing of that, and do not know that a fault has no end; whoever made the study does.
So a replication looks at them, seldom, each time after twice as long, and gives up where

- a fault strikes each attempt, did so since the last look, and goes on beyond the time for which anybody waits;
- since the last look no run has ended, and of those that came before the one before that none has got any further:
  nothing new was begun or done in it, nobody works, answers or signals, and no timer of it is set but for what is in
  doubt and was tried as often as its policy allows.

ADR 33 has the reasons.

Runs that were measured do not end then, and count as that. Where the window is not over, what would have come in the
rest of it is not known, and expectations are undecided. As they are where so many runs are under way at once that there
is no telling what for (`MOST_UNDER_WAY`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from orchspec.runtime.kernel.applying import Applying
from orchspec.simulator.units import format_bound

if TYPE_CHECKING:
    from orchspec.compiler.plan import Fault
    from orchspec.simulator.clock import Clock, Visit

__all__ = ["MOST_UNDER_WAY", "Patience", "Progress", "forget_long_records", "given_up", "let_run", "without_end"]

FIRST_LOOK_US: Final = 600 * 1_000_000
MOST_UNDER_WAY: Final = 50_000
"""Of more runs at once hardly a study says anything; they take some hundreds of megabytes."""
_CHANCE: Final = frozenset({"rate", "first", "nth", "limit"})
#: A run with more records is none that anybody would look at as a picture.
_LONG: Final = 1_000


def without_end(faults: Sequence[Fault], from_us: int, until_us: int) -> list[str]:
    """The faults that strike whatever they are aimed at, each time, from a time to beyond another, as texts."""
    found = []
    for fault in faults:
        args = fault.args
        at_us = int(args.get("at") or args.get("every") or 0)
        lasting_us: int | None = args.get("lasting")
        if _CHANCE & args.keys() or at_us > from_us or fault.name in ("crash", "upgrade"):
            continue
        if lasting_us is None or ("every" not in args and at_us + lasting_us > until_us):
            found.append(f"{fault.name}({', '.join([fault.target, *fault.others])})")
    return found


class Patience:
    """Looks at runs that are under way, and says when nobody waits for them any longer.

    Args:
        clock: Whose runs they are.
        horizon_us: Until when anybody would wait.
    """

    def __init__(self, clock: Clock, horizon_us: int) -> None:
        self._clock = clock
        self._horizon_us = horizon_us
        self._progress = Progress()
        self._ended = 0
        self.look_at_us = FIRST_LOOK_US

    def applies(self) -> bool:
        """Whether there is anything that might keep runs from their end for ever."""
        return bool(without_end(self._clock.faults.said, self._horizon_us, self._horizon_us))

    def look(self, ended: int) -> str:
        """Why runs that are under way do not end, or nothing; `ended` is how many have ended so far."""
        clock, now = self._clock, self._clock.now
        names = without_end(clock.faults.said, self._progress.looked_us, self._horizon_us)
        is_stuck = self._progress.is_stuck(clock, now)
        none_ended, self._ended = ended == self._ended, ended
        self.look_at_us = now + max(now, FIRST_LOOK_US)
        forget_long_records(clock)
        if not (names and is_stuck and none_ended):
            return ""
        have = "has" if len(names) == 1 else "have"
        runs = len(clock.visits)
        are = "1 run under way does" if runs == 1 else f"{runs:,} runs under way do"
        return f"{are} not end under {listed(names)}, which {have} no end"


def given_up(why: str, now_us: int, window_us: int | None) -> str:
    """Why nobody waits any longer, and when that was."""
    window = "" if window_us is None else f" of {format_bound(window_us / 1e6, 's')}"
    return f"{why}; it was given up after {format_bound(now_us / 1e6, 's')}{window}"


def let_run(alone: Clock, ended: Sequence[Visit], horizon_us: int) -> str:
    """Let one run happen to its end; why it has none, if nobody waited any longer for it."""
    patience = Patience(alone, horizon_us)
    if not patience.applies():
        alone.run(lambda: bool(ended), horizon_us, leaps=True)
        return ""
    why = ""

    def is_over() -> bool:
        nonlocal why
        if not ended and alone.now >= patience.look_at_us:
            why = patience.look(0)
        return bool(ended or why)

    alone.run(is_over, horizon_us, leaps=True)
    return why


def listed(names: Sequence[str]) -> str:
    """Names one after the other, with `and` before the last."""
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


class Progress:
    """How far runs had got when they were looked at last; times in microseconds."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[int, int]] = {}
        self.looked_us = 0
        self._before_us = -1

    def is_stuck(self, clock: Clock, now_us: int) -> bool:
        """Whether none of the runs that came before the last look but one has got any further since the last."""
        before = self._known
        self._known = {run: _signs(visit) for run, visit in clock.visits.items()}
        # Whoever came just before the last look had its work before it.
        old = [run for run, visit in clock.visits.items() if visit.arrived_us <= self._before_us]
        self._before_us, self.looked_us = self.looked_us, now_us
        return (
            clock.engine is not None
            and bool(old)
            and all(before.get(run) == self._known[run] and not _moves(clock, clock.visits[run]) for run in old)
        )


def _signs(visit: Visit) -> tuple[int, int]:
    """What grows as a run gets further: what was done, and the places that were begun."""
    kernel = visit.kernel
    return (kernel.steps, len(kernel.places)) if kernel is not None else (0, 0)


def _moves(clock: Clock, visit: Visit) -> bool:
    """Whether something may happen to a run but that what is in doubt is sent again."""
    run, kernel = visit.run, visit.kernel
    if kernel is None:
        return True
    if any(not _sends_for_ever(kernel.places[place]) for place in clock.timing.places(run)):
        return True
    return clock.attempts.moves(run) or clock.people.moves(run) or clock.signals.moves(run)


def _sends_for_ever(activity: Any) -> bool:
    """Whether all attempts that a policy allows at an effect were made: it is in doubt, and sent again."""
    return isinstance(activity, Applying) and activity.attempt > activity.policy.attempts


class _Dropped(list[Any]):
    """The records of a run that nobody will look at."""

    def append(self, _record: Any) -> None:
        """Forget it."""


def forget_long_records(clock: Clock) -> None:
    """Forget the records of runs that are too long for a picture, where nothing else needs them."""
    if clock.journal.survives:
        return
    for run, records in clock.journal.records.items():
        if len(records) > _LONG:
            clock.journal.records[run] = _Dropped()
