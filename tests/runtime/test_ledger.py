"""The ledger and the reuse table, row by row; what they mean for runs is in the tests of the kernel's effects."""

from orchspec.runtime.journal.records import ReuseRow
from orchspec.runtime.ledger import Ledger, ReuseTable


def claim(ledger, run="r", path="u", args="a", **rest):
    return ledger.claim(run, 1, path, "publish", "k", args, 5, 100, **rest)


def settle(ledger, state, run="r", path="u", generation=0, receipt=None):
    return ledger.settle(run, path, "k", generation, state, receipt, 200)


def test_the_first_intent_owns_the_key_and_its_row_is_written_before_it_is_sent():
    ledger = Ledger()
    answer, (row,) = claim(ledger)
    assert (answer.standing, answer.generation) == ("own", 0)
    assert (row.state, row.owner_run, row.owner_place, row.intent_seq) == ("intended", "r", "u", 5)


def test_the_owner_that_asks_again_still_owns_it():
    ledger = Ledger()
    claim(ledger)
    answer, rows = claim(ledger)
    assert (answer.standing, rows) == ("own", [])


def test_equal_arguments_wait_and_join_and_are_written_down():
    ledger = Ledger()
    claim(ledger)
    assert claim(ledger, "s")[0] is None
    (answer,), rows = settle(ledger, "confirmed", receipt="x")
    assert (answer.run, answer.standing, answer.value) == ("s", "confirmed", "x")
    assert rows[-1].joined == [["s", "u"]]


def test_other_arguments_conflict():
    ledger = Ledger()
    claim(ledger)
    assert claim(ledger, "s", args="b")[0].standing == "conflict"


def test_a_refused_effect_goes_to_the_first_who_waits_in_the_same_generation():
    ledger = Ledger()
    claim(ledger)
    claim(ledger, "s")
    claim(ledger, "t")
    (answer,), rows = settle(ledger, "not_done")
    assert (answer.run, answer.standing, answer.generation) == ("s", "own", 0)
    assert [row.owner_run for row in rows] == ["r", "s"]
    (answer,), _ = settle(ledger, "confirmed", "s", receipt="x")
    assert (answer.run, answer.standing) == ("t", "confirmed")


def test_undoing_raises_the_generation():
    ledger = Ledger()
    claim(ledger)
    settle(ledger, "confirmed", receipt="x")
    settle(ledger, "undone")
    assert claim(ledger, "s")[0].generation == 1


def test_a_claim_that_waits_is_withdrawn_and_told_so():
    ledger = Ledger()
    claim(ledger)
    claim(ledger, "s")
    (answer,), rows = settle(ledger, "withdrawn", "s")
    assert (answer.run, answer.standing, rows) == ("s", "withdrawn", [])
    assert settle(ledger, "confirmed", receipt="x")[0] == []


def test_a_claim_that_was_answered_is_not_withdrawn():
    ledger = Ledger()
    claim(ledger)
    assert settle(ledger, "withdrawn") == ([], [])
    assert claim(ledger)[0].standing == "own"


def test_what_has_happened_cannot_be_withdrawn():
    ledger = Ledger()
    claim(ledger)
    settle(ledger, "confirmed", receipt="x")
    assert settle(ledger, "not_done") == ([], [])
    assert claim(ledger, "s")[0].standing == "confirmed"


def test_only_the_owner_settles():
    ledger = Ledger()
    claim(ledger)
    assert settle(ledger, "confirmed", "mallory", receipt="x") == ([], [])
    assert claim(ledger)[0].standing == "own"


def test_a_ledger_built_again_from_its_rows_answers_the_same():
    ledger = Ledger()
    rows = [*claim(ledger)[1], *settle(ledger, "confirmed", receipt="x")[1]]
    again = Ledger(rows)
    assert claim(again, "s")[0].value == "x"
    rows += settle(ledger, "undone")[1]
    assert claim(Ledger(rows), "s")[0].generation == 1


def test_an_undo_puts_in_doubt_what_it_undoes_and_lets_others_wait():
    ledger = Ledger()
    claim(ledger)
    settle(ledger, "confirmed", receipt="x")
    answer, rows = ledger.claim("r", 2, "u!undo", "retract", "k2", "b", 6, 100, ("k", 0))
    assert answer.standing == "own"
    assert [(row.key, row.state) for row in rows] == [("k", "in_doubt"), ("k2", "intended")]
    assert claim(ledger, "s")[0] is None
    (answer,), _ = settle(ledger, "undone")
    assert (answer.standing, answer.generation) == ("own", 1)


def test_an_undo_is_passed_on_to_who_joined():
    ledger = Ledger()
    claim(ledger)
    settle(ledger, "confirmed", receipt="x")
    claim(ledger, "s")
    answer, (row,) = ledger.claim("r", 2, "u!undo", "retract", "k2", "b", 6, 100, ("k", 0))
    assert answer.standing == "passed"
    assert (row.owner_run, row.joined) == ("s", [])
    assert ledger.claim("s", 2, "u!undo", "retract", "k3", "b", 6, 100, ("k", 0))[0].standing == "own"


def test_a_run_that_is_gone_waits_for_nothing():
    ledger = Ledger()
    claim(ledger)
    claim(ledger, "s")
    ledger.abandon("s")
    assert settle(ledger, "not_done")[0] == []


# ------------------------------------------------------------------ reuse


def look(table, run="r", now=0):
    return table.lookup(run, 1, "k", now)


def keep(table, run="r", *, ok=True, value=7, ttl=10, now=0):
    return table.keep(run, 1, "a", "k", ok=ok, value=value, ttl_us=ttl, now_us=now)


def test_work_is_the_first_askers_and_everybody_else_waits_for_its_value():
    table = ReuseTable()
    assert look(table).standing == "own"
    assert look(table, "s") is None
    (answer,), row = keep(table)
    assert (answer.run, answer.standing, answer.value) == ("s", "hit", 7)
    assert (row.value, row.expires_us) == (7, 10)


def test_a_value_expires():
    table = ReuseTable([ReuseRow("k", 7, 10, "r", "a")])
    assert look(table, now=9).value == 7
    assert look(table, now=10).standing == "own"


def test_if_the_work_fails_the_first_who_waits_does_it():
    table = ReuseTable()
    look(table)
    look(table, "s")
    look(table, "t")
    (answer,), row = keep(table, ok=False)
    assert (answer.run, answer.standing, row) == ("s", "own", None)
    assert [answer.run for answer in keep(table, "s")[0]] == ["t"]


def test_who_waits_may_withdraw():
    table = ReuseTable()
    look(table)
    look(table, "s")
    assert keep(table, "s", ok=False) == ([], None)
    assert keep(table)[0] == []


def test_what_is_kept_within_a_run_goes_with_it():
    table = ReuseTable()
    look(table)
    keep(table, ttl=None)
    assert look(table).value == 7
    table.forget("r", 0)
    assert look(table).standing == "own"


def test_work_of_a_run_that_was_halted_goes_to_who_waits():
    table = ReuseTable()
    look(table)
    look(table, "s")
    (answer,) = table.abandon("r")
    assert (answer.run, answer.standing) == ("s", "own")


def test_what_has_expired_is_swept_out_in_the_end():
    table = ReuseTable([ReuseRow(f"k{number}", 1, 10, "r", "a") for number in range(5_000)])
    table.forget("r", 10)
    assert len(table._work) == 0
