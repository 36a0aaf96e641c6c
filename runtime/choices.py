"""Made choices: what a lead asks for and when it answers, and to whom a peer hands over, where no agent is at hand.

Types say nothing of this, and what they leave open decides how much work a run makes. So there is a rule, which a
profile changes, and the values that are made are always such that the loop can go on with them.

A lead asks in its first round for as many tasks as may run at once (`width`; without one, `TASKS_USUAL`), each of a
contract that its workers fulfill, evenly spread, of whoever is free, with inputs made from the contract's parameters.
In the next round it answers, and so it does in the only round it has. `output = { tasks: size(D) }` says how many tasks
a round asks for, `output = { answer: chance(P) }` how likely each round is to bring the answer: then a loop may use up
its rounds, as often as that chance says.

A peer hands over every other time, evenly spread over those whom it may hand over to after what it said, and ends when
no hop is left. `output = { to: chance(P) }` says how likely it hands over: then a loop may use up its hops.
`output = { to: choice(…) }` says to whom; nobody, where that is not permitted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from orchspec.compiler.plan import ASKS_MAX, Dist, Plan, so_far_of
from orchspec.runtime.building import Builder, Fill
from orchspec.runtime.constraints import Frames
from orchspec.runtime.distributions import Data, compile_count
from orchspec.runtime.kernel.menus import Asks, Handoffs, Menu
from orchspec.runtime.kernel.values import Codecs
from orchspec.runtime.makers import Draw, Make, item_salt, purpose_of

__all__ = ["HANDS_OVER", "TASKS_USUAL", "Chooser", "chooser_of"]

TASKS_USUAL: Final = 3
"""How many tasks a lead asks for where nothing says how many may run at once."""
HANDS_OVER: Final = 0.5
"""How likely a peer hands over where its profile does not say."""

Chooser = Callable[[Menu, dict[str, Any], list[Any], Draw], None]
"""Puts a choice into a made record (inner values); the list are the inputs of the attempt."""


def chooser_of(
    plan: Plan, name: str, output: Mapping[str, Dist], builder: Builder, codecs: Codecs, data: Data | None
) -> tuple[Chooser | None, dict[str, Dist]]:
    """What chooses for a contract, none if its result leaves nothing to choose; and what is left of the profile.

    Args:
        plan: with the contract.
        name: of the contract.
        output: what the profile says of results.
        builder: of the result, which numbers the places.
        codecs: of the plan.
        data: the columns that distributions read.
    """
    contract = plan.contracts[name]
    result = contract.result
    kind = result[1] if isinstance(result, list | tuple) and result[0] == "Record" else ""
    rest = dict(output)
    if kind.startswith("Delegation<") and so_far_of(contract) is not None:
        return _Lead(plan, name, rest, builder, codecs, data).choose, rest
    if kind.startswith("Turn<"):
        return _Peer(rest, builder).choose, rest
    return None, rest


def _chance(output: dict[str, Dist], name: str) -> float | None:
    """The chance that a profile gives for a choice; what says something else of the field is left."""
    dist = output.get(name)
    if not isinstance(dist, list | tuple) or dist[0] != "chance":
        return None
    del output[name]
    return float(dist[1])


class _Lead:
    """Makes the choices of a lead."""

    def __init__(
        self, plan: Plan, name: str, output: dict[str, Dist], builder: Builder, codecs: Codecs, data: Data | None
    ) -> None:
        self.plan = plan
        self.codecs = codecs
        self.data = data
        contract = plan.contracts[name]
        so_far = so_far_of(contract)
        assert so_far is not None
        self.so_far = so_far
        self.answers = _chance(output, "answer")
        size = output.pop("tasks", None)
        sized = isinstance(size, list | tuple) and size[0] == "size"
        self.size = compile_count(size[1], data) if size is not None and sized else None
        self.often, self.many, self.which = builder.purpose(), builder.purpose(), builder.purpose()
        answer = next(field for field in plan.types[contract.result[1]].fields if field.name == "answer")
        self.answer: Make = builder.value(answer.type[1], "answer", [], None)
        self.inputs: dict[str, tuple[Fill, int | None]] = {}

    def choose(self, menu: Menu, made: dict[str, Any], inputs: list[Any], draw: Draw) -> None:
        """An answer, or tasks."""
        assert isinstance(menu, Asks)
        if self.answers is not None:
            answers = draw(self.often) < self.answers
        else:
            answers = bool(inputs[self.so_far]) or menu.rounds_left <= 1
        if answers:
            made["tasks"] = []
            if made["answer"] is None:
                made["answer"] = self.answer([], draw, 0)
            return
        count = self.size(draw(self.many)) if self.size is not None else menu.width or TASKS_USUAL
        count = min(max(1, count), ASKS_MAX)
        made["answer"] = None
        made["tasks"] = [self._ask(menu, item_salt(self.which, 0, index), draw) for index in range(count)]

    def _ask(self, menu: Asks, salt: int, draw: Draw) -> dict[str, Any]:
        contracts = list(menu.contracts)
        contract = contracts[int(draw(purpose_of(self.which, salt)) * len(contracts))]
        fill, so_far = self._inputs(contract)
        made: dict[str, Any] = {}
        frames: Frames = []
        fill(made, frames, draw, salt)
        shape = self.codecs.contract(contract).inputs
        if so_far is not None:
            made[shape.names[so_far]] = []
        given = shape.encode([made[name] for name in shape.names])
        if so_far is not None:
            del given[shape.names[so_far]]
        return {"contract": contract, "to": None, "input": given}

    def _inputs(self, contract: str) -> tuple[Fill, int | None]:
        found = self.inputs.get(contract)
        if found is None:
            of = self.plan.contracts[contract]
            so_far = so_far_of(of)
            order = [param.name for index, param in enumerate(of.params) if index != so_far]
            fill = Builder(self.plan, self.data, 0).fields(of.params, [], {}, None, order)
            found = self.inputs[contract] = (fill, so_far)
        return found


class _Peer:
    """Makes the choices of a peer."""

    def __init__(self, output: dict[str, Dist], builder: Builder) -> None:
        self.hands = _chance(output, "to")
        self.named = "to" in output
        self.often, self.which = builder.purpose(), builder.purpose()

    def choose(self, menu: Menu, made: dict[str, Any], inputs: list[Any], draw: Draw) -> None:
        """To whom, if to anybody."""
        assert isinstance(menu, Handoffs)
        permitted = menu.permitted(made["value"])
        if self.named:
            made["to"] = made["to"] if made["to"] in permitted and menu.hops_left else None
            return
        hands = draw(self.often) < (HANDS_OVER if self.hands is None else self.hands)
        if not hands or not permitted or (self.hands is None and not menu.hops_left):
            made["to"] = None
        else:
            made["to"] = permitted[int(draw(self.which) * len(permitted))]
