"""Values of a walk over a plan: made when a condition reads them, and not before.

A slot of a frame holds a value, or what makes it when it is read (`Later`), or `UNKNOWN`. Most of what a run makes is
never read by a condition, so most is never made; where nothing is, a walk is exact, and one is enough. What is read is
spread evenly: of `SAMPLES` walks each value takes each of as many equal parts of its distribution once, in an order of
its own (Latin hypercube sampling: M. D. McKay, R. J. Beckman and W. J. Conover, Technometrics 21, 1979), so the chance
of a condition on one value is known to one part in `SAMPLES`, and of one on several about as well.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from orchspec.compiler.plan import Expr, PlanError
from orchspec.runtime.draws import mix, uniform
from orchspec.runtime.kernel.expressions import Compiled, Env, ExpressionError, compile_expr, reads
from orchspec.runtime.kernel.values import InvalidValue, Unverified

__all__ = ["SAMPLES", "UNKNOWN", "Drawn", "Freely", "Later", "Unknown", "Values"]

SAMPLES: Final = 1024
"""So many walks spread what is read; a power of two."""
# A network of H. Feistel (Scientific American 228, 1973) on the halves of a number makes each of them another's.
_HALF: Final = (SAMPLES.bit_length() - 1) // 2
_MASK: Final = (1 << _HALF) - 1
_ROUNDS: Final = 4


class Unknown(Exception):
    """What a walk cannot know; the message says what."""


class _Nothing:
    """What nobody knows."""


UNKNOWN: Final = _Nothing()


class Later:
    """A value that is made when it is read."""

    __slots__ = ("make",)

    def __init__(self, make: Callable[[], Any]) -> None:
        self.make = make


class Drawn:
    """The uniforms of one walk among `SAMPLES`; `any` says whether one was asked for."""

    __slots__ = ("any", "number")

    def __init__(self, number: int) -> None:
        self.number = number
        self.any = False

    def uniform(self, key: int, purpose: int) -> float:
        """In (0, 1): over all walks each part of 1 / `SAMPLES` once."""
        self.any = True
        salt = mix(key, purpose)
        left, right = self.number >> _HALF, self.number & _MASK
        for turn in range(_ROUNDS):
            left, right = right, left ^ (mix(salt, turn << _HALF | right) & _MASK)
        return ((left << _HALF | right) + 0.5) / SAMPLES


class Freely(Drawn):
    """Uniforms that do not depend on those of other walks, so that the same comes as often as it does by chance."""

    __slots__ = ()

    def uniform(self, key: int, purpose: int) -> float:
        """In (0, 1)."""
        return uniform(mix(key, self.number), purpose, 0)


class Values:
    """Evaluates expressions of a plan in the frames of a walk."""

    def __init__(self) -> None:
        self._compiled: dict[int, tuple[Expr, Compiled, list[tuple[int, int]]]] = {}

    def of(self, expr: Expr, env: Env) -> Any:
        """The value of an expression. Raises Unknown where it reads what nobody knows, or fails."""
        known = self._compiled.get(id(expr))
        if known is None:
            known = self._compiled[id(expr)] = expr, compile_expr(expr), reads(expr)
        _, compiled, slots = known
        for up, slot in slots:
            frame = env
            for _ in range(up):
                frame = frame.parent
            self.slot(frame, slot)
        try:
            return compiled(env)
        except (ExpressionError, InvalidValue, KeyError, IndexError, TypeError, AttributeError) as error:
            raise Unknown(f"a condition fails: {error}") from None

    @staticmethod
    def slot(frame: Env, slot: int) -> Any:
        """The value of a slot, made if it was not yet."""
        value = frame.values[slot]
        if type(value) is Later:
            frame.values[slot] = UNKNOWN  # if it fails
            try:
                value = value.make()
            except (PlanError, InvalidValue, Unverified, ExpressionError, KeyError, IndexError, TypeError) as error:
                raise Unknown(f"a value cannot be made: {error}") from None
            frame.values[slot] = value
        if value is UNKNOWN:
            raise Unknown("a condition reads what no profile says")
        return value
