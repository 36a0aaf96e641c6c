"""Profiles as text of the language, and as JSON."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from orchspec.calibration.profiles import Fit, FittedProfile
from orchspec.simulator.estimate import Estimate
from orchspec.simulator.fitting.choose import Fitted
from orchspec.simulator.fitting.sample import Unit

__all__ = ["attributes_of", "block", "documents", "expression", "is_name", "told", "value"]

_DIGITS: Final = 4
_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]*(\.[A-Za-z][A-Za-z0-9_]*)*")
#: Parameters that stand without their names, as the language's own examples have them.
_PLAIN: Final = frozenset({"fixed", "uniform", "normal"})
_NAMES: Final = {
    "exponential": ("mean",),
    "lognormal": ("p50", "p95"),
    "gamma": ("shape", "scale"),
    "pareto": ("min", "alpha"),
}
_NUMBERS: Final = frozenset({"shape", "alpha"})


def is_name(name: str) -> bool:
    """Whether a profile can be written for it: a name of the language, its parts divided by dots."""
    return len(name) <= 120 and _NAME.fullmatch(name) is not None


# ------------------------------------------------------------------ values


def value(amount: float, unit: Unit | None) -> str:
    """An amount as the language writes it, to four digits: `6.02s`, `$0.021`, `412`; None: a plain number."""
    if unit == "USD":
        return f"${_number(amount)}"
    if unit == "tokens" and amount >= 100.0:
        amount = round(amount)
    if unit != "s":
        return _number(amount)
    for least, name, scale in ((7_200.0, "h", 3_600.0), (600.0, "min", 60.0), (1.0, "s", 1.0)):
        if amount >= least:
            return f"{_number(amount / scale)}{name}"
    return f"{_number(round(amount * 1e3, 3))}ms" if amount else "0s"


def _number(amount: float) -> str:
    rounded = Decimal(f"{amount:.{_DIGITS}g}")
    if rounded == rounded.to_integral_value():
        return format(rounded.quantize(Decimal(1)), "f")
    return format(rounded.normalize(), "f")


def _shares(shares: Sequence[float]) -> list[str]:
    """Shares in percent that sum to 100 exactly; the largest takes what rounding leaves."""
    percents = [Decimal(f"{100.0 * share:.2f}") for share in shares]
    largest = max(range(len(percents)), key=lambda at: percents[at])
    percents[largest] += Decimal(100) - sum(percents)
    return [f"{format(percent.normalize(), 'f')}%" for percent in percents]


def expression(dist: Sequence[Any], unit: Unit) -> str:
    """A distribution as the language writes it."""
    name, *parameters = dist
    if name in ("mixture", "choice"):
        pairs = parameters[0] if name == "mixture" else [[share, each] for each, share in parameters[0]]
        kept = [pair for pair in pairs if pair[0] >= 5e-5]
        total = math.fsum(share for share, _ in kept)
        parts = [
            f"{share}: {expression(part, unit) if name == 'mixture' else value(part, unit)}"
            for share, (_, part) in zip(_shares([share / total for share, _ in kept]), kept, strict=True)
        ]
        return f"{name}({', '.join(parts)})"
    names = _NAMES.get(name, ())
    written = [
        value(each, None if at < len(names) and names[at] in _NUMBERS else unit) for at, each in enumerate(parameters)
    ]
    if name in ("lognormal", "uniform") and written[0] == written[1]:
        return f"fixed({written[0]})"  # the same to all digits that are written
    if name in _PLAIN:
        return f"{name}({', '.join(written)})"
    return f"{name}({', '.join(f'{each}: {text}' for each, text in zip(names, written, strict=True))})"


# ------------------------------------------------------------------ blocks


def attributes_of(profile: FittedProfile) -> dict[str, str]:
    """The attributes of a profile with their values as text, in the order of the language's pages."""
    found = {}
    for fit in profile.fits:
        text = expression(fit.fitted.dist, fit.fitted.sample.unit)
        found[fit.attribute] = f"{{ {fit.tool.rpartition('.')[2]}: {text} }}" if fit.tool else text
    for name, share in profile.shares.items():
        if share.value > 0.0:
            found[name] = _percent(share.value)
    order = ("latency", "tokens_in", "tokens_out", "cost", "failure", "garbage", "never", "calls")
    return {name: found[name] for name in order if name in found}


def _percent(share: float) -> str:
    return f"{_number(float(f'{100.0 * share:.3g}'))}%"


def block(profile: FittedProfile) -> str:
    """The profile as a block of the language, with a comment on how well each part fits."""
    lines = [f"profile {profile.target} {{"]
    comments = told(profile)
    for name, text in attributes_of(profile).items():
        lines += [f"  // {line}" for line in comments.pop(name, ())]
        lines.append(f"  {name} = {text}")
    lines += [f"  // {line}" for rest in comments.values() for line in rest]
    return "\n".join([*lines, "}"])


def told(profile: FittedProfile) -> dict[str, list[str]]:
    """What is told of each attribute; what is told of the target as a whole goes by the empty name."""
    found = {fit.attribute: _fit_told(fit) for fit in profile.fits}
    for name, share in profile.shares.items():
        if share.events != 0 or name == "failure":  # few sources tell garbage from the rest, so none means little
            found[name] = [_share_told(name, share)]
    if profile.notes:
        found[""] = profile.notes
    return found


def _fit_told(fit: Fit) -> list[str]:
    fitted = fit.fitted
    unit = fitted.sample.unit
    counted = f"{fitted.sample.n:,} values"
    if fitted.sample.n_censored:
        counted += f" and {fitted.sample.n_censored:,} cut off"
    first = f"{fit.attribute}: {counted}"
    if fitted.distance:
        first += f", wrong by {100.0 * fitted.distance:.2g} % at most"
        first += f" (KS p {fitted.chance:.2g})" if fitted.chance is not None else " (KS)"
    lines = [first, *(f"{note}" for note in fitted.notes)]
    limits = []
    for name, (_, lo, hi) in fitted.parameters.items():
        if math.isfinite(lo) and math.isfinite(hi):
            kind = None if name in _NUMBERS else unit
            limits.append(f"{name} {value(max(lo, 0.0), kind)} to {value(max(hi, 0.0), kind)}")
    if limits:
        lines.append(f"95 %: {', '.join(limits)}")
    return lines


def _share_told(name: str, share: Estimate) -> str:
    if share.events == 0:
        return f"{name}: {share.note}"
    if share.events is None:
        return f"{name}: of {share.n}, 95 %: {_percent(share.lo)} to {_percent(share.hi)}"
    return f"{name}: {share.events} of {share.trials}, 95 %: {_percent(share.lo)} to {_percent(share.hi)}"


# ------------------------------------------------------------------ JSON


def documents(profiles: Sequence[FittedProfile]) -> dict[str, Any]:
    """The profiles by target, for programs; times in seconds, money in US dollars, shares in 0..1."""
    return {profile.target: _document(profile) for profile in profiles}


def _document(profile: FittedProfile) -> dict[str, Any]:
    return {
        "kind": profile.kind,
        "tries": profile.tries,
        "attributes": {fit.attribute: _fit_document(fit.fitted, fit.tool) for fit in profile.fits},
        "shares": {
            name: {
                "value": _rounded(share.value),
                "ci95": [_rounded(share.lo), _rounded(share.hi)],
                "events": share.events,
                "trials": share.trials,
            }
            for name, share in profile.shares.items()
        },
        "text": attributes_of(profile),
        "notes": list(profile.notes),
    }


def _fit_document(fitted: Fitted, tool: str) -> dict[str, Any]:
    found: Mapping[str, Any] = {
        "family": fitted.family,
        "text": expression(fitted.dist, fitted.sample.unit),
        "unit": fitted.sample.unit,
        "parameters": {
            name: {"value": _rounded(value), "ci95": [_rounded(lo), _rounded(hi)]}
            for name, (value, lo, hi) in fitted.parameters.items()
        },
        "n": fitted.sample.n,
        "cut_off": fitted.sample.n_censored,
        "aic": {name: _rounded(aic) for name, aic in fitted.aic.items()},
        "ks": {"distance": _rounded(fitted.distance), "p": fitted.chance},
        "notes": list(fitted.notes),
    }
    return {**found, **({"tool": tool} if tool else {})}


def _rounded(amount: float) -> float | None:
    return float(f"{amount:.8g}") if math.isfinite(amount) else None
