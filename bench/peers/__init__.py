"""Peers of the runtime, in an environment of their own that is made when it is first wanted: never a dependency."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

__all__ = ["PEERS", "Missing", "measure", "prepared"]

HERE = Path(__file__).resolve().parent
PEERS = {
    "DBOS": ("dbos_steps.py", ["dbos==3.4.0"]),
    "LangGraph": ("langgraph_steps.py", ["langgraph==1.2.24", "langgraph-checkpoint-sqlite==3.1.2"]),
}
_TIMEOUT_S = 900


class Missing(Exception):
    """The peers are not there and cannot be installed; the message says why."""


def prepared() -> Path:
    """The interpreter that has the peers; its environment is made when it is missing. Raises Missing."""
    folder = HERE / ".venv"
    python = folder / "bin" / "python"
    stamp = folder / ".ready"
    wanted = "\n".join(each for _, packages in PEERS.values() for each in packages)
    if stamp.exists() and stamp.read_text("utf-8") == wanted:
        return python
    print("installing the peers into bench/peers/.venv ...", file=sys.stderr)
    for command in (
        [sys.executable, "-m", "venv", str(folder)],
        [str(python), "-m", "pip", "install", "-q", *wanted.split()],
    ):
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        if done.returncode:
            raise Missing((done.stderr or done.stdout).strip().splitlines()[-1])
    stamp.write_text(wanted, "utf-8")
    return python


def measure(python: Path, peer: str, case: str, runs: int, steps: int) -> float:
    """Microseconds a step of a peer, in a process and a file of its own. Raises Missing where it fails."""
    script, _ = PEERS[peer]
    with tempfile.TemporaryDirectory() as folder:
        command = [str(python), str(HERE / script), str(Path(folder, "peer.db")), case, str(runs), str(steps)]
        try:
            done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            raise Missing(f"{peer} took more than {_TIMEOUT_S} s") from None
    if done.returncode:
        raise Missing(f"{peer}: {done.stderr.strip().splitlines()[-1:]}")
    return float(done.stdout.split()[-1])
