"""The pages that are made from the code are what the code makes now, and nothing else stands among them."""

import generate
import pytest
from generating.studies import SPECIAL

from tests.docs.pages import DOCS

PAGES = generate.pages()


@pytest.mark.parametrize("name", PAGES)
def test_a_generated_page_is_current(name):
    assert (DOCS / name).read_text("utf-8") == PAGES[name], "run .venv/bin/python docs/generate.py"


def test_no_page_of_an_old_generation_is_left():
    made = {
        path.relative_to(DOCS).as_posix()
        for path in DOCS.rglob("*.md")
        if "<!-- Made by docs/generate.py" in path.read_text("utf-8")
    }
    assert made == set(PAGES)


def test_every_hundred_of_codes_has_its_page():
    from orchspec.grammar.diagnostics import all_codes

    text = PAGES["reference/diagnostics/index.md"]
    assert [code.id for code in all_codes() if f"[{code.id}](" not in text] == []


def test_every_row_of_the_tables_is_in_the_diagrams():
    from orchspec.runtime.kernel import table

    text = PAGES["reference/state-machines.md"]
    for rows in (table.TASK_TABLE, table.EFFECT_TABLE, table.REGION_TABLE):
        for (state, event), successors in rows.items():
            for successor in successors:
                assert any(
                    line.strip().startswith(f"s{state} --> s{successor}:") and event.__name__ in line
                    for line in text.splitlines()
                ), (state, event, successor)


def test_compiler_and_runtime_know_the_same_names():
    from orchspec.compiler import arbitrations
    from orchspec.compiler.studies.distributions import LAWS
    from orchspec.compiler.studies.faults import FAULTS
    from orchspec.runtime.families import FAMILIES
    from orchspec.runtime.kernel import rules
    from orchspec.simulator import faults

    # Whoever is asked, and where a chain ends, needs no function; a record is a distribution for each field.
    assert set(arbitrations.RULES) - {"ask", "stop"} == set(rules.RULES)
    assert FAULTS.keys() == faults.BUILT
    assert set(LAWS) | set(SPECIAL) == set(FAMILIES) - {"record"}
