"""What outlives a process of the real engine: targets and what is on its way to them, people, what faults counted.

It is handed from one life to the next, as the world outside is. A request that has left lands, whatever became of its
sender; an answer that was given lies in the mailbox.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from orchspec.simulator.crashes import Crashed, Crashes
from orchspec.simulator.faults import Faults

if TYPE_CHECKING:
    from orchspec.compiler.plan import Fault

__all__ = ["Answer", "Outside", "Request", "Sent"]


@dataclass(slots=True)
class Request:
    """A request on its way to the target of an effect, which drops repeats of a key where `drops`."""

    at_us: int
    number: int
    effect: str
    key: str
    receipt: Any
    drops: bool


@dataclass(slots=True)
class Answer:
    """What somebody will say at a time, into the mailbox: each value once. `doubt`: they look at the world first.

    `handed`: what breaks the contract comes from a handler that plays the person: the mailbox takes no such answer.
    """

    at_us: int
    number: int
    run: str
    place: str
    who: str
    values: list[Any]
    doubt: str = ""
    handed: bool = False


@dataclass(frozen=True, slots=True)
class Sent:
    """A signal that is sent once more at a time, with a value."""

    at_us: int
    signal: str
    inputs: list[Any]
    value: Any


@dataclass(slots=True)
class Outside:
    """The outside of one story. Times in microseconds since its beginning.

    Attributes:
        schedule: the faults as they are written.
        faults, crashes: the same, with what they have counted.
        key: of the draws that belong to no run.
        commits: how many batches have become durable.
        begun: whether any process has come up.
        now_us: the present; of a dead process, when it died.
        back_us: when the next process opens the store.
        landed: receipts by key, of what targets have done.
        applied: how often each key was done.
        requests: on their way.
        signals: by the key of the place that waits, after how long its signal comes, and with what; None: never.
        sent: by the key of the place that waits, a signal that is sent twice; None: it has been.
        answers: that people are about to give; None: they never will.
    """

    schedule: Sequence[Fault]
    faults: Faults
    crashes: Crashes
    key: int
    commits: int = 0
    begun: bool = False
    now_us: int = 0
    back_us: int = 0
    number: int = 0
    landed: dict[str, Any] = field(default_factory=dict)
    applied: dict[str, int] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)
    answers: dict[tuple[str, str, int], Answer | None] = field(default_factory=dict)
    signals: dict[int, tuple[int, Any] | None] = field(default_factory=dict)
    sent: dict[int, Sent | None] = field(default_factory=dict)

    @classmethod
    def under(cls, faults: Sequence[Fault], key: int) -> Outside:
        """The outside of a story that has not begun."""
        made = Faults(faults)
        return cls(list(faults), made, Crashes(made.crashes, made.breakdowns, key), key)

    def __reduce__(self) -> tuple[Any, ...]:
        """For the next process: native faults cannot be pickled, so they are made again and count on."""
        made = ("schedule", "faults", "crashes", "key")
        rest = {each.name: getattr(self, each.name) for each in fields(self) if each.name not in made}
        return _went_on, (self.schedule, self.key, self.faults.counted(), self.crashes.counted(), rest)

    def reached(self, point: str, now_us: int) -> None:
        """A point is passed at which a crash may strike. Raises Crashed where one does, with the time of the return."""
        try:
            self.crashes.reached(point, now_us)
        except Crashed as crashed:
            self.dies(crashed, now_us)
            raise

    def finds_no_room(self, now_us: int) -> bool:
        """Whether a commit that was kept waiting meets a disk that has become full."""
        try:
            self.crashes.written(now_us)
        except Crashed as crashed:
            self.dies(crashed, now_us)
            return True
        return False

    def dies(self, crashed: Crashed, now_us: int) -> None:
        """The process ends now."""
        self.now_us = now_us
        self.back_us = now_us + self.crashes.down_us(crashed.crash, now_us)

    def send_again(self, key: int, sent: Sent) -> None:
        """A signal will come once more."""
        self.sent.setdefault(key, sent)

    def sent_in_order(self) -> list[int]:
        """The places whose signals come once more, in the order in which they do."""
        times = {key: sent.at_us for key, sent in self.sent.items() if sent is not None}
        return sorted(times, key=lambda key: times[key])

    def ask(self, effect: str, key: str, receipt: Any, at_us: int, *, drops: bool) -> Request:
        """A request has left."""
        self.number += 1
        request = Request(at_us, self.number, effect, key, receipt, drops)
        self.requests.append(request)
        return request

    def lands(self, request: Request) -> Any:
        """A request lands: done, unless its target drops what it knows. Returns the first receipt of its key."""
        self.requests.remove(request)
        known = request.key in self.landed
        if not known or not request.drops:
            self.applied[request.key] = self.applied.get(request.key, 0) + 1
        return self.landed.setdefault(request.key, request.receipt)

    def find(self, key: str) -> tuple[bool, Any]:
        """Whether an effect of this key was done, and its receipt."""
        return key in self.landed, self.landed.get(key)

    def said(self, question: tuple[str, str, int], answer: Answer, put_in: Callable[[Answer, Any], None]) -> None:
        """Somebody answers: what they say goes into the mailbox, as often as they say it."""
        self.answers[question] = None
        values = answer.values
        if answer.doubt:
            known, receipt = self.find(answer.doubt)
            values = [{"done": known, "result": receipt}]
        for value in values:
            put_in(answer, value)

    def catch_up(self, until_us: int, put_in: Callable[[Answer, Any], None]) -> None:
        """What happened outside while no process was there, in the order in which it did."""
        due: list[tuple[int, int, Callable[[], Any]]] = [
            (request.at_us, request.number, partial(self.lands, request))
            for request in self.requests
            if request.at_us <= until_us
        ]
        due += [
            (answer.at_us, answer.number, partial(self.said, question, answer, put_in))
            for question, answer in self.answers.items()
            if answer is not None and not answer.handed and answer.at_us <= until_us
        ]
        for _, _, happens in sorted(due, key=lambda each: each[:2]):
            happens()


def _went_on(
    schedule: Sequence[Fault], key: int, faults: tuple[Any, ...], crashes: tuple[Any, ...], rest: dict[str, Any]
) -> Outside:
    outside = Outside.under(schedule, key)
    outside.faults.count_on(faults)
    outside.crashes.count_on(crashes)
    return replace(outside, **rest)
