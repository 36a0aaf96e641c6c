"""Processes that replicate leave it to the first one what an interrupt means."""

import signal
import subprocess
import sys

import pytest

from orchspec.simulator.workers import _deaf

_MASK = "import signal; print(signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, ()))"


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
