"""Runs `orch` with something wrong in it, which no switch of the product could bring about.

    python planted.py PLANT ARGUMENTS…

`keyless` sends every effect with a key of its own; `before_applying` and `after_applying` kill the process inside the
target, before and after it has done what it was asked to.
"""

import os
import secrets
import signal
import sys
from dataclasses import replace

from orchspec.cli import main
from orchspec.runtime.driver.sending import Sending
from orchspec.runtime.standins import World

_send, _deliver = Sending.send, World.deliver


def keyless(self, live, command):
    _send(self, live, replace(command, target_key=secrets.token_hex(32)))


def before_applying(self, key, effect, args, receipt):
    os.kill(os.getpid(), signal.SIGKILL)


def after_applying(self, key, effect, args, receipt):
    _deliver(self, key, effect, args, receipt)
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    plant = sys.argv.pop(1)
    if plant == "keyless":
        Sending.send = keyless
    else:
        World.deliver = {"before_applying": before_applying, "after_applying": after_applying}[plant]
    main()
