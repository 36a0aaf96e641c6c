"""`orch size`: the least setting under which a scenario meets its target."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal

import click

from orchspec.cli.common import NOT_WELL, UNDECIDED, WELL, Misuse, Terminal, orch_command
from orchspec.cli.files import read_text, write_text
from orchspec.cli.plans import compiler_of, counted, refuse, set_option, settings_of
from orchspec.cli.progress import shown
from orchspec.cli.studying import again, fault_option, study_options
from orchspec.cli.sweeps import parse_sweep

if TYPE_CHECKING:
    from orchspec.simulator.sizing import Sizing

__all__ = ["command"]


@orch_command("size")
@click.argument("file")
@click.argument("scenario", required=False)
@click.option(
    "--for",
    "targets",
    multiple=True,
    metavar="TARGET",
    help='What is to be met, as a scenario expects it: "p95(latency) <= 60s". Several: all of them.  '
    "[default: what the scenario expects]",
)
@click.option(
    "--vary",
    multiple=True,
    metavar="K=A..B",
    help="What may be varied: a param or attribute, and its values; also K=a,b,c. Several: the lightest combination.",
)
@fault_option
@set_option
@click.option(
    "--minimize",
    type=click.Choice(["weight", "cost"]),
    default="weight",
    show_default=True,
    help="The sum of what is varied, or the mean cost of a run (then every setting is tried).",
)
@click.option("--weight", "weights", multiple=True, metavar="K=N", help="What one of K weighs.  [default: 1]")
@study_options(
    runs="Measure so many runs, and look once.",
    seed="Same seed, same answer.",
    charts="Write a chart of what was tried, as PNG and SVG.",
)
def command(
    terminal: Terminal,
    file: str,
    scenario: str | None,
    targets: tuple[str, ...],
    vary: tuple[str, ...],
    faults: tuple[str, ...],
    settings: tuple[str, ...],
    minimize: Literal["weight", "cost"],
    weights: tuple[str, ...],
    report: str | None,
    charts: str | None,
    jobs: int,
    **how: Any,
) -> int:
    """Finds the least setting under which a scenario meets its target.

    Tries settings by bisection, all with the same draws; proves its answer again on fresh seeds. Ends with 1 when no
    setting meets the target, with 4 when it is undecided. An interrupt keeps what is done. FILE may be - for standard
    input.
    """
    from orchspec.api import SpecError
    from orchspec.capacity import NoTarget, find_size
    from orchspec.simulator.study import ScenarioError

    axes = _axes(vary)
    fixed = settings_of(settings)
    for name in axes:
        if name in fixed:
            raise Misuse(f"--set and --vary both give {name}; leave one out")
    compile_ = compiler_of(file, read_text(file))
    try:
        with shown(terminal, "compiling") as bar:
            sizing = find_size(
                compile_,
                scenario,
                targets=targets,
                vary=axes,
                faults=faults,
                settings=fixed,
                minimize=minimize,
                weights=_weights(weights, axes),
                jobs=jobs or None,
                started=lambda chosen: bar.tell(_told(chosen)),
                progress=bar,
                **how,
            )
    except (ScenarioError, NoTarget) as error:
        raise Misuse(str(error), error.code) from None
    except SpecError as error:
        _complain(terminal, file, error)
        return NOT_WELL
    if sizing.interrupted:
        again = "; --resume goes on from there" if how["resume"] is not None else ""
        terminal.say(f"interrupted: {counted(len(sizing.tried) + len(sizing.proofs), 'simulation')} were done{again}")
        if not sizing.tried:
            raise KeyboardInterrupt
    if report is not None and sizing.tried:
        repeated: dict[str, Any] = {"--for": targets, "--vary": vary, "--fault": faults}
        repeated |= {"--set": settings, "--weight": weights}
        repeated |= {"--minimize": minimize if minimize != "weight" else None, "--runs": how["runs"]}
        repeated |= {"--seed": how["seed"], "--queue-max": how["queue_max"]}
        _report(terminal, file, compile_, fixed, sizing, report, repeated)
    _show(terminal, sizing, charts)
    return {"met": WELL, "not_met": NOT_WELL, "undecided": UNDECIDED}[sizing.verdict]


def _axes(vary: Iterable[str]) -> dict[str, list[str]]:
    import math

    from orchspec.simulator.least import POINTS_MAX

    axes: dict[str, list[str]] = {}
    for one in vary:
        name, values = parse_sweep(one, "--vary")
        if name in axes:
            raise Misuse(f"--vary gives {name} twice; list all of its values in one")
        axes[name] = values
    if not axes:
        raise Misuse("say what may be varied, for example --vary scout.slots=1..40")
    count = math.prod(len(values) for values in axes.values())
    if count > POINTS_MAX:
        raise Misuse(f"--vary makes {count:,} settings, at most {POINTS_MAX:,} are searched; list fewer values")
    return axes


def _weights(written: Iterable[str], axes: Mapping[str, object]) -> dict[str, float]:
    found: dict[str, float] = {}
    for one in written:
        name, _, value = (part.strip() for part in one.partition("="))
        try:
            number = float(value)
        except ValueError:
            number = -1.0
        if name not in axes or not 0.0 < number < float("inf"):
            known = ", ".join(axes)
            raise Misuse(f"--weight takes NAME=NUMBER above 0, NAME one of {known}; found {one!r}")
        found[name] = number
    return found


def _told(settings: Mapping[str, str]) -> str:
    return ", ".join(f"{name}={value}" for name, value in settings.items())


def _complain(terminal: Terminal, file: str, error: Any) -> None:
    """A target that is no expectation is misuse; whatever else has errors is told as `orch check` does."""
    from orchspec.compiler.load import Compiled

    compiled = Compiled(None, error.diagnostics, None)
    asked = [each for each in compiled.errors if each.span.source.name in {"--for", "--fault"}]
    if asked:
        from orchspec.grammar.render import render_all

        told = render_all(asked, colour=terminal.colored(err=True)).rstrip("\n")
        raise Misuse(f"what is asked for is not what a scenario can say\n{told}", "bad_target")
    refuse(terminal, file, compiled)


def _report(
    terminal: Terminal,
    file: str,
    compile_: Callable[..., Any],
    fixed: Mapping[str, str],
    sizing: Sizing,
    report: str,
    repeated: Mapping[str, Any],
) -> None:
    """Write the page; the flow on it is that of the answer, or of the first that was tried."""
    from orchspec.capacity import compiled_plan
    from orchspec.cli.leavings import origin_of
    from orchspec.compiler.asked import Asked
    from orchspec.simulator.size_report import render_sizing
    from orchspec.simulator.study import find_scenario

    point = sizing.answer if sizing.answer is not None else next(iter(sizing.tried))
    name = sizing.subject["scenario"]
    plan = compiled_plan(compile_({**fixed, **sizing.settings(point)}, Asked(name)))
    origin = origin_of(file, plan, find_scenario(plan, name), again(("size", file, name), repeated))
    write_text(report, render_sizing(sizing, origin=origin))
    terminal.say(f"{report}: the report")


def _show(terminal: Terminal, sizing: Sizing, charts: str | None) -> None:
    if charts is not None and sizing.tried:
        from orchspec.cli.pictures import save_charts
        from orchspec.simulator.size_charts import size_charts

        save_charts(terminal, charts, size_charts(sizing))
    if terminal.json:
        terminal.document(sizing.document())
        return
    from orchspec.simulator.size_table import print_sizing

    print_sizing(sizing, terminal.console())
