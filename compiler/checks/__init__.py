"""What is checked over a whole spec once its parts are known: one function for each check, in one table.

A check takes the context, reads the tables of the checked spec and reports. To add one: the function in the module of
its family, its line here, its code in `orchspec.compiler.codes`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from orchspec.compiler.checks.bounds import best_case, reservations
from orchspec.compiler.checks.conditions import beyond_the_end, conditions, settled_comparisons, unsatisfiable
from orchspec.compiler.checks.constants import constants_that_break
from orchspec.compiler.checks.deadlines import missing_deadlines, missing_timeouts
from orchspec.compiler.checks.decisions import owned_twice
from orchspec.compiler.checks.doubles import early_ends, hedged_work
from orchspec.compiler.checks.effects import deeds_of_agents, nothing_to_revert, raced_deeds
from orchspec.compiler.checks.endings import failing_statements
from orchspec.compiler.checks.habits import one_answer_of_many, twin_agents, unpriced_models
from orchspec.compiler.checks.idle import idle_settings, idle_transitions
from orchspec.compiler.checks.keys import keys_in_loops
from orchspec.compiler.checks.machines import machines
from orchspec.compiler.checks.models import larger_than_the_bucket, unknown_tokens
from orchspec.compiler.checks.order import flow_cycles, required_and_skipped
from orchspec.compiler.checks.sections import last_slots, sections
from orchspec.compiler.checks.times import times_that_do_not_fit
from orchspec.compiler.checks.unused import unused_declarations, unused_names
from orchspec.compiler.context import Context
from orchspec.compiler.evals import read_evals
from orchspec.compiler.sessions import folds, raced_minds

__all__ = ["CHECKS", "LINTS"]

CHECKS: Sequence[Callable[[Context], None]] = (
    flow_cycles,
    required_and_skipped,
    machines,
    owned_twice,
    keys_in_loops,
    nothing_to_revert,
    read_evals,
    folds,
    raced_minds,
    hedged_work,
    early_ends,
    sections,
    last_slots,
    deeds_of_agents,
    raced_deeds,
    reservations,
    unknown_tokens,
    best_case,
    times_that_do_not_fit,
    unsatisfiable,
    constants_that_break,
    conditions,
    beyond_the_end,
    failing_statements,
)
"""The checks, in the order in which they run."""

LINTS: Sequence[Callable[[Context], None]] = (
    unused_declarations,
    unused_names,
    missing_timeouts,
    missing_deadlines,
    one_answer_of_many,
    twin_agents,
    unpriced_models,
    larger_than_the_bucket,
    settled_comparisons,
    idle_settings,
    idle_transitions,
)
"""What warns and advises; run only on specs without an error, where what is missing is really missing."""
