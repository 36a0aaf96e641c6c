"""SARIF 2.1.0 as the standard has it (sections 3.13 to 3.57), as far as it is written: nothing else may stand in it."""

import pytest
from jsonschema import Draft202012Validator

from orchspec.cli.sarif import as_sarif
from orchspec.compiler.check import check
from orchspec.grammar.diagnostics import Label
from orchspec.grammar.source import Source


def closed(required, **properties):
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


TEXT = {"type": "string", "minLength": 1}
COUNT = {"type": "integer", "minimum": 1}
MESSAGE = closed(["text"], text=TEXT)
LEVEL = {"enum": ["none", "note", "warning", "error"]}
REGION = closed(["startLine"], startLine=COUNT, startColumn=COUNT, endLine=COUNT, endColumn=COUNT)
FILE = closed(["uri"], uri={"type": "string", "pattern": "^[!-~]+$"})
PLACE = closed(["artifactLocation", "region"], artifactLocation=FILE, region=REGION)
REPLACEMENT = closed(["deletedRegion"], deletedRegion=REGION, insertedContent=closed(["text"], text={"type": "string"}))
CHANGE = closed(
    ["artifactLocation", "replacements"],
    artifactLocation=FILE,
    replacements={"type": "array", "items": REPLACEMENT, "minItems": 1},
)
BAG = closed(["applicability"], applicability={"enum": ["machine-applicable", "maybe-incorrect", "has-placeholders"]})
FIX = closed(
    ["artifactChanges"],
    description=MESSAGE,
    artifactChanges={"type": "array", "items": CHANGE, "minItems": 1},
    properties=BAG,
)
RELATED = closed(["id"], id={"type": "integer", "minimum": 0}, physicalLocation=PLACE, message=MESSAGE)
RESULT = closed(
    ["message", "ruleId"],
    ruleId=TEXT,
    level=LEVEL,
    message=MESSAGE,
    locations={"type": "array", "items": closed([], physicalLocation=PLACE), "maxItems": 1},
    relatedLocations={"type": "array", "items": RELATED, "uniqueItems": True},
    fixes={"type": "array", "items": FIX, "uniqueItems": True},
)
RULE = closed(
    ["id"],
    id=TEXT,
    name=TEXT,
    shortDescription=MESSAGE,
    fullDescription=MESSAGE,
    help=MESSAGE,
    defaultConfiguration=closed([], level=LEVEL),
)
DRIVER = closed(["name"], name=TEXT, semanticVersion=TEXT, rules={"type": "array", "items": RULE, "uniqueItems": True})
RUN = closed(
    ["tool", "results"],
    tool=closed(["driver"], driver=DRIVER),
    columnKind={"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
    results={"type": "array", "items": RESULT},
)
LOG = closed(
    ["version", "runs"],
    **{"$schema": {"type": "string", "format": "uri"}},
    version={"const": "2.1.0"},
    runs={"type": "array", "items": RUN},
)
SPECS = {
    "no mistakes": "orch 1\n",
    "several": "orch 1\nagnet a fulfills C\ntype T { a: Txt  b: Txt }\nflow f(a: T) -> T {\n  retrun a\n}\n",
    "an advice": "orch 1\ncontract C(a: Text) -> Text\nagent x fulfills C\n"
    "flow f(t: Text) -> Text {\n  step d = C(t) by x\n  return d\n}\n",
}


@pytest.mark.parametrize("name", SPECS)
def test_the_log_has_the_form_of_the_standard(name):
    log = as_sarif(check(Source("a b.orch", SPECS[name])).diagnostics)
    Draft202012Validator.check_schema(LOG)
    assert [f"{error.json_path}: {error.message}" for error in Draft202012Validator(LOG).iter_errors(log)] == []


def test_every_result_names_a_rule_that_is_listed():
    (run,) = as_sarif(check(Source("a.orch", SPECS["several"])).diagnostics)["runs"]
    assert run["results"]
    assert {each["ruleId"] for each in run["results"]} == {rule["id"] for rule in run["tool"]["driver"]["rules"]}


def test_labels_are_related_locations_and_fixes_say_how_far_they_can_be_trusted():
    found = check(Source("a.orch", SPECS["several"])).diagnostics
    results = as_sarif(found)["runs"][0]["results"]
    for diagnostic, result in zip(found, results, strict=True):
        labels: tuple[Label, ...] = diagnostic.labels
        assert [each["message"]["text"] for each in result.get("relatedLocations", [])] == [one.text for one in labels]
        trust = [each["properties"]["applicability"] for each in result.get("fixes", [])]
        assert trust == ([] if diagnostic.fix is None else [diagnostic.fix.applicability])
