"""What can only fail: a block that stands below it gives nothing, in any run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from orchspec.compiler.codes import flows as codes
from orchspec.compiler.context import Context
from orchspec.compiler.model import BlockInfo
from orchspec.grammar.diagnostics import Label
from orchspec.grammar.syntax import Fail, Node, Repeat, Return, Route, Scope, Statement, Step

__all__ = ["failing_statements"]

_DEPTH_MAX: Final = 50
"""How deep it is looked for, through blocks and flows: what is deeper is not told."""
_NAMED: Final = (Route, Scope, Repeat, Step)
_WHY: Final[Mapping[type[Statement], str]] = {
    Route: "every arm fails",
    Scope: "it fails in every run",
    Repeat: "its first round fails in every run",
    Step: "what it calls fails in every run",
}


def failing_statements(context: Context) -> None:
    """Reports values that no run gives, since a statement of their block fails whatever it meets."""
    failing = _Failing(context)
    for block in context.checked.blocks.values():
        given = block.gives
        if given is None:
            continue
        found = next((each for each in block.statements if isinstance(each, _NAMED) and failing.surely(each)), None)
        if found is not None:
            word = "return" if isinstance(given, Return) else "give"
            label = Label(found.name.span, _WHY[type(found)])
            at = given.span.source.span(given.span.start, given.span.start + len(word))
            context.report.add(codes.UNREACHABLE, at, after=f"`{found.name.text}`", labels=[label])


class _Failing:
    """Which statements fail whenever they are run, and nothing takes it up."""

    def __init__(self, context: Context) -> None:
        self._checked = context.checked
        self._known: dict[Node, bool] = {}
        self._depth = 0

    def surely(self, statement: Statement) -> bool:
        """Whether it fails in every run that comes to it. What calls itself is told of elsewhere."""
        if statement not in self._known:
            self._known[statement] = False
            self._known[statement] = self._fails(statement)
        return self._known[statement]

    def _fails(self, statement: Statement) -> bool:
        checked = self._checked
        match statement:
            case Fail():
                return statement.when is None
            case Scope():
                scope = checked.scopes[statement]
                return not (scope.loop or scope.only_if or scope.on_failure) and self._block(scope.body)
            case Repeat():
                return self._block(checked.repeats[statement].body)
            case Route():
                arms = checked.routes[statement].arms
                return bool(arms) and all(self._block(arm.body) for arm in arms)
            case Step():
                step = checked.steps[statement]
                if step.flow is None or step.flow.block is None or step.flow.machine is not None:
                    return False
                return not (step.loop or step.only_if or step.on_failure) and self._block(step.flow.block)
            case _:
                return False

    def _block(self, block: BlockInfo) -> bool:
        """Of a block that gives something it is told where it stands, and not again wherever it is asked for."""
        if block.gives is not None or self._depth >= _DEPTH_MAX:
            return False
        self._depth += 1
        found = any(self.surely(statement) for statement in block.statements)
        self._depth -= 1
        return found
