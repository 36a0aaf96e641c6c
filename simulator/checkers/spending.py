"""What attempts take of the limits of models, counted from outside: from what they asked for, and what they used."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from orchspec.runtime.kernel.commands import ReleaseGrant, RequestGrant
from orchspec.simulator.checkers.turns import Window

if TYPE_CHECKING:
    from orchspec.compiler.plan import Model, Plan, Rate
    from orchspec.runtime.kernel.commands import Command
    from orchspec.runtime.kernel.events import TaskEnrolled

__all__ = ["Drawn", "Spending"]


class Spending:
    """The limits of a model, counted from outside. What was used beyond what was taken is not of our doing."""

    def __init__(self, model: Model) -> None:
        self._requests = Window(model.rate) if model.rate is not None else None
        self._rate = model.token_rate
        self._tokens = Fraction(self._rate.count if self._rate is not None else 0)
        self._at_us = 0

    def take(self, amount: int, at_us: int) -> bool:
        """Whether an attempt that may take so many tokens was let through rightly."""
        asked = self._requests is None or self._requests.take(at_us)
        if self._rate is None:
            return asked
        self._refill(self._rate, at_us)
        self._tokens -= min(amount, self._rate.count)
        return self._tokens >= 0 and asked

    def give_back(self, amount: int, used: int, at_us: int) -> None:
        """An attempt has ended that took so many, and used so many."""
        if self._rate is not None:
            self._refill(self._rate, at_us)
            unused = max(0, min(amount, self._rate.count) - used)
            self._tokens = min(self._tokens + unused, Fraction(self._rate.count))

    def _refill(self, rate: Rate, at_us: int) -> None:
        passed = max(0, at_us - self._at_us)
        self._tokens = min(self._tokens + Fraction(passed * rate.count, rate.per_us), Fraction(rate.count))
        self._at_us += passed


class Drawn:
    """Which attempts draw on which limits of models, read off the commands that asked for them."""

    def __init__(self, plan: Plan) -> None:
        self._models = {name: Spending(each) for name, each in plan.models.items() if each.rate or each.token_rate}
        #: whether any model has limits: nobody draws on others
        self.limited = bool(self._models)
        self._asked: dict[tuple[str, int, int], RequestGrant] = {}
        self._open: dict[tuple[str, int, int], tuple[str, int]] = {}

    def commanded(self, run: str, command: Command, at_us: int) -> None:
        """A request that may draw, or an end that gives back."""
        if isinstance(command, RequestGrant) and command.draws:
            self._asked[run, command.place, command.attempt] = command
        elif isinstance(command, ReleaseGrant):
            key = run, command.place, command.attempt
            self._asked.pop(key, None)
            model, amount = self._open.pop(key, ("", 0))
            if model in self._models and command.used is not None:
                self._models[model].give_back(amount, command.used, at_us)

    def granted(self, run: str, event: TaskEnrolled) -> str:
        """The model that was drawn on beyond its limits, if one was."""
        command = self._asked.pop((run, event.place, event.attempt), None)
        if command is None:
            return ""
        model, amount = command.draws[command.candidates.index(event.agent)]
        if model not in self._models:
            return ""
        self._open[run, event.place, event.attempt] = model, amount
        return "" if self._models[model].take(amount, event.time) else model
