"""Mutation of specs: what chaos notices when one protection is taken away, and what no protection covers.

Mutation testing (DeMillo, Lipton and Sayward, 1978) turned around: what is judged is not a suite of tests but the spec.
A protection that can be taken away without anything getting worse under any fault that was tried is one that no fault
ever needs; a single fault under which a run ends otherwise than it would have is one that no protection covers. The
same faults, the same seeds, the same draws: whatever differs comes from what was taken away.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from orchspec.runtime.kernel.events import QuestionAnswered, TaskFulfilled
from orchspec.runtime.kernel.program import program_of
from orchspec.runtime.kernel.seeking import Seeking
from orchspec.runtime.kernel.values import InvalidValue, Unverified
from orchspec.simulator.chaos.chronicle import Chronicler
from orchspec.simulator.chaos.lines import fault_line
from orchspec.simulator.chaos.places import Places, places_of
from orchspec.simulator.chaos.protections import Protection, protections_of
from orchspec.simulator.chaos.schedules import crash_singles, drawn, singles
from orchspec.simulator.chaos.told import Chronicle
from orchspec.simulator.chaos.withheld import LOADED, broken_without, limits_of, load_of, reason_for, withheld_of
from orchspec.simulator.checkers import CHECKERS, check_all

if TYPE_CHECKING:
    from pathlib import Path

    from orchspec.compiler.plan import Fault, Json, Plan
    from orchspec.simulator.chaos.withheld import Withheld

__all__ = ["Mutant", "Mutated", "Uncovered", "mutate"]

_DEARER: Final = 1.2
"""By how much more money or attempts a spec without a protection takes before that counts as worse."""
_STOPPING: Final = frozenset({"approval", "guard", "ensures", "where", "budget"})
"""Protections that are there to end runs: that one completes which they would have stopped is worse."""
_LONGER: Final = 3.0
"""By how much longer it takes before that counts."""
_LONGER_US: Final = 60_000_000
_SINGLES_OF: Final = 2
"""Attempts or moments of each target at which a single fault is tried."""
_DRAWN: Final = 40
_OTHERS_MAX: Final = 60
"""Schedules that a protection meets although they strike nothing that it has to do with, spread over all of them."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How runs ended under a schedule: what is compared."""

    statuses: tuple[str, ...]
    applied: dict[str, int]
    twice: int
    broken: tuple[str, ...]
    pico: int
    attempts: int
    ended_us: int


@dataclass(slots=True)
class Mutant:
    """A protection that was taken away: under which faults that was noticed, by what (none: nothing did).

    `runs` met each other. `refused` is what the compiler says of a spec without it, which is then not tried.
    """

    protection: Protection
    tried: int = 0
    faults: tuple[Fault, ...] | None = None
    why: str = ""
    runs: int = 0
    refused: str | None = None

    @property
    def noticed(self) -> bool:
        """Whether anything got worse."""
        return self.faults is not None


@dataclass(frozen=True, slots=True)
class Uncovered:
    """A fault that struck once, and a run ended otherwise than undisturbed."""

    fault: Fault
    status: str


@dataclass(slots=True)
class Mutated:
    """What came of it: `score` is the share of protections that some fault needs."""

    flow: str
    seed: int
    schedules: int
    runs: int
    mutants: list[Mutant] = field(default_factory=list)
    uncovered: list[Uncovered] = field(default_factory=list)
    covered: int = 0
    cut: bool = False

    @property
    def score(self) -> float | None:
        """Noticed / tried; none where there is nothing to take away."""
        tried = [mutant for mutant in self.mutants if mutant.tried]
        return sum(mutant.noticed for mutant in tried) / len(tried) if tried else None


Progress = Callable[[str, int, int | None], None]


def mutate(
    plan: Plan,
    flow: str,
    *,
    folder: Path | None = None,
    seed: int = 1,
    runs: int = 2,
    given: dict[str, Json] | None = None,
    examples: int = _DRAWN,
    progress: Progress | None = None,
    withheld: Sequence[Withheld] = (),
) -> Mutated:
    """Take away the protections of a flow, one at a time. Arguments as of `Explorer`; Ctrl-C keeps what is known.

    `withheld` are clauses that were taken from its text, with what the compiler made of what was left.
    """

    def chronicler(of: Plan, forgetful: frozenset[str] = frozenset(), many: int = runs) -> Chronicler:
        return Chronicler(of, flow, folder=folder, seed=seed, runs=many, given=given, forgetful=forgetful)

    whole = chronicler(plan)
    calm = whole.chronicle([])
    places = places_of(calm)
    rng = random.Random(seed)
    schedules = [[], *_singles(places), *(drawn(places, rng) for _ in range(examples))]
    found = Mutated(flow, seed, len(schedules), runs)
    outcomes: dict[int, Outcome] = {}

    def outcome(index: int) -> Outcome:
        if index not in outcomes:
            outcomes[index] = _outcome(whole.chronicle(schedules[index]), plan)
        return outcomes[index]

    try:
        _look_for_uncovered(found, schedules, outcome, progress)
        found.mutants = _mutants(plan, flow, withheld, runs)
        for number, mutant in enumerate(found.mutants, 1):
            protection = mutant.protection
            if mutant.refused is None and protection.kind in LOADED:
                _load(mutant, plan, chronicler)
            elif mutant.refused is None:
                bare = chronicler(protection.plan, protection.forgetful)
                for index in _by_relevance(protection, schedules):
                    mutant.tried += 1
                    why = _noticed(outcome(index), bare.chronicle(schedules[index]), plan, protection)
                    if why is not None:
                        mutant.faults, mutant.why = tuple(schedules[index]), why
                        break
            if not mutant.noticed and mutant.tried:
                mutant.why = reason_for(protection, mutant.runs)
            if progress is not None:
                progress("protections", number, len(found.mutants))
    except KeyboardInterrupt:
        found.cut = True
    return found


def _mutants(plan: Plan, flow: str, withheld: Sequence[Withheld], runs: int) -> list[Mutant]:
    texts = {f"{each.kind} of {owner}": each for each in withheld for owner in each.owners}
    found = [Mutant(each, runs=runs) for each in protections_of(plan, flow)]
    for each in limits_of(plan, flow):
        text = texts.get(each.name)
        found.append(Mutant(each, runs=runs) if text is None else _in_text(each, text, runs))
    found += [Mutant(each, runs=runs, refused=why) for each, why in withheld_of(plan, flow, list(withheld))]
    return found


def _in_text(limit: Protection, text: Withheld, runs: int) -> Mutant:
    """A limit that is taken out of the plan, with what the compiler says of its text without it."""
    return Mutant(replace(limit, at=text.at), runs=runs, refused=text.refused)


def _load(mutant: Mutant, plan: Plan, chronicler: Callable[..., Chronicler]) -> None:
    """Take a limit away where many runs meet: does anything come up to it?"""
    protection = mutant.protection
    mutant.runs, schedules = load_of(plan, protection, mutant.runs)
    bare = chronicler(protection.plan, many=mutant.runs)
    for faults in schedules:
        mutant.tried += 1
        beyond = broken_without(bare.chronicle(faults), plan, protection)
        if beyond:
            mutant.faults, mutant.why = tuple(faults), beyond[0]
            return


def _noticed(whole: Outcome, bare: Chronicle, plan: Plan, protection: Protection) -> str | None:
    """How a spec fares worse without a protection: by what that is there for, else by anything."""
    missed = broken_without(bare, plan, protection)
    return missed[0] if missed else _worse(whole, _outcome(bare, plan), protection.kind)


def _singles(places: Places) -> Iterator[list[Fault]]:
    """Some of the single faults of each kind and target, and some crashes at each point."""
    counts: dict[tuple[str, str, bool], int] = {}
    for faults in (*singles(places), *crash_singles(places)):
        last = faults[-1]
        persists = "nth" not in last.args and "at" not in last.args
        key = (last.name, f"{last.target}{last.args.get('point', '')}", persists)
        counts[key] = counts.get(key, 0) + 1
        if counts[key] <= _SINGLES_OF:
            yield faults


def _by_relevance(protection: Protection, schedules: Sequence[Sequence[Fault]]) -> list[int]:
    """Indexes of schedules: the calm one, those that strike what the protection has to do with, some of the others."""
    near: list[int] = []
    far: list[int] = []
    for index, faults in enumerate(schedules):
        struck = {target for fault in faults for target in (fault.target, *fault.others)}
        (near if index == 0 or struck & protection.targets else far).append(index)
    step = -(-len(far) // _OTHERS_MAX)
    return [*near, *far[:: max(1, step)]]


def _look_for_uncovered(
    found: Mutated, schedules: Sequence[Sequence[Fault]], outcome: Callable[[int], Outcome], progress: Progress | None
) -> None:
    calm = outcome(0)
    seen: set[tuple[str, str]] = set()
    for index, faults in enumerate(schedules):
        if progress is not None:
            progress("faults", index + 1, len(schedules))
        once = len(faults) == 1 and ("nth" in faults[0].args or "at" in faults[0].args)
        if not once:
            outcome(index)
            continue
        now = outcome(index)
        what = (faults[0].name, faults[0].target)
        if now.statuses == calm.statuses and not now.broken:
            found.covered += what not in seen
        elif what not in seen:
            ended = next((to for to, was in zip(now.statuses, calm.statuses, strict=True) if to != was), "broken")
            found.uncovered.append(Uncovered(faults[0], ended))
        seen.add(what)


# ------------------------------------------------------------------ comparing


def _outcome(chronicle: Chronicle, plan: Plan) -> Outcome:
    applied: dict[str, int] = {}
    for each in chronicle.applied:
        if not each.again or each.twice:
            applied[each.effect] = applied.get(each.effect, 0) + 1
    numbers = sorted({each.number for each in check_all(chronicle)})
    broken = [f"{number} ({CHECKERS[number].name}) is broken" for number in numbers]
    accounts = [
        chronicle.story(told.run).kernel.account
        for told in chronicle.runs.values()
        if told.records and told.run not in chronicle.halted
    ]
    return Outcome(
        tuple(told.status or "unended" for told in chronicle.runs.values()),
        applied,
        sum(each.twice for each in chronicle.applied),
        (*broken, *_unfit(chronicle, plan)),
        sum(account.charged_pico for account in accounts if account is not None),
        sum(account.attempts for account in accounts if account is not None),
        chronicle.ended_us,
    )


def _unfit(chronicle: Chronicle, plan: Plan) -> set[str]:
    """Contracts, as the whole spec says them, that values break which were taken."""
    if chronicle.plan.contracts is plan.contracts and chronicle.plan.types is plan.types:
        return set()
    contracts = program_of(plan).contracts
    found: set[str] = set()
    for told in chronicle.runs.values():
        if told.run in chronicle.halted:
            continue
        kernel = chronicle.story(told.run).kernel
        for record in told.records:
            event = record.event
            if not isinstance(event, (TaskFulfilled, QuestionAnswered)) or record.decided:
                continue
            task: Any = kernel.places[event.place]
            if isinstance(task, Seeking) and task.asking.contract in contracts:
                value = event.output if isinstance(event, TaskFulfilled) else event.value
                try:
                    contracts[task.asking.contract].verify(task.inputs, value)
                except (Unverified, InvalidValue):
                    found.add(f"a value that breaks {task.asking.contract} is taken")
    return found


def _worse(whole: Outcome, bare: Outcome, kind: str) -> str | None:
    """How a spec fares worse without a protection of a kind; none if it does not."""
    for each in bare.broken:
        if each not in whole.broken:
            return each
    for now, was in zip(bare.statuses, whole.statuses, strict=True):
        if now == "completed" and was != now and kind not in _STOPPING:
            return None  # what lets more runs complete is not missed
        if now != was:
            return f"a run is {now} that would be {was}"
    for effect in sorted({*whole.applied, *bare.applied}):
        done, meant = bare.applied.get(effect, 0), whole.applied.get(effect, 0)
        if done != meant:
            return f"{effect} is done {done} times instead of {meant}"
    if bare.pico > whole.pico * _DEARER:
        return f"it costs {bare.pico / max(1, whole.pico):.1f} times as much"
    if bare.attempts > whole.attempts * _DEARER:
        return f"it takes {bare.attempts} attempts instead of {whole.attempts}"
    if bare.ended_us > whole.ended_us * _LONGER and bare.ended_us - whole.ended_us > _LONGER_US:
        return f"it takes {bare.ended_us / max(1, whole.ended_us):.0f} times as long"
    return None


def said(faults: Sequence[Fault] | None) -> str:
    """The faults in a line."""
    return "; ".join(fault_line(fault) for fault in faults or ()) or "no fault at all"
