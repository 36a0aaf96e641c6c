"""What was seen of each agent, person, effect and signal: tries with their times, tokens, costs and ends."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from typing import Final, Literal

from orchspec.runtime.errors import OrchError

__all__ = ["Ended", "Evidence", "Gathered", "Kind", "NotCalibrated", "Try", "clean"]

Kind = Literal["agent", "human", "effect", "signal"]
Ended = Literal["ok", "failed", "garbage", "timeout", "stopped", "refused"]
"""How a try ended: well, by itself badly, with an output that breaks its contract, unheard in time, stopped from
outside (a lost race, a cancelled run), or turned away before anything was asked."""

_TARGETS_MOST: Final = 1_000
_TOLD_MOST: Final = 5
_SECONDS_MOST: Final = 1e9
_TOKENS_MOST: Final = 1e12
_USD_MOST: Final = 1e6


def clean(text: str, most: int = 60) -> str:
    """A text of a source as it may be shown: on one line, without signs that steer a terminal, of bounded length."""
    shown = text[: most + 1]
    if not shown.isprintable():
        shown = "".join(sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in shown)
    return shown if len(shown) <= most else f"{shown[: most - 1]}…"


class NotCalibrated(OrchError):
    """There is nothing to fit, or a source cannot be read; the message says what to do."""

    code = "not_calibrated"


@dataclass(slots=True)
class Try:
    """One try at something, as a journal or a row of a trace tells it; None is what it does not tell.

    `sure` says that it is told how it ended, and not only supposed to have ended well.
    """

    target: str
    ended: Ended = "ok"
    kind: Kind = "agent"
    latency_s: float | None = None
    tokens_in: float | None = None
    tokens_out: float | None = None
    cost_usd: float | None = None
    calls: float | None = None
    sure: bool = True

    def problem(self) -> str | None:
        """Why it cannot be believed, or None."""
        for name, value, most in (
            ("latency", self.latency_s, _SECONDS_MOST),
            ("tokens_in", self.tokens_in, _TOKENS_MOST),
            ("tokens_out", self.tokens_out, _TOKENS_MOST),
            ("cost", self.cost_usd, _USD_MOST),
            ("calls", self.calls, _TOKENS_MOST),
        ):
            if value is not None and not 0.0 <= value <= most:  # also what is no number at all
                return f"{name} is {value:g}; expected 0 to {most:g}"
        return None


def _values() -> array[float]:
    return array("d")


@dataclass(slots=True)
class Evidence:
    """What was seen of one target. Times in seconds, costs in US dollars.

    `cut_s` are times of tries that somebody ended before they did. `ends` counts them by how they ended; `restarted`
    those that an engine's crash cut off, of which nothing is known; `supposed` those of which no end is told.
    """

    target: str
    kind: Kind
    latency_s: array[float] = field(default_factory=_values)
    cut_s: array[float] = field(default_factory=_values)
    tokens_in: array[float] = field(default_factory=_values)
    tokens_out: array[float] = field(default_factory=_values)
    cost_usd: array[float] = field(default_factory=_values)
    calls: array[float] = field(default_factory=_values)
    ends: dict[Ended, int] = field(default_factory=dict)
    restarted: int = 0
    supposed: int = 0

    def add(self, one: Try) -> None:
        """Take a try, which is believed."""
        if one.sure:
            self.ends[one.ended] = self.ends.get(one.ended, 0) + 1
        else:
            self.supposed += 1
        if one.ended in ("timeout", "stopped"):
            if one.latency_s:
                self.cut_s.append(one.latency_s)
            return
        if one.ended not in ("ok", "garbage"):
            return  # how long a failure takes is not how long the work takes
        for values, value, least in (
            (self.latency_s, one.latency_s, 1e-6),
            (self.tokens_in, one.tokens_in, 0.0),
            (self.tokens_out, one.tokens_out, 0.0),
            (self.cost_usd, one.cost_usd, 1e-12),
            (self.calls, one.calls, 0.0),
        ):
            if value is not None:
                values.append(value if value >= least else 0.0)  # below the resolution of the language

    def count(self, *ends: Ended) -> int:
        """How many tries ended so."""
        return sum(self.ends.get(end, 0) for end in ends)

    @property
    def tries(self) -> int:
        """All that were seen, but those that were turned away."""
        return sum(self.ends.values()) + self.supposed - self.count("refused")


@dataclass(slots=True)
class Gathered:
    """The evidence by target, and what was left out.

    `only`, if any, are the targets that are wanted; `names` renames targets. `tools` are those that an agent may call,
    as far as that is known.
    """

    only: frozenset[str] = frozenset()
    names: dict[str, str] = field(default_factory=dict)
    targets: dict[str, Evidence] = field(default_factory=dict)
    tools: dict[str, tuple[str, ...]] = field(default_factory=dict)
    runs: int = 0
    bad: int = 0
    _told: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def of(self, target: str, kind: Kind) -> Evidence | None:
        """The evidence of a target; None if it is not wanted. Raises NotCalibrated beyond a thousand targets."""
        name = clean(self.names.get(target, target), 120)
        if self.only and name not in self.only:
            return None
        found = self.targets.get(name)
        if found is None:
            if len(self.targets) >= _TARGETS_MOST:
                raise NotCalibrated(
                    f"there are more than {_TARGETS_MOST} names of agents; is the column right? name another one:"
                    " --column agent=COLUMN, or --agent NAME for all rows"
                )
            found = self.targets[name] = Evidence(name, kind)
        return found

    def add(self, one: Try) -> str | None:
        """Take a try; returns why it is not believed, or None."""
        problem = one.problem()
        if problem is None:
            evidence = self.of(one.target, one.kind)
            if evidence is not None:
                evidence.add(one)
        return problem

    def leave_out(self, where: str, why: str) -> None:
        """A row that says nothing: counted, and the first few told with their place."""
        self.bad += 1
        if len(self._told) < _TOLD_MOST:
            self._told.append(clean(f"{where}: {why}", 300))

    def left_out(self) -> list[str]:
        """What is told of rows that were left out; nothing if there were none."""
        if not self.bad:
            return []
        more = self.bad - len(self._told)
        rows = f"{self.bad} row{'s' if self.bad > 1 else ''} left out"
        return [rows, *(f"  {each}" for each in self._told), *([f"  and {more} more"] if more else [])]
