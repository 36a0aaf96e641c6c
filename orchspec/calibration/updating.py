"""Profiles put into a spec: what is fitted takes the place of what stood there, everything else stays as it is."""

from __future__ import annotations

from collections.abc import Sequence

from orchspec.calibration.evidence import NotCalibrated
from orchspec.calibration.profiles import FittedProfile
from orchspec.calibration.writing import attributes_of, block
from orchspec.grammar import syntax
from orchspec.grammar.format import format_source
from orchspec.grammar.parser import parse
from orchspec.grammar.render import render_all
from orchspec.grammar.source import Source

__all__ = ["formatted", "updated"]


def updated(source: Source, profiles: Sequence[FittedProfile]) -> str:
    """The text of a spec with these profiles, formatted.

    Of a target that has a profile there, the attributes that were fitted are replaced or added; others, such as
    `output`, stay, and so do comments. Other targets get a block at the end.

    Raises NotCalibrated for a spec with errors of syntax.
    """
    result = parse(source)
    if result.file is None or not result.file.sound:
        raise NotCalibrated(f"{source.name} has errors, so it is left as it is:\n{render_all(result.diagnostics)}")
    there = {
        declaration.target.text: declaration
        for declaration in result.file.declarations
        if isinstance(declaration, syntax.ProfileDecl)
    }
    edits: list[tuple[int, int, str]] = []
    blocks = []
    for profile in profiles:
        declaration = there.get(profile.target)
        if declaration is None:
            blocks.append(block(profile))
        else:
            edits += _edits(source, declaration, profile)
    text = source.text
    for start, end, new in sorted(edits, reverse=True):
        text = text[:start] + new + text[end:]
    if blocks:
        text = text.rstrip("\n") + "\n\n" + "\n\n".join(blocks) + "\n"
    return formatted(text, source.name)


def _edits(source: Source, declaration: syntax.ProfileDecl, profile: FittedProfile) -> list[tuple[int, int, str]]:
    values = attributes_of(profile)
    # None was seen in enough tries: a share that stands there is not so, but none need be added.
    none = {name: "0%" for name, share in profile.shares.items() if share.events == 0}
    edits = []
    for setting in declaration.settings:
        name = setting.name.text if isinstance(setting, syntax.Attribute) else ""
        new = values.pop(name, None) or none.get(name)
        if new is not None and isinstance(setting, syntax.Attribute):
            edits.append((setting.value.span.start, setting.value.span.end, new))
    if values:
        brace = source.text.rindex("}", declaration.span.start, declaration.span.end)
        added = "  ".join(f"{name} = {value}" for name, value in values.items())
        # A comment may stand before the brace: then what is added needs a line of its own.
        line = source.text[source.text.rfind("\n", 0, brace) + 1 : brace]
        edits.append((brace, brace, f"{added}\n" if "//" in line or not line.strip() else f" {added} "))
    return edits


def formatted(text: str, name: str) -> str:
    """The text in the one form. Raises NotCalibrated if it is no spec, which is a mistake of ours."""
    after, diagnostics = format_source(Source(name, text))
    if after is None:
        raise NotCalibrated(f"what was written for {name} is no spec, please report it:\n{render_all(diagnostics)}")
    return after
