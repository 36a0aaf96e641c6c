"""What must hold at the end of every run (and throughout), as the tests of the kernel and of the engine check it."""

from __future__ import annotations

from typing import Any

from orchspec.runtime.kernel.kernel import Kernel
from orchspec.runtime.recording import fold

__all__ = ["accounts_of", "assert_closed", "assert_folds", "assert_single_effects", "assert_undone", "check_limits"]


def accounts_of(kernel: Kernel) -> list[Any]:
    """Every account that a place of the run has, each once."""
    found: dict[int, Any] = {}
    pending = [kernel.account, *(activity.account for activity in kernel.places if activity is not None)]
    while pending:
        account = pending.pop()
        if account is not None and id(account) not in found:
            found[id(account)] = account
            pending.append(account.parent)
    return list(found.values())


def assert_closed(driver: Any) -> None:
    """S13: nothing is held, reserved, armed, asked or waited for once all runs have ended."""
    for name, pool in driver.engine.dispatcher.pools.items():
        assert pool.busy == 0, f"{name} still holds {pool.busy} slots"
        assert pool.waiting == 0, f"{name} still queues {pool.waiting}"
    assert not driver.engine.dispatcher._sessions
    assert not driver.engine.dispatcher._grants
    assert not driver._timers, driver._timers
    assert not driver.store.questions()
    for run, kernel in driver.kernels.items():
        assert kernel.status is not None, f"{run} has not ended"
        assert kernel.open_places() == []
        assert not kernel.stopping
        assert not kernel.unfunded
        assert kernel.tasks_open == 0
        for account in accounts_of(kernel):
            assert (account.reserved_pico, account.reserved_tokens, account.open) == (0, 0, 0)


def check_limits(driver: Any) -> None:
    """S4 and S8, at any moment: what is reserved fits its caps, and no pool hands out more than it has."""
    for pool in driver.engine.dispatcher.pools.values():
        assert pool.busy >= 0
        assert pool.slots is None or pool.busy <= pool.slots, f"{pool.name}: {pool.busy} of {pool.slots}"
        if pool.bucket is not None:
            assert 0 <= pool.bucket.tokens <= pool.bucket.count * pool.bucket.per_us
    for kernel in driver.engine.kernels.values():
        for account in accounts_of(kernel):
            assert account.reserved_pico >= 0
            assert account.reserved_tokens >= 0
            assert account.open >= 0


def assert_folds(driver: Any) -> None:
    """S7: folding the durable journal gives the same decisions, commands and exported state."""
    for run, kernel in driver.kernels.items():
        if driver.store.run(run) is None:
            continue
        again = fold(driver.plan, run, driver.records(run)).kernel
        if kernel.status is not None:
            assert again.export() == kernel.export()


def assert_single_effects(driver: Any) -> None:
    """S1 and S2: what stands in the world stands once, and what a run that completed says it did is there."""
    rows = driver.store.ledger()
    standing: dict[tuple[str, str], int] = {}
    applied = driver.world.applied
    for row in rows:
        from orchspec.runtime.kernel.applying import target_key

        key = target_key(row.key, row.generation)
        if row.state in ("confirmed", "undone"):
            assert key in applied, f"{row.effect} is {row.state} and was never applied"
        if key in applied and row.state != "undone":
            standing[row.effect, row.key] = standing.get((row.effect, row.key), 0) + 1
    intended = {target_key(row.key, row.generation) for row in rows}
    assert set(applied) <= intended, "something was applied without a durable intent"
    assert all(count == 1 for count in standing.values()), "an effect stands twice"
    assert not driver.world.twice, f"done twice: {driver.world.twice}"


def assert_undone(driver: Any) -> None:
    """S10: of a run that failed nothing stands but what is named as stuck, or what others own now."""
    standing = driver.world.standing()
    if all(kernel.status != "completed" for kernel in driver.kernels.values()):
        stuck = sum(len(kernel.stuck) for kernel in driver.kernels.values())
        assert len(standing) <= stuck, f"{standing} stand, {stuck} are stuck"
