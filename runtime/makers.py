"""Makers: closures that make a value of a type within the demands on it, from uniforms.

A maker is a function of `(frames, draw, salt)`. `draw(purpose)` is a uniform in [0, 1); each place of a value has a
purpose of its own, numbered through as `orchspec.runtime.draws` says (OUTPUT + i). A place within the items of a list
has no number of its own: its purpose is mixed from that of the list, the item and the place, in the upper half of the
range, and `salt` carries that mixture. One uniform is taken for each purpose, none is thrown away, and values grow with
it, so that the same uniform stays the same quantile when bounds or distributions are others.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeAlias

from orchspec.compiler.plan import Dist
from orchspec.runtime.constraints import Demand, Frames
from orchspec.runtime.distributions import Data, compile_cost, compile_dist, compile_time, compile_whole
from orchspec.runtime.draws import OUTPUT
from orchspec.runtime.kernel.expressions import ExpressionError, equal

__all__ = [
    "Draw",
    "Make",
    "OneDraw",
    "any_of",
    "flag",
    "item_salt",
    "list_of",
    "number",
    "other_side",
    "purpose_of",
    "text",
]

Draw: TypeAlias = Callable[[int], float]
Make: TypeAlias = Callable[[Frames, Draw, int], Any]

_WHOLE = frozenset({"Int", "Money", "Duration", "Time"})
_SECOND = 1_000_000
_PICO = 10**12
_SPANS: Final[dict[str, tuple[float, float]]] = {
    "Int": (1, 10),
    "Float": (0.0, 1.0),
    "Percent": (0.0, 1.0),
    "Rate": (0.0, 10.0),
    "Money": (_PICO // 100, 100 * _PICO),
    "Duration": (_SECOND, 3600 * _SECOND),
    "Time": (0, 7 * 86_400 * _SECOND),
}
"""Between what numbers are made where nothing is said: a cent to a hundred dollars, …

A time is one of the first week of the virtual clock, which begins in 1970: what waits for it is simulated to its end.
"""
_HARD: Final[dict[str, tuple[float, float]]] = {
    "Percent": (0.0, 1.0),
    "Rate": (0.0, math.inf),
    "Int": (-(2**63), 2**63 - 1),
}
_UPPER: Final = OUTPUT | 1 << 30
_MASK: Final = (1 << 30) - 1
_LETTERS_BITS: Final = 48
_ITEMS: Final = 1000
"""What a made list or text is never longer than, whatever is demanded."""


def purpose_of(purpose: int, salt: int) -> int:
    """The purpose of a place: its own outside of lists (salt 0), within items mixed with the salt."""
    return purpose if not salt else _UPPER | (purpose * 0x2545F491 + salt & _MASK)


class OneDraw:
    """A maker that puts one uniform through a function `of`, whatever else there is; of none where `purpose` is 0.

    Most places of most values are such, and whoever makes the whole value can then go straight to the function.
    """

    __slots__ = ("of", "purpose")

    def __init__(self, purpose: int, of: Callable[[float], Any]) -> None:
        self.purpose = purpose
        self.of = of

    def __call__(self, _frames: Frames, draw: Draw, salt: int) -> Any:
        """See `Make`."""
        purpose = self.purpose
        return self.of(draw(purpose_of(purpose, salt) if salt else purpose)) if purpose else self.of(0.0)


def item_salt(purpose: int, salt: int, index: int) -> int:
    """The salt of item `index` of the list made under this purpose and salt; never 0."""
    return (salt * 31 + purpose * 0x9E3779B1 + (index + 1) * 0x85EBCA6B & 0xFFFFFFFF) | 1 << 32


def other_side(demand: Demand, frames: Frames) -> Any:
    """What a place is compared with; None where that cannot be evaluated, so that nothing is demanded."""
    try:
        return demand.other(frames)
    except ExpressionError:
        return None


# ------------------------------------------------------------------ numbers


def _narrow(low: Any, high: Any, step: Callable[[Any, int], Any], demand: Demand, value: Any) -> tuple[Any, Any]:
    if type(value) is not int and type(value) is not float:
        return low, high
    op = demand.op
    if op in ("gt", "ge"):
        bound = step(value, 1) if op == "gt" else value
        low = bound if low is None or bound > low else low
    elif op in ("lt", "le"):
        bound = step(value, -1) if op == "lt" else value
        high = bound if high is None or bound < high else high
    return low, high


def _next_whole(value: Any, direction: int) -> int:
    whole: int = math.floor(value) + 1 if direction > 0 else math.ceil(value) - 1
    return whole


def _next_float(value: Any, direction: int) -> float:
    return math.nextafter(value, math.inf if direction > 0 else -math.inf)


def _span(type_: str, low: Any, high: Any) -> tuple[Any, Any]:
    """Both ends of what is made: those demanded, else the usual ones, moved to where the demanded one lets them be."""
    usual_low, usual_high = _SPANS[type_]
    if low is None and high is None:
        return usual_low, usual_high
    if high is None:
        return low, usual_high if usual_high > low else low + (usual_high - usual_low)
    if low is None:
        low = usual_low if usual_low < high else high - (usual_high - usual_low)
        hard_low = _HARD.get(type_, (-math.inf, math.inf))[0]
        return max(low, hard_low), high
    return low, max(low, high)


def number(type_: str, wanted: Sequence[Demand], dist: Dist | None, data: Data | None, purpose: int) -> Make:
    """Makes numbers of a type: within all bounds, spread evenly or as `dist` says, cut off at the bounds."""
    whole = type_ in _WHOLE
    step = _next_whole if whole else _next_float
    bounds = [demand for demand in wanted if demand.op in ("lt", "le", "gt", "ge")]
    avoided = [demand for demand in wanted if demand.op == "ne"]
    low: Any = None
    high: Any = None
    for demand in bounds:
        if demand.constant:
            low, high = _narrow(low, high, step, demand, demand.other([]))
    moving = [demand for demand in bounds if not demand.constant]
    sampler = None if dist is None else _sampler(type_, dist, data)
    hard_low, hard_high = _HARD.get(type_, (-math.inf, math.inf))

    def within(u: float, low: Any, high: Any) -> Any:
        if sampler is not None:
            value = sampler(u)
            least = hard_low if low is None else max(low, hard_low)
            most = hard_high if high is None else min(high, hard_high)
            value = least if value < least else min(value, most)
        else:
            low, high = _span(type_, low, high)
            low, high = max(low, hard_low), min(high, hard_high)
            if whole:
                low, high = math.ceil(low), math.floor(high)
                return low + min(int(u * (high - low + 1)), high - low) if high > low else low
            value = low + u * (high - low)
        return round(value) if whole else float(value)

    if not moving and not avoided:
        if sampler is None and whole:
            return OneDraw(purpose, _evenly(*_span(type_, low, high), hard_low, hard_high))
        return OneDraw(purpose, lambda u: within(u, low, high))

    def make(frames: Frames, draw: Draw, salt: int) -> Any:
        least, most = low, high
        for demand in moving:
            least, most = _narrow(least, most, step, demand, other_side(demand, frames))
        value = within(draw(purpose_of(purpose, salt)), least, most)
        if avoided:
            banned = [other_side(demand, frames) for demand in avoided]
            direction = 1 if most is None or value < most else -1
            for _ in banned:
                if value in banned:
                    value = step(value, direction)
        return value

    return make


def _evenly(low: Any, high: Any, hard_low: Any, hard_high: Any) -> Callable[[float], int]:
    """Whole numbers between two ends, each as likely as any other."""
    least, most = math.ceil(max(low, hard_low)), math.floor(min(high, hard_high))
    count, last = most - least + 1, most - least
    return (lambda u: least + min(int(u * count), last)) if most > least else (lambda _u: least)


def _sampler(type_: str, dist: Dist, data: Data | None) -> Callable[[float], Any]:
    if type_ == "Int":
        return compile_whole(dist, data, None)
    if type_ == "Money":
        return compile_cost(dist, data)
    if type_ == "Duration":
        return compile_time(dist, data)
    return compile_dist(dist, data)


# ------------------------------------------------------------------ members, flags, choices


def any_of(members: list[Any], wanted: Sequence[Demand], dist: Dist | None, data: Data | None, purpose: int) -> Make:
    """Makes one of some members: one that is demanded, else as `dist` says, else any with the same chance.

    With no members of its own (texts, numbers) it chooses from what an `in` demands.
    """
    lists = [demand for demand in wanted if demand.op == "in"]
    avoided = [demand for demand in wanted if demand.op == "ne"]
    sampler = None if dist is None else compile_dist(dist, data)
    if not lists and not avoided and sampler is not None:
        return OneDraw(purpose, sampler)
    count = len(members)
    if not lists and not avoided:
        return OneDraw(purpose, lambda u: members[int(u * count)])

    def make(frames: Frames, draw: Draw, salt: int) -> Any:
        allowed = members
        for demand in lists:
            other = other_side(demand, frames)
            if isinstance(other, (list, dict)):
                allowed = [item for item in allowed if item in other] if allowed else list(other)
            elif isinstance(other, str):
                allowed = [item for item in allowed if item in other] if allowed else [other]
        banned = [other_side(demand, frames) for demand in avoided]
        allowed = [item for item in allowed if item not in banned] or members or [None]
        u = draw(purpose_of(purpose, salt))
        if sampler is not None:
            value = sampler(u)
            if any(equal(value, item) for item in allowed):
                return value
        return allowed[int(u * len(allowed))]

    return make


def flag(dist: Dist | None, data: Data | None, purpose: int) -> Make:
    """Makes a Bool: as `dist` says, else true half of the time."""
    if dist is None:
        return OneDraw(purpose, lambda u: u < 0.5)
    sampler = compile_dist(dist, data)
    return OneDraw(purpose, lambda u: bool(sampler(u)))


# ------------------------------------------------------------------ texts and lists


def _lengths(wanted: Sequence[Demand], low: int) -> Callable[[Frames], tuple[int, int]]:
    """The least and the greatest length that is demanded, the least being `low` or, if that is too many, fewer."""
    bounds: list[Demand] = [demand for demand in wanted if demand.length]
    if all(demand.constant for demand in bounds):
        fixed = _length_bounds(bounds, [], low)
        return lambda _frames: fixed
    return lambda frames: _length_bounds(bounds, frames, low)


def _length_bounds(bounds: list[Demand], frames: Frames, low: int) -> tuple[int, int]:
    least: Any = None
    most: Any = None
    for demand in bounds:
        value = other_side(demand, frames)
        if demand.op == "eq" and type(value) is int:
            least = most = value
            break
        least, most = _narrow(least, most, _next_whole, demand, value)
        if demand.op == "ne" and value == low:
            low += 1
    least = low if least is None else max(least, low)
    if most is None:
        return min(math.ceil(least), _ITEMS), _ITEMS
    most = max(0, min(math.floor(most), _ITEMS))
    return min(math.ceil(least), most), most


def text(name: str, wanted: Sequence[Demand], purpose: int, prefix: str = "") -> Make:
    """Makes short texts that tell one value from another, such as `topic 3f2a90c1d4e7`.

    Twelve hexadecimal digits: such texts become keys of effects, and a long simulation makes very many of them.
    """
    start = prefix or f"{name} "
    scale = float(1 << _LETTERS_BITS)
    holds = [demand for demand in wanted if demand.op == "has"]
    lengths = _lengths(wanted, 0)
    if not holds and all(demand.constant for demand in wanted):
        least, most = lengths([])
        if least <= len(start) + 12 <= most:
            return OneDraw(purpose, lambda u: f"{start}{int(u * scale):012x}")

    def make(frames: Frames, draw: Draw, salt: int) -> str:
        letters = f"{int(draw(purpose_of(purpose, salt)) * scale):012x}"
        made = start + letters
        for demand in holds:
            held = other_side(demand, frames)
            if not prefix:
                made = f"{held} {made}"
            elif str(held) not in made:
                made = f"{made}/{held}"  # what stands before the scheme makes no Url
        least, most = lengths(frames)
        if len(made) > most:
            made = (letters if prefix == "" else made)[:most]
        return made + f" {name}" * math.ceil((least - len(made)) / (len(name) + 1)) if len(made) < least else made

    def bounded(frames: Frames, draw: Draw, salt: int) -> str:
        made = make(frames, draw, salt)
        return made[: lengths(frames)[1]]

    return bounded


def list_of(item: Make, wanted: Sequence[Demand], size: Callable[[float], int] | None, purpose: int) -> Make:
    """Makes lists of items: as many as `size` says within what is demanded, else the least allowed but at least one."""
    holds = [demand for demand in wanted if demand.op == "has"]
    lengths = _lengths(wanted, 0 if size is not None else 1)

    def make(frames: Frames, draw: Draw, salt: int) -> list[Any]:
        least, most = lengths(frames)
        count = least if size is None else min(max(size(draw(purpose_of(purpose, salt))), least), most)
        made = [item(frames, draw, item_salt(purpose, salt, index)) for index in range(count)]
        for index, demand in enumerate(holds):
            made[index : index + 1] = [other_side(demand, frames)]
        return made

    return make
