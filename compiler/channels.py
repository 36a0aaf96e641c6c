"""Channels and `send`: who may say what to whom. What no channel declares is not permitted."""

from __future__ import annotations

from typing import TypeVar

from orchspec.compiler.attributes import Settings
from orchspec.compiler.calls import infer_arguments, match_arguments
from orchspec.compiler.codes import messages as codes
from orchspec.compiler.codes.declarations import DISPATCHER_EXECUTES
from orchspec.compiler.context import Env
from orchspec.compiler.expressions import Typer
from orchspec.compiler.model import AgentInfo, ChannelInfo, FlowInfo, SendInfo
from orchspec.compiler.names import find
from orchspec.compiler.types import NOTHING, Type
from orchspec.grammar.diagnostics import Edit, Fix, Label
from orchspec.grammar.syntax import Call, Expr, ListLit, Name, Node, Send, dotted

__all__ = ["check_channels", "check_send"]

End = TypeVar("End", AgentInfo, AgentInfo | FlowInfo)


def check_channels(typer: Typer) -> None:
    """Checks the ends of all channels."""
    for channel in typer.checked.channels.values():
        _channel(typer, channel)


def _channel(typer: Typer, info: ChannelInfo) -> None:
    settings = Settings(typer, "a channel", info.node.settings, ("from", "to"))
    context = typer.context
    missing = [name for name in ("from", "to") if not settings.has(name)]
    if missing:
        ends = " and ".join(f"`{name}`" for name in missing)
        typer.report.absent(codes.CHANNEL_END, info.node.name, name=info.name, missing=ends)
    sound = not missing
    for item in settings.names("from", "[scout, briefing]"):
        found = find(context, item, AgentInfo, FlowInfo)
        sender = found if isinstance(found, AgentInfo | FlowInfo) else None
        sound = _take(typer, info.senders, sender, item) and sound
        if isinstance(found, AgentInfo) and found.kind == "dispatcher":
            where = Label(found.node.name.span, "declared here")
            what = f"send on `{info.name}`"
            typer.report.add(DISPATCHER_EXECUTES, item, name=found.name, what=what, labels=[where])
    to = settings.expr("to")
    if isinstance(to, Name) and to.text == "all":
        info.receivers = list(context.checked.agents.values())
    elif to is not None:
        if not isinstance(to, ListLit):
            settings.wrong("to", to, "`all`, or a list such as `[scout, editor]`")
            sound = False
        for item in to.items if isinstance(to, ListLit) else ():
            agent = find(context, item, AgentInfo)
            sound = _take(typer, info.receivers, agent, item) and sound
    if any(isinstance(sender, AgentInfo) for sender in info.senders):
        context.used.add(info)  # agents send on it when they see fit
    source = settings.expr("from")
    info.source = source if isinstance(source, ListLit) else None
    if not sound or info.source is None or to is None:
        return
    if not info.senders:
        typer.report.add(codes.EMPTY_END, info.source, name=info.name, what="from nobody")
    elif all(not _reached(info, sender) for sender in info.senders):
        typer.report.add(codes.EMPTY_END, to, name=info.name, what="to nobody but its sender")


def _take(typer: Typer, ends: list[End], found: End | None, item: Expr) -> bool:
    from orchspec.compiler.codes.declarations import REPEATED_IN_LIST

    if found is None:
        return False
    if found in ends:
        typer.report.add(REPEATED_IN_LIST, item, name=found.name)
        return False
    ends.append(found)
    return True


def _reached(info: ChannelInfo, sender: AgentInfo | FlowInfo) -> list[AgentInfo]:
    return [agent for agent in info.receivers if agent is not sender]


def check_send(typer: Typer, node: Send, env: Env, flow: FlowInfo | None) -> Type:
    """Checks a send of a block of `flow`: the channel, whether that flow may send on it, what is said."""
    call = node.message
    if not isinstance(call, Call):
        return NOTHING
    channel = find(typer.context, call.callee, ChannelInfo)
    if channel is None:
        infer_arguments(typer, call, env)
        return NOTHING
    arguments = match_arguments(typer, f"`{channel.name}`", channel.node.name, channel.params, call, env)
    if flow is None:
        return NOTHING
    typer.checked.sends[node] = SendInfo(node, channel, flow, arguments)
    if flow not in channel.senders and channel.source is not None:
        senders = ", ".join(sender.name for sender in channel.senders) or "nobody"
        typer.report.add(
            codes.UNDECLARED_SENDER,
            call.callee,
            sender=flow.name,
            channel=channel.name,
            labels=[Label(channel.source.span, "these may send on it")],
            notes=[f"`{channel.name}` is from {senders}"],
            fix=_permit(channel.source, flow.name),
        )
    return NOTHING


def _permit(source: ListLit, name: str) -> Fix:
    """Adds a sender to the list of a channel."""
    last: Node | None = source.items[-1] if source.items else None
    at = last.span.end if last is not None else source.span.start + 1
    text = f", {name}" if last is not None and dotted(source.items[-1]) else name
    return Fix(f"let `{name}` send on it", (Edit(source.span.source.span(at, at), text),))
