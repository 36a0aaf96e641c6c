"""The cast: who plays agents, people, effects and tools in a simulation, compiled once for all its replications."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from orchspec.compiler.plan import Profile
from orchspec.runtime.distributions import columns_of, compile_time
from orchspec.runtime.draws import uniform
from orchspec.runtime.sampling import AgentSampler, scarce_tools
from orchspec.runtime.tables import TableError, read_columns

if TYPE_CHECKING:
    from pathlib import Path

    from orchspec.compiler.plan import Plan
    from orchspec.runtime.made import Breakage

__all__ = ["Cast", "columns"]


class Cast:
    """Samplers by name. `scarce` are the tools whose calls can be kept waiting; calls of the others take no part."""

    def __init__(
        self, plan: Plan, data: dict[tuple[str, str], Any], tools_struck: frozenset[str] = frozenset()
    ) -> None:
        self.plan = plan
        self.data = data
        self.players = {name: AgentSampler(plan, name, data) for name in [*plan.agents, *plan.effects, *plan.signals]}
        self.scarce = scarce_tools(plan) | tools_struck.intersection(plan.tools)
        self.holds = {
            name: compile_time(plan.profiles.get(name, Profile(name)).latency, data) for name in sorted(self.scarce)
        }
        orchestrator = plan.profiles.get("orchestrator")
        write = orchestrator.journal_write if orchestrator is not None else None
        self.journal_write: Callable[[float], int] | None = compile_time(write, data) if write is not None else None

    def broken(
        self, agent: str, contract: str, inputs: list[Any], key: int, attempt: int, kind: Breakage = "garbage"
    ) -> Any:
        """An output with a fault in it: one that breaks its contract, or a mistaken one."""
        return self.players[agent].maker(contract).broken(kind, inputs, partial(uniform, key, attempt))


def columns(plan: Plan, folder: Path | None, given: Any = ()) -> dict[tuple[str, str], Any]:
    """All columns of files that the plan's profiles and these distributions read.

    Raises TableError for a file or column that cannot be read.
    """
    wanted: dict[tuple[str, str], None] = {}
    for profile in plan.profiles.values():
        dists = [profile.latency, profile.tokens_in, profile.tokens_out, profile.cost, profile.journal_write]
        for dist in [*dists, *profile.calls.values(), *profile.effects.values(), *profile.output.values()]:
            if dist is not None:
                wanted.update(dict.fromkeys(columns_of(dist)))
    for dist in given:
        wanted.update(dict.fromkeys(columns_of(dist)))
    if not wanted:
        return {}
    if folder is None:
        raise TableError(f"{next(iter(wanted))[0]} cannot be found: the spec lies in no folder")
    return dict(read_columns(folder, list(wanted)))
