"""A failure told in few lines, on the lines of the spec, and as a test that is ready to be kept."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Final

from orchspec.simulator.chaos.lines import fault_lines
from orchspec.simulator.checkers import CHECKERS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from orchspec.compiler.plan import Fault, Plan
    from orchspec.simulator.chaos.explore import Found

__all__ = ["NAME_MAX", "failure_name", "line_of", "pytest_function", "pytest_module", "told"]

_FAULTS_MAX: Final = 4
_CLIP: Final = 400
NAME_MAX: Final = 80
_BYTES_MAX: Final = 4_000_000


def told(plan: Plan, found: Found, folder: Path | None = None) -> list[str]:
    """What broke, under which faults, at which lines: ten lines or fewer.

    Args:
        plan: of the spec.
        found: what broke.
        folder: where the spec stands, for the text of its lines.
    """
    violation = found.violation
    said = violation.message if len(violation.message) <= _CLIP else f"{violation.message[:_CLIP]}…"
    lines = [f"{violation.number} {CHECKERS[violation.number].name}: {said}"]
    faults = fault_lines(found.faults)
    lines += [f"  {line}" for line in faults[:_FAULTS_MAX]] or ["  without any fault"]
    if len(faults) > _FAULTS_MAX:
        lines.append(f"  … and {len(faults) - _FAULTS_MAX} faults more")
    lines += [f"  at {line}" for line in _places(plan, found, folder)]
    shrunk = f", shrunk from {found.were} faults" if found.were > len(found.faults) else ""
    after = f", found by schedule {found.after:,}" if found.after else ""
    lines.append(f"  {found.runs} {'run' if found.runs == 1 else 'runs'}{shrunk}{after}")
    return lines


def _places(plan: Plan, found: Found, folder: Path | None) -> Iterator[str]:
    """The line that is broken, and one that the first fault strikes, if that is another."""
    nodes = [found.violation.node, next(iter(_struck(plan, found.faults)), None)]
    for node in dict.fromkeys(nodes):
        line = line_of(plan, node, folder)
        if line is not None:
            yield line


def _struck(plan: Plan, faults: tuple[Fault, ...]) -> Iterator[int]:
    """Nodes of steps that ask the targets of faults."""
    for fault in faults:
        for statement in _statements(plan.flows):
            if fault.target in _asks(statement):
                yield statement.node


def _statements(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        for each in value:
            yield from _statements(each)
    elif hasattr(value, "__dataclass_fields__"):
        if hasattr(value, "node") and hasattr(value, "kind"):
            yield value
        for name in value.__dataclass_fields__:
            yield from _statements(getattr(value, name))


def _asks(statement: Any) -> set[str]:
    names = {getattr(statement, "effect", None), getattr(statement, "signal", None)}
    names |= {getattr(each, "agent", None) for each in getattr(statement, "candidates", None) or ()}
    return {name for name in names if isinstance(name, str)}


def line_of(plan: Plan, node: int | None, folder: Path | None = None) -> str | None:
    """A node as `briefing.orch:79  step sent = publish(report)`; without its text where the file cannot be read."""
    if node is None or not 0 <= node < len(plan.source.spans):
        return None
    line, _, _, _, file = plan.source.spans[node]
    if not 0 <= file < len(plan.source.files):
        return None
    name = plan.source.files[file]
    text = _text(name, line, folder)
    return f"{name}:{line}" + (f"  {text}" if text else "")


def _text(name: str, line: int, folder: Path | None) -> str:
    beside = [folder / name, folder / Path(name).name] if folder is not None else []
    for path in (Path(name), *beside, *_bundled(name)):
        try:
            if path.is_file() and path.stat().st_size <= _BYTES_MAX:
                lines = path.read_text("utf-8").splitlines()
                return " ".join(lines[line - 1].split())[:100] if line <= len(lines) else ""
        except (OSError, UnicodeDecodeError):
            continue
    return ""


def _bundled(name: str) -> list[Path]:
    """Where a file of the library lies, by its name in a plan (`std/saga.orch`)."""
    first, *rest = PurePosixPath(name).parts or ("",)
    # Not resolved: the parts and the library are linked into the package.
    return [Path(__file__).parents[2] / "specs" / name] if first == "std" and rest and ".." not in rest else []


# ------------------------------------------------------------------ as a test


def failure_name(spec: str, flow: str, found: Found) -> str:
    """A name for a failure, of letters, digits and dashes: `mail-post-S1-sent`."""
    where = re.sub(r"[^\w]+", "-", found.violation.step or "").strip("-")
    return "-".join(part for part in (spec, flow, found.violation.number, where) if part)[:NAME_MAX]


def pytest_function(plan: Plan, path: str, flow: str, seed: int, found: Found, given: dict[str, Any]) -> str:
    """A test that fails for as long as this is broken, and needs no other file than the spec."""
    name = re.sub(r"\W", "_", failure_name(plan.name, flow, found))
    doc = _docstring(f"{found.violation.number}: {found.violation.message}")
    faults = "".join(f"        {line!r},\n" for line in fault_lines(found.faults))
    listed = f"[\n{faults}    ]" if faults else "[]"
    rest = f", seed={seed}, runs={found.runs}" + (f", given={given!r}" if given else "")
    return (
        f"def test_{name}():\n"
        f'    """{doc}"""\n'
        f"    spec = orchspec.load({path!r})\n"
        f"    faults = {listed}\n"
        f"    testing.check(spec, testing.schedule(spec, {flow!r}, faults{rest}))\n"
    )


def _docstring(text: str) -> str:
    clipped = " ".join(text.split())[:_CLIP]
    return clipped.replace("\\", "\\\\").replace('"', "'")


def pytest_module(functions: list[str]) -> str:
    """A file of such tests."""
    head = '"""What chaos has found: each of these fails for as long as it is broken. Made by orch chaos."""\n\n'
    return head + "import orchspec\nfrom orchspec import testing\n\n\n" + "\n\n".join(functions)
