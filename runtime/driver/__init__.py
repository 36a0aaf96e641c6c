"""The real clock: asyncio carries out what the kernel commands, and a store makes it durable.

| module | is |
|---|---|
| `clock`, `timers` | the time of events, and what comes due |
| `uncollected` | batches without searches for garbage in their middle |
| `values` | what handlers give back, made JSON and held to limits |
| `people`, `attempts`, `sending` | who carries out commands: questions and mail, agents and tools, effects |
| `eager` | handlers begun at once, with a task only if they wait |
| `loop` | one engine: drain, step, commit, act |
| `commits`, `tempo` | what was handled made durable, here or by a thread |
| `lease` | the store's ownership, renewed in time |
| `live` | what these share: runs, requests, what they may ask of the loop |
| `stored` | what a store says of a run |
| `hub`, `hubs` | all runs of one process on one store: starting, resuming, parking, ending |
"""
