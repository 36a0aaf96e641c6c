"""Processes that replicate leave it to the first one what an interrupt means, and go when it is gone."""

import signal
import subprocess
import sys
from types import SimpleNamespace

import pytest

from orchspec.simulator import workers as workers_module
from orchspec.simulator.workers import _deaf

_MASK = "import signal; print(signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, ()))"

_PARENT = """
from orchspec.simulator.workers import Workers
import time
with Workers(2) as workers:
    started = [workers.pool.submit(time.sleep, 0) for _ in range(2)]
    for each in started:
        each.result()
    print("ready", flush=True)
    time.sleep(600)
"""


def test_a_process_that_is_still_starting_hears_no_interrupt():
    with _deaf():
        done = subprocess.run([sys.executable, "-c", _MASK], capture_output=True, text=True, check=True)
    assert done.stdout == "True\n"
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, ())


def test_an_interrupt_while_processes_start_is_heard_once_they_have():
    started = []

    def start():
        with _deaf():
            signal.raise_signal(signal.SIGINT)
            started.append(True)

    with pytest.raises(KeyboardInterrupt):
        start()
    assert started


def test_workers_leave_when_whoever_started_them_is_killed():
    with subprocess.Popen([sys.executable, "-c", _PARENT], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout.readline() == "ready\n"
        parent.kill()
        # The workers have the pipe from their parent: it ends once the last of them has left.
        assert parent.communicate(timeout=30)[0] == ""


def test_what_is_not_wanted_any_more_is_not_cancelled_where_its_process_is_ended(monkeypatch):
    asked = []

    def shutdown(*, wait, cancel_futures):
        asked.append((wait, cancel_futures))

    process = SimpleNamespace(terminate=lambda: asked.append("terminate"))
    pool = SimpleNamespace(_processes={1: process}, shutdown=shutdown)
    for stopping in (True, False):
        workers = workers_module.Workers()
        workers._pool, workers.stopping = pool, stopping
        with workers:
            pass
    # The thread of a pool whose process broke ends with a traceback at a future that was cancelled.
    assert asked == [(False, False), "terminate", (True, True)]
