"""From text to a checked spec: all passes in their order, and all mistakes in one go.

`check` never raises for what stands in a spec. What later passes need is found out by earlier ones: names, then types,
then params (constants), then declarations, then flows, then the studies, then what can be told of the whole only. A
broken part is unknown to the later passes, and silent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path, PurePath, PurePosixPath

from orchspec.compiler import codes
from orchspec.compiler.allow import silence
from orchspec.compiler.asked import Asked, ask
from orchspec.compiler.beside import apart_from_syntax
from orchspec.compiler.bindings import check_bindings, resolve_bindings
from orchspec.compiler.blocks import Blocks
from orchspec.compiler.channels import check_channels
from orchspec.compiler.checks import CHECKS, LINTS
from orchspec.compiler.checks.budgets import budgets_and_bounds
from orchspec.compiler.codes.types import SELF_TYPED
from orchspec.compiler.context import Context
from orchspec.compiler.declarations import check_bodies, resolve_signatures
from orchspec.compiler.elsewhere import as_told, is_told
from orchspec.compiler.expressions import Typer
from orchspec.compiler.lower import drafted
from orchspec.compiler.model import Checked, Module, Place
from orchspec.compiler.names import collect
from orchspec.compiler.overrides import override
from orchspec.compiler.params import check_params
from orchspec.compiler.plan import Plan
from orchspec.compiler.profiled import choose_profiles
from orchspec.compiler.report import Report, bounded_suggestions, merged
from orchspec.compiler.studies.check import Studies, check_studies
from orchspec.compiler.types import is_unknown
from orchspec.compiler.uncollected import without_collections
from orchspec.compiler.who import check_who
from orchspec.grammar.diagnostics import Diagnostic, sorted_diagnostics
from orchspec.grammar.parser import parse
from orchspec.grammar.source import Source
from orchspec.grammar.syntax import File, Import
from orchspec.slotted import dataclass

__all__ = ["CheckResult", "check"]

assert codes.names.UNKNOWN_NAME.id  # importing the families registers every code, for `orch explain`


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What came of a spec.

    `checked` and `studies` are there unless the text could not be read at all. `plan` is what a spec without errors
    means, not sealed with its hash; budgets that its bounds prove impossible are found last, and leave a plan beside an
    error. `diagnostics` are
    sorted by their place.
    """

    checked: Checked | None
    diagnostics: list[Diagnostic]
    studies: Studies | None = None
    plan: Plan | None = None

    @property
    def ok(self) -> bool:
        """Whether there is no error; warnings and advice may be there."""
        return not any(item.severity == "error" for item in self.diagnostics)


def check(
    subject: Source | File,
    settings: Mapping[str, str] | None = None,
    folder: Path | None = None,
    asked: Asked | None = None,
    instead: Mapping[str, str] | None = None,
) -> CheckResult:
    """Checks a spec, with what it imports.

    Args:
        subject: its text, or its tree; of a tree the syntax errors were told by the parser and are not told again.
        settings: other values for params and attributes, as texts: `--set width=8`, `--set scout.slots=4`.
        folder: the folder of the file, for its imports and for the data that its scenarios name; none for a text that
            came from no file.
        asked: what is asked of one of its scenarios beside what stands there.
        instead: texts of imported files that count for what stands in them, by `Module.identity`.
    """
    instead = instead or {}
    with without_collections():
        if isinstance(subject, File):
            return _check(subject, [], settings or {}, folder, asked or Asked(), instead)
        parsed = parse(subject)
        if parsed.file is None:
            return CheckResult(None, sorted_diagnostics(parsed.diagnostics))
        return _check(parsed.file, parsed.diagnostics, settings or {}, folder, asked or Asked(), instead)


def _check(
    file: File,
    syntax_errors: Sequence[Diagnostic],
    settings: Mapping[str, str],
    folder: Path | None,
    asked: Asked,
    instead: Mapping[str, str],
) -> CheckResult:
    report = Report()
    checked = Checked(file, dict(settings))
    errors = [*syntax_errors, *_load(checked, report, folder, instead), *ask(checked, report, asked)]
    override(checked, report)
    context = Context(checked, report)
    typer = Typer(context)
    with bounded_suggestions():
        _passes(context, typer)
        studies = check_studies(context, folder)
    plan: Plan | None = None
    sound = all(module.file.sound for module in checked.modules)
    complete = sound and not any(item.severity == "error" for item in (*errors, *report.diagnostics))
    if complete:
        for lint in LINTS:
            lint(context)
        plan = drafted(checked, studies)
        budgets_and_bounds(context, plan)
    told = merged(report.diagnostics, (codes.names.UNKNOWN_NAME, codes.names.UNKNOWN_FIELD, codes.names.UNKNOWN_MEMBER))
    for module in checked.modules:
        source = module.file.span.source
        told = apart_from_syntax(module.file, [error for error in errors if error.span.source is source], told)
    told = [item for item in told if is_told(checked, item)]
    found = [as_told(checked, item) for item in silence(file, [*errors, *told], complete=complete)]
    return CheckResult(checked, sorted_diagnostics(found), studies, plan)


def _load(checked: Checked, report: Report, folder: Path | None, instead: Mapping[str, str]) -> Sequence[Diagnostic]:
    """Fills the modules of the spec: its own file and those that it imports. Gives the syntax errors of the latter."""
    file = checked.file
    shown = PurePath(file.span.source.name)
    place = None if folder is None else Place(PurePosixPath(shown.name))
    root = Module(file, place)
    checked.modules = [root]
    errors: Sequence[Diagnostic] = []
    report.mind([file])
    if any(isinstance(item, Import) for item in file.declarations):
        from orchspec.compiler.imports import load_imports

        checked.modules, errors = load_imports(report, root, folder, shown, instead)
    checked.module_of = {module.file.span.source: module for module in checked.modules}
    report.mind(module.file for module in checked.modules)
    return errors


def _passes(context: Context, typer: Typer) -> None:
    collect(context)
    if len(context.checked.modules) > 1:
        resolve_bindings(context)
    choose_profiles(context)
    resolve_signatures(context)
    check_params(typer)
    check_who(typer)
    check_bodies(typer)
    check_channels(typer)
    blocks = Blocks(typer)
    for flow in context.checked.flows.values():
        blocks.flow(flow)
    for node in context.self_typed:
        if is_unknown(context.checked.expr_types[node]):
            context.report.absent(SELF_TYPED, node.name, name=node.name.text)
    if len(context.checked.modules) > 1:
        check_bindings(context)
    for one in CHECKS:
        one(context)
