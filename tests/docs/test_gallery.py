"""The page of the gallery says what its specs say, with figures that simulating them gives."""

import importlib.util
import json

import pytest

from orchspec.compiler.load import compile_file
from tests.docs.pages import DOCS

SPEC = importlib.util.spec_from_file_location("docs_gallery", DOCS / "gallery.py")
GALLERY = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(GALLERY)
KNOWN = json.loads(GALLERY.FIGURES.read_text("utf-8"))


def test_the_page_is_made_of_the_specs_and_the_figures():
    told = "run .venv/bin/python docs/gallery.py --figures NAME for specs that are new or have other scenarios"
    assert list(KNOWN) == [path.name for path in GALLERY.specs()], told
    assert GALLERY.PAGE.read_text("utf-8") == GALLERY.page(KNOWN), "run .venv/bin/python docs/gallery.py"


@pytest.mark.parametrize("path", GALLERY.specs(), ids=lambda path: path.stem)
def test_each_spec_of_the_gallery_has_tests_and_scenarios_and_each_scenario_its_figures(path):
    plan = compile_file(path).plan
    assert plan.tests, "a spec of the gallery tests itself"
    assert plan.scenarios, "a spec of the gallery says what load it is made for"
    assert list(KNOWN[path.name]) == [scenario.name for scenario in plan.scenarios]
    assert [each for one in KNOWN[path.name].values() for each in one["expectations"] if each[1] != "passed"] == []


@pytest.mark.slow
@pytest.mark.parametrize("path", GALLERY.specs(), ids=lambda path: path.stem)
def test_the_figures_are_those_of_a_simulation_and_what_scenarios_expect_holds(path):
    for name, now in GALLERY.figures(path).items():
        assert [each for each in now["expectations"] if each[1] != "passed"] == [], name
        then = KNOWN[path.name][name]
        for kpi in ("p50", "p95", "cost", "completion"):
            value, low, high = now[kpi]
            if value is None or then[kpi][0] is None:
                assert (value, then[kpi][0]) == (None, None), (name, kpi)
                continue
            slack = max((high or value) - (low or value), 0.05 * abs(value))
            assert abs(then[kpi][0] - value) <= slack, f"{name}, {kpi}: run docs/gallery.py --figures {path.stem}"
