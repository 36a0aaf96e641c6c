"""E055x: loops that a model drives: `supervise` and `peers`."""

from __future__ import annotations

from orchspec.compiler.codes.samples import spec
from orchspec.grammar.diagnostics import define

__all__ = [
    "CANNOT_END",
    "IDLE_WORKER",
    "NEEDED_SETTING",
    "NOT_A_PEER",
    "NOT_FOR_THIS_LOOP",
    "SO_FAR_GIVEN",
    "UNREACHABLE_PEER",
    "WRONG_LEAD",
]

_LEAD = "contract Lead(goal: Text, so_far: List<Done>) -> Delegation<Note>\nagent boss fulfills Lead\n"
_TALK = "contract Discuss(goal: Text, so_far: Note?) -> Turn<Note>\n"
_PEERS = _TALK + "agent cy fulfills Discuss\nagent dee fulfills Discuss\n"


def _supervised(settings: str = "workers = [ann, bob]  rounds = 3", call: str = "Lead(topic) by boss") -> str:
    body = f"  supervise answer = {call} {{ {settings} }}\n  return answer"
    return spec(_LEAD + f"flow work(topic: Text) -> Note {{\n{body}\n}}")


def _network(body: str, among: str = "[cy, dee]", before: str = _PEERS) -> str:
    loop = f"  peers agreed = Discuss(topic) among {among} {{\n    {body}\n  }}\n  return agreed"
    return spec(before + f"flow work(topic: Text) -> Note {{\n{loop}\n}}")


_ROUND = "start = cy\n    hops = 4\n    handoff cy -> dee\n    handoff dee -> cy"

NOT_FOR_THIS_LOOP = define(
    "E0551",
    "not-for-this-loop",
    "`{name}` cannot be asked by `{word}`: {problem}",
    explanation="A lead is asked by a contract `Lead(…, so_far: List<Done>) -> Delegation<T>`, a peer by "
    "`Discuss(…, so_far: T?) -> Turn<T>`: the run fills `so_far` with what came until then, and what they say "
    "decides how it goes on.",
    bad=spec(
        "flow work(topic: Text) -> Note {\n  supervise answer = Draft(topic) by ann { workers = [bob]  rounds = 3 }\n"
        "  return answer\n}"
    ),
    good=_supervised(),
)
NEEDED_SETTING = define(
    "E0552",
    "needed-setting",
    "`{name}` needs `{setting}`: {why}",
    explanation="A model decides how such a loop goes on, within bounds that stand in the spec: who may be asked, and "
    "how often.",
    bad=_supervised("workers = [ann]"),
    good=_supervised(),
)
IDLE_WORKER = define(
    "E0553",
    "idle-worker",
    "`{agent}` is a worker that no lead can ask for anything: {why}",
    explanation="A worker is asked for the contracts that it fulfills. One that only leads in its turn needs a `depth` "
    "of at least 2.",
    bad=_supervised("workers = [ann, boss]  rounds = 3"),
    good=_supervised("workers = [ann, boss]  rounds = 3  depth = 2"),
)
NOT_A_PEER = define(
    "E0554",
    "not-a-peer",
    "`{agent}` is not among the peers of `{name}`",
    explanation="Who starts, and both ends of a handoff, stand in the list after `among`.",
    bad=_network("start = cy\n    hops = 4\n    handoff cy -> dee\n    handoff dee -> ann"),
    good=_network(_ROUND),
)
UNREACHABLE_PEER = define(
    "E0555",
    "unreachable-peer",
    "nobody hands over to `{agent}`{within}",
    explanation="Every peer is reached from the one who starts, along the handoffs that the spec permits, within its "
    "`hops`. One that is not would never be asked.",
    bad=_network("start = cy\n    hops = 4\n    handoff cy -> cy"),
    good=_network(_ROUND),
)
CANNOT_END = define(
    "E0556",
    "cannot-end",
    "`{name}` never ends well: `{contract}` ensures that {what}",
    explanation="A delegation ends with an `answer`, a conversation with a turn that hands over to nobody. A contract "
    "that rules this out lets the loop run to its bound, where it fails.",
    bad=_network(
        _ROUND,
        before=_PEERS.replace("-> Turn<Note>", "-> Turn<Note> { ensures = result.to != none }"),
    ),
    good=_network(_ROUND),
)
SO_FAR_GIVEN = define(
    "E0557",
    "so-far-given",
    "`so_far` of `{contract}` is filled by the run",
    explanation="In `supervise` it is what came of all tasks until then, in `peers` the value of the turn before. In a "
    "plain step it is a parameter like any other.",
    bad=_supervised(call="Lead(topic, so_far: []) by boss"),
    good=_supervised(),
)
WRONG_LEAD = define(
    "E0558",
    "wrong-lead",
    "`{name}` is led by one agent, not by {found}",
    explanation="Every round asks one lead: `by NAME`, or `by any of [a, b]`, where whoever takes the first round "
    "keeps the lead.",
    bad=_supervised(call="Lead(topic) by all of [boss]"),
    good=_supervised(),
)
