"""The codes of everything the compiler finds, a module for each family; importing this registers them all.

E02xx names, E03xx types and expressions, E04xx declarations, E05xx structure and order of flows (from E0531 on of
machines, from E0551 on of `supervise` and `peers`), E06xx arbitration and decisions, E07xx effects, E08xx budgets,
E09xx profiles, scenarios and tests, E11xx channels, sessions and evals,
E12xx what is shared and doubled, E14xx imports. Warnings (W) and advice (A) share the hundreds. To add a code:
`define` it in its family, with samples; the samples are tests.
"""

from orchspec.compiler.codes import (
    arbitration,
    budgets,
    declarations,
    effects,
    flows,
    habits,
    imports,
    loops,
    machines,
    messages,
    names,
    settled,
    shared,
    studies,
    types,
)

__all__ = [
    "arbitration",
    "budgets",
    "declarations",
    "effects",
    "flows",
    "habits",
    "imports",
    "loops",
    "machines",
    "messages",
    "names",
    "settled",
    "shared",
    "studies",
    "types",
]
