"""Mistakes of agents, as often as they were found: drawn by their shares, and what became of each is told."""

import json
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from click.testing import CliRunner

from orchspec.cli import main
from orchspec.compiler import compile_text
from orchspec.runtime.made import POISON
from orchspec.simulator.chaos.explore import Explorer
from orchspec.simulator.chaos.kinds import KINDS
from orchspec.simulator.chaos.lines import read_fault
from orchspec.simulator.chaos.mast import FATES, MODES, semantic

BARE = """orch 1
contract Write(topic: Text) -> Text { ensures = len(result) > 3 }
agent ann fulfills Write { timeout = 30s  attempts = 2 }
agent bob fulfills Write { timeout = 30s  attempts = 2 }
agent eve fulfills Write { timeout = 30s  attempts = 2 }
profile ann { latency = fixed(2s) }
profile bob { latency = fixed(2s) }
profile eve { latency = fixed(2s) }
"""
ALONE = BARE + "flow f(topic: Text) -> Text { step made = Write(topic) by ann  return made }\n"
CHOSEN = (
    BARE
    + """flow f(topic: Text) -> Int {
  step made = Write(topic) by all of [ann, bob, eve]
  return len(made)
}
"""
)


def explorer(text):
    compiled = compile_text(text, "f.orch")
    assert compiled.plan is not None, compiled.errors
    return Explorer(compiled.plan, "f", runs=1)


def test_the_shares_are_those_of_the_paper():
    by_category = {number: sum(mode.share for mode in MODES if mode.number[3] == number) for number in "123"}
    assert by_category == pytest.approx({"1": 44.2, "2": 32.35, "3": 23.5})
    assert len(MODES) == 14
    assert {mode.fault for mode in MODES} <= {kind.name for kind in KINDS if kind.aim == "agent"}


def test_a_single_agent_lets_mistakes_through_and_its_contract_refuses_what_it_can():
    made = semantic(explorer(ALONE), 60)
    assert made.struck == 60
    assert sum(made.share(fate) for fate in FATES) == pytest.approx(1)
    assert made.share("silent") > 0.3
    assert made.fates["FM-1.1"].keys() == {"refused"}
    assert made.silent.keys() == {"ann"}


def test_what_changes_no_result_is_outvoted():
    made = semantic(explorer(CHOSEN), 60)
    assert made.share("silent") == 0
    assert made.share("outvoted") > 0.3


def test_a_poisoned_output_is_valid_and_full_of_instructions():
    chronicle = explorer(ALONE).chronicle([read_fault("fault poisoned(ann, nth: 1)")])
    assert chronicle.struck == {"poisoned": {"ann"}}
    assert [told.told[-1][1:] for told in chronicle.runs.values()] == [("completed", POISON)]


def test_the_command_tells_fates_by_mode_and_gives_a_document(tmp_path):
    path = Path(tmp_path / "f.orch")
    path.write_text(ALONE, "utf-8")
    words = ["chaos", str(path), "--mast", "--examples", "30"]
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 0, done.output
    assert "went through silently, by agent: ann" in done.stdout
    junit = str(tmp_path / "j.xml")
    document = json.loads(CliRunner().invoke(main, [*words, "--json", "--junit", junit]).stdout)
    (flow,) = document["flows"]
    names = [case.get("name") for case in ET.parse(junit).getroot().iter("testcase")]
    modes = [each for each in flow["modes"] if any(each[fate] for fate in FATES)]
    assert [name.split()[0] for name in names] == [*(each["mode"] for each in modes), "what"]
    assert (document["held"], flow["struck"], len(flow["modes"])) == (True, 30, 14)
    assert CliRunner().invoke(main, [*words, "--mutate"]).exit_code == 2
