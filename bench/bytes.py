"""Whether a change leaves simulations as they were: a hash of what each scenario of the gallery gives.

    python bench/bytes.py > before.txt          # on the old code
    python bench/bytes.py --against before.txt  # on the new: names what differs, and ends with 1

Hashed are the document of `orch simulate --json` and, for each run of each replication, when it came and ended, how,
and what it cost; the Gantt of the watched run too. `--runs N` measures more than 20 runs of each scenario; names of
specs leave the others out.
"""

from __future__ import annotations

import hashlib
import os
import sys
from dataclasses import astuple
from pathlib import Path
from typing import Any

sys.path.insert(0, os.environ.get("ORCH_BENCH_NATIVE", str(Path(__file__).resolve().parents[1])))

from orchspec.compiler import compile_file
from orchspec.compiler.plan import Plan, canonical_json
from orchspec.simulator.study import simulate

SPECS = Path(__file__).resolve().parents[1] / "specs"
SEED = 7


def rounded(value: Any) -> Any:
    """Without what is nothing but rounding: differences of sums that are equal."""
    if isinstance(value, dict):
        return {key: rounded(each) for key, each in value.items()}
    if isinstance(value, list):
        return [rounded(each) for each in value]
    return 0.0 if isinstance(value, float) and abs(value) < 1e-12 else value


def digest(plan: Plan, scenario: str, runs: int) -> str:
    """The hash of one scenario."""
    study = simulate(plan, scenario, runs=runs, seed=SEED, folder=SPECS)
    told = hashlib.sha256(canonical_json(rounded(study.document)).encode())
    for one in study.replications:
        for run in one.runs:
            told.update(repr(astuple(run)).encode())
        told.update(repr(one.sample_gantt).encode())
        told.update(repr([one.effects, one.faults, one.halted]).encode())
    return told.hexdigest()[:32]


def main() -> int:
    """Print a line for each scenario, or what differs from those of a file."""
    arguments = sys.argv[1:]
    runs = int(arguments[arguments.index("--runs") + 1]) if "--runs" in arguments else 20
    against = Path(arguments[arguments.index("--against") + 1]).read_text("utf-8") if "--against" in arguments else None
    chosen = [name for name in arguments if (SPECS / f"{name}.orch").exists()]
    known = dict(line.rsplit("  ", 1) for line in (against or "").splitlines())
    differs = 0
    for path in sorted(SPECS.glob("*.orch")):
        if chosen and path.stem not in chosen:
            continue
        plan = compile_file(path).plan
        assert plan is not None
        for scenario in plan.scenarios:
            name = f"{path.name}: {scenario.name}"
            found = digest(plan, scenario.name, runs)
            if against is None:
                print(f"{name}  {found}", flush=True)
            elif known.get(name) != found:
                differs += 1
                print(f"{name} differs", flush=True)
    if against is not None:
        print(f"{differs} differ")
    return 1 if differs else 0


if __name__ == "__main__":
    sys.exit(main())
