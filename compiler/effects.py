"""Effects: how each stays single, what settles a doubt, what undoes it.

| it says | in doubt | its identity |
|---|---|---|
| `key = EXPR` | it is sent again, the target drops the repeat; after `remembers` a person is asked | the key |
| `idempotent = true` | it is sent again: the state is as after one | its place |
| `check = CALL` | after `settles` the world is asked whether it was done | its place |
| `in_doubt = ask(WHO)` | after `settles` a person is asked | its place |
"""

from __future__ import annotations

from orchspec.compiler.attributes import Settings
from orchspec.compiler.calls import infer_arguments, match_arguments
from orchspec.compiler.codes import effects as codes
from orchspec.compiler.context import Env
from orchspec.compiler.expressions import Typer
from orchspec.compiler.failures import read_ask
from orchspec.compiler.model import EffectInfo, Reference, UndoInfo
from orchspec.compiler.names import find
from orchspec.compiler.policies import POLICY_ATTRIBUTES, read_policy
from orchspec.compiler.types import BOOL, NOTHING, Optional, Type, is_unknown, show
from orchspec.grammar.diagnostics import Label
from orchspec.grammar.syntax import Attribute, Call, Expr, Hole, Name, Node, Text, attribute, walk

__all__ = ["EFFECT_ATTRIBUTES", "check_effects"]

EFFECT_ATTRIBUTES = (
    "key",
    "idempotent",
    "check",
    "in_doubt",
    "settles",
    "remembers",
    "undo",
    *POLICY_ATTRIBUTES,
    "policies",
)
_WAYS = ("key", "idempotent", "check", "in_doubt")


def check_effects(typer: Typer) -> None:
    """Checks what stands inside of effects, and how they refer to each other."""
    effects = typer.checked.effects.values()
    for effect in effects:
        _effect(typer, effect)
    for effect in effects:
        _refuse_undone_undo(typer, effect)
        _check_of(typer, effect)


def _effect(typer: Typer, info: EffectInfo) -> None:
    settings = Settings(typer, "an effect", info.node.settings, EFFECT_ATTRIBUTES)
    env = Env(info.frame, seen=len(info.params), seeing="a key sees the parameters of its effect")
    key = settings.expr("key")
    if key is not None:
        info.key = key
        _key(typer, info, key, env)
    info.idempotent = _idempotent(settings)
    check = settings.expr("check")
    if check is not None:
        env = Env(info.frame, seen=len(info.params), seeing="a check sees the parameters of its effect")
        info.check = _call(typer, settings, "check", "found(id: id)", check, env)
    _in_doubt(typer, info, settings)
    _ways(typer, info, settings)
    _times(typer, info, settings)
    info.policy = read_policy(settings)
    undo = settings.expr("undo")
    if undo is not None:
        info.undo = _call(typer, settings, "undo", "retract(url: result)", undo, Env(info.frame))


def _idempotent(settings: Settings) -> bool:
    expr = settings.expr("idempotent")
    return expr is not None and settings.constant("idempotent", expr, (BOOL,), "`true`") is True


def _call(typer: Typer, settings: Settings, name: str, example: str, value: Expr, env: Env) -> UndoInfo | None:
    """The effect that another one names, with the arguments that it gets."""
    if not isinstance(value, Call):
        settings.wrong(name, value, f"the call of an effect such as `{example}`")
        return None
    target = find(typer.context, value.callee, EffectInfo)
    if target is None:
        infer_arguments(typer, value, env)
        return None
    arguments = match_arguments(typer, f"`{target.name}`", target.node.name, target.params, value, env)
    return UndoInfo(target, arguments)


def _in_doubt(typer: Typer, info: EffectInfo, settings: Settings) -> None:
    value = settings.expr("in_doubt")
    if value is None:
        return
    callee = value.callee if isinstance(value, Call) else None
    if not isinstance(value, Call) or not isinstance(callee, Name) or callee.text != "ask":
        settings.wrong("in_doubt", value, "`ask(WHO, within: 1d)`")
        return
    who, within_us, rest = read_ask(typer, value, settings, None)
    if rest:
        settings.wrong("in_doubt", rest[0], "`ask(WHO, within: 1d)`")
    if who is None:
        return
    if who.agent.kind != "human":
        kind = "an agent" if who.agent.kind == "agent" else "a dispatcher"
        label = Label(who.agent.node.name.span, "declared here")
        typer.report.add(codes.DOUBT_ASKS_NOBODY, value.args[0], who=who.agent.name, kind=kind, labels=[label])
        return
    info.doubt_who, info.doubt_within_us = who.agent, within_us


_HOW_SINGLE = "`key = EXPR` lets the target drop a repeat; else `idempotent = true`, `check = …` or `in_doubt = ask(…)`"


def _ways(typer: Typer, info: EffectInfo, settings: Settings) -> None:
    """Reports an effect that says in no way, or in several ways, how it stays single."""
    said = [name for name in _WAYS if settings.has(name) and (name != "idempotent" or info.idempotent)]
    if not said:
        if not settings.has("idempotent") or isinstance(settings.attributes["idempotent"].value, Hole):
            typer.report.absent(codes.NO_KEY, info.node.name, name=info.name, notes=[_HOW_SINGLE])
        else:
            typer.report.add(codes.NO_KEY, info.node.name, name=info.name, notes=[_HOW_SINGLE])
        return
    others = [name for name in said[1:] if (said[0], name) != ("key", "in_doubt")]
    if others:
        label = Label(settings.attributes[said[0]].name.span, "said here")
        typer.report.add(
            codes.SEVERAL_WAYS,
            settings.attributes[others[0]].name,
            name=info.name,
            ways=f"`{said[0]}` and `{others[0]}`",
            labels=[label],
        )


def _times(typer: Typer, info: EffectInfo, settings: Settings) -> None:
    info.settles_us = settings.duration("settles", zero=True)
    info.remembers_us = settings.duration("remembers")
    asked = settings.has("check") or settings.has("in_doubt")
    if settings.has("settles") and not asked:
        why = "what is in doubt is sent again, so nothing is waited for"
        _idle(typer, info, settings, "settles", why)
    if settings.has("remembers") and not settings.has("key"):
        _idle(typer, info, settings, "remembers", "its target is given no key to remember")
    elif settings.has("remembers") and not settings.has("in_doubt"):
        typer.report.add(codes.NOBODY_AFTER, settings.attributes["remembers"].name, name=info.name)
    elif settings.has("key") and settings.has("in_doubt") and not settings.has("remembers"):
        _idle(
            typer, info, settings, "in_doubt", "in doubt it is sent again with its key; `remembers` says for how long"
        )


def _idle(typer: Typer, info: EffectInfo, settings: Settings, name: str, why: str) -> None:
    typer.report.add(codes.SAYS_NOTHING, settings.attributes[name].name, attribute=name, name=info.name, notes=[why])


# ------------------------------------------------------------------ keys


def _key(typer: Typer, info: EffectInfo, key: Expr, env: Env) -> None:
    before = len(typer.report.diagnostics)
    found = typer.root(key, env)
    if is_unknown(found) or len(typer.report.diagnostics) > before:
        return
    if isinstance(found, Optional):
        note = "give a value for none with `??`"
        typer.report.add(codes.UNKEYABLE, key, found=show(found), notes=[note])
    elif isinstance(key, Text) or not _reads(typer, key):
        typer.report.add(codes.CONSTANT_KEY, key, name=info.name)


def _reads(typer: Typer, expr: Expr) -> bool:
    return any(isinstance(typer.checked.resolved.get(part), Reference) for part in walk(expr))


# ------------------------------------------------------------------ what effects name


def _check_of(typer: Typer, effect: EffectInfo) -> None:
    """Reports a check that could do something, or that does not say what was done."""
    if effect.check is None:
        return
    target = effect.check.effect
    at = _setting(effect, "check").value
    label = Label(target.node.name.span, "declared here")
    if not target.idempotent:
        typer.report.add(codes.CHECK_ACTS, at, name=effect.name, check=target.name, labels=[label])
        return
    found, wanted = target.result, effect.result
    if is_unknown(found) or is_unknown(wanted):
        return
    if not isinstance(found, Optional) or not _gives(found, wanted):
        expected = "an optional: none says that it was not done" if wanted == NOTHING else f"{show(_receipt(wanted))}"
        typer.report.add(codes.CHECK_RESULT, at, name=effect.name, found=show(found), expected=expected, labels=[label])


def _receipt(wanted: Type) -> Type:
    return wanted if isinstance(wanted, Optional) else Optional(wanted)


def _gives(found: Optional, wanted: Type) -> bool:
    return wanted == NOTHING or found == _receipt(wanted)


def _setting(effect: EffectInfo, name: str) -> Attribute:
    found = attribute(effect.node.settings, name)
    assert found is not None
    return found


def _refuse_undone_undo(typer: Typer, effect: EffectInfo) -> None:
    seen = [effect]
    current = effect
    while current.undo is not None:
        current = current.undo.effect
        if current is effect:
            # Told once for the circle, at the effect that stands last in the file.
            if effect is max(seen, key=lambda item: (item.node.span.source.name, item.node.span.start)):
                undo: Node = _setting(effect, "undo")
                typer.report.add(codes.UNDO_OF_UNDO, undo, name=effect.name, first=seen[-1].name)
            return
        if current in seen:
            return
        seen.append(current)
