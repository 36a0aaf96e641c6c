"""The cast of a test: who is stubbed gives what the test says, nobody fails or falls silent unless a fault strikes.

A stub gives its values in turn, the last one for ever: one for each call of its target, which is what `calls(target)`
counts (a task of an agent, an application of an effect). An attempt that a fault spoils leaves its value to the next
attempt at the same task, so faults do not shift the values of other tasks. A value that the contract refuses is used
up: the next attempt is given the next one, so that a test can say "wrong, then right".
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from orchspec.runtime.kernel.program import program_of
from orchspec.runtime.kernel.values import Unverified
from orchspec.runtime.made import Breakage, Draw, Maker, broken
from orchspec.runtime.sampling import AgentSampler, Sampled
from orchspec.simulator.cast import Cast

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from orchspec.compiler.plan import Plan, Profile, Stub
    from orchspec.runtime.kernel.menus import Menu
    from orchspec.runtime.kernel.values import ContractCodec, EffectCodec, SignalCodec

__all__ = ["StubbedCast", "without_chance_failures"]


def without_chance_failures(plan: Plan) -> Plan:
    """The plan with profiles that never fail, give garbage or keep silent; everything else, its hash too, is kept."""
    calm: dict[str, Profile] = {
        name: replace(profile, failure=0.0, garbage=0.0, never=0.0) for name, profile in plan.profiles.items()
    }
    return replace(plan, profiles=calm)


class StubbedCast(Cast):
    """A cast in which some players are stubs.

    Args:
        plan: the plan, sealed.
        stubs: those of the test.
        data: the columns that distributions read.
        tools_struck: tools that a fault is aimed at.
    """

    def __init__(
        self,
        plan: Plan,
        stubs: Sequence[Stub],
        data: dict[tuple[str, str], Any],
        tools_struck: frozenset[str] = frozenset(),
    ) -> None:
        calm = without_chance_failures(plan)
        super().__init__(calm, data, tools_struck)
        of: dict[str, dict[str | None, _Turns]] = {}
        for stub in stubs:
            of.setdefault(stub.target, {})[stub.contract] = _Turns(stub.values)
        for target, turns in of.items():
            self.players[target] = _StubbedPlayer(calm, target, data, turns)


class _Turns:
    """The values of one stub and whose turn each is: a place keeps its value until that was refused."""

    __slots__ = ("_given", "_next", "_values")

    def __init__(self, values: Sequence[Any]) -> None:
        self._values = values
        self._given: dict[int, tuple[int, int]] = {}
        self._next = 0

    def value(self, key: int, attempt: int, refused: Callable[[Any], bool]) -> Any:
        """The value for an attempt at a place; `refused` says of the place's last one whether its contract does."""
        first, turn = self._given.get(key, (attempt, -1))
        if turn < 0 or (attempt > first and refused(self._at(turn))):
            turn = self._next
            self._next += 1
            self._given[key] = (attempt, turn)
        return self._at(turn)

    def _at(self, turn: int) -> Any:
        return self._values[min(turn, len(self._values) - 1)]


class _StubbedPlayer(AgentSampler):
    """A player whose times are sampled as ever, and whose outputs are those of its stubs (None: of every contract)."""

    __slots__ = ("_attempt", "_key", "_stubs", "_turns")

    def __init__(
        self, plan: Plan, target: str, data: dict[tuple[str, str], Any], turns: Mapping[str | None, _Turns]
    ) -> None:
        super().__init__(plan, target, data)
        self._turns = turns
        self._stubs: dict[str, _StubMaker] = {}
        self._key = 0
        self._attempt = 1

    def maker(self, name: str) -> Maker:
        """The stub for a contract or the effect; the ordinary maker where there is none."""
        turns = self._turns.get(name) or self._turns.get(None)
        if turns is None:
            return super().maker(name)
        stub = self._stubs.get(name)
        if stub is None:
            codecs = program_of(self.plan).codecs
            codec: ContractCodec | EffectCodec | SignalCodec
            if name in self.plan.contracts:
                codec = codecs.contract(name)
            else:
                codec = codecs.effect(name) if name in self.plan.effects else codecs.signal(name)
            stub = self._stubs[name] = _StubMaker(self, turns, codec)
        return stub

    def play(
        self, sampled: Sampled, contract: str, inputs: list[Any], key: int, attempt: int, menu: Menu | None = None
    ) -> None:
        """See `AgentSampler.play`."""
        self._key = key
        self._attempt = attempt
        super().play(sampled, contract, inputs, key, attempt, menu)
        # A signal whose stub is none does not come.
        sampled.never = self.target in self.plan.signals and sampled.output is None

    def receipt(self, args: list[Any], key: int) -> Any:
        """See `AgentSampler.receipt`."""
        self._key = key
        return super().receipt(args, key)

    def turn(self, turns: _Turns, refused: Callable[[Any], bool]) -> Any:
        """The value for the attempt that was asked for last, which is the one that a value is made for."""
        return turns.value(self._key, self._attempt, refused)


class _StubMaker(Maker):
    """Stands where outputs are made, and gives those of a stub."""

    def __init__(self, player: _StubbedPlayer, turns: _Turns, codec: ContractCodec | EffectCodec | SignalCodec) -> None:
        # Not that of Maker: nothing is made, so nothing need be makeable.
        self.codec = codec
        self._player = player
        self._turns = turns

    def make(self, inputs: list[Any], draw: Draw, menu: Menu | None = None) -> Any:
        """The value whose turn it is, JSON of the edge."""
        return self._player.turn(self._turns, lambda value: self._refuses(inputs, value))

    def play(self, inputs: list[Any], key: int, attempt: int, menu: Menu | None = None) -> Any:
        """See `Maker.play`."""
        return self._player.turn(self._turns, lambda value: self._refuses(inputs, value))

    def _refuses(self, inputs: list[Any], value: Any) -> bool:
        verify = getattr(self.codec, "verify", None)
        if verify is None:
            return False
        try:
            verify(inputs, value)
        except Unverified:
            return True
        return False

    def broken(self, kind: Breakage, inputs: list[Any], draw: Draw) -> Any:
        """What comes instead when a fault breaks the output."""
        return broken(kind, self.make(inputs, draw), self.codec)
