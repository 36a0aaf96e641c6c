"""Bounds: the least and the most that each flow of a plan takes, by interval arithmetic over the plan.

    cost · tokens · attempts · latency · depth · width · retry amplification · journal records and bytes

It works on the plan alone, so a plan that was loaded from a file has the same bounds as one that was just compiled.

Assumptions, which every bound states with it. *Best* is of runs that complete, and as cheap as the profiles allow
(without a profile: nothing). *Worst* is of all runs, however they end, as long as
1. nothing queues: time spent waiting for slots, rates, breakers, sessions, budgets and identical work is apart;
2. the orchestrator is up, and writes in no time: crashes, and work that is done again after them, are apart;
3. targets answer: the time in which an effect is in doubt is apart, and so are its further sends then;
4. nobody asks for more time than a backoff gives (Retry-After);
5. attempts stay within what is reserved for them: what is charged above that, or late, is an overrun, counted apart.

`ranges` is the arithmetic, `metrics` what is bounded and how parts make a whole, `shapes` and `values` what is known of
numbers and lengths before there are any, `supports` the ends of distributions, `attempts` one task, `statements`,
`regions` and `machines` what the kinds of statements take, `walk` blocks and budgets, `journal` records, `flows` what
is shown. A new kind of statement needs a function under `@bounded`.
"""

from orchspec.compiler.bounds.flows import FlowBounds, bounds_of
from orchspec.compiler.bounds.journal import PAYLOAD_BYTES_MAX
from orchspec.compiler.bounds.metrics import METRICS, Metric
from orchspec.compiler.bounds.ranges import INF, Range, Term
from orchspec.compiler.bounds.walk import BOUNDED, Limit

__all__ = [
    "BOUNDED",
    "INF",
    "METRICS",
    "PAYLOAD_BYTES_MAX",
    "FlowBounds",
    "Limit",
    "Metric",
    "Range",
    "Term",
    "bounds_of",
]
