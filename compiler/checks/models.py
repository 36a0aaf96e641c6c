"""Limits of a model's tokens: what an attempt may take is known, and fits into the bucket."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from orchspec.compiler.checks.bounds import asked_of, estimated
from orchspec.compiler.codes import budgets as codes
from orchspec.compiler.context import Context
from orchspec.compiler.model import AgentInfo, CandidateInfo, ModelInfo, StepInfo
from orchspec.compiler.plan import Rate
from orchspec.grammar.diagnostics import Label
from orchspec.grammar.source import Span
from orchspec.grammar.syntax import Attribute

__all__ = ["larger_than_the_bucket", "unknown_tokens"]


def unknown_tokens(context: Context) -> None:
    """Reports agents of a model with a limit of tokens of whose attempts nothing says what they may take."""
    for step, candidate, model, _, reserved in _limited(context):
        if reserved is None and not estimated(context, candidate, "tokens"):
            context.report.absent(
                codes.TOKENS_UNKNOWN,
                candidate.agent.node.name,
                **_parties(step, candidate, model),
                notes=["add `budget { tokens <= 20k }` to it, or a `context` to the model"],
            )


def larger_than_the_bucket(context: Context) -> None:
    """Warns where an attempt may take more tokens than its model ever has at once."""
    for step, candidate, model, rate, reserved in _limited(context):
        if reserved is not None and reserved > rate.count:
            context.report.add(
                codes.WAITS_FOR_ALL_TOKENS,
                candidate.agent.node.name,
                **_parties(step, candidate, model),
                reserved=f"{reserved:,} tokens",
                bucket=f"{rate.count:,}",
                notes=["`budget { tokens <= 20k }` at the agent caps what one attempt may take"],
            )


def _parties(step: StepInfo, candidate: CandidateInfo, model: ModelInfo) -> dict[str, Any]:
    """Who is limited by whom, with labels at the limit and at the step."""
    return {
        "agent": candidate.agent.name,
        "model": model.name,
        "labels": [Label(_limit(model), "the limit"), Label(step.node.name.span, "here it works")],
    }


def _limited(context: Context) -> Iterator[tuple[StepInfo, CandidateInfo, ModelInfo, Rate, int | None]]:
    """Each agent at its first step on each model with a limit of tokens: both, limit, and what an attempt reserves."""
    told: set[tuple[AgentInfo, ModelInfo, int | None]] = set()
    for step in context.checked.steps.values():
        for candidate in asked_of(step):
            for tier in candidate.tiers:
                model = tier.model
                if model is None or model.token_rate is None or candidate.agent in context.vague:
                    continue
                key = candidate.agent, model, tier.reserve_tokens
                if key not in told:
                    told.add(key)
                    yield step, candidate, model, model.token_rate, tier.reserve_tokens


def _limit(model: ModelInfo) -> Span:
    """Where a model says how many tokens it lets through."""
    for item in model.node.settings:
        if isinstance(item, Attribute) and item.name.text == "token_rate":
            return item.span
    return model.node.span
