"""What runs really took, in the terms of their bounds: seen by every kernel there is, while a test asks for it.

Left out of latency is every moment in which the bounds do not look: something waits (for a slot, a rate, a critical
section, room in a budget, identical work, the ledger), an effect is in doubt, somebody asked for more time than a
backoff gives, or a crash makes an attempt begin anew. What is left of a run is one in which all of that took no time.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from orchspec.compiler.bounds import FlowBounds, bounds_of
from orchspec.compiler.plan import Plan
from orchspec.runtime.journal.codec import encode_body
from orchspec.runtime.kernel.applying import Applying
from orchspec.runtime.kernel.budget import Account
from orchspec.runtime.kernel.calls import Calling
from orchspec.runtime.kernel.enclosures import Enclosing
from orchspec.runtime.kernel.evals import EvalTask
from orchspec.runtime.kernel.events import (
    CancelRequested,
    EffectChecked,
    EffectConfirmed,
    EffectRefused,
    EffectUnknown,
    EngineRecovered,
    RunStarted,
    TaskEnrolled,
    TaskFailed,
)
from orchspec.runtime.kernel.kernel import Kernel
from orchspec.runtime.kernel.table import (
    ASKING,
    CHECKING,
    CLAIMING,
    CLOSED,
    DOUBT,
    LOOKING,
    QUEUED,
    RESTING,
    RUNNING,
    SENT,
    UNFUNDED,
)
from orchspec.runtime.kernel.tasks import Task
from orchspec.runtime.recording import EventRecord

__all__ = ["Measured", "leaves", "measuring"]

_DOUBTS = frozenset({DOUBT, CHECKING, ASKING})
_WAITING = frozenset({QUEUED, UNFUNDED, LOOKING, CLAIMING, *_DOUBTS})
_SETTLES = (EffectConfirmed, EffectRefused, EffectChecked)
"""What the target says of an effect; until then one that nobody heard of is in doubt, also while it is sent again."""
_AGAIN = re.compile(r"[!~]\d+")


@dataclass(slots=True)
class Measured:
    """What one run took so far."""

    kernel: Kernel
    flow: str = ""
    started_us: int = 0
    last_us: int = 0
    apart: list[tuple[int, int]] = field(default_factory=list)
    waits: bool = False
    since: dict[tuple[int, int], int] = field(default_factory=dict)
    patient: set[int] = field(default_factory=set)
    doubtful: set[int] = field(default_factory=set)
    attempts: int = 0
    amplification: int = 0
    pieces: dict[str, int] = field(default_factory=dict)
    width: int = 0
    depth: int = 1
    records: int = 0
    bytes: int = 0
    over_pico: int = 0
    over_tokens: int = 0
    recovered: int = 0
    doubts: int = 0
    cancelled: int = 0

    def latency_us(self) -> int:
        """Of the whole run, without what is apart."""
        end = self.kernel.now if self.kernel.outcome_us is None else self.kernel.outcome_us
        covered = 0
        upto = self.started_us
        for first, last in sorted(self.apart):
            covered += max(0, last - max(first, upto))
            upto = max(upto, last)
        return end - self.started_us - covered

    # -------------------------------------------------------------- while it runs

    def before(self, event: Any) -> None:
        """An event is about to be handled."""
        now = event.time
        if isinstance(event, RunStarted):
            self.flow, self.started_us, self.last_us = event.flow, now, now
        if self.waits or isinstance(event, EngineRecovered):
            self.apart.append((self.last_us, now))
        if isinstance(event, EngineRecovered):
            self.recovered += 1
            for (place, number), since in self.since.items():
                activity = self.kernel.places[place]
                if activity is not None and activity.state in (RUNNING, SENT) and activity.attempt == number:  # type: ignore[attr-defined]
                    self.apart.append((since, now))
        if isinstance(event, TaskFailed | EffectRefused) and event.retry_after_us:
            self.patient.add(event.place)
        self.doubts += isinstance(event, EffectUnknown)
        self.cancelled += isinstance(event, CancelRequested)

    def after(self, event: Any, commands: list[Any], ignored: int) -> None:
        """It was handled; `ignored` is how many were ignored before."""
        kernel = self.kernel
        self.last_us = event.time
        late = kernel.ignored > ignored
        if not late:
            self.records += 1
            text, payloads = encode_body(EventRecord("run", 1, event, kernel, commands).body, "run", 1)
            self.bytes += len(text) + sum(map(len, (payloads or {}).values()))
            enrolled = kernel.places[event.place] if isinstance(event, TaskEnrolled) else None
            # Who is granted and waits for a fold of their session has used up no attempt.
            if enrolled is not None and _counts(enrolled) and enrolled.state == RUNNING:
                self.attempts += 1
                piece = _AGAIN.sub("", kernel.path(event.place))
                if piece.endswith("!fold"):  # the next fold of a session is no retry of the last one
                    piece += f" {event.place}"
                self.pieces[piece] = self.pieces.get(piece, 0) + 1
                self.amplification = max(self.amplification, self.pieces[piece])
        self.waits = False
        if isinstance(event, _SETTLES) and not late:
            self.doubtful.discard(event.place)
        running = 0
        for activity in kernel.places[1:]:
            assert activity is not None
            state = activity.state
            if isinstance(activity, Calling) and activity.inner is not None:
                self.depth = max(self.depth, _depth(activity))  # one that is over already was there all the same
            if state == CLOSED:
                continue
            asked = isinstance(activity, Enclosing) and activity.asked
            self.waits = self.waits or asked or state in _WAITING
            if isinstance(activity, Task | Applying):
                patient = state == RESTING and activity.place in self.patient
                self.waits = self.waits or patient
                self.waits = self.waits or (state == SENT and activity.place in self.doubtful)
                if state in _DOUBTS:
                    self.doubts += 1
                    self.doubtful.add(activity.place)
                    self.patient.add(activity.place)  # doubts lengthen the rests after them
                if state in (RUNNING, SENT):
                    self.since.setdefault((activity.place, activity.attempt), event.time)
            if _counts(activity):
                running += state == RUNNING
        self.width = max(self.width, running)


def _counts(activity: Any) -> bool:
    """Whether it is a task of the run: not one that looks at quality, nor a question of ours about a doubt."""
    return isinstance(activity, Task) and not isinstance(activity, EvalTask) and not activity.asking.doubt


def _depth(calling: Any) -> int:
    depth, around = 2, calling.frame.prefix
    while around is not None:
        depth += isinstance(around, Calling)
        around = around.frame.prefix
    return depth


@contextmanager
def measuring() -> Iterator[list[Measured]]:
    """Measures all runs that end meanwhile; gives them."""
    ended: list[Measured] = []
    known: dict[int, Measured] = {}
    owners: dict[int, Measured] = {}
    handle, settle, charge = Kernel.handle, Account.settle, Account.charge

    def root(account: Account) -> Measured | None:
        while account.parent is not None:
            account = account.parent
        return owners.get(id(account))

    def handled(kernel: Kernel, event: Any) -> list[Any]:
        measured = known.get(id(kernel))
        if measured is None or measured.kernel is not kernel:
            measured = known[id(kernel)] = Measured(kernel)
        if kernel.status is not None:
            return handle(kernel, event)
        measured.before(event)
        if kernel.account is not None:
            owners[id(kernel.account)] = measured
        ignored = kernel.ignored
        commands = handle(kernel, event)
        measured.after(event, commands, ignored)
        if kernel.status is not None:
            ended.append(measured)
        return commands

    def settled(self: Account, reserved_pico: int, reserved_tokens: int, pico: int, tokens: int) -> None:
        measured = root(self)
        if measured is not None:
            measured.over_pico += max(0, pico - reserved_pico)
            measured.over_tokens += max(0, tokens - reserved_tokens)
        settle(self, reserved_pico, reserved_tokens, pico, tokens)

    def charged(self: Account, pico: int, tokens: int) -> None:
        measured = root(self)
        if measured is not None:
            measured.over_pico += max(0, pico)
            measured.over_tokens += max(0, tokens)
        charge(self, pico, tokens)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Kernel, "handle", handled)
        patch.setattr(Account, "settle", settled)
        patch.setattr(Account, "charge", charged)
        yield ended


_BOUNDS: dict[str, dict[str, FlowBounds]] = {}


def leaves(plan: Plan, measured: Measured) -> list[str]:
    """In what a run has left the bounds of its flow; nothing, where they hold."""
    key = plan.hash or str(id(plan))
    if key not in _BOUNDS:
        _BOUNDS[key] = bounds_of(plan)
    bounds = _BOUNDS[key][measured.flow]
    kernel = measured.kernel
    account = kernel.account
    assert account is not None
    took = {
        "cost_usd": (account.charged_pico, account.charged_pico - measured.over_pico),
        "tokens": (account.charged_tokens, account.charged_tokens - measured.over_tokens),
        "attempts": (measured.attempts, measured.attempts),
        "latency_s": (kernel.now - measured.started_us, measured.latency_us()),
        "depth": (measured.depth, measured.depth),
        "width": (measured.width, measured.width),
        "retry_amplification": (measured.amplification, measured.amplification),
    }
    if not measured.recovered and not measured.doubts and not measured.cancelled:
        took["journal_records"] = (measured.records, measured.records)
        took["journal_bytes"] = (measured.bytes, measured.bytes)
    found = []
    for name, (whole, within) in took.items():
        found_range = bounds[name]
        if within > found_range.worst:
            found.append(f"{name}: {within} is above the worst case, {found_range.worst}")
        if kernel.status == "completed" and whole < found_range.best:
            found.append(f"{name}: {whole} is below the best case, {found_range.best}")
    if "journal_bytes" in took and measured.bytes > bounds["journal_bytes"].worst:
        found.append(f"journal: {measured.bytes}")
    return found
