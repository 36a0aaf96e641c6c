"""The table of crashes, row by row, for each of the four kinds of effect: what is in the world, and what a resume does.

The rows are those of the table in the documentation of effects. Real processes on real stores are killed, or have a
commit fail, at the moment that a row names; the file outside of the store is looked at after the crash and again after
the resume, and the checkers of chaos read all of it. Two rows stand elsewhere: a receipt that was given to an agent
(test_deeds), and a lease that is lost between intent and send (test_engines).
"""

from collections import Counter

import pytest

from tests.crash.trials import ENDED, KILLED, Trial, hold

KINDS = {
    "keyed": "key = id",
    "tagged": "idempotent = true",
    "checked": "check = look(id: id)  settles = 20s",
    "mailed": "in_doubt = ask(eve, within: 1d)  settles = 20s",
}
RESENT = ("keyed", "tagged")
SPEC = """orch 1
contract Look(id: Text) -> Bool
contract Write(text: Text) -> Text
human eve fulfills Look {{ timeout = 1h }}
agent ann fulfills Write
effect look(id: Text) -> Text? {{ idempotent = true  timeout = 5s }}
effect deed(id: Text) -> Text {{ {kind}  timeout = 20s  undo = back(id: id) }}
effect back(id: Text) -> Text {{ {kind}  timeout = 20s }}
flow done(id: Text) -> Text {{ step one = deed(id: id)  return one }}
flow undone(id: Text) -> Text {{ step one = deed(id: id)  fail "no" when len(one) >= 0  return one }}
flow both(id: Text) -> Text {{
  step one = deed(id: id)
  step a = Write(one) by ann
  step b = Write(one) by ann
  return a
}}
profile eve {{ latency = fixed(30s) }}
profile deed {{ latency = fixed(2s) }}
profile back {{ latency = fixed(2s) }}
"""


class Deed:
    """A play of one effect of a kind, undone or not."""

    def __init__(self, kind, flow):
        self.spec, self.flow = kind, flow

    def write(self, folder):
        path = folder / "deed.orch"
        path.write_text(SPEC.format(kind=KINDS[self.spec]), "utf-8")
        return path

    def arguments(self, spec, store):
        asked = ("run", str(spec), "--flow", self.flow, "--input", '{"id": "a"}', "--stand-ins", "--speed", "50")
        return [*asked, "--seed", "3", "--run-id", "r", "--store", str(store), "--json"]


@pytest.fixture(scope="module")
def twins(zygote, tmp_path_factory):
    known = {}

    def twin(kind, flow):
        if (kind, flow) not in known:
            trial = Trial(zygote, tmp_path_factory.mktemp("twin") / "run", Deed(kind, flow))
            assert trial.finish(trial.asked) in ENDED
            known[kind, flow] = trial.chronicle()
        return known[kind, flow]

    return twin


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


@pytest.fixture
def trial(zygote, tmp_path, kind):
    return Trial(zygote, tmp_path / "run", Deed(kind, "done"))


def crash(trial, **how):
    code = trial.finish(trial.next_argv(), **how)
    assert code == KILLED, (how, code, trial.said)


def seen(trial, effect="deed"):
    """How often the target was asked, and how often it did something, of which a repetition counts as none."""
    mine = [line for line in trial.deliveries() if line["effect"] == effect]
    return len(mine), len({line["key"] for line in mine if line["applied"]})


def end(trial, twin, status="completed"):
    result = trial.go_on()
    assert result["status"] == status, result
    assert hold(trial, result, twin), "what happened is what happens undisturbed"
    keys = Counter(line["key"] for line in trial.deliveries() if line["applied"])
    assert trial.play.spec == "tagged" or set(keys.values()) == {1}
    return result


@pytest.mark.parametrize("plant", ["before_intended", "in_intended"])
def test_before_or_in_the_commit_of_the_intent_it_is_derived_again(trial, twins, kind, plant):
    crash(trial, plant=plant)
    assert seen(trial) == (0, 0)
    end(trial, twins(kind, "done"))
    assert seen(trial) == (1, 1)


@pytest.mark.parametrize(
    "how", [{"point": "before_effect"}, {"plant": "before_applying"}], ids=["not_sent", "not_done"]
)
def test_intent_durable_and_not_sent_or_sent_and_not_applied_it_is_sent_again(trial, twins, kind, how):
    crash(trial, **how)
    assert seen(trial) == (0, 0)
    end(trial, twins(kind, "done"))
    assert seen(trial) == (1, 1)


PLANTS = ("after_applying", "before_confirmed", "in_confirmed")
NOT_DURABLE = [{"point": "after_effect"}, *({"plant": plant} for plant in PLANTS)]


@pytest.mark.parametrize("how", NOT_DURABLE)
def test_applied_and_its_reply_not_durable_it_is_sent_again_or_found_to_be_done(trial, twins, kind, how):
    crash(trial, **how)
    assert seen(trial) == (1, 1)
    end(trial, twins(kind, "done"))
    assert seen(trial) == (2 if kind in RESENT else 1, 1)


@pytest.mark.parametrize(("plant", "sent"), [("refused_intended", 1), ("refused_confirmed", 2)])
def test_a_commit_that_fails_throws_away_what_is_in_memory_and_what_is_durable_goes_on(trial, twins, kind, plant, sent):
    code = trial.finish(trial.asked, plant=plant)
    assert (code, "what is durable is read again" in trial.said[1]) == (0, True), trial.said
    assert seen(trial) == (sent if kind in RESENT else 1, 1)
    end(trial, twins(kind, "done"))
    assert seen(trial) == (sent if kind in RESENT else 1, 1), "it had ended"


@pytest.mark.parametrize("state", ["intended", "confirmed"])
def test_a_store_that_is_busy_is_waited_for_and_nothing_is_done_again(trial, twins, kind, state):
    code = trial.finish(trial.asked, plant=f"busy_{state}")
    assert (code, "nothing goes on until it can be written" in trial.said[1]) == (0, True), trial.said
    assert seen(trial) == (1, 1)
    end(trial, twins(kind, "done"))


@pytest.mark.parametrize("point", ["before_acknowledge", "before_result"])
def test_an_outcome_that_is_durable_and_not_acted_on_sends_nothing(trial, twins, kind, point):
    crash(trial, point=point)
    assert seen(trial) == (1, 1)
    end(trial, twins(kind, "done"))
    assert seen(trial) == (1, 1)


def test_an_outcome_that_is_partly_acted_on_has_its_consequences_issued_again(zygote, tmp_path, twins, kind):
    trial = Trial(zygote, tmp_path / "run", Deed(kind, "both"))
    crash(trial, point="partly_acted")
    assert seen(trial) == (1, 1)
    end(trial, twins(kind, "both"))
    assert seen(trial) == (1, 1)


@pytest.mark.parametrize(("first", "sent"), [("before_effect", 0), ("after_effect", 1)])
def test_while_recovering_sending_again_or_asking_it_lands_once(trial, twins, kind, first, sent):
    crash(trial, point=first)
    for how in (
        {"point": "recovering"},
        {"plant": "while_looking"},
        {"plant": "while_looking"},
        {"point": "recovering"},
    ):
        crash(trial, **how)
        assert seen(trial) == (sent, sent)
    end(trial, twins(kind, "done"))
    assert seen(trial) == (sent + 1 if kind in RESENT else 1, 1)


IN_UNDO = [("before_effect:2", 0), ("after_effect:2", 1), ("before_acknowledge:2", 0), ("before_result", 0)]


@pytest.mark.parametrize(("point", "again"), IN_UNDO)
def test_in_an_undo_the_same_holds_for_the_undo_and_the_original_is_never_sent_again(
    zygote, tmp_path, twins, kind, point, again
):
    trial = Trial(zygote, tmp_path / "run", Deed(kind, "undone"))
    crash(trial, point=point)
    assert seen(trial) == (1, 1)
    end(trial, twins(kind, "undone"), "failed")
    assert seen(trial) == (1, 1)
    assert seen(trial, "back") == (1 + again if kind in RESENT else 1, 1)
