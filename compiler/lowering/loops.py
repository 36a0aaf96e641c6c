"""Loops that a model drives: `supervise` and `peers`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from orchspec.compiler.lowering.expressions import lower_arguments, lower_optional
from orchspec.compiler.lowering.who import lower_candidates, lower_on_failure
from orchspec.compiler.model import PeersInfo, SuperviseInfo
from orchspec.compiler.plan import Handoff, Peers, Supervise

if TYPE_CHECKING:
    from orchspec.compiler.lowering.blocks import Lowering
    from orchspec.compiler.model import BlockInfo
    from orchspec.compiler.plan import Expr
    from orchspec.grammar import syntax

__all__ = ["lower_peers", "lower_supervise"]


def lower_supervise(lowering: Lowering, node: syntax.Supervise, _: BlockInfo, needs: list[int]) -> Supervise:
    """A lead and its workers."""
    info = lowering.checked.steps[node]
    assert isinstance(info, SuperviseInfo)
    return Supervise(
        kind="supervise",
        leads=lower_candidates(info.leads, info.prefer, lowering.profiles),
        workers=lower_candidates(info.workers, info.prefer, lowering.profiles),
        rounds=info.rounds,
        depth=info.depth,
        width=lower_optional(lowering.checked, info.width),
        prefer=info.prefer,
        **_common(lowering, info, needs),
    )


def lower_peers(lowering: Lowering, node: syntax.Peers, _: BlockInfo, needs: list[int]) -> Peers:
    """A network of peers."""
    info = lowering.checked.steps[node]
    assert isinstance(info, PeersInfo)
    assert info.start is not None, "somebody starts"
    return Peers(
        kind="peers",
        peers=lower_candidates(info.candidates, "least_busy", lowering.profiles),
        start=info.start.name,
        hops=info.hops,
        handoffs=[
            Handoff(
                handoff.source.name,
                [target.name for target in handoff.targets],
                lower_optional(lowering.checked, handoff.node.when),
            )
            for handoff in info.handoffs
        ],
        **_common(lowering, info, needs),
    )


def _common(lowering: Lowering, info: SuperviseInfo | PeersInfo, needs: list[int]) -> dict[str, Any]:
    checked, node = lowering.checked, info.node
    assert info.contract is not None
    args: list[Expr] = lower_arguments(checked, info.arguments)
    args.insert(info.so_far, ["const", None])  # the run fills it
    return {
        "node": lowering.nodes[node],
        "name": node.name.text,
        "slot": checked.slots[node].index,
        "needs": needs,
        "contract": info.contract.name,
        "args": args,
        "so_far": info.so_far,
        "urgency": lower_optional(checked, info.urgency),
        "gate": lowering.gate(node, info.own),
        "only_if": lower_optional(checked, info.only_if),
        "on_failure": lower_on_failure(checked, info.on_failure, lowering.profiles),
        "budget": info.budget,
    }
