"""One self-contained HTML page: no script, no request, light and dark, readable on a phone.

`page` takes sections of HTML that the helpers here make; they escape whatever they are given, so that a name in a
specification or the output of an agent stays text. A content security policy in the page forbids scripts and requests
as a second fence.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Mapping, Sequence

from orchspec.simulator.drawing import DARK, LIGHT, PHONE, Chart, variables

__all__ = [
    "alarm",
    "badge",
    "cards",
    "command",
    "definitions",
    "details",
    "drawing",
    "escape",
    "figure",
    "found",
    "note",
    "page",
    "paragraph",
    "preformatted",
    "table",
    "toned",
    "verdicts",
]

#: Verdicts and states by how they are coloured; everything else is neutral.
_GOOD = frozenset({"passed", "completed", "ok", "held"})
_BAD = frozenset({"failed", "broken", "error"})

_STYLE = """
:root { color-scheme: light dark; --paper: #ffffff; --card: #f6f8fa; --ink: #1b1f24; --muted: #5c6670; --line: #dde2e7;
  --good: #00664b; --good-paper: #dff3ec; --bad: #a63d00; --bad-paper: #fde8dc; --open: #7a5600; --open-paper: #fbf0d5;
  --mark: #0072b2; LIGHT_VARIABLES }
@media (prefers-color-scheme: dark) { :root { --paper: #14181d; --card: #1b2027; --ink: #e8ecf0; --muted: #9aa5b1;
  --line: #2f3740; --good: #5fd6ae; --good-paper: #12352b; --bad: #ff9c66; --bad-paper: #41200f; --open: #f2c766;
  --open-paper: #3a2e10; --mark: #4aa3df; DARK_VARIABLES } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
main { max-width: 64rem; margin: 0 auto; padding: 2rem 1.25rem 4rem; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0 0 .3rem; overflow-wrap: anywhere; }
h2 { font-size: 1.25rem; margin: 2.75rem 0 .75rem; padding-top: .75rem; border-top: 1px solid var(--line); }
h3 { font-size: 1rem; margin: 1.5rem 0 .5rem; }
p { margin: .4rem 0; overflow-wrap: anywhere; }
.verdict { margin-top: 1.25rem; font-size: 1.05rem; }
.found { border-left: 4px solid var(--mark); padding: .1rem 0 .1rem .9rem; margin: 1rem 0; }
.alarm { border: 2px solid var(--bad); background: var(--bad-paper); color: var(--bad); border-radius: .6rem;
  padding: .6rem 1rem; margin: 1rem 0; }
.alarm p { margin: .2rem 0; }
pre.command { white-space: pre-wrap; overflow-wrap: anywhere; }
.muted, .lead { color: var(--muted); }
.lead { font-size: 1.05rem; margin: 0 0 1rem; }
nav { display: flex; flex-wrap: wrap; gap: .25rem 1rem; margin: 1rem 0 0; font-size: .9rem; }
a { color: inherit; text-decoration-color: var(--muted); text-underline-offset: .2em; }
.badge { display: inline-block; padding: .05rem .55rem; border-radius: 1rem; font-size: .85rem; font-weight: 600;
  white-space: nowrap; background: var(--card); color: var(--muted); border: 1px solid var(--line); }
.badge.good { background: var(--good-paper); color: var(--good); border-color: transparent; }
.badge.bad { background: var(--bad-paper); color: var(--bad); border-color: transparent; }
.badge.open { background: var(--open-paper); color: var(--open); border-color: transparent; }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(10.5rem, 1fr)); gap: .75rem; margin: 1rem 0; }
.card { background: var(--card); border: 1px solid var(--line); border-radius: .6rem; padding: .7rem .9rem; }
.card b { display: block; font-size: 1.45rem; line-height: 1.3; font-variant-numeric: tabular-nums; }
.card span { display: block; font-size: .82rem; color: var(--muted); }
.wide { overflow-x: auto; margin: .5rem 0; }
:focus-visible { outline: 2px solid var(--mark); outline-offset: 2px; }
table { border-collapse: collapse; width: 100%; font-size: .9rem; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .4rem .75rem .4rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
thead th { font-weight: 600; color: var(--muted); white-space: nowrap; }
tbody th { font-weight: inherit; }
th.number, td.number { text-align: right; white-space: nowrap; }
td.words { min-width: 14rem; }
td small, tbody th small { color: var(--muted); display: block; }
dl { display: grid; grid-template-columns: minmax(6rem, max-content) 1fr; gap: .3rem 1rem; margin: .75rem 0; }
dt { color: var(--muted); }
dd { margin: 0; overflow-wrap: anywhere; }
ul.verdicts { list-style: none; padding: 0; margin: .5rem 0; }
ul.verdicts li { padding: .5rem 0; border-bottom: 1px solid var(--line); overflow-wrap: anywhere; }
ul.verdicts small { color: var(--muted); display: block; margin-top: .2rem; }
pre { background: var(--card); border: 1px solid var(--line); border-radius: .6rem; padding: .8rem 1rem;
  margin: .5rem 0; overflow-x: auto;
  font: .85rem/1.45 ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace; }
figure { margin: 1.75rem 0; }
figcaption { margin: 0 0 .4rem; overflow-wrap: anywhere; }
figcaption span { display: block; font-size: .85rem; color: var(--muted); }
figure svg { display: block; width: 100%; height: auto; }
figure .narrow { display: none; }
figure.drawing svg { width: auto; max-width: 100%; margin: 0 auto; }
@media (max-width: 40rem) { figure .narrow { display: block; } figure .broad { display: none; }
  dl { grid-template-columns: 1fr; gap: 0; } dd { margin-bottom: .5rem; } main { padding: 1.25rem 1.25rem 3rem; }
  h1 { font-size: 1.5rem; } }
.card, dt, summary { overflow-wrap: anywhere; }
details { margin: 1rem 0; }
summary { cursor: pointer; color: var(--muted); }
footer { margin-top: 3rem; padding-top: 1rem; border-top: 1px solid var(--line); font-size: .85rem;
  color: var(--muted); }
@media print { :root { color-scheme: light; } main { max-width: none; padding: 0; } nav { display: none; }
  h2, h3, figcaption { break-after: avoid; } figure, .card, tr, li { break-inside: avoid; }
  .wide, pre { overflow: visible; } pre { white-space: pre-wrap; }
  figure .narrow { display: none; } figure .broad { display: block; } }
"""


def page(title: str, sections: Sequence[tuple[str, str]], *, lead: str = "", head: str = "", footer: str = "") -> str:
    """Return a whole HTML page.

    `sections` pairs a heading (text) with HTML from the helpers of this module; `lead` is a sentence under the title
    (text), `head` HTML that stands before the first section, `footer` text at the end.
    """
    style = _STYLE.replace("LIGHT_VARIABLES", variables(LIGHT)).replace("DARK_VARIABLES", variables(DARK))
    links = "".join(f'<a href="#part-{at}">{escape(name)}</a>' for at, (name, _) in enumerate(sections, 1))
    body = "".join(
        f'<section><h2 id="part-{at}">{escape(name)}</h2>\n{content}</section>\n'
        for at, (name, content) in enumerate(sections, 1)
    )
    policy = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{style}</style>\n</head>\n<body>\n<main>\n<header>\n"
        f"<h1>{escape(title)}</h1>\n"
        + (f'<p class="lead">{escape(lead)}</p>\n' if lead else "")
        + (f'<nav aria-label="Contents">{links}</nav>\n' if len(sections) > 1 else "")
        + f"</header>\n{head}\n{body}"
        + (f"<footer>{escape(footer)}</footer>\n" if footer else "")
        + "</main>\n</body>\n</html>\n"
    )


def escape(text: object) -> str:
    """Return any value as text that HTML shows as it is; control characters become visible replacements."""
    clean = "".join(
        c if c in "\n\t" or unicodedata.category(c) not in {"Cc", "Cs"} else "\N{REPLACEMENT CHARACTER}"
        for c in str(text)
    )
    return html.escape(clean, quote=True)


def paragraph(text: object) -> str:
    """Return a paragraph of text."""
    return f"<p>{escape(text)}</p>\n"


def note(text: object) -> str:
    """Return a paragraph in muted ink: what a reader should know."""
    return f'<p class="muted">{escape(text)}</p>\n'


def preformatted(text: object) -> str:
    """Return text as it stands, in a fixed width: diagnostics, a journal, a scenario."""
    return f'<pre tabindex="0">{escape(text)}</pre>\n'


def command(text: object) -> str:
    """Return a command to be copied, on as many lines as it takes."""
    return f'<pre class="command">{escape(text)}</pre>\n'


def found(*sentences: str) -> str:
    """Return what a reader should take along, set off from the rest."""
    return f'<div class="found">{"".join(map(paragraph, sentences))}</div>\n' if sentences else ""


def alarm(*sentences: str) -> str:
    """Return what must not be overlooked; nothing where nothing is wrong."""
    return f'<div class="alarm" role="note">{"".join(map(paragraph, sentences))}</div>\n' if sentences else ""


def definitions(rows: Sequence[tuple[object, object]]) -> str:
    """Return names with what they stand for, all text."""
    inner = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in rows)
    return f"<dl>{inner}</dl>\n"


def verdicts(rows: Sequence[tuple[str, str, str]]) -> str:
    """Return a list of verdicts, each with what it is on and why, all text."""
    inner = "".join(
        f"<li>{badge(verdict)} {escape(text)}<small>{escape(reason)}</small></li>\n" for verdict, text, reason in rows
    )
    return f'<ul class="verdicts">\n{inner}</ul>\n'


def badge(verdict: str) -> str:
    """Return a verdict as a coloured word; the word carries the meaning, the colour helps."""
    return toned(verdict, verdict)


def toned(word: str, verdict: str) -> str:
    """Return a word in the colour of a verdict; neutral for none."""
    tone = "good" if verdict in _GOOD else "bad" if verdict in _BAD else "open" if verdict == "undecided" else ""
    return f'<span class="badge {tone}">{escape(word)}</span>'


def cards(items: Sequence[tuple[str, str, str]]) -> str:
    """Return figures to see first: name, value, and what stands under it, all text."""
    inner = "".join(
        f'<div class="card"><span>{escape(name)}</span><b>{escape(value)}</b><span>{escape(below)}</span></div>'
        for name, value, below in items
    )
    return f'<div class="cards">{inner}</div>\n'


def table(
    headings: Sequence[str],
    rows: Sequence[Sequence[object]],
    *,
    numbers: Sequence[int] = (),
    words: Sequence[int] = (),
    about: str = "table",
) -> str:
    """Return a table of text that scrolls in itself; a cell may be a pair of a value and a smaller line under it.

    `numbers` are the columns (from 0) that hold figures, `words` those that hold sentences; `about` says to those who
    hear the page what it holds. A cell that is a mapping `{"html": ...}` is taken as HTML from another helper.
    """
    kinds = {**dict.fromkeys(numbers, ' class="number"'), **dict.fromkeys(words, ' class="words"')}
    head = "".join(
        f'<th scope="col"{kinds.get(column, "")}>{escape(name)}</th>' if name else f"<td{kinds.get(column, '')}></td>"
        for column, name in enumerate(headings)
    )
    body = "".join(
        "<tr>" + "".join(_td(cell, column, kinds.get(column, "")) for column, cell in enumerate(row)) + "</tr>\n"
        for row in rows
    )
    top = f"<thead><tr>{head}</tr></thead>" if any(headings) else ""
    return (
        f'<div class="wide" tabindex="0" role="region" aria-label="{escape(about)}">'
        f"<table>{top}<tbody>\n{body}</tbody></table></div>\n"
    )


def _td(cell: object, column: int, kind: str) -> str:
    if column == 0 and not isinstance(cell, Mapping):
        return f'<th scope="row"{kind}>{_cell(cell)}</th>'
    return f"<td{kind}>{_cell(cell)}</td>"


def figure(chart: Chart) -> str:
    """Return a chart as inline SVG whose colours follow the page: drawn twice, for a desk and for a phone."""
    caption = f"<b>{escape(chart.title)}</b>" + (f"<span>{escape(chart.note)}</span>" if chart.note else "")
    return (
        f'<figure><figcaption>{caption}</figcaption><div class="broad">{chart.svg()}</div>'
        f'<div class="narrow">{chart.svg(PHONE)}</div></figure>\n'
    )


def drawing(svg: str, about: str = "drawing") -> str:
    """Return an SVG picture of its own size, made by a drawer of ours that escapes what it is given.

    It shrinks with the page as long as its words can be read, and scrolls in itself below that.
    """
    width = re.search(r'<svg [^>]*?\bwidth="(\d+)', svg)
    least = f' style="min-width: {0.7 * int(width[1]):.0f}px"' if width is not None else ""
    return (
        f'<figure class="drawing"><div class="wide" tabindex="0" role="region" aria-label="{escape(about)}">'
        f"{svg.replace('<svg ', f'<svg{least} ', 1)}</div></figure>\n"
    )


def details(summary: str, content: str) -> str:
    """Return HTML from the other helpers, folded away under a line of text."""
    return f"<details><summary>{escape(summary)}</summary>\n{content}</details>\n"


def _cell(cell: object) -> str:
    if isinstance(cell, Mapping):
        return str(cell["html"])
    if isinstance(cell, tuple):
        value, below = cell
        return f"{escape(value)}<small>{escape(below)}</small>" if below else escape(value)
    return escape(cell)
