"""People: questions that wait for them, and the mail that brings answers, signals and cancellations.

A question is durable before it is put; whoever answers may do so from another process, into the store's mailbox. Mail
is drained before timers, so that what was put in by a deadline wins over it; what came later loses.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from orchspec.runtime.driver.mailbox import UnfitSignal, resolved_key
from orchspec.runtime.kernel.events import CancelRequested, QuestionAnswered
from orchspec.runtime.kernel.sends import takes_answer_of
from orchspec.runtime.kernel.tasks import Task
from orchspec.runtime.kernel.values import Unverified
from orchspec.runtime.signals import KEPT_US, Arrival

if TYPE_CHECKING:
    from orchspec.runtime.driver.attempts import Attempts
    from orchspec.runtime.driver.live import LiveRun, Loop
    from orchspec.runtime.journal.records import Mail
    from orchspec.runtime.journal.store import Store
    from orchspec.runtime.kernel.commands import AskPerson, StopTask
    from orchspec.runtime.kernel.kernel import Kernel

__all__ = ["People", "Question"]


@dataclass(frozen=True, slots=True)
class Question:
    """A question that was put and has no answer. `asked_us`: when first, however often it was put again since."""

    place: int
    attempt: int
    who: str
    contract: str
    inputs: list[Any]
    deadline_us: int | None
    asked_us: int


class People:
    """The open questions of one loop.

    Attributes:
        is_left: whether an answer lies in the mailbox of which it was not sure yet that nobody waits for it.
    """

    def __init__(self, loop: Loop, store: Store, attempts: Attempts, asked: dict[tuple[str, str], int]) -> None:
        self._loop = loop
        self._store = store
        self._attempts = attempts
        self._asked = asked
        self._taken: set[int] = set()
        self.open: dict[tuple[str, str], Question] = {}
        self.is_left = False
        self._in_time: dict[tuple[str, str], int] = {}

    # -------------------------------------------------------------- questions

    def ask(self, live: LiveRun, command: AskPerson) -> None:
        """Put a question: to the person's player if there is one, else it waits in the inbox."""
        kernel = live.kernel
        assert kernel is not None
        key = (live.run, kernel.path(command.place))
        asked_us = self._asked.pop(key, None)
        if self._in_time.pop(key, 0) == command.attempt:
            return  # answered already, as this engine came
        question = Question(
            command.place,
            command.attempt,
            command.agent,
            command.contract,
            command.inputs,
            command.deadline_us,
            self._loop.clock.now_us() if asked_us is None else asked_us,
        )
        self.open[key] = question
        if asked_us is not None:
            # What was answered while nobody was here is taken now, not when the mailbox is looked into next.
            self._loop.asyncio_loop.call_soon(self._loop.poll)
        player = live.crew.human(command.agent, doubt=bool(command.doubt))
        if player is not None:
            self._attempts.ask(live, command, player, question.asked_us)

    def withdraw(self, run: str, kernel: Kernel, command: StopTask) -> None:
        """A question is not to be answered any more."""
        self.open.pop((run, kernel.path(command.place)), None)
        self._attempts.stop(run, command)

    def forget(self, run: str) -> None:
        """A run has ended: nobody is asked for it any more."""
        for key in [key for key in self.open if key[0] == run]:
            del self.open[key]

    def answered(self, run: str, kernel: Kernel, place: int) -> None:
        """A question has got its answer, from wherever."""
        question = self.open.pop((run, kernel.path(place)), None)
        if question is not None:
            self._attempts.withdraw(run, place, question.attempt)

    # -------------------------------------------------------------- mail

    def resume(self) -> None:
        """What was answered by its deadline while no engine was there is taken before timers are looked at."""
        loop = self._loop
        for mail in self._store.pending_mail():
            run, path = mail.run or "", mail.place or ""
            kernel = loop.engine.kernels.get(run)
            if mail.kind != "answer" or kernel is None or mail.id in self._taken:
                continue
            place = _place(kernel, path)
            task = kernel.places[place] if place is not None else None
            if place is None or not isinstance(task, Task) or not takes_answer_of(task, mail.posted_us):
                continue
            try:
                kernel.program.contracts[task.asking.contract].verify(task.inputs, mail.value)
            except Unverified:
                continue  # it is told and asked for again once the question is put again
            self._taken.add(mail.id)
            self._in_time[run, path] = task.attempt
            loop.post(run, QuestionAnswered(0, place, task.attempt, mail.value, mail.by or ""), mail.id)

    def poll(self) -> None:
        """Post what the mailbox holds for the runs of this loop."""
        self.is_left = False
        pending = self._store.pending_mail()
        self._taken.intersection_update([mail.id for mail in pending])  # what is no longer there is not seen again
        for mail in pending:
            if mail.id in self._taken:
                continue
            if mail.kind == "signal":
                self._signal(mail)
            if mail.run is None:
                continue
            live = self._loop.lives.get(mail.run)
            kernel = self._loop.engine.kernels.get(mail.run)
            if live is None or kernel is None:
                continue
            if mail.kind == "cancel":
                self._taken.add(mail.id)
                self._loop.post(mail.run, CancelRequested(0, _reason(mail)), mail.id)
            elif mail.kind == "answer":
                self._answer(mail, mail.run, kernel)

    def _signal(self, mail: Mail) -> None:
        loop = self._loop
        name = mail.name or ""
        try:
            key = resolved_key(name, mail.key or "", [live.plan for live in loop.lives.values()])
        except UnfitSignal as error:
            loop.tell(f"the signal {name} that was sent before any run knew it is not used: {error}")
            key = ""
        if key is None and loop.clock.now_us() <= mail.posted_us + KEPT_US:
            return  # nobody here knows it; the next run may
        self._taken.add(mail.id)
        if not key:
            loop.engine.committer.take_mail(mail.id)
            loop.schedule()
            return
        arrival = Arrival(mail.id, name, key, mail.value, mail.posted_us)
        loop.engine.signal(arrival, loop.clock.now_us())
        loop.schedule()

    def _answer(self, mail: Mail, run: str, kernel: Kernel) -> None:
        loop = self._loop
        path = mail.place or ""
        question = self.open.get((run, path))
        if question is None:
            self._stale(mail, run, path, kernel)
            return
        self._taken.add(mail.id)
        if question.deadline_us is not None and question.deadline_us < mail.posted_us:
            # It came after the deadline, even if both are seen only now: the timeout stands.
            loop.tell(f"the answer to {path} of run {run} came after its deadline; it is not used")
            loop.post(run, QuestionAnswered(0, question.place, 0, mail.value, mail.by or ""), mail.id)
            return
        try:
            kernel.program.contracts[question.contract].verify(question.inputs, mail.value)
        except Unverified as error:
            loop.tell(f"the answer to {path} of run {run} is not used: {error.reason}; answer it again")
            self._reopen(mail, run, path)
            return
        loop.post(run, QuestionAnswered(0, question.place, question.attempt, mail.value, mail.by or ""), mail.id)

    def _stale(self, mail: Mail, run: str, path: str, kernel: Kernel) -> None:
        # Nothing waits for it: consumed as a late event, if it is sure that it will not be asked just now.
        loop = self._loop
        if not loop.engine.committer.idle or loop.engine.inbox:
            self.is_left = True
            return
        place = _place(kernel, path)
        self._taken.add(mail.id)
        loop.tell(f"the answer to {path} of run {run} is not used: it does not wait for one")
        if place is None:
            loop.engine.committer.take_mail(mail.id)
            loop.schedule()
        else:
            loop.post(run, QuestionAnswered(0, place, 0, mail.value, mail.by or ""), mail.id)

    def _reopen(self, mail: Mail, run: str, path: str) -> None:
        # The mailbox takes one answer for each asking: the question is put again, so that another may be given.
        committer = self._loop.engine.committer
        committer.take_mail(mail.id)
        for row in self._store.questions():
            if (row.run, row.place) == (run, path):
                committer.open_question(row)
        self._loop.schedule()


def _reason(mail: Mail) -> str:
    return f"cancelled by {mail.by}" if mail.by else "cancelled"


def _place(kernel: Kernel, path: str) -> int | None:
    for place, activity in enumerate(kernel.places):
        if isinstance(activity, Task) and activity.path() == path:
            return place
    return None
