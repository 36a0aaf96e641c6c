"""How a walk goes over each kind of statement: whom it visits, what it makes, and the chance that the run goes on.

Each takes the walk, the statement, the frame of its block, the chance that a run comes there, and a key that tells its
values apart; it returns the chance that the run goes on, and puts what the statement gives into the frame. It raises
`Unknown` where it cannot know, with the reason.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from orchspec.compiler.plan import Profile
from orchspec.runtime.draws import mix
from orchspec.runtime.kernel.expressions import Env
from orchspec.simulator.lazily import UNKNOWN, Later, Unknown
from orchspec.simulator.reused import Work

if TYPE_CHECKING:
    from orchspec.compiler.plan import Candidate, Plan
    from orchspec.simulator.expected import Walk

__all__ = ["IDLE", "REASONS", "STATEMENTS"]

_DEPTH_MOST: Final = 50
_MOVES_MOST: Final = 1_000
#: So seldom does work fail for good that who waits for it need not be looked at.
_FAILS_SELDOM: Final = 1e-3


def _task(walk: Walk, step: Any, env: Env, weight: float, key: int) -> float:
    if walk.is_skipped(step, env):
        return 1.0
    if step.pattern == "first" and any(each.policy.attempts > 1 for each in step.candidates):
        raise Unknown("how often the losers of a race try again hangs on who is fast")
    if step.budget is not None:
        raise Unknown("a budget of its own may end it")
    items = walk.items(step, env)
    if step.pattern == "first":
        return _race(walk, step, items, env, weight)
    contract = walk.plan.contracts[step.contract]
    if contract.reuse is not None and contract.owns is None and (items is not None or _is_single(step)):
        return _reused(walk, step, items, env, weight, key)
    fan = step.candidates if step.pattern == "all" else [step.candidates[0]] * step.copies if step.copies > 1 else None
    fails = 0.0
    if fan is not None:
        for each in fan:
            fails = max(fails, walk.ask([each], 1.0, weight))
        tasks = len(fan)
    else:
        tasks = 1 if items is None else len(items)
        fails = walk.ask(step.candidates, tasks, weight)
    who = step.candidates[0].agent

    def one(at: int, args_env: Env) -> Any:
        giver = fan[at].agent if fan is not None else who
        return walk.made(giver, step.contract, step.args, args_env, mix(key, at + 1))()

    if len(step.candidates) > 1 and step.pattern == "any" and not _alike(walk.plan, step.candidates):
        env.values[step.slot] = UNKNOWN
    elif fan is not None:
        env.values[step.slot] = Later(lambda: [one(at, env) for at in range(len(fan))])
    elif items is not None:
        env.values[step.slot] = Later(lambda: [one(at, Env([item], env)) for at, item in enumerate(items)])
    else:
        env.values[step.slot] = Later(lambda: one(0, env))
    return walk.goes_on(step, fails, tasks, weight)


def _is_single(step: Any) -> bool:
    return step.pattern in ("one", "any") and step.copies == 1


def _reused(walk: Walk, step: Any, items: list[Any] | None, env: Env, weight: float, key: int) -> float:
    """Tasks whose work is used again, in this run and in others, for as long as their contract says."""
    if any(each.policy.hedge is not None for each in step.candidates):
        raise Unknown("it is hedged, and used again by whoever waits for it")
    contract = walk.plan.contracts[step.contract]
    agents = sorted(each.agent for each in step.candidates)
    _, fails = walk.attempts(step.candidates)
    if fails > _FAILS_SELDOM:
        raise Unknown("whoever waits for work that fails does it, too")
    takes_s, square_s = walk.chances.takes_s(step.candidates[0].agent, step.candidates[0].policy)
    given: list[Later] = []
    for at, item in enumerate([None] if items is None else items):
        args_env = env if items is None else Env([item], env)
        values = [walk.values.of(arg, args_env) for arg in step.args]
        known_by = repr((step.contract, agents, walk.encoded(step.contract, values)))
        seen, result = walk.kept.get(known_by, (0.0, None))
        if result is None:
            result = Later(walk.made(agents[0], step.contract, step.args, args_env, mix(key, at + 1)))
        fresh = max(0.0, weight - seen)
        walk.kept[known_by] = max(seen, weight), result
        given.append(Later(partial(_read, result)))
        if not fresh:
            continue
        if isinstance(contract.reuse, int):
            walk.found.again.ask(known_by, Work(step.contract, contract.reuse / 1e6, takes_s, square_s), fresh)
            walk.ask(step.candidates, 1.0, fresh, known_by)
        else:
            walk.ask(step.candidates, 1.0, fresh)
    if len(step.candidates) > 1 and not _alike(walk.plan, step.candidates):
        env.values[step.slot] = UNKNOWN
    elif items is None:
        env.values[step.slot] = given[0]
    else:
        env.values[step.slot] = Later(partial(_read_all, given))
    return walk.goes_on(step, fails, len(given), weight)


def _race(walk: Walk, step: Any, items: list[Any] | None, env: Env, weight: float) -> float:
    """All begin at once, so each tries once, whoever wins. Who wins hangs on who is fast, and so does what it says."""
    if any(each.policy.hedge is not None for each in step.candidates):
        raise Unknown("how often the losers of a race are hedged hangs on who is fast")
    tasks = 1 if items is None else len(items)
    fails = math.prod(walk.ask([each], tasks, weight) for each in step.candidates)
    env.values[step.slot] = UNKNOWN
    return walk.goes_on(step, fails, tasks, weight)


def _alike(plan: Plan, candidates: Sequence[Candidate]) -> bool:
    profiles = [plan.profiles.get(each.agent, Profile(each.agent)).output for each in candidates]
    return all(each == profiles[0] for each in profiles)


def _effect(walk: Walk, step: Any, env: Env, weight: float, key: int) -> float:
    if walk.is_skipped(step, env):
        return 1.0
    items = walk.items(step, env)
    tasks = 1 if items is None else len(items)
    _, fails = walk.chances.attempts(step.effect, step.policy)
    make = walk.made(step.effect, step.effect, step.args, env, key)
    env.values[step.slot] = Later(make) if items is None else UNKNOWN
    return walk.goes_on(step, fails, tasks, weight)


def _signal(walk: Walk, step: Any, env: Env, weight: float, key: int) -> float:
    if walk.is_skipped(step, env):
        return 1.0
    tasks = 1 if step.over is None else len(walk.items(step, env) or ())
    fails = 1.0 - walk.chances.success(step.signal, step.timeout_us)
    make = walk.made(step.signal, step.signal, step.args, env, key)
    env.values[step.slot] = Later(make) if step.over is None else UNKNOWN
    return walk.goes_on(step, fails, tasks, weight)


def _inner(walk: Walk, step: Any, env: Env, weight: float, key: int, body: Callable[..., Any]) -> float:
    """A scope, or a flow that is called: its block once for each item, or once."""
    if walk.is_skipped(step, env):
        return 1.0
    if step.policy.attempts > 1 or step.policy.timeout_us is not None:
        raise Unknown("it is tried again, or ended by its timeout, as a whole")
    items = walk.items(step, env)
    if walk.depth > _DEPTH_MOST:
        raise Unknown("it calls itself too deep")
    walk.depth += 1
    found = [
        body(env if items is None else Env([item], env), weight, mix(key, at + 1))
        for at, item in enumerate([None] if items is None else items)
    ]
    walk.depth -= 1
    given = [Later(partial(_read, gives)) for _, gives, _ in found]
    env.values[step.slot] = given[0] if items is None else Later(lambda: [each.make() for each in given])
    fails = 1.0 - (min(ends for ends, _, _ in found) if found else 1.0)
    return walk.goes_on(step, fails, len(found), weight)


def _read(value: Any) -> Any:
    if type(value) is Later:
        return value.make()
    if value is UNKNOWN:
        raise Unknown("a condition reads what no profile says")
    return value


def _read_all(values: Sequence[Any]) -> list[Any]:
    return [_read(each) for each in values]


def _scope(walk: Walk, step: Any, env: Env, weight: float, key: int) -> float:
    def body(at: Env, reached: float, under: int) -> tuple[float, Any, Env]:
        given = [] if step.over is None else [at.values[0]]
        return walk.block(step.body, given, env, reached, under)

    return _inner(walk, step, env, weight, key, body)


def _call(walk: Walk, step: Any, env: Env, weight: float, key: int) -> float:
    called = walk.plan.flows[step.flow]

    def body(at: Env, reached: float, under: int) -> tuple[float, Any, Env]:
        given = [Later(partial(walk.values.of, arg, at)) for arg in step.args]
        return walk.block(called.body, given, None, reached, under)

    return _inner(walk, step, env, weight, key, body)


def _route(walk: Walk, step: Any, env: Env, weight: float, key: int) -> float:
    subject = None if step.subject is None else walk.values.of(step.subject, env)
    for index, arm in enumerate(step.arms):
        if arm.patterns and all(walk.values.of(each, env) != subject for each in arm.patterns):
            continue
        if arm.when is not None and not walk.values.of(arm.when, env):
            continue
        ends, gives, _ = walk.block(arm.body, [], env, weight, mix(key, index + 1))
        env.values[step.slot] = Later(partial(_read, gives))
        return ends
    return 1.0


def _repeat(walk: Walk, step: Any, env: Env, weight: float, key: int) -> float:
    times = walk.values.of(step.times, env)
    past: list[Later] = []
    ends: float = 1.0
    gives: Any = UNKNOWN
    for number in range(int(times)):
        before = [Later(partial(_read_all, list(past))), past[-1] if past else None]
        ended, gives, frame = walk.block(step.body, before, env, weight * ends, mix(key, number + 1))
        ends *= ended
        untils = [each for each in step.body.statements if each.kind == "until"]
        if untils and walk.values.of(untils[0].condition, frame):
            break
        past.append(Later(partial(_record, walk, step, frame)))
    else:
        if step.otherwise is not None:
            ended, gives, _ = walk.block(step.otherwise, [], env, weight * ends, mix(key, 0))
            ends *= ended
    env.values[step.slot] = Later(partial(_read, gives))
    return ends


def _record(walk: Walk, step: Any, frame: Env) -> dict[str, Any]:
    """What a round is remembered by."""
    slots = {name: slot for slot, name in enumerate(step.body.slots)}
    return {name: walk.values.slot(frame, slots[name]) for name in step.kept}


def _machine(walk: Walk, step: Any, env: Env, weight: float, key: int) -> float:
    visits = [0] * len(step.states)
    pasts: list[list[Later]] = [[] for _ in step.states]
    here, alive = step.initial, 1.0
    for _ in range(_MOVES_MOST if step.transitions is None else step.transitions + 1):
        state = step.states[here]
        if any(each.event == "signal" for each in state.transitions):
            raise Unknown("when a signal ends the visit of a state is not walked over")
        event, frame = "exhausted", env
        if state.visits is None or visits[here] < state.visits:
            visits[here] += 1
            under = mix(key, (here + 1 << 16) + visits[here])
            given = [Later(partial(_read_all, list(pasts[here]))), pasts[here][-1] if pasts[here] else None]
            ends, gives, frame = walk.block(state.body, given, env, weight * alive, under)
            if math.isnan(ends):
                raise Unknown("whether the visit of a state fails hangs on what no profile says")
            event, fails = "done", _failing(state)
            if not fails:
                alive *= ends
            elif ends < 1.0 and walk.drawn.uniform(under, 1) >= ends:
                event, frame = fails, env
                env.values[state.slot] = None
            if event == "done" and state.final:
                env.values[step.slot] = Later(partial(_read, gives))
                return alive
            if event == "done":
                record = Later(partial(_record, walk, state, frame))
                env.values[state.slot] = record
                pasts[here].append(record)
        ways = [each for each in state.transitions if each.event == event]
        way = next((each for each in ways if each.when is None or walk.values.of(each.when, frame)), None)
        if way is None:
            return 0.0
        here = way.target
    return 0.0


def _failing(state: Any) -> str:
    """The event by which a visit that fails leaves its state; none where the machine fails with it."""
    ways = {name: [each for each in state.transitions if each.event == name] for name in ("timeout", "failed")}
    if not ways["timeout"]:
        return "failed" if ways["failed"] else ""
    waits = {each.kind for each in state.body.statements} <= {"signal", "wait", "send", "let", "give"}
    alike = len({(each.target, each.when is None) for both in ways.values() for each in both}) == 1
    if waits or (alike and ways["failed"]):
        return "timeout"
    raise Unknown("whether a visit of a state fails by its timeout or otherwise is not walked over")


def _let(walk: Walk, step: Any, env: Env, _weight: float, _key: int) -> float:
    env.values[step.slot] = Later(partial(walk.values.of, step.value, env))
    return 1.0


def _fail(walk: Walk, step: Any, env: Env, _weight: float, _key: int) -> float:
    return 0.0 if step.when is None or walk.values.of(step.when, env) else 1.0


def _arbitrate(_walk: Walk, step: Any, _env: Env, _weight: float, _key: int) -> float:
    if any(rule.kind == "ask" for rule in step.rules):
        raise Unknown("how often somebody is asked to decide hangs on how the others vote")
    if step.early:
        raise Unknown("how many are stopped early hangs on who is fast")
    return 1.0


def _eval(walk: Walk, step: Any, _env: Env, weight: float, _key: int) -> float:
    share = weight * step.sample
    if step.pattern == "all":
        for each in step.candidates:
            walk.ask([each], 1.0, share)
    else:
        walk.ask(step.candidates, step.copies, share)
    return 1.0


STATEMENTS: Final[dict[str, Callable[[Walk, Any, Env, float, int], float]]] = {
    "task": _task,
    "effect": _effect,
    "signal": _signal,
    "scope": _scope,
    "flow": _call,
    "route": _route,
    "repeat": _repeat,
    "machine": _machine,
    "let": _let,
    "fail": _fail,
    "arbitrate": _arbitrate,
    "eval": _eval,
}
IDLE: Final = frozenset({"checkpoint", "wait", "revert", "send", "until"})
REASONS: Final = {
    "supervise": "what a lead asks for is not walked over",
    "peers": "whom peers hand over to is not walked over",
}
