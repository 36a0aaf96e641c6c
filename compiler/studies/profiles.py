"""Profiles: what the simulator samples for agents, tools, effects, people and the orchestrator."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, TypeVar

from orchspec.compiler.codes.declarations import ATTRIBUTE_TWICE, UNKNOWN_ATTRIBUTE
from orchspec.compiler.codes.imports import PROFILE_ELSEWHERE
from orchspec.compiler.codes.names import DUPLICATE_DECLARATION
from orchspec.compiler.codes.studies import NOTHING_TO_SAMPLE, UNTOUCHABLE_EFFECT, UNTOUCHABLE_TOOL
from orchspec.compiler.codes.types import DUPLICATE_ENTRY, TYPE_MISMATCH
from orchspec.compiler.model import AgentInfo, EffectInfo, FieldInfo, SignalInfo, ToolInfo
from orchspec.compiler.plan import Dist, Profile
from orchspec.compiler.profiled import holds_profiles_alone, rank
from orchspec.compiler.report import did_you_mean, listed
from orchspec.compiler.studies.choices import share
from orchspec.compiler.studies.context import FAILED, ORCHESTRATOR, Failed, Study, Target
from orchspec.compiler.studies.distributions import distribution, of_field
from orchspec.compiler.studies.values import spoken
from orchspec.compiler.types import BOOL, DURATION, INT, MONEY, RecordOf, Type, Unknown, required
from orchspec.grammar import syntax
from orchspec.grammar.diagnostics import Label

__all__ = ["FIELDS", "check_profiles"]

_Named = TypeVar("_Named", ToolInfo, EffectInfo)
_FieldKind = Literal["time", "count", "money", "share", "calls", "effects", "output"]

_WORKER: Mapping[str, _FieldKind] = {
    "latency": "time",
    "tokens_in": "count",
    "tokens_out": "count",
    "cost": "money",
    "failure": "share",
    "garbage": "share",
    "never": "share",
    "calls": "calls",
    "effects": "effects",
    "output": "output",
}
_PERSON = ("latency", "cost", "failure", "garbage", "never", "output")

FIELDS: Mapping[str, Mapping[str, _FieldKind]] = {
    "agent": _WORKER,
    "dispatcher": {name: kind for name, kind in _WORKER.items() if name not in ("calls", "effects")},
    "human": {name: kind for name, kind in _WORKER.items() if name in _PERSON},
    "tool": {"latency": "time", "cost": "money", "failure": "share"},
    "effect": {"latency": "time", "cost": "money", "failure": "share", "output": "output"},
    "signal": {"latency": "time", "never": "share", "output": "output"},
    "orchestrator": {"journal_write": "time"},
}
"""What a profile may say of each kind of target."""

_TYPES: Mapping[str, Type] = {"time": DURATION, "count": INT, "money": MONEY}


def check_profiles(study: Study) -> dict[str, Profile]:
    """The profiles by their targets, those without mistakes; mistakes are reported."""
    profiles: dict[str, Profile] = {}
    seen: dict[tuple[str, int], syntax.ProfileDecl] = {}
    elsewhere: list[syntax.ProfileDecl] = []
    for node in study.checked.profiles:
        unknown = node.target not in study.checked.targets and not study.base.module(node).prefix
        if unknown and holds_profiles_alone(study.base, node):
            elsewhere.append(node)
            continue
        target = study.target(node.target, node.target.text)
        if target is None:
            continue
        name = study.name_of(target)
        first = seen.setdefault((name, rank(study.base, node, target)), node)
        if first is not node:
            label = Label(first.target.span, "the first profile")
            study.report.add(DUPLICATE_DECLARATION, node.target, name=f"profile {name}", labels=[label])
            continue
        made = _profile(study, node, name, target)
        if made is not None and study.checked.profile_of.get(name) is node:
            profiles[name] = made
    if elsewhere:  # one piece of advice for the file
        here, *others = (node.target for node in elsewhere)
        notes = [f"so may {listed(f'`{other.text}`' for other in others)}"] if others else []
        study.report.add(PROFILE_ELSEWHERE, here, name=here.text, notes=notes)
    return profiles


def _profile(study: Study, node: syntax.ProfileDecl, name: str, target: Target) -> Profile | None:
    fields = FIELDS[study.kind_of(target)]
    said: dict[str, Any] = {}
    given: dict[str, syntax.Node] = {}
    sound = True
    for setting in node.settings:
        if isinstance(setting, syntax.Budget):
            study.report.add(
                UNKNOWN_ATTRIBUTE, setting, place="a profile", name="budget", notes=["it belongs to the agent"]
            )
            sound = False
            continue
        attribute = setting.name.text
        kind = fields.get(attribute)
        if kind is None:
            _unknown_field(study, setting, study.kind_of(target), fields)
            sound = False
        elif study.once(ATTRIBUTE_TWICE, given, setting.name):
            made = _field(study, setting, kind, target)
            sound = sound and not isinstance(made, Failed)
            said[attribute] = made
    return Profile(name, **said) if sound else None


def _unknown_field(study: Study, setting: syntax.Attribute, kind: str, fields: Mapping[str, _FieldKind]) -> None:
    name = setting.name.text
    if name:
        place = f"the profile of {'the' if kind == ORCHESTRATOR else 'an' if kind[0] in 'ae' else 'a'} {kind}"
        fix = did_you_mean(name, setting.name, fields)
        notes = [f"it has {listed(fields)}"]
        study.report.add(UNKNOWN_ATTRIBUTE, setting.name, place=place, name=name, notes=notes, fix=fix)


def _field(study: Study, setting: syntax.Attribute, kind: _FieldKind, target: Target) -> Any | Failed:
    what = f"`{setting.name.text}`"
    match kind:
        case "share":
            return share(study, setting.value, what)
        case "calls" | "effects":
            return _touched(study, setting, kind, target)
        case "output":
            return _output(study, setting.value, target)
        case _:
            return distribution(study, setting.value, _TYPES[kind], what, negative=False)


def _touched(
    study: Study, setting: syntax.Attribute, kind: Literal["calls", "effects"], target: Target
) -> dict[str, Dist] | Failed:
    """`calls = { tool: D }` or `effects = { effect: share }` of an agent."""
    value = setting.value
    if not isinstance(value, syntax.RecordLit):
        if not isinstance(value, syntax.Hole):
            example = "{ tool: uniform(1, 4) }" if kind == "calls" else "{ effect: 30% }"
            study.report.add(TYPE_MISMATCH, value, what=f"`{kind}`", found=spoken(value), expected=f"`{example}`")
        return FAILED
    made: dict[str, Dist] = {}
    given: dict[str, syntax.Node] = {}
    sound = True
    for entry in value.entries:
        if not study.once(DUPLICATE_ENTRY, given, entry.name):
            sound = False
            continue
        name, part = _calls(study, entry, target) if kind == "calls" else _asks(study, entry, target)
        sound = sound and not isinstance(part, Failed)
        made[name] = part
    return made if sound else FAILED


def _calls(study: Study, entry: syntax.RecordEntry, target: Target) -> tuple[str, Dist | Failed]:
    assert isinstance(target, AgentInfo)
    name = entry.name.text
    tool = _touchable(target.tools, name)
    if tool is not None:
        return tool.name, distribution(study, entry.value, INT, f"the calls of `{name}`", negative=False)
    if study.target(entry.name, name, ("tool",)) is not None:
        labels = [Label(target.node.name.span, "declared here")]
        study.report.add(UNTOUCHABLE_TOOL, entry.name, agent=target.name, tool=name, labels=labels)
    return name, FAILED


def _touchable(items: Sequence[_Named], name: str) -> _Named | None:
    """What an agent may touch by this name: a label has no dots, so what is imported goes by its last part."""
    return next((item for item in items if name in (item.name, item.name.rpartition(".")[2])), None)


def _asks(study: Study, entry: syntax.RecordEntry, target: Target) -> tuple[str, Dist | Failed]:
    assert isinstance(target, AgentInfo)
    name = entry.name.text
    effect = _touchable(target.effects, name)
    if effect is not None:
        if isinstance(entry.value, syntax.Call):
            return effect.name, distribution(study, entry.value, BOOL, "the chance")
        part = share(study, entry.value, "the chance")
        return effect.name, part if isinstance(part, Failed) else ["chance", part]
    if study.target(entry.name, name, ("effect",)) is not None:
        labels = [Label(target.node.name.span, "declared here")]
        study.report.add(UNTOUCHABLE_EFFECT, entry.name, agent=target.name, effect=name, labels=labels)
    return name, FAILED


# ------------------------------------------------------------------ outputs


def _results(target: Target) -> list[Type]:
    """The types of what a target gives, each once."""
    if isinstance(target, EffectInfo | SignalInfo):
        return [target.result]
    assert isinstance(target, AgentInfo)
    results: list[Type] = []
    for contract in target.fulfills:
        if contract.result not in results:
            results.append(contract.result)
    return results


def _output(study: Study, value: syntax.Expr, target: Target) -> dict[str, Dist] | Failed:
    """`output = { field: D }`, or `output = D` for results that are no records (their key is empty)."""
    results = _results(target)
    name = getattr(target, "name", "")
    if any(isinstance(required(result), Unknown) for result in results) or getattr(target, "open", False):
        return FAILED
    records = [study.checked.records[kind.name] for result in results if isinstance(kind := required(result), RecordOf)]
    if not isinstance(value, syntax.RecordLit):
        plain = [result for result in results if not isinstance(required(result), RecordOf)]
        if not plain:
            study.report.add(NOTHING_TO_SAMPLE, value, target=name, what="no fields; write `output = { field: D }`")
            return FAILED
        made = _fitting(study, plain, lambda where, kind: distribution(where, value, kind, "`output`"))
        return FAILED if isinstance(made, Failed) else {"": made}
    outputs: dict[str, Dist] = {}
    given: dict[str, syntax.Node] = {}
    sound = True
    for entry in value.entries:
        label = entry.name.text
        fields = [info for record in records if (info := record.field(label)) is not None]
        if not study.once(DUPLICATE_ENTRY, given, entry.name):
            sound = False
        elif not fields:
            names = [item.name for record in records for item in record.fields]
            fix = did_you_mean(label, entry.name, names)
            study.report.add(
                NOTHING_TO_SAMPLE,
                entry.name,
                target=name,
                what=f"a field `{label}`",
                notes=_samplable(names, plain=len(records) < len(results)),
                fix=fix,
            )
            sound = False
        else:
            part = _fitting(study, fields, _of_entry(entry))
            sound = sound and not isinstance(part, Failed)
            outputs[label] = part
    return outputs if sound else FAILED


def _samplable(names: Sequence[str], *, plain: bool) -> list[str]:
    if plain:
        return ["what is no record has one distribution: `output = D`"]
    return [f"its fields are {listed(names)}"] if names else []


def _of_entry(entry: syntax.RecordEntry) -> Callable[[Study, FieldInfo], Dist | Failed]:
    return lambda study, info: of_field(study, entry.value, info)


_Kind = TypeVar("_Kind")


def _fitting(study: Study, kinds: list[_Kind], make: Callable[[Study, _Kind], Dist | Failed]) -> Dist | Failed:
    """The distribution for several fields or types: the same is sampled for all of them, so it must fit each."""
    made: Dist | Failed = FAILED
    for kind in kinds:
        made = make(study, kind)
        if isinstance(made, Failed):
            return FAILED
    return made
