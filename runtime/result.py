"""How a run stands when nothing of it is under way any more: the document of `orch run --json`."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from orchspec.runtime.journal.records import RunRow
    from orchspec.runtime.kernel.kernel import Kernel

__all__ = ["RunResult", "result_of", "usd_text"]

_PICO = 10**12


@dataclass(frozen=True, slots=True)
class RunResult:
    """How a run ended, or that it is parked on a person.

    Attributes:
        run: its name.
        status: completed, failed, parked, cancelled or budget_exhausted.
        result: what the flow returned, JSON of the edge; None unless completed.
        error: None, or `{"code", "message", "step"}`.
        cost_usd: what was spent, US dollars as a decimal text.
        tokens: how many were charged.
        steps: tasks fulfilled, effects confirmed and arbitrations decided.
        reserved_usd: how much of `cost_usd` is what had been reserved for attempts that did not say what they used; not
            in the document of `orch run --json`.
    """

    run: str
    status: str
    result: Any
    error: dict[str, Any] | None
    cost_usd: str
    tokens: int
    steps: int
    reserved_usd: str = "0"

    def as_json(self) -> dict[str, Any]:
        """The fields of the document by name."""
        return {name: value for name, value in asdict(self).items() if name != "reserved_usd"}


def result_of(row: RunRow, kernel: Kernel) -> RunResult:
    """The result of a run, from its row and its kernel as it was last."""
    account = kernel.account
    pico, tokens = (account.charged_pico, account.charged_tokens) if account is not None else (0, 0)
    reserved = usd_text(account.estimated_pico) if account is not None else "0"
    return RunResult(row.run, row.status, row.result, row.error, usd_text(pico), tokens, kernel.steps, reserved)


def usd_text(pico: int) -> str:
    """Pico-dollars as a decimal text of US dollars, without zeros at its end."""
    sign, pico = ("-", -pico) if pico < 0 else ("", pico)
    whole, places = divmod(pico, _PICO)
    return f"{sign}{whole}" + (f".{places:012d}".rstrip("0") if places else "")
