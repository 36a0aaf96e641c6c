"""Stories of the gallery: two runs of each flow, with the inputs of its first scenario."""

from pathlib import Path

from orchspec.compiler import compile_file
from orchspec.parity.lives import Job

SPECS = Path(__file__).resolve().parents[2] / "specs"
GALLERY = sorted(path.stem for path in SPECS.glob("*.orch"))


def jobs(name):
    """The stories of a spec."""
    plan = compile_file(SPECS / f"{name}.orch").plan
    for flow in plan.flows:
        given = next((each.given for each in plan.scenarios if each.flow == flow), {})
        yield Job(plan, flow, SPECS, 1, 2, given)


def job(name, flow=None):
    """One of them: the first unless said."""
    return next(each for each in jobs(name) if flow in (None, each.flow))
