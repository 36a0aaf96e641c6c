"""One run from its beginning to its end, held throughout to what must always hold."""

from __future__ import annotations

from typing import Any

from tests.support.driver import Driver, Stop
from tests.support.invariants import assert_closed, assert_folds, assert_single_effects, assert_undone, check_limits

__all__ = ["assert_settled", "run"]


def run(driver: Driver, inputs: dict[str, Any] | None = None) -> Stop:
    """Run the flow `main` to its end, which must have come; `assert_settled` says what is held of it."""
    driver.checks.append(check_limits)
    end = driver.run(inputs)
    assert_settled(driver)
    return end


def assert_settled(driver: Driver) -> None:
    """All runs have ended: nothing is held, journals fold to the same, effects stand once, failures left nothing."""
    assert_closed(driver)
    assert_folds(driver)
    assert_single_effects(driver)
    assert_undone(driver)
