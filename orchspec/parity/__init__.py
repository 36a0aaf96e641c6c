"""The same schedule of faults through the simulator and through the real engine, compared record by record.

The simulator is not trusted but tested: `compare` makes a chronicle, then lives through the same story with the
runtime itself: its engine loop on asyncio, a store of SQLite on the disk, in a process of its own that is killed with
SIGKILL where the schedule has the orchestrator crash, and another that resumes. Only time is virtual, and agents,
people and targets are played by what plays them in a simulation. Any difference is a bug of one of the two.

| module | is |
|---|---|
| `outside` | what outlives a process: targets and what is on its way to them, people, what the faults have counted |
| `players`, `signals`, `doors`, `refusals` | agents, people, effects and signals as the schedule has them behave |
| `stores`, `timers` | the disk under the store, and the timers, as the schedule has them |
| `life`, `lives` | one process, and one after another until everybody was told |
| `comparison` | the two journals side by side |
| `search` | all schedules of some specs; `python -m orchspec.parity` |

Left out of the comparison, since they belong to one side alone: numbers of engines and epochs, rows and batches.
"""

from orchspec.parity.comparison import Difference, compare
from orchspec.parity.lives import Job, Lived, live_through

__all__ = ["Difference", "Job", "Lived", "compare", "live_through"]
