"""From the text of a spec to its plan, with everything that is wrong with it.

Spec files are untrusted: whatever stands in one, the answer is a plan or diagnostics. Nothing is run, and nothing is
read but the file itself and the heads of data files that lie in its folder or below.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from orchspec.compiler.asked import Asked
from orchspec.compiler.check import check
from orchspec.compiler.plan import Plan
from orchspec.grammar.diagnostics import Diagnostic
from orchspec.grammar.parser import BYTES_MAX
from orchspec.grammar.source import Source
from orchspec.slotted import dataclass

__all__ = ["STANDARD_INPUT", "Compiled", "UnreadableSpec", "check_file", "compile_file", "compile_text"]

STANDARD_INPUT = "-"
"""The name of a text that was read from standard input: it lies in no folder."""


class UnreadableSpec(Exception):
    """A spec file that is missing, may not be read, or is not UTF-8 text; the message says which."""

    code = "unreadable_spec"


@dataclass(frozen=True, slots=True)
class Compiled:
    """What came of a spec.

    `plan` is none when there are errors; `diagnostics` are sorted by their place and hold warnings and advice too;
    `folder` is where the data files that the plan names are found, or none for a text that came from no file.
    """

    plan: Plan | None
    diagnostics: tuple[Diagnostic, ...]
    folder: Path | None

    @property
    def errors(self) -> tuple[Diagnostic, ...]:
        """The diagnostics that stand in the way of a plan."""
        return tuple(diagnostic for diagnostic in self.diagnostics if diagnostic.severity == "error")


def compile_file(path: str | Path, settings: Mapping[str, str] | None = None, asked: Asked | None = None) -> Compiled:
    """Compiles a spec file.

    Args:
        path: of the file; data files and imports are looked for in its folder.
        settings: other values for params and attributes, written as in a spec (`{"width": "8", "scout.slots": "4"}`).
        asked: what is asked of one of its scenarios beside what stands there.

    Raises:
        UnreadableSpec: the file cannot be read as text.
    """
    path = Path(path)
    try:
        with path.open("rb") as stream:
            data = stream.read(BYTES_MAX + 1)
        # One byte too many is enough for the parser to say so; it may be half a character.
        text = data.decode("utf-8-sig", "strict" if len(data) <= BYTES_MAX else "replace")
    except UnicodeDecodeError as error:
        raise UnreadableSpec(f"{path} is not UTF-8 (byte {error.start}); save it as UTF-8") from None
    except (OSError, ValueError) as error:  # ValueError: a null byte in the name
        raise UnreadableSpec(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from error
    return compile_text(text, str(path), settings=settings, folder=path.parent, asked=asked)


def compile_text(
    text: str,
    name: str,
    *,
    settings: Mapping[str, str] | None = None,
    folder: Path | None = None,
    asked: Asked | None = None,
    instead: Mapping[str, str] | None = None,
) -> Compiled:
    """Compiles the text of a spec.

    Args:
        text: of the spec.
        name: shown in diagnostics; its stem is the name of the plan.
        settings: as of `compile_file`.
        folder: where data files are looked for; none when there are none.
        asked: what is asked of one of its scenarios beside what stands there.
        instead: texts of imported files that count for what stands in them, by `Module.identity`.
    """
    result = check(Source(name, text), settings, folder, asked, instead)
    diagnostics = tuple(result.diagnostics)
    if not result.ok:
        return Compiled(None, diagnostics, folder)
    assert result.plan is not None, "a spec without errors has a plan"
    return Compiled(result.plan.sealed(), diagnostics, folder)


def check_file(name: str, text: str) -> tuple[Diagnostic, ...]:
    """All diagnostics of a spec whose text was read already; a `name` of no file (`-`) has no data files beside it."""
    folder = Path(name).parent if name != STANDARD_INPUT else None
    return tuple(check(Source(name, text), folder=folder).diagnostics)
