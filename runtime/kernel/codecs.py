"""Codecs: the values of a type between JSON of the edge and the inner form.

A `TypeCodecs(plan)` compiles, once, a `Codec` for each type that is asked for. Decoding checks everything (types,
sizes, unknown fields, `where`), fills in defaults and none, and gives back the very object it was given where nothing
changes. Values of the inner form are shared and are never changed in place.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from orchspec.compiler.plan import Field, Plan, PlanError, TypeExpr
from orchspec.runtime.kernel.arithmetic import ITEMS_MAX, TEXT_MAX
from orchspec.runtime.kernel.expressions import Compiled, Env, ExpressionError, compile_expr
from orchspec.runtime.kernel.scalars import JSON_DEPTH_MAX, SCALARS, InvalidValue, decode_text, same
from orchspec.runtime.kernel.wording import expression_text, shape, type_text

__all__ = ["ABSENT", "Codec", "TypeCodecs", "fill_absent", "prepare_fields", "unknown_field", "where_check"]

_TYPE_DEPTH_MAX = 64
ABSENT: Any = object()
"""What stands for a field that was left out."""


class Codec:
    """Decodes and encodes the values of one type.

    `decode(edge)` gives the inner form or raises InvalidValue; `encode(inner)` gives JSON of the edge. `identity` holds
    if the inner form is the edge form for every value, so that encoding may be skipped.
    """

    __slots__ = ("decode", "encode", "identity", "type")

    def __init__(self, type_: TypeExpr, decode: Callable[[Any], Any], encode: Callable[[Any], Any]) -> None:
        self.type = type_
        self.decode = decode
        self.encode = encode
        self.identity = encode is same


class TypeCodecs:
    """The codecs of the types of one plan, each compiled when it is first asked for."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self._made: dict[tuple[str, ...], Codec] = {}
        self._open: dict[str, list[Codec]] = {}
        self._level = 0

    def of(self, type_: TypeExpr) -> Codec:
        """The codec of a type.

        Raises:
            PlanError: the type is none, names a record or an enum that the plan lacks, or nests too deep.
        """
        return self._of(type_, 0)

    def _of(self, type_: TypeExpr, depth: int) -> Codec:
        if depth > _TYPE_DEPTH_MAX:
            raise PlanError(f"a type nests deeper than {_TYPE_DEPTH_MAX} levels")
        key = _chain(type_)
        made = self._made.get(key)
        if made is None:
            made = self._made[key] = self._make(key, type_, depth)
        return made

    def _make(self, key: tuple[str, ...], type_: TypeExpr, depth: int) -> Codec:
        head = key[0]
        if len(key) == 1 and head in SCALARS:
            return Codec(type_, *SCALARS[head])
        if len(key) > 1 and head in _CONTAINERS:
            return _CONTAINERS[head](type_, self._of(type_[1], depth + 1))
        if head == "Enum" and key[-1] in self.plan.enums:
            return _enum_codec(type_, self.plan.enums[key[-1]].members)
        if head == "Record" and key[-1] in self.plan.types:
            return self._record(type_, depth)
        raise PlanError(f"the plan has no type {type_text(type_)}")

    def _record(self, type_: TypeExpr, depth: int) -> Codec:
        name = type_[1]
        if name in self._open:
            later = Codec(type_, same, same)
            self._open[name].append(later)
            return self._deferred(later)
        self._open[name] = []
        try:
            fields = self.plan.types[name].fields
            codec = _record_codec(type_, fields, [self._of(field.type, depth + 1) for field in fields])
        finally:
            waiting = self._open.pop(name)
        for later in waiting:
            later.decode, later.encode = codec.decode, codec.encode
        return codec

    def _deferred(self, later: Codec) -> Codec:
        """The codec of a type within itself: `later` is filled in when the outer one is there, and levels are
        counted.
        """

        def decode(value: Any) -> Any:
            too_deep = InvalidValue("", f"{type_text(later.type)} of at most {JSON_DEPTH_MAX} levels", "more")
            if self._level >= JSON_DEPTH_MAX:
                raise too_deep
            self._level += 1
            try:
                return later.decode(value)
            except RecursionError:  # a long cycle of types, each of few levels
                raise too_deep from None
            finally:
                self._level -= 1

        def encode(value: Any) -> Any:
            return later.encode(value)

        return Codec(later.type, decode, encode)


def _chain(type_: TypeExpr) -> tuple[str, ...]:
    """A type as the chain of its names, which tells it apart: `["List", ["Record", "Finding"]]` is List, Record,
    Finding.
    """
    chain: list[str] = []
    while isinstance(type_, (list, tuple)) and len(type_) == 2 and isinstance(type_[0], str):
        chain.append(type_[0])
        type_ = type_[1]
        if len(chain) > _TYPE_DEPTH_MAX:
            raise PlanError(f"a type nests deeper than {_TYPE_DEPTH_MAX} levels")
    if not isinstance(type_, str):
        raise PlanError(f"a type is a name or a pair, found {shape(type_)}")
    chain.append(type_)
    return tuple(chain)


# ------------------------------------------------------------------ containers


def _list_codec(type_: TypeExpr, item: Codec) -> Codec:
    decode_item, encode_item, expected = item.decode, item.encode, type_text(type_)

    def decode(value: Any) -> Any:
        if type(value) is not list:
            raise InvalidValue("", expected, shape(value))
        if len(value) > ITEMS_MAX:
            raise InvalidValue("", f"{expected} of at most {ITEMS_MAX} items", str(len(value)))
        changed: list[Any] | None = None
        index = 0
        try:
            for given in value:
                inner = decode_item(given)
                if inner is not given:
                    if changed is None:
                        changed = value[:]
                    changed[index] = inner
                index += 1
        except InvalidValue as error:
            raise error.within(f"[{index}]") from None
        return value if changed is None else changed

    def encode(value: Any) -> Any:
        return [encode_item(inner) for inner in value]

    return Codec(type_, decode, same if item.identity else encode)


def _map_codec(type_: TypeExpr, item: Codec) -> Codec:
    decode_item, encode_item, expected = item.decode, item.encode, type_text(type_)

    def decode(value: Any) -> Any:
        if type(value) is not dict:
            raise InvalidValue("", expected, shape(value))
        if len(value) > ITEMS_MAX:
            raise InvalidValue("", f"{expected} of at most {ITEMS_MAX} entries", str(len(value)))
        changed: dict[str, Any] | None = None
        for key, given in value.items():
            try:
                decode_text(key)
                inner = decode_item(given)
            except InvalidValue as error:
                raise error.within(f"[{shape(key)}]") from None
            if inner is not given:
                if changed is None:
                    changed = dict(value)
                changed[key] = inner
        return value if changed is None else changed

    def encode(value: Any) -> Any:
        return {key: encode_item(inner) for key, inner in value.items()}

    return Codec(type_, decode, same if item.identity else encode)


def _option_codec(type_: TypeExpr, item: Codec) -> Codec:
    decode_item, encode_item = item.decode, item.encode

    def decode(value: Any) -> Any:
        return None if value is None else decode_item(value)

    def encode(value: Any) -> Any:
        return None if value is None else encode_item(value)

    return Codec(type_, decode, same if item.identity else encode)


_CONTAINERS: dict[str, Callable[[TypeExpr, Codec], Codec]] = {
    "List": _list_codec,
    "Map": _map_codec,
    "Option": _option_codec,
}


def _enum_codec(type_: TypeExpr, members: list[str]) -> Codec:
    known = dict.fromkeys(members, True)
    listed = ", ".join(members[:8]) + (", …" if len(members) > 8 else "")

    def decode(value: Any) -> Any:
        if type(value) is str and value in known:
            return value
        raise InvalidValue("", f"{type_[1]} ({listed})", shape(value))

    return Codec(type_, decode, same)


def _record_codec(type_: TypeExpr, fields: list[Field], codecs: list[Codec]) -> Codec:
    expected = str(type_[1])
    prepared = prepare_fields(fields, codecs)
    known = {field.name: True for field in fields}
    check = where_check(fields)
    names = [field.name for field in fields]
    encoders = [(field.name, codec.encode) for field, codec in zip(fields, codecs, strict=True)]

    def decode(value: Any) -> Any:
        if type(value) is not dict:
            raise InvalidValue("", expected, shape(value))
        changed: dict[str, Any] | None = None
        seen = 0
        for name, decode_field, is_text, absent in prepared:
            given = value.get(name, ABSENT)
            if given is ABSENT:
                if changed is None:
                    changed = dict(value)
                changed[name] = fill_absent(absent, name, changed, names)
                continue
            seen += 1
            if is_text and type(given) is str and given.isascii() and len(given) <= TEXT_MAX:
                continue
            try:
                inner = decode_field(given)
            except InvalidValue as error:
                raise error.within(f".{name}") from None
            if inner is not given:
                if changed is None:
                    changed = dict(value)
                changed[name] = inner
        if seen != len(value):
            raise unknown_field(value, known, expected)
        result = value if changed is None else changed
        if check is not None:
            check([result[name] for name in names])
        return result

    def encode(value: Any) -> Any:
        return {name: encode_field(value[name]) for name, encode_field in encoders}

    return Codec(type_, decode, same if all(codec.identity for codec in codecs) else encode)


def prepare_fields(
    fields: list[Field], codecs: list[Codec]
) -> list[tuple[str, Callable[[Any], Any], bool, Compiled | None]]:
    """For each field: its name, decoder, whether it is a plain text, and what gives its value when it is left out."""
    prepared = []
    for field, codec in zip(fields, codecs, strict=True):
        absent = None if field.default is None else compile_expr(field.default)
        if absent is None and not isinstance(field.type, str) and field.type[0] == "Option":
            absent = _none
        prepared.append((field.name, codec.decode, field.type == "Text", absent))
    return prepared


def _none(_frame: Any) -> None:
    return None


def fill_absent(absent: Compiled | None, name: str, so_far: Mapping[str, Any], names: list[str]) -> Any:
    """What stands for a field that was left out: its default may read the fields before it."""
    if absent is None:
        raise InvalidValue(f".{name}", "a value", "nothing")
    try:
        return absent(Env([so_far.get(other) for other in names]))
    except ExpressionError as error:
        raise InvalidValue(f".{name}", "a default that can be evaluated", str(error)) from None


def unknown_field(value: dict[Any, Any], known: Mapping[str, bool], expected: str) -> InvalidValue:
    """The error for a value that has a field beyond the known ones of `expected`."""
    unknown = next(name for name in value if name not in known)
    place = f".{unknown}" if isinstance(unknown, str) and len(unknown) <= 60 else ""
    fields = ", ".join(known) or "none"
    return InvalidValue(place, f"only the fields of {expected} ({fields})", f"the unknown field {shape(unknown)}")


def where_check(fields: list[Field]) -> Callable[[list[Any]], None] | None:
    """The check of all `where` of some fields, over the list of their values; None if there is nothing to check."""
    names = [field.name for field in fields]
    checks = [
        (index, compile_expr(field.where), field) for index, field in enumerate(fields) if field.where is not None
    ]
    if not checks:
        return None

    def check(values: list[Any]) -> None:
        frame = Env(values)
        for index, holds, field in checks:
            try:
                if holds(frame) is True:
                    continue
                found = shape(values[index])
            except ExpressionError as error:
                found = f"{shape(values[index])}, of which this cannot be said ({error})"
            raise InvalidValue(f".{field.name}", expression_text(field.where, [names]), found)

    return check
