"""Runs of the `orch` command as processes of their own, and their violent end.

The tour kills real processes with a real SIGKILL: first from outside, in the middle of the work, then at the worst
moment there is, when the outside world has done what was asked and nobody has noted it yet.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import orchspec
from orchspec.runtime.errors import OrchError

__all__ = ["CommandFailed", "Durable", "Ended"]

_PATIENCE_S: Final = 60
_SPEED: Final = "60"


class CommandFailed(OrchError):
    """A command of the tour ended in a way that it should not."""

    code = "demo_failed"


@dataclass(frozen=True, slots=True)
class Ended:
    """A process that has ended: its exit code (negative: the signal that ended it) and what it said."""

    code: int
    out: str
    said: tuple[str, ...] = field(default=())

    @property
    def killed(self) -> bool:
        """Whether it was killed."""
        return self.code < 0

    def document(self) -> Any:
        """Its JSON document. Raises CommandFailed if there is none."""
        try:
            return json.loads(self.out)
        except ValueError:
            told = self.out.strip() or "\n".join(self.said[-3:])
            raise CommandFailed(f"a command of the tour ended with {self.code} and no result: {told}") from None


class Durable:
    """Durable runs with stand-ins in one folder, their store, and a world that lies outside of the store.

    Args:
        folder: where the processes run.
        store: the file name of the store.
        world: the file name of the world's ledger.
    """

    def __init__(self, folder: Path, store: str, world: str) -> None:
        self.folder = folder
        self.store = store
        self.world = world

    def run(self, spec: str, inputs: Any, run: str, seed: int, *, kill_after: int | None = None) -> Ended:
        """Start a run; with `kill_after`, kill its process with SIGKILL once so many steps were reported done."""
        command = ["run", spec, "--input", json.dumps(inputs), "--run-id", run, "--seed", str(seed)]
        command += ["--stand-ins", "--speed", _SPEED, "--store", self.store]
        if kill_after is None:
            return self._call([*command, "--json"])
        return self._kill(command, kill_after)

    def resume(self, run: str, *, die_at: str | None = None) -> Ended:
        """Go on with a run; with `die_at`, the process kills itself with SIGKILL at that failpoint."""
        return self._call(["resume", run, "--store", self.store, "--json"], die_at)

    def journal(self, run: str) -> str:
        """The run's records, a JSON document a line. Raises CommandFailed."""
        ended = self._call(["journal", run, "--store", self.store])
        if ended.code:
            raise CommandFailed(f"orch journal ended with {ended.code}: {' '.join(ended.said)}")
        return ended.out

    def deliveries(self, effect: str) -> tuple[int, int]:
        """What the world saw of an effect: how often it was delivered, and how often it was applied."""
        lines = (self.folder / self.world).read_text("utf-8").splitlines()
        seen = [each for each in (json.loads(line) for line in lines) if each["effect"] == effect]
        return len(seen), sum(each["applied"] for each in seen)

    def _call(self, arguments: Sequence[str], die_at: str | None = None) -> Ended:
        settings = {"ORCH_FAILPOINT": die_at} if die_at is not None else {}
        done = subprocess.run(
            self._command(arguments),
            cwd=self.folder,
            env=self._environment(settings),
            capture_output=True,
            check=False,
            timeout=_PATIENCE_S,
        )
        said = done.stderr.decode("utf-8", "replace").splitlines()
        return Ended(done.returncode, done.stdout.decode("utf-8", "replace"), tuple(said))

    def _kill(self, arguments: Sequence[str], kill_after: int) -> Ended:
        said: list[str] = []
        with subprocess.Popen(
            self._command(arguments),
            cwd=self.folder,
            env=self._environment({}),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        ) as process:
            assert process.stderr is not None
            for line in process.stderr:
                said.append(line.decode("utf-8", "replace").rstrip())
                if sum(each.split()[:1] == ["done"] for each in said) >= kill_after:
                    process.kill()
                    break
            with contextlib.suppress(BrokenPipeError):
                process.stderr.read()
        return Ended(process.returncode, "", tuple(said))

    @staticmethod
    def _command(arguments: Sequence[str]) -> list[str]:
        # -P: a file of the folder must not stand in for a module of Python's own.
        return [sys.executable, "-P", "-m", "orchspec", *arguments]

    def _environment(self, settings: dict[str, str]) -> dict[str, str]:
        # The package that is running now is the one that the processes shall run, installed or not.
        package = Path(orchspec.__file__).resolve().parent.parent
        paths = [str(package), *filter(None, [os.environ.get("PYTHONPATH")])]
        kept = {name: value for name, value in os.environ.items() if not name.startswith("ORCH_")}
        return kept | {"PYTHONPATH": os.pathsep.join(paths), "ORCH_WORLD": self.world, "NO_COLOR": "1"} | settings
