"""The outside of an engine under test: agents, people and targets of effects, who do what scripts say of them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from orchspec.compiler.plan import Plan
from orchspec.runtime.engine import Engine
from orchspec.runtime.kernel.commands import AnswerCall, AskPerson, CheckEffect, EndRun, RunTask, StopTask, TryEffect
from orchspec.runtime.kernel.events import (
    CostReported,
    EffectChecked,
    EffectConfirmed,
    EffectRefused,
    EffectRequested,
    EffectUnknown,
    QuestionAnswered,
    TaskFailed,
    TaskFulfilled,
    TaskStopped,
)
from tests.support.endings import Ending
from tests.support.plans import S

__all__ = ["Outside", "World"]


@dataclass
class World:
    """What effects did, by the key that their target received. A target drops what repeats a key."""

    applied: dict[str, tuple[str, Any, Any]] = field(default_factory=dict)
    deliveries: int = 0
    twice: list[str] = field(default_factory=list)

    def apply(self, effect: str, key: str, args: list[Any], value: Any, *, drops: bool = True) -> Any:
        """Do it, once; returns the receipt. A target that drops nothing does it twice."""
        self.deliveries += 1
        if key in self.applied and not drops:
            self.twice.append(effect)
        if key not in self.applied:
            receipt = value if value is not None else f"{effect}-{len(self.applied)}"
            self.applied[key] = (effect, args, receipt)
        return self.applied[key][2]

    def count(self, effect: str) -> int:
        """Applications of an effect."""
        return sum(1 for name, _, _ in self.applied.values() if name == effect)

    def standing(self) -> list[Any]:
        """Arguments of what was published and not retracted, in order."""
        gone = [args[0] for name, args, _ in self.applied.values() if name == "retract"]
        return [args[0] for name, args, receipt in self.applied.values() if name == "publish" and receipt not in gone]


class Outside:
    """Carries out commands by scripts. What comes of them is put on the agenda of the driver that this is a part of."""

    plan: Plan
    engine: Engine
    now: int

    def __init__(self, scripts: dict[str, Any], hangs_for: int | None) -> None:
        self.scripts = {
            name: list(script) if isinstance(script, (list, tuple)) else [script] for name, script in scripts.items()
        }
        self.hangs_for = hangs_for  # after which what hangs without a deadline fails, or is answered, all the same
        self.world = World()
        self.ended: dict[str, EndRun] = {}
        self.ended_at: dict[str, int] = {}
        self.told: list[tuple[int, str, Any]] = []
        self.answers: list[Any] = []
        self._chosen: dict[tuple[str, str, str, int], Ending] = {}
        self._used: dict[str, int] = {}
        self._sends = 0
        self._asking: dict[tuple[str, int, int], tuple[RunTask, Ending]] = {}
        self._refused: dict[str, int] = {}
        self._live: dict[tuple[str, int, int], Ending] = {}

    def _push(self, at_us: int, what: Any) -> None:
        """Put it on the agenda, for `_happen` at that time (microseconds)."""
        raise NotImplementedError

    def _point(self) -> None:
        """A point at which the engine may die."""
        raise NotImplementedError

    def _happen(self, kind: str, *what: Any) -> None:
        if kind == "look":
            run, command = what
            known = command.doubt in self.world.applied
            receipt = self.world.applied[command.doubt][2] if known else None
            answer = {"done": known, "result": receipt}
            self.engine.post(run, QuestionAnswered(self.now, command.place, command.attempt, answer, command.agent))
        elif kind == "checked":
            run, command = what
            receipt = self.world.applied.get(command.target_key, (None, None, None))[2]
            where = (self.now, command.place, command.attempt, command.dispatch)
            self.engine.post(run, EffectChecked(*where, True, receipt))
        elif kind == "ask":
            run, command, number = what
            if (run, command.place, command.attempt) in self._live:
                effect, args = self._asking[run, command.place, command.attempt][1].asks[number]
                where = (self.now, command.place, command.attempt, command.dispatch)
                self.engine.post(run, EffectRequested(*where, number, effect, args))
        elif kind == "effect":
            self._effect_ends(*what)
        else:
            run, event = what
            if isinstance(event, (TaskFulfilled, TaskFailed, QuestionAnswered)):
                self._live.pop((run, event.place, event.attempt), None)
            self.engine.post(run, replace(event, time=self.now))

    def _choose(self, run: str, name: str, place: int, attempt: int) -> Ending:
        key = (run, name, self.engine.kernels[run].path(place) if run in self.engine.kernels else str(place), attempt)
        chosen = self._chosen.get(key)
        if chosen is None:
            script = self.scripts.get(name)
            if callable(script[0] if script else None):
                chosen = script[0](key[2], attempt)
            elif script:
                used = self._used.get(name, 0)
                self._used[name] = used + 1
                chosen = script[min(used, len(script) - 1)]
            else:
                chosen = Ending()
            self._chosen[key] = chosen
        return chosen

    def _act(self, run: str, command: Any) -> None:
        self.told.append((self.now, run, command))
        if isinstance(command, EndRun):
            assert run not in self.ended, "a run ended twice"
            self.ended[run] = command
            self.ended_at[run] = self.now
        elif isinstance(command, TryEffect):
            self._send(run, command)
        elif isinstance(command, CheckEffect):
            self._check(run, command)
        elif isinstance(command, StopTask):
            self._stop(run, command)
        elif isinstance(command, RunTask):
            ending = self._choose(run, command.agent, command.place, command.attempt)
            self._live[run, command.place, command.attempt] = ending
            if ending.kind == "hangs" and command.deadline_us is None and self.hangs_for is not None:
                ending = replace(ending, kind="fails", takes=self.hangs_for)
            if ending.asks:
                self._asking[run, command.place, command.attempt] = (command, ending)
                self._push(self.now + ending.takes // 2, ("ask", run, command, 0))
            elif ending.kind != "hangs":
                event = self._task_event(command, ending)
                self._push(self.now + ending.takes, ("report", run, event))
                if ending.twice:
                    self._push(self.now + ending.takes + S, ("report", run, event))
        elif isinstance(command, AnswerCall):
            self._answered(run, command)
        else:
            assert isinstance(command, AskPerson)
            ending = self._choose(run, command.agent, command.place, command.attempt)
            if ending.kind == "hangs" and command.deadline_us is None and self.hangs_for is not None:
                ending = replace(ending, kind="done", takes=self.hangs_for)
            if ending.kind != "hangs" and command.doubt and ending.value == 1:
                self._push(self.now + ending.takes, ("look", run, command))
            elif ending.kind != "hangs":
                answer = QuestionAnswered(0, command.place, command.attempt, ending.value, command.agent)
                for _ in range(2 if ending.twice else 1):
                    self._push(self.now + ending.takes, ("report", run, answer))

    def _answered(self, run: str, command: AnswerCall) -> None:
        """The attempt asks for the next effect, or ends as its script says; whoever is refused fails."""
        self.answers.append(command.receipt if command.problem is None else command.code)
        asked = self._asking.get((run, command.place, command.attempt))
        if asked is None or (run, command.place, command.attempt) not in self._live:
            return
        task, ending = asked
        if command.problem is not None:
            ending = replace(ending, kind="fails")
        elif command.call + 1 < len(ending.asks):
            self._push(self.now, ("ask", run, task, command.call + 1))
            return
        if ending.kind != "hangs":
            self._push(self.now + ending.takes // 2, ("report", run, self._task_event(task, ending)))

    def _task_event(self, command: RunTask, ending: Ending) -> Any:
        place, attempt, dispatch = command.place, command.attempt, command.dispatch
        usage = (ending.tokens_in, ending.tokens_out, ending.cost)
        if ending.kind == "done":
            value = ending.value(command.inputs) if callable(ending.value) else ending.value
            return TaskFulfilled(0, place, attempt, dispatch, value, *usage, tool_us=ending.tool_us)
        return TaskFailed(
            0, place, attempt, dispatch, ending.code, "it failed", *usage, 0, ending.sent, ending.retry_after
        )

    def _stop(self, run: str, command: StopTask) -> None:
        ending = self._live.get((run, command.place, command.attempt))
        if command.person:
            return
        if ending is None:
            self._push(self.now, ("report", run, TaskStopped(0, command.place, command.attempt)))
        elif ending.stops is not None:
            at_us = self.now + ending.stops
            if ending.late_cost is not None:
                late = CostReported(0, command.place, command.attempt, 0, 0, ending.late_cost)
                self._push(at_us, ("report", run, late))
            self._live.pop((run, command.place, command.attempt))
            self._push(at_us, ("report", run, TaskStopped(0, command.place, command.attempt)))

    def _send(self, run: str, command: TryEffect) -> None:
        self._sends += 1
        ending = self._choose(run, command.effect, command.place, command.attempt)
        if ending.kind == "refuses" and command.target_key in self.world.applied:
            ending = replace(ending, kind="done")  # a target that has done it gives the first receipt again
        if ending.kind in ("done", "lost reply", "silent"):
            self._push(self.now + ending.takes, ("effect", run, command, ending, self._sends))
        elif ending.kind != "hangs":
            if ending.kind == "refuses":
                # A target takes what it gets in order: after it has refused this one, no earlier one lands any more.
                self._refused[command.target_key] = self._sends
            self._push(self.now + ending.takes, ("report", run, self._effect_event(command, ending, None)))

    def _check(self, run: str, command: CheckEffect) -> None:
        ending = self._choose(run, command.check, command.place, command.attempt)
        if ending.kind == "done":
            self._push(self.now + ending.takes, ("checked", run, command))
        elif ending.kind != "hangs":
            where = (0, command.place, command.attempt, command.dispatch)
            answer = EffectChecked(*where, False, None, "it failed")
            self._push(self.now + ending.takes, ("report", run, answer))

    def _effect_ends(self, run: str, command: TryEffect, ending: Ending, number: int) -> None:
        if number < self._refused.get(command.target_key, 0):
            return
        value = None if ending.value == 1 else ending.value
        effect = self.plan.effects[command.effect]
        drops = effect.key is not None or effect.idempotent
        receipt = self.world.apply(command.effect, command.target_key, command.args, value, drops=drops)
        self._point()
        if ending.kind != "silent":
            event = self._effect_event(command, ending, receipt)
            self.engine.post(run, event)
            if ending.twice:
                self.engine.post(run, event)

    def _effect_event(self, command: TryEffect, ending: Ending, receipt: Any) -> Any:
        where = (self.now, command.place, command.attempt, command.dispatch)
        if ending.kind == "done":
            return EffectConfirmed(*where, receipt)
        if ending.kind == "refuses":
            return EffectRefused(*where, "not today", ending.retry_after)
        return EffectUnknown(*where, "no reply")
