"""What is said is drawn: what a flow sends, to whom, and who may speak at work."""

from orchspec.graph.build import graph_of
from tests.support.studies import gallery


def test_a_send_names_its_receivers_and_a_task_the_channels_of_its_agents():
    nodes = {node.title: node for node in graph_of(gallery("newsroom"), "newsroom").nodes()}
    assert nodes["send watch"].lines == ("shaky.headline", "shaky.doubt", "to checker")
    assert nodes["send desk"].lines[-1] == "to wire, ann, bob, checker"
    assert "may send on tips" in nodes["drafts"].lines
    assert not any("may send" in line for line in nodes["stories"].lines)


def test_an_eval_says_who_looks_and_how_often():
    nodes = {node.title: node for node in graph_of(gallery("quality"), "helpdesk").nodes()}
    assert nodes["quality"].lines == ("eval", "Judge", "by judge", "0.2 of all, nobody waits")
