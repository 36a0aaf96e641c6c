"""`orch test`: the tests written in specs, each one run in virtual time."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import click

from orchspec.cli.common import NOT_WELL, WELL, Misuse, Terminal, orch_command
from orchspec.cli.files import shown_name
from orchspec.cli.plans import compile_spec, counted

if TYPE_CHECKING:
    from orchspec.compiler.load import Compiled
    from orchspec.simulator.trial import TestResult

__all__ = ["command"]

_STATUSES = {"unended": "had not ended", "budget_exhausted": "ran out of its budget", "cancelled": "was cancelled"}


@dataclass(slots=True)
class _File:
    """One spec file: the results of its tests, or, where it has errors, none."""

    path: str
    compiled: Compiled
    results: list[TestResult] = field(default_factory=list)
    left_out: int = 0

    @property
    def well(self) -> bool:
        return not self.compiled.errors and all(result.verdict == "passed" for result in self.results)

    def as_json(self) -> list[dict[str, Any]]:
        if self.compiled.errors:
            broken = {
                "name": None,
                "flow": None,
                "file": shown_name(self.path),
                "line": self.compiled.errors[0].span.line,
                "verdict": "failed",
                "expectations": [],
                "problem": f"the spec has {counted(len(self.compiled.errors), 'error')}",
                "diagnostics": [diagnostic.as_json() for diagnostic in self.compiled.diagnostics],
            }
            return [broken]
        return [result.as_json() for result in self.results]


@orch_command("test")
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option("-k", "words", metavar="WORDS", help="Only tests whose name holds these words, in any case.")
def command(terminal: Terminal, files: tuple[str, ...], words: str | None) -> int:
    """Runs the tests written in spec files.

    Each test is one run of its flow in virtual time: stubs speak, faults strike as the test says, and nothing else
    goes wrong. The same test gives the same run, always. FILE may be - for standard input.
    """
    found = [_run(path, words) for path in dict.fromkeys(files)]
    if words is not None and not any(file.results or file.compiled.errors for file in found):
        names = [f'"{test.name}"' for file in found if file.compiled.plan for test in file.compiled.plan.tests]
        known = f"there are {', '.join(names[:12])}" if names else "there are none"
        raise Misuse(f"no test has {words!r} in its name; {known}", "no_test")
    if terminal.json:
        terminal.document([entry for file in found for entry in file.as_json()])
    else:
        for file in found:
            _report(terminal, file)
        terminal.say(_summary(found))
    return WELL if all(file.well for file in found) else NOT_WELL


def _run(path: str, words: str | None) -> _File:
    file = _File(path, compile_spec(path))
    plan = file.compiled.plan
    if plan is None or not plan.tests:
        return file
    # The simulator is loaded only once there is something to run.
    from orchspec.simulator.trial import run_test

    for test in plan.tests:
        if words is not None and words.lower() not in test.name.lower():
            file.left_out += 1
        else:
            file.results.append(run_test(plan, test, file.compiled.folder))
    return file


def _report(terminal: Terminal, file: _File) -> None:
    if file.compiled.errors:
        from orchspec.grammar.render import render_all

        terminal.say(render_all(file.compiled.diagnostics, colour=terminal.colored(err=True)).rstrip("\n"))
        return
    if not file.results:
        if not file.left_out:
            terminal.say(f"{shown_name(file.path)}: no tests")
        return
    terminal.out(click.style(shown_name(file.path), bold=True))
    for result in file.results:
        terminal.out("\n".join(_told(result)))


def _told(result: TestResult) -> Iterable[str]:
    from orchspec.grammar.render import safe

    name = safe(result.name)
    if result.verdict == "passed":
        yield f"  {click.style('passed', fg='green')}  {name}"
        return
    yield f"  {click.style('failed', fg='red', bold=True)}  {name}"
    if result.problem is not None:
        yield safe(f"          {result.file}:{result.line}: {result.problem}")
    for expectation in result.expectations:
        if expectation.verdict == "failed":
            yield safe(f"          {result.file}:{expectation.line}: {expectation.found}")
    if result.journal:
        why = f": {result.error}" if result.error is not None else ""
        ended = _STATUSES.get(result.status, result.status)
        yield safe(f"          the run {ended} after {_time(result)}{why}; its last records:")
        yield from (safe(f"            {line}") for line in result.journal)


def _time(result: TestResult) -> str:
    from orchspec.simulator.units import format_quantity

    return format_quantity(result.latency_s, "s")


def _summary(files: Iterable[_File]) -> str:
    results = [result for file in files for result in file.results]
    passed = sum(result.verdict == "passed" for result in results)
    said = [f"{passed} passed"] if passed or len(results) == passed else []
    if len(results) > passed:
        said.append(f"{len(results) - passed} failed")
    broken = sum(bool(file.compiled.errors) for file in files)
    if broken:
        said.append(f"{counted(broken, 'file')} with errors")
    return f"{counted(len(results), 'test')}: {', '.join(said)}"
