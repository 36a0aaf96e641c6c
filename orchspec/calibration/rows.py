"""Tries from traces: rows of a CSV file or of JSON lines, whose columns have names of all kinds.

Names are compared without regard to case, `_`, `-`, `.` and camel case, so `ContextTokens`, `context_tokens` and
`context-tokens` are one. A unit may stand at the end of a name (`duration_ms`). What `orch journal --steps` prints is
such a trace, too. To know another name by itself: its line in `KNOWN`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from orchspec.calibration.evidence import Ended, NotCalibrated, Try, clean

__all__ = ["KNOWN", "UNITS", "Column", "Columns", "column_of", "flat"]

KNOWN: Final[dict[str, tuple[str, ...]]] = {
    "agent": ("agent", "agent name", "assistant", "worker", "gen ai agent name", "service", "name"),
    "latency": (
        *(
            "latency",
            "duration",
            "elapsed",
            "elapsed time",
            "response time",
            "total time",
            "time taken",
            "wall time",
            "took",
        ),
        *("request latency", "e 2 e latency", "request duration", "processing time"),
    ),
    "start": ("start", "started", "started at", "start time", "start timestamp", "begin"),
    "end": ("end", "ended", "ended at", "end time", "end timestamp", "finished", "finished at", "completed at"),
    "tokens_in": (
        *("tokens in", "input tokens", "prompt tokens", "context tokens", "usage prompt tokens", "usage input tokens"),
        *("gen ai usage input tokens", "num prompt tokens", "prompt token count", "request tokens"),
    ),
    "tokens_out": (
        *("tokens out", "output tokens", "completion tokens", "generated tokens", "usage completion tokens"),
        *("usage output tokens", "gen ai usage output tokens", "num generated tokens", "response tokens"),
        *("candidates token count",),
    ),
    "cost": ("cost", "cost usd", "total cost", "price", "price usd", "usd"),
    "calls": ("calls", "tool calls", "num tool calls", "tool call count"),
    "status": ("status", "outcome", "success", "ok", "status code", "http status", "state"),
    "kind": ("kind",),
}
"""The names that each quantity goes by; the first that a row has is taken."""

UNITS: Final[dict[str, float]] = {
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), 1.0),
    **dict.fromkeys(("ms", "msec", "millis", "millisecond", "milliseconds"), 1e-3),
    **dict.fromkeys(("us", "usec", "micros", "microsecond", "microseconds"), 1e-6),
    **dict.fromkeys(("ns", "nanos", "nanosecond", "nanoseconds"), 1e-9),
    **dict.fromkeys(("min", "mins", "minutes"), 60.0),
}
_TIMES: Final = ("latency", "start", "end")

_STATUSES: Final[dict[str, Ended]] = {
    **dict.fromkeys(
        ("", "ok", "okay", "success", "succeeded", "completed", "complete", "done", "true", "yes", "1", "stop"), "ok"
    ),
    **dict.fromkeys(("failed", "failure", "fail", "error", "errored", "exception", "false", "no", "0"), "failed"),
    **dict.fromkeys(("timeout", "timed out", "timedout", "deadline exceeded"), "timeout"),
    **dict.fromkeys(("stopped", "cancelled", "canceled", "aborted", "killed", "in doubt"), "stopped"),
    **dict.fromkeys(("garbage", "invalid", "unverified", "malformed"), "garbage"),
    **dict.fromkeys(("throttled", "rate limited", "refused", "rejected", "overloaded", "unavailable"), "refused"),
}
_WORD: Final = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|[0-9]+")
_DEPTH_MOST: Final = 4
_CELL_MOST: Final = 256


@dataclass(frozen=True, slots=True)
class Column:
    """A column, and what its numbers are multiplied with to be seconds (of times; else 1)."""

    name: str
    scale: float = 1.0


def column_of(text: str) -> tuple[str, Column]:
    """`latency=took:ms` as a quantity and its column. Raises NotCalibrated for what is neither."""
    quantity, sign, rest = text.partition("=")
    quantity = quantity.strip()
    if not sign or not rest or quantity not in KNOWN or quantity == "kind":
        known = ", ".join(name for name in KNOWN if name != "kind")
        raise NotCalibrated(
            f"a column is given as QUANTITY=COLUMN, such as latency=took:ms; QUANTITY is one of {known}"
        )
    name, colon, unit = rest.rpartition(":")
    if colon and unit in UNITS and quantity in _TIMES:
        return quantity, Column(name, UNITS[unit])
    return quantity, Column(rest, _scale_of(rest) if quantity in _TIMES else 1.0)


def _words(name: str) -> list[str]:
    return [word.lower() for word in _WORD.findall(name)]


def _scale_of(name: str) -> float:
    words = _words(name)
    return UNITS.get(words[-1], 1.0) if len(words) > 1 else 1.0


@dataclass(slots=True)
class Columns:
    """Which column holds what: what was said, and for the rest what names are known.

    `agent` is the target of all rows, where it was said.
    """

    said: dict[str, Column] = field(default_factory=dict)
    agent: str | None = None
    _found: dict[tuple[str, ...], dict[str, Column]] = field(default_factory=dict)

    def find(self, names: Sequence[str]) -> dict[str, Column]:
        """The columns among those of a row. Raises NotCalibrated if one that was said is not there."""
        key = tuple(names)
        found = self._found.get(key)
        if found is None:
            found = self._found[key] = self._search(key)
            if len(self._found) > 1_000:  # rows that are all different share nothing worth keeping
                self._found.clear()
        return found

    def _search(self, names: tuple[str, ...]) -> dict[str, Column]:
        found = {quantity: column for quantity, column in self.said.items() if column.name in names}
        spelled: dict[str, str] = {}
        for name in names:
            words = _words(name)
            spelled.setdefault(" ".join(words), name)
            if len(words) > 1 and words[-1] in UNITS:
                spelled.setdefault(" ".join(words[:-1]), name)
        for quantity, known in KNOWN.items():
            if quantity in self.said or (quantity == "agent" and self.agent is not None):
                continue
            held = next((spelled[each] for each in known if each in spelled), None)
            if held is not None:
                found[quantity] = Column(held, _scale_of(held) if quantity in _TIMES else 1.0)
        return found

    def check(self, names: Sequence[str], where: str) -> None:
        """Hold what was said against the columns of a file. Raises NotCalibrated, saying what there is."""
        shown = ", ".join(clean(name, 40) for name in names[:20]) or "none"
        for quantity, column in self.said.items():
            if column.name not in names:
                raise NotCalibrated(f"{where} has no column {column.name!r} (for {quantity}); it has {shown}")
        found = self.find(names)
        if "agent" not in found and self.agent is None:
            raise NotCalibrated(
                f"{where} has no column that says whose rows these are; say --agent NAME for all of them, or"
                f" --column agent=COLUMN; it has {shown}"
            )
        if not found.keys() & {"latency", "tokens_in", "tokens_out", "cost"} and not {"start", "end"} <= found.keys():
            raise NotCalibrated(
                f"no column of {where} is known to hold a latency, tokens or a cost; say which does, such as"
                f" --column latency=COLUMN:ms; it has {shown}"
            )

    def read(self, row: Mapping[str, Any]) -> Try | None:
        """The try of a row, None for one that is none. Raises ValueError for a row that says something impossible."""
        columns = self.find(list(row))
        agent = self.agent
        if agent is None:
            named = row.get(columns["agent"].name) if "agent" in columns else None
            agent = str(named).strip()[:_CELL_MOST] if named is not None else ""
        kind = str(row.get(columns["kind"].name, "")) if "kind" in columns else ""
        if kind == "reuse":
            return None  # nothing was done
        if not agent:
            raise ValueError("it does not say whose it is")
        values = {
            quantity: _value(quantity, row.get(columns[quantity].name), columns[quantity].scale)
            for quantity in ("latency", "start", "end", "tokens_in", "tokens_out", "cost", "calls")
            if quantity in columns
        }
        latency = values.get("latency")
        start, end = values.get("start"), values.get("end")
        if latency is None and start is not None and end is not None:
            latency = end - start
            if latency < 0.0:
                raise ValueError("it ends before it starts")
        estimated = row.get("cost_estimated") is True
        return Try(
            agent,
            _status(row.get(columns["status"].name), row.get("error")) if "status" in columns else "ok",
            "human" if kind == "person" else kind if kind in ("effect", "signal") else "agent",  # type: ignore[arg-type]
            latency,
            values.get("tokens_in"),
            values.get("tokens_out"),
            None if estimated else values.get("cost"),
            values.get("calls"),
            "status" in columns,
        )


def flat(row: Mapping[str, Any], prefix: str = "", depth: int = 0) -> dict[str, Any]:
    """A row of JSON whose inner objects became names with dots; lists are left out."""
    found: dict[str, Any] = {}
    for name, value in row.items():
        if isinstance(value, Mapping):
            if depth < _DEPTH_MOST:
                found.update(flat(value, f"{prefix}{name}.", depth + 1))
        elif not isinstance(value, list):
            found[f"{prefix}{name}"] = value
    return found


def _value(quantity: str, cell: Any, scale: float) -> float | None:
    """A number, in seconds of times; None for an empty cell. Raises ValueError for anything else."""
    if cell is None or isinstance(cell, bool):
        return None
    if isinstance(cell, str):
        text = cell.strip()
        if not text or text.lower() in ("null", "none", "nan", "n/a", "-"):
            return None
        if quantity == "cost":
            text = text.removeprefix("$")
        try:
            value = float(text) if "_" not in text and len(text) <= _CELL_MOST else math.nan
        except ValueError:
            if quantity in ("start", "end"):
                return _moment(text)
            value = math.nan
    else:
        try:
            value = float(cell)
        except (TypeError, ValueError, OverflowError):
            value = math.nan
    if not math.isfinite(value):
        point = " with a decimal point" if isinstance(cell, str) and "," in cell else ""
        raise ValueError(f"{quantity} is {str(cell)[:40]!r}, expected a number{point}")
    return value * scale


def _moment(text: str) -> float:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text[:40]!r} is no time; expected a number or one such as 2023-11-16 18:17:03.98") from None
    return (found if found.tzinfo is not None else found.replace(tzinfo=UTC)).timestamp()


def _status(cell: Any, error: Any) -> Ended:
    text = " ".join(_words(str(cell))) if not isinstance(cell, (int, float)) else str(cell).lower()
    if not text and str(cell).strip():
        text = "?"  # signs that are no letters of ours
    found = _STATUSES.get(text)
    if found == "failed" and isinstance(error, str) and error.startswith("unverified"):
        return "garbage"
    if found is not None:
        return found
    if text.isdigit() and len(text) == 3:
        code = int(text)
        if code in (408, 504):
            return "timeout"
        if code in (429, 503):
            return "refused"
        return "ok" if 200 <= code < 400 else "failed"
    raise ValueError(f"status is {str(cell)[:40]!r}, expected ok, failed, timeout, stopped, garbage or a code of HTTP")
