"""Sessions: what an agent remembers, who has it, and what is done when it outgrows its context.

Rules. A session is taken together with its agent, by one task at a time: of a run (`per_run`), or, for each key, of all
runs of a store (`persistent`). Only verified turns are appended, in the record that verified them. The history of a run
is the kernel's own; that of a persistent session is the store's, and its version stands in the record of the grant.

A turn takes as many tokens of a context as its attempt reported (read and written, less the history that it was
handed), else a fourth of its characters. Where history and inputs together outgrow the context, the task gives back its
agent and waits for a *fold*: a task of its own (`reply!fold`), by whoever fulfills the fold's contract, which takes the
session, is handed all its turns, and whose verified result stands for them from then on. Then the task asks again.
Without a fold, the oldest turns are left out of what is handed over. Inputs that do not fit alone fail the task.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from orchspec.compiler.plan import PlanError, canonical_json
from orchspec.runtime.kernel.commands import KeepTurn
from orchspec.runtime.kernel.expressions import Compiled, Env, compile_expr
from orchspec.runtime.kernel.frames import Activity, Failure
from orchspec.runtime.kernel.program import Seat
from orchspec.runtime.kernel.seeking import Asking
from orchspec.runtime.kernel.table import FOLDING

if TYPE_CHECKING:
    from orchspec.compiler.plan import Agent
    from orchspec.runtime.kernel.events import TaskEnrolled
    from orchspec.runtime.kernel.expressions import FrameLike
    from orchspec.runtime.kernel.kernel import Kernel
    from orchspec.runtime.kernel.program import Program
    from orchspec.runtime.kernel.tasks import Task

__all__ = [
    "FOLDS_MAX",
    "Folder",
    "Mind",
    "Owning",
    "Recall",
    "keep",
    "mind_of",
    "newest",
    "outgrown",
    "summarize",
    "turns_of_run",
]

FOLDS_MAX: Final = 3
"""So often is a session folded for one task; if it is too large all the same, the task fails."""
_CHARACTERS: Final = 4
"""Of a token, where nobody counted."""
_KEY_MAX: Final = 64
_ORDINAL: Final = 0xF0_0000


class Mind:
    """How an agent remembers. `context` bounds what it can take in, in tokens (None: nothing does)."""

    __slots__ = ("agent", "by", "context", "folders", "folding", "form", "persistent")

    def __init__(self, program: Program, agent: Agent, folders: tuple[Seat, ...]) -> None:
        self.agent = agent.name
        self.persistent = agent.session == "persistent"
        self.by: dict[str, Compiled] = {name: compile_expr(expr) for name, expr in agent.session_by.items()}
        known = [program.plan.models[name].context_tokens for name in agent.models]
        sizes = [size for size in known if size is not None]
        self.context = agent.context_tokens
        if self.context is None and agent.session != "fresh" and sizes:
            self.context = min(sizes)
        self.folders = folders
        self.folding: Asking | None = None
        self.form: list[Any] = []
        if agent.fold is not None:
            self.folding = Asking(agent.fold.contract, folders, prefer="least_busy", recalls=True)
            self.form = self._form(program, agent.fold.contract)

    @staticmethod
    def _form(program: Program, contract: str) -> list[Any]:
        """The name and the type of the parameter that takes the turns."""
        params = program.plan.contracts[contract].params
        needed = [
            param
            for param in params
            if param.default is None and not (isinstance(param.type, (list, tuple)) and param.type[0] == "Option")
        ]
        if len(needed) != 1:
            raise PlanError(f"the contract {contract!r} cannot be handed a session")
        return [needed[0].name, needed[0].type]

    def minds(self, contract: str) -> bool:
        """Whether work by this contract is done with the session: not what summarizes it, where it has minds by key."""
        return not self.by or contract in self.by

    def lock(self, run: str, key: str) -> str:
        """The name under which the dispatcher holds the session: of the run, or, for a key, of the store."""
        return f"session {key}" if self.persistent else f"{run}/{self.agent}"

    def key(self, contract: str, inputs: list[Any]) -> str:
        """What tells this mind from others of its agent; raises ExpressionError."""
        by = self.by.get(contract)
        if by is None:
            return self.agent
        value = by(Env(inputs))
        if isinstance(value, str) and len(value) <= _KEY_MAX and value.isprintable():
            return f"{self.agent}/{value}"
        return f"{self.agent}/{hashlib.sha256(canonical_json(value).encode()).hexdigest()}"

    def summary_inputs(self, history: list[list[Any]]) -> dict[str, Any]:
        """The inputs of the fold's contract, JSON of the edge: the turns, oldest first, as its parameter takes them."""
        name, form = self.form
        turns = [
            {"summary": output} if inputs is None else {"inputs": inputs, "output": output}
            for inputs, output, *_ in history
        ]
        return {name: "\n".join(map(canonical_json, turns)) if form == "Text" else turns}


def mind_of(program: Program, agent: Agent) -> Mind:
    """How an agent of a plan remembers. Who folds it does so with a new mind, and is not hedged."""
    folders: list[Seat] = []
    for candidate in agent.fold.candidates if agent.fold is not None else ():
        seat = Seat(program, replace(candidate, policy=replace(candidate.policy, hedge=None)))
        seat.session = False
        seat.mind = None
        folders.append(seat)
    return Mind(program, agent, tuple(folders))


class Recall:
    """What a granted task knows of its session: its key (empty: of the run), version, and tokens."""

    __slots__ = ("handed", "key", "room", "tokens", "usage", "version")

    def __init__(self, key: str, version: int, tokens: int, room: int) -> None:
        self.key = key
        self.version = version
        self.tokens = tokens
        self.room = room
        self.handed = tokens if room < 0 else min(tokens, room)
        self.usage: int | None = None


def newest(turns: list[list[Any]], room: int) -> list[list[Any]]:
    """The newest turns ([inputs, output, tokens, folded]) that fit into `room` tokens; all if it is negative."""
    if room < 0:
        return turns
    kept = len(turns)
    while kept and turns[kept - 1][2] <= room:
        kept -= 1
        room -= turns[kept][2]
    return turns[kept:]


def turns_of_run(kernel: Kernel, agent: str) -> list[list[Any]]:
    """The history of a session of the run."""
    found: list[list[Any]] = kernel.histories.get(agent, [])
    return found


def outgrown(task: Task, seat: Seat, event: TaskEnrolled) -> bool:
    """Recall the session of a task that was granted; whether it must wait for a fold first, or has failed."""
    mind = seat.mind
    assert mind is not None
    kernel = task.kernel
    key = next((key for agent, _, key in task.sessions if agent == seat.agent), None)
    version, tokens = event.version, event.tokens
    if key == "":
        tokens = sum(turn[2] for turn in turns_of_run(kernel, seat.agent))
    room = -1
    if mind.context is not None:
        inputs = _tokens(kernel.program.contracts[task.asking.contract].encode_inputs(task.inputs))
        left = mind.context - inputs
        if left < 0:
            task.unasked()
            size = f"{inputs:,} tokens for a context of {mind.context:,}"
            task._exhausted(Failure("context", f"{task.path()}: its inputs take about {size}", task.path()))  # noqa: SLF001
            return True
        if tokens > left:
            if mind.folding is not None:
                _fold(task, mind, key or "")
                return True
            kernel.decide("leaves out", f"the oldest of about {tokens:,} tokens of history; {left:,} fit")
            room = left
    task.recall = Recall(key, version, tokens, room) if key is not None else None
    return False


def _fold(task: Task, mind: Mind, key: str) -> None:
    kernel = task.kernel
    task.unasked()
    task.folds += 1
    if task.folds > FOLDS_MAX:
        message = f"{task.path()}: its session was folded {FOLDS_MAX} times, and is too large for its context still"
        task._exhausted(Failure("context", message, task.path()))  # noqa: SLF001
        return
    task.state = FOLDING
    kernel.decide("folds", key or mind.agent)
    kernel.fold(task, Folder(kernel, task), mind, key, _ORDINAL + (task.attempt << 8) + task.folds)


Owning: TypeAlias = "Folder"
"""Who waits for a fold."""


class Folder:
    """Who owns a fold: it stands between the task that waits for it and the fold's own."""

    __slots__ = ("kernel", "task")

    def __init__(self, kernel: Kernel, task: Task) -> None:
        self.kernel = kernel
        self.task = task

    def path(self) -> str:
        """The path that that of the fold begins with."""
        return self.task.path()

    def key(self) -> int:
        """The key that that of the fold is mixed from."""
        return self.task.key()

    def env(self, child: Activity) -> FrameLike:
        """The block that the task stands in."""
        return child.frame

    def adopt(self, child: Activity) -> None:
        """Keep it until it has ended."""
        self.task.fold = child

    def child_done(self, child: Activity, value: Any) -> None:
        """The summary stands for the turns: ask again."""
        self.task.fold = None
        self.task.fund()

    def child_skipped(self, child: Activity) -> None:
        """A fold has no chain that could skip it."""
        raise AssertionError("a fold was skipped")

    def child_failed(self, child: Activity, failure: Failure) -> None:
        """Nobody could summarize it: the task cannot be done."""
        task = self.task
        task.fold = None
        message = f"{task.path()}: its session outgrew its context and could not be folded: {failure.message}"
        task._exhausted(Failure("context", message, task.path()))  # noqa: SLF001

    def child_stopped(self, child: Activity) -> None:
        """It was stopped with the task."""
        self.task.fold = None


def keep(task: Task, seat: Seat, output: Any) -> None:
    """A verified output becomes a turn of the session."""
    kernel = task.kernel
    mind, recall = seat.mind, task.recall
    assert mind is not None
    assert recall is not None
    inputs = kernel.program.contracts[task.asking.contract].encode_inputs(task.inputs)
    tokens = 0
    if mind.persistent or mind.context is not None:
        used = recall.usage
        tokens = max(1, used - recall.handed) if used is not None else _tokens([inputs, output])
    if recall.key:
        kernel.out.append(KeepTurn(task.place, recall.key, recall.version, inputs, output, tokens))
    else:
        # A list of its own: attempts that were sent hold the one before.
        kernel.histories[seat.agent] = [*turns_of_run(kernel, seat.agent), [inputs, output, tokens, 0]]


def summarize(task: Task, mind: Mind, key: str, version: int, output: Any, used: int | None) -> None:
    """A verified summary takes the place of all turns."""
    kernel = task.kernel
    tokens = used if used is not None else _tokens(output)
    if key:
        kernel.out.append(KeepTurn(task.place, key, version, None, output, tokens))
        return
    folded = sum(turn[3] or 1 for turn in turns_of_run(kernel, mind.agent))
    kernel.histories[mind.agent] = [[None, output, tokens, folded]]


def _tokens(value: Any) -> int:
    return -(-len(canonical_json(value)) // _CHARACTERS)
