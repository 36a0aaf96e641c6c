"""A task in search of an agent.

What is asked, whether it is done already, what it may spend, the request itself, and what all of it comes to.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, TypeAlias

from orchspec.compiler.plan import canonical_json
from orchspec.runtime.kernel.commands import (
    ArmTimer,
    DropTimer,
    KeepReuse,
    LookupReuse,
    ReleaseGrant,
    RequestGrant,
)
from orchspec.runtime.kernel.expressions import ExpressionError
from orchspec.runtime.kernel.frames import Activity, Failure, Frame, Owner
from orchspec.runtime.kernel.pricing import clip, spent, used
from orchspec.runtime.kernel.program import Link, Op, Seat
from orchspec.runtime.kernel.table import LOOKING, QUEUED, UNFUNDED
from orchspec.runtime.kernel.values import InvalidValue, Unverified

if TYPE_CHECKING:
    from orchspec.compiler.plan import Tier
    from orchspec.runtime.kernel.budget import Account
    from orchspec.runtime.kernel.events import ReuseAnswered
    from orchspec.runtime.kernel.loops import Vetting
    from orchspec.runtime.kernel.requests import Requests
    from orchspec.runtime.kernel.sessions import Recall

__all__ = ["Asking", "Offer", "Seeking"]

Offer: TypeAlias = "tuple[Seat, Tier, int, int]"
"""Who could do it with which model, and what is reserved for that: pico-dollars and tokens."""


class Asking:
    """What is asked, and of whom: fixed for all attempts, and for all tasks of a step. A step compiles its own once.

    `names` are those asked. `sole` is the offer to the only one of them, where it is the same whatever is left of a
    budget. `watch`: how long it takes is of interest to hedges. `recalls`: it summarizes the session of another task.
    `minded`: a session may be needed. `metered`: a model may be used that has limits. `doubt`: the key that the target
    of an effect got, where a person is asked whether it was done. `vetting` has a say in what is given, beyond the
    contract.
    """

    __slots__ = (
        "contract",
        "doubt",
        "gates",
        "links",
        "metered",
        "minded",
        "names",
        "prefer",
        "recalls",
        "reusable",
        "seats",
        "sole",
        "vetting",
        "watch",
        "within_us",
    )

    def __init__(
        self,
        contract: str,
        seats: tuple[Seat, ...],
        *,
        links: tuple[Link, ...] = (),
        prefer: str = "in_order",
        reusable: bool = False,
        within_us: int | None = None,
        gates: tuple[str, ...] = (),
        watched: bool = False,
        doubt: str = "",
        vetting: Vetting | None = None,
        recalls: bool = False,
    ) -> None:
        self.contract = contract
        self.gates = gates
        self.names = tuple([seat.agent for seat in seats])
        self.watch = (contract, tuple([seat.share for seat in seats])) if watched else None
        self.doubt = doubt
        self.recalls = recalls
        self.seats = seats
        self.links = links
        self.prefer = prefer
        self.reusable = reusable
        self.within_us = within_us
        self.vetting = vetting
        self.metered = any(seat.metered for seat in seats)
        self.minded = recalls or any(seat.session for seat in seats)
        if self.minded and any(seat.mind is not None and seat.mind.persistent for seat in seats):
            self.reusable = False  # what a mind says depends on what it remembers
        self.sole: tuple[Offer, ...] | None = None
        if len(seats) == 1 and len(seats[0].tiers) == 1:
            tier = seats[0].tiers[0]
            self.sole = ((seats[0], tier, tier.reserve_cost_pico, tier.reserve_tokens),)


class Seeking(Activity):
    """One asking of one agent at one place."""

    __slots__ = (
        "asking",
        "attempt",
        "deadline_us",
        "dispatch",
        "failure",
        "fold",
        "folds",
        "hedge",
        "hedge_after_us",
        "inbox",
        "inputs",
        "offers",
        "pico",
        "posted",
        "previous_error",
        "reads",
        "recall",
        "rest_at_us",
        "requests",
        "reuse_key",
        "seat",
        "sessions",
        "tier",
        "tokens",
        "urgency",
        "used",
        "within_at_us",
    )

    def __init__(
        self,
        frame: Frame,
        op: Op,
        owner: Owner,
        index: int,
        ordinal: int,
        label: str,
        asking: Asking,
        inputs: list[Any],
        urgency: int = 0,
    ) -> None:
        # As `Activity` does it, without a call: there is a task for each item of each fan-out.
        kernel = frame.kernel
        self.kernel = kernel
        self.frame = frame
        self.op = op
        self.owner = owner
        self.index = index
        self.ordinal = ordinal
        self.label = label
        self.account = frame.account
        self.state = -1
        self.place = len(kernel.places)
        kernel.places.append(self)
        owner.adopt(self)
        self.asking = asking
        self.urgency = urgency
        self.inputs = inputs
        self.attempt = 1
        self.dispatch = 0
        self.seat: Seat | None = None
        self.tier: Tier | None = None
        self.offers: tuple[Offer, ...] = ()
        self.pico = 0
        self.tokens = 0
        self.deadline_us: int | None = None
        self.within_at_us: int | None = None
        self.previous_error: str | None = None
        self.rest_at_us = 0
        self.reuse_key: str | None = None
        self.requests: Requests | None = None
        self.hedge: Seeking | None = None
        self.hedge_after_us: int | None = None
        self.failure: Failure | None = None
        self.inbox: list[Any] | None = None
        self.sessions: tuple[tuple[str, str, str], ...] = ()
        self.recall: Recall | None = None
        self.reads = 0
        self.fold: Activity | None = None
        self.folds = 0
        self.posted: list[Any] | None = None

    def _accept(self, output: Any) -> Any:
        """The verified value of an output, which whoever asked permits; raises Unverified."""
        raise NotImplementedError

    def _finish(self, value: Any) -> None:
        """A verified value: the task is done."""
        raise NotImplementedError

    def _exhausted(self, failure: Failure) -> None:
        """The task has failed for good."""
        raise NotImplementedError

    def start(self) -> None:
        """Look for identical work where the contract says so, else ask for an agent."""
        kernel = self.kernel
        asking = self.asking
        kernel.tasks_open += 1
        where = kernel.program.contracts[asking.contract].inputs.where
        if where is not None:
            try:
                where(self.inputs)
            except InvalidValue as error:
                self._exhausted(Failure("bad_input", f"{self.path()}: {error}", self.path()))
                return
        if asking.within_us is not None:
            self.within_at_us = kernel.now + asking.within_us
            kernel.out.append(ArmTimer(self.place, "within", self.within_at_us))
        if asking.reusable:
            self.name_work()
            if self.reuse_key is not None:
                self.state = LOOKING
                kernel.out.append(LookupReuse(self.place, self.reuse_key))
                return
        self.fund()

    def name_work(self) -> None:
        """What identical work is known by, where the contract lets it be used again."""
        kernel = self.kernel
        ttl = kernel.program.ttl[self.asking.contract]
        if ttl is not None:
            self.reuse_key = self._work_hash(kernel.run if ttl == "run" else "")

    def _work_hash(self, within: str) -> str:
        contract = self.kernel.program.plan.contracts[self.asking.contract]
        inputs = self.kernel.program.contracts[self.asking.contract].encode_inputs(self.inputs)
        validators = [contract.result, contract.ensures, sorted(seat.agent for seat in self.asking.seats)]
        text = canonical_json([within, self.asking.contract, validators, inputs])
        return hashlib.sha256(text.encode()).hexdigest()

    def reuse_answered(self, event: ReuseAnswered) -> None:
        """Use the value of identical work, verified again, or do the work."""
        if event.hit:
            try:
                value = self._accept(event.value)
            except Unverified as error:
                self.kernel.decide("reuse refused", str(error))
            else:
                self.kernel.decide("reused", None)
                self.reuse_key = None
                self._finish(value)
                return
        self.fund()

    def fund(self) -> None:
        """Reserve what the next attempt may spend and ask for an agent; without room, wait for it or fail."""
        account, asking = self.account, self.asking
        if asking.sole is not None and not account.bounded:
            self.offers = asking.sole
            _, _, self.pico, self.tokens = asking.sole[0]
            account.reserve(self.pico, self.tokens)
            self._request()
            return
        offers = []
        blocking: Account | None = None
        for seat in asking.seats:
            tiers = seat.tiers
            tier = tiers[account.tier(len(tiers))] if len(tiers) > 1 else tiers[0]
            pico, tokens = tier.reserve_cost_pico, tier.reserve_tokens
            if account.frame is None:
                pico, tokens = clip(account, pico, tokens)
            blocked = account.blocking(pico, tokens)
            if blocked is None:
                offers.append((seat, tier, pico, tokens))
            elif blocking is None or blocked.open:
                blocking = blocked
        if not offers:
            assert blocking is not None
            self._wait_for_room(blocking)
            return
        if self.state == UNFUNDED:
            self.kernel.unfunded.remove(self)
        self.offers = tuple(offers)
        if len(offers) == 1:
            _, _, self.pico, self.tokens = offers[0]
        else:
            self.pico = max([offer[2] for offer in offers])
            self.tokens = max([offer[3] for offer in offers])
        account.reserve(self.pico, self.tokens)
        self._request()

    def refund(self) -> None:
        """Room came free: try again, if still waiting."""
        if self.state == UNFUNDED:
            self.fund()

    def _wait_for_room(self, blocking: Account) -> None:
        kernel = self.kernel
        if blocking.open:
            if self.state != UNFUNDED:
                kernel.decide("waits for budget", self.path())
                kernel.unfunded.append(self)
            self.state = UNFUNDED
            return
        failure = Failure("budget_exhausted", f"no budget is left for {self.path()}", self.path())
        if blocking.frame is None:
            if self.state == UNFUNDED:
                kernel.unfunded.remove(self)
            self._exhausted(failure)
            return
        # The whole scope of the budget fails, and stops this task with the rest of what is under way in it.
        if self.state != UNFUNDED:
            kernel.unfunded.append(self)
        self.state = UNFUNDED
        kernel.decide("budget exhausted", self.path())
        blocking.frame.fail(failure)

    def unasked(self) -> None:
        """An agent was granted and is not asked: nothing was spent, and no attempt is used up."""
        self.account.give_back(self.pico, self.tokens)
        self.kernel.room = True
        self.kernel.out.append(ReleaseGrant(self.place, self.attempt, "stopped", 0 if self.asking.metered else None))

    def _sessions(self, seats: list[Seat]) -> tuple[tuple[str, str, str], ...]:
        """The sessions that these agents need for this work: agent, lock, and key (empty: of the run)."""
        found: list[tuple[str, str, str]] = []
        for seat in seats:
            mind = seat.mind
            if seat.session and mind is not None and mind.minds(self.asking.contract):
                key = mind.key(self.asking.contract, self.inputs) if mind.persistent else ""
                found.append((seat.agent, mind.lock(self.kernel.run, key), key))
        return tuple(found)

    def _request(self) -> None:
        self.state = QUEUED
        asking = self.asking
        names, watch = asking.names, asking.watch
        if len(self.offers) < len(names):
            names = tuple([offer[0].agent for offer in self.offers])
            watch = (asking.contract, tuple([offer[0].share for offer in self.offers])) if watch is not None else None
        keyed: tuple[tuple[str, str], ...] = ()
        taken: tuple[tuple[str, str], ...] = ()
        if asking.minded:
            seats = [offer[0] for offer in self.offers]
            try:
                self.sessions = self._sessions(seats)
            except ExpressionError as error:
                self.account.give_back(self.pico, self.tokens)
                self.kernel.room = True
                self._exhausted(Failure("expression", f"the session of {self.path()}: {error}", self.path()))
                return
            taken = tuple([(agent, lock) for agent, lock, _ in self.sessions])
            keyed = tuple([(agent, key) for agent, _, key in self.sessions if key])
        request = RequestGrant(
            self.place,
            self.attempt,
            names,
            asking.prefer,
            self.urgency,
            taken,
            asking.gates,
            watch,
            keyed,
            asking.recalls,
        )
        if asking.metered:
            request.draws = tuple([(offer[1].model or "", offer[3]) for offer in self.offers])
        self.kernel.out.append(request)

    # -------------------------------------------------------------- the end of it

    def _close_work(self) -> None:
        kernel = self.kernel
        kernel.tasks_open -= 1
        if self.within_at_us is not None:
            kernel.out.append(DropTimer(self.place, "within"))
        if self.reuse_key is not None:
            kernel.out.append(KeepReuse(self.place, self.reuse_key, False))
            self.reuse_key = None

    # -------------------------------------------------------------- money

    def _settle(self, tokens_in: int | None, tokens_out: int | None, cost: int | None, *, sent: bool = True) -> int:
        """Close the reservation, charge, and return what was charged (pico-dollars)."""
        assert self.tier is not None
        self.kernel.room = True
        if self.asking.metered:
            self.used = used(tokens_in, tokens_out, sent=sent)
        if not (self.pico or self.tokens or tokens_in or tokens_out or cost):
            self.account.close()
            return 0
        if not sent:
            self.account.settle(self.pico, self.tokens, 0, 0)
            return 0
        pico, tokens, estimated = spent(self.tier, self.pico, self.tokens, tokens_in, tokens_out, cost)
        self.account.settle(self.pico, self.tokens, pico, tokens)
        if estimated:
            self.account.estimate(pico)
        return pico
