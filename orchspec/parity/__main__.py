"""`python -m orchspec.parity SPEC…`: the whole search, which goes on where it was interrupted."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from orchspec.compiler import compile_file
from orchspec.parity.search import PARTS, Asked, Log, Part, parts_of, stories_of

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["main"]


@click.command()
@click.argument("specs", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--log", type=click.Path(dir_okay=False, path_type=Path), help="Keeps what is done; a rerun goes on.")
@click.option("--part", "parts", multiple=True, type=click.Choice(list(PARTS)), help="Only this part; may be repeated.")
@click.option("--kind", "kinds", multiple=True, metavar="FAULT", help="Only schedules with this fault; repeatable.")
@click.option("--at-most", type=click.IntRange(1), help="So many of each flow and part, drawn.")
@click.option("--drawn", default=100, show_default=True, type=click.IntRange(1), help="Schedules drawn of each flow.")
@click.option("--seed", default=1, show_default=True, type=int, help="Of what is drawn.")
@click.option("--any-code", is_flag=True, help="What the log has from other code counts, too.")
@click.option("--table", is_flag=True, help="Compare nothing: a table of what the log has.")
def main(
    specs: tuple[Path, ...],
    log: Path | None,
    parts: tuple[str, ...],
    kinds: tuple[str, ...],
    at_most: int | None,
    drawn: int,
    seed: int,
    any_code: bool,
    table: bool,
) -> None:
    """Plays schedules of faults to the simulator and to the real engine; their journals must agree.

    Ends with 0 where nothing differed, with 1 where something did, and says what.
    """
    asked = Asked(parts or tuple(PARTS), frozenset(kinds), at_most, drawn, seed)
    kept = Log(log, any_code)
    found = sorted(_parts(specs, asked), key=lambda part: len(part.schedules))
    try:
        bad = 0 if table else sum(_compare(part, kept) for part in found)
    except KeyboardInterrupt:
        click.echo("interrupted" + (f"; the same command goes on from {log}" if log is not None else ""), err=True)
        sys.exit(130)
    _print(found, kept)
    sys.exit(1 if bad else 0)


def _parts(specs: Iterable[Path], asked: Asked) -> list[Part]:
    found: list[Part] = []
    for path in specs:
        plan = compile_file(path).plan
        if plan is None:
            raise click.UsageError(f"{path} has errors; `orch check` names them")
        for story in stories_of(path.stem, plan, path.parent, asked.seed):
            found.extend(parts_of(story, asked))
    return found


def _compare(part: Part, kept: Log) -> int:
    """Compare what was not compared yet; returns how many differ."""
    differing = 0
    for faults in part.schedules.values():
        known, found = kept.find(part, faults)
        if not known:
            found = part.story.differs(faults)
            kept.put(part, faults, found)
        if found is not None:
            differing += 1
            _, flow, name, lines = part.story.spec, part.story.flow, part.name, [fault.name for fault in faults]
            click.echo(f"{part.story.spec} {flow} {name} {lines}: {found}", err=True)
    click.echo(f"{part.story.spec} {part.story.flow} {part.name}: {len(part.schedules)}, {differing} differ", err=True)
    return differing


def _print(found: list[Part], kept: Log) -> None:
    """By spec, how many of how many were compared."""
    names = list(dict.fromkeys(name for name in PARTS for part in found if part.name == name))
    rows: dict[str, dict[str, list[int]]] = {}
    for part in found:
        sums = rows.setdefault(part.story.spec, {}).setdefault(part.name, [0, 0, 0])
        results = [kept.find(part, faults) for faults in part.schedules.values()]
        sums[0] += sum(known for known, _ in results)
        sums[1] += part.all
        sums[2] += sum(differs is not None for _, differs in results)
    click.echo("| spec | " + " | ".join(names) + " | differ |")
    click.echo("|---" * (len(names) + 2) + "|")
    total = {name: [0, 0, 0] for name in names}
    for spec, of in sorted(rows.items()):
        for name, sums in of.items():
            total[name] = [one + other for one, other in zip(total[name], sums, strict=True)]
        click.echo(_row(spec, of, names))
    click.echo(_row("all", total, names))


def _row(title: str, of: dict[str, list[int]], names: list[str]) -> str:
    cells = [f"{of[name][0]:,} of {of[name][1]:,}" if name in of else "" for name in names]
    return "| " + " | ".join([title, *cells, str(sum(each[2] for each in of.values()))]) + " |"


if __name__ == "__main__":
    main()
