"""Everybody outside the engine, for an interleaving: agents, people, targets and who sends signals.

Each is asked by a command and answers by an event, when and how somebody chooses. A choice that nobody can take does
nothing and says so.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from orchspec.runtime.draws import mix, uniform
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
from orchspec.runtime.signals import Arrival

if TYPE_CHECKING:
    from collections.abc import Callable

    from orchspec.runtime.kernel.commands import (
        AnswerCall,
        AskPerson,
        AwaitSignal,
        CheckEffect,
        RunTask,
        StopTask,
        TryEffect,
        WithdrawSignal,
    )
    from orchspec.runtime.made import Breakage
    from orchspec.simulator.chaos.interleaving import Interleaving

__all__ = ["ANSWERS", "REPLIES", "Outsiders"]

ANSWERS: Final = (
    *("well", "fail", "throttled", "garbage", "wrong", "truncated", "empty", "conflicting"),
)  # fmt: skip
"""How an agent may answer; people give what an agent would, and never fail. The first is the simplest."""
REPLIES: Final = ("confirm", "refuse", "unknown", "lands and is silent", "lands and breaks")
"""What may become of a request to a target. What does not land yet may do so later."""
_USUAL_US: Final = 1_000_000


@dataclass(slots=True)
class _Working:
    """An agent at work: what it asks for on its way, and whether it waits for that."""

    run: str
    command: RunTask
    key: int
    asks: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    waits: bool = False
    stopped: bool = False
    calls: int = 0


@dataclass(slots=True)
class _Request:
    """A request to a target, with the epoch that awaits its reply."""

    run: str
    command: TryEffect
    key: int
    epoch: int


class Outsiders:
    """Whoever was asked, by what identifies the asking."""

    def __init__(self, driver: Interleaving) -> None:
        self._driver = driver
        self.working: dict[tuple[str, int, int], _Working] = {}
        self.questions: dict[tuple[str, int, int], tuple[AskPerson, int]] = {}
        self.signals: dict[tuple[str, int], tuple[AwaitSignal, int]] = {}
        self.requests: list[_Request] = []
        self.late: list[_Request] = []
        self.checks: list[tuple[str, CheckEffect]] = []
        self._answered: set[tuple[str, int, int]] = set()
        self._signalled: set[tuple[str, int]] = set()

    # -------------------------------------------------------------- being asked

    def asked_agent(self, run: str, command: RunTask) -> None:
        """An agent is asked for an attempt."""
        driver = self._driver
        key = driver.draw_key(run, command.place)
        player = driver.cast.players[command.agent]
        sampled = player.attempt(command.contract, command.inputs, key, command.attempt, command.menu)
        asks = [(name, args) for _, name, args in sampled.effects or ()]
        self.working[run, command.place, command.attempt] = _Working(run, command, key, asks)

    def asked_person(self, run: str, command: AskPerson) -> None:
        """A question is put to a person, unless it lies there already, or is answered."""
        question = (run, command.place, command.attempt)
        if question not in self._answered:
            self.questions.setdefault(question, (command, self._driver.draw_key(run, command.place)))

    def awaited(self, run: str, command: AwaitSignal) -> None:
        """A signal is waited for."""
        if (run, command.place) not in self._signalled:
            self.signals.setdefault((run, command.place), (command, self._driver.draw_key(run, command.place)))

    def withdrawn(self, run: str, command: WithdrawSignal) -> None:
        """A signal is waited for no more."""
        self.signals.pop((run, command.place), None)

    def told_to_stop(self, run: str, command: StopTask) -> None:
        """An attempt is told to stop, which it does when it is chosen to; a question is withdrawn at once."""
        where = (run, command.place, command.attempt)
        if command.person:
            self.questions.pop(where, None)
            self._driver.engine.post(run, TaskStopped(self._driver.now, *where[1:], command.dispatch))
        elif where in self.working:
            self.working[where].stopped = True
        else:
            self._driver.engine.post(run, TaskStopped(self._driver.now, *where[1:], command.dispatch))

    def answered_call(self, run: str, command: AnswerCall) -> None:
        """An agent learns what became of the effect that it asked for; one that did not come about fails it."""
        work = self.working.get((run, command.place, command.attempt))
        if work is None or work.command.dispatch != command.dispatch:
            return
        work.waits = False
        if command.problem is not None:
            self._fail(work, command.problem)

    def sent(self, run: str, command: TryEffect) -> None:
        """A request leaves for its target."""
        key = self._driver.draw_key(run, command.place)
        self.requests.append(_Request(run, command, key, self._driver.epoch))

    def checked(self, run: str, command: CheckEffect) -> None:
        """Somebody asks whether an effect was done."""
        self.checks.append((run, command))

    def crash(self) -> None:
        """The process is gone, with the agents that it called and the replies that it awaited."""
        self.working.clear()
        self.checks.clear()
        for request in self.requests:
            self._leave(request)
        self.requests.clear()

    def _leave(self, request: _Request) -> None:
        """Nobody awaits the reply; it may land later if its target drops repeats, else it lands now or never."""
        if self._repeats(request):
            self.late.append(request)

    def _repeats(self, request: _Request) -> bool:
        effect = self._driver.plan.effects[request.command.effect]
        return effect.key is not None or effect.idempotent

    def forget(self, run: str) -> None:
        """A run has ended: nobody who works for it is listened to."""
        for held in (self.working, self.questions):
            for key in [key for key in held if key[0] == run]:
                del held[key]
        for wait in [wait for wait in self.signals if wait[0] == run]:
            del self.signals[wait]

    def deliver(self) -> None:
        """After a crash: hand over whatever lies in the mailbox."""
        driver = self._driver
        for number, (run, place, attempt, value, who, _) in driver.journal.mail.items():
            driver.engine.post(run, QuestionAnswered(driver.now, place, attempt, value, who), number)
        for arrival in driver.journal.signals.values():
            driver.engine.signal(arrival, driver.now)

    # -------------------------------------------------------------- agents

    def answer(self, number: int, how: str) -> bool:
        """One of the agents at work goes on: asks for an effect, or answers in one of the ways of `ANSWERS`."""
        ready = [work for work in self.working.values() if not work.waits or work.stopped]
        if not ready:
            return False
        work = ready[number % len(ready)]
        if work.stopped:
            self._stop(work, speaks=how == "well")
        elif how in ("fail", "throttled"):
            self._fail(work, "chosen", throttled=how == "throttled")
        elif work.asks:
            name, args = work.asks.pop(0)
            work.waits, work.calls = True, work.calls + 1
            where = (work.command.place, work.command.attempt, work.command.dispatch)
            self._post(work.run, EffectRequested(self._driver.now, *where, work.calls - 1, name, args))
        else:
            self._fulfil(work, how)
        return True

    def _fulfil(self, work: _Working, how: str) -> None:
        command, driver = work.command, self._driver
        del self.working[work.run, command.place, command.attempt]
        sampled = driver.cast.players[command.agent].attempt(
            command.contract, command.inputs, work.key, command.attempt, command.menu
        )
        output = sampled.output if how == "well" else self._broken(work, how)  # type: ignore[arg-type]
        event = TaskFulfilled(
            *(driver.now, command.place, command.attempt, command.dispatch, output),
            *(sampled.tokens_in, sampled.tokens_out, sampled.cost_pico),
        )
        self._post(work.run, event)

    def _broken(self, work: _Working, kind: Breakage) -> Any:
        command = work.command
        what = (command.agent, command.contract, command.inputs, work.key, command.attempt)
        return self._driver.cast.broken(*what, kind)

    def _fail(self, work: _Working, message: str, *, throttled: bool = False) -> None:
        command, driver = work.command, self._driver
        self.working.pop((work.run, command.place, command.attempt), None)
        where = (driver.now, command.place, command.attempt, command.dispatch)
        if throttled:
            self._post(work.run, TaskFailed(*where, "throttled", "429", 0, 0, 0, 0, False, _USUAL_US))
        else:
            self._post(work.run, TaskFailed(*where, "agent_error", message))

    def _stop(self, work: _Working, *, speaks: bool) -> None:
        """It has heard that it is to stop: it says what it cost, or gives its output all the same, too late."""
        command, driver = work.command, self._driver
        where = (driver.now, command.place, command.attempt)
        if speaks:
            self._fulfil(work, "well")
            return
        del self.working[work.run, command.place, command.attempt]
        self._post(work.run, CostReported(*where, 10, 10, None))
        self._post(work.run, TaskStopped(*where, command.dispatch))

    def _post(self, run: str, event: Any) -> None:
        if run in self._driver.engine.kernels:
            self._driver.engine.post(run, event)

    # -------------------------------------------------------------- targets

    def reply(self, number: int, how: str) -> bool:
        """One of the requests fares in one of the ways of `REPLIES`."""
        if not self.requests:
            return False
        request = self.requests[number % len(self.requests)]
        command, driver = request.command, self._driver
        known = driver.world.find(command.target_key)[0]
        on_its_way = any(each.command.target_key == command.target_key for each in (*self.late, *self.requests)
                         if each is not request)  # fmt: skip
        silent = how == "lands and is silent" or (how == "unknown" and command.deadline_us is not None)
        if how == "refuse" and (known or on_its_way):
            how = "confirm"  # a refusal speaks for the key: who did it, or may yet, does not say no
        self.requests.remove(request)
        where = (driver.now, command.place, command.attempt, command.dispatch)
        if how == "refuse":
            self._post(request.run, EffectRefused(*where, "chosen"))
            return True
        if how != "unknown":
            receipt = self._land(request)
            if how == "confirm":
                self._post(request.run, EffectConfirmed(*where, receipt))
        elif self._repeats(request):
            self.late.append(request)
        if how == "lands and breaks" or (how != "confirm" and (command.deadline_us is None or not silent)):
            self._post(request.run, EffectUnknown(*where, "chosen"))
        return True

    def land(self, number: int) -> bool:
        """A request that nobody awaits any more lands."""
        if not self.late:
            return False
        self._land(self.late.pop(number % len(self.late)))
        return True

    def _land(self, request: _Request) -> Any:
        driver, command = self._driver, request.command
        receipt = driver.cast.players[command.effect].receipt(command.args, request.key)
        return driver.world.apply(request.run, command.effect, command.args, command.target_key, receipt)

    def look(self, number: int, *, answers: bool) -> bool:
        """One of the checks is answered, or fails."""
        if not self.checks:
            return False
        driver = self._driver
        run, command = self.checks.pop(number % len(self.checks))
        known, receipt = driver.world.find(command.target_key)
        if known:
            player = driver.cast.players[command.check]
            receipt = player.found(command.args, int(command.target_key[:16], 16), receipt)
        where = (driver.now, command.place, command.attempt, command.dispatch)
        said = "" if answers else "chosen"
        self._post(run, EffectChecked(*where, answers, receipt if known and answers else None, said))
        return True

    # -------------------------------------------------------------- people, and signals

    def say(self, number: int, how: str, *, twice: bool = False) -> bool:
        """A person answers one of the questions, or says something twice."""
        if not self.questions:
            return False
        driver = self._driver
        where = list(self.questions)[number % len(self.questions)]
        command, key = self.questions.pop(where)
        self._answered.add(where)
        if command.doubt:  # whether an effect was done is not made up: they look
            known, receipt = driver.world.find(command.doubt)
            values: list[Any] = [{"done": known, "result": receipt}]
        else:
            maker = driver.cast.players[command.agent].maker(command.contract)
            draw = partial(uniform, key, command.attempt)
            kinds = ("well", "conflicting") if twice else (how if how in ("wrong", "conflicting") else "well",)
            values = [
                maker.make(command.inputs, draw, command.menu)
                if kind == "well"
                else maker.broken(kind, command.inputs, draw)  # type: ignore[arg-type]
                for kind in kinds
            ]
        for value in values:
            mail = driver.journal.next_mail()
            driver.journal.mail[mail] = (*where, value, command.agent, None)
            if where[0] in driver.engine.kernels:
                event = QuestionAnswered(driver.now, *where[1:], value, command.agent)
                driver.engine.post(where[0], event, mail)
        return True

    def signal(self, number: int) -> bool:
        """One of the signals that are waited for comes."""
        if not self.signals:
            return False
        driver = self._driver
        wait = list(self.signals)[number % len(self.signals)]
        command, key = self.signals.pop(wait)
        self._signalled.add(wait)
        sent = driver.cast.players[command.signal].signal(command.inputs, mix(key, 1))
        if sent is None:
            return True
        arrival = Arrival(driver.journal.next_mail(), command.signal, command.key, sent[1], driver.now)
        driver.journal.signals[arrival.number] = arrival
        driver.engine.signal(arrival, driver.now)
        return True

    @property
    def open(self) -> int:
        """How many were asked and have not answered."""
        return sum(map(len, (self.working, self.requests, self.checks, self.questions, self.signals)))

    def somebody(self, which: int, how: int) -> None:
        """One of all that were asked answers, in the way of that number (0: well)."""
        people = ("well", "wrong", "conflicting")
        choices: list[Callable[[], bool]] = [
            *(partial(self.answer, at, ANSWERS[how % len(ANSWERS)]) for at in range(len(self.working))),
            *(partial(self.reply, at, REPLIES[how % len(REPLIES)]) for at in range(len(self.requests))),
            *(partial(self.look, at, answers=how % 2 == 0) for at in range(len(self.checks))),
            *(partial(self.say, at, people[how % 3], twice=how % 2 == 1) for at in range(len(self.questions))),
            *(partial(self.signal, at) for at in range(len(self.signals))),
        ]
        choices[which % len(choices)]()

    def all_answer(self) -> bool:
        """Everybody who was asked answers well, in order. False if nobody was."""
        found = False
        for choice in (
            partial(self.answer, 0, "well"),
            partial(self.reply, 0, "confirm"),
            partial(self.land, 0),
            partial(self.look, 0, answers=True),
            partial(self.say, 0, "well"),
            partial(self.signal, 0),
        ):
            found = choice() or found
        return found
