"""What a file declares that is the same with whatever is bound: its types and contracts are not made anew each time.

A file that is imported with two sets of bindings is two modules. Agents, effects, tools and flows are each module's
own. A type or a contract that reads nothing bound, and no param, means the same in both, so it is one: what one panel
answers fits where another's answer is wanted, and whoever fulfills the contract of one fulfills that of the other.
"""

from __future__ import annotations

from collections.abc import Iterable

from orchspec.compiler.model.modules import Module
from orchspec.grammar.syntax import ContractDecl, EnumDecl, Ident, Import, Name, Node, ParamDecl, Path, TypeDecl, walk

__all__ = ["share_declarations"]

_SHARED = (TypeDecl, EnumDecl, ContractDecl)


def share_declarations(modules: Iterable[Module]) -> None:
    """Fills `shared` of modules that come from one file: the first module in which a declaration is the same."""
    homes: dict[tuple[str | None, str], Module] = {}
    for module in modules:
        if module.identity is None:
            continue
        free = _independent(module)
        for name in free:
            home = homes.setdefault((module.identity, name), module)
            if home is not module:
                module.shared[name] = home


def _independent(module: Module) -> list[str]:
    """The types and contracts of a file that read, directly or through others, neither params nor what is bound."""
    named = {
        node: name.text
        for node in module.file.declarations
        if isinstance(name := getattr(node, "name", None), Ident) and name.text
    }
    dependent = {alias for alias, node in module.imports.items() if _computed(node)}
    dependent.update(module.bindings, (name for node, name in named.items() if isinstance(node, ParamDecl)))
    reads: dict[str, set[str]] = {}
    for node, name in named.items():
        reads.setdefault(name, set()).update(_read_by(node))
    grown = True
    while grown:
        found = {name for name, names in reads.items() if names & dependent}
        grown = not found <= dependent
        dependent |= found
    return [name for node, name in named.items() if isinstance(node, _SHARED) and name not in dependent]


def _computed(node: Import) -> bool:
    """Whether what an import binds may be another thing in another module of this file."""
    return any(isinstance(part, Name) for item in node.bindings for part in walk(item.value))


def _read_by(node: Node) -> set[str]:
    """The names in a declaration, of dotted ones the first part; its own is not among them unless it reads itself."""
    names = {part.text for part in walk(node) if isinstance(part, Name)}
    return names | {part.parts[0].text for part in walk(node) if isinstance(part, Path)}
