"""From evidence to profiles: what is fitted for each kind of target, and what is told of what is not."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from orchspec.calibration.evidence import Evidence, Gathered, Kind
from orchspec.simulator.estimate import Estimate, binomial_rate
from orchspec.simulator.fitting.choose import LEAST, Fitted, fit
from orchspec.simulator.fitting.sample import Sample, Unit

if TYPE_CHECKING:
    from array import array

__all__ = ["QUANTITIES", "Fit", "FittedProfile", "profile_of", "profiles_of"]

Told = Callable[[int, int, str], None]


@dataclass(frozen=True, slots=True)
class Quantity:
    """Something to fit: its attribute in a profile, its unit, its values, and of whom it is told."""

    name: str
    unit: Unit
    values: Callable[[Evidence], array[float]]
    kinds: frozenset[Kind]


_ALL: Final[frozenset[Kind]] = frozenset({"agent", "human", "effect", "signal"})

QUANTITIES: Final = (
    Quantity("latency", "s", lambda found: found.latency_s, _ALL),
    Quantity("tokens_in", "tokens", lambda found: found.tokens_in, frozenset({"agent"})),
    Quantity("tokens_out", "tokens", lambda found: found.tokens_out, frozenset({"agent"})),
    Quantity("cost", "USD", lambda found: found.cost_usd, _ALL - {"signal"}),
    Quantity("calls", "calls", lambda found: found.calls, frozenset({"agent"})),
)
"""To fit another one: its line here, and its column in `rows.KNOWN`."""


@dataclass(frozen=True, slots=True)
class Fit:
    """What was fitted to one attribute; `tool` is the one that calls are of."""

    attribute: str
    fitted: Fitted
    tool: str = ""


@dataclass(slots=True)
class FittedProfile:
    """What was found for a target: distributions, shares of tries that end badly, and what is not told, and why."""

    target: str
    kind: Kind
    tries: int
    fits: list[Fit] = field(default_factory=list)
    shares: dict[str, Estimate] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def empty(self) -> bool:
        """Whether there is nothing to write."""
        return not self.fits and not any(share.value > 0.0 for share in self.shares.values())


def profiles_of(
    gathered: Gathered, least: int = LEAST, kinds: Mapping[str, Kind] | None = None, progress: Told | None = None
) -> list[FittedProfile]:
    """The profiles of all that was seen, by name.

    Args:
        gathered: What was seen.
        least: Fewer values are not fitted.
        kinds: Of targets whose spec is known.
        progress: Called with how many targets are done, how many there are, and the next one.
    """
    found = []
    for done, name in enumerate(sorted(gathered.targets)):
        evidence = gathered.targets[name]
        if progress is not None:
            progress(done, len(gathered.targets), name)
        kind = (kinds or {}).get(name, evidence.kind)
        found.append(profile_of(evidence, kind, least, gathered.tools.get(name)))
    return found


def profile_of(evidence: Evidence, kind: Kind, least: int = LEAST, tools: Sequence[str] | None = None) -> FittedProfile:
    """The profile of one target; `tools` are those that it may call, None where nobody knows."""
    made = FittedProfile(evidence.target, kind, evidence.tries)
    for quantity in QUANTITIES:
        if kind not in quantity.kinds:
            continue
        values = quantity.values(evidence)
        if quantity.name in ("cost", "tokens_in", "tokens_out") and not any(values):
            continue  # nobody said, or nothing was charged
        if quantity.name == "calls" and not (any(values) and len(values) >= least and _one_tool(made, tools, values)):
            continue
        cut = evidence.cut_s if quantity.name == "latency" else ()
        if len(values) < least:
            if len(values) or len(cut):
                made.notes.append(_too_few(quantity.name, len(values), len(cut), least))
            continue
        sample = Sample(values, quantity.unit, cut, may_never=kind in ("human", "signal"))
        fitted = fit(sample)
        made.fits.append(Fit(quantity.name, fitted, tools[0] if quantity.name == "calls" and tools else ""))
        if fitted.never:
            lo, hi = fitted.never_limits
            made.shares["never"] = Estimate(fitted.never, lo, hi, len(values) + len(cut), "likelihood")
    if not evidence.latency_s and not evidence.cut_s and made.fits:
        made.notes.append("latency: no source tells it; a profile without one takes a second")
    _count_shares(made, evidence, least)
    _tell_others(made, evidence)
    return made


def _one_tool(made: FittedProfile, tools: Sequence[str] | None, values: array[float]) -> bool:
    if tools is not None and len(tools) == 1:
        return True
    mean = sum(values) / len(values)
    why = "of several tools, a journal does not say which" if tools else "of tools that only the spec names"
    made.notes.append(f"calls: {mean:.3g} a try, {why}; write calls = {{ TOOL: … }} by hand")
    return False


def _too_few(name: str, count: int, cut: int, least: int) -> str:
    ended = f"{count} value{'' if count == 1 else 's'}" + (f" and {cut} that were cut off" if cut else "")
    few = "is" if count == 1 and not cut else "are"
    return f"{name}: {ended} {few} too few to fit, {least} are needed; record more, or say --least {max(2, count)}"


def _count_shares(made: FittedProfile, evidence: Evidence, least: int) -> None:
    """Shares of failure and garbage, as a profile means them: garbage is that of the tries that did not fail."""
    failed, garbage = evidence.count("failed"), evidence.count("garbage")
    ended = failed + garbage + evidence.count("ok")
    if ended < least:
        if failed or garbage:
            made.notes.append(f"failure: {failed + garbage} of {ended} are too few to tell a share, {least} are needed")
        return
    if made.kind != "signal":
        made.shares["failure"] = binomial_rate(failed, ended)
    if made.kind in ("agent", "human") and ended > failed:
        made.shares["garbage"] = binomial_rate(garbage, ended - failed)


def _tell_others(made: FittedProfile, evidence: Evidence) -> None:
    away = evidence.count("refused")
    if away:
        made.notes.append(f"{away} tries were turned away (throttled, unavailable): say that as faults of a scenario")
    if evidence.restarted:
        made.notes.append(f"{evidence.restarted} tries were cut off by a crash of the engine and are left out")
