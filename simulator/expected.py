"""How often a run visits each agent and tool, by a walk over its plan: the mean, without running it.

A walk goes through the statements of the flow as the kernel would, and multiplies what is known:

- An attempt succeeds with the chance that profile and timeout leave it, so a task that may try n times makes
  (1 - pⁿ) / (1 - p) attempts on the average, and fails with pⁿ.
- What fails the run keeps what needs it from being reached; what runs beside it counts whole.
- A fan-out makes as many tasks as it has candidates, copies or items. A route takes the arm, and a loop as many rounds,
  as the values say that are made for it (`lazily`): where no condition reads one, all of this is exact. A machine goes
  from state to state by them; whether a visit fails is drawn like a value.
- An eval is made at its share of places.
- What a hedge adds, and takes off, is summed up by itself (`hedged`). Work that was done before is not done again as
  long as its contract says: within a run the walk sees that, across runs it follows from how often the same comes
  (`reused`).

What a walk cannot know is said by name, with the reason, and is left to be counted in runs: states that signals end,
loops that a model drives, races whose losers may try again or are hedged, scopes that are tried again, arbitrations
that ask somebody, and whatever stands behind a condition that reads one of these.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from orchspec.compiler.plan import Candidate
from orchspec.runtime.draws import mix
from orchspec.runtime.kernel.expressions import Env
from orchspec.simulator.arrivals import mean_rate, replayed
from orchspec.simulator.chances import Chances
from orchspec.simulator.lazily import SAMPLES, UNKNOWN, Drawn, Freely, Later, Unknown, Values
from orchspec.simulator.reused import Reused
from orchspec.simulator.walked import IDLE, REASONS, STATEMENTS

if TYPE_CHECKING:
    from collections.abc import Callable

    from orchspec.compiler.plan import Block, Expr, OnFailure, Plan, Scenario
    from orchspec.runtime.made import Maker
    from orchspec.simulator.replicate import Stage

__all__ = ["Expected", "expected_visits"]

_ITEMS_MOST: Final = 10_000


@dataclass(slots=True)
class Holds:
    """Attempts of an agent that are hedged: how many a run makes, and how long they hold a slot in all, and squared.

    Under a load, and in a run that is alone; times in seconds.
    """

    loaded: list[float] = field(default_factory=lambda: [0.0, 0.0, 0.0])
    alone: list[float] = field(default_factory=lambda: [0.0, 0.0, 0.0])


@dataclass(slots=True)
class Expected:
    """The mean visits of a run to each agent and tool; `unknown` are those it cannot be told of, and why.

    `sampled` says that values were made for conditions to read: then it is known to about a part in a thousand. `alone`
    are the visits of a run that no other run is beside: who finds nothing that was done before, and hedges after what
    the profile says. `holds` are the attempts that are hedged, by agent. `saved_s` is how much sooner tasks are done
    than in a run that is alone, in all. `hedged_s` is how long those take that are hedged, in a run that is alone, and
    `rests_s` how long they would rest between attempts if they were not; `retries` are those of a run without hedges.
    """

    visits: dict[str, float] = field(default_factory=dict)
    alone: dict[str, float] = field(default_factory=dict)
    holds: dict[str, Holds] = field(default_factory=dict)
    saved_s: float = 0.0
    hedged_s: float = 0.0
    rests_s: float = 0.0
    retries: float = 0.0
    again: Reused = field(default_factory=Reused)
    unknown: dict[str, str] = field(default_factory=dict)
    sampled: bool = False


def expected_visits(plan: Plan, scenario: Scenario, stage: Stage) -> Expected:
    """Walk over the flow of a scenario, once where that is exact, else once for each of `SAMPLES` sets of values."""
    found = Expected()
    chances = Chances(plan, stage)
    values = Values()
    walks = 0
    for number in range(SAMPLES):
        walk = Walk(plan, stage, chances, values, Drawn(number), found)
        walk.flow(scenario.flow)
        walks += 1
        if not walk.drawn.any:
            break
        found.sampled = True
    for sums in (found.visits, found.alone):
        for name in sums:
            sums[name] /= walks
    for holds in found.holds.values():
        holds.loaded = [total / walks for total in holds.loaded]
        holds.alone = [total / walks for total in holds.alone]
    found.saved_s /= walks
    found.hedged_s /= walks
    found.rests_s /= walks
    found.retries /= walks
    if found.again.works:

        def freely() -> Reused:
            other = Expected()
            for number in range(SAMPLES):
                Walk(plan, stage, chances, values, Freely(number), other).flow(scenario.flow)
            return other.again

        _share(found, walks, scenario, stage, freely)
    return found


def _share(found: Expected, walks: int, scenario: Scenario, stage: Stage, freely: Callable[[], Reused]) -> None:
    """Count the visits for work that other runs use again."""
    spec = scenario.arrivals
    times = replayed(stage.times, stage.size, scenario.duration_us)
    rate = mean_rate(spec, times) if spec is not None and spec[0] != "closed" else None
    from_us = scenario.warmup if isinstance(scenario.warmup, int) else 0
    window = (from_us / 1e6, scenario.duration_us / 1e6) if scenario.duration_us is not None else None
    visits, unknown = found.again.shared(walks, rate, window, freely)
    for name, count in visits.items():
        found.visits[name] = found.visits.get(name, 0.0) + count
    found.unknown = {**unknown, **found.unknown}
    found.saved_s += found.again.saved_s


class Walk:
    """One walk, with the values that its conditions read."""

    def __init__(
        self, plan: Plan, stage: Stage, chances: Chances, values: Values, drawn: Drawn, found: Expected
    ) -> None:
        self.plan = plan
        self.stage = stage
        self.chances = chances
        self.values = values
        self.drawn = drawn
        self.found = found
        self.depth = 0
        self.kept: dict[str, tuple[float, Later]] = {}
        """What was done in this run, and is used again, by what it is known by: with which chance, and what it gave."""

    # -------------------------------------------------------------- blocks

    def flow(self, name: str) -> None:
        """The flow that the runs are of, with inputs as they are made."""
        flow = self.plan.flows[name]
        key = mix(1, 0)
        made: dict[str, Any] = {}

        def inputs(parameter: str) -> Any:
            if not made:
                made.update(self.stage.inputs.make(partial(self.drawn.uniform, key)))
            from orchspec.runtime.kernel.program import program_of

            of = next(each for each in flow.params if each.name == parameter)
            return program_of(self.plan).codecs.of(of.type).decode(made[parameter])

        given = [Later(partial(inputs, each.name)) for each in flow.params]
        self.block(flow.body, given, None, 1.0, key)

    def block(
        self, block: Block, given: list[Any], parent: Env | None, weight: float, key: int
    ) -> tuple[float, Any, Env]:
        """Walk a block that is reached with `weight`: the chance that it ends well, what it gives, and its frame."""
        env = Env([*given, *[UNKNOWN] * (len(block.slots) - len(given))], parent)
        survives: dict[int, float] = {}
        behind: dict[int, frozenset[int]] = {}
        guards: list[int] = []
        gives: Any = UNKNOWN
        for index in _in_order(block):
            statement = block.statements[index]
            before = frozenset().union(*[behind[need] | {need} for need in statement.needs])
            before |= {each for each in guards if each < index and before.issuperset(block.statements[each].needs)}
            behind[index] = before
            reached = weight * math.prod(survives[each] for each in before)
            survives[index] = 1.0
            if statement.kind == "fail":
                guards.append(index)
            if statement.kind == "give":
                gives = Later(partial(self.values.of, statement.value, env))
            elif math.isnan(reached):
                self.unknown(statement, "whether a run comes there hangs on what no profile says")
            elif reached > 0.0:
                survives[index] = self.statement(statement, env, reached, mix(key, index + 1))
        return math.prod(survives.values()), gives, env

    def statement(self, statement: Any, env: Env, weight: float, key: int) -> float:
        """Walk a statement that is reached with `weight`; the chance that the run goes on from it."""
        walk = STATEMENTS.get(statement.kind)
        try:
            if walk is not None:
                return walk(self, statement, env, weight, key)
            if statement.kind not in IDLE:
                raise Unknown(REASONS.get(statement.kind, f"a {statement.kind} is not walked over"))
        except Unknown as error:
            self.unknown(statement, str(error))
            if _may_end(statement):
                return math.nan
        return 1.0

    def unknown(self, part: Any, why: str) -> None:
        """Nothing is known of the visits to anybody who works in this part of the plan."""
        for name in _named_in(self.plan, part):
            self.found.unknown.setdefault(name, why)

    # -------------------------------------------------------------- what is made

    def ask(self, candidates: Sequence[Candidate], tasks: float, weight: float, kept: str = "") -> float:
        """So many tasks, each of whichever of these is free; the chance that one of them fails for good.

        `kept` is what the work is known by that is used again, if it is.
        """
        if any(each.policy.hedge is not None for each in candidates):
            return self._ask_twice(candidates, tasks * weight)
        attempts, fails = self.attempts(candidates)
        self.found.retries += weight * tasks * (attempts - 1.0)
        for each in candidates:
            self.visit(each.agent, weight * tasks * attempts / len(candidates), kept)
        return fails

    def attempts(self, candidates: Sequence[Candidate]) -> tuple[float, float]:
        """The mean attempts of whoever of these takes a task, and the chance that it fails for good."""
        known = [self.chances.attempts(each.agent, each.policy) for each in candidates]
        if len({(round(attempts, 9), round(fails, 9)) for attempts, fails in known}) > 1:
            raise Unknown("who of several takes a task hangs on who is free")
        return known[0]

    def _ask_twice(self, candidates: Sequence[Candidate], tasks: float) -> float:
        """Tasks whose attempts are doubled when they are late."""
        if len({(repr(each.policy), self.chances.kind(each.agent)) for each in candidates}) > 1:
            raise Unknown("who of several takes a task, and doubles it, hangs on who is free")
        loaded, alone = self.chances.hedged(candidates[0].agent, candidates[0].policy)
        for each in candidates:
            share = tasks / len(candidates)
            self.add(each.agent, share * loaded.attempts, share * alone.attempts)
            for tool in self.chances.calls.get(each.agent, ()):
                self.found.unknown.setdefault(tool, "who is hedged is stopped, in the middle of its calls")
            holds = self.found.holds.setdefault(each.agent, Holds())
            for of, told in ((holds.loaded, loaded), (holds.alone, alone)):
                for at, moment in enumerate((1.0, told.hold_s, told.square_s)):
                    of[at] += share * told.attempts * moment
        self.found.saved_s += tasks * (alone.takes_s - loaded.takes_s)
        self.found.hedged_s += tasks * alone.takes_s
        self.found.retries += tasks * (self.chances.attempts(candidates[0].agent, candidates[0].policy)[0] - 1.0)
        self.found.rests_s += tasks * self.chances.rests_s(candidates[0].agent, candidates[0].policy)
        return loaded.fails

    def visit(self, agent: str, visits: float, kept: str = "") -> None:
        """An agent works so often, with the tools that it calls."""
        self.add(agent, visits, visits, kept)
        for tool, calls in self.chances.calls.get(agent, {}).items():
            self.add(tool, visits * calls, visits * calls, kept)

    def add(self, name: str, visits: float, alone: float, kept: str = "") -> None:
        """Count visits to an agent or a tool, under a load and in a run that is alone."""
        if kept:
            self.found.again.add(kept, name, visits)
        else:
            self.found.visits[name] = self.found.visits.get(name, 0.0) + visits
        self.found.alone[name] = self.found.alone.get(name, 0.0) + alone

    def made(self, who: str, name: str, args: Sequence[Expr], env: Env, key: int) -> Callable[[], Any]:
        """What somebody says to a contract, an effect or a signal, when it is read."""

        def make() -> Any:
            maker: Maker = self.stage.cast.players[who].maker(name)
            inputs = [self._or_nothing(arg, env) for arg in args]
            return maker.codec.result.decode(maker.make(inputs, partial(self.drawn.uniform, key)))

        return make

    def encoded(self, contract: str, values: Sequence[Any]) -> str:
        """What somebody is given for a contract, as identical work is known by."""
        from orchspec.runtime.kernel.program import program_of

        return repr(program_of(self.plan).contracts[contract].encode_inputs(list(values)))

    def _or_nothing(self, expr: Expr, env: Env) -> Any:
        try:
            return self.values.of(expr, env)
        except Unknown:
            return None

    def items(self, step: Any, env: Env) -> list[Any] | None:
        """The items of a step with a `for`, None of one without."""
        if step.over is None:
            return None
        items = self.values.of(step.over.items, env)
        if len(items) > _ITEMS_MOST:
            raise Unknown("it has too many items to walk over")
        return list(items)

    def goes_on(self, step: Any, fails: float, tasks: int, weight: float) -> float:
        """The chance that the run goes on from a step whose `tasks` each fail with this chance."""
        chain: Sequence[OnFailure] = step.on_failure
        if step.over is not None or getattr(step, "pattern", "one") in ("all", "some"):
            survives = _enough(tasks, 1.0 - fails, step.need)
        else:
            survives = 1.0 - fails
        for link in chain:
            if link.kind in ("skip", "use"):
                return 1.0
            if link.kind == "ask" and link.who is not None:
                worse = self.ask([link.who], tasks * fails, weight) if fails else 0.0
                fails, survives = fails * worse, survives + (1.0 - survives) * (1.0 - worse)
        return survives

    def is_skipped(self, step: Any, env: Env) -> bool:
        """Whether a condition keeps the step from being done; its value then is none."""
        if step.only_if is None or self.values.of(step.only_if, env):
            return False
        env.values[step.slot] = None
        return True


# ------------------------------------------------------------------ parts


def _may_end(part: Any) -> bool:
    """Whether a `fail` stands in a part of a plan, or in a block of it."""
    if getattr(part, "kind", "") == "fail":
        return True
    blocks = [arm.body for arm in getattr(part, "arms", ())]
    blocks += [each for each in (getattr(part, "body", None), getattr(part, "otherwise", None)) if each is not None]
    return any(_may_end(each) for block in blocks for each in block.statements)


def _in_order(block: Block) -> Iterator[int]:
    """The statements of a block, each after all it needs."""
    done: set[int] = set()
    waiting = list(range(len(block.statements)))
    while waiting:
        ready = [index for index in waiting if done.issuperset(block.statements[index].needs)]
        assert ready, "statements of a block never need each other in a circle"
        yield from ready
        done.update(ready)
        waiting = [index for index in waiting if index not in done]


def _named_in(plan: Plan, part: Any) -> Iterator[str]:
    """Who works in a part of a plan, with the tools that they call and the flows that are called in it."""
    parts, flows = [part], set()
    while parts:
        at = parts.pop()
        if isinstance(at, Candidate):
            yield at.agent
            profile = plan.profiles.get(at.agent)
            yield from profile.calls if profile is not None else ()
        elif isinstance(at, list | tuple):
            parts.extend(at)
        elif dataclasses.is_dataclass(at):
            flow = getattr(at, "flow", None)
            if isinstance(flow, str) and flow in plan.flows and flow not in flows:
                flows.add(flow)
                parts.append(plan.flows[flow].body)
            parts.extend(getattr(at, each.name) for each in dataclasses.fields(at))


def _enough(tasks: int, succeeds: float, need: Any) -> float:
    """The chance that enough of so many succeed, each by itself."""
    if need is None:
        return float(succeeds**tasks)
    least = need.count if need.count is not None else math.ceil(need.share * tasks - 1e-9)
    return math.fsum(
        math.comb(tasks, well) * succeeds**well * (1.0 - succeeds) ** (tasks - well) for well in range(least, tasks + 1)
    )
