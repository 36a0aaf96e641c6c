"""What the scanner finds that is no token of Orch, but looks like one: each kind with a code, a reading and a fix.

A reader takes the span that its pattern matched and gives what to read instead, as (kind, text, end), or none to
read nothing; and the diagnostic.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator
from decimal import Decimal
from itertools import islice
from typing import TypeAlias

from orchspec.grammar import codes
from orchspec.grammar.diagnostics import Applicability, Code, Diagnostic, Edit, Fix
from orchspec.grammar.literals import UNITS_US
from orchspec.grammar.source import Source, Span

__all__ = ["AFTER", "BEFORE", "READERS", "Reading", "hidden_characters", "shown"]

Reading: TypeAlias = tuple[str, str, int] | None
_Reader: TypeAlias = Callable[[Span], tuple[Reading, Diagnostic | None]]

# Tried before the terminals, of which they would otherwise match a part.
BEFORE = [
    ("BLOCK_COMMENT", r"/\*[\s\S]*?\*/"),
    ("UNCLOSED_COMMENT", r"/\*[\s\S]*"),
    ("UNCLOSED_LONG", r'"""(?![^"\\]*(?:(?:\\[\s\S]|"(?!""))[^"\\]*)*""")[\s\S]*'),
    ("OR_SIGN", r"\|\|"),
    ("FAT_ARROW", r"=>"),
]
# Tried where no terminal matches.
AFTER = [
    ("UNCLOSED_STRING", r'"[^"\\\r\n]*(?:\\[^\r\n][^"\\\r\n]*)*+\\?'),
    ("CURLY_STRING", r'[“”„«][^“”„«»"\r\n]*[“”»"]'),
    ("SINGLE_STRING", r"'(?:[^'\\\r\n]|\\[^\r\n]){0,2000}'"),
    ("NUMBER_LIKE", r"[0-9]\w*(?:\.[0-9]\w*)*%?"),
    ("MONEY_LIKE", r"\$[\w.]*"),
    ("DOT_NUMBER", r"\.[0-9][0-9_]*(?:%|[A-Za-z]\w*)?"),
    ("FOREIGN_MEMBER", r"\.[^\W\d]\w*"),
    ("FOREIGN_WORD", r"\w+"),
    ("AND_SIGN", r"&&?"),
    ("NOT_SIGN", r"!"),
    ("SEMICOLON", r";"),
    ("HASH_COMMENT", r"#[^\r\n]*"),
    ("BYTE_ORDER_MARK", r"\A\ufeff"),
    ("HIDDEN", r"[\x00-\x08\x0b\x0e-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ud800-\udfff\ufeff]"),
    ("UNKNOWN", r"[\s\S]"),
]
_HIDDEN = re.compile(AFTER[-2][1])
_HIDDEN_REPORTS_MAX = 20

_UNIT_WORDS = {
    "m": "min", "mn": "min", "mins": "min", "minute": "min", "minutes": "min",
    "sec": "s", "secs": "s", "second": "s", "seconds": "s", "S": "s",
    "msec": "ms", "msecs": "ms", "millis": "ms", "milliseconds": "ms",
    "hr": "h", "hrs": "h", "hour": "h", "hours": "h", "H": "h",
    "day": "d", "days": "d", "D": "d",
}  # fmt: skip
_DURATION_PARTS = re.compile(r"([0-9][0-9_]*(?:\.[0-9]+)?)([A-Za-z]+)")
_DURATION_CHARS_MAX = 30
_LABEL_AHEAD = re.compile(r"\s*:")


def shown(text: str) -> str:
    """A character or word for a message: visible, and with its code point when it would not be."""
    if text.isprintable():
        return f"`{text}`"
    return " ".join(f"U+{ord(character):04X}" for character in text)


def hidden_characters(source: Source) -> Iterator[Diagnostic]:
    """A diagnostic for each control or invisible character, wherever it stands; a byte order mark may open a file."""
    start = 1 if source.text.startswith("\ufeff") else 0
    for match in islice(_HIDDEN.finditer(source.text, start), _HIDDEN_REPORTS_MAX):
        span = Span(source, match.start(), match.end())
        name = unicodedata.name(match.group(), "")
        found = shown(match.group()) + (f" ({name.lower()})" if name else "")
        yield Diagnostic(
            codes.CONTROL_CHARACTER, span, {"found": found}, fix=_replace(span, "", "delete it", "maybe-incorrect")
        )


def _replace(span: Span, replacement: str, title: str = "", applicability: Applicability = "machine-applicable") -> Fix:
    return Fix(title or f"write `{replacement}`", (Edit(span, replacement),), applicability)


def _drop_with(code: Code) -> _Reader:
    def read(span: Span) -> tuple[Reading, Diagnostic]:
        text = span.text
        if code is codes.HASH_COMMENT:
            fix = _replace(Span(span.source, span.start, span.start + 1), "//")
        elif code is codes.SEMICOLON:
            fix = _replace(span, "", "delete it")
        else:
            body = text[2:-2].strip().splitlines() or [""]
            fix = _replace(
                span, "\n".join(f"// {line.strip()}" for line in body) + "\n", "write it with `//`", "maybe-incorrect"
            )
        return None, Diagnostic(code, span, fix=fix)

    return read


def _unclosed_comment(span: Span) -> tuple[Reading, Diagnostic]:
    opening = Span(span.source, span.start, span.start + 2)
    # The rest of the line is the comment that was meant; what stands below is read.
    line_end = re.search(r"[\r\n]|\Z", span.text)
    assert line_end is not None
    return ("", "", span.start + line_end.start()), Diagnostic(
        codes.UNCLOSED_COMMENT, opening, fix=_replace(opening, "//")
    )


def _unclosed_string(span: Span) -> tuple[Reading, Diagnostic]:
    body = span.text[1:]
    # `{ a = "text }`: what closes more than the string itself opens stands, most likely, outside of it.
    kept = body.rstrip(" \t)]},")
    tail = body[len(kept) :]
    if sum(map(tail.count, ")]}")) <= sum(map(kept.count, "([{")):
        kept = body
    if kept.endswith("\\"):
        kept += "\\"
    end = min(span.start + 1 + len(kept), span.end)
    opening = Span(span.source, span.start, span.start + 1)
    fix = _replace(Span(span.source, end, end), '"', "close it", "maybe-incorrect")
    return ("STRING", f'"{kept}"', end), Diagnostic(codes.UNCLOSED_STRING, opening, fix=fix)


def _unclosed_long(span: Span) -> tuple[Reading, Diagnostic]:
    opening = Span(span.source, span.start, span.start + 3)
    return ("LONG_STRING", '""""""', span.end), Diagnostic(codes.UNCLOSED_STRING, opening)


def _requoted(code: Code) -> _Reader:
    def read(span: Span) -> tuple[Reading, Diagnostic]:
        body = span.text[1:-1]
        written = '"' + re.sub(r'\\.|"', lambda m: '\\"' if m[0] == '"' else "'" if m[0] == "\\'" else m[0], body) + '"'
        diagnostic = Diagnostic(code, span, {"found": f"`{span.text[0]}`"}, fix=_replace(span, written))
        return ("STRING", written, span.end), diagnostic

    return read


def _duration_like(text: str) -> str | None:
    """What a near miss of a duration means, in one unit; `m` is minutes, since nothing longer than days has a name."""
    if len(text) > _DURATION_CHARS_MAX:
        return None
    parts = _DURATION_PARTS.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        return None
    if any(unit not in UNITS_US and unit not in _UNIT_WORDS for _, unit in parts):
        return None
    units = [unit if unit in UNITS_US else _UNIT_WORDS[unit] for _, unit in parts]
    total = sum(
        Decimal(number.replace("_", "")) * UNITS_US[unit] for (number, _), unit in zip(parts, units, strict=True)
    )
    unit = min(units, key=UNITS_US.__getitem__)
    amount = f"{total / UNITS_US[unit]:f}"
    return amount + unit


def _number_like(span: Span) -> tuple[Reading, Diagnostic]:
    text = span.text
    duration = _duration_like(text)
    if duration is not None:
        fix = _replace(span, duration)
        return ("DURATION", duration, span.end), Diagnostic(codes.BAD_DURATION, span, {"found": text}, fix=fix)
    number_fix: Fix | None = None
    suffixed = re.fullmatch(r"([0-9]+(?:_[0-9]+)*)([Km])", text)
    if suffixed is not None:
        number_fix = _replace(span, suffixed[1] + suffixed[2].swapcase())
    exponent = re.fullmatch(r"([0-9]{1,9})[eE]([0-9]{1,2})", text)
    if exponent is not None and int(exponent[2]) <= 18:
        number_fix = _replace(span, str(int(exponent[1]) * 10 ** int(exponent[2])))
    kind = "PERCENT" if text.endswith("%") else "INT"
    reading = (kind, "0%" if kind == "PERCENT" else "0", span.end)
    return reading, Diagnostic(codes.BAD_NUMBER, span, {"found": _clipped(text)}, fix=number_fix)


def _money_like(span: Span) -> tuple[Reading, Diagnostic]:
    text = span.text
    fix: Fix | None = None
    match = re.fullmatch(r"\$([0-9]{1,9}(?:\.[0-9]{1,9})?)([kKmM])", text)
    if match is not None:
        amount = Decimal(match[1]) * (1_000 if match[2] in "kK" else 1_000_000)
        whole = amount == amount.to_integral_value()
        fix = _replace(
            span,
            f"${int(amount):_}" if whole else f"${amount:f}",
            applicability="maybe-incorrect" if match[2] == "m" else "machine-applicable",
        )
    reading = ("MONEY", "$0" if fix is None else fix.edits[0].replacement, span.end)
    return reading, Diagnostic(codes.BAD_MONEY, span, {"found": _clipped(text)}, fix=fix)


def _dot_number(span: Span) -> tuple[Reading, Diagnostic]:
    text = span.text
    unit = text.lstrip(".0123456789_")
    if unit == "%":
        kind = "PERCENT"
    elif unit in UNITS_US:
        kind = "DURATION"
    else:
        kind = "FLOAT"
    digits = text[: len(text) - len(unit)].replace("_", "")
    written = f"0{digits}{unit if kind != 'FLOAT' or unit in ('k', 'M') else ''}"
    fix = _replace(span, written)
    return (kind, written, span.end), Diagnostic(codes.LEADING_DOT, span, {"found": _clipped(text)}, fix=fix)


def _foreign_word(span: Span) -> tuple[Reading, Diagnostic]:
    text = span.text
    kind = "MEMBER" if text.startswith(".") else "NAME"
    if kind == "NAME" and _LABEL_AHEAD.match(span.source.text, span.end):
        kind = "LABEL"
    name = text.removeprefix(".")
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    named = Span(span.source, span.end - len(name), span.end)
    fix = _replace(named, plain, applicability="maybe-incorrect") if plain.isidentifier() else None
    return (kind, text, span.end), Diagnostic(codes.FOREIGN_NAME, named, {"found": _clipped(name)}, fix=fix)


def _operator(kind: str, expected: str) -> _Reader:
    def read(span: Span) -> tuple[Reading, Diagnostic]:
        padding = " " if kind == "NOT" else ""
        diagnostic = Diagnostic(
            codes.FOREIGN_OPERATOR,
            span,
            {"found": span.text, "expected": expected},
            fix=_replace(span, expected + padding, f"write `{expected}`"),
        )
        return (kind, expected, span.end), diagnostic

    return read


def _nothing(_span: Span) -> tuple[Reading, Diagnostic | None]:
    return None, None


def _unknown(span: Span) -> tuple[Reading, Diagnostic | None]:
    before = span.source.text[span.start - 1 : span.start]
    if before and not before.isspace() and before == span.text:
        return None, None  # `@@@@` is one mistake
    return None, Diagnostic(codes.UNEXPECTED_CHARACTER, span, {"found": shown(span.text)})


def _clipped(text: str) -> str:
    return text if len(text) <= 40 else text[:37] + "..."


READERS: dict[str, _Reader] = {
    "BLOCK_COMMENT": _drop_with(codes.BLOCK_COMMENT),
    "UNCLOSED_COMMENT": _unclosed_comment,
    "UNCLOSED_LONG": _unclosed_long,
    "OR_SIGN": _operator("OR", "or"),
    "FAT_ARROW": _operator("ARROW", "->"),
    "UNCLOSED_STRING": _unclosed_string,
    "CURLY_STRING": _requoted(codes.CURLY_QUOTES),
    "SINGLE_STRING": _requoted(codes.SINGLE_QUOTES),
    "NUMBER_LIKE": _number_like,
    "MONEY_LIKE": _money_like,
    "DOT_NUMBER": _dot_number,
    "FOREIGN_MEMBER": _foreign_word,
    "FOREIGN_WORD": _foreign_word,
    "AND_SIGN": _operator("AND", "and"),
    "NOT_SIGN": _operator("NOT", "not"),
    "SEMICOLON": _drop_with(codes.SEMICOLON),
    "HASH_COMMENT": _drop_with(codes.HASH_COMMENT),
    "BYTE_ORDER_MARK": _nothing,
    "HIDDEN": _nothing,
    "UNKNOWN": _unknown,
}
