"""Why a step ran when it did: what it needed, what it waited for, and the chain of causes back to the start.

A statement starts when all that it needs has settled, so its immediate cause is the record that settled the last of
these. The plan says which statements are needed and whether for a value that is read, for an order, or for a barrier;
the journal says when each settled, by whom and by which rule.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from orchspec.runtime.errors import OrchError
from orchspec.runtime.kernel.repeats import Repeating
from orchspec.runtime.kernel.routes import Routing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from orchspec.compiler.plan import Block
    from orchspec.runtime.kernel.frames import Frame
    from orchspec.runtime.why.story import Happening, Moment, Story

__all__ = ["CHAIN_MAX", "UnknownStep", "find", "needs_of", "settled_seq", "why"]

CHAIN_MAX = 1_000
"""Links of a chain that are followed at most; a longer one says that it goes on."""


class UnknownStep(OrchError):
    """Nothing of that name stands in the run."""

    code = "unknown_step"


@dataclass(frozen=True, slots=True)
class _Need:
    """A statement that another one needs: its name, why, when it settled and what is to be said of that."""

    step: str
    why: str
    settled: Moment | None
    said: str
    source: str | None

    def as_json(self) -> dict[str, Any]:
        return {
            "step": self.step,
            "why": self.why,
            "seq": self.settled.seq if self.settled is not None else None,
            "said": self.said or None,
            "source": self.source,
        }


def find(story: Story, step: str) -> Happening:
    """What stood at a path; the last one if several did. Raises UnknownStep, which names those that are near."""
    found = story.at(step)
    if found:
        return found[-1]
    paths = [path for path in story.paths() if path]
    near = [path for path in paths if path.startswith(step) or path.rsplit("/", 1)[-1].startswith(step)][:5]
    hint = f"; there are {', '.join(near)}" if near else f"; it has {', '.join(paths[:8])}" if paths else ""
    raise UnknownStep(f"nothing ran at {step} in run {story.run}{hint}; for a step that did not run: --not {step}")


def why(story: Story, step: str) -> dict[str, Any]:
    """Why a step ran when it did.

    Args:
        story: of the run.
        step: a path, as `orch journal` shows it: `draft#2/reviews[critic]`; also that of a round, an item or a visit of
            a state, whose first step it is then about: `draft#2`.

    Returns:
        `step`, `source`, `begun` and `cause` (records), `needs` (what had to settle first, and why), `within` (why the
        blocks around it ran, the innermost first), `attempts` (who was granted after which wait, how each ended) and
        `chain`, the causes back to the start of the run, the nearest first.

    Raises:
        UnknownStep: nothing ran there.
    """
    entered = _entered_at(story, step) if not story.at(step) else None
    if entered is not None:
        return entered
    here = find(story, step)
    return {
        "run": story.run,
        "step": here.path,
        "source": story.line(here.node),
        "begun": here.begun.as_json(),
        "ended": here.ended.as_json() if here.ended is not None else None,
        "needs": [need.as_json() for need in _all_needs(story, here)],
        "within": list(_within(story, here)),
        "waits": _waits(here),
        "attempts": [
            {
                "attempt": attempt.number,
                "agent": attempt.agent,
                "seq": attempt.enrolled.seq,
                "waited_s": attempt.waited_us / 1e6,
                "waited_for": attempt.waited_for or None,
                "outcome": attempt.outcome or None,
            }
            for attempt in here.attempts
        ],
        "chain": list(_chain(story, here.begun)),
    }


def _entered_at(story: Story, step: str) -> dict[str, Any] | None:
    """Why a round, an item or the visit of a state began, of which nothing stands at its own path; none for others."""
    inside = [each for each in story.happenings.values() if each.path.startswith(f"{step}/")]
    entered = [each for each in story.moments if ("enters", step.rsplit("/", 1)[-1]) in each.decided]
    if inside:
        begun = min((each.begun for each in inside), key=lambda moment: moment.seq)
    elif len(entered) == 1:
        begun = entered[0]
    else:
        return None
    ended = [each.ended for each in inside if each.ended is not None]
    last = max(ended, key=lambda moment: moment.seq) if ended and len(ended) == len(inside) else None
    return {
        "run": story.run,
        "step": step,
        "source": None,
        "begun": begun.as_json(),
        "ended": last.as_json() if last is not None else None,
        "needs": [],
        "within": list(_within(story, inside[0])) if inside else [],
        "waits": [],
        "attempts": [],
        "chain": list(_chain(story, begun)),
    }


# ------------------------------------------------------------------ needs


def _all_needs(story: Story, here: Happening) -> Iterator[_Need]:
    """What a step needs, then what the statements around it needed, each once."""
    seen: set[str] = set()
    around: Happening | None = here
    while around is not None:
        for need in _needs(story, around):
            if need.step not in seen:
                seen.add(need.step)
                yield need
        around = story.hosts(around.activity.frame)


def _needs(story: Story, here: Happening) -> Iterator[_Need]:
    """What the statement of a happening needs; the tasks of a fan-out need what their step needs."""
    activity = here.activity
    frame, index = activity.frame, activity.op.index
    known = story.blocks.get(here.node)
    if known is None:
        return
    block, _ = known
    reads = set(_reads(block.statements[index], len(block.slots)))
    for need in needs_of(block, index):
        statement = block.statements[need]
        name = getattr(statement, "name", "") or statement.kind
        slot = getattr(statement, "slot", -1)
        settled, said = settled_at(story, frame, block, need)
        if slot in reads:
            reason = "reads it"
        elif statement.kind in ("checkpoint", "wait"):
            reason = f"stands below the {statement.kind}"
        elif statement.kind == "effect" and block.statements[index].kind == "effect":
            reason = "effects run in written order"
        else:
            reason = "comes after it"
        path = f"{frame.path()}/{name}" if frame.path() else name
        yield _Need(path, reason, settled, said, story.line(statement.node))


def needs_of(block: Block, index: int) -> list[int]:
    """The statements that one needs, ascending, each once."""
    needs = block.statements[index].needs
    return list(needs) if len(needs) < 2 else sorted(dict.fromkeys(needs))


def _reads(value: Any, slots: int) -> Iterator[int]:
    """The slots of its own block that a statement reads, however deep the expression stands."""
    for depth, expr in _expressions(value, 0):
        if expr[0] in {"ref", "giver", "missing"} and expr[1] == depth and expr[2] < slots:
            yield expr[2]


def _expressions(value: Any, depth: int) -> Iterator[tuple[int, list[Any]]]:
    """Every expression in a statement with the number of blocks between it and the statement's own."""
    if isinstance(value, list | tuple):
        if value and isinstance(value[0], str):
            yield depth, list(value)
        for each in value:
            yield from _expressions(each, depth)
    elif dataclasses.is_dataclass(value):
        inner = depth + 1 if hasattr(value, "statements") else depth
        for each in dataclasses.fields(value):
            # The arguments under a `for` are evaluated in the frame of the item.
            item = getattr(value, "over", None) is not None and each.name == "args"
            yield from _expressions(getattr(value, each.name), inner + 1 if item else inner)


def settled_at(story: Story, frame: Frame, block: Block, index: int) -> tuple[Moment | None, str]:
    """When a statement settled, and what is to be said of it; what has no place settled with the last it needs."""
    seq = settled_seq(story, frame, block, index)
    last = story.moment(seq) if seq is not None else None
    found = story.of(frame, index)
    if found is not None or last is None:
        return last, _said(found) if found is not None else ""
    rules = [f"{what} ({detail})" if detail else what for what, detail in last.decided if what.startswith("decided by")]
    kind = block.statements[index].kind
    return last, ", ".join(dict.fromkeys(rules)) if kind == "arbitrate" else ""


def settled_seq(story: Story, frame: Frame, block: Block, index: int) -> int | None:
    """The number of the record with which a statement settled; None if it has not."""
    place = story.place_of(frame, index)
    if place is not None:
        return story.ended_at[place]
    settled = [settled_seq(story, frame, block, need) for need in needs_of(block, index)]
    last = max((seq for seq in settled if seq is not None), default=None)
    if last is None:
        host = story.hosts(frame)
        last = host.begun_seq if host is not None else 1
    return last


def _said(here: Happening) -> str:
    if here.attempts:
        last = here.attempts[-1]
        tries = f", attempt {last.number}" if last.number > 1 else ""
        return f"by {last.agent}{tries}"
    if here.ended is None:
        return ""
    return ", ".join(f"{what} ({detail})" if detail else what for what, detail in here.ended.decided[:4])


# ------------------------------------------------------------------ around and before


def _within(story: Story, here: Happening) -> Iterator[dict[str, Any]]:
    """Why the blocks around ran, the innermost first."""
    frame: Frame | None = here.activity.frame
    while frame is not None:
        host = story.hosts(frame)
        if host is None:
            return
        activity = host.activity
        said = f"{activity.op.name} began with record {host.begun.seq}"
        if isinstance(activity, Repeating) and frame.ordinal > 1:
            said = f"round {frame.ordinal - 1} was not accepted"
        elif isinstance(activity, Routing):
            said = f"arm {frame.ordinal} was taken"
        else:
            entered = [
                (moment.seq, what, detail)
                for moment in story.moments
                if moment.seq <= here.begun.seq
                for what, detail in moment.decided
                if detail is not None
                and " -> " in detail
                and frame.label.strip("/").startswith(detail.split(" -> ")[1])
            ]
            if entered:
                seq, what, detail = entered[-1]
                said = f"{what}: {detail} (record {seq})"
        yield {"step": host.path, "frame": frame.path(), "why": said, "source": story.line(host.node)}
        frame = activity.frame


def _entered(story: Story, state: str, until: int) -> str | None:
    """The transition that led into a state of a machine, the last one before a record."""
    for moment in reversed(story.moments[:until]):
        for what, detail in moment.decided:
            if detail is not None and state and detail.endswith(f" -> {state}"):
                return f"{what}: {detail} (record {moment.seq})"
    return None


def _waits(here: Happening) -> list[str]:
    """What kept the step after it was ready."""
    found = []
    for moment in [here.begun, *here.moments]:
        for what, detail in moment.decided:
            if what == "waits for budget" and detail == here.path:
                found.append(f"for room in a budget (record {moment.seq})")
            elif what in {"reused", "reuse refused"} and moment.place == here.place:
                found.append(f"{what} (record {moment.seq})")
    found.extend(
        f"{attempt.waited_us / 1e6:g} s for {attempt.waited_for or attempt.agent} (record {attempt.enrolled.seq})"
        for attempt in here.attempts
        if attempt.waited_us
    )
    return found


def _chain(story: Story, moment: Moment) -> Iterator[dict[str, Any]]:
    """The causes back to the start: what began it, what began that, and so on."""
    for _ in range(CHAIN_MAX):
        cause = story.happenings.get(moment.place)
        yield {**moment.as_json(), "source": story.line(cause.node) if cause is not None else None}
        if cause is None or cause.begun.seq >= moment.seq:
            return
        moment = cause.begun
