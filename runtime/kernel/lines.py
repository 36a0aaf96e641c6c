"""A command as one line of a journal: what tells it apart, and what folding must reproduce of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from orchspec.runtime.kernel.commands import (
    AnswerCall,
    ArmTimer,
    AskPerson,
    AwaitSignal,
    CheckEffect,
    ClaimEffect,
    Command,
    DropTimer,
    EndRun,
    HoldGrant,
    KeepReuse,
    KeepTurn,
    LookupReuse,
    ReleaseGrant,
    RequestGrant,
    RunTask,
    SettleEffect,
    StopTask,
    TryEffect,
    WithdrawSignal,
)

__all__ = ["LINES", "command_text"]


def _of_send(name: str, command: TryEffect | CheckEffect) -> str:
    return f"{name} {command.target_key[:16]} {command.attempt}.{command.dispatch}"


def _of_answer(command: AnswerCall) -> str:
    well = "done" if command.problem is None else "refused"
    return f"{command.attempt}.{command.dispatch} {command.call} {well}"


def _of_draws(draws: tuple[tuple[str, int], ...]) -> str:
    return "".join([f" {model}:{tokens}" for model, tokens in draws])


def _requested(command: RequestGrant, place: str) -> str:
    line = f"RequestGrant {place} {command.attempt} {','.join(command.candidates)}"
    return line + _of_draws(command.draws) if command.draws else line


def _held(command: HoldGrant, place: str) -> str:
    line = f"HoldGrant {place} {command.attempt} {command.agent}"
    return line + _of_draws(command.draws) if command.draws else line


def _released(command: ReleaseGrant, place: str) -> str:
    line = f"ReleaseGrant {place} {command.attempt} {command.outcome}"
    return line if command.used is None else f"{line} {command.used} tokens"


LINES: Final[dict[type[Command], Callable[[Any, str], str]]] = {
    RequestGrant: _requested,
    HoldGrant: _held,
    ReleaseGrant: _released,
    RunTask: lambda command, place: f"RunTask {place} {command.agent} {command.attempt}.{command.dispatch}",
    AskPerson: lambda command, place: f"AskPerson {place} {command.agent} {command.attempt}.{command.dispatch}",
    StopTask: lambda command, place: f"StopTask {place} {command.agent} {command.attempt}.{command.dispatch}",
    AnswerCall: lambda command, place: f"AnswerCall {place} {_of_answer(command)}",
    AwaitSignal: lambda command, place: f"AwaitSignal {place} {command.signal} {command.key[:16]}",
    WithdrawSignal: lambda command, place: f"WithdrawSignal {place} {command.signal} {command.key[:16]}",
    ClaimEffect: lambda command, place: f"ClaimEffect {place} {command.effect} {command.key[:16]}",
    SettleEffect: lambda command, place: f"SettleEffect {place} {command.effect} {command.key[:16]}",
    TryEffect: lambda command, place: f"TryEffect {place} {_of_send(command.effect, command)}",
    CheckEffect: lambda command, place: f"CheckEffect {place} {_of_send(command.check, command)}",
    ArmTimer: lambda command, place: f"ArmTimer {place} {command.timer} {command.at_us}",
    DropTimer: lambda command, place: f"DropTimer {place} {command.timer}",
    LookupReuse: lambda command, place: f"LookupReuse {place} {command.key[:16]}",
    KeepReuse: lambda command, place: f"KeepReuse {place} {command.key[:16]}",
    KeepTurn: lambda command, place: f"KeepTurn {place} {command.session} {command.version}",
    EndRun: lambda command, _place: f"EndRun {command.status}",
}
"""By the kind of a command: its line, of the path of its place."""


def command_text(command: Command, place: str) -> str:
    """One line that tells the command apart in a journal.

    Its name, the place's path, and what a folding must reproduce.
    """
    return LINES[type(command)](command, place)
