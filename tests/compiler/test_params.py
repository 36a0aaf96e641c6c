"""Params: computed from each other, replaced by settings, and settings that do not fit."""

import pytest

from tests.support.checked import checked, codes

PARAMS = """orch 1
param width: Int = 4 where width in 1..50
param double: Int = 2 * width
param mood: Mood = Mood.calm
param name: Text? = none
enum Mood { calm, wild }
flow f(n: Int) -> Bool { return n == double and mood == Mood.calm and name == none }
"""


def test_params_are_computed_from_each_other():
    spec = checked(PARAMS)
    assert {name: info.value for name, info in spec.params.items()} == {
        "width": 4,
        "double": 8,
        "mood": "calm",
        "name": None,
    }


def test_settings_replace_defaults_before_others_are_computed_from_them():
    spec = checked(PARAMS, {"width": "5", "mood": "Mood.wild", "name": "Ada"})
    assert {name: info.value for name, info in spec.params.items()} == {
        "width": 5,
        "double": 10,
        "mood": "wild",
        "name": "Ada",
    }


@pytest.mark.parametrize(
    "settings",
    [
        {"width": "51"},
        {"width": "wide"},
        {"width": "3 where true"},
        {"widht": "3"},
        {"mood": "3"},
        {"width": "1 decision a"},
    ],
)
def test_a_setting_that_does_not_fit_is_one_mistake(settings):
    assert [item for item in codes(PARAMS, settings) if item.startswith("E")] == ["E0210"]
