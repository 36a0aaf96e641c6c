"""Messages on channels: posted by flows and by agents at work, bound to one task of each receiver.

Rules. A message belongs to its run. It waits for the next task that its receiver is granted, is bound to that task, and
is handed over with each of its attempts and re-sends. Where a retry goes to somebody else, what the first one had goes
back to their next task: nobody reads the mail of others. Who sends a message gets none of it.

What an agent says is durable before it is acknowledged. An attempt that is sent again after a crash, or made again
after a failure, may say the same once more: a task says each thing once, however often it is tried.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Final

from orchspec.compiler.plan import canonical_json
from orchspec.runtime.kernel.commands import AnswerCall
from orchspec.runtime.kernel.expressions import Compiled, ExpressionError, compile_expr
from orchspec.runtime.kernel.frames import Failure, Frame
from orchspec.runtime.kernel.program import Op, Program, op_for
from orchspec.runtime.kernel.values import InvalidValue

if TYPE_CHECKING:
    from orchspec.compiler.plan import Channel, Send
    from orchspec.runtime.kernel.events import MessagePosted
    from orchspec.runtime.kernel.kernel import Kernel
    from orchspec.runtime.kernel.seeking import Seeking

__all__ = ["INBOX_MAX", "POSTS_MAX", "SendOp", "bind", "post"]

INBOX_MAX: Final = 1_000
"""So many messages wait for one receiver; of more, the oldest are dropped."""
POSTS_MAX: Final = 1_000
"""So many messages may one attempt send."""


@op_for("send")
class SendOp(Op):
    """`send channel(args)` of a flow."""

    __slots__ = ("args", "channel", "sender")

    def __init__(self, program: Program, statement: Send, index: int) -> None:
        Op.__init__(self, program, statement, index)
        self.channel = statement.channel
        self.sender = statement.sender
        self.args: list[Compiled] = [compile_expr(arg) for arg in statement.args]

    def start(self, frame: Frame) -> None:
        """Post the message; what stands below goes on."""
        kernel = frame.kernel
        channel = kernel.program.plan.channels[self.channel]
        try:
            values = kernel.program.codecs.channel(self.channel).encode([arg(frame) for arg in self.args])
        except ExpressionError as error:
            frame.fail(frame.evaluate_failure(self, error))
            return
        except InvalidValue as refused:
            path = f"{frame.path()}/{self.channel}".strip("/")
            frame.fail(Failure("bad_input", f"send {self.channel}: {refused}", path))
            return
        _deliver(kernel, channel, self.sender, values)
        frame.settle(self, None)


def _deliver(kernel: Kernel, channel: Channel, sender: str, values: dict[str, Any]) -> None:
    kernel.decide("message", f"{sender} on {channel.name}")
    message = [channel.name, sender, values]
    for receiver in channel.receivers:
        if receiver == sender:
            continue
        waiting = kernel.mail.setdefault(receiver, [])
        waiting.append(message)
        if len(waiting) > INBOX_MAX:
            del waiting[0]
            kernel.decide("message dropped", receiver)


def bind(task: Seeking, agent: str) -> None:
    """The task has been granted `agent`: what waits for them is theirs to read in it, from now on."""
    mail = task.kernel.mail
    held = task.inbox
    if held is not None and held[0] != agent:
        mail[held[0]] = [*held[1], *mail.get(held[0], ())]
        held = task.inbox = None
    waiting = mail.pop(agent, None)
    if waiting:
        task.inbox = [agent, [*held[1], *waiting] if held is not None else waiting]


def post(task: Seeking, event: MessagePosted) -> None:
    """An agent at work posts a message: deliver it unless this task has said it already, and acknowledge it."""
    kernel = task.kernel
    problem: str | None = None
    if task.posted is None or task.posted[0] != event.attempt or task.posted[1] != event.dispatch:
        # [attempt, dispatch, how many it has sent, of each message: how often], and what the whole task has said
        said = task.posted[4] if task.posted is not None else {}
        task.posted = [event.attempt, event.dispatch, 0, {}, said]
    posted = task.posted
    posted[2] += 1
    try:
        _say(task, event, posted)
    except InvalidValue as error:
        problem = str(error)
    if problem is not None:
        kernel.decide("message refused", problem)
    kernel.out.append(AnswerCall(event.place, event.attempt, event.dispatch, event.call, problem))


def _say(task: Seeking, event: MessagePosted, posted: list[Any]) -> None:
    kernel = task.kernel
    assert task.seat is not None
    agent = task.seat.agent
    channel = kernel.program.plan.channels.get(event.channel)
    if channel is None or agent not in channel.senders:
        raise InvalidValue("", f"a channel that {agent} may send on", event.channel[:60])
    if posted[2] > POSTS_MAX:
        raise InvalidValue("", f"at most {POSTS_MAX} messages of one attempt", "more")
    codec = kernel.program.codecs.channel(event.channel)
    values = codec.encode(codec.decode(event.args))
    name = hashlib.sha256(canonical_json([event.channel, values]).encode()).hexdigest()
    times, said = posted[3], posted[4]
    times[name] = times.get(name, 0) + 1
    if times[name] > said.get(name, 0):
        said[name] = times[name]
        _deliver(kernel, channel, agent, values)
