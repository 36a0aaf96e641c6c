"""Why a step did not run: how far its path got, and what stood in the way there."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from orchspec.runtime.kernel.frames import STOPPED
from orchspec.runtime.kernel.machines import Traversing
from orchspec.runtime.kernel.repeats import Repeating
from orchspec.runtime.kernel.routes import Routing
from orchspec.runtime.kernel.steps import FanOutStep
from orchspec.runtime.kernel.table import CLOSED
from orchspec.runtime.why.because import UnknownStep, needs_of, settled_at

if TYPE_CHECKING:
    from collections.abc import Iterator

    from orchspec.compiler.plan import Block, Plan, Statement
    from orchspec.runtime.kernel.frames import Frame
    from orchspec.runtime.why.story import Happening, Story

__all__ = ["why_not"]

_SEGMENT = re.compile(r"(?P<name>[A-Za-z_]\w*)(?P<rest>[^/]*)")


def why_not(story: Story, step: str) -> dict[str, Any]:
    """Why a step did not run.

    Args:
        story: of the run.
        step: the path it would have had: `url`, `draft#3/report`, `found[7]`, `review?editor`.

    Returns:
        `step`, `source`, `reason` (a sentence), `at` (the record that decided it, or none) and `ran` when it did run.

    Raises:
        UnknownStep: the plan has no such step.
    """
    if story.at(step):
        return {
            "run": story.run,
            "step": step,
            "ran": True,
            "reason": f"ran; what made it run: orch why {story.run} {step}",
        }
    names = [match["name"] for match in _SEGMENT.finditer(step)]
    statement = _statement(story, names)
    if statement is None:
        known = sorted(set(_names(story)))
        raise UnknownStep(f"the plan of run {story.run} has no step {step}; it has {', '.join(known[:12])}")
    reason, seq = _reason(story, step, statement)
    return {
        "run": story.run,
        "step": step,
        "ran": False,
        "source": story.line(statement.node),
        "reason": reason,
        "at": seq,
    }


def _names(story: Story) -> Iterator[str]:
    for block, index in _reachable(story):
        name = getattr(block.statements[index], "name", "")
        if name:
            yield name


def _reachable(story: Story) -> Iterator[tuple[Block, int]]:
    """The statements of a flow and of those that it calls."""
    plan = story.kernel.program.plan
    inside = {id(block) for name in _called(plan, story.kernel.flow) for block in _blocks(plan.flows[name])}
    for block, index in story.blocks.values():
        if id(block) in inside:
            yield block, index


def _called(plan: Plan, flow: str) -> set[str]:
    found: set[str] = set()
    todo = [flow]
    while todo:
        name = todo.pop()
        if name in found or name not in plan.flows:
            continue
        found.add(name)
        for block in _blocks(plan.flows[name]):
            todo.extend(getattr(statement, "flow", "") for statement in block.statements)
    return found


def _blocks(value: Any) -> Iterator[Block]:
    import dataclasses

    if isinstance(value, list | tuple):
        for each in value:
            yield from _blocks(each)
    elif dataclasses.is_dataclass(value):
        if isinstance(getattr(value, "statements", None), list):
            yield value  # type: ignore[misc]
        for each in dataclasses.fields(value):
            yield from _blocks(getattr(value, each.name))


def _statement(story: Story, names: list[str]) -> Statement | None:
    """The statement of the last name of a path that a statement has; states and askings are named by what is around."""
    named = {
        getattr(block.statements[index], "name", ""): block.statements[index] for block, index in _reachable(story)
    }
    for name in reversed(names):
        if name in named:
            return named[name]
    return None


def _reason(story: Story, step: str, statement: Statement) -> tuple[str, int | None]:
    """Go along the path as far as something stood there, and say what stood in the way."""
    frame = _deepest(story, step)
    if frame is None:
        return "the run had not begun", None
    known = story.blocks
    mine = known[statement.node][0]
    for index, op in enumerate(frame.block.ops):
        if op.node == statement.node or _holds(mine, known[op.node][0].statements[index]):
            return _at_statement(story, step, frame, known[op.node][0], index)
    return _not_entered(story, frame)


def _deepest(story: Story, step: str) -> Frame | None:
    """The frame whose path is the longest beginning of the step's."""
    best = story.kernel.root
    for frame in story.frames():
        path = frame.path()
        if (
            path
            and (step == path or step.startswith((path + "/", path + "#", path + "[")))
            and (best is None or len(path) >= len(best.path()))
        ):
            best = frame
    return best


def _holds(mine: Block, statement: Statement) -> bool:
    return any(block is mine for block in _blocks(statement))


def _at_statement(story: Story, step: str, frame: Frame, block: Block, index: int) -> tuple[str, int | None]:
    here = story.of(frame, index)
    if here is not None:
        return _inside(story, step, here)
    failed = _failed(story, frame)
    if failed is not None:
        return failed
    waiting = [
        getattr(block.statements[need], "name", "") or block.statements[need].kind
        for need in needs_of(block, index)
        if not _has_settled(story, frame, block, need)
    ]
    if waiting:
        return f"it waits for {', '.join(waiting)}", None
    moment, _ = settled_at(story, frame, block, index)
    return "its only_if was false", moment.seq if moment is not None else None


def _has_settled(story: Story, frame: Frame, block: Block, index: int) -> bool:
    found = story.of(frame, index)
    if found is not None:
        return found.ended is not None
    return all(_has_settled(story, frame, block, need) for need in needs_of(block, index))


def _inside(story: Story, step: str, here: Happening) -> tuple[str, int | None]:
    """The statement ran, and what is asked about is something in it that did not."""
    activity = here.activity
    seq = here.ended.seq if here.ended is not None else None
    if isinstance(activity, Repeating):
        how = "is in" if activity.state != CLOSED else "ended after"
        return f"{here.path} {how} round {activity.round} of {activity.rounds} at most", seq
    if isinstance(activity, Routing):
        return f"{here.path} took arm {activity.inner.ordinal}", here.begun.seq
    if isinstance(activity, Traversing):
        states = " -> ".join(
            detail.split("#")[0]
            for moment in story.moments
            for what, detail in moment.decided
            if what == "enters" and detail
        )
        return f"{here.path or story.kernel.flow} went {states}", seq
    if isinstance(activity, FanOutStep):
        return f"{here.path} asked {activity.asked} and started {activity.next}", seq
    if "?" in step:
        said = [f"{what} ({detail})" if detail else what for what, detail in here.ended.decided] if here.ended else []
        return f"nobody had to be asked: {', '.join(said) or 'it has not come to that'}", seq
    return f"{here.path} ended without it", seq


def _failed(story: Story, frame: Frame) -> tuple[str, int | None] | None:
    failure = frame.failing
    if failure is None:
        return None
    if failure is STOPPED:
        return "it was stopped with the block around it", None
    seq = next(
        (moment.seq for moment in story.moments if ("failed", f"{failure.code}: {failure.message}") in moment.decided),
        None,
    )
    where = f" at {failure.step}" if failure.step else ""
    return f"the block had failed before{where}: {failure.message}", seq


def _not_entered(story: Story, frame: Frame) -> tuple[str, int | None]:
    failed = _failed(story, frame)
    if failed is not None:
        return failed
    host = story.hosts(frame)
    return (f"it stands in a block that was not entered from {host.path if host else story.kernel.flow}", None)
