"""The rules that `test_tidy.py` holds: each a function from a project to complaints, which say what to do."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

PARTS = ("grammar", "compiler", "runtime", "simulator")

# Which modules of ours a part may import: these, and what is below them. `slotted` is no part: it could be a library.
LAYERS: Mapping[str, tuple[str, ...]] = {
    "grammar": ("orchspec.grammar", "orchspec.slotted"),
    "compiler": ("orchspec.grammar", "orchspec.compiler", "orchspec.slotted"),
    "runtime": ("orchspec.runtime", "orchspec.compiler.plan"),
    "simulator": (
        "orchspec.simulator",
        "orchspec.compiler.plan",
        "orchspec.runtime.committer",
        "orchspec.runtime.dispatcher",
        "orchspec.runtime.distributions",
        "orchspec.runtime.draws",
        "orchspec.runtime.engine",
        "orchspec.runtime.errors",
        "orchspec.runtime.journal.batch",
        "orchspec.runtime.journal.records",
        "orchspec.runtime.kernel",
        "orchspec.runtime.latencies",
        "orchspec.runtime.ledger",
        "orchspec.runtime.made",
        "orchspec.runtime.recording",
        "orchspec.runtime.reopening",
        "orchspec.runtime.sampling",
        "orchspec.runtime.signals",
        "orchspec.runtime.tables",
        "orchspec.runtime.timers",
        "orchspec.runtime.why",
    ),
}

# Decisions are taken here: the same inputs must give the same outputs, on every machine and in the simulator.
PURE = ("runtime/kernel/", "runtime/dispatcher", "runtime/engine", "runtime/ledger", "runtime/committer")
_TIME = "time arrives inside an event, in integer microseconds"
_CHANCE = "chance arrives inside an event; the driver draws it"
_ACT = "return a command and let the driver act"
IMPURE: Mapping[str, str] = {
    "time": _TIME,
    "datetime": _TIME,
    "random": _CHANCE,
    "uuid": _CHANCE,
    "secrets": _CHANCE,
    "os": _ACT,
    "asyncio": _ACT,
    "threading": _ACT,
    "subprocess": _ACT,
    "socket": _ACT,
    "sqlite3": _ACT,
    "simpy": "the simulator's driver owns the virtual clock",
    "pydantic": "bytes are checked where they enter, before they are an event",
}

MODULE_LINES = 420
FUNCTION_LINES = 70
BESIDE_LINES = 450
"""Of modules beside the product: tests, with their tables of cases, benches, and scripts of the documents."""


@dataclass(frozen=True)
class Module:
    """One module of the product: its dotted name, its path below the root, and its text."""

    name: str
    path: str
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text, self.path)

    @property
    def is_package(self) -> bool:
        return self.path.endswith("/__init__.py")

    @property
    def is_pure(self) -> bool:
        return self.path.startswith(PURE)


class Project:
    """The Python of the product below a root: the four parts and `orchspec/` itself (whose links are not followed)."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.modules: dict[str, Module] = {}
        for path in self._files():
            inside = path.relative_to(root).with_suffix("")
            names = inside.parts if inside.parts[0] == "orchspec" else ("orchspec", *inside.parts)
            name = ".".join(names[:-1] if names[-1] == "__init__" else names)
            self.modules[name] = Module(name, path.relative_to(root).as_posix(), path.read_text("utf-8"))

    def _files(self) -> Iterator[Path]:
        for part in PARTS:
            yield from sorted((self.root / part).rglob("*.py"))
        for path in sorted((self.root / "orchspec").rglob("*.py")):
            if not any(parent.is_symlink() for parent in path.parents):
                yield path

    def imports(self, module: Module) -> Iterator[tuple[int, str]]:
        """Line and dotted name of every import, wherever it stands; `from p import m` is `p.m` where m is a module."""
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    yield node.lineno, alias.name
            elif isinstance(node, ast.ImportFrom):
                source = "." * node.level + (node.module or "")
                for alias in node.names:
                    inner = f"{source}.{alias.name}"
                    yield node.lineno, inner if inner in self.modules else source
            elif isinstance(node, ast.Call) and _called(node).endswith(("import_module", "__import__")):
                for argument in node.args[:1]:
                    if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                        yield node.lineno, argument.value


def _called(call: ast.Call) -> str:
    return ast.unparse(call.func)


def _within(name: str, roots: tuple[str, ...]) -> bool:
    return any(name == root or name.startswith(root + ".") for root in roots)


def layers(project: Project) -> Iterator[str]:
    """Who may import whom, and under which name."""
    for module in project.modules.values():
        allowed = LAYERS.get(module.path.partition("/")[0], ("orchspec",))
        for line, target in project.imports(module):
            place = f"{module.path}:{line}: "
            if target.startswith("."):
                yield f"{place}relative import {target}; write it in full, orchspec.…"
            elif _within(target, PARTS):
                yield f"{place}bare import {target}; write orchspec.{target}, or the module is loaded twice"
            elif _within(target, ("orchspec",)) and not _within(target, allowed):
                yield (
                    f"{place}imports {target}, may import of ours only {', '.join(allowed)}; "
                    "move what both need into one of these, or take it as an argument"
                )


def purity(project: Project) -> Iterator[str]:
    """What the deciding modules may import."""
    for module in project.modules.values():
        if not module.is_pure:
            continue
        for line, target in project.imports(module):
            top = target.partition(".")[0]
            if top in IMPURE:
                yield f"{module.path}:{line}: imports {target} where decisions are taken; {IMPURE[top]}"
            elif top != "orchspec" and top not in sys.stdlib_module_names:
                yield (
                    f"{module.path}:{line}: imports {target} where decisions are taken, which need the standard "
                    "library alone; do it in the driver, or in the compiler"
                )


def determinism(project: Project) -> Iterator[str]:
    """`hash()` and the order of sets differ between processes: neither may decide anything."""
    for module in project.modules.values():
        if not module.is_pure:
            continue
        known = _names_of_sets(module.tree)
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Call) and _called(node) == "hash":
                yield (
                    f"{module.path}:{node.lineno}: calls hash(), which differs from process to process; "
                    "compare the values, or use hashlib"
                )
            for walked in _walked(node):
                if _is_set(walked, known):
                    yield (
                        f"{module.path}:{walked.lineno}: walks the set {ast.unparse(walked)}, whose order is luck; "
                        "walk sorted(...), or keep a dict"
                    )


def _walked(node: ast.AST) -> Iterator[ast.expr]:
    if isinstance(node, ast.For | ast.AsyncFor | ast.comprehension):
        yield node.iter
    elif isinstance(node, ast.Starred):
        yield node.value
    elif isinstance(node, ast.Call) and node.args:
        ordered = {"list", "tuple", "enumerate", "iter", "zip", "map", "filter", "dict.fromkeys"}
        if _called(node) in ordered or _called(node).endswith((".join", ".extend")):
            yield from node.args


def _is_set(node: ast.expr, known: set[str]) -> bool:
    if isinstance(node, ast.Set | ast.SetComp):
        return True
    if isinstance(node, ast.Call):
        return _called(node) in {"set", "frozenset"}
    return isinstance(node, ast.Name | ast.Attribute) and ast.unparse(node) in known


def _names_of_sets(tree: ast.Module) -> set[str]:
    """Names and attributes that are annotated as, or assigned, a set somewhere in the module."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.AnnAssign) and _says_set(node.annotation):
            name = ast.unparse(node.target)
            found |= {name, f"self.{name}"}
        elif isinstance(node, ast.arg) and node.annotation is not None and _says_set(node.annotation):
            found.add(node.arg)
        elif isinstance(node, ast.Assign) and _is_set(node.value, set()):
            found |= {ast.unparse(target) for target in node.targets}
    return found


def _says_set(annotation: ast.expr) -> bool:
    return re.match(r"(frozenset|set|Set|AbstractSet|MutableSet)\b", ast.unparse(annotation)) is not None


def sizes(project: Project, modules: Mapping[str, str], functions: Mapping[str, str]) -> Iterator[str]:
    """Modules and functions that say more than one thing; the mappings give the reasoned exceptions."""
    outgrown: set[str] = set()
    for module in project.modules.values():
        lines = module.text.count("\n")
        if lines > MODULE_LINES:
            outgrown.add(module.path)
            if module.path not in modules:
                yield f"{module.path}: {lines} lines, {MODULE_LINES} at most; split it where it says two things"
        for node in ast.walk(module.tree):
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            length = _code_lines(node)
            place = f"{module.path}:{node.name}"
            if length > FUNCTION_LINES:
                outgrown.add(place)
                if place not in functions:
                    yield (
                        f"{place} (line {node.lineno}): {length} lines, {FUNCTION_LINES} at most; "
                        "give its parts names of their own, or make its cases a table"
                    )
    for name in (modules.keys() | functions.keys()) - outgrown:
        yield f"{name}: has an exception from the size limit and needs none; remove the exception"


def outgrown(path: str, text: str) -> Iterator[str]:
    """Modules beside the product that are about more than one thing."""
    lines = text.count("\n")
    if lines > BESIDE_LINES:
        yield (
            f"{path}: {lines} lines, {BESIDE_LINES} at most; split it along what it is about, under names that say so, "
            "and what the parts share goes to tests/support"
        )


def _code_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a function from `def` to its end; its docstring is not counted, so that none is cut short."""
    assert function.end_lineno is not None
    lines = function.end_lineno - function.lineno + 1
    first = function.body[0]
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
        assert first.end_lineno is not None
        lines -= first.end_lineno - first.lineno + 1
    return lines


def dead_modules(project: Project, entry_points: frozenset[str]) -> Iterator[str]:
    """Modules that nothing of the product imports or names."""
    used = set(entry_points)
    for module in project.modules.values():
        used |= {target for _, target in project.imports(module) if target != module.name}
        # Tables of lazily imported modules name them as strings.
        used |= {
            node.value
            for node in ast.walk(module.tree)
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value in project.modules
        }
    for module in project.modules.values():
        if not module.is_package and module.name not in used:
            yield f"{module.path}: nothing imports it; call it from where it is needed, or delete it"


def undeclared(project: Project) -> Iterator[str]:
    """Modules that don't say what others may use."""
    for module in project.modules.values():
        if module.is_package and not module.tree.body[1:]:
            continue  # a docstring alone offers nothing
        names = {
            ast.unparse(target)
            for node in module.tree.body
            if isinstance(node, ast.Assign | ast.AnnAssign)
            for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        }
        if "__all__" not in names:
            yield f"{module.path}: has no __all__; list what other modules may use"


def sleeps(path: str, text: str) -> Iterator[str]:
    """Tests that wait for the clock."""
    for node in ast.walk(ast.parse(text, path)):
        direct = isinstance(node, ast.Call) and _called(node) == "time.sleep"
        renamed = isinstance(node, ast.ImportFrom) and node.module == "time" and "sleep" in {a.name for a in node.names}
        if direct or renamed:
            yield (
                f"{path}:{node.lineno}: sleeps; wait for the event itself (a pipe, a process's end, a virtual clock), "
                "or the test is slow on a good day and fails on a bad one"
            )


# What only its authors can follow. Spelt in two pieces, so that this file does not find itself.
_PRIVATE: Mapping[str, str] = {
    r"(?<![\w./~-])/wo" + r"rk(?![\w-])": "a path of one machine; name it relative to the repository",
    r"\.\./sha" + r"red\b|(?<![\w.-])/sha" + r"red/": "a folder that users do not have; copy what is needed",
    r"(?i)\b(?:issue|issues|pr|fix(?:es)?|close[sd]?|resolve[sd]?)\s*#" + r"\d": "a tracker's number; say it in words",
    r"\(#" + r"\d+\)": "a tracker's number; say it in words",
}


def private_words(path: str, text: str) -> Iterator[str]:
    """References that a user of the repository can't follow."""
    for number, line in enumerate(text.splitlines(), 1):
        for pattern, advice in _PRIVATE.items():
            if found := re.search(pattern, line):
                yield f"{path}:{number}: names {found.group().strip()}, {advice}"


def broken_links(root: Path, path: Path) -> Iterator[str]:
    """Links of a Markdown file to files or headings that do not exist."""
    text = re.sub(r"```.*?```|`[^`\n]*`", "", path.read_text("utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\(<?([^)\s>]+)", text):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        there = (path.parent / name).resolve() if name else path
        place = path.relative_to(root).as_posix()
        if not there.exists():
            yield f"{place}: links to {target}, which does not exist; mend the path"
        elif anchor and there.suffix == ".md" and anchor not in _anchors(there.read_text("utf-8")):
            yield f"{place}: links to {target}, and {there.name} has no such heading; mend the anchor"


def _anchors(text: str) -> set[str]:
    """Headings as GitHub makes anchors of them."""
    headings = re.findall(r"^#{1,6}\s+(.*?)\s*#*$", re.sub(r"```.*?```", "", text, flags=re.DOTALL), flags=re.MULTILINE)
    explicit = re.findall(r'<a (?:id|name)="([^"]+)"', text)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings} | set(explicit)
