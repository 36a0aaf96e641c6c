"""A fold: the task that summarizes a session, see `sessions`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from orchspec.runtime.kernel.frames import Failure
from orchspec.runtime.kernel.sessions import Mind, Owning, summarize, turns_of_run
from orchspec.runtime.kernel.tasks import Task
from orchspec.runtime.kernel.values import InvalidValue

if TYPE_CHECKING:
    from orchspec.runtime.kernel.events import TaskEnrolled, TaskFulfilled
    from orchspec.runtime.kernel.program import Seat

__all__ = ["FoldTask", "fold_task"]


class FoldTask(Task):
    """Takes the session of somebody else, together with whoever summarizes it; its inputs are what it finds there."""

    __slots__ = ("mind", "of", "used", "version")

    mind: Mind
    of: str
    used: int | None
    version: int

    def start(self) -> None:
        """Its inputs are not there before the session is."""
        self.kernel.tasks_open += 1
        self.fund()

    def _sessions(self, seats: list[Seat]) -> tuple[tuple[str, str, str], ...]:
        lock = self.mind.lock(self.kernel.run, self.of)
        return tuple([(seat.agent, lock, self.of) for seat in seats])

    def enrolled(self, event: TaskEnrolled) -> None:
        """The session is ours: hand over its turns as they are now."""
        kernel, mind = self.kernel, self.mind
        history: list[Any] = event.history or [] if self.of else turns_of_run(kernel, mind.agent)
        codec = kernel.program.contracts[self.asking.contract]
        self.version = event.version
        self.reads = event.tokens if self.of else sum(turn[2] for turn in history)
        try:
            self.inputs = codec.decode_inputs(mind.summary_inputs(history))
        except InvalidValue as error:
            self.unasked()
            self._exhausted(Failure("bad_input", f"{self.path()}: {error}", self.path()))
            return
        Task.enrolled(self, event)

    def fulfilled(self, event: TaskFulfilled) -> None:
        """What was written is what the summary takes."""
        self.used = event.tokens_out
        Task.fulfilled(self, event)

    def _keep(self, output: Any) -> None:
        summarize(self, self.mind, self.of, self.version, output, self.used)


def fold_task(task: Task, owner: Owning, mind: Mind, key: str, ordinal: int) -> FoldTask:
    """The fold that a task waits for, of the session of this key (empty: of the run)."""
    assert mind.folding is not None
    fold = FoldTask(task.frame, task.op, owner, 0, ordinal, "!fold", mind.folding, [])
    fold.account = task.account
    fold.mind = mind
    fold.of = key
    fold.version = 0
    fold.used = None
    return fold
