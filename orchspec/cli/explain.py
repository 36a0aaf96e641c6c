"""`orch explain`: what a diagnostic code means."""

from __future__ import annotations

import string
from typing import TYPE_CHECKING, Any

import click

from orchspec.cli.common import WELL, Misuse, Terminal, did_you_mean, orch_command

if TYPE_CHECKING:
    from orchspec.grammar.diagnostics import Code

__all__ = ["command"]


@orch_command("explain")
@click.argument("code", required=False)
def command(terminal: Terminal, code: str | None) -> int:
    """Says what a diagnostic code means, with a bad and a good example.

    CODE is what a report shows in brackets (E0101), or its name; that of a family (E01, syntax) lists the family.
    Without it, all codes are listed.
    """
    codes = _all_codes()
    if code is None:
        _list(terminal, codes)
        return WELL
    family = [each for each in codes if code.lower() == _family(each)[0] or code.upper() == each.id[:3]]
    if family:
        _list(terminal, family)
        return WELL
    found = next((each for each in codes if code.upper() == each.id or code.lower() == each.slug), None)
    if found is None:
        names = [name for each in codes for name in (each.id, each.slug, _family(each)[0])]
        hint = did_you_mean(code, names) or "; orch explain lists them all"
        raise Misuse(f"there is no diagnostic code {code}{hint}", "unknown_code")
    if terminal.json:
        terminal.document(_as_json(found))
    else:
        terminal.out(_as_text(found))
    return WELL


def _family(code: Code) -> tuple[str, str]:
    from orchspec.compiler.codes.families import FAMILIES

    return FAMILIES[code.id[1:3]]


def _list(terminal: Terminal, codes: list[Code]) -> None:
    """The codes below the titles of their families."""
    if terminal.json:
        terminal.document([_as_json(each) for each in codes])
        return
    lines: list[str] = []
    title = ""
    for each in codes:
        name, about = _family(each)
        if about != title:
            title = about
            lines += ["", click.style(f"{about} ({name})", bold=True)]
        lines.append(f"{each.id}  {each.severity:<7}  {each.slug}")
    terminal.out("\n".join(lines[1:]))


def _all_codes() -> list[Code]:
    import orchspec.compiler.codes
    import orchspec.grammar.codes  # noqa: F401 - both declare their codes when imported
    from orchspec.grammar.diagnostics import all_codes

    return list(all_codes())


def _as_json(code: Code) -> dict[str, Any]:
    return {
        "code": code.id,
        "slug": code.slug,
        "severity": code.severity,
        "summary": code.summary,
        "explanation": code.explanation,
        "bad": code.bad,
        "good": code.good,
    }


def _as_text(code: Code) -> str:
    # What a report fills in is shown by its name: {found!r} as <found>.
    pieces = string.Formatter().parse(code.summary)
    summary = "".join(literal + (f"<{name}>" if name else "") for literal, name, _, _ in pieces)
    parts = [
        click.style(f"{code.severity}[{code.id}] {code.slug}", bold=True),
        summary,
        code.explanation,
        click.style("refused:" if code.severity == "error" else "reported:", bold=True) + "\n" + _indent(code.bad),
        click.style("instead:", bold=True) + "\n" + _indent(code.good),
    ]
    return "\n\n".join(part for part in parts if part.strip())


def _indent(sample: str) -> str:
    return "\n".join(f"    {line}".rstrip() for line in sample.splitlines())
