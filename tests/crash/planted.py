"""Runs `orch` with something wrong in it, which no switch of the product could bring about.

    python planted.py PLANT ARGUMENTS…

`keyless` sends every effect with a key of its own. The others kill the process: `before_applying` and `after_applying`
inside the target, before and after it has done what it was asked to; `before_STATE` before the commit that writes that
state of an effect into the ledger, `in_STATE` within it, when all is written and nothing is committed.
"""

import os
import secrets
import signal
import sys
from dataclasses import replace

from orchspec.cli import main
from orchspec.runtime.driver.sending import Sending
from orchspec.runtime.journal.sqlite import SQLiteStore
from orchspec.runtime.standins import World

_send, _deliver = Sending.send, World.deliver
_commit, _put_rows = SQLiteStore.commit, SQLiteStore._put_rows


def killing_at(when, state):
    def holds(batch):
        return any(row.state == state for row in batch.ledger)

    def commit(self, epoch, batch):
        if holds(batch):
            os.kill(os.getpid(), signal.SIGKILL)
        _commit(self, epoch, batch)

    def put_rows(self, connection, batch, rest):
        _put_rows(self, connection, batch, rest)
        if holds(batch):
            os.kill(os.getpid(), signal.SIGKILL)

    if when == "before":
        SQLiteStore.commit = commit
    else:
        SQLiteStore._put_rows = put_rows


def keyless(self, live, command):
    _send(self, live, replace(command, target_key=secrets.token_hex(32)))


def before_applying(self, key, effect, args, receipt, **rest):
    os.kill(os.getpid(), signal.SIGKILL)


def after_applying(self, key, effect, args, receipt, **rest):
    _deliver(self, key, effect, args, receipt, **rest)
    os.kill(os.getpid(), signal.SIGKILL)


def plant(name):
    """Bring it about in this process."""
    if name == "keyless":
        Sending.send = keyless
    elif name.endswith("_applying"):
        World.deliver = {"before_applying": before_applying, "after_applying": after_applying}[name]
    else:
        killing_at(*name.split("_"))


if __name__ == "__main__":
    plant(sys.argv.pop(1))
    main()
