"""The whole search: every schedule of every flow of some specs, one by one, each compared as `comparison` does.

What was compared stands in a log, a JSON document a line, so whatever interrupts the search it goes on where it was.
A line counts for as long as the plan and our code are those that it was written with.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from orchspec.parity.comparison import differs
from orchspec.parity.lives import Job, without_store_time
from orchspec.simulator.chaos.lines import fault_lines
from orchspec.simulator.chaos.places import places_of
from orchspec.simulator.chaos.schedules import crash_singles, drawn, singles

if TYPE_CHECKING:
    from orchspec.compiler.plan import Fault, Plan
    from orchspec.simulator.chaos.chronicle import Chronicler
    from orchspec.simulator.chaos.places import Places

__all__ = ["PARTS", "Asked", "Log", "Part", "Story", "parts_of", "stories_of"]

_RUNS: Final = 2
"""Runs of each story, so that they meet."""


@dataclass(slots=True)
class Story:
    """One flow of one spec, made ready for many schedules."""

    spec: str
    job: Job
    chronicler: Chronicler
    places: Places

    @property
    def flow(self) -> str:
        """Its name."""
        return self.job.flow

    def differs(self, faults: Iterable[Fault]) -> str | None:
        """How the journals differ under a schedule, or what went wrong; None: they are the same."""
        try:
            found = differs(replace(self.job, faults=tuple(faults)), self.chronicler)
        except Exception as error:  # noqa: BLE001 - whatever it was, the journals are not the same
            return f"{type(error).__name__}: {error}"
        return None if found is None else str(found)


def stories_of(spec: str, plan: Plan, folder: Path | None, seed: int = 1) -> Iterator[Story]:
    """The flows of a spec, each with the inputs of the first scenario that runs it."""
    plan = without_store_time(plan)
    for flow in plan.flows:
        given = next((each.given for each in plan.scenarios if each.flow == flow), {})
        job = Job(plan, flow, folder, seed, _RUNS, given)
        chronicler = job.chronicler()
        yield Story(spec, job, chronicler, places_of(chronicler.chronicle([])))


# ------------------------------------------------------------------ what is compared


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked of a search.

    Attributes:
        parts: names of `PARTS`.
        kinds: only schedules with faults of these names; none: all.
        at_most: so many of each flow and part, drawn; None: all.
        drawn: how many schedules are drawn of each flow for the part `drawn`.
        seed: of what is drawn.
    """

    parts: tuple[str, ...]
    kinds: frozenset[str] = frozenset()
    at_most: int | None = None
    drawn: int = 100
    seed: int = 1


def _calm(_story: Story, _asked: Asked) -> Iterator[list[Fault]]:
    yield []


def _singles(story: Story, _asked: Asked) -> Iterator[list[Fault]]:
    return singles(story.places)


def _crashes(story: Story, _asked: Asked) -> Iterator[list[Fault]]:
    return crash_singles(story.places)


def _drawn(story: Story, asked: Asked) -> Iterator[list[Fault]]:
    for number in range(asked.drawn):
        yield drawn(story.places, random.Random(f"{asked.seed} {story.flow} {number}"))


PARTS: Final[dict[str, Callable[[Story, Asked], Iterator[list[Fault]]]]] = {
    "calm": _calm,
    "singles": _singles,
    "crashes": _crashes,
    "drawn": _drawn,
}
"""`calm` no fault, `singles` each single fault, `crashes` a kill at each crash point, `drawn` up to six faults."""


@dataclass(frozen=True, slots=True)
class Part:
    """Schedules of one part of a story, by number: those that are compared, of so many (`all`) that there are."""

    story: Story
    name: str
    schedules: dict[int, list[Fault]]
    all: int


def parts_of(story: Story, asked: Asked) -> Iterator[Part]:
    """What of a story is to be compared."""
    for name in asked.parts:
        found = dict(enumerate(PARTS[name](story, asked)))
        if asked.kinds:
            found = {number: each for number, each in found.items() if asked.kinds & {fault.name for fault in each}}
        chosen = found
        if asked.at_most is not None and len(found) > asked.at_most:
            numbers = random.Random(f"{asked.seed} {story.flow} {name}").sample(sorted(found), asked.at_most)
            chosen = {number: found[number] for number in sorted(numbers)}
        if found:
            yield Part(story, name, chosen, len(found))


# ------------------------------------------------------------------ what was compared


@dataclass(slots=True)
class Log:
    """What was compared, by plan, flow, part and number; the answer is None where nothing differed.

    Args:
        path: of the file; None: nothing is kept.
        any_code: whether what other code has compared counts.
    """

    path: Path | None
    any_code: bool = False
    known: dict[tuple[str, str, str, str], str | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.path is None or not self.path.exists():
            return
        for line in self.path.read_text("utf-8").splitlines():
            try:
                told = json.loads(line)
                if self.any_code or told["code"] == code_digest():
                    key = (str(told["plan"]), str(told["flow"]), str(told["part"]), str(told["faults"]))
                    self.known[key] = told["differs"]
            except (ValueError, KeyError, TypeError):
                continue  # the last line of a search that was killed

    def find(self, part: Part, faults: list[Fault]) -> tuple[bool, str | None]:
        """Whether a schedule was compared, and how it came out."""
        key = _key(part, faults)
        return key in self.known, self.known.get(key)

    def put(self, part: Part, faults: list[Fault], found: str | None) -> None:
        """Write down how a schedule came out."""
        self.known[_key(part, faults)] = found
        if self.path is None:
            return
        plan, flow, name, text = _key(part, faults)
        told: dict[str, Any] = {"spec": part.story.spec, "flow": flow, "part": name, "faults": text, "differs": found}
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({**told, "plan": plan, "code": code_digest()}) + "\n")


def _key(part: Part, faults: list[Fault]) -> tuple[str, str, str, str]:
    return part.story.job.plan.hash, part.story.flow, part.name, "; ".join(fault_lines(faults))


@cache
def code_digest() -> str:
    """A hash of all our code."""
    digest = hashlib.sha256()
    package = Path(__file__).resolve().parents[1]
    for part in ("", "grammar", "compiler", "runtime", "simulator"):
        for path in sorted((package / part).resolve().rglob("*.py")):
            digest.update(path.read_bytes())
    return digest.hexdigest()[:16]
