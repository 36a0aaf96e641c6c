"""Every sample of a spec in the documents says what it shows: it checks without a word, or with just these codes.

A block `orch` is a whole spec where it begins with `orch 1`. Else it goes on from the first whole spec of its page, or,
below `docs/language/`, of `docs/language.md`; with the word `statements` it is the body of a flow there. Codes after
the word are those that it must show.
"""

import re

import pytest

from orchspec.compiler.check import check
from orchspec.grammar.source import Source
from tests.docs.pages import DOCS, fences, pages

SAMPLES = [fence for page in pages() for fence in fences(page) if fence.kind == "orch"]


def whole(fence):
    """The spec that a block stands for, and whether names may stay unused in it."""
    if fence.text.startswith("orch 1"):
        return fence.text
    page = DOCS / "language.md" if fence.page.parent == DOCS / "language" else fence.page
    before = next(each for each in fences(page) if each.kind == "orch" and each.text.startswith("orch 1"))
    if "statements" in fence.words:
        return f"{before.text}flow sample(topic: Text) {{\n{fence.text}}}\n"
    return before.text + fence.text


@pytest.mark.parametrize("fence", SAMPLES, ids=lambda fence: fence.name)
def test_a_sample_shows_the_codes_it_names_and_no_other(fence, tmp_path):
    wanted = {word for word in fence.words if re.fullmatch(r"[EWA]\d{4}", word)}
    source = Source("sample.orch", whole(fence))
    folder = fence.page.parent
    if fence.file is not None:  # the files of a page import each other
        folder = tmp_path
        for each in fences(fence.page):
            if each.kind == "orch" and each.file is not None:
                (folder / each.file).write_text(each.text, "utf-8")
    found = check(source, {}, folder).diagnostics
    if not fence.text.startswith("orch 1"):
        # What a fragment gives is not read further in it.
        found = [item for item in found if item.code.id not in {"W0212", "W0213"} or item.code.id in wanted]
    told = "\n".join(f"{item.span.line}:{item.span.column} {item.code.id} {item.message}" for item in found)
    assert {item.code.id for item in found} == wanted, f"{fence.name}\n{told}\n\n{source.text}"


def test_there_are_samples():
    assert len(SAMPLES) > 15


@pytest.mark.parametrize(
    "fence", [fence for fence in SAMPLES if fence.text.startswith("orch 1")], ids=lambda fence: fence.name
)
def test_a_whole_sample_is_formatted(fence):
    from orchspec.grammar.format import format_source

    after, _ = format_source(Source("sample.orch", fence.text))
    assert after in {None, fence.text}
