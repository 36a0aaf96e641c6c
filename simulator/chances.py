"""What profiles and policies say of attempts, for the analytic twin: whether they succeed, how many, and how long."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from orchspec.compiler.plan import Policy, Profile
from orchspec.runtime.distributions import compile_time, mean_of
from orchspec.simulator.hedged import Hedging, hedged, rests_s
from orchspec.simulator.moments import cut_moments, second_moment

if TYPE_CHECKING:
    from orchspec.compiler.plan import Plan
    from orchspec.simulator.replicate import Stage

__all__ = ["Chances"]

_POINTS: Final = 4_000


class Chances:
    """What is known of attempts: how likely one succeeds, and how many calls of tools it makes."""

    def __init__(self, plan: Plan, stage: Stage) -> None:
        self._plan = plan
        self._data = stage.cast.data
        self._known: dict[tuple[str, int | None], float] = {}
        self._takes: dict[tuple[Any, ...], tuple[float, float]] = {}
        self._hedged: dict[tuple[Any, ...], tuple[Hedging, Hedging]] = {}
        self.calls: dict[str, dict[str, float]] = {}
        for name, profile in plan.profiles.items():
            scarce = {tool: dist for tool, dist in profile.calls.items() if tool in stage.cast.scarce}
            self.calls[name] = {tool: mean_of(dist, self._data) for tool, dist in scarce.items()}

    def success(self, name: str, timeout_us: int | None) -> float:
        """That an attempt of an agent or effect succeeds."""
        key = name, timeout_us
        if key not in self._known:
            profile = self._plan.profiles.get(name, Profile(name))
            late = 0.0
            if timeout_us is not None:
                time_us = compile_time(profile.latency, self._data)
                late = sum(time_us((at + 0.5) / _POINTS) >= timeout_us for at in range(_POINTS)) / _POINTS
            never = profile.never if timeout_us is not None else 0.0
            self._known[key] = (1.0 - never) * (1.0 - late) * (1.0 - profile.failure) * (1.0 - profile.garbage)
        return self._known[key]

    def attempts(self, name: str, policy: Policy) -> tuple[float, float]:
        """The mean attempts at a task, and the chance that it fails for good."""
        fails = 1.0 - self.success(name, policy.timeout_us)
        tries = max(1, policy.attempts)
        return (float(tries) if fails >= 1.0 else (1.0 - fails**tries) / (1.0 - fails)), fails**tries

    def takes_s(self, name: str, policy: Policy) -> tuple[float, float]:
        """How long the attempts at a task take together, in seconds, and the mean of the square of that."""
        key = name, policy.timeout_us, policy.attempts
        if key not in self._takes:
            self._takes[key] = self._takes_s(name, policy)
        return self._takes[key]

    def _takes_s(self, name: str, policy: Policy) -> tuple[float, float]:
        latency = self._plan.profiles.get(name, Profile(name)).latency
        if policy.timeout_us is None:
            mean = mean_of(latency, self._data, scale=1e6)
            square = second_moment(latency, self._data, scale=1e6)
        else:
            mean, square = cut_moments(latency, policy.timeout_us, self._data)
        fails = min(1.0 - self.success(name, policy.timeout_us), 1.0 - 1e-9)
        attempts, _ = self.attempts(name, policy)
        # Pairs of attempts, of a geometric number of them.
        pairs = 2.0 * fails / (1.0 - fails) ** 2 if policy.attempts > 1 else 0.0
        return attempts * mean / 1e6, (attempts * square + pairs * mean * mean) / 1e12

    def rests_s(self, name: str, policy: Policy) -> float:
        """The mean time between the attempts at a task, in seconds."""
        return rests_s(policy.backoff, policy.attempts, 1.0 - self.success(name, policy.timeout_us))

    def kind(self, name: str) -> str:
        """Two who have it in common take and fail alike."""
        profile = self._plan.profiles.get(name, Profile(name))
        return repr((profile.latency, profile.failure, profile.garbage, profile.never))

    def hedged(self, name: str, policy: Policy) -> tuple[Hedging, Hedging]:
        """A task that is hedged, under a load and in a run that is alone."""
        key = name, policy.timeout_us, policy.attempts, policy.hedge, policy.backoff
        if key not in self._hedged:
            self._hedged[key] = hedged(self._plan.profiles.get(name, Profile(name)), policy, self._data)
        return self._hedged[key]
