"""Who owns a store: telling a live process from one that is gone, and from a later one with its pid.

A process is named by host, pid and a start token ``boot id/pid namespace/start time``. It counts as gone only when
that is sure: same host name, same boot, same pid namespace, and no process with that pid and start time (a zombie
counts as gone). After a reboot, or in another container of the same name, its lease has to run out instead.
"""

from __future__ import annotations

import os
import socket
import subprocess
from functools import lru_cache
from pathlib import Path

from orchspec.runtime.errors import LeaseHeld
from orchspec.runtime.journal.records import Owner, format_time

__all__ = ["is_gone", "lease_held", "this_process"]

_PROC = Path("/proc")


def this_process(instance: str = "") -> Owner:
    """The owner that stands for this process; ``instance`` tells several engines of one process apart."""
    pid = os.getpid()
    return Owner(pid=pid, host=socket.gethostname(), started=_started(pid), instance=instance)


def is_gone(owner: Owner) -> bool:
    """Whether it is sure that the owner's process no longer runs on this host."""
    if owner.host != socket.gethostname() or not owner.started:
        return False
    if owner.started.rpartition("/")[0] != _machine_token():
        return False
    return _start_token(owner.pid) != owner.started


def lease_held(owner: Owner, expires_us: int) -> LeaseHeld:
    """The error that says who owns the store, until when, and what to do."""
    return LeaseHeld(
        f"the store is owned by process {owner.pid} on host {owner.host} until {format_time(expires_us)}; expected it "
        f"to be free: stop that process, wait until its lease has run out, or use another store"
    )


@lru_cache(maxsize=1)
def _started(pid: int) -> str:
    """The token of this very process, which stays the same until it forks."""
    return _start_token(pid) or ""


def _machine_token() -> str:
    """What must be equal for two pids to be comparable; empty where the system does not say."""
    try:
        boot = (_PROC / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot}/{(_PROC / 'self/ns/pid').readlink()}"
    except OSError:
        return ""


def _start_token(pid: int) -> str | None:
    """The token of the process with that pid; None if there is none."""
    if not (_PROC / "self/stat").exists():
        return _start_token_from_ps(pid)
    try:
        stat = (_PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    # The command's name, in parentheses, may hold spaces and parentheses; state is the first field after it and the
    # start time, in clock ticks since boot, the twentieth (proc(5)).
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else f"{_machine_token()}/{fields[19]}"


def _start_token_from_ps(pid: int) -> str | None:
    """The same for systems without /proc (macOS, BSD), by POSIX ps."""
    try:
        command = ["ps", "-o", "lstart=", "-p", str(pid)]
        result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=5)  # noqa: S603 - a constant and a number
        found = result.stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""  # It cannot be known: never say that a process is gone.
    return f"{_machine_token()}/{found}" if found else None
