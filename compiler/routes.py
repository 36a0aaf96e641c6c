"""Routes: which arm of several runs, by what was found out before.

Every value that the subject can have meets an arm, no arm stands where none can reach it, and the arms agree in what
they give. An arm with a guard (`when`) covers nothing, since nobody knows before a run whether it holds.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import TypeAlias

from orchspec.compiler.codes import flows as codes
from orchspec.compiler.codes import types as type_codes
from orchspec.compiler.constants import NotConstant, evaluate
from orchspec.compiler.context import Env, Fact
from orchspec.compiler.expressions import Typer
from orchspec.compiler.extents import settled
from orchspec.compiler.model import ArmInfo, BlockInfo, MemberRef, ParamRef, RouteInfo
from orchspec.compiler.narrowing import fact_of, facts_without
from orchspec.compiler.types import BOOL, NOTHING, UNKNOWN, EnumOf, Nothing, Optional, Type, is_unknown, show, unify
from orchspec.grammar.diagnostics import Label
from orchspec.grammar.source import Span
from orchspec.grammar.syntax import Arm, Bool, Expr, Give, NoneLit, Range, RecordLit, Route, Step, walk

__all__ = ["check_route"]

_Body: TypeAlias = Callable[[Arm, Env, Type | None], BlockInfo]


def check_route(typer: Typer, node: Route, env: Env, body: _Body) -> RouteInfo:
    """Checks a route of a block; `body` checks the block of an arm where its guard holds, told what others give."""
    info = RouteInfo(node)
    typer.checked.routes[node] = info
    subject = typer.root(node.subject, env) if node.subject is not None else None
    known = _known(typer, node, subject, env)
    arms: dict[Arm, ArmInfo] = {}
    hint: Type | None = None
    # What a record literal is a literal of, the other arms say.
    for arm in sorted(node.arms, key=_gives_record):
        block = body(arm, env.knowing(known[arm]), hint)
        only = block.statements[0] if len(block.statements) == 1 else None
        call = typer.checked.steps.get(only) if isinstance(only, Step) and not only.name.text else None
        if call is not None:
            typer.checked.slots[call.node].read = True
        arms[arm] = ArmInfo(arm, block, call)
        if hint is None and not isinstance(arms[arm].result, Nothing):
            hint = arms[arm].result
    info.arms = tuple(arms[arm] for arm in node.arms)
    _Cover(typer, node, subject).check()
    info.result = _result(typer, info)
    return info


def _known(typer: Typer, node: Route, subject: Type | None, env: Env) -> dict[Arm, set[Fact]]:
    """What is known to be something in each arm, by its own conditions and by those of the arms above it."""
    found: dict[Arm, set[Fact]] = {}
    above: set[Fact] = set()
    for arm in node.arms:
        _patterns(typer, arm, subject, env)
        here = env.knowing(above)
        own = set(typer.condition(arm.when, here, "the condition of an arm")) if arm.when is not None else set()
        resolved = typer.checked.resolved
        fact = fact_of(node.subject, resolved) if node.subject is not None else None
        something = set() if fact is None else {fact[:length] for length in range(1, len(fact) + 1)}
        none = any(isinstance(pattern, NoneLit) for pattern in arm.patterns)
        types = typer.checked.expr_types
        surely = all(not isinstance(types.get(each), Optional) for each in arm.patterns)
        found[arm] = above | own | (something if arm.patterns and not none and surely else set())
        if arm.patterns and none and arm.when is None:
            above = above | something
        elif not arm.patterns and arm.when is not None:
            above = above | facts_without(arm.when, resolved)
    return found


def _gives_record(arm: Arm) -> bool:
    return any(isinstance(item, Give) and isinstance(item.value, RecordLit) for item in arm.body.body)


def _patterns(typer: Typer, arm: Arm, subject: Type | None, env: Env) -> None:
    if arm.patterns and subject is None:
        typer.report.add(codes.NO_SUBJECT, _head(arm))
    for pattern in arm.patterns:
        if subject is None or is_unknown(subject):
            typer.root(pattern, env)
        elif isinstance(pattern, Range):
            note = f"a pattern is one value; a range is a condition: `when … in {pattern.span.text} -> …`"
            typer.report.add(
                type_codes.TYPE_MISMATCH,
                pattern,
                what="a pattern of the route",
                found="a range",
                expected=show(subject),
                notes=[note],
            )
        else:
            typer.root(pattern, env, subject, "a pattern of the route")


def _head(arm: Arm) -> Span:
    """The keyword that an arm starts with."""
    word = arm.span.text.split(maxsplit=1)[0] if arm.span.text.split() else ""
    return arm.span.source.span(arm.span.start, arm.span.start + len(word))


# ------------------------------------------------------------------ which arm


class _Cover:
    """What the arms of a route have covered so far."""

    def __init__(self, typer: Typer, node: Route, subject: Type | None) -> None:
        self.typer = typer
        self.node = node
        self.subject = subject
        self.seen: dict[Hashable, Expr] = {}
        self.guards: dict[tuple[str, ...], Expr] = {}

    def check(self) -> None:
        """Reports arms and patterns that are never reached, and values that no arm is for."""
        whole = self._whole()
        full: Arm | None = None
        for arm in self.node.arms:
            if full is not None:
                self._never(_head(arm), "this arm", Label(_head(full), "what is left ends here"))
                continue
            for pattern in arm.patterns:
                self._pattern(arm, pattern)
            holds = None if arm.when is None else settled(self.typer.checked, arm.when)
            if arm.when is not None:
                self._guard(arm, arm.when, holds)
            always = not arm.patterns and holds is True
            if arm.is_else or always or (whole is not None and all(value in self.seen for value in whole)):
                full = arm
        if full is None and not (self.subject is not None and is_unknown(self.subject)):
            self._uncovered(whole)

    def _guard(self, arm: Arm, when: Expr, holds: bool | None) -> None:
        """Reports an arm whose guard never holds, or has been asked above for the same values."""
        if holds is False:
            self._never(_head(arm), "this arm", Label(when.span, "it never holds"))
            return
        asked = (*(" ".join(part.span.text.split()) for part in (*arm.patterns, when)),)
        first = self.guards.setdefault(asked, when)
        if first is not when:
            self._never(_head(arm), "this arm", Label(first.span, "the same is asked here"))

    def _whole(self) -> Sequence[Hashable] | None:
        """Every value that the subject can have, if these can be counted."""
        kind = self.subject
        none: tuple[Hashable, ...] = ()
        if isinstance(kind, Optional):
            kind, none = kind.inner, (("none",),)
        if kind == BOOL:
            return (("value", True), ("value", False), *none)
        if isinstance(kind, EnumOf):
            members = self.typer.checked.enums[kind.name].members
            return (*(("member", name) for name in members), *none)
        return None

    def _pattern(self, arm: Arm, pattern: Expr) -> None:
        value = self._value(pattern)
        if value is None:
            return
        first = self.seen.get(value)
        if first is not None:
            self._never(pattern.span, f"`{pattern.span.text}`", Label(first.span, "it stands here already"))
        elif arm.when is None:
            self.seen[value] = pattern

    def _value(self, pattern: Expr) -> Hashable | None:
        """What a pattern stands for, if that is the same in every run, whatever the params are set to."""
        resolved = self.typer.checked.resolved
        found = resolved.get(pattern)
        if isinstance(found, MemberRef):
            return "member", found.member
        if isinstance(pattern, NoneLit):
            return ("none",)
        if isinstance(pattern, Bool):
            return "value", pattern.value
        kind = self.typer.checked.expr_types.get(pattern)
        if kind is None or is_unknown(kind) or any(isinstance(resolved.get(part), ParamRef) for part in walk(pattern)):
            return None
        try:
            value = evaluate(pattern, self.typer.checked)
        except NotConstant:
            return None
        return ("value", value) if isinstance(value, Hashable) else None

    def _never(self, at: Span, what: str, label: Label) -> None:
        self.typer.report.add(codes.ARM_UNREACHABLE, at, what=what, labels=[label])

    def _uncovered(self, whole: Sequence[Hashable] | None) -> None:
        at = self.node.subject if self.node.subject is not None else self.node.name
        if whole is None:
            missing = "every other value" if self.node.subject is not None else "the case that no condition holds"
        else:
            left = [value for value in whole if value not in self.seen]
            missing = ", ".join(f"`{self._shown(value)}`" for value in left)
        guarded = [arm for arm in self.node.arms if arm.patterns and arm.when is not None]
        labels = [Label(arm.when.span, "a guard may fail") for arm in guarded[:1] if arm.when is not None]
        notes = ["add the arms that are missing, or `else -> …`"]
        name = self.node.name.text
        self.typer.report.absent(
            codes.NOT_EXHAUSTIVE, at, reach="statement", name=name, missing=missing, labels=labels, notes=notes
        )

    def _shown(self, value: Hashable) -> str:
        assert isinstance(value, tuple)
        if value[0] == "member":
            kind = self.subject.inner if isinstance(self.subject, Optional) else self.subject
            return f"{kind.name}.{value[1]}" if isinstance(kind, EnumOf) else str(value[1])
        return "none" if value[0] == "none" else str(value[1]).lower()


# ------------------------------------------------------------------ what it gives


def _result(typer: Typer, info: RouteInfo) -> Type:
    """The type that all arms fit which do not fail; nothing if none of them gives anything."""
    giving = [arm for arm in info.arms if not isinstance(arm.result, Nothing)]
    if not giving:
        return NOTHING
    first, result = giving[0], giving[0].result
    for arm in info.arms:
        if isinstance(arm.result, Nothing):
            if not arm.fails:
                expected = f"`give` of {show(result)} or `fail`" if not is_unknown(result) else "`give` or `fail`"
                place = f"this arm of `{info.node.name.text}`"
                typer.report.absent(codes.NO_VALUE, _head(arm.node), place=place, expected=expected)
            continue
        both = unify(result, arm.result)
        if both is None:
            typer.report.add(
                type_codes.TYPE_MISMATCH,
                _value_span(arm),
                what=f"this arm of `{info.node.name.text}`",
                found=show(arm.result),
                expected=show(result),
                labels=[Label(_value_span(first), f"this one gives {show(first.result)}")],
            )
            return UNKNOWN
        result = both
    return result


def _value_span(arm: ArmInfo) -> Span:
    if arm.call is not None:
        return arm.call.node.work.span
    return arm.node.span if arm.body.gives is None else arm.body.gives.value.span
