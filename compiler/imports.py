"""Imports: which files a spec consists of, and what is bound to their declarations.

A file is read once for each set of bindings: the same file with the same bindings is the same module, however many
files import it, so that its types fit everywhere; with other bindings it is another. How many files, how much text and
how deep is bounded, so that small files cannot make a large spec.
"""

from __future__ import annotations

import os
from collections.abc import Hashable, Iterable, Mapping
from pathlib import Path, PurePath
from typing import Final

from orchspec.compiler.codes import imports as codes
from orchspec.compiler.codes import names as name_codes
from orchspec.compiler.files import Files, Found, Unfound
from orchspec.compiler.model.modules import Binding, Module
from orchspec.compiler.report import Report, did_you_mean, listed, replace
from orchspec.compiler.sharing import share_declarations
from orchspec.compiler.types import SCALARS
from orchspec.grammar.diagnostics import Diagnostic, Label
from orchspec.grammar.parser import BYTES_MAX, parse
from orchspec.grammar.source import Source
from orchspec.grammar.syntax import (
    AgentDecl,
    Attribute,
    ChannelDecl,
    ContractDecl,
    DecisionDecl,
    EffectDecl,
    EnumDecl,
    File,
    FlowDecl,
    Ident,
    Import,
    MachineDecl,
    ModelDecl,
    Name,
    Node,
    ParamDecl,
    PolicyDecl,
    SignalDecl,
    ToolDecl,
    TypeDecl,
    dotted,
    walk,
)

__all__ = ["DEPTH_MAX", "MODULES_MAX", "load_imports"]

DEPTH_MAX: Final = 16
"""How deep imports may nest."""

MODULES_MAX: Final = 100
"""How many files a spec may import, each counted once for each set of bindings."""

_BINDABLE: Mapping[type[Node], str] = {
    ParamDecl: "params",
    TypeDecl: "records",
    EnumDecl: "enums",
    ContractDecl: "contracts",
    AgentDecl: "agents",
    ToolDecl: "tools",
    EffectDecl: "effects",
    PolicyDecl: "policies",
    ModelDecl: "models",
    SignalDecl: "signals",
    ChannelDecl: "channels",
    DecisionDecl: "decisions",
    FlowDecl: "flows",
    MachineDecl: "flows",
}
"""What can be bound, with its table in `Checked`."""

_UNFOUND = {"missing": codes.IMPORT_MISSING, "outside": codes.IMPORT_OUTSIDE, "unreadable": codes.IMPORT_UNREADABLE}


def load_imports(
    report: Report, root: Module, folder: Path | None, shown: PurePath, instead: Mapping[str, str] | None = None
) -> tuple[list[Module], list[Diagnostic]]:
    """Reads what a spec imports, directly and through others.

    Args:
        report: takes what is wrong with the imports themselves.
        root: the module of the spec; its aliases are filled, and so are those of the others.
        folder: that of the spec, none for a text that came from no file.
        shown: the spec's own file as reports name it.
        instead: see `Files`.

    Returns:
        All modules, the root first, then those that it imports, then those that they import; and the syntax errors of
        the imported files.
    """
    files = Files(folder, shown.parent, instead)
    loader = _Loader(report, root, files, None if folder is None else os.fspath((folder / shown.name).resolve()))
    loader.load(root)
    modules = _named(root)
    share_declarations(modules)
    return modules, loader.syntax_errors


def _named(root: Module) -> list[Module]:
    """The modules, each named by the shortest way to it: what the spec imports itself has the name that it gives it."""
    found = [root]
    for module in found:  # it grows meanwhile
        for alias, inner in module.aliases.items():
            if inner is not None and inner not in found:
                inner.prefix, inner.importer, inner.asked = f"{module.prefix}{alias}.", module, module.imports[alias]
                found.append(inner)
    return found


class _Loader:
    def __init__(self, report: Report, root: Module, files: Files, identity: str | None) -> None:
        self.report = report
        self.files = files
        self.modules = [root]
        self.syntax_errors: list[Diagnostic] = []
        self._declared: dict[Module, dict[str, list[Node]]] = {root: _declared_in(root)}
        self._modules: dict[Hashable, Module] = {}
        self._under_way: list[tuple[str | None, Import | None]] = [(identity, None)]
        self._bytes = 0
        self._full = False

    def load(self, module: Module) -> None:
        """Fills the aliases of a module."""
        for node in module.file.declarations:
            if not isinstance(node, Import) or not node.alias.text:
                continue
            first = module.imports.setdefault(node.alias.text, node)
            if first is not node:
                label = Label(first.alias.span, "first declared here")
                self.report.add(name_codes.DUPLICATE_DECLARATION, node.alias, name=node.alias.text, labels=[label])
        for alias in module.imports:
            self._alias(module, alias)

    def _alias(self, module: Module, alias: str) -> Module | None:
        """The module behind an alias, loaded when it is first asked for."""
        if alias not in module.aliases:
            module.aliases[alias] = None  # before the work, so that bindings which need each other come to an end
            module.aliases[alias] = self._import(module, module.imports[alias])
        return module.aliases[alias]

    def _import(self, module: Module, node: Import) -> Module | None:
        path = node.path.value
        found = self.files.find(path, module.place)
        if isinstance(found, Unfound):
            at = node.path
            fix = None if found.suggestion is None else replace(at, f'"{found.suggestion}"', _meant(found.suggestion))
            self.report.add(_UNFOUND[found.kind], at, path=path, problem=found.problem, fix=fix)
            return None
        if any(identity == found.identity for identity, _ in self._under_way):
            self._cycle(node, found)
            return None
        problem = self._too_much(found)
        key = (found.identity, frozenset(self._fingerprint(module, item) for item in node.bindings))
        known = self._modules.get(key)
        if known is not None:
            return known
        if problem is not None:
            if not self._full:  # told once
                self._full = True
                self.report.add(codes.IMPORT_TOO_MUCH, node.path, path=path, problem=problem)
            return None
        self._bytes += len(found.text)
        parsed = parse(Source(found.name, found.text))
        self.syntax_errors += parsed.diagnostics
        if parsed.file is None:
            return None
        spoilt = _spoilt(parsed.file, parsed.diagnostics)
        made = Module(parsed.file, found.place, identity=found.identity, spoilt=spoilt)
        self._modules[key] = made
        self.modules.append(made)
        self._declared[made] = _declared_in(made)
        self._bind(made, node, module)
        self._under_way.append((found.identity, node))
        self.load(made)
        self._under_way.pop()
        return made

    def _too_much(self, found: Found) -> str | None:
        if len(self._under_way) > DEPTH_MAX:
            return f"imports are nested more than {DEPTH_MAX} deep"
        if len(self.modules) > MODULES_MAX:
            return f"the spec imports more than {MODULES_MAX} files"
        if self._bytes + len(found.text) > BYTES_MAX:
            return f"the imported files hold more than {BYTES_MAX:,} characters together"
        return None

    def _cycle(self, node: Import, found: Found) -> None:
        start = next(place for place, (identity, _) in enumerate(self._under_way) if identity == found.identity)
        edges = [asked for _, asked in self._under_way[start + 1 :] if asked is not None] + [node]
        first, *others = edges
        through = listed(f'"{asked.path.value}"' for asked in edges[:-1])
        self.report.add(
            codes.IMPORT_CYCLE,
            first.path,
            file=found.name,
            through=f" (through {through})" if through else "",
            labels=[Label(asked.path.span, _edge(asked)) for asked in others],
        )

    # ------------------------------------------------------------------ bindings

    def _bind(self, made: Module, node: Import, importer: Module) -> None:
        declared = self._declared[made]
        for item in node.bindings:
            name = item.name.text
            if not name:
                continue
            if name in made.bindings:
                label = Label(made.bindings[name].node.name.span, "first bound here")
                self.report.add(codes.BINDING_TWICE, item.name, name=name, labels=[label])
                continue
            if name not in declared:
                file = made.file.span.source.name
                fix = did_you_mean(name, item.name, declared)
                note = f"it declares {listed(declared)}" if declared else "it declares nothing"
                made.misbound = True
                if made.file.sound:
                    self.report.absent(
                        codes.UNKNOWN_BINDING, item.name, reach="name", file=file, name=name, notes=[note], fix=fix
                    )
                continue
            stand_in = self._meant_of(declared[name], importer, item)
            made.bindings[name] = Binding(item, importer, _BINDABLE[type(stand_in)], stand_in)

    def _meant_of(self, declared: list[Node], importer: Module, item: Attribute) -> Node:
        """Which of several declarations of one name, in different namespaces, is bound: that of the value's kind."""
        text = dotted(item.value)
        if len(declared) > 1 and text is not None:
            module, name = self._entity(importer, text)
            kinds = [type(node) for node in self._declared[module].get(name, ())] if module is not None else []
            declared = [node for node in declared if type(node) in kinds] or declared
        return declared[0]

    def _entity(self, module: Module, text: str) -> tuple[Module | None, str]:
        """The file and the name there that a dotted name leads to in the end, through aliases and bindings."""
        for _ in range(DEPTH_MAX):
            first, dot, rest = text.partition(".")
            if dot and first in module.imports:
                inner = self._alias(module, first)
                if inner is None:
                    return None, text
                module, text = inner, rest
                continue
            binding = module.bindings.get(text)
            onward = None if binding is None else dotted(binding.node.value)
            if binding is None or onward is None:
                break
            module, text = binding.at, onward
        return module, text

    def _fingerprint(self, module: Module, item: Attribute) -> Hashable:
        """What tells one binding from another: what it leads to, or the text of a value and where its names count."""
        text = dotted(item.value)
        if text is not None and text not in SCALARS:
            return item.name.text, *self._entity(module, text)
        if any(isinstance(part, Name) for part in walk(item.value)) and text is None:
            return item.name.text, module, item.value.span.text
        return item.name.text, None, item.value.span.text


def _declared_in(module: Module) -> dict[str, list[Node]]:
    """The declarations of a file that could be bound, by name."""
    declared: dict[str, list[Node]] = {}
    for node in module.file.declarations:
        name = getattr(node, "name", None)
        if type(node) in _BINDABLE and isinstance(name, Ident) and name.text:
            declared.setdefault(name.text, []).append(node)
    return declared


def _spoilt(file: File, errors: Iterable[Diagnostic]) -> set[str]:
    """The names of the declarations that syntax errors stand in."""
    starts = [error.span.start for error in errors]
    return {
        name.text
        for node in file.declarations
        if isinstance(name := getattr(node, "name", None), Ident)
        and any(node.span.start <= start <= node.span.end for start in starts)
    }


def _meant(path: str) -> str:
    return f'did you mean "{path}"?'


def _edge(asked: Import) -> str:
    return f'{asked.span.source.name} imports "{asked.path.value}"'
