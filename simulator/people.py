"""People in virtual time: who is asked answers after a while, or never.

People stand outside the orchestrator: a question that was put to them stays with them through its crashes, and their
answer goes into the mailbox, which is durable. So an answer is given once, and consumed with the commit of the record
that takes it; one that a crash has overtaken is handed over when its question is put again. A mailbox is drained
before timers, so an answer that came by its deadline, while the orchestrator was down, wins over it; a later one loses,
unless the same has been asked again meanwhile. What nobody waits for any more is taken, too, and is ignored.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from orchspec.runtime.kernel.events import QuestionAnswered
from orchspec.runtime.kernel.sends import takes_answer_of
from orchspec.runtime.kernel.table import RUNNING
from orchspec.runtime.kernel.tasks import Task
from orchspec.runtime.made import MISTAKEN

if TYPE_CHECKING:
    from orchspec.runtime.engine import Engine
    from orchspec.runtime.kernel.commands import AskPerson, StopTask
    from orchspec.runtime.kernel.kernel import Kernel
    from orchspec.simulator.calendar import Due
    from orchspec.simulator.clock import Clock

__all__ = ["People"]

_Question = tuple[str, int, int]


class People:
    """Questions that lie with people (None: nobody will ever answer), and answers that lie in the mailbox.

    Attributes:
        is_left: whether answers may lie there that an engine which is up has not looked at.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._asked: dict[_Question, Due | None] = {}
        self._put: dict[tuple[str, int], tuple[int, int | None]] = {}
        self._handed_over: set[int] = set()
        self.is_left = False

    def moves(self, run: str) -> bool:
        """Whether somebody will answer a question of the run."""
        return any(key[0] == run and event is not None for key, event in self._asked.items())

    def ask(self, run: str, command: AskPerson) -> None:
        """Put a question to a person, unless it lies there already, or is answered."""
        clock = self._clock
        question = (run, command.place, command.attempt)
        visit = clock.visits[run]
        self._put[run, command.place] = (command.attempt, command.deadline_us)
        if clock.engine is not None and visit.kernel is not None and _waits(visit.kernel, *question[1:]):
            for number in [number for number, mail in clock.journal.mail.items() if mail[:2] == question[:2]]:
                self._hand_over(clock.engine, number)
        if question in self._asked or (command.place, command.attempt) in visit.answered:
            return
        assert visit.kernel is not None
        visit.asked += 1
        key = visit.kernel.draw_key(command.place)
        strike = clock.faults.strike(command.agent, key, command.attempt, clock.now)
        player = clock.cast.players[command.agent]
        sampled = player.attempt(command.contract, command.inputs, key, command.attempt, command.menu)
        if sampled.never or (strike is not None and (strike.never or strike.lost)):
            self._asked[question] = None
            return
        latency_us, output, doubt = sampled.latency_us, sampled.output, command.doubt
        if strike is not None:
            latency_us = strike.slowed(latency_us) + strike.delay_us
            what = (command.agent, command.contract, command.inputs, key, command.attempt)
            kind = strike.broken or ("garbage" if strike.fail is not None else None)
            if kind is not None and not (doubt and kind in MISTAKEN):
                output, doubt = clock.cast.broken(*what, kind), ""
        due = (question, output, command.agent, doubt, sampled.cost_pico)
        self._asked[question] = clock.at(clock.now + latency_us, self._answered, due)

    def withdraw(self, run: str, command: StopTask) -> None:
        """Nobody wants the answer any more."""
        self._asked.pop((run, command.place, command.attempt), None)
        self._put.pop((run, command.place), None)

    def resume(self, engine: Engine) -> None:
        """After a crash: what was answered by its deadline meanwhile is taken before timers are looked at.

        Questions are put again by the engine; what else lies in the mailbox is left for then.
        """
        self._put.clear()
        self._handed_over.clear()
        mails = self._clock.journal.mail
        for number, (run, place, told_us, value, who, cost_pico) in mails.items():
            kernel = engine.kernels.get(run)
            task = kernel.places[place] if kernel is not None else None
            if isinstance(task, Task) and takes_answer_of(task, told_us):
                self._handed_over.add(number)
                event = QuestionAnswered(self._clock.now, place, task.attempt, value, who, cost_pico=cost_pico)
                engine.post(run, event, number)
        self.is_left = bool(mails)

    def take_what_is_left(self, engine: Engine) -> None:
        """Hand over what nobody has asked for again: it is sure that nobody is about to."""
        self.is_left = False
        for number in list(self._clock.journal.mail):
            self._hand_over(engine, number)

    def _answered(self, event: Any) -> None:
        question, value, who, doubt, cost_pico = event.value
        if self._asked.get(question) is not event:
            return
        del self._asked[question]
        run, place, attempt = question
        visit = self._clock.visits.get(run)
        if visit is None:
            return
        visit.answered.add((place, attempt))
        if doubt:  # whether an effect was done is not made up: they look
            known, receipt = self._clock.world.find(doubt)
            value = {"done": known, "result": receipt}
        # Who answers again, or otherwise, is refused: the mailbox takes one answer for each asking.
        number = self._clock.journal.next_mail()
        self._clock.journal.mail[number] = (run, place, self._clock.told, value, who, cost_pico)
        if self._clock.engine is not None:
            self._hand_over(self._clock.engine, number)

    def _hand_over(self, engine: Engine, number: int) -> None:
        if number in self._handed_over:
            return
        self._handed_over.add(number)
        run, place, told_us, value, who, cost_pico = self._clock.journal.mail[number]
        attempt, deadline_us = self._put.get((run, place), (0, None))
        if deadline_us is not None and deadline_us < told_us:
            attempt = 0
        kernel = engine.kernels.get(run)
        if kernel is not None and not _waits(kernel, place, attempt):
            attempt = 0  # it was asked and withdrawn in one commit, or the engine died as it was about to say so
        engine.post(run, QuestionAnswered(self._clock.now, place, attempt, value, who, cost_pico=cost_pico), number)


def _waits(kernel: Kernel, place: int, attempt: int) -> bool:
    task = kernel.places[place]
    return isinstance(task, Task) and task.state == RUNNING and task.attempt == attempt
