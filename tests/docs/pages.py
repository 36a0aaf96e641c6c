"""The documents as tests read them: their fences, in order, with what stands after the backticks."""

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
DOCS = ROOT / "docs"

_FENCE = re.compile(
    r"^(?P<indent> *)(?P<ticks>```+)(?P<info>[^\n`]*)\n(?P<text>.*?)^(?P=indent)(?P=ticks) *$", re.MULTILINE | re.DOTALL
)


@dataclass(frozen=True)
class Fence:
    """A code block: `orch`, `python`, `console`, ...; `words` stand after it; `line` is that of its first backtick."""

    page: Path
    line: int
    kind: str
    words: tuple[str, ...]
    text: str

    @property
    def name(self) -> str:
        return f"{self.page.relative_to(ROOT).as_posix()}:{self.line}"

    @property
    def file(self) -> str | None:
        """The file that the block is the text of (`file=hello.orch`)."""
        return next((word.removeprefix("file=") for word in self.words if word.startswith("file=")), None)


def pages() -> list[Path]:
    """README.md and every page below docs/."""
    return [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]


def fences(page: Path) -> list[Fence]:
    """The code blocks of a page."""
    text = page.read_text("utf-8")
    found = []
    for match in _FENCE.finditer(text):
        kind, *words = match["info"].split() or [""]
        indent = len(match["indent"])
        lines = [line[indent:] for line in match["text"].splitlines()]
        found.append(Fence(page, text.count("\n", 0, match.start()) + 1, kind, tuple(words), "\n".join(lines) + "\n"))
    return found
