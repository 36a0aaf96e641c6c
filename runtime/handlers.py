"""Functions that carry out work, bound by name: for agents, contracts, people and effects.

A function is held to what it will be called with when it is bound, and a run to whom it needs before it starts.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from orchspec.runtime.crew import Caller, Crew, Player, Sender, player_of, sender_of
from orchspec.runtime.errors import MissingHandlers, OrchError, UnknownName
from orchspec.runtime.needs import needs_of

if TYPE_CHECKING:
    from orchspec.compiler.plan import Field, Plan

__all__ = ["BadHandler", "Handlers", "require"]


class BadHandler(OrchError):
    """A function that cannot be called as a handler of that name will be."""

    code = "bad_handler"


class Handlers:
    """A crew of functions. An agent's own function goes before that of the contract."""

    def __init__(self) -> None:
        self._agents: dict[str, Callable[..., Any]] = {}
        self._contracts: dict[str, Callable[..., Any]] = {}
        self._humans: dict[str, Callable[..., Any]] = {}
        self._effects: dict[str, Callable[..., Any]] = {}
        self._players: dict[Callable[..., Any], Player] = {}

    # -------------------------------------------------------------- binding

    def bind_agent(self, plan: Plan, name: str, function: Callable[..., Any]) -> None:
        """Bind a function to an agent. Raises UnknownName, BadHandler."""
        agents = {key: agent for key, agent in plan.agents.items() if agent.kind != "human"}
        if name in plan.agents and name not in agents:
            raise UnknownName(f"{name} is a person: bind a function that answers for them with @app.human({name!r})")
        _known("agent", name, agents)
        for contract in agents[name].fulfills:
            _check(function, f"the agent {name} fulfills {contract}", plan.contracts[contract].params)
        self._agents[name] = function

    def bind_contract(self, plan: Plan, name: str, function: Callable[..., Any]) -> None:
        """Bind a function to all agents that fulfill a contract. Raises UnknownName, BadHandler."""
        _known("contract", name, plan.contracts)
        _check(function, f"the contract {name}", plan.contracts[name].params)
        self._contracts[name] = function

    def bind_human(self, plan: Plan, name: str, function: Callable[..., Any]) -> None:
        """Bind a function that answers for a person. Raises UnknownName, BadHandler."""
        humans = {key: agent for key, agent in plan.agents.items() if agent.kind == "human"}
        _known("human", name, humans)
        for contract in humans[name].fulfills:
            _check(function, f"{name} is asked for {contract}", plan.contracts[contract].params)
        self._humans[name] = function

    def bind_effect(self, plan: Plan, name: str, function: Callable[..., Any]) -> None:
        """Bind a function to an effect. Raises UnknownName, BadHandler."""
        _known("effect", name, plan.effects)
        _check(function, f"the effect {name}", plan.effects[name].params)
        self._effects[name] = function

    # -------------------------------------------------------------- the crew

    def agent(self, name: str, contract: str) -> Player | None:
        """See `Crew`."""
        return self._player(self._agents.get(name) or self._contracts.get(contract))

    def human(self, name: str, *, doubt: bool = False) -> Player | None:
        """See `Crew`; a doubt is left to the inbox, since functions are bound for contracts."""
        return None if doubt else self._player(self._humans.get(name))

    def effect(self, name: str) -> Sender | None:
        """See `Crew`."""
        function = self._effects.get(name)
        return sender_of(function) if function is not None else None

    def signal(self, name: str) -> Caller | None:
        """See `Crew`: signals come from outside."""
        return None

    def _player(self, function: Callable[..., Any] | None) -> Player | None:
        if function is None:
            return None
        player = self._players.get(function)
        if player is None:
            player = self._players[function] = player_of(function)
        return player


def require(plan: Plan, flow: str, crew: Crew) -> None:
    """Raises MissingHandlers if a flow needs agents or effects that the crew lacks, naming each."""
    needs = needs_of(plan, flow)
    missing = [
        f"  the agent {name} (for {contract}): @app.agent({name!r}) or @app.contract({contract!r})"
        for name, contract in needs.agents
        if crew.agent(name, contract) is None
    ]
    missing += [f"  the effect {name}: @app.effect({name!r})" for name in needs.effects if crew.effect(name) is None]
    if missing:
        raise MissingHandlers(
            f"the flow {flow} needs handlers that nobody gave:\n" + "\n".join(missing) + "\n"
            "give them (for the command: --agents MODULE), or have them played from their profiles: --stand-ins, "
            "stand_ins=True"
        )


def _known(kind: str, name: str, names: Iterable[str]) -> None:
    known = sorted(names)
    if name in known:
        return
    near = get_close_matches(str(name), known, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(known) or 'none'}"
    raise UnknownName(f"the spec has no {kind} {name!r}; {hint}")


def _check(function: Callable[..., Any], what: str, params: list[Field]) -> None:
    names = [param.name for param in params]
    if not callable(function):
        raise BadHandler(f"{what}: {function!r} is no function")
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return  # Some built-in callables don't tell; they show it when they are called.
    try:
        signature.bind(None, **dict.fromkeys(names))
    except TypeError as error:
        first = "call" if "effect" in what else "task"
        expected = ", ".join([first, *names])
        raise BadHandler(
            f"{what}: {getattr(function, '__name__', function)}{signature} cannot be called with ({expected}): {error}"
        ) from None
