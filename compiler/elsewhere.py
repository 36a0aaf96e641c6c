"""What is told of the files that a spec imports: their errors, where they are; never an edit of a file not asked about.

Warnings and advice about an imported file are told when it is checked itself: they are for whoever keeps it.
"""

from __future__ import annotations

from dataclasses import replace

from orchspec.compiler.model import Checked
from orchspec.grammar.diagnostics import Diagnostic, Label

__all__ = ["as_told", "is_told"]


def is_told(checked: Checked, item: Diagnostic) -> bool:
    """Whether what the passes found is told to whoever checks this spec; syntax errors always are."""
    module = checked.module_of.get(item.span.source)
    return module is None or not module.prefix or (item.severity == "error" and not module.misbound)


def as_told(checked: Checked, item: Diagnostic) -> Diagnostic:
    """The diagnostic without edits in other files; in a file with bindings it says for which of them it holds."""
    here = checked.file.span.source
    if item.fix is not None and any(edit.span.source is not here for edit in item.fix.edits):
        hint = [item.fix.title] if item.fix.title.startswith("did you mean") else []
        item = replace(item, fix=None, notes=(*item.notes, *hint))
    module = checked.module_of.get(item.span.source)
    if module is not None and module.bindings and module.asked is not None:
        alias = module.asked.alias
        label = Label(alias.span, f"with what is bound for `{module.prefix.rstrip('.')}`")
        item = replace(item, labels=(*item.labels, label))
    return item
