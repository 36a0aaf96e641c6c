"""Every code of the compiler shows itself in its bad sample, alone, and not in its good one."""

import os
from pathlib import Path

import pytest

from orchspec.compiler.check import check
from orchspec.grammar.diagnostics import all_codes
from orchspec.grammar.render import render_all
from orchspec.grammar.source import Source

# Too large to be shown as a sample; `test_untrusted.py` makes such a spec.
DESCRIBED = {"E0414"}
OURS = [code for code in all_codes() if code.id[1:3] in {"02", "03", "04", "05", "06", "07", "08", "10", "11"}]
SHOWN = [code for code in OURS if code.id not in DESCRIBED]


GOLDEN = Path(__file__).parent / "golden"
RENDERED = SHOWN


def setting(text):
    """Samples of --set say in a comment what was set."""
    _, found, rest = text.partition("--set ")
    return dict([rest.split()[0].split("=", 1)]) if found else {}


def run(text):
    return check(Source("sample.orch", text), setting(text)).diagnostics


def told(diagnostics):
    return "\n".join(f"{item.span}: {item.code.id} {item.message}" for item in diagnostics)


@pytest.mark.parametrize("code", SHOWN, ids=lambda code: code.id)
def test_the_bad_sample_shows_the_code_and_nothing_else_of_its_severity(code):
    found = run(code.bad)
    assert {item.code.id for item in found if item.severity in {code.severity, "error"}} == {code.id}, told(found)


@pytest.mark.parametrize("code", OURS, ids=lambda code: code.id)
def test_the_good_sample_has_no_error_and_not_the_code(code):
    found = run(code.good)
    assert not [item for item in found if item.severity == "error" or item.code is code], told(found)


@pytest.mark.parametrize("code", OURS, ids=lambda code: code.id)
def test_the_sample_message_has_all_its_arguments_filled_in(code):
    for item in run(code.bad):
        assert item.message
        assert "{" not in item.message.replace("{ ", "")


def test_every_family_is_registered():
    assert {code.id[:3] for code in OURS} >= {"E02", "E03", "E04", "E05", "E06", "E07", "E08", "W02", "A04"}


@pytest.mark.parametrize("code", RENDERED, ids=lambda code: code.id)
def test_the_rendering_is_the_golden_one(code):
    text = render_all(item for item in run(code.bad) if item.code is code)
    path = GOLDEN / f"{code.id}.txt"
    if os.environ.get("ORCH_GOLDEN") == "write":
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, "utf-8")
    renew = "ORCH_GOLDEN=write pytest tests/compiler/test_codes.py writes it anew; read it before you commit it"
    assert path.exists(), renew
    assert text == path.read_text("utf-8"), renew


def test_every_golden_rendering_is_of_a_code():
    assert {path.stem for path in GOLDEN.glob("*.txt")} <= {code.id for code in RENDERED}
