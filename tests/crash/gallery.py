"""Specs of the gallery that do something in the world, as runs that can be crashed: their inputs and their clocks."""

import json
import re
from dataclasses import dataclass, field
from pathlib import Path

SPECS = Path(__file__).resolve().parents[2] / "specs"
QUICK = "latency = fixed(40s)"


@dataclass(frozen=True)
class Play:
    """A spec to run: its inputs, the speed of its clock, whose latency is shortened, what else is made different."""

    spec: str
    given: dict
    flow: str
    speed: int = 200
    quick: tuple = ()
    seed: int = 3
    also: dict = field(default_factory=dict)

    def write(self, folder):
        """A copy of the spec with patient people made quick; the rest of it is as it stands."""
        text = (SPECS / f"{self.spec}.orch").read_text("utf-8")
        for name in self.quick:
            text, count = re.subn(
                rf"(profile {name}\s*\{{\s*)latency = \w+\([^)]*\)(\s+never = \d+%)?", rf"\1{QUICK}", text
            )
            assert count == 1, (self.spec, name)
        for old, new in self.also.items():
            assert old in text, (self.spec, old)
            text = text.replace(old, new)
        path = folder / f"{self.spec}.orch"
        path.write_text(text, "utf-8")
        return path

    def arguments(self, spec, store):
        """What `orch` is asked."""
        return [
            *("run", str(spec), "--flow", self.flow, "--input", json.dumps(self.given), "--stand-ins"),
            *("--speed", str(self.speed), "--seed", str(self.seed), "--run-id", "r", "--store", str(store), "--json"),
        ]


TRIP = {"id": "t-1", "city": "Rome"}
HOLIDAY = {"id": "t-1", "from": "Bern", "to": "Rome", "price": "420.00"}
INVOICE = {"id": "i-1", "supplier": "Acme", "amount": "120.00"}
PLAYS = {
    "refund": Play("refund", {"order": {"id": "o-1", "item": "kettle", "price": "39.00"}}, "purchase"),
    "refund, undone": Play(
        "refund",
        {"order": {"id": "o-1", "item": "kettle", "price": "39.00"}},
        "purchase",
        also={"p95: 12s)  failure = 4%": "p95: 12s)  failure = 100%"},
    ),
    "booking": Play("booking", {"trip": TRIP}, "travel", quick=("traveller",)),
    "booking, reverted": Play(
        "booking", {"trip": TRIP}, "travel", quick=("traveller",), also={"chance(70%)": "chance(0%)"}
    ),
    "transfer": Play("transfer", {"order": {"id": "t-1", "to": "acme", "amount": "900.00"}}, "pay_out"),
    "letter": Play("letter", {"claim": "c-1"}, "settle", quick=("clerk",)),
    "holiday": Play("holiday", {"trip": HOLIDAY}, "book", quick=("traveller",)),
    "holiday, unwanted": Play(
        "holiday", {"trip": HOLIDAY}, "book", quick=("traveller",), also={"chance(80%)": "chance(0%)"}
    ),
    "refunding": Play(
        "refunding",
        {"ticket": {"id": "k-1", "text": "It broke.", "paid": "20.00"}},
        "desk",
        quick=("lead",),
        also={"refund: 30%, note: 80%": "refund: 100%, note: 100%"},
    ),
    "refunding, taken back": Play(
        "refunding",
        {"ticket": {"id": "k-1", "text": "It broke.", "paid": "20.00"}},
        "desk",
        quick=("lead",),
        also={"refund: 30%, note: 80%": "refund: 100%, note: 100%", "chance(85%)": "chance(0%)"},
    ),
    "payment": Play("payment", {"order": {"id": "A-1", "total": "20.00"}}, "sell", quick=("paid", "clerk")),
    "support": Play(
        "support",
        {"ticket": {"id": "k-1", "customer": "ann", "text": "It broke."}},
        "support",
        also={"uniform(0.3, 1.0)": "uniform(0.3, 0.5)"},
    ),
    "newsroom": Play("newsroom", {"topic": "rain"}, "newsroom"),
    "subscription": Play(
        "subscription",
        {"customer": "ann", "plan": {"name": "small", "price": "5.00"}},
        "subscription",
        also={"visits = 12": "visits = 2", "wait 30d": "wait 60s", "exponential(mean: 90d)  never = 70%": "fixed(80s)"},
    ),
    "approval": Play("approval", {"invoice": INVOICE}, "payables", quick=("manager",)),
}
