"""The package with native code, for whoever measures or tests it: `python bench/native.py` makes it and prints where.

It is built once for each state of the sources, into `.bench/native`, which takes some minutes and a compiler of C. What
is told of `bench/simulator.py` is measured with and without it.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BUILT = ROOT / ".bench" / "native"
SOURCES = ("compiler", "grammar", "orchspec", "runtime", "simulator", "specs")


def state() -> str:
    """A hash of all that goes into the wheel, and of the Python that it is for."""
    told = hashlib.sha256(sys.version.encode())
    files = [ROOT / "setup.py", ROOT / "pyproject.toml"]
    files += [path for part in SOURCES for path in (ROOT / part).rglob("*") if "__pycache__" not in path.parts]
    for path in sorted(each for each in files if each.is_file()):
        told.update(str(path.relative_to(ROOT)).encode() + b"\0" + path.read_bytes())
    return told.hexdigest()[:16]


def build() -> Path:
    """The folder in which `orchspec` stands with its native code; raises CalledProcessError where it can't be built."""
    folder = BUILT / state()
    if folder.exists():
        return folder
    print("building native code, once for this state of the sources ...", file=sys.stderr, flush=True)
    shutil.rmtree(BUILT, ignore_errors=True)
    wheels = BUILT / "wheel"
    environment = {**os.environ, "ORCHSPEC_NATIVE": "1"}
    environment.pop("PYTHONPATH", None)
    make = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "-w",
        str(wheels),
        ".",
    ]
    subprocess.run(make, cwd=ROOT, env=environment, check=True, capture_output=True)
    (wheel,) = wheels.glob("*.whl")
    unpacked = BUILT / "unpacked"
    with zipfile.ZipFile(wheel) as packed:
        packed.extractall(unpacked)
    shutil.rmtree(wheels)
    unpacked.rename(folder)  # whole, or not at all
    return folder


if __name__ == "__main__":
    print(build())
