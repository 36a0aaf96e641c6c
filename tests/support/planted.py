"""Bugs to plant: each a patch of kernel, dispatcher, ledger, journal, engine or clock, with what has to find it."""

import itertools

from orchspec.runtime import dispatcher, engine, ledger, pools
from orchspec.runtime.kernel import (
    applying,
    budget,
    deeds,
    events,
    frames,
    handlers,
    kernel,
    steps,
    table,
    tasks,
    waits,
)
from orchspec.runtime.kernel.commands import ArmTimer, EndRun, TryEffect
from orchspec.runtime.kernel.program import CompiledBlock
from orchspec.runtime.kernel.values import ContractCodec
from orchspec.simulator import clock, timing
from orchspec.simulator.checkers import CHECKERS, Checker

# ------------------------------------------------------------------ what is planted


def forgotten_key(patch):
    numbers = itertools.count()
    patch.setattr(deeds, "target_key", lambda key, generation: f"{next(numbers):064x}")


def confirmed_unasked(patch):
    """In doubt, the kernel takes it for done."""

    def guess(self, message, deadline_us):
        event = events.EffectConfirmed(self.kernel.now, self.place, self.attempt, self.dispatch, "guessed")
        self.confirmed(event)

    patch.setattr(applying.Applying, "_doubt", guess)
    for event in (events.TimerFired, events.EffectUnknown):
        patch.setitem(table.EFFECT_TABLE, (table.SENT, event), frozenset({table.DOUBT, table.CLOSED}))


def acts_before_the_commit(patch):
    """What the outside may see is carried out while its cause is not durable."""

    def commit(self, batch):
        acts = self._acts
        ends = []
        for run, command in self.engine.committed():
            if isinstance(command, EndRun):
                ends.append((run, command))
            else:
                acts[type(command)](run, command)
        self.targets.leave()
        if self.crashes is not None:
            self.crashes.reached("after_commit", self.now)
        self.journal.commit(batch)
        for run, command in ends:
            acts[EndRun](run, command)

    patch.setattr(clock.Clock, "commit", commit)


def undoes_nothing(patch):
    patch.setattr(kernel.Kernel, "unwind", lambda self, frame: frame.unwound())


def reserves_nothing(patch):
    def charge_only(self, pico, tokens):
        account = self
        while account is not None:
            account.open += 1
            account.attempts += 1
            account = account.parent

    patch.setattr(budget.Account, "reserve", charge_only)


def one_slot_too_many(patch):
    init = pools.Pool.__init__

    def made(self, name, index, slots, *rest, **named):
        init(self, name, index, None if slots is None else slots + 1, *rest, **named)

    patch.setattr(pools.Pool, "__init__", made)


def no_width(patch):
    go_on = steps.FanOutStep.go_on

    def wider(self):
        width, self.width = self.width, 99
        go_on(self)
        self.width = width

    patch.setattr(steps.FanOutStep, "go_on", wider)


def verifies_nothing(patch):
    """An output that breaks its contract counts as the last one that did not."""
    verify = ContractCodec.verify
    last = {}
    checking = []

    def trust(self, inputs, output):
        try:
            last[self] = verify(self, inputs, output)
        except tasks.Unverified:
            if checking or self not in last:
                raise
        return last[self]

    def checked(chronicle, told, check=CHECKERS["S5"].of_run):
        checking.append(1)
        try:
            yield from check(chronicle, told)
        finally:
            checking.clear()

    patch.setattr(ContractCodec, "verify", trust)
    patch.setitem(CHECKERS, "S5", Checker("verified", checked))


def waits_for_nothing(patch):
    """Tasks start before what they need."""
    init = CompiledBlock.__init__

    def made(self, program, block):
        init(self, program, block)
        for index, statement in enumerate(block.statements):
            if statement.kind == "task" and statement.needs:
                for op in self.ops:
                    op.dependents = tuple(each for each in op.dependents if each.index != index)
                self.waiting[index] = 0
                self.ready = (*self.ready, self.ops[index])

    patch.setattr(CompiledBlock, "__init__", made)


def keeps_grants(patch):
    """The grant of an attempt that failed is never given back."""
    failed = tasks.Task._failed

    def kept(self, code, message, pico, retry_after_us, outcome):
        failed(self, code, message, pico, retry_after_us, None)

    patch.setattr(tasks.Task, "_failed", kept)


def reissues_nothing(patch):
    patch.setattr(tasks.Task, "reissue", lambda self: None)


def forgets_timers_in_a_crash(patch):
    recovered = handlers.HANDLERS[handlers.EngineRecovered]

    def forgetful(self, event):
        recovered(self, event)
        self.out[:] = [each for each in self.out if getattr(each, "timer", "") not in {"backoff", "settle"}]

    patch.setitem(handlers.HANDLERS, handlers.EngineRecovered, forgetful)


def decides_by_chance(patch):
    numbers = itertools.count()
    decide = kernel.Kernel.decide

    def decided(self, what, detail):
        decide(self, what, f"{detail} {next(numbers)}" if what == "claimed" else detail)

    patch.setattr(kernel.Kernel, "decide", decided)


def sends_again_what_is_done(patch):
    recovered = handlers.HANDLERS[handlers.EngineRecovered]

    def again(self, event):
        recovered(self, event)
        for activity in self.places[1:]:
            if isinstance(activity, deeds.Deed) and activity.state == frames.Activity.CLOSED:
                key = deeds.target_key(activity.ledger_key, activity.generation)
                name, number = activity.effect.name, activity.dispatch + 1
                self.out.append(TryEffect(activity.place, activity.attempt, number, name, activity.args, key))

    patch.setitem(handlers.HANDLERS, handlers.EngineRecovered, again)


def tells_before_it_is_durable(patch):
    handle = engine.Engine._handle

    def handled(self, run, event, mail):
        before = len(self.committer._gated)
        handle(self, run, event, mail)
        for gated in self.committer._gated[before:]:
            if isinstance(gated[1], EndRun):
                self.timers._tell(run, gated[1].status, gated[1].result)
                self.committer._gated.remove(gated)
                break

    patch.setattr(engine.Engine, "_handle", handled)
    tell = clock.Clock._tell

    def told(self, run, *rest):
        if run in self.visits:
            tell(self, run, *rest)

    patch.setattr(clock.Clock, "_tell", told)


def loses_the_ledger(patch):
    """Rows of what was settled are not written."""
    settle = ledger.Ledger.settle

    def lost(self, *args, **named):
        answers, _ = settle(self, *args, **named)
        return answers, []

    patch.setattr(ledger.Ledger, "settle", lost)
    claim = ledger.Ledger.claim

    def unwritten(self, *args, **named):
        answer, _ = claim(self, *args, **named)
        return answer, []

    patch.setattr(ledger.Ledger, "claim", unwritten)


CANARIES = {
    forgotten_key: {"S1", "S2", "S12"},
    confirmed_unasked: {"S2"},
    acts_before_the_commit: {"S12"},
    undoes_nothing: {"S10"},
    reserves_nothing: {"S4", "S13"},
    one_slot_too_many: {"S8"},
    no_width: {"S8"},
    verifies_nothing: {"S5"},
    waits_for_nothing: {"S9", "S7"},
    keeps_grants: {"S13", "L1"},
    reissues_nothing: {"L1"},
    forgets_timers_in_a_crash: {"L1"},
    decides_by_chance: {"S7"},
    sends_again_what_is_done: {"S3"},
    tells_before_it_is_durable: {"S14", "S7"},
    loses_the_ledger: {"S2"},
}
"""By what each is found."""


# ------------------------------------------------------------------ alive, and too slow


def rests_twice(patch):
    """The kernel waits the backoff of a retry twice."""
    rest_us = tasks.rest_us
    patch.setattr(tasks, "rest_us", lambda *args: 2 * rest_us(*args))
    patch.setattr(deeds, "rest_us", lambda *args: 2 * rest_us(*args))


def rings_late(patch):
    """The driver arms every timer for half a minute later."""
    stand = timing.Timing._stand

    def late(self, run, place, timer, at_us, attempt):
        stand(self, run, place, timer, at_us + 30_000_000, attempt)

    patch.setattr(timing.Timing, "_stand", late)


def patient_twice(patch):
    """The kernel gives an attempt twice its deadline."""
    enrolled = tasks.Task.enrolled

    def doubled(self, event):
        before = len(self.kernel.out)
        enrolled(self, event)
        for command in self.kernel.out[before:]:
            if isinstance(command, ArmTimer) and command.timer == "attempt":
                command.at_us += command.at_us - self.kernel.now

    patch.setattr(tasks.Task, "enrolled", doubled)


def serves_at_the_next_poll(patch):
    """The dispatcher serves who waits at full half minutes only."""
    serve, wake = dispatcher.Dispatcher._serve, dispatcher.Dispatcher.next_wake_us

    def polled(self, pool, now_us, grants):
        if now_us % POLL_US == 0:
            serve(self, pool, now_us, grants)

    def woken(self, now_us):
        waiting = [pool for pool in self.pools.values() if pool.waiting]
        return now_us - now_us % POLL_US + POLL_US if waiting else wake(self, now_us)

    def all_served(self, now_us):
        grants = []
        for pool in self.pools.values():
            if pool.waiting:
                polled(self, pool, now_us, grants)
        return grants

    patch.setattr(dispatcher.Dispatcher, "_serve", polled)
    patch.setattr(dispatcher.Dispatcher, "next_wake_us", woken)
    patch.setattr(dispatcher.Dispatcher, "wake", all_served)


POLL_US = 30_000_000


def waits_twice(patch):
    """A wait takes twice as long as it says."""
    begin = waits.Waiting.begin

    def longer(self, opens_us):
        begin(self, opens_us + (opens_us - self.kernel.now))

    patch.setattr(waits.Waiting, "begin", longer)


SLOW = {
    rests_twice: {"L1"},
    rings_late: {"L1"},
    patient_twice: {"L1"},
    serves_at_the_next_poll: {"L1"},
    waits_twice: {"L1"},
}
"""Those that end every run, too late: they are found by the bounds that are proved, and by nothing else."""
