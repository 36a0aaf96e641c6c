"""Specs of several files: what names mean, what is bound, what is one module or two, and what is never read."""

import os
import time

import pytest

from orchspec.compiler import compile_file, compile_text
from orchspec.compiler.imports import DEPTH_MAX, MODULES_MAX
from orchspec.compiler.plan import plan_from_json

TEAM = """orch 1
param width: Int = 3 where width in 1..9
enum Mood { glad, sad }
type Note { text: Text  mood: Mood }
contract Write(topic: Text) -> Note
agent writer fulfills Write { timeout = 30s }
policy calm { timeout = 1min  attempts = 3 }
flow team(topic: Text) -> List<Note> {
  step notes = Write(topic) by width of writer
  return notes
}
"""


@pytest.fixture
def write(tmp_path):
    def written(text, name="main.orch"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
        return path

    written(TEAM, "team.orch")
    return written


def plan(path, settings=None):
    compiled = compile_file(path, settings)
    assert compiled.plan is not None, "\n".join(f"{item.span} {item.message}" for item in compiled.errors)
    return compiled.plan


def codes(path):
    return [(item.span.source.name.rpartition("/")[2], item.code.id) for item in compile_file(path).diagnostics]


def test_names_lead_through_aliases_wherever_a_name_may_stand(write):
    made = plan(
        write("""orch 1
import "team.orch" as team
contract Grade(note: team.Note, wanted: team.Mood) -> Text { ensures = len(result) > team.width }
agent ann fulfills Grade, team.Write { policies = [team.calm] }
flow main(topic: Text) -> Text {
  step notes = team.team(topic)
  step more  = team.Write(topic) by any of [ann, team.writer]
  step both  = team.Write(topic) by all of [ann, team.writer]
  step text  = Grade(notes[0], team.Mood.glad) by ann { only_if = both[team.writer].mood == team.Mood.sad }
  step other = Grade(note: more, wanted: "sad") by ann
  return text ?? other
}
""")
    )
    assert list(made.flows) == ["main", "team.team"]
    assert made.contracts["Grade"].params[0].type == ["Record", "team.Note"]
    assert made.contracts["Grade"].ensures == [["gt", ["call", "len", [["ref", 0, 2]]], ["const", 3]]]
    assert made.agents["ann"].fulfills == ["Grade", "team.Write"]
    assert made.params == {"team.width": 3}
    assert plan_from_json(made.as_json()) == made.sealed()


def test_an_agent_bound_to_two_modules_is_one_agent(write):
    made = plan(
        write("""orch 1
import "team.orch" as few with { width = 2  writer = ann }
import "team.orch" as many with { width = 2 * size  writer = ann }
param size: Int = 3
agent ann fulfills few.Write, many.Write { slots = 2 }
flow main(topic: Text) -> Int {
  step a = few.team(topic)
  step b = many.team(topic)
  return len(a) + len(b)
}
""")
    )
    assert list(made.agents) == ["ann"]
    assert made.params == {"size": 3, "few.width": 2, "many.width": 6}


def test_equal_bindings_make_one_module_and_its_types_fit_through_another_file(write):
    write('orch 1\nimport "team.orch" as ours\ncontract Use(note: ours.Note) -> Text\n', "user.orch")
    made = plan(
        write("""orch 1
import "user.orch" as user
import "team.orch" as team
import "team.orch" as again
agent ann fulfills user.Use { timeout = 1min }
flow main(topic: Text) -> Text {
  step notes = team.team(topic)
  step text  = user.Use(notes[0]) by ann
  step more  = user.Use({ text: text, mood: again.Mood.sad }) by ann
  return more
}
""")
    )
    assert list(made.flows) == ["main", "team.team"]  # the name that the spec itself gives, though `user` asked first


def test_other_bindings_make_another_module_that_shares_the_types_and_contracts_that_read_nothing_bound(write):
    made = plan(
        write("""orch 1
import "team.orch" as few with { width = 2 }
import "team.orch" as many with { width = 3 }
agent ann fulfills few.Write { timeout = 1min }
agent bob fulfills few.Write, many.Write { timeout = 1min }
flow main(topic: Text) -> List<few.Note> {
  step a = many.Write(topic) by any of [ann, bob, few.writer, many.writer]
  step b = many.team(topic)
  return b + [a]
}
""")
    )
    assert list(made.types) == ["few.Note"]
    assert list(made.contracts) == ["few.Write"]
    assert list(made.agents) == ["ann", "bob", "few.writer", "many.writer"]


def test_a_type_or_contract_that_reads_what_is_bound_is_each_module_s_own(write):
    write(
        """orch 1
param most: Int = 3
type Item { }
type Box { item: Item }
type Note { text: Text where len(text) <= most }
type Plain { text: Text }
contract Pack(item: Item) -> Plain
contract Look(note: Note) -> Plain
contract Read(plain: Plain) -> Plain
""",
        "box.orch",
    )
    made = plan(
        write("""orch 1
import "box.orch" as a with { Item = Text }
import "box.orch" as b with { Item = Text  most = 4 }
import "box.orch" as c
""")
    )
    assert set(made.contracts) == {"a.Read", *(f"{alias}.{name}" for alias in "abc" for name in ("Pack", "Look"))}
    assert "b.Plain" not in made.types
    assert {"b.Box", "b.Note", "c.Item", "c.Box", "c.Note"} <= set(made.types)


def test_params_are_set_from_outside_over_what_is_bound(write):
    path = write("""orch 1
import "team.orch" as team with { width = 2 }
flow main(topic: Text) -> Int { step a = team.team(topic)  return team.width }
""")
    assert plan(path).params == {"team.width": 2}
    assert plan(path, {"team.width": "5"}).params == {"team.width": 5}
    told = compile_file(path, {"team.widht": "5"}).errors[0].message
    assert "team.widht" in told
    assert "team.width" in told
    assert "1..9" in compile_file(path, {"team.width": "50"}).errors[0].message


def test_a_pattern_over_bound_types_is_checked_over_them(write):
    write(
        """orch 1
type Item { }
type Score { value: Float }
contract Rate(item: Item) -> Score
agent rater fulfills Rate { timeout = 1min }
flow best(items: List<Item>) -> Score {
  step scores = Rate(item) by rater for item in items
  arbitrate score = scores { decide = highest(it.value) or first }
  return score
}
""",
        "best.orch",
    )
    made = plan(
        write("""orch 1
import "best.orch" as best with { Item = Text  Score = Mark  Rate = Grade  rater = ann }
type Mark { value: Float  why: Text }
contract Grade(essay: Text) -> Mark
agent ann fulfills Grade { timeout = 1min }
flow main(essays: List<Text>) -> Text { step mark = best.best(essays)  return mark.why }
""")
    )
    assert list(made.types) == ["Mark"]
    assert list(made.contracts) == ["Grade"]
    assert made.flows["best.best"].params[0].type == ["List", "Text"]


def test_a_profile_elsewhere_replaces_the_one_beside_its_target_and_the_spec_has_the_last_word(write):
    write(TEAM + "profile writer { latency = fixed(1s) }\n", "team.orch")
    write("orch 1\nprofile ann { latency = fixed(5s) }\nprofile bob { latency = fixed(5s) }\n", "measured.orch")
    made = plan(
        write("""orch 1
import "team.orch" as team
import "measured.orch" as measured
agent ann fulfills team.Write { timeout = 1min }
agent bob fulfills team.Write { timeout = 1min }
flow main(topic: Text) -> Int { step a = team.Write(topic) by all  return len(a) }
profile ann { latency = fixed(2s) }
profile team.writer { latency = fixed(3s) }
""")
    )
    latencies = {name: profile.latency[1] // 1_000_000 for name, profile in made.profiles.items()}
    assert latencies == {"ann": 5, "bob": 5, "team.writer": 3}


def test_the_plan_knows_the_file_of_each_node_and_its_hash_covers_what_is_imported(write):
    main = write('orch 1\nimport "team.orch" as team\nflow main(t: Text) -> Int { step a = team.team(t)  return 1 }\n')
    before = plan(main)
    assert [name.rpartition("/")[2] for name in before.source.files] == ["main.orch", "team.orch"]
    assert {span[4] for span in before.source.spans} == {0, 1}
    write(TEAM.replace("orch 1", "orch 1\n// told"), "team.orch")
    assert plan(main).hash == before.hash
    write(TEAM.replace("30s", "31s"), "team.orch")
    assert plan(main).hash != before.hash


def test_data_files_lie_beside_the_file_that_names_them(write):
    write('orch 1\nprofile ann { latency = empirical("seen.csv", took) }\n', "lib/measured.orch")
    write("took\n1\n2\n", "lib/seen.csv")
    made = plan(
        write("""orch 1
import "lib/measured.orch" as measured
contract C(a: Text) -> Text
agent ann fulfills C { timeout = 1min }
flow main(a: Text) -> Text { step b = C(a) by ann  return b }
""")
    )
    assert made.profiles["ann"].latency == ["empirical", "lib/seen.csv", "took"]


def test_warnings_of_an_imported_file_wait_until_it_is_checked_itself(write):
    write(TEAM.replace("timeout = 30s", ""), "team.orch")
    path = write('orch 1\nimport "team.orch" as team\nflow main(t: Text) -> Int { step a = team.team(t)  return 1 }\n')
    assert codes(path) == [("main.orch", "W0213")]


def test_an_import_that_nothing_uses_is_warned_of(write):
    path = write('orch 1\nimport "team.orch" as team\nflow main(t: Text) -> Text { return t }\n')
    assert codes(path) == [("main.orch", "W0212")]


# ------------------------------------------------------------------ untrusted


def test_links_out_of_the_folder_devices_and_pipes_are_not_read(write, tmp_path):
    outside = tmp_path.parent / "outside.orch"
    outside.write_text(TEAM, "utf-8")
    write("orch 1\n", "sub/here.orch")
    (tmp_path / "sub" / "link.orch").symlink_to(outside)
    (tmp_path / "sub" / "loop.orch").symlink_to("loop.orch")
    (tmp_path / "sub" / "zero.orch").symlink_to("/dev/zero")
    os.mkfifo(tmp_path / "sub" / "pipe.orch")
    (tmp_path / "sub" / "latin.orch").write_bytes(b"orch 1\n// \xe9\n")
    lines = [f'import "{name}.orch" as {name}' for name in ("link", "loop", "zero", "pipe", "latin")]
    path = write("orch 1\n" + "\n".join(lines) + "\n", "sub/main.orch")
    assert [code for _, code in codes(path)] == ["E1402", "E1403", "E1402", "E1403", "E1403"]


def test_a_file_below_may_import_from_above_within_the_folder_of_the_spec_alone(write):
    write('orch 1\nimport "../team.orch" as team\ntype Two { one: team.Note }\n', "lib/two.orch")
    path = write('orch 1\nimport "lib/two.orch" as lib\ncontract C(a: lib.Two) -> Text\n')
    assert codes(path) == []
    assert codes(path.parent / "lib" / "two.orch") == [("two.orch", "E1402")]


def test_a_text_without_a_folder_imports_from_the_library_alone():
    text = 'orch 1\nimport "std/common.orch" as std\nimport "team.orch" as team\n'
    assert [item.code.id for item in compile_text(text, "-").diagnostics] == ["E1401"]


def test_what_could_double_at_each_step_is_cut_off_in_time(write):
    for n in range(40):
        twice = f'import "m{n + 1}.orch" as a with {{ k = k }}\nimport "m{n + 1}.orch" as b with {{ k = k + 1 }}\n'
        write(f"orch 1\nparam k: Int = 1\n{twice}", f"m{n}.orch")
    write("orch 1\nparam k: Int = 1\n", "m40.orch")
    start = time.monotonic()
    found = codes(write('orch 1\nimport "m0.orch" as m\n'))
    assert time.monotonic() - start < 10
    assert [code for _, code in found] == ["E1405"]
    assert DEPTH_MAX < 40 < MODULES_MAX


def test_many_large_files_are_cut_off_in_time(write):
    for n in range(6):
        write("orch 1\n//" + "x" * 300_000 + "\n", f"m{n}.orch")
    lines = "".join(f'import "m{n}.orch" as m{n}\n' for n in range(6))
    start = time.monotonic()
    assert [code for _, code in codes(write(f"orch 1\n{lines}"))] == ["E1405"]
    assert time.monotonic() - start < 10
