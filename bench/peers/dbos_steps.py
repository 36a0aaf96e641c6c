"""DBOS on SQLite: `dbos_steps.py FILE CASE RUNS STEPS` prints microseconds a durable step.

The file is preset to WAL; its default journal is slower and no fair peer. Commits are fsynced (synchronous FULL is
SQLite's default).
"""

import asyncio
import logging
import sqlite3
import sys
import time

from dbos import DBOS

path, case, runs, steps = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
connection = sqlite3.connect(path)
connection.execute("PRAGMA journal_mode = WAL")
connection.close()
logging.disable(logging.CRITICAL)
DBOS(config={"name": "bench", "system_database_url": f"sqlite:///{path}", "run_admin_server": False})


@DBOS.step()
async def work(topic: str) -> dict:
    """A step with a typed output."""
    return {"text": topic[:4] + "x" * 36, "score": 0.5}


@DBOS.workflow()
async def chain(topic: str, count: int) -> str:
    """So many steps, one after another."""
    for _ in range(count):
        topic = (await work(topic))["text"]
    return topic


@DBOS.workflow()
async def fan_out(topic: str, count: int) -> int:
    """So many steps at once."""
    return len(await asyncio.gather(*(work(topic) for _ in range(count))))


async def main() -> None:
    """Measure."""
    flow = fan_out if case == "fan-out" else chain
    begin = time.perf_counter()
    if runs == 1:
        await flow("t", steps)
    else:
        handles = await asyncio.gather(*(DBOS.start_workflow_async(flow, f"t{n}", steps) for n in range(runs)))
        await asyncio.gather(*(handle.get_result() for handle in handles))
    print((time.perf_counter() - begin) * 1e6 / (runs * steps))


DBOS.launch()
asyncio.run(main())
DBOS.destroy()
