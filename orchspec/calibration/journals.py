"""Tries from journals: records of runs, from a store or as JSON lines of `orch journal`, real or simulated.

No plan is needed. What a record's commands say begins a try (`RunTask`, `AskPerson`, `TryEffect`, `AwaitSignal`, each
with its place), what happens at that place ends it. So the time of a try is that from the moment it was sent to the
record of its end: with the write of that record, without any wait for a slot.

- A timeout, and a stop from outside (a lost race, a cancelled run), cut a try off: all that is known is that it takes
  longer.
- What is under way where the journals end is cut off there; to leave it out would be to leave out the long ones. It
  counts up to that moment if its deadline is still to come. Else the engine may have been gone long before, and it
  counts up to the last record of its run.
- After a crash of the engine what was open is sent again; how long the first sending took nobody knows, so it counts
  for nothing. A person is not asked again: their time goes on.
- What a fork has from its parent is the parent's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from orchspec.calibration.evidence import Ended, Gathered, Kind, Try

__all__ = ["JournalReader"]

_TURNED_AWAY: Final = frozenset({"throttled", "unavailable"})
"""Failures of the provider's making: they belong to a scenario, as faults."""
_DEADLINES: Final = frozenset({"attempt", "within"})
"""Timers of a place that end its try."""
PICO: Final = 10**12


@dataclass(slots=True)
class _Open:
    """A try under way."""

    kind: Kind
    target: str
    since_us: int


@dataclass(slots=True)
class _Run:
    """A run while its records are read: what is open by its place, and what has ended."""

    last_us: int = 0
    opened: dict[str, _Open] = field(default_factory=dict)
    deadlines: dict[str, int] = field(default_factory=dict)
    tries: list[Try] = field(default_factory=list)

    def begin(self, line: str, time_us: int) -> bool:
        """Take a command; whether it ends the run."""
        words = line.split(" ")
        name = words[0]
        if name in ("RunTask", "AskPerson") and len(words) == 4:
            kind: Kind = "human" if name == "AskPerson" else "agent"
            before = self.opened.get(words[1])
            if kind == "human" and before is not None and before.target == words[2] and not words[3].endswith(".0"):
                return False  # asked again after a crash
            self.opened[words[1]] = _Open(kind, words[2], time_us)
        elif name == "TryEffect" and len(words) == 5:
            self.opened[words[1]] = _Open("effect", words[2], time_us)
        elif name == "AwaitSignal" and len(words) == 4:
            self.opened.setdefault(words[1], _Open("signal", words[2], time_us))
        elif name in ("StopTask", "WithdrawSignal") and len(words) == 4:
            self.cut(words[1], time_us, "stopped")
        elif name == "ArmTimer" and len(words) == 4 and words[2] in _DEADLINES and words[3].isdecimal():
            self.deadlines[words[1]] = int(words[3][:20])
        return name == "EndRun"

    def end(self, path: str, time_us: int, ended: Ended, usage: Mapping[str, Any] | None = None) -> None:
        """A try has ended by itself; `usage` is the record that says what it took."""
        one = self.opened.pop(path)
        took_s = (time_us - one.since_us) / 1e6
        if usage is None:
            self.tries.append(Try(one.target, ended, one.kind, took_s))
            return
        cost = _number(usage.get("cost_pico"))
        self.tries.append(
            Try(
                one.target,
                ended,
                one.kind,
                took_s,
                _number(usage.get("tokens_in")),
                _number(usage.get("tokens_out")),
                None if cost is None else cost / PICO,
                _number(usage.get("tool_calls", 0)) if one.kind == "agent" else None,
            )
        )

    def cut(self, path: str, time_us: int, ended: Ended) -> None:
        """A try was ended by others, if there is one."""
        if path in self.opened:
            self.end(path, time_us, ended)


class JournalReader:
    """Takes the records of runs, each run's in order; several runs may be woven."""

    def __init__(self, gathered: Gathered) -> None:
        self._gathered = gathered
        self._runs: dict[str, _Run] = {}
        self._end_us = 0

    def take(self, run: str, time_us: int, kind: str, body: Mapping[str, Any]) -> None:
        """A record: when it was, its type, and the rest of it."""
        if kind == "RunStarted":
            self._gathered.runs += 1
            self._leave(run)
        seen = self._runs.setdefault(run, _Run())
        seen.last_us = time_us
        self._end_us = max(self._end_us, time_us)
        if kind == "RunForked":
            seen.tries.clear()
            seen.opened.clear()
        elif kind == "EngineRecovered":
            self._recovered(seen)
        self._ended(seen, time_us, kind, body)
        commands = body.get("commands")
        over = False
        for line in commands if isinstance(commands, list) else ():
            over |= isinstance(line, str) and seen.begin(line, time_us)
        if over:
            self._leave(run)

    def close(self) -> None:
        """All records were taken."""
        for run, seen in list(self._runs.items()):
            for path in list(seen.opened):
                is_alive = seen.deadlines.get(path, 0) > self._end_us
                seen.cut(path, self._end_us if is_alive else seen.last_us, "stopped")
            self._leave(run)

    def _ended(self, seen: _Run, time_us: int, kind: str, body: Mapping[str, Any]) -> None:
        path = body.get("place")
        decided = _decided(body.get("decided"))
        if not isinstance(path, str) or path not in seen.opened or "ignored" in decided:
            return
        match kind:
            case "TaskFulfilled" | "QuestionAnswered":
                seen.end(path, time_us, "garbage" if "retry" in decided or "failed" in decided else "ok", body)
            case "TaskFailed":
                away = body.get("sent") is False or body.get("code") in _TURNED_AWAY
                seen.end(path, time_us, "refused" if away else "failed")
            case "EffectConfirmed" | "SignalReceived":
                seen.end(path, time_us, "ok")
            case "EffectRefused":
                seen.end(path, time_us, "failed")
            case "EffectUnknown":
                seen.cut(path, time_us, "stopped")
            case "TimerFired" if body.get("timer") in _DEADLINES:
                seen.cut(path, time_us, "timeout")
            case _:
                pass

    def _recovered(self, seen: _Run) -> None:
        for path, one in list(seen.opened.items()):
            if one.kind in ("agent", "effect"):
                del seen.opened[path]
                evidence = self._gathered.of(one.target, one.kind)
                if evidence is not None:
                    evidence.restarted += 1

    def _leave(self, run: str) -> None:
        """The run is over, and nothing can take back what was seen of it any more."""
        seen = self._runs.pop(run, None)
        for one in seen.tries if seen is not None else ():
            problem = self._gathered.add(one)
            if problem is not None:
                self._gathered.leave_out(f"run {run}", f"a try of {one.target}: {problem}")


def _decided(found: Any) -> dict[str, Any]:
    if not isinstance(found, (list, tuple)):
        return {}
    return {str(pair[0]): pair[1] for pair in found if isinstance(pair, (list, tuple)) and len(pair) == 2}


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        return float(value)
    except OverflowError:
        return float("inf")
