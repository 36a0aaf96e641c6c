"""Which profile describes whom: a profile may stand beside its target, in a file of its own, or in the importer.

A profile in a file that is imported may name what its importer declares: a file of profiles is brought into a spec by
importing it. One that stands in another file than its target replaces the one beside it; the spec's own is the last
word.
"""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

from orchspec.compiler.context import Context
from orchspec.compiler.model import AgentInfo, EffectInfo, SignalInfo, ToolInfo
from orchspec.grammar.syntax import Import, ParamDecl, ProfileDecl

__all__ = ["ORCHESTRATOR", "TARGETS", "Target", "choose_profiles", "holds_profiles_alone", "rank"]

ORCHESTRATOR: Final = "orchestrator"
"""The name by which profiles and faults mean the engine itself."""

TARGETS: Final = ("agents", "tools", "effects", "signals")
"""The tables of what profiles, faults and KPIs are about."""

Target: TypeAlias = AgentInfo | ToolInfo | EffectInfo | SignalInfo | Literal["orchestrator"]


def choose_profiles(context: Context) -> None:
    """Finds the target of each profile, and for each target the profile that describes it."""
    checked = context.checked
    ranks: dict[str, int] = {}
    for node in checked.profiles:
        target = _target(context, node)
        if target is None:
            continue
        checked.targets[node.target] = target
        name = target if isinstance(target, str) else target.name
        if name not in ranks or rank(context, node, target) > ranks[name]:
            ranks[name] = rank(context, node, target)
            checked.profile_of[name] = node


def rank(context: Context, node: ProfileDecl, target: Target) -> int:
    """How much a profile counts: one beside its target least, one of the spec itself most."""
    if not isinstance(target, str) and target.node.span.source is node.span.source:
        return 0
    return 1 if context.module(node).prefix else 2


def holds_profiles_alone(context: Context, node: ProfileDecl) -> bool:
    """Whether a profile stands in a file that declares nothing which a profile could be about."""
    return all(isinstance(item, ProfileDecl | ParamDecl | Import) for item in context.module(node).file.declarations)


def _target(context: Context, node: ProfileDecl) -> Target | None:
    """Whom a profile is about: what its file means by the name, else the file that imports it, and so on outwards."""
    name = node.target.text
    if name == ORCHESTRATOR:
        return ORCHESTRATOR
    module = context.module(node)
    while True:
        for table in TARGETS:
            found: Target | None = module.find(table, name)
            if found is not None:
                return found
        if module.importer is None:
            return None
        context.used.add(module)
        module = module.importer
