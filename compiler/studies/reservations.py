"""Warns where a budget rests on a guess: what an attempt may take is known from its profile alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from orchspec.compiler.codes.studies import GUESSED_RESERVATION
from orchspec.compiler.lowering.reserve import estimated
from orchspec.compiler.model import CandidateInfo, StepInfo
from orchspec.compiler.plan import Budget, Profile
from orchspec.compiler.studies.context import Study
from orchspec.grammar import syntax

__all__ = ["warn_of_guesses"]


def warn_of_guesses(study: Study, profiles: Mapping[str, Profile]) -> None:
    """Reports, once for each agent, a reservation under a budget that only its profile estimates."""
    warned: set[str] = set()
    for info, budgets in _steps(study):
        costly = any(budget.cost_pico is not None for budget in budgets)
        counted = any(budget.tokens is not None for budget in budgets)
        for candidate in info.candidates:
            if candidate.agent.name not in warned and _guessed(candidate, profiles, costly=costly, counted=counted):
                warned.add(candidate.agent.name)
                at = info.node.by or info.node
                study.report.add(GUESSED_RESERVATION, at, agent=candidate.agent.name)


def _steps(study: Study) -> Iterator[tuple[StepInfo, tuple[Budget, ...]]]:
    """Each step with the budgets around it: its own, those of the scopes around it, and that of its flow.

    A flow that is called by another is judged by what it says itself.
    """
    checked = study.checked
    for flow in checked.flows.values():
        stack: list[tuple[syntax.Node, tuple[Budget, ...]]] = [(flow.node, (flow.budget,))]
        while stack:
            node, budgets = stack.pop()
            if isinstance(node, syntax.Step) and node in checked.steps:
                info = checked.steps[node]
                yield info, budgets if info.budget is None else (*budgets, info.budget)
                continue
            scope = checked.scopes.get(node) if isinstance(node, syntax.Scope) else None
            if scope is not None and scope.budget is not None:
                budgets = (*budgets, scope.budget)
            stack.extend((child, budgets) for child in reversed(list(syntax.children(node))))


def _guessed(candidate: CandidateInfo, profiles: Mapping[str, Profile], *, costly: bool, counted: bool) -> bool:
    profile = profiles.get(candidate.agent.name)
    for tier in candidate.tiers:
        guess = estimated(profile, tier.model)
        if costly and tier.reserve_cost_pico is None and guess.cost_pico is not None:
            return True
        if counted and tier.reserve_tokens is None and guess.tokens is not None:
            return True
    return False
