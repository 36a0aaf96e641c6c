"""Building makers: from a type, the demands on it and the distributions of a profile to one closure for a whole
value.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias

from orchspec.compiler.plan import Dist, Field, Plan, PlanError, TypeExpr
from orchspec.runtime.constraints import EACH, Demand, Frames, Reader, demands
from orchspec.runtime.distributions import Data, compile_count
from orchspec.runtime.draws import OUTPUT
from orchspec.runtime.kernel.expressions import Env
from orchspec.runtime.makers import Draw, Make, OneDraw, any_of, flag, list_of, number, other_side, purpose_of, text

__all__ = ["Builder", "Fill", "Filling"]

Fill: TypeAlias = Callable[[dict[str, Any], Frames, Draw, int], None]
"""Fills a record in place, so that its later fields can be compared with its earlier ones."""
_NUMBERS = frozenset({"Int", "Float", "Percent", "Rate", "Money", "Duration", "Time"})


class Builder:
    """Compiles the makers of the places of one value, numbering them through.

    Args:
        plan: for the types.
        data: the columns that distributions read.
        level: how many frames stand around the value, see `Frames`.
    """

    def __init__(self, plan: Plan, data: Data | None, level: int) -> None:
        self.plan = plan
        self.data = data
        self.level = level
        self.next = OUTPUT
        self.open: list[str] = []

    def purpose(self) -> int:
        """The next number of a place."""
        self.next += 1
        return self.next - 1

    def value(
        self, type_: TypeExpr, name: str, wanted: Sequence[Demand], dist: Any, purpose: int | None = None
    ) -> Make:
        """The maker of one place: of its type, within the demands on it, by its distribution if it has one."""
        own = self.purpose() if purpose is None else purpose
        here = [demand for demand in wanted if not demand.path]
        for demand in here:
            if demand.op == "eq" and not demand.length:
                return _given(demand)
        if isinstance(type_, (list, tuple)):
            return self._composed(type_, name, wanted, dist, own)
        plain = [demand for demand in here if not demand.length]
        if type_ in ("Text", "Url", "Json"):
            if dist is not None or any(demand.op == "in" for demand in plain):
                return any_of([], plain, dist, self.data, own)
            # A made text is no text that anyone names, so what it must not be needs no care.
            here = [demand for demand in here if demand.op != "ne" or demand.length]
            return text(name, here, own, "https://example.org/" if type_ == "Url" else "")
        if type_ == "Bool":
            banned = [demand for demand in plain if demand.op == "ne"]
            return _opposite(banned[0]) if banned else flag(dist, self.data, own)
        if type_ in _NUMBERS:
            if any(demand.op == "in" for demand in plain):
                return any_of([], plain, dist, self.data, own)
            return number(type_, plain, dist, self.data, own)
        return _NOTHING

    def _composed(self, type_: TypeExpr, name: str, wanted: Sequence[Demand], dist: Any, own: int) -> Make:
        head, inner = type_[0], type_[1]
        if head == "Option":
            return self._option(inner, name, wanted, dist, own)
        if head == "Enum":
            here = [demand for demand in wanted if not demand.path]
            return any_of(list(self.plan.enums[inner].members), here, dist, self.data, own)
        if head == "List":
            return self._list(inner, name, wanted, dist, own)
        if head == "Map":
            return self._map(inner, name, wanted, own)
        if dist is not None and _fields_of(dist) is None:
            return any_of([], [], dist, self.data, own)
        fill = self.record(inner, wanted, _fields_of(dist) or {})

        def make(frames: Frames, draw: Draw, salt: int) -> dict[str, Any]:
            made: dict[str, Any] = {}
            fill(made, frames, draw, salt)
            return made

        return make

    def _option(self, inner: TypeExpr, name: str, wanted: Sequence[Demand], dist: Any, own: int) -> Make:
        # Whoever compares it or gives it a distribution wants it to be there.
        present = dist is not None or bool(wanted)
        rest = [
            demand for demand in wanted if demand.path or demand.length or demand.op != "ne" or not _is_none(demand)
        ]
        if not present and self._contains_open(inner):
            return _NOTHING
        made = self.value(inner, name, rest, dist)
        if present:
            return made
        return lambda frames, draw, salt: (
            made(frames, draw, salt) if draw(purpose_of(own, salt)) < 0.5 else None  # half of them are none
        )

    def _list(self, inner: TypeExpr, name: str, wanted: Sequence[Demand], dist: Any, own: int) -> Make:
        size: Callable[[float], int] | None = None
        of_items: Any = None
        if isinstance(dist, (list, tuple)) and dist[0] == "size":
            size = compile_count(dist[1], self.data)
        elif _fields_of(dist) is not None:
            of_items = dist
        elif dist is not None:
            return any_of([], [], dist, self.data, own)
        if self._contains_open(inner):
            return lambda _frames, _draw, _salt: []
        each = [demand.below() for demand in wanted if demand.path[:1] == (EACH,)]
        item = self.value(inner, _singular(name), each, of_items)
        return list_of(item, [demand for demand in wanted if not demand.path], size, own)

    def _map(self, inner: TypeExpr, name: str, wanted: Sequence[Demand], own: int) -> Make:
        keys = text(_singular(name), [], self.purpose())
        item = self.value(inner, _singular(name), [], None)
        pairs = list_of(
            lambda frames, draw, salt: (keys(frames, draw, salt), item(frames, draw, salt)),
            [demand for demand in wanted if demand.length],
            None,
            own,
        )
        return lambda frames, draw, salt: dict(pairs(frames, draw, salt))

    def _contains_open(self, type_: TypeExpr) -> bool:
        """Whether values of a type hold values of a record that is being built: then they must be able to end."""
        while isinstance(type_, (list, tuple)) and type_[0] != "Record":
            type_ = type_[1]
        return isinstance(type_, (list, tuple)) and type_[1] in self.open

    def record(
        self, name: str, wanted: Sequence[Demand], dists: Mapping[str, Dist], order: list[str] | None = None
    ) -> Filling:
        """What fills a record so that both its own `where` and the demands from outside hold.

        Raises:
            PlanError: the record always contains another of itself.
        """
        if name in self.open:
            raise PlanError(f"no value of {name} can be made: it always contains another")
        self.open.append(name)
        try:
            return self.fields(self.plan.types[name].fields, wanted, dists, order=order)
        finally:
            self.open.pop()

    def fields(
        self,
        fields: Sequence[Field],
        wanted: Sequence[Demand],
        dists: Mapping[str, Dist],
        purposes: Mapping[str, int] | None = None,
        order: list[str] | None = None,
    ) -> Filling:
        """What fills fields in an order that their demands permit; `purposes` numbers those that have a number."""
        order = [field.name for field in fields] if order is None else order
        conditions = [field.where for field in fields if field.where is not None]
        level, framed = self.level, bool(conditions)
        if framed:
            slots = [(field.name,) if field.name in order else None for field in fields]
            reader = Reader(self.plan, level, slots, [field.type for field in fields], order)
            wanted = [*wanted, *demands(conditions, reader)]
            self.level += 1
        steps: list[tuple[int, str, Make | None, Fill | None]] = []
        places = {field.name: index for index, field in enumerate(fields)}
        for name in order:
            field = fields[places[name]]
            own = [demand.below() for demand in wanted if demand.path[:1] == (name,)]
            given = any(not demand.path for demand in own)
            dist = dists.get(name)
            if _is_record(field.type) and not given and (dist is None or _fields_of(dist) is not None):
                steps.append((places[name], name, None, self.record(field.type[1], own, _fields_of(dist) or {})))
            else:
                make = self.value(field.type, name.replace("_", " "), own, dist, (purposes or {}).get(name))
                steps.append((places[name], name, make, None))
        if framed:
            self.level -= 1
        return Filling(fields, steps, framed=framed)


class Filling:
    """A `Fill` of these fields. `flat` are names, purposes and functions of fields that take one uniform each.

    None where some field takes more: then it is filled as any.
    """

    __slots__ = ("_framed", "_names", "_start", "_steps", "flat")

    def __init__(
        self, fields: Sequence[Field], steps: list[tuple[int, str, Make | None, Fill | None]], *, framed: bool
    ) -> None:
        made_names = [name for _, name, _, _ in steps]
        self._steps = steps
        self._framed = framed
        self._names = [field.name for field in fields if field.name in made_names]
        # What is left to its default stands in the frame as that, where it can be known.
        self._start = [field.default[1] if field.default and field.default[0] == "const" else None for field in fields]
        flat = [(name, make.purpose, make.of) for _, name, make, _ in steps if isinstance(make, OneDraw)]
        self.flat = flat if len(flat) == len(steps) and not framed else None

    def __call__(self, made: dict[str, Any], frames: Frames, draw: Draw, salt: int) -> None:
        """See `Fill`."""
        if self._framed:
            self._fill_framed(made, frames, draw, salt)
            return
        for _, name, make, nested in self._steps:
            if make is not None:
                made[name] = make(frames, draw, salt)
            else:
                # In its place before it is filled, so that its later fields can be compared with its earlier ones.
                inner: dict[str, Any] = {}
                made[name] = inner
                nested(inner, frames, draw, salt)  # type: ignore[misc]

    def _fill_framed(self, made: dict[str, Any], frames: Frames, draw: Draw, salt: int) -> None:
        values: list[Any] = self._start[:]
        made.update(dict.fromkeys(self._names))
        frames.append(Env(values))
        for index, name, make, nested in self._steps:
            if make is not None:
                values[index] = made[name] = make(frames, draw, salt)
            else:
                inner: dict[str, Any] = {}
                values[index] = made[name] = inner
                nested(inner, frames, draw, salt)  # type: ignore[misc]
        frames.pop()


def _given(demand: Demand) -> Make:
    if demand.constant:
        value = demand.other([])
        return OneDraw(0, lambda _u: value)
    return lambda frames, _draw, _salt: other_side(demand, frames)


def _opposite(demand: Demand) -> Make:
    return lambda frames, _draw, _salt: not other_side(demand, frames)


_NOTHING: Final = OneDraw(0, lambda _u: None)


def _is_none(demand: Demand) -> bool:
    return demand.constant and demand.other([]) is None


def _is_record(type_: TypeExpr) -> bool:
    return isinstance(type_, (list, tuple)) and type_[0] == "Record"


def _fields_of(dist: Any) -> dict[str, Dist] | None:
    """The distributions of the fields, of a `["record", {…}]`."""
    return dist[1] if isinstance(dist, (list, tuple)) and dist[0] == "record" else None


def _singular(name: str) -> str:
    return name[:-1] if len(name) > 3 and name.endswith("s") and not name.endswith("ss") else name
