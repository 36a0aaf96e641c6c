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
from pathlib import Path
from typing import Any

from setuptools import Extension, setup

ROOT = Path(__file__).resolve().parent
COPY = ROOT / "build" / "native"
SETTINGS = """[mypy]
mypy_path = {copy}
explicit_package_bases = True
follow_imports = silent
ignore_missing_imports = True
"""


def written_out(text: str) -> str:
    """The source of a module without the decorators of classes that mypyc does not know."""
    lines = text.split("\n")
    classes = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.ClassDef) and node.decorator_list]
    for node in sorted(classes, key=lambda each: -each.lineno):
        assert node.end_lineno is not None
        for decorator in node.decorator_list[::-1]:
            if _name(decorator) != "dataclass":
                lines[node.end_lineno : node.end_lineno] = ["", "", f"{ast.unparse(decorator)}({node.name})"]
                _blank(lines, decorator)
            elif isinstance(decorator, ast.Call):
                given = {each.arg for each in decorator.keywords}
                if given == {"slots"} and not node.bases:
                    lines[decorator.lineno - 1] = "@dataclass(init=False)"
                    lines[node.end_lineno : node.end_lineno] = _init(node)
                elif given == {"init"}:  # it has written its own, and leaves to the class what it does not set
                    _blank(lines, decorator)
    return "\n".join(lines)


def _name(decorator: ast.expr) -> str:
    return ast.unparse(decorator.func if isinstance(decorator, ast.Call) else decorator)


def _blank(lines: list[str], decorator: ast.expr) -> None:
    """Lines stay where they are, so that a traceback names those of the source."""
    assert decorator.end_lineno is not None
    lines[decorator.lineno - 1 : decorator.end_lineno] = [""] * (decorator.end_lineno - decorator.lineno + 1)


def _init(node: ast.ClassDef) -> list[str]:
    params, body = ["self"], []
    for line in node.body:
        if not isinstance(line, ast.AnnAssign) or "ClassVar" in ast.unparse(line.annotation):
            continue
        name, kind, value = ast.unparse(line.target), ast.unparse(line.annotation), line.value
        if isinstance(value, ast.Call) and _name(value) == "field":
            made = {each.arg: ast.unparse(each.value) for each in value.keywords}
            params.append(f"{name}: {kind} | None = None")
            body.append(f"        self.{name} = {made['default_factory']}() if {name} is None else {name}")
        else:
            params.append(f"{name}: {kind}" + (f" = {ast.unparse(value)}" if value is not None else ""))
            body.append(f"        self.{name} = {name}")
    return ["", f"    def __init__({', '.join(params)}) -> None:", *(body or ["        pass"])]


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
        arguments, opt_level=os.environ.get("ORCHSPEC_OPT", "2"), target_dir=str(COPY / "c")
    )
    return [*extensions, Extension("orchspec.runtime._splitmix", ["runtime/_splitmix.c"])]


# The metadata are asked for first, and need no compiler.
ASKED = os.environ.get("ORCHSPEC_NATIVE") == "1" and bool({"bdist_wheel", "build_ext"} & set(sys.argv))
setup(ext_modules=native() if ASKED else [])
