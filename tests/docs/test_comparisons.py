"""The page of comparisons says what its figures say, and its pictures are drawn from them."""

import importlib.util
import json
import sys

import pytest

from orchspec.simulator.drawing import LIGHT
from tests.docs.pages import DOCS

SPEC = importlib.util.spec_from_file_location("docs_comparisons", DOCS / "comparisons.py")
COMPARISONS = importlib.util.module_from_spec(SPEC)
sys.modules[SPEC.name] = COMPARISONS  # its dataclasses look their module up
SPEC.loader.exec_module(COMPARISONS)
KNOWN = json.loads(COMPARISONS.FIGURES.read_text("utf-8"))
AGAIN = "run .venv/bin/python docs/comparisons.py"


def test_the_page_is_made_of_the_figures():
    assert list(KNOWN) == list(COMPARISONS.STUDIES), f"{AGAIN} --figures NAME"
    assert COMPARISONS.PAGE.read_text("utf-8") == COMPARISONS.page(KNOWN), AGAIN


def test_every_picture_of_the_page_is_there_and_small():
    text = COMPARISONS.PAGE.read_text("utf-8")
    for name in COMPARISONS.charts(KNOWN):
        assert f"pictures/{name}.svg" in text
        assert (COMPARISONS.PICTURES / f"{name}.svg").stat().st_size <= 60_000


@pytest.mark.slow
def test_the_pictures_are_those_of_the_figures():
    for name, chart in COMPARISONS.charts(KNOWN).items():
        assert (COMPARISONS.PICTURES / f"{name}.svg").read_text("utf-8") == chart.svg(LIGHT) + "\n", AGAIN


@pytest.mark.slow
@pytest.mark.parametrize("name", COMPARISONS.STUDIES)
def test_the_figures_are_those_of_a_simulation(name):
    for scenario, points in COMPARISONS.figures(COMPARISONS.STUDIES[name]).items():
        for now, then in zip(points, KNOWN[name][scenario], strict=True):
            for kpi in ("p50", "mean", "cost", "tokens"):
                value, low, high = now[kpi]
                slack = max((high or 0.0) - (low or 0.0), 0.05 * abs(value or 0.0))
                assert abs((value or 0.0) - (then[kpi][0] or 0.0)) <= slack, (
                    f"{scenario}, {kpi}: {AGAIN} --figures {name}"
                )
