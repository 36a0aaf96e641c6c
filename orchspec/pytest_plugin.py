"""The pytest plugin: `.orch` files are collected like any file of tests.

A file gives an item for its check, for each `test` and each `scenario` in it, and for each flow that chaos looks at.
Nothing of Orch is loaded before the first `.orch` file is met. `-p no:orchspec` switches it off.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from orchspec.compiler.load import Compiled
    from orchspec.compiler.plan import Scenario, Test
    from orchspec.simulator.chaos.explore import Explored, Tried

__all__ = ["pytest_addoption", "pytest_collect_file"]


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options of the plugin."""
    group = parser.getgroup("orch", "specs of Orch")
    group.addoption("--orch-examples", type=int, default=25, metavar="N", help="Schedules drawn for each flow [25].")
    group.addoption("--orch-exhaustive", action="store_true", help="Every crash point and every single fault.")
    group.addoption("--orch-seed", type=int, default=1, metavar="N", help="Of schedules and simulations [1].")


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Takes `.orch` files."""
    if file_path.suffix != ".orch":
        return None
    collected: pytest.Collector = _SpecFile.from_parent(parent, path=file_path)
    return collected


class _Failed(Exception):
    """An item did not hold; the message is all that is shown."""


class _SpecFile(pytest.File):
    def collect(self) -> Iterator[pytest.Item]:
        from orchspec.compiler.load import compile_file

        compiled = compile_file(self.path)
        yield _Check.from_parent(self, name="check", compiled=compiled)
        plan = compiled.plan
        if plan is None:
            return
        for test in plan.tests:
            yield _SpecTest.from_parent(self, name=f"test {test.name}", compiled=compiled, subject=test)
        for scenario in plan.scenarios:
            yield _SpecScenario.from_parent(self, name=f"scenario {scenario.name}", compiled=compiled, subject=scenario)
        flows = [test.flow for test in plan.tests] + [scenario.flow for scenario in plan.scenarios]
        for flow in dict.fromkeys(flows):
            yield _Chaos.from_parent(self, name=f"chaos {flow}", compiled=compiled, subject=flow)


class _Item(pytest.Item):
    def __init__(self, *, compiled: Compiled, subject: Any = None, **rest: Any) -> None:
        super().__init__(**rest)
        self.compiled = compiled
        self.subject = subject

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        if isinstance(excinfo.value, _Failed):
            return str(excinfo.value)
        return super().repr_failure(excinfo)

    def reportinfo(self) -> tuple[Path, int, str]:
        return self.path, self._line() - 1, self.name

    def _line(self) -> int:
        plan = self.compiled.plan
        node = getattr(self.subject, "node", None)
        if plan is None or node is None or node >= len(plan.source.spans):
            return 1
        return int(plan.source.spans[node][0])


class _Check(_Item):
    def runtest(self) -> None:
        if self.compiled.errors:
            from orchspec.grammar.render import render_all

            raise _Failed(render_all(self.compiled.errors))


class _SpecTest(_Item):
    subject: Test

    def runtest(self) -> None:
        from orchspec.simulator.trial import run_test

        assert self.compiled.plan is not None
        result = run_test(self.compiled.plan, self.subject, self.compiled.folder)
        if result.verdict == "passed":
            return
        lines = [f"{result.file}:{result.line}: the run {result.status} after {result.latency_s:g} s"]
        lines += [problem for problem in (result.problem, result.error) if problem]
        lines += [f"  line {each.line}: {each.text}: {each.found}" for each in result.expectations if each.found]
        raise _Failed("\n".join([*lines, *(f"    {line}" for line in result.journal)]))


class _SpecScenario(_Item):
    subject: Scenario

    def runtest(self) -> None:
        from orchspec.simulator.study import simulate

        assert self.compiled.plan is not None
        seed = self.config.getoption("--orch-seed")
        study = simulate(self.compiled.plan, self.subject.name, seed=seed, folder=self.compiled.folder)
        left = [each for each in study.document["expectations"] if each["verdict"] != "passed"]
        if left:
            told = [line for each in left for line in (f"  {each['verdict']}: {each['text']}", f"    {each['reason']}")]
            raise _Failed("\n".join([f"{study.document['runs']:,} runs, seed {seed}", *told]))


class _Chaos(_Item):
    """A flow under schedules: those first that broke it the last time, then drawn ones."""

    def runtest(self) -> None:
        from orchspec.proving import proven_of
        from orchspec.simulator.chaos.explore import Explorer

        plan = self.compiled.plan
        assert plan is not None
        self.given = next((scenario.given for scenario in plan.scenarios if scenario.flow == self.subject), {})
        self.seed = self.config.getoption("--orch-seed")
        proven = proven_of(plan, self.subject)
        folder = self.compiled.folder
        explorer = Explorer(plan, self.subject, folder=folder, seed=self.seed, given=self.given, proven=proven)
        explored = explorer.explore(
            examples=self.config.getoption("--orch-examples"),
            exhaustive=self.config.getoption("--orch-exhaustive"),
            first=self._remembered(),
        )
        self._remember(explored)
        for phase in explored.phases:
            known = f" of {phase.known:,}" if phase.known is not None else ""
            self.add_report_section("call", "orch", f"{phase.name}: {phase.tried:,}{known} explored")
            self.user_properties.append((f"orch {phase.name}", f"{phase.tried}{known}"))
        if explored.found:
            raise _Failed("\n".join(self._told(explored)))

    def _told(self, explored: Explored) -> Iterator[str]:
        from orchspec.simulator.chaos.failure import pytest_function, told

        plan = self.compiled.plan
        assert plan is not None
        for found in explored.found:
            yield from told(plan, found, self.compiled.folder)
            yield from ("", "as a test:", "")
            test = pytest_function(plan, str(self.path), self.subject, found.seed, found, self.given)
            yield from (f"    {line}" for line in test.splitlines())
        yield f"write it down with: orch chaos {self.path} --flow {self.subject} --seed {self.seed}"

    def _key(self) -> str:
        return f"orch/{self.nodeid}"

    def _remembered(self) -> list[Tried]:
        from orchspec.simulator.chaos.explore import Tried
        from orchspec.simulator.chaos.lines import BadFault, read_fault

        cache = getattr(self.config, "cache", None)
        try:
            kept = cache.get(self._key(), []) if cache is not None else []
            return [Tried([read_fault(line) for line in lines], int(seed)) for seed, lines in kept]
        except (BadFault, TypeError, ValueError):
            return []  # of another version

    def _remember(self, explored: Explored) -> None:
        from orchspec.simulator.chaos.lines import fault_lines

        cache = getattr(self.config, "cache", None)
        if cache is not None:
            cache.set(self._key(), [[found.seed, fault_lines(found.faults)] for found in explored.found])
