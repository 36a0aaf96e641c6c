"""LangGraph on SQLite: `langgraph_steps.py FILE CASE RUNS STEPS` prints microseconds a durable step.

The graph API with `SqliteSaver` (WAL, synchronous FULL) and durability="sync"; by default its steps run ahead of what
is durable. Concurrent runs are those of sixteen threads.
"""

import operator
import sqlite3
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated, TypedDict

from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.graph import END, START, StateGraph
from langgraph.types import Send

path, case, runs, steps = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])


class Chained(TypedDict):
    """The state of a chain."""

    text: str
    score: float


class Fanned(TypedDict):
    """The state of a fan-out."""

    notes: Annotated[list, operator.add]


def chain(count: int) -> StateGraph:
    """So many nodes, one after another."""
    graph = StateGraph(Chained)
    before = START
    for number in range(count):
        graph.add_node(f"s{number}", lambda state: {"text": state["text"][:4] + "x" * 36, "score": 0.5})
        graph.add_edge(before, f"s{number}")
        before = f"s{number}"
    graph.add_edge(before, END)
    return graph


def fan_out(count: int) -> StateGraph:
    """So many nodes at once."""
    graph = StateGraph(Fanned)
    graph.add_node("work", lambda state: {"notes": [{"text": state["topic"][:4] + "x" * 36, "score": 0.5}]})
    graph.add_conditional_edges(START, lambda _: [Send("work", {"topic": "t"}) for _ in range(count)], ["work"])
    graph.add_edge("work", END)
    return graph


connection = sqlite3.connect(path, check_same_thread=False)
connection.execute("PRAGMA journal_mode = WAL")
connection.execute("PRAGMA synchronous = FULL")
saver = SqliteSaver(connection)
saver.setup()
compiled = (fan_out if case == "fan-out" else chain)(steps).compile(checkpointer=saver)


def invoke(number: int) -> None:
    """One run."""
    given = {"notes": []} if case == "fan-out" else {"text": f"t{number}", "score": 0.0}
    settings = {"configurable": {"thread_id": str(number)}, "recursion_limit": 10_000}
    compiled.invoke(given, settings, durability="sync")


begin = time.perf_counter()
with ThreadPoolExecutor(16) as pool:
    list(pool.map(invoke, range(runs)))
print((time.perf_counter() - begin) * 1e6 / (runs * steps))
