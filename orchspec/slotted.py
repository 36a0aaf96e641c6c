"""`dataclass`, slotted, whose methods are written when they are first called.

The standard `dataclass(slots=True)` writes and compiles all methods of a class as soon as it is declared, which takes a
third of a millisecond. A check declares some 250 classes, makes objects of a third of them, and asks hardly any for
`repr`, equality or fields; so that was half of the time of a whole `orch check`. Here a class gets its slots when it is
declared, and `__init__`, `__eq__` and `__hash__` when they are first called. They do what those of the standard module
do; frozen objects are filled by the setters of their slots, which is faster. `dataclasses.fields`, `replace` and
`asdict`, copies, pickles and patterns work as ever.

To type checkers this is `dataclasses.dataclass`. There is what our classes need: `frozen` and `eq`, always with slots.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, Field, FrozenInstanceError
from reprlib import recursive_repr
from typing import TYPE_CHECKING, Any, Final, TypeAlias

__all__ = ["dataclass"]

_Class: TypeAlias = Any
"""A class, whose methods no type checker needs to know: it is told that all this is the standard module."""


def _dataclass(cls: _Class | None = None, /, *, frozen: bool = False, slots: bool = False, eq: bool = True) -> Any:
    """As `dataclasses.dataclass(slots=True)`; see the head of the module."""
    assert slots, "a dataclass without slots is one of the standard module"
    return (lambda plain: _slotted(plain, frozen, eq)) if cls is None else _slotted(cls, frozen, eq)


if TYPE_CHECKING:
    from dataclasses import dataclass
else:
    dataclass = _dataclass


def _slotted(plain: _Class, frozen: bool, eq: bool) -> _Class:
    """The class with slots in the place of its annotations, and methods that write themselves."""
    space = dict(plain.__dict__)
    declared: dict[str, Field[Any]] = {}
    held: set[str] = set()
    for base in plain.__mro__[:0:-1]:
        declared.update(base.__dict__.get("__declared__", {}))
        held.update(base.__dict__.get("__slots__", ()))
    own: Iterable[str] = space.get("__annotations__", ())
    for name in own:
        given = space.pop(name, MISSING)
        declared[name] = given if isinstance(given, Field) else dataclasses.field(default=given)
    space["__slots__"] = tuple(name for name in own if name not in held)
    space["__declared__"] = declared
    space["__match_args__"] = tuple(name for name, field in declared.items() if field.init)
    space["__dataclass_fields__"] = _Fields()
    space.pop("__dict__", None)
    space.pop("__weakref__", None)
    methods: dict[str, Any] = {"__init__": _first_init, "__repr__": _repr}
    if frozen:
        methods.update(_FROZEN)
    if eq:
        methods["__eq__"] = _first_eq
        methods["__hash__"] = _first_hash if frozen else None
    for name, method in methods.items():
        if name not in space or (name == "__hash__" and space[name] is None):
            space[name] = method
    made = type(plain)(plain.__name__, plain.__bases__, space)
    made.__qualname__ = plain.__qualname__
    return made


class _Fields:
    """The `__dataclass_fields__` of a class, found when they are first asked for."""

    __slots__ = ()

    def __get__(self, _instance: object, owner: _Class) -> Mapping[str, Field[Any]]:
        holder = next(each for each in owner.__mro__ if each.__dict__.get("__dataclass_fields__") is self)
        types: dict[str, Any] = {}
        for base in holder.__mro__[::-1]:
            if "__declared__" in base.__dict__:
                types.update(base.__dict__.get("__annotations__", {}))  # noqa: RUF063 - the texts, without inspect
        space = {**holder.__declared__, "__annotations__": types, "__module__": holder.__module__}
        plain = type(holder.__name__, (), space)
        found: Mapping[str, Field[Any]] = _standard(plain)
        holder.__dataclass_fields__ = found
        return found


def _standard(plain: _Class) -> Mapping[str, Field[Any]]:
    made = dataclasses.dataclass(init=False, repr=False, eq=False)(plain)
    found: Mapping[str, Field[Any]] = made.__dataclass_fields__
    return found


# ------------------------------------------------------------------ methods that are the same for all


@recursive_repr("...")
def _repr(self: Any) -> str:
    shown = (f"{name}={getattr(self, name)!r}" for name, field in self.__declared__.items() if field.repr)
    return f"{type(self).__qualname__}({', '.join(shown)})"


def _refuse_set(_self: Any, name: str, _value: Any) -> None:
    raise FrozenInstanceError(f"cannot assign to field {name!r}")


def _refuse_delete(_self: Any, name: str) -> None:
    raise FrozenInstanceError(f"cannot delete field {name!r}")


def _state(self: Any) -> list[Any]:
    return [getattr(self, name) for name in self.__declared__]


def _restore(self: Any, state: list[Any]) -> None:
    for name, value in zip(self.__declared__, state, strict=True):
        object.__setattr__(self, name, value)


_FROZEN: Final[Mapping[str, Any]] = {
    "__setattr__": _refuse_set,
    "__delattr__": _refuse_delete,
    "__getstate__": _state,
    "__setstate__": _restore,
}


# ------------------------------------------------------------------ methods that are written


def _first_init(self: Any, /, *args: Any, **named: Any) -> None:
    _write(type(self), "__init__", _first_init, _init_of)(self, *args, **named)


def _first_eq(self: Any, other: object) -> Any:
    return _write(type(self), "__eq__", _first_eq, _eq_of)(self, other)


def _first_hash(self: Any) -> Any:
    return _write(type(self), "__hash__", _first_hash, _hash_of)(self)


def _write(kind: _Class, name: str, stub: Any, text_of: Callable[[_Class, dict[str, Any]], str]) -> Callable[..., Any]:
    """Puts the real method in the place of its stub, and gives it."""
    owner = next(each for each in kind.__mro__ if each.__dict__.get(name) is stub)
    scope: dict[str, Any] = {"MISSING": MISSING}
    # As the standard module does: the text is made of names of fields, which are identifiers, and of nothing else.
    exec(text_of(owner, scope), scope)  # noqa: S102
    method: Callable[..., Any] = scope[name]
    method.__qualname__ = f"{owner.__qualname__}.{name}"
    setattr(owner, name, method)
    return method


def _init_of(owner: _Class, scope: dict[str, Any]) -> str:
    frozen = owner.__dict__.get("__setattr__") is _refuse_set
    params, lines = ["self"], []
    for name, field in owner.__declared__.items():
        value = name
        if field.default_factory is not MISSING:
            scope[f"make_{name}"] = field.default_factory
            value = f"make_{name}() if {name} is MISSING else {name}" if field.init else f"make_{name}()"
            default = "=MISSING"
        elif field.default is not MISSING:
            scope[f"default_{name}"] = field.default
            value = name if field.init else f"default_{name}"
            default = f"=default_{name}"
        else:
            default = ""
        if field.init:
            params.append(name + default)
        elif not default:
            continue
        if frozen:
            scope[f"set_{name}"] = getattr(owner, name).__set__
            lines.append(f"set_{name}(self, {value})")
        else:
            lines.append(f"self.{name} = {value}")
    return f"def __init__({', '.join(params)}):\n " + "\n ".join(lines or ["pass"])


def _compared(owner: _Class, of: str) -> str:
    names = [name for name, field in owner.__declared__.items() if field.compare]
    return "(" + "".join(f"{of}.{name}, " for name in names) + ")"


def _eq_of(owner: _Class, _scope: dict[str, Any]) -> str:
    same = f"{_compared(owner, 'self')} == {_compared(owner, 'other')}"
    return f"def __eq__(self, other):\n return {same} if other.__class__ is self.__class__ else NotImplemented"


def _hash_of(owner: _Class, _scope: dict[str, Any]) -> str:
    return f"def __hash__(self):\n return hash({_compared(owner, 'self')})"
