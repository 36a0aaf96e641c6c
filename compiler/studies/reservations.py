"""Where a budget rests on a guess: what an attempt may take is known from its profile alone, or not at all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal

from orchspec.compiler.codes.budgets import NO_RESERVATION
from orchspec.compiler.codes.studies import GUESSED_RESERVATION
from orchspec.compiler.lowering.reserve import estimated
from orchspec.compiler.model import CandidateInfo, StepInfo
from orchspec.compiler.plan import Budget, Profile
from orchspec.compiler.studies.context import Study
from orchspec.grammar import syntax

__all__ = ["check_guesses"]


def check_guesses(study: Study, profiles: Mapping[str, Profile]) -> None:
    """Reports, once for each agent, a reservation under a budget that only its profile can estimate."""
    told: set[str] = set()
    for info, budgets in _steps(study):
        limits = {
            "cost": any(budget.cost_pico is not None for budget in budgets),
            "token": any(budget.tokens is not None for budget in budgets),
        }
        for candidate in info.candidates:
            profile = profiles.get(candidate.agent.name)
            if profile is None or candidate.agent.name in told or candidate.agent in study.base.vague:
                continue
            rests = [_rests_on(candidate, profile, limit) for limit, there in limits.items() if there]
            at = getattr(info.node, "by", None) or info.node
            if "nothing" in rests:
                told.add(candidate.agent.name)
                limit = "cost" if limits["cost"] else "token"
                notes = ["what its profile reads from a file bounds nothing before a run; cap it with a `budget`"]
                study.report.add(NO_RESERVATION, at, agent=candidate.agent.name, limit=limit, notes=notes)
            elif "a guess" in rests:
                told.add(candidate.agent.name)
                study.report.add(GUESSED_RESERVATION, at, agent=candidate.agent.name)


def _rests_on(candidate: CandidateInfo, profile: Profile, limit: str) -> Literal["a cap", "a guess", "nothing"]:
    """What the reservation of an attempt rests on; a profile that says nothing was judged with the budgets."""
    found: Literal["a cap", "a guess", "nothing"] = "a cap"
    for tier in candidate.tiers:
        known, said = (
            (tier.reserve_cost_pico, (profile.cost, profile.tokens_in, profile.tokens_out))
            if limit == "cost"
            else (tier.reserve_tokens, (profile.tokens_in, profile.tokens_out))
        )
        if known is not None or not any(dist is not None for dist in said):
            continue
        if limit == "token" and tier.reserve_cost_pico is not None:
            continue  # the cost of the attempt holds it in check
        guess = estimated(profile, tier.model)
        if (guess.cost_pico if limit == "cost" else guess.tokens) is None:
            return "nothing"
        found = "a guess"
    return found


def _steps(study: Study) -> Iterator[tuple[StepInfo, tuple[Budget, ...]]]:
    """Each step with the budgets around it: its own, those of the scopes around it, and that of its flow.

    A flow that is called by another is judged by what it says itself.
    """
    checked = study.checked
    for flow in checked.flows.values():
        stack: list[tuple[syntax.Node, tuple[Budget, ...]]] = [(flow.node, (flow.budget,))]
        while stack:
            node, budgets = stack.pop()
            if isinstance(node, syntax.Step | syntax.Supervise | syntax.Peers) and node in checked.steps:
                info = checked.steps[node]
                yield info, budgets if info.budget is None else (*budgets, info.budget)
                continue
            scope = checked.scopes.get(node) if isinstance(node, syntax.Scope) else None
            if scope is not None and scope.budget is not None:
                budgets = (*budgets, scope.budget)
            stack.extend((child, budgets) for child in reversed(syntax.statements_below(node)))
