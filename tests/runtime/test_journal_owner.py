"""A process counts as gone only when that is sure."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from orchspec.runtime.journal import owner as owner_module
from orchspec.runtime.journal.owner import is_gone, lease_held, this_process


def test_this_process_is_not_gone_and_keeps_its_name():
    assert this_process() == this_process()
    assert this_process("a") != this_process("b")
    assert this_process().pid == os.getpid()
    assert not is_gone(this_process())


def test_killed_child_is_gone_even_before_it_is_reaped():
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        me = this_process()
        child_owner = replace(me, pid=child.pid, started=owner_module._start_token(child.pid))
        assert not is_gone(child_owner)
        child.kill()
        # Waits for the death without reaping: the zombie stays until the block ends.
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert is_gone(child_owner)


@pytest.mark.parametrize(
    "change",
    [
        {"host": "elsewhere.example"},
        {"started": ""},
        {"started": "another-boot/pid:[1]/5"},
    ],
)
def test_what_cannot_be_known_is_not_gone(change):
    assert not is_gone(replace(this_process(), pid=2**22 + 1, **change))


def test_pid_that_nobody_has_is_gone():
    assert is_gone(replace(this_process(), pid=2**22 + 1))


def test_without_proc_processes_are_told_apart_by_ps(monkeypatch, tmp_path):
    real_run, asked = subprocess.run, []

    def ps(command, **options):
        asked.append(command)
        return real_run([sys.executable, "-c", "print('Fri Nov 20 20:00:00 2026')"], **options)

    monkeypatch.setattr(owner_module, "_PROC", Path(tmp_path))
    monkeypatch.setattr(owner_module, "_started", owner_module._started.__wrapped__)  # without what is remembered
    monkeypatch.setattr(owner_module.subprocess, "run", ps)
    me = this_process()
    assert asked[0][0] == "ps"
    assert me.started == "/Fri Nov 20 20:00:00 2026"
    assert not is_gone(me)
    assert is_gone(replace(me, started="/Thu Nov 19 20:00:00 2026"))


def test_refused_lease_says_who_until_when_and_what_to_do():
    message = lease_held(replace(this_process(), pid=77, host="h"), 1_700_000_000_000_000).message
    assert "process 77 on host h until 2023-11-14T22:13:20.000000Z" in message
    assert "stop that process" in message
