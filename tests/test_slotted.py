"""`orchspec.slotted.dataclass` does what the standard one does with slots, later."""

import copy
import dataclasses
import pickle
from dataclasses import FrozenInstanceError, asdict, field, fields, replace

import pytest

from orchspec.slotted import dataclass


@dataclass(frozen=True, slots=True)
class Point:
    """Frozen, with defaults."""

    x: int
    y: int = 2
    tags: tuple[str, ...] = field(default_factory=tuple)


@dataclass(frozen=True, slots=True)
class Named(Point):
    """A field more, and another default."""

    y: int = 5
    name: str = "n"


@dataclass(slots=True, eq=False)
class Node:
    """Changes, and is itself alone."""

    text: str
    parts: list["Node"] = field(default_factory=list)
    _known: dict[str, int] = field(init=False, repr=False, default_factory=dict)


@dataclass(slots=True)
class Box:
    """Changes, and is compared by some of what it holds."""

    of: int
    seen: int = field(default=0, compare=False)


def standard(kind):
    """The same class, made by the standard module."""
    bases = tuple(standard(base) if base is not object else base for base in kind.__bases__)
    given = {name: each for name, each in kind.__declared__.items() if name in kind.__annotations__}
    kept = {name: each for name, each in given.items() if each.default is not dataclasses.MISSING}
    made = {name: each for name, each in given.items() if each.default_factory is not dataclasses.MISSING}
    space = {"__annotations__": dict(kind.__annotations__), "__module__": __name__, "__qualname__": kind.__qualname__}
    space |= {name: field(default=each.default, compare=each.compare) for name, each in kept.items()}
    space |= {
        name: field(default_factory=each.default_factory, init=each.init, repr=each.repr) for name, each in made.items()
    }
    frozen, eq = kind in {Point, Named}, kind is not Node
    return dataclasses.dataclass(slots=True, frozen=frozen, eq=eq)(type(kind.__name__, bases, space))


CALLS = [
    (Point, (1,), {}),
    (Point, (1, 3), {"tags": ("a",)}),
    (Named, (1,), {}),
    (Named, (1,), {"name": "x", "y": 7}),
    (Node, ("a",), {}),
    (Box, (1,), {"seen": 4}),
]


@pytest.mark.parametrize(("kind", "args", "named"), CALLS)
def test_objects_are_made_shown_and_taken_apart_like_those_of_the_standard_module(kind, args, named):
    ours, theirs = kind(*args, **named), standard(kind)(*args, **named)
    assert repr(ours) == repr(theirs)
    assert asdict(ours) == asdict(theirs)
    assert [(each.name, each.type, each.init) for each in fields(ours)] == [
        (each.name, each.type, each.init) for each in fields(theirs)
    ]
    assert kind.__match_args__ == type(theirs).__match_args__
    assert not hasattr(ours, "__dict__")
    first = fields(ours)[0].name
    assert getattr(replace(ours, **{first: "other"}), first) == "other"


def test_equality_and_hashes_go_by_the_fields_that_are_compared_and_the_class():
    assert Point(1) == Point(1, 2)
    assert Point(1) != Point(2)
    assert Point(1) != Named(1, 2)
    assert hash(Point(1)) == hash(Point(1, 2))
    assert {Point(1): "a"}[Point(1)] == "a"
    assert Box(1, 2) == Box(1, 3)
    assert Box.__hash__ is None
    one = Node("a")
    assert one == one  # noqa: PLR0124 - by identity
    assert one != Node("a")
    assert len({one, Node("a")}) == 2


def test_what_is_frozen_does_not_change_and_is_copied_and_pickled():
    point = Named(1, name="x")
    with pytest.raises(FrozenInstanceError):
        point.x = 2
    with pytest.raises(FrozenInstanceError):
        del point.x
    assert copy.copy(point) == copy.deepcopy(point) == pickle.loads(pickle.dumps(point)) == point


def test_a_default_that_is_made_is_made_anew():
    assert Node("a").parts is not Node("a").parts


def test_wrong_arguments_are_refused():
    for args, named in [((), {}), ((1, 2, (), 4, 5), {}), ((1,), {"z": 1})]:
        with pytest.raises(TypeError):
            Named(*args, **named)


def test_what_holds_itself_is_shown():
    node = Node("a")
    node.parts.append(node)
    assert repr(node) == "Node(text='a', parts=[...])"


def test_patterns_take_objects_apart():
    match Named(1, name="z"):
        case Named(x, y, tags, name):
            assert (x, y, tags, name) == (1, 5, (), "z")
        case _:
            pytest.fail("it is one")
