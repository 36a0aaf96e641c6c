"""Native code for what simulations and runs spend their time in, where it is asked for.

    ORCHSPEC_NATIVE=1 pip wheel --no-deps --no-build-isolation .

Without the variable this is an ordinary package of Python alone. With it the modules that `pyproject.toml` names under
`[tool.orchspec.native]` are compiled by mypyc, which needs mypy and a compiler of C; nothing else differs: the same
sources, the same decisions, the same bytes (docs/adr/0032-native-code.md).

Draws are 64-bit arithmetic, which integers without a limit are slow at: `runtime/_splitmix.c` does theirs.

What mypyc does not understand is written out first, in a copy under `build/native`:
a slotted dataclass gets the `__init__` that it would be given when it is imported, and a decorator that only enters a
class into a table is called behind the class.
"""

from __future__ import annotations

import ast
import os
import shutil
import sys
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

ROOT = Path(__file__).resolve().parent
COPY = ROOT / "build" / "native"
SETTINGS = """[mypy]
mypy_path = {copy}
explicit_package_bases = True
follow_imports = silent
ignore_missing_imports = True
"""


def written_out(text: str) -> str:
    """The source of a module without what mypyc does not know of its classes; every line stays where it was."""
    lines = text.split("\n")
    for node in ast.parse(text).body:
        if isinstance(node, ast.ClassDef):
            _write_out(node, lines)
        elif isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            # mypyc hands the classes of fields to dataclass, which needs them to be something.
            names = [
                each.asname or each.name
                for line in node.body
                if isinstance(line, ast.ImportFrom)
                for each in line.names
            ]
            assert node.end_lineno is not None
            assert not lines[node.end_lineno]
            lines[node.end_lineno] = f"for _name in {names!r}: globals().setdefault(_name, object)"
    return "\n".join(lines)


def _write_out(node: ast.ClassDef, lines: list[str]) -> None:
    assert node.end_lineno is not None
    within, behind = "", []
    first = node.body[0]
    for decorator in node.decorator_list[::-1]:
        name, given = _call(decorator)
        if name != "dataclass":
            behind.append(f"{ast.unparse(decorator)}({node.name})")
            _blank(lines, decorator)
        elif given == {"slots"} and not node.bases:
            lines[decorator.lineno - 1] = "@dataclass(init=False)"
            within = _init(node)
            if isinstance(first, ast.Expr) and not lines[first.end_lineno or 0]:  # the empty line behind its docstring
                lines[first.end_lineno or 0] = _eq(node)
            # mypyc tells dataclass of what belongs to the class as of a field.
            fields = f'getattr({node.name}, "__dataclass_fields__")'
            behind += [f'{fields}.pop("{line.target.id}", None)' for line in _annotated(node, of_class=True)]
        elif given == {"init"}:  # it has written its own, and leaves to the class what it does not set
            _blank(lines, decorator)
    slots = _slots(node)
    if slots is not None:
        behind.append(f'setattr({node.name}, "__native_slots__", {slots})')
    # Behind a class there are two empty lines, or the end of the file.
    lines += [""] * (node.end_lineno + 2 - len(lines))
    assert not any(lines[node.end_lineno : node.end_lineno + 2])
    lines[node.end_lineno : node.end_lineno + 2] = [within, "; ".join(behind)]


def _call(decorator: ast.expr) -> tuple[str, set[str | None]]:
    """What a decorator is called, and which arguments it is given by name."""
    if isinstance(decorator, ast.Call):
        return ast.unparse(decorator.func), {each.arg for each in decorator.keywords}
    return ast.unparse(decorator), set()


def _blank(lines: list[str], decorator: ast.expr) -> None:
    assert decorator.end_lineno is not None
    lines[decorator.lineno - 1 : decorator.end_lineno] = [""] * (decorator.end_lineno - decorator.lineno + 1)


def _annotated(node: ast.ClassDef, *, of_class: bool = False) -> list[Any]:
    """The fields that a class declares, or what it declares of itself."""
    declared = [line for line in node.body if isinstance(line, ast.AnnAssign)]
    return [line for line in declared if ("ClassVar" in ast.unparse(line.annotation)) == of_class]


def _init(node: ast.ClassDef) -> str:
    """What `dataclass` would write, in one line."""
    params, body = ["self"], []
    for line in _annotated(node):
        name, kind, value = line.target.id, ast.unparse(line.annotation), line.value
        made: dict[str | None, str] = {}
        if isinstance(value, ast.Call) and _call(value)[0] == "field":
            made = {each.arg: ast.unparse(each.value) for each in value.keywords}
            value = None
        if made.keys() & {"default", "default_factory", "init"}:
            first = f"({made['default_factory']})()" if "default_factory" in made else made.get("default")
            if "init" not in made:
                params.append(f"{name}=None")
                body.append(f"{name} = {first} if {name} is None else {name}")
                first = name
            if first is not None:
                body.append(f"self.{name} = {first}")
        else:
            params.append(f"{name}: {kind}" + (f" = {ast.unparse(value)}" if value is not None else ""))
            body.append(f"self.{name} = {name}")
    return f"    def __init__({', '.join(params)}) -> None: {'; '.join(body) or 'pass'}"


def _eq(node: ast.ClassDef) -> str:
    """What `dataclass` would write, in one line: the same answer, without two tuples for each question."""
    same = [f"type(other) is {node.name}"]
    for line in _annotated(node):
        name, value = line.target.id, line.value
        if isinstance(value, ast.Call) and any(each.arg == "compare" for each in value.keywords):
            continue  # nobody says compare=True
        equal = f"self.{name} == other.{name}"
        plain = ast.unparse(line.annotation) in {"int", "bool", "float"}
        same.append(equal if plain else f"(self.{name} is other.{name} or {equal})")
    return f"    def __eq__(self, other: object) -> bool: return {' and '.join(same)}"


def _slots(node: ast.ClassDef) -> str | None:
    """Native code has no slots; who asks for them (runtime/kernel/export.py) finds what they would be."""
    for line in node.body:
        if isinstance(line, ast.Assign) and ast.unparse(line.targets[0]) == "__slots__":
            return ast.unparse(line.value)
    if any("slots" in _call(each)[1] for each in node.decorator_list):
        return repr(tuple(line.target.id for line in _annotated(node)))
    return None


def native() -> list[Any]:
    """The extensions, of a copy of the package in which the links are followed."""
    from mypyc.build import mypycify

    chosen = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["orchspec"]["native"]["modules"]
    for made in (COPY, *(ROOT / "build").glob("lib*")):  # what was compiled once and is not any more
        shutil.rmtree(made, ignore_errors=True)
    shutil.copytree(ROOT / "orchspec", COPY / "orchspec", ignore=shutil.ignore_patterns("__pycache__", "*.so"))
    paths = sorted({path for glob in chosen for path in (COPY / "orchspec").glob(glob) if path.name != "__init__.py"})
    for path in paths:
        path.write_text(written_out(path.read_text("utf-8")), "utf-8")
    settings = COPY / "mypy.ini"
    settings.write_text(SETTINGS.format(copy=COPY), "utf-8")
    arguments = [f"--config-file={settings}", *map(str, paths)]
    extensions: list[Any] = mypycify(
        arguments, opt_level=os.environ.get("ORCHSPEC_OPT", "2"), target_dir=str(COPY / "c"), multi_file=True
    )
    return [*extensions, Extension("orchspec.runtime._splitmix", ["orchspec/runtime/_splitmix.c"])]


class AllAtOnce(build_ext):
    """Compiles the files of an extension side by side, on all processors; by itself it takes one after another."""

    def build_extension(self, ext: Extension) -> None:
        """See `build_ext`."""
        one: Any = self.compiler.compile

        def compiled(sources: list[str], **how: Any) -> list[str]:
            with ThreadPoolExecutor(os.cpu_count()) as pool:
                return [made for each in pool.map(lambda source: one([source], **how), sources) for made in each]

        self.compiler.compile = compiled
        try:
            super().build_extension(ext)
        finally:
            self.compiler.compile = one


# The metadata are asked for first, and need no compiler.
ASKED = os.environ.get("ORCHSPEC_NATIVE") == "1" and bool({"bdist_wheel", "build_ext"} & set(sys.argv))
setup(ext_modules=native() if ASKED else [], cmdclass={"build_ext": AllAtOnce})
