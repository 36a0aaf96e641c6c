"""The house rules (docs/architecture.md): held over the repository, and each shown to find a planted breach."""

import ast
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests import tidy

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tidy.Project(ROOT)

# Modules and functions (path:name) over the limit, each with the reason why splitting would make it harder to read.
LONG_MODULES: dict[str, str] = {}
LONG_FUNCTIONS: dict[str, str] = {}


def entry_points() -> frozenset[str]:
    """Modules that are reached by name: the command's table, the package's scripts and plugins."""
    from orchspec.cli import COMMANDS

    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    groups = [project["scripts"], *project.get("entry-points", {}).values()]
    named = {target.partition(":")[0] for group in groups for target in group.values()}
    return frozenset(
        named | {"orchspec.__main__", "orchspec.parity.__main__"} | {f"orchspec.cli.{name}" for name in COMMANDS}
    )


def repository_files(*patterns: str) -> list[Path]:
    """Files that git tracks or would track; all but ignored ones."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *patterns]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("not a git checkout")
    return [path for name in listed.stdout.splitlines() if (path := ROOT / name).is_file() and not path.is_symlink()]


def complain(complaints) -> None:
    found = list(complaints)
    assert not found, "\n" + "\n".join(found)


def test_parts_import_only_what_their_layer_may():
    complain(tidy.layers(PROJECT))


def test_deciding_modules_import_no_clock_chance_or_io():
    complain(tidy.purity(PROJECT))


def test_deciding_modules_never_depend_on_hash_or_set_order():
    complain(tidy.determinism(PROJECT))


def test_modules_and_functions_keep_to_their_size():
    complain(tidy.sizes(PROJECT, LONG_MODULES, LONG_FUNCTIONS))


@pytest.mark.parametrize("folder", ["tests", "docs", "bench"])
def test_modules_beside_the_product_keep_to_their_size(folder):
    for path in repository_files(f"{folder}/*.py"):
        complain(tidy.outgrown(path.relative_to(ROOT).as_posix(), path.read_text("utf-8")))


def test_every_module_is_used():
    complain(tidy.dead_modules(PROJECT, entry_points()))


def test_every_module_says_what_others_may_use():
    complain(tidy.undeclared(PROJECT))


def test_no_test_sleeps():
    for path in repository_files("tests/*.py"):
        complain(tidy.sleeps(path.relative_to(ROOT).as_posix(), path.read_text("utf-8")))


def test_nothing_names_what_users_do_not_have():
    for path in repository_files():
        if path.suffix not in {".csv", ".png", ".svg", ".lock"} and path.name != "LICENSE":
            complain(tidy.private_words(path.relative_to(ROOT).as_posix(), path.read_text("utf-8")))


def test_links_in_the_documents_resolve():
    for path in repository_files("*.md"):
        complain(tidy.broken_links(ROOT, path))


def test_every_spec_is_in_the_corpus():
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "tests/test_corpus.py"]
    collected = subprocess.run(command, cwd=ROOT, capture_output=True, text=True).stdout
    specs = [path.relative_to(ROOT).as_posix() for path in repository_files("specs/*.orch")]
    missing = [name for name in specs if f"[{name}]" not in collected]
    assert specs
    assert not missing, f"{', '.join(missing)}: not in tests/test_corpus.py; a spec that no test reads will rot"


def test_data_stands_beside_its_attribution():
    folders = {path.parent for path in (ROOT / "specs" / "data").rglob("*.csv")}
    assert folders
    for folder in folders:
        readme = folder / "README.md"
        assert readme.exists(), f"{folder.relative_to(ROOT)} has no README.md; say whose data it is and its licence"
        text = readme.read_text("utf-8")
        assert re.search(r"CC-BY|CC0|MIT|Apache|public domain", text), f"{readme.relative_to(ROOT)} names no licence"


# What may not be loaded by importing a module, or by a command, in a process of its own.
HEAVY = {"hypothesis", "lark", "matplotlib", "networkx", "numpy", "pydantic", "rich", "scipy", "simpy"}
LIGHT_IMPORTS = {
    "orchspec": HEAVY | {"click"},
    "orchspec.runtime": (HEAVY - {"pydantic"}) | {"click"},
    "orchspec.runtime.kernel": (HEAVY - {"pydantic"}) | {"click"},
    "orchspec.grammar": HEAVY - {"lark"},
    "orchspec.compiler": HEAVY - {"lark", "networkx", "pydantic", "rich"},
    "orchspec.compiler.plan": (HEAVY - {"pydantic"}) | {"click"},
    "orchspec.cli": HEAVY,
}


def loaded_by(code: str) -> set[str]:
    """Top-level modules that a fresh interpreter holds after running the code."""
    report = "\nimport json, sys; print(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))"
    done = subprocess.run([sys.executable, "-c", code + report], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.parametrize("name", LIGHT_IMPORTS)
def test_importing_a_part_loads_nothing_heavy(name):
    unwelcome = loaded_by(f"import {name}") & LIGHT_IMPORTS[name]
    assert not unwelcome, f"import {name} loads {', '.join(sorted(unwelcome))}; import them in the functions that do"


def test_the_help_of_orch_loads_nothing_heavy():
    unwelcome = loaded_by("from orchspec.cli import main\nmain(['--help'], standalone_mode=False)") & HEAVY
    assert not unwelcome, f"orch --help loads {', '.join(sorted(unwelcome))}; commands are imported when called"


def test_light_imports_are_measured_truly():
    assert "click" in loaded_by("import click")


# Planted breaches: each rule must find its own.


def project(tmp_path: Path, **files: str) -> tidy.Project:
    for name, text in files.items():
        path = tmp_path / (name.replace("__", "/") + ".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    return tidy.Project(tmp_path)


@pytest.mark.parametrize(
    ("file", "text", "advice"),
    [
        ("grammar__a", "import orchspec.compiler.plan", "may import of ours only orchspec.grammar"),
        ("grammar__a", "from orchspec import load", "may import of ours only orchspec.grammar"),
        ("compiler__a", "def f():\n    from orchspec.runtime import kernel", "may import of ours only"),
        ("compiler__a", "from orchspec.simulator.driver import run", "may import of ours only"),
        ("runtime__a", "from orchspec.compiler import check", "may import of ours only"),
        ("runtime__a", "from orchspec.grammar import parse", "may import of ours only"),
        ("runtime__a", "import importlib\nimportlib.import_module('orchspec.grammar')", "may import of ours only"),
        ("simulator__a", "from orchspec.runtime.driver import Engine", "may import of ours only"),
        ("simulator__a", "from runtime.kernel import Kernel", "write orchspec.runtime.kernel"),
        ("orchspec__a", "import compiler", "write orchspec.compiler"),
        ("runtime__a", "from . import kernel", "write it in full"),
    ],
)
def test_a_breach_of_the_layers_is_found(tmp_path, file, text, advice):
    assert any(advice in complaint for complaint in tidy.layers(project(tmp_path, **{file: text})))


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("runtime__kernel__a", "from orchspec.compiler.plan import Plan"),
        ("runtime__a", "import orchspec.runtime.kernel.machine"),
        ("simulator__a", "from orchspec.runtime.kernel.events import RunStarted"),
        ("simulator__a", "from orchspec.runtime.journal.records import Record"),
        ("orchspec__a", "from orchspec.simulator import simulate"),
        ("compiler__a", "from orchspec.grammar import parse"),
    ],
)
def test_what_the_layers_allow_is_no_breach(tmp_path, file, text):
    assert list(tidy.layers(project(tmp_path, **{file: text}))) == []


def test_a_module_taken_from_a_package_counts_as_the_module(tmp_path):
    files = {"compiler__plan": "", "compiler__check": "", "runtime__a": "from orchspec.compiler import plan"}
    assert list(tidy.layers(project(tmp_path, **files))) == []
    files["runtime__a"] = "from orchspec.compiler import check"
    assert len(list(tidy.layers(project(tmp_path, **files)))) == 1


@pytest.mark.parametrize("module", [*tidy.IMPURE, "numpy"])
@pytest.mark.parametrize("file", ["runtime__kernel__a", "runtime__dispatcher", "runtime__engine_state"])
def test_a_clock_chance_or_io_among_the_decisions_is_found(tmp_path, file, module):
    assert len(list(tidy.purity(project(tmp_path, **{file: f"import {module}"})))) == 1
    assert list(tidy.purity(project(tmp_path, **{file: "import heapq", "runtime__store": f"import {module}"}))) == []


@pytest.mark.parametrize(
    "text",
    [
        "order = hash(place)",
        "for x in {1, 2}: pass",
        "for x in set(xs): pass",
        "ys = [x for x in frozenset(xs)]",
        "ys = [f(x) for x in {y for y in xs}]",
        "seen = set()\nfor x in seen: pass",
        "seen: set[int] = g()\nys = list(seen)",
        "def f(seen: frozenset[int]): return [*seen]",
        "class C:\n    live: set[int]\n    def f(self): return tuple(self.live)",
        "', '.join(set(xs))",
    ],
)
def test_a_decision_by_luck_is_found(tmp_path, text):
    assert len(list(tidy.determinism(project(tmp_path, runtime__kernel__a=text)))) == 1


@pytest.mark.parametrize(
    "text",
    ["for x in sorted(set(xs)): pass", "for x in [1, 2]: pass", "ok = x in {1, 2}", "n = len(set(xs))", "a.hash(x)"],
)
def test_sets_that_decide_nothing_are_allowed(tmp_path, text):
    assert list(tidy.determinism(project(tmp_path, runtime__kernel__a=text))) == []


def test_an_outgrown_module_is_found_and_a_needless_exception_too(tmp_path):
    here = project(tmp_path, grammar__long="x = 1\n" * 421, grammar__right="x = 1\n" * 420)
    assert [line.partition(":")[0] for line in tidy.sizes(here, {}, {})] == ["grammar/long.py"]
    assert list(tidy.sizes(here, {"grammar/long.py": "a table"}, {})) == []
    needless = tidy.sizes(here, {"grammar/long.py": "a table", "grammar/right.py": "a table"}, {})
    assert ["grammar/right.py" in line and "remove the exception" in line for line in needless] == [True]


def test_an_outgrown_function_is_found_and_its_docstring_not_counted(tmp_path):
    here = project(
        tmp_path,
        grammar__a="def long():\n" + "    x = 1\n" * 70,
        grammar__b='def right():\n    """One.\n\n    Two.\n    """\n' + "    x = 1\n" * 69,
    )
    assert [line.partition(" ")[0] for line in tidy.sizes(here, {}, {})] == ["grammar/a.py:long"]
    assert list(tidy.sizes(here, {}, {"grammar/a.py:long": "a table"})) == []


def test_an_outgrown_test_is_found():
    assert list(tidy.outgrown("tests/test_a.py", "x = 1\n" * tidy.BESIDE_LINES)) == []
    assert len(list(tidy.outgrown("tests/test_a.py", "x = 1\n" * (tidy.BESIDE_LINES + 1)))) == 1


def test_a_dead_module_is_found(tmp_path):
    files = {
        "grammar__used": "",
        "grammar__dead": "import orchspec.grammar.dead",
        "grammar__by_name": "",
        "grammar__entry": "",
        "orchspec__table": "from orchspec.grammar import used\nLAZY = {'f': 'orchspec.grammar.by_name'}",
    }
    here = project(tmp_path, **files)
    complaints = list(tidy.dead_modules(here, frozenset({"orchspec.grammar.entry", "orchspec.table"})))
    assert [line.partition(":")[0] for line in complaints] == ["grammar/dead.py"]


def test_a_module_without_all_is_found(tmp_path):
    here = project(tmp_path, grammar__a="x = 1", grammar__b="__all__ = ['x']\nx = 1", grammar__c="__all__: list = []")
    assert [line.partition(":")[0] for line in tidy.undeclared(here)] == ["grammar/a.py"]


@pytest.mark.parametrize("text", ["import time\ntime." + "sleep(1)", "from time import " + "sleep"])
def test_a_sleeping_test_is_found(text):
    assert len(list(tidy.sleeps("tests/test_a.py", text))) == 1


@pytest.mark.parametrize(
    "text",
    ["cd /wo" + "rk/main", "see ../sha" + "red/x.md", "open('/sha" + "red/x')", "Fixes #" + "12", "done (#" + "3)"],
)
def test_a_reference_that_users_cannot_follow_is_found(text):
    assert len(list(tidy.private_words("a.md", text))) == 1


@pytest.mark.parametrize(
    "text", ["draft#2/reviews", "color: #1f77b4", "a framework/worker", "/workers", "shared slots"]
)
def test_words_that_only_look_private_are_allowed(text):
    assert list(tidy.private_words("a.md", text)) == []


def test_a_broken_link_is_found(tmp_path):
    (tmp_path / "there.md").write_text("# A heading, here\n", "utf-8")
    page = tmp_path / "page.md"
    page.write_text(
        "[a](there.md) [b](there.md#a-heading-here) [c](https://example.org/x) [d](#top)\n# Top\n`[e](gone.md)`\n"
        "[f](gone.md)\n[g](there.md#elsewhere)\n",
        "utf-8",
    )
    assert [re.search(r"links to (\S+),", line).group(1) for line in tidy.broken_links(tmp_path, page)] == [
        "gone.md",
        "there.md#elsewhere",
    ]


def test_every_rule_is_held_and_planted():
    rules = {
        node.name
        for node in ast.parse(Path(tidy.__file__).read_text("utf-8")).body
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_")
    }
    uses = re.findall(r"\btidy\.(\w+)", Path(__file__).read_text("utf-8"))
    assert {rule for rule in rules if uses.count(rule) < 2} == set(), "hold each rule, and plant a breach of it"
