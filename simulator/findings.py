"""What a simulation says in sentences: what is short, what is wrong with the figures, and how sure they are.

All of it is read from the document, so a page, a terminal and a comparison of documents say the same.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from orchspec.simulator.units import format_interval, format_quantity, sentence

__all__ = ["Bottleneck", "alarms", "bottleneck_of", "bottleneck_words", "certainty"]

_LAWS = {"little": "Little's law", "utilization": "the utilization law"}
#: Busy shares from which on a resource is called so: queues grow steeply from some 80 % on (M/M/c).
_FULL, _NEAR, _BUSY = 0.97, 0.8, 0.5
#: A wait beyond so many times what busy slots explain has another cause; below this share of the latency it is no news.
_UNEXPLAINED, _NOTABLE = 5.0, 0.02


#: What makes one wait for slots that are free on the average, by how the twin's `breaks` begin that tell of it.
_CAUSES = {
    "a rate:": "its rate is used up",
    "a breaker ": "its breaker shut it",
    "faults strike": "a fault shut it or brought more work",
    "arrivals come in bursts": "work comes in bursts",
    "arrivals are those of a trace": "work comes in bursts",
    "several tasks of a run": "many tasks come at once",
    "a session ": "a session takes one task at a time",
}


@dataclass(frozen=True, slots=True)
class Bottleneck:
    """The busiest resource of limited slots: its name and kind, how many slots, and the busy share of them (0..1).

    Of slots that follow the load it is the share of the most that there may be, and `grows` says that they do. `shares`
    are the others who take the same tasks, with the busy share of all their slots together: then no slot of one says
    when they are full.

    `wait_s` is the mean wait for it; `limit` the rate of runs (1/s) at which its slots would all be busy, by the
    utilization law (P. J. Denning and J. P. Buzen, ACM Computing Surveys 10, 1978: no more runs than 1 / the most
    that one of them takes of any resource); `None` where there is no throughput to go by. Of a limit of a model
    `allows` says what it lets through, and its share is how much of that is used.
    """

    name: str
    kind: str
    slots: int
    share: float
    wait_s: float | None
    limit: float | None
    allows: str = ""
    grows: bool = False
    shares: str = ""

    @property
    def told(self) -> str:
        """How full it is, in words."""
        share = format_quantity(self.share, "share")
        if self.allows:
            return f"{share} of its {self.allows} is used"
        if self.grows:
            return f"{share} of the {self.slots} slots that it may have are busy"
        return f"{f'its {self.slots} slots are' if self.slots > 1 else 'its one slot is'} busy for {share} of the time"


def bottleneck_of(document: Mapping[str, Any]) -> Bottleneck | None:
    """The busiest resource of a document; `None` where nothing has limited slots, or nothing was busy."""
    best: Bottleneck | None = None
    throughput = document["kpis"]["throughput"]["value"]
    for name, found in document["resources"].items():
        share = found["utilization"]["value"]
        pool = document["pools"].get(name, {})
        allows = pool.get("limit", "")
        slots = 1 if allows else pool.get("slots")
        if not share or slots is None:
            continue
        most = share if allows else min(share, (found["busy"]["value"] or 0.0) / slots)
        grows = bool(pool.get("elastic"))
        if best is not None and most <= best.share:
            continue
        shares = _shares(document, name)
        limit = throughput / most if throughput and most and not shares else None
        kind, wait_s = str(pool.get("kind", "")), found["wait_s"]["value"]
        best = Bottleneck(name, kind, slots, most, wait_s, limit, allows, grows, shares)
    return best


def _shares(document: Mapping[str, Any], name: str) -> str:
    """Who else takes tasks that `name` may take, and how busy they are together; nothing where nobody does."""
    others = {
        member
        for pool in document["pools"].values()
        if name in pool["members"] and pool["kind"] != "model"
        for member in pool["members"]
    } - {name}
    if not others:
        return ""
    told = " and ".join(sorted(others))
    slots = [document["pools"].get(each, {}).get("slots") for each in (name, *others)]
    if any(each is None for each in slots):
        return told
    busy = math.fsum(document["resources"][each]["busy"]["value"] or 0.0 for each in (name, *others))
    return f"{told}: {format_quantity(busy / sum(slots), 'share')} of their {sum(slots)} slots together are busy"


def bottleneck_words(document: Mapping[str, Any]) -> str:
    """What is short, in a sentence or two."""
    found = bottleneck_of(document)
    if found is None:
        return "Nothing with limited slots was busy, so nothing was waited for."
    held = _held_back(document)
    if held and found.share < _NEAR:
        return held
    if document["kpis"]["throughput"]["value"] is None:
        return (
            f"Most at work is {found.name}: {found.told}. Runs were simulated one by one, so "
            "they did not wait for each other."
        )
    told = f"The bottleneck is {found.name}: {found.told}"
    if found.wait_s is not None:
        waits = "nobody waits for it" if found.wait_s < 1e-3 else f"a task waits {format_quantity(found.wait_s, 's')}"
        told += f", and {waits}" + ("" if found.wait_s < 1e-3 else " on average")
    told += ". "
    if found.shares:
        told += f"It shares its work with {found.shares}. "
    if found.share >= _FULL and not found.shares:
        return f"{told}It cannot take more: what arrives beyond it waits longer and longer."
    if found.limit is not None:
        throughput = document["kpis"]["throughput"]["value"]
        now, limit = (format_quantity(each, "1/s", throughput) for each in (throughput, found.limit))
        told += f"It would be full at about {limit}; now it is {now}. "
    if found.share >= _NEAR:
        return f"{told}That is near: a little more load, and waits grow steeply."
    return f"{told}{'There is some room.' if found.share >= _BUSY else 'There is room.'}"


def _held_back(document: Mapping[str, Any]) -> str:
    """What is waited for though its slots are free, in a sentence: a rate limit, a breaker or a fault.

    A wait is explained by busy slots if it is some few times that of M/M/c (A. K. Erlang, 1917) with the same slots,
    busy share and time at work. What is waited for in pools of several is left out: they share a wait.
    """
    longest, told = 0.0, ""
    quotas = [name for name, pool in document["pools"].items() if pool.get("limit")]
    for name, found in document["resources"].items():
        slots = document["pools"].get(name, {}).get("slots")
        wait_s, share, rate = found["wait_s"]["value"], found["utilization"]["value"], found["task_rate"]["value"]
        shared = any(name in pool["members"] and len(pool["members"]) > 1 for pool in document["pools"].values())
        if not slots or not wait_s or not share or not rate or share >= _NEAR or shared:
            continue
        expected_s = _erlang_wait(slots, share) * found["busy"]["value"] / rate
        mean_s = document["kpis"]["latency"]["mean"]["value"]
        if wait_s <= _UNEXPLAINED * expected_s or not mean_s or wait_s < _NOTABLE * mean_s or wait_s <= longest:
            continue
        longest = wait_s
        cause = _cause(document, quotas, name, wait_s)
        told = (
            f"What holds it up is {name}: one waits {format_quantity(wait_s, 's')} for it on average, though only "
            f"{format_quantity(share, 'share')} of its {slots} slots are busy: {cause}."
        )
    return told


def _cause(document: Mapping[str, Any], quotas: list[str], name: str, wait_s: float) -> str:
    """Why one waits so long: a limit of a model, if most of it is waited for that; else whatever else there is."""
    waits = {name: document["resources"][name]["wait_s"]["value"] or 0.0 for name in quotas}
    worst = max(waits, key=lambda name: waits[name], default=None)
    if worst is None or waits[worst] < 0.5 * wait_s:
        return _suspects(document, name)
    used = format_quantity(document["resources"][worst]["utilization"]["value"] or 0.0, "share")
    allows = document["pools"][worst]["limit"]
    return (
        f"it waits for {worst}, though only {used} of its {allows} is used. Work comes in bursts, or attempts may take "
        "far more than they use: a cap nearer to that lets more of them work at once"
    )


def _suspects(document: Mapping[str, Any], name: str) -> str:
    """What can keep tasks from free slots, or brings more of them at once than there are, as far as there is any."""
    twin = document["twin"]
    if twin is None:
        return "its rate is used up, a fault shut it, or work comes in bursts"
    own = [told for pool in twin["pools"].values() if name in pool["members"] for told in pool["breaks"]]
    found = [cause for sign, cause in _CAUSES.items() if any(told.startswith(sign) for told in (*own, *twin["breaks"]))]
    return " or ".join(found) if found else "now and then more work comes than it can do, or some takes very long"


def _erlang_wait(slots: int, share: float) -> float:
    """The mean wait of M/M/c in units of the mean time at work, at a busy share below 1 (Erlang's C)."""
    load = slots * share
    blocked = 1.0
    for number in range(1, slots + 1):  # Erlang's B, by its recursion
        blocked = load * blocked / (number + load * blocked)
    waiting = blocked / (1.0 - share * (1.0 - blocked))
    return waiting / (slots * (1.0 - share))


def alarms(document: Mapping[str, Any]) -> list[str]:
    """What must be known before any figure is believed; empty where all is well."""
    told = []
    for law, title in _LAWS.items():
        broken = [pool for pool, check in document["checks"][law]["pools"].items() if check["ok"] is False]
        if broken:
            named = ", ".join(broken[:5]) + (f" and {len(broken) - 5} more" if len(broken) > 5 else "")
            told.append(
                f"A check failed: {title} does not hold for {named}. Something is miscounted: don't believe these "
                "figures, and please report it."
            )
    warmup = document["warmup"]
    if warmup is not None and warmup["steady"] is False:
        told.append(
            "No steady state: the load is more than the system can take, or the scenario is too short. The figures "
            "would be worse if one looked longer."
        )
    told += [sentence(note) for note in document["notes"]]
    return told


def certainty(document: Mapping[str, Any]) -> list[str]:
    """How sure the figures are, in sentences."""
    count = document["replications"]
    told = [
        f"{document['runs']:,} runs were measured, in {count} independent replication{'s'[: count != 1]}.",
        "Each figure stands with its 95 % interval: those that differ by less should not be compared.",
    ]
    p95 = document["kpis"]["latency"]["p95"]
    value = _float(p95["value"])
    lo, hi = (_float(end) for end in p95["ci95"])
    if math.isfinite(value) and value > 0.0:
        written = f"{format_quantity(value, 's')} ({format_interval(lo, hi, 's', value)})"
        if math.isfinite(lo) and math.isfinite(hi):
            width = format_quantity((hi - lo) / 2.0 / value, "share")
            told.append(f"The p95 of latency is {written}: known to about ±{width}.")
        else:
            told.append(f"The p95 of latency is {written}: more runs are needed to say more.")
    undecided = sum(1 for each in document["expectations"] if each["verdict"] == "undecided")
    if undecided:
        told.append(f"{undecided} of the expectations could not be decided: the value is too near its bound.")
    if document["warmup"] is not None:
        told.append(f"Warm-up: {document['warmup']['note']}.")
    told.append("All of it is as true as the profiles that the agents were played from, and as the load.")
    return told


def _float(value: float | None) -> float:
    return math.nan if value is None else float(value)
