"""Runs `orch` with something wrong in it, which no switch of the product could bring about.

    python planted.py PLANT ARGUMENTS…

`keyless` sends every effect with a key of its own. Some kill the process: `before_applying` and `after_applying`
inside the target, before and after it has done what it was asked to; `before_STATE` before the commit that writes that
state of an effect into the ledger, `in_STATE` within it, when all is written and nothing is committed; `while_looking`
when a request comes to a target, or somebody looks for what it did. Others have it stop until somebody continues it
(SIGSTOP): `sleep_before_sending`, `sleep_after_applying`, `sleep_before_STATE`. And some fail the store: `full_at_N`
has no page left from the Nth commit on, `full_once_at_N` only for that one, `disk_at_N` may not write one byte more to
any file. `refused_STATE` fails the commit of that state once, `busy_STATE` finds the store locked three times,
`unwritten_STATE` leaves that state out of all commits.
"""

import os
import resource
import secrets
import signal
import sqlite3
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from orchspec.cli import main
from orchspec.runtime import reopening
from orchspec.runtime.driver.sending import Sending
from orchspec.runtime.journal.sqlite import SQLiteStore
from orchspec.runtime.kernel.applying import target_key
from orchspec.runtime.standins import World

_send, _deliver = Sending.send, World.deliver
_commit, _put_rows = SQLiteStore.commit, SQLiteStore._put_rows
ROOM = 10_000


def die():
    os.kill(os.getpid(), signal.SIGKILL)


def sleep():
    os.kill(os.getpid(), signal.SIGSTOP)


def striking_at(when, state, strike):
    def holds(batch):
        return any(row.state == state for row in batch.ledger)

    def commit(self, epoch, batch):
        if holds(batch):
            strike()
        _commit(self, epoch, batch)

    def put_rows(self, connection, batch, rest):
        _put_rows(self, connection, batch, rest)
        if holds(batch):
            strike()

    if when == "before":
        SQLiteStore.commit = commit
    else:
        SQLiteStore._put_rows = put_rows


def refusing(state, times, error):
    """The first commits that write this state fail, when all is written and nothing is committed."""
    refused = 0

    def put_rows(self, connection, batch, rest):
        nonlocal refused
        _put_rows(self, connection, batch, rest)
        if refused < times and any(row.state == state for row in batch.ledger):
            refused += 1
            raise error

    SQLiteStore._put_rows = put_rows


def busy():
    error = sqlite3.OperationalError("database is locked")
    error.sqlite_errorcode = sqlite3.SQLITE_BUSY
    return error


def leaving_out(state):
    def commit(self, epoch, batch):
        _commit(self, epoch, replace(batch, ledger=[row for row in batch.ledger if row.state != state]))

    SQLiteStore.commit = commit


def witness(store, file):
    """Before whatever lands, write down whether its intent is durable: what another process can read of the store."""
    deliver = World.deliver

    def witnessed(self, key, *args, **rest):
        with closing(sqlite3.connect(f"file:{store}?mode=ro", uri=True)) as connection:
            known = connection.execute("SELECT key, generation FROM ledger").fetchall()
        with Path(file).open("a", encoding="ascii") as lines:
            lines.write(f"{key} {key in {target_key(*row) for row in known}}\n")
        return deliver(self, key, *args, **rest)

    World.deliver = witnessed


def failing_at(nth, how):
    """From the nth commit on the store has no room; `once`: for that one alone."""
    seen = 0

    def commit(self, epoch, batch):
        nonlocal seen
        seen += 1
        connection = self._writer or self._open_writer()
        if seen == nth and how == "disk":
            size = self.path.with_name(f"{self.path.name}-wal").stat().st_size
            resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
        full = seen == nth if how == "once" else seen >= nth and how == "full"
        # A batch that needs a page more than there are: its padding is never committed.
        connection.execute(f"PRAGMA max_page_count = {1 if full else 2**30}")
        _commit(self, epoch, batch if not full else swollen(batch))

    SQLiteStore.commit = commit
    SQLiteStore._ready = lambda self: None  # no room ahead
    reopening.LOSSES_MAX = 2


def swollen(batch):
    """The same batch with a row too large for the pages that there are; it fails whole."""
    from orchspec.runtime.journal.records import ReuseRow

    return replace(batch, reuse=[*batch.reuse, ReuseRow(secrets.token_hex(8), "x" * ROOM, None, "r", "p")])


def keyless(self, live, command):
    _send(self, live, replace(command, target_key=secrets.token_hex(32)))


def sleeping_before_sending(self, live, command):
    sleep()
    _send(self, live, command)


def delivering(strike, *, after):
    def deliver(self, key, effect, args, receipt, **rest):
        if not after:
            strike()
        given = _deliver(self, key, effect, args, receipt, **rest)
        strike()
        return given

    return deliver


def plant(name):
    """Bring it about in this process."""
    strike = sleep if name.startswith("sleep_") else die
    what = name.removeprefix("sleep_")
    if name == "keyless":
        Sending.send = keyless
    elif what == "before_sending":
        Sending.send = sleeping_before_sending
    elif name == "while_looking":
        World.find = World.deliver = lambda *_, **__: die()
    elif name.startswith("unwritten_"):
        leaving_out(name.removeprefix("unwritten_"))
    elif name.startswith("refused_"):
        refusing(name.removeprefix("refused_"), 1, sqlite3.OperationalError("disk I/O error"))
    elif name.startswith("busy_"):
        refusing(name.removeprefix("busy_"), 3, busy())
    elif what.endswith("_applying"):
        World.deliver = delivering(strike, after=what == "after_applying")
    elif name.startswith(("full_", "disk_")):
        how, _, nth = name.rpartition("_at_")
        failing_at(int(nth), "once" if how == "full_once" else how)
    else:
        striking_at(*what.split("_"), strike)


if __name__ == "__main__":
    plant(sys.argv.pop(1))
    main()
